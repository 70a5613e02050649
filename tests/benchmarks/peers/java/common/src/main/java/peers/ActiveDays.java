package peers;

import java.util.Arrays;

/**
 * The days a user was active, in 5 bytes and one more for every 8 days: the first day (int, big-endian), then a bitmap
 * in which bit i says "active i days after the first". Right for days in any order and of any distance.
 */
public final class ActiveDays {
    private static final int HEADER = Integer.BYTES;

    private ActiveDays() {}

    /**
     * One more active day.
     *
     * @param days the days so far, null for a new user; never changed in place, as state stores may share it
     * @param day days since 1970-01-01
     * @param cells is told how the matrix changes
     * @return the same array where the day was known, or else a new one
     */
    public static byte[] with(byte[] days, int day, Cell.Change cells) {
        if (days == null) {
            cells.accept(Cell.of(day, 0), 1);
            return begin(day, 1);
        }
        int first = first(days);
        if (day < first) {
            return earlier(days, day, cells);
        }
        int index = day - first;
        int place = HEADER + index / 8;
        int bit = 1 << index % 8;
        if (place < days.length && (days[place] & bit) != 0) {
            return days;
        }
        cells.accept(Cell.of(first, index), 1);
        byte[] more = Arrays.copyOf(days, Math.max(days.length, place + 1));
        more[place] |= (byte) bit;
        return more;
    }

    /** The user belongs to an earlier cohort than was known: every cell it counts in moves. */
    private static byte[] earlier(byte[] days, int day, Cell.Change cells) {
        int first = first(days);
        int shift = first - day;
        int last = 8 * (days.length - HEADER) - 1;
        byte[] more = begin(day, (last + shift) / 8 + 1);
        cells.accept(Cell.of(day, 0), 1);
        for (int index = 0; index <= last; index++) {
            if ((days[HEADER + index / 8] & 1 << index % 8) != 0) {
                cells.accept(Cell.of(first, index), -1);
                cells.accept(Cell.of(day, index + shift), 1);
                more[HEADER + (index + shift) / 8] |= (byte) (1 << (index + shift) % 8);
            }
        }
        return more;
    }

    private static byte[] begin(int day, int bitmap) {
        byte[] days = new byte[HEADER + bitmap];
        days[0] = (byte) (day >> 24);
        days[1] = (byte) (day >> 16);
        days[2] = (byte) (day >> 8);
        days[3] = (byte) day;
        days[HEADER] = 1;
        return days;
    }

    private static int first(byte[] days) {
        return days[0] << 24 | (days[1] & 0xff) << 16 | (days[2] & 0xff) << 8 | days[3] & 0xff;
    }
}
