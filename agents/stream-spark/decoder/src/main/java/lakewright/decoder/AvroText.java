package lakewright.decoder;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.nio.ByteBuffer;
import java.time.LocalDate;
import java.util.Locale;

/** From Avro's binary encoding to JSON text, as the stream agent makes it. */
final class AvroText {
    /** Records, arrays and maps within each other deeper than this are refused: the reader of the text takes no more. */
    private static final int MAX_DEPTH = 64;
    /** Items that take no bytes, as of an array of null, in one array or map at most. */
    private static final long MAX_EMPTY_ITEMS = 1024;
    /** The most decimal places, and the most digits that a column holds. */
    private static final int MAX_SCALE = 38;
    private static final int TEXT_PER_BYTE = 64;
    private static final int TEXT_AT_LEAST = 1 << 20;
    private static final int TEXT_AT_MOST = 64 << 20;
    /** The most characters that one becomes in a JSON string. */
    private static final int ESCAPED = 6;

    private final AvroCursor input;
    private final StringBuilder out = new StringBuilder();
    private final long limit;
    /** Where values without a text are no errors, and where the value at hand is; null: they are errors. */
    private final Taken taken;
    private int here;
    private int depth;

    private AvroText(byte[] message, int from, Taken taken) {
        this.taken = taken;
        this.input = new AvroCursor(message, from);
        this.limit = Math.min(Math.max((long) input.left() * TEXT_PER_BYTE, TEXT_AT_LEAST), TEXT_AT_MOST);
    }

    /** The JSON text of a value that was written by the schema, which begins at a byte of the message. */
    static String of(AvroSchema schema, byte[] message, int from) throws Wrong {
        return of(schema, message, from, null);
    }

    /** The same, where a value without a text is no error unless it is taken: what is in the bytes stands in its place. */
    static String ofTaken(AvroSchema schema, byte[] message, Taken taken) throws Wrong {
        try {
            return of(schema, message, 0, null);
        } catch (Wrong wrong) {
            if (wrong.cause != Cause.UNSUPPORTED) {
                throw wrong;
            }
            return of(schema, message, 0, taken);
        }
    }

    private static String of(AvroSchema schema, byte[] message, int from, Taken taken) throws Wrong {
        AvroText text = new AvroText(message, from, taken);
        text.value(schema.root);
        if (text.input.left() > 0) {
            throw Wrong.data(text.input.left() + " bytes are left over after the value");
        }
        return text.out.toString();
    }

    private void value(AvroSchema.Node node) throws Wrong {
        switch (node.kind) {
            case NULL -> out.append("null");
            case BOOLEAN -> out.append(input.truth());
            case INT -> out.append(input.whole());
            case LONG -> out.append(input.number());
            case FLOAT -> realOrName(input.plain(4, "a float").getFloat());
            case DOUBLE -> realOrName(input.plain(8, "a double").getDouble());
            case BYTES -> base64(input.bytes());
            case STRING, UUID_TEXT -> string(input.string());
            case DATE -> {
                int days = input.whole();
                either(() -> {
                    out.append('"');
                    day(days);
                    out.append('"');
                }, () -> out.append(days));
            }
            case TIME -> {
                long time = node.perSecond == 1000 ? input.whole() : input.number();
                either(() -> time(time, node.perSecond), () -> out.append(time));
            }
            case TIMESTAMP, LOCAL_TIMESTAMP -> {
                long time = input.number();
                String end = node.kind == AvroSchema.Kind.TIMESTAMP ? "Z\"" : "\"";
                either(() -> timestamp(time, node.perSecond, end), () -> out.append(time));
            }
            case DECIMAL -> {
                byte[] bytes = node.size < 0 ? input.bytes() : input.take(node.size, "a fixed");
                either(() -> decimal(bytes, node.scale), () -> base64(bytes));
            }
            case UUID -> {
                ByteBuffer bytes = ByteBuffer.wrap(input.take(node.size, "a uuid"));
                out.append('"').append(new java.util.UUID(bytes.getLong(), bytes.getLong())).append('"');
            }
            case DURATION -> either(AvroText::noDuration, () -> base64(input.take(node.size, "a duration")));
            case FIXED -> base64(input.take(node.size, "a fixed"));
            case ENUM -> {
                int index = input.whole();
                if (index < 0 || index >= node.symbols.size()) {
                    throw Wrong.data("symbol " + index + " of `" + node.name + "`, which has " + node.symbols.size());
                }
                string(node.symbols.get(index));
            }
            case ARRAY -> many(node.parts.get(0), false);
            case MAP -> many(node.parts.get(0), true);
            case UNION -> {
                long index = input.number();
                if (index < 0 || index >= node.parts.size()) {
                    throw Wrong.data("branch " + index + " of a union of " + node.parts.size());
                }
                value(node.parts.get((int) index));
            }
            case RECORD -> record(node);
            case SCALED -> {
                int scale = input.whole();
                byte[] bytes = input.bytes();
                either(() -> scaled(bytes, scale), () -> {
                    out.append("{\"scale\":").append(scale).append(",\"value\":");
                    base64(bytes);
                    out.append('}');
                });
            }
            default -> throw new IllegalStateException("no value of " + node.kind);
        }
    }

