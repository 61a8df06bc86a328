package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import lakewright.decoder.RowDecoder.Member;
import lakewright.decoder.Shape;
import lakewright.stream.TableSettings.Column;
import org.apache.iceberg.Schema;
import org.apache.iceberg.types.Type;
import org.apache.iceberg.types.Types;
import org.apache.iceberg.types.Types.NestedField;

/**
 * Where the columns of an Iceberg table come from.
 *
 * @param members the columns that messages carry
 * @param sources by position in the table's schema: a member's position, or one of the negative numbers below
 */
record Columns(List<Member> members, int[] sources) implements Serializable {
    static final int TOPIC_ID = -1;
    static final int PARTITION = -2;
    static final int OFFSET = -3;
    static final int INGESTED_AT = -4;
    static final int TOPIC = -5;
    static final int REASON = -6;
    static final int PAYLOAD = -7;
    static final int NOTHING = -8;

    /** The table's property that says which columns agents added, by the ids of their fields. */
    private static final String EVOLVED = "lakewright.evolved";

    /** What Kafka's record or the rest of a message fills where a table declares it: never a member of that name. */
    private static final Set<String> FIXED =
            Set.of("unknown", "kafka_key", "kafka_key_bytes", "kafka_headers", "kafka_timestamp");

    /**
     * Those of a declared table. Values are decoded by the Iceberg table's own types, which may be wider.
     *
     * @param properties the Iceberg table's
     */
    static Columns of(Schema schema, TableSettings table, Map<String, String> properties) {
        mustBeFilledByName(schema, table, properties.get(EVOLVED));
        for (Column column : table.columns()) {
            if (schema.findField(column.name()) == null && (column.was() == null || schema.findField(column.was()) == null)) {
                throw new IllegalStateException("the table has no column `" + column.name() + "` yet; apply the stack first");
            }
        }
        List<Member> members = new ArrayList<>();
        int[] sources = new int[schema.columns().size()];
        for (int index = 0; index < sources.length; index++) {
            NestedField field = schema.columns().get(index);
            Member member = member(schema, field, table);
            if (member != null) {
                sources[index] = members.size();
                members.add(member);
            } else {
                sources[index] = place(field);
                if (sources[index] == NOTHING && field.isRequired()) {
                    throw new IllegalStateException("the table requires the column `" + field.name() + "`, which isn't declared");
                }
            }
        }
        return new Columns(members, checked(sources));
    }

    /** Refuses columns that came from messages: their names aren't those of the members that fill them, and may have changed. */
    private static void mustBeFilledByName(Schema schema, TableSettings table, String evolved) {
        if (evolved == null) {
            return;
        }
        JsonNode members = Json.read(evolved, "the table's `" + EVOLVED + "`");
        for (NestedField field : schema.columns()) {
            boolean declared = table.columns().stream().anyMatch(one -> one.name().equals(field.name()));
            if (!declared && (!members.isObject() || members.has(Integer.toString(field.fieldId())))) {
                throw new IllegalStateException("the column `" + field.name() + "` of " + table.name()
                        + " came from messages, and Spark doesn't know which; declare it, or run the stream agent");
            }
        }
    }

    /** Those of the dead letters. */
    static Columns ofDeadLetters(Schema schema) {
        int[] sources = new int[schema.columns().size()];
        for (int index = 0; index < sources.length; index++) {
            NestedField field = schema.columns().get(index);
            sources[index] = switch (field.name()) {
                case "topic" -> TOPIC;
                case "reason" -> REASON;
                case "payload" -> PAYLOAD;
                default -> place(field);
            };
        }
        return new Columns(List.of(), checked(sources));
    }

    private static int[] checked(int[] sources) {
        for (int needed : new int[] {TOPIC_ID, PARTITION, OFFSET}) {
            if (java.util.Arrays.stream(sources).noneMatch(source -> source == needed)) {
                throw new IllegalStateException(
                        "the table lacks the columns kafka_topic_id, kafka_partition and kafka_offset, or has other types there");
            }
        }
        return sources;
    }

    private static int place(NestedField field) {
        return switch (field.name()) {
            case "kafka_topic_id" -> field.type().equals(Types.StringType.get()) ? TOPIC_ID : NOTHING;
            case "kafka_partition" -> field.type().equals(Types.IntegerType.get()) ? PARTITION : NOTHING;
            case "kafka_offset" -> field.type().equals(Types.LongType.get()) ? OFFSET : NOTHING;
            case "ingested_at" -> field.type().equals(Types.TimestampType.withZone()) ? INGESTED_AT : NOTHING;
            default -> NOTHING;
        };
    }

