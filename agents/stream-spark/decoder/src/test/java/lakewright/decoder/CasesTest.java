package lakewright.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The cases that the stream agent's decoder is held against too. */
class CasesTest {
    private static final Path CASES = Path.of("../../stream/cases/messages.json");

    @Test
    void messagesBecomeWhatTheStreamAgentMakesOfThem() throws IOException {
        JsonNode all = new ObjectMapper().readTree(CASES.toFile());
        Map<String, List<JsonNode>> topics = new HashMap<>();
        all.get("tables").forEach(table -> topics.computeIfAbsent(table.get("topic").asText(), name -> new ArrayList<>()).add(table));
        Map<String, MessageDecoder> decoders = new HashMap<>();
        topics.forEach((topic, tables) -> decoders.put(topic, decoder(tables)));
        int rows = 0;
        for (JsonNode one : all.get("cases")) {
            String topic = one.get("topic").asText();
            Decoded decoded = decoders.get(topic).decode(payload(one));
            if (decoded instanceof Decoded.Row row) {
                JsonNode table = topics.get(topic).get(row.table());
                assertEquals(one.path("table").asText(), table.get("name").asText(), one::toString);
                assertEquals(one.get("row"), shown(table, row.values()), one::toString);
                rows++;
            } else if (decoded instanceof Decoded.Reject reject) {
                assertEquals(one.path("reject").asText(), reject.reason(), one::toString);
                assertEquals(one.path("cause").asText(), reject.cause().word(), one::toString);
            }
        }
        assertTrue(rows > 100, "cases are missing");
    }

    private static byte[] payload(JsonNode one) {
        if (one.has("base64")) {
            return java.util.Base64.getDecoder().decode(one.get("base64").asText());
        }
        return one.get("message").isNull() ? null : one.get("message").asText().getBytes(StandardCharsets.UTF_8);
    }

    private static MessageDecoder decoder(List<JsonNode> tables) {
        List<RowDecoder> rows = tables.stream().map(CasesTest::rows).toList();
        JsonNode reading = tables.get(0).path("reading");
        if (!reading.has("format")) {
            return MessageDecoder.envelope(rows);
        }
        return MessageDecoder.json(rows.get(0), reading.has("path") ? List.of(reading.get("path").asText().split("\\.")) : List.of());
    }

    private static RowDecoder rows(JsonNode table) {
        List<RowDecoder.Member> members = new ArrayList<>();
        JsonNode reading = table.path("reading");
        for (JsonNode column : table.get("columns")) {
            String name = column.get("name").asText();
            JsonNode filling = reading.path("columns").path(name);
            String member = filling.path("member").asText(name);
            String was = member.equals(name) ? column.path("was").asText(null) : null;
            members.add(new RowDecoder.Member(member, was, shape(column, filling), column.path("required").asBoolean(), false));
        }
        String holder = !reading.has("format") ? "`data`" : reading.has("path") ? "`" + reading.get("path").asText() + "`" : "the message";
        return new RowDecoder(table.get("name").asText(), members, holder, reading.path("unknown").asText().equals("reject"));
    }

    private static Shape shape(JsonNode column, JsonNode filling) {
        String[] words = column.get("type").asText().split("[(),]");
        Shape.Type type = Shape.Type.valueOf(words[0].toUpperCase(Locale.ROOT));
        return switch (type) {
            case DECIMAL -> Shape.decimal(Integer.parseInt(words[1]), Integer.parseInt(words[2]));
            case FIXED -> Shape.fixed(Integer.parseInt(words[1]));
            default -> Shape.of(type, filling.has("unit") ? Unit.valueOf(filling.get("unit").asText().toUpperCase(Locale.ROOT)) : null);
        };
    }

    /** A row as cases write it: what is there, times in days or microseconds, bytes and the bits of floats in hexadecimal digits. */
    private static ObjectNode shown(JsonNode table, Object[] values) {
        ObjectNode row = JsonNodeFactory.instance.objectNode();
        for (int index = 0; index < values.length; index++) {
            String name = table.get("columns").get(index).get("name").asText();
            Object value = values[index];
            if (value instanceof Boolean truth) {
                row.put(name, truth);
            } else if (value instanceof Double number) {
                row.put(name, HexFormat.of().toHexDigits(Double.doubleToRawLongBits(number)));
            } else if (value instanceof Float number) {
                row.put(name, HexFormat.of().toHexDigits(Float.floatToRawIntBits(number)));
            } else if (value instanceof BigDecimal number) {
                row.put(name, number.toPlainString());
            } else if (value instanceof ByteBuffer bytes) {
                row.put(name, HexFormat.of().formatHex(bytes.array()));
            } else if (value instanceof byte[] bytes) {
                row.put(name, HexFormat.of().formatHex(bytes));
            } else if (value instanceof String || value instanceof java.util.UUID) {
                row.put(name, value.toString());
            } else if (value != null) {
                long number = whole(value);
                // As Jackson reads it.
                row = number == (int) number ? row.put(name, (int) number) : row.put(name, number);
            }
        }
        return row;
    }

    private static long whole(Object value) {
        if (value instanceof LocalDate date) {
            return date.toEpochDay();
        } else if (value instanceof LocalTime time) {
            return time.toNanoOfDay() / 1000;
        } else if (value instanceof LocalDateTime time) {
            return micros(time.toInstant(ZoneOffset.UTC));
        } else if (value instanceof OffsetDateTime time) {
            return micros(time.toInstant());
        }
        return ((Number) value).longValue();
    }

    private static long micros(Instant time) {
        return time.getEpochSecond() * 1_000_000 + time.getNano() / 1000;
    }
}