    /** Writes a part of a value. */
    private interface Writing {
        void write() throws Wrong;
    }

    /** Writes a value's text, or, where it has none and that is no error, what stands for it. */
    private void either(Writing text, Writing instead) throws Wrong {
        int from = out.length();
        try {
            text.write();
        } catch (Wrong wrong) {
            if (taken == null || here != Taken.NOT) {
                throw wrong;
            }
            out.setLength(from);
            instead.write();
        }
    }

    private static void noDuration() throws Wrong {
        throw Wrong.unsupported(
                "a duration is months, days and milliseconds, which no column type holds; send it as a number or text");
    }

    private void realOrName(double value) throws Wrong {
        // Java's names of them are those that the stream agent writes.
        either(() -> real(value), () -> string(Double.toString(value)));
    }

    /** Enters an object or array, which its end leaves. */
    private void enter() throws Wrong {
        depth++;
        if (depth > MAX_DEPTH) {
            throw Wrong.unsupported("values are nested deeper than " + MAX_DEPTH);
        }
        mustBeBounded();
    }

    private void mustBeBounded() throws Wrong {
        mustHaveRoom(0);
    }

    /** There is room for so many characters more of text. */
    private void mustHaveRoom(long more) throws Wrong {
        if (out.length() + more > limit) {
            throw Wrong.unsupported("its text is longer than " + TEXT_PER_BYTE + " times the message, or than "
                    + (TEXT_AT_MOST >> 20) + " MiB");
        }
    }

    private void record(AvroSchema.Node node) throws Wrong {
        enter();
        char before = '{';
        for (AvroSchema.Field field : node.fields) {
            out.append(before);
            string(field.name());
            out.append(':');
            before = ',';
            int whole = here;
            here = taken == null ? 0 : taken.member(whole, field.name());
            try {
                value(field.node());
            } catch (Wrong wrong) {
                throw wrong.inside(field.name());
            }
            here = whole;
        }
        out.append(before == '{' ? "{}" : "}");
        depth--;
    }

    private void many(AvroSchema.Node items, boolean isMap) throws Wrong {
        enter();
        out.append(isMap ? '{' : '[');
        long index = 0;
        long seen = 0;
        while (true) {
            long count = input.number();
            long size = count < 0 ? input.number() : -1;
            int end = input.left() - (int) Math.max(Math.min(size, Integer.MAX_VALUE), 0);
            if (count < 0 && (size < 0 || size > input.left())) {
                throw Wrong.data("a block of " + size + " bytes with " + input.left() + " bytes left");
            }
            count = Math.abs(count);
            int least = smallest(items, 0) + (isMap ? 1 : 0);
            long most = least == 0 ? MAX_EMPTY_ITEMS - seen : input.left() / least;
            if (count != 0 && (count < 0 || count > most)) {
                throw Wrong.data(Long.toUnsignedString(count) + " items with " + input.left() + " bytes left");
            }
            seen += count;
            for (long item = 0; item < count; item++, index++) {
                if (index > 0) {
                    out.append(',');
                }
                String place = "[" + index + "]";
                int whole = here;
                here = taken == null ? 0 : taken.element(whole);
                if (isMap) {
                    String key = input.string();
                    string(key);
                    out.append(':');
                    place = "[" + Wrong.shown(key) + "]";
                    here = taken == null ? 0 : taken.member(whole, key);
                }
                try {
                    value(items);
                } catch (Wrong wrong) {
                    throw wrong.inside(place);
                }
                here = whole;
                mustBeBounded();
            }
            if (size >= 0 && end != input.left()) {
                throw Wrong.data("a block isn't as long as it says");
            }
            if (count == 0) {
                break;
            }
        }
        out.append(isMap ? '}' : ']');
        depth--;
    }

    /** The fewest bytes that a value takes, as far as a few types within each other say it. */
    private static int smallest(AvroSchema.Node node, int depth) {
        return switch (node.kind) {
            case NULL -> 0;
            case FLOAT -> 4;
            case DOUBLE -> 8;
            case FIXED, UUID, DURATION -> node.size;
            case DECIMAL -> node.size < 0 ? 1 : node.size;
            case SCALED -> 2;
            case RECORD -> {
                int sum = 0;
                for (AvroSchema.Field field : node.fields) {
                    sum += depth > 8 ? 0 : smallest(field.node(), depth + 1);
                }
                yield sum;
            }
            default -> 1;
        };
    }

