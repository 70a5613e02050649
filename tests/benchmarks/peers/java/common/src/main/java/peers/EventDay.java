package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;

/**
 * The UTC day of an event, from its JSON.
 *
 * <p>Only "type" and "occurred_at" are decoded. The rest is walked over to its end all the same, so that a broken
 * record is noticed. The user is the record's key.
 */
public final class EventDay {
    private static final JsonFactory JSON = new JsonFactory();

    private EventDay() {}

    /**
     * @param event a visit or a purchase in JSON
     * @return days since 1970-01-01
     * @throws IllegalArgumentException naming what is missing or wrong
     */
    public static int of(byte[] event) {
        try (JsonParser json = JSON.createParser(event)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new IllegalArgumentException("an event must be a JSON object");
            }
            String type = null;
            int day = Integer.MIN_VALUE;
            for (String field = json.nextFieldName(); field != null; field = json.nextFieldName()) {
                json.nextToken();
                switch (field) {
                    case "type" -> type = json.getText();
                    case "occurred_at" -> day = day(json);
                    default -> json.skipChildren();
                }
            }
            if (!"visit".equals(type) && !"purchase".equals(type)) {
                throw new IllegalArgumentException("type must be visit or purchase, not " + type);
            }
            if (day == Integer.MIN_VALUE) {
                throw new IllegalArgumentException("occurred_at is missing");
            }
            return day;
        } catch (IOException error) {
            throw new IllegalArgumentException("not JSON: " + error.getMessage(), error);
        }
    }

    /** By hand in the usual form, which ends in Z: java.time makes many objects of it. Others go through java.time. */
    private static int day(JsonParser json) throws IOException {
        char[] text = json.getTextCharacters();
        int start = json.getTextOffset();
        int length = json.getTextLength();
        if (length < 20 || text[start + 4] != '-' || text[start + 7] != '-' || text[start + length - 1] != 'Z') {
            OffsetDateTime time = OffsetDateTime.parse(json.getText());
            return (int) time.withOffsetSameInstant(ZoneOffset.UTC).toLocalDate().toEpochDay();
        }
        int year = number(text, start, 4);
        int month = number(text, start + 5, 2);
        return (int) LocalDate.of(year, month, number(text, start + 8, 2)).toEpochDay();
    }

    private static int number(char[] text, int start, int digits) {
        int number = 0;
        for (int i = start; i < start + digits; i++) {
            int digit = text[i] - '0';
            if (digit < 0 || digit > 9) {
                throw new IllegalArgumentException("occurred_at begins with no date");
            }
            number = 10 * number + digit;
        }
        return number;
    }
}
