package peers;

/** A cell of the matrix as one long, so that counters can be kept by a primitive key: cohort's day, then index. */
public final class Cell {
    private Cell() {}

    /** Takes in by how many users a cell changed. */
    @FunctionalInterface
    public interface Change {
        void accept(long cell, long users);
    }

    public static long of(int cohort, int index) {
        return (long) cohort << 32 | index;
    }

    /** Days since 1970-01-01. */
    public static int cohort(long cell) {
        return (int) (cell >> 32);
    }

    /** Days since the cohort's day. */
    public static int index(long cell) {
        return (int) cell;
    }
}