    /** The member that fills a column; null when none does. */
    private static Member member(Schema schema, NestedField field, TableSettings table) {
        for (Column column : table.columns()) {
            // A column that isn't renamed yet in the catalog is filled under its old name.
            boolean still = field.name().equals(column.was()) && schema.findField(column.name()) == null;
            if (column.name().equals(field.name()) || still) {
                String member = table.member(column.name());
                Shape shape = shape(field.type(), table.unit(column.name()));
                if (shape == null || !widens(field.type(), column.type())) {
                    throw new IllegalStateException("column `" + column.name() + "` is declared as " + column.type()
                            + ", the table has " + field.type());
                }
                // A column whose member has a name of its own is renamed without it.
                String was = member == null ? column.was() : null;
                boolean required = column.required() || field.isRequired();
                return new Member(member == null ? column.name() : member, was, shape, required, false);
            }
        }
        return place(field) == NOTHING && !field.isRequired() ? undeclared(field, table) : null;
    }

    /** A column that only the catalog knows, as one that is filled from members of its name; null when it isn't. */
    private static Member undeclared(NestedField field, TableSettings table) {
        boolean taken = FIXED.contains(field.name()) || table.refusesUnknown();
        for (Column column : table.columns()) {
            taken |= field.name().equals(table.member(column.name())) || field.name().equals(column.was());
        }
        if (taken) {
            return null;
        }
        Shape shape = shape(field.type(), null);
        if (shape == null) {
            throw new IllegalStateException("the column `" + field.name() + "`, which isn't declared, is of the type "
                    + field.type() + ", which Spark doesn't read; drop it, or run the stream agent");
        }
        return new Member(field.name(), null, shape, false, true);
    }

    /** Whether the table's type is the declared one, or holds all its values. */
    private static boolean widens(Type type, String declared) {
        String found = name(type);
        if (found.equals(declared.replace(" ", ""))) {
            return true;
        }
        return switch (declared.replaceAll("[ (].*", "")) {
            case "int" -> found.equals("long");
            case "float" -> found.equals("double");
            case "decimal" -> type instanceof Types.DecimalType wide && isWider(wide, declared);
            default -> false;
        };
    }

    private static boolean isWider(Types.DecimalType wide, String declared) {
        String[] parts = declared.replaceAll("[^0-9,]", "").split(",");
        return Integer.parseInt(parts[0]) <= wide.precision() && Integer.parseInt(parts[1]) == wide.scale();
    }

    private static String name(Type type) {
        return type.equals(Types.TimestampType.withoutZone()) ? "timestamp"
                : type instanceof Types.FixedType fixed ? "fixed(" + fixed.length() + ")" : type.toString().replace(" ", "");
    }

    private static Shape shape(Type type, lakewright.decoder.Unit unit) {
        return switch (type.typeId()) {
            case BOOLEAN -> Shape.of(Shape.Type.BOOLEAN, null);
            case INTEGER -> Shape.of(Shape.Type.INT, null);
            case LONG -> Shape.of(Shape.Type.LONG, null);
            case FLOAT -> Shape.of(Shape.Type.FLOAT, null);
            case DOUBLE -> Shape.of(Shape.Type.DOUBLE, null);
            case DECIMAL -> Shape.decimal(((Types.DecimalType) type).precision(), ((Types.DecimalType) type).scale());
            case DATE -> Shape.of(Shape.Type.DATE, null);
            case TIME -> Shape.of(Shape.Type.TIME, unit);
            case TIMESTAMP -> {
                boolean zoned = ((Types.TimestampType) type).shouldAdjustToUTC();
                yield Shape.of(zoned ? Shape.Type.TIMESTAMPTZ : Shape.Type.TIMESTAMP, unit);
            }
            case STRING -> Shape.of(Shape.Type.STRING, null);
            case UUID -> Shape.of(Shape.Type.UUID, null);
            case FIXED -> Shape.fixed(((Types.FixedType) type).length());
            case BINARY -> Shape.of(Shape.Type.BINARY, null);
            default -> null;
        };
    }
}
