package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import lakewright.decoder.Unit;

/**
 * A table as the configuration declares it.
 *
 * @param reading how its messages become rows, as the configuration writes it
 */
record TableSettings(String name, String database, String topic, List<Column> columns, ObjectNode reading) {
    /** As bytes of UTF-8 sort, and code points do. */
    private static final Comparator<String> BY_BYTES =
            Comparator.comparing(text -> text.getBytes(StandardCharsets.UTF_8), Arrays::compareUnsigned);

    /**
     * A declared column.
     *
     * @param was the name that it had before; null when there is none
     */
    record Column(String name, String type, boolean required, String was) {}

    static TableSettings of(JsonNode json) {
        List<Column> columns = new ArrayList<>();
        for (JsonNode column : json.path("columns")) {
            String was = column.path("was").asText(null);
            String type = column.path("type").asText();
            columns.add(new Column(column.path("name").asText(), type, column.path("required").asBoolean(), was));
        }
        ObjectNode reading = json.path("reading").isObject() ? (ObjectNode) json.path("reading")
                : JsonNodeFactory.instance.objectNode();
        return new TableSettings(json.path("name").asText(), json.path("database").asText(), json.path("topic").asText(),
                columns, reading);
    }

    boolean isEnvelope() {
        return reading.path("format").asText("envelope").equals("envelope");
    }

    boolean refusesUnknown() {
        return reading.path("unknown").asText("drop").equals("reject");
    }

    /** The members that lead to the row; none when it is the message itself. */
    List<String> path() {
        String path = reading.path("path").asText("");
        return path.isEmpty() ? List.of() : List.of(path.split("\\.", -1));
    }

    /** What holds a row, for messages to people. */
    String holder() {
        if (isEnvelope()) {
            return "`data`";
        }
        return path().isEmpty() ? "the message" : "`" + String.join(".", path()) + "`";
    }

    /** The member that holds a column's values when that isn't named like the column, else null. */
    String member(String column) {
        return reading.path("columns").path(column).path("member").asText(null);
    }

    /** What the numbers count that stand for a column's times; null where times are texts. */
    Unit unit(String column) {
        String unit = reading.path("columns").path(column).path("unit").asText(null);
        return unit == null ? null : Unit.valueOf(unit.toUpperCase(Locale.ROOT));
    }

    /** Why the job can't read the table as the stream agent does; null when it can. */
    String unsupported() {
        String format = reading.path("format").asText("envelope");
        if (!List.of("envelope", "json", "avro").contains(format)) {
            return "the format `" + format + "`";
        } else if (format.equals("avro") == reading.path("registry").isMissingNode()) {
            return "Avro without a `registry`, or JSON with one";
        } else if (reading.path("kafka").size() > 0) {
            return "columns of Kafka's record (`kafka`)";
        } else if (List.of("keep", "evolve").contains(reading.path("unknown").asText("drop"))) {
            return "`unknown = \"" + reading.path("unknown").asText() + "\"`";
        } else if (reading.path("on_tombstone").asText("reject").equals("row")) {
            return "`on_tombstone = \"row\"`";
        }
        for (Column column : columns) {
            if (column.type().contains("<")) {
                return "the nested type of the column `" + column.name() + "`";
            }
        }
        return null;
    }

    /** How messages become rows without what goes without saying, its members in their order. */
    private ObjectNode spoken() {
        ObjectNode spoken = JsonNodeFactory.instance.objectNode();
        if (!isEnvelope()) {
            spoken.set("format", reading.path("format"));
        }
        if (reading.has("registry")) {
            ObjectNode registry = spoken.putObject("registry").put("kind", reading.path("registry").path("kind").asText());
            if (reading.path("registry").has("url")) {
                registry.put("url", reading.path("registry").path("url").asText());
            }
        }
        if (!path().isEmpty()) {
            spoken.set("path", reading.path("path"));
        }
        if (refusesUnknown()) {
            spoken.set("unknown", reading.path("unknown"));
        }
        List<String> filled = new ArrayList<>();
        reading.path("columns").fieldNames().forEachRemaining(filled::add);
        filled.sort(BY_BYTES);
        ObjectNode fillings = filled.isEmpty() ? null : spoken.putObject("columns");
        for (String column : filled) {
            ObjectNode filling = fillings.putObject(column);
            for (String name : List.of("member", "unit")) {
                JsonNode value = reading.path("columns").path(column).path(name);
                if (value.isTextual()) {
                    filling.set(name, value);
                }
            }
        }
        return spoken;
    }

    /** Sixteen hexadecimal digits that stand for how messages become rows; the stream agent computes the same ones. */
    String declaration() {
        JsonNodeFactory factory = JsonNodeFactory.instance;
        ObjectNode declaration = factory.objectNode().put("topic", topic);
        declaration.set("reading", spoken());
        ArrayNode all = declaration.putArray("columns");
        List<Column> sorted = new ArrayList<>(columns);
        sorted.sort(Comparator.comparing(Column::name, BY_BYTES));
        for (Column column : sorted) {
            all.addArray().add(column.name()).add(column.required()).add(column.was());
        }
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(Json.write(declaration).getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest, 0, 8);
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException("every Java has SHA-256", error);
        }
    }
}
