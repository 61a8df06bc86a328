package lakewright.decoder;

import java.io.Serializable;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.nio.ByteBuffer;
import java.util.UUID;

/**
 * What a value must be to be one of a column: the Iceberg table's own type, and how its times are written. Values are of
 * the Java classes by which Iceberg's generic records know the type.
 *
 * @param type the type
 * @param precision a decimal's precision
 * @param scale a decimal's scale
 * @param length a fixed's bytes
 * @param unit what the numbers count that stand for times; null where times are texts
 */
public record Shape(Type type, int precision, int scale, int length, Unit unit) implements Serializable {
    /** Primitive types. */
    public enum Type {
        BOOLEAN, INT, LONG, FLOAT, DOUBLE, DECIMAL, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, STRING, UUID, FIXED, BINARY
    }

    /** A type without parameters. */
    public static Shape of(Type type, Unit unit) {
        return new Shape(type, 0, 0, 0, unit);
    }

    public static Shape decimal(int precision, int scale) {
        return new Shape(Type.DECIMAL, precision, scale, 0, null);
    }

    public static Shape fixed(int length) {
        return new Shape(Type.FIXED, 0, 0, length, null);
    }

    @Override
    public String toString() {
        String word = type.name().toLowerCase(java.util.Locale.ROOT);
        return switch (type) {
            case DECIMAL -> "decimal(" + precision + "," + scale + ")";
            case FIXED -> "fixed(" + length + ")";
            case TIME -> unit == null ? word : "a number of " + unit.word + " since midnight";
            case TIMESTAMP, TIMESTAMPTZ -> unit == null ? word : "a number of " + unit.word + " since 1970";
            default -> word;
        };
    }

    /** The last value of a scanner as one of this shape; null for JSON's null. */
    Object convert(Scanner found) throws Misfit {
        Scanner.Kind kind = found.kind;
        if (kind == Scanner.Kind.NULL) {
            return null;
        }
        Object value = switch (kind) {
            case TRUE, FALSE -> type == Type.BOOLEAN ? (Object) (kind == Scanner.Kind.TRUE) : null;
            case NUMBER -> ofNumber(found.raw());
            case TEXT -> ofText(found);
            default -> null;
        };
        if (value == null) {
            throw new Misfit("expected " + this + ", found " + kind.word);
        }
        return value;
    }

    /** Null when no number is a value of it. */
    private Object ofNumber(String text) throws Misfit {
        return switch (type) {
            case INT -> {
                Long value = Numbers.integer(text);
                if (value == null || value != value.intValue()) {
                    throw new Misfit(Text.shown(text) + " is no 32-bit integer");
                }
                yield value.intValue();
            }
            case LONG -> {
                Long value = Numbers.integer(text);
                if (value == null) {
                    throw new Misfit(Text.shown(text) + " is no 64-bit integer");
                }
                yield value;
            }
            case FLOAT -> {
                float value = Float.parseFloat(text);
                if (!Float.isFinite(value)) {
                    throw new Misfit(Text.shown(text) + " is beyond a float");
                }
                yield value;
            }
            case DOUBLE -> {
                double value = Double.parseDouble(text);
                if (!Double.isFinite(value)) {
                    throw new Misfit(Text.shown(text) + " is beyond a double");
                }
                yield value;
            }
            case DECIMAL -> Numbers.decimal(text, precision, scale);
            case TIMESTAMP, TIMESTAMPTZ -> unit == null ? null : ofMicros(Numbers.since1970(text, unit));
            case TIME -> unit == null ? null : ofMicros(Numbers.sinceMidnight(text, unit));
            default -> null;
        };
    }

    /** Null when no text is a value of it. */
    private Object ofText(Scanner found) throws Misfit {
        String raw = found.raw();
        return switch (type) {
            case STRING -> found.characters();
            case DECIMAL -> Numbers.decimal(raw, precision, scale);
            case DATE -> {
                Long day = Times.date(raw);
                yield LocalDate.ofEpochDay(must(day, raw, "is no date YYYY-MM-DD"));
            }
            case TIMESTAMPTZ -> unit != null ? null
                    : ofMicros(must(Times.timestamp(raw, true), raw, "is no RFC 3339 time with offset"));
            case TIMESTAMP -> unit != null ? null
                    : ofMicros(must(Times.timestamp(raw, false), raw, "is no ISO 8601 time without offset"));
            case TIME -> unit != null ? null
                    : ofMicros(must(Times.timeOfDay(raw), raw, "is no time of day HH:MM:SS"));
            case UUID -> must(uuid(raw), raw, "is no UUID with hyphens");
            case BINARY -> ByteBuffer.wrap(must(Base64.decode(found.characters()), raw, "is no Base64"));
            case FIXED -> {
                byte[] bytes = must(Base64.decode(found.characters()), raw, "is no Base64");
                if (bytes.length != length) {
                    throw new Misfit("it has " + bytes.length + " bytes, not " + length);
                }
                yield bytes;
            }
            default -> null;
        };
    }

    private static <T> T must(T value, String raw, String wrong) throws Misfit {
        if (value == null) {
            throw new Misfit("`" + Text.shown(raw) + "` " + wrong);
        }
        return value;
    }

    private Object ofMicros(long micros) {
        if (type == Type.TIME) {
            return LocalTime.ofNanoOfDay(micros * 1000);
        }
        Instant instant = Instant.ofEpochSecond(Math.floorDiv(micros, 1_000_000L), Math.floorMod(micros, 1_000_000L) * 1000);
        return type == Type.TIMESTAMPTZ ? OffsetDateTime.ofInstant(instant, ZoneOffset.UTC)
                : LocalDateTime.ofInstant(instant, ZoneOffset.UTC);
    }

    /** The UUID of its hyphenated form; null when a text is none. */
    private static UUID uuid(String text) {
        if (text.length() != 36) {
            return null;
        }
        long most = 0;
        long least = 0;
        for (int at = 0; at < 36; at++) {
            char character = text.charAt(at);
            if (at == 8 || at == 13 || at == 18 || at == 23) {
                if (character != '-') {
                    return null;
                }
                continue;
            }
            int digit = Text.digit(character);
            if (digit < 0) {
                return null;
            }
            if (at < 19) {
                most = most << 4 | digit;
            } else {
                least = least << 4 | digit;
            }
        }
        return new UUID(most, least);
    }
}