    private void real(double value) throws Wrong {
        if (!Double.isFinite(value)) {
            String shown = Double.isNaN(value) ? "NaN" : value > 0 ? "inf" : "-inf";
            throw Wrong.unsupported(shown + " has no text in JSON, and no column takes it");
        }
        if (value == 0) {
            out.append(1 / value < 0 ? "-0.0" : "0.0");
            return;
        }
        // The fewest digits that read back as the same number. Java's own text may have one more than needed.
        BigDecimal exact = new BigDecimal(value);
        for (int digits = 1; digits <= 17; digits++) {
            BigDecimal shorter = exact.round(new MathContext(digits));
            if (shorter.doubleValue() == value) {
                out.append(shorter.stripTrailingZeros());
                return;
            }
        }
        throw new IllegalStateException("17 digits are enough for any double");
    }

    private void string(String text) throws Wrong {
        // A short one may be escaped whole.
        if (text.length() > TEXT_AT_LEAST / ESCAPED) {
            mustHaveRoom(text.length() + text.chars().filter(one -> one < 0x20).count() * (ESCAPED - 1));
        }
        out.append('"');
        for (int at = 0; at < text.length(); at++) {
            char one = text.charAt(at);
            switch (one) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    if (one < 0x20) {
                        out.append(String.format(Locale.ROOT, "\\u%04x", (int) one));
                    } else {
                        out.append(one);
                    }
                }
            }
        }
        out.append('"');
    }

    private void base64(byte[] bytes) throws Wrong {
        mustHaveRoom((bytes.length + 2L) / 3 * 4);
        out.append('"').append(java.util.Base64.getEncoder().encodeToString(bytes)).append('"');
    }

    private void day(long days) throws Wrong {
        LocalDate date = LocalDate.ofEpochDay(Math.max(Math.min(days, 365_241_780_471L), -365_243_219_162L));
        if (date.getYear() < 0 || date.getYear() > 9999) {
            throw Wrong.unsupported(days + " days since 1970 are in the year " + date.getYear() + ", beyond 0 to 9999");
        }
        out.append(String.format(Locale.ROOT, "%04d-%02d-%02d", date.getYear(), date.getMonthValue(), date.getDayOfMonth()));
    }

    private void clock(long second, long fraction, long perSecond) {
        boolean nanos = perSecond == 1_000_000_000;
        long shown = perSecond == 1_000 ? fraction * 1000 : fraction;
        String format = nanos ? "%02d:%02d:%02d.%09d" : "%02d:%02d:%02d.%06d";
        out.append(String.format(Locale.ROOT, format, second / 3600, second / 60 % 60, second % 60, shown));
    }

    private void time(long value, long perSecond) throws Wrong {
        long second = Math.floorDiv(value, perSecond);
        if (second < 0 || second >= 86_400) {
            String unit = perSecond == 1_000 ? "milliseconds" : perSecond == 1_000_000 ? "microseconds" : "nanoseconds";
            throw Wrong.unsupported(value + " " + unit + " after midnight are no time of a day");
        }
        out.append('"');
        clock(second, Math.floorMod(value, perSecond), perSecond);
        out.append('"');
    }

    private void timestamp(long value, long perSecond, String end) throws Wrong {
        long second = Math.floorDiv(value, perSecond);
        out.append('"');
        day(Math.floorDiv(second, 86_400L));
        out.append('T');
        clock(Math.floorMod(second, 86_400L), Math.floorMod(value, perSecond), perSecond);
        out.append(end);
    }

    private void decimal(byte[] bytes, int scale) throws Wrong {
        if (scale > MAX_SCALE) {
            throw Wrong.unsupported("a decimal of " + scale + " places: no column holds more than " + MAX_SCALE);
        }
        BigInteger value = bytes.length == 0 ? BigInteger.ZERO : new BigInteger(bytes);
        if (value.bitLength() > 127) {
            throw Wrong.unsupported("a decimal of more than 38 digits: no column holds it");
        }
        out.append(new BigDecimal(value, scale).toPlainString());
    }

    /** A number that brings its scale; a negative one is zeros before the point. */
    private void scaled(byte[] bytes, int scale) throws Wrong {
        if (scale < -MAX_SCALE) {
            throw Wrong.unsupported("a decimal with the scale " + scale + ": no column holds it");
        }
        int from = out.length();
        decimal(bytes, Math.max(scale, 0));
        if (scale < 0 && !out.substring(from).equals("0")) {
            out.append("0".repeat(-scale));
        }
    }
}
