package lakewright.decoder;

/** Dates and times as ISO 8601 writes them, strictly. */
final class Times {
    private static final long SECOND = 1_000_000;
    /** Microseconds of a day. */
    static final long DAY = 86_400 * SECOND;
    /** The first microsecond of the year 1. */
    static final long EARLIEST = -719_162 * DAY;
    /** The last microsecond of the year 9999. */
    static final long LATEST = 2_932_897 * DAY - 1;

    private final String text;
    private int at;

    private Times(String text) {
        this.text = text;
    }

    /** A number of so many digits; -1 when there is none. */
    private int digits(int count) {
        if (at + count > text.length()) {
            return -1;
        }
        int value = 0;
        for (int index = at; index < at + count; index++) {
            char character = text.charAt(index);
            if (character < '0' || character > '9') {
                return -1;
            }
            value = value * 10 + character - '0';
        }
        at += count;
        return value;
    }

    private boolean take(char wanted) {
        boolean found = at < text.length() && text.charAt(at) == wanted;
        if (found) {
            at++;
        }
        return found;
    }

    private boolean isOver() {
        return at == text.length();
    }

    /** Days since 1970 of a date; null when there is none. The years are 1 to 9999. */
    private Long day() {
        int year = digits(4);
        int month = year > 0 && take('-') ? digits(2) : -1;
        int day = month > 0 && take('-') ? digits(2) : -1;
        if (month < 1 || month > 12 || day < 1 || day > java.time.YearMonth.of(year, month).lengthOfMonth()) {
            return null;
        }
        return java.time.LocalDate.of(year, month, day).toEpochDay();
    }

    /** Microseconds since midnight of a time of day; null when there is none. Digits beyond microseconds are cut off. */
    private Long clock() {
        int hour = digits(2);
        int minute = hour >= 0 && take(':') ? digits(2) : -1;
        int second = minute >= 0 && take(':') ? digits(2) : -1;
        if (second < 0 || hour > 23 || minute > 59 || second > 59) {
            return null;
        }
        long micros = 0;
        if (take('.')) {
            int from = at;
            while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
                at++;
            }
            int count = at - from;
            if (count < 1 || count > 9) {
                return null;
            }
            String kept = text.substring(from, from + Math.min(count, 6));
            micros = Long.parseLong(kept + "0".repeat(6 - kept.length()));
        }
        return ((hour * 60L + minute) * 60 + second) * SECOND + micros;
    }

    /** Days since 1970 of a text that is a date; null when it is none. */
    static Long date(String text) {
        Times times = new Times(text);
        Long day = times.day();
        return times.isOver() ? day : null;
    }

    /** Microseconds since midnight of a text that is a time of day without offset; null when it is none. */
    static Long timeOfDay(String text) {
        Times times = new Times(text);
        Long clock = times.clock();
        return times.isOver() ? clock : null;
    }

    /**
     * Microseconds since 1970 of a text; null when it is no such time. With {@code zoned} an offset must stand, else none
     * may; with it too the year is 1 to 9999 in UTC.
     */
    static Long timestamp(String text, boolean zoned) {
        Times times = new Times(text);
        Long day = times.day();
        if (day == null || !(times.take('T') || times.take('t') || times.take(' '))) {
            return null;
        }
        Long clock = times.clock();
        if (clock == null) {
            return null;
        }
        long offset = 0;
        if (zoned && !times.take('Z') && !times.take('z')) {
            boolean west = times.take('-');
            if (!west && !times.take('+')) {
                return null;
            }
            int hours = times.digits(2);
            int minutes = hours >= 0 && times.take(':') ? times.digits(2) : -1;
            if (minutes < 0 || hours > 23 || minutes > 59) {
                return null;
            }
            offset = (west ? -1 : 1) * (hours * 60L + minutes);
        }
        long time = day * DAY + clock - offset * 60 * SECOND;
        return times.isOver() && time >= EARLIEST && time <= LATEST ? (Long) time : null;
    }
}
