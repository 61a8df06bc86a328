package lakewright.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.zip.DeflaterOutputStream;
import org.junit.jupiter.api.Test;

/** Avro, by the cases that the stream agent's transcoder is held against too. */
class AvroTest {
    private static final Path CASES = Path.of("../../../libs/formats/cases/avro.json");
    private static final Shape INT = Shape.of(Shape.Type.INT, null);

    @Test
    void valuesBecomeTheTextThatTheStreamAgentMakesOfThem() throws IOException {
        for (JsonNode one : new ObjectMapper().readTree(CASES.toFile())) {
            AvroSchema schema = AvroSchema.parse(one.get("schema").asText(), List.of());
            byte[] message = Base64.getDecoder().decode(one.get("base64").asText());
            try {
                assertEquals(one.path("text").asText(), AvroText.of(schema, message, 0), one::toString);
            } catch (Wrong wrong) {
                assertEquals(one.path("reject").asText(), wrong.reject().reason(), one::toString);
                assertEquals(one.path("cause").asText(), wrong.reject().cause().word(), one::toString);
            }
        }
    }

    /** Rows of one column, `id`; the registry has the schemas 7 and 8, and one version of Glue's. */
    private static MessageDecoder decoder(Wire wire) {
        List<RowDecoder.Member> members = List.of(new RowDecoder.Member("id", null, INT, true, false));
        AvroSchema schema = AvroSchema.parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"id\",\"type\":\"int\"}]}", List.of());
        return MessageDecoder.avro(new RowDecoder("rows", members, "the message", false), List.of(), wire, id -> switch (id) {
            case "7", "00010203-0405-0607-0809-0a0b0c0d0e0f" -> new Schemas.Body.Avro(schema);
            case "8" -> new Schemas.Body.Json();
            case "9" -> throw new IOException("the registry is away");
            default -> new Schemas.Body.Missing(Cause.SCHEMA, "no schema " + id);
        });
    }

    @Test
    void whatNobodyTakesNeedsNoText() throws Wrong {
        AvroSchema schema = AvroSchema.parse("""
                {"type": "record", "name": "M", "fields": [{"name": "row", "type": {"type": "record", "name": "R", "fields": [
                    {"name": "took", "type": {"type": "fixed", "name": "T", "size": 12, "logicalType": "duration"}},
                    {"name": "wide", "type": {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 40}},
                    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
                    {"name": "ratios", "type": {"type": "map", "values": "double"}}]}},
                    {"name": "other", "type": "float"}]}""", List.of());
        byte[] message = new byte[12 + 2 + 5 + 12 + 4];
        System.arraycopy(bytes(2, 7, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 2, 2, 'k', 0, 0, 0, 0, 0, 0, 0xF0, 0xFF, 0, 0, 0, 0xC0, 0x7F),
                0, message, 12, 23);
        assertEquals("{\"row\":{\"took\":\"AAAAAAAAAAAAAAAA\",\"wide\":\"Bw==\",\"day\":2147483647,"
                + "\"ratios\":{\"k\":\"-Infinity\"}},\"other\":\"NaN\"}",
                AvroText.ofTaken(schema, message, new Taken(List.of("row"), Set.of("id"))));
        for (String member : List.of("took", "wide", "day", "ratios")) {
            Wrong wrong = assertThrows(Wrong.class,
                    () -> AvroText.ofTaken(schema, message, new Taken(List.of("row"), Set.of(member))));
            assertEquals(true, wrong.reject().reason().startsWith("`row." + member), wrong.reject().reason());
        }
    }

    @Test
    void anIdThatNoRegistryGivesIsRefusedWithoutAsking() throws IOException {
        refused(decoder(Wire.CONFLUENT), bytes(0, 0x80, 0, 0, 0, 2), Cause.HEADER, "2147483648 is no schema's id");
    }

    private static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int index = 0; index < values.length; index++) {
            bytes[index] = (byte) values[index];
        }
        return bytes;
    }

    private static void refused(MessageDecoder decoder, byte[] message, Cause cause, String part) throws IOException {
        Decoded.Reject reject = assertInstanceOf(Decoded.Reject.class, decoder.decode(message));
        assertEquals(cause, reject.cause());
        assertEquals(true, reject.reason().contains(part), reject.reason());
    }

    @Test
    void aMessageIsReadByTheSchemaThatItsHeaderNames() throws IOException {
        MessageDecoder confluent = decoder(Wire.CONFLUENT);
        Decoded.Row row = assertInstanceOf(Decoded.Row.class, confluent.decode(bytes(0, 0, 0, 0, 7, 6)));
        assertEquals(3, row.values()[0]);
        byte[] json = "\0\0\0\0\10{\"id\":4}".getBytes(StandardCharsets.UTF_8);
        assertEquals(4, assertInstanceOf(Decoded.Row.class, confluent.decode(json)).values()[0]);
        refused(confluent, bytes(1, 2), Cause.HEADER, "begins with the byte 1");
        refused(confluent, bytes(), Cause.HEADER, "begins with nothing");
        refused(confluent, bytes(0, 0, 0, 1), Cause.HEADER, "4 bytes are too few");
        refused(confluent, bytes(0, 127, 255, 255, 255, 6), Cause.SCHEMA, "no schema 2147483647");
        refused(confluent, bytes(0, 0, 0, 0, 7, 6, 6), Cause.DATA, "1 bytes are left over");
        refused(confluent, bytes(0, 0, 0, 0, 8, 0xFF), Cause.DATA, "the text isn't UTF-8");
        refused(confluent, bytes(0, 0, 0, 0, 8, '{'), Cause.SYNTAX, "no JSON at byte 1");
        refused(confluent, null, Cause.NO_PAYLOAD, "no payload");
        assertThrows(IOException.class, () -> confluent.decode(bytes(0, 0, 0, 0, 9, 6)));
    }

    @Test
    void glueCompressesWhatStandsBehindItsHeader() throws IOException {
        MessageDecoder glue = decoder(Wire.GLUE);
        byte[] header = bytes(3, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        ByteArrayOutputStream plain = new ByteArrayOutputStream();
        plain.write(header);
        plain.write(6);
        assertEquals(3, assertInstanceOf(Decoded.Row.class, glue.decode(plain.toByteArray())).values()[0]);
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        header[1] = 5;
        packed.write(header);
        try (DeflaterOutputStream stream = new DeflaterOutputStream(packed)) {
            stream.write(6);
        }
        assertEquals(3, assertInstanceOf(Decoded.Row.class, glue.decode(packed.toByteArray())).values()[0]);
        header[1] = 9;
        refused(glue, header, Cause.HEADER, "compression 9");
        refused(glue, bytes(3, 0, 1), Cause.HEADER, "3 bytes are too few");
        refused(glue, bytes(0, 0, 0, 0, 7, 6), Cause.HEADER, "begins with the byte 0");
    }

    @Test
    void aTextThatWouldBeTooLongIsRefusedBeforeItIsMade() {
        byte[] message = new byte[(12 << 20) + 4];
        java.util.Arrays.fill(message, (byte) 1);
        // The length of 12 MiB as Avro writes it; each character is one that is escaped.
        for (int at = 0, zigzag = (12 << 20) * 2; at < 4; at++, zigzag >>>= 7) {
            message[at] = (byte) (zigzag & 0x7F | (at < 3 ? 0x80 : 0));
        }
        Wrong wrong = assertThrows(Wrong.class, () -> AvroText.of(AvroSchema.parse("\"string\"", List.of()), message, 0));
        assertEquals("its text is longer than 64 times the message, or than 64 MiB", wrong.reject().reason());
        assertEquals(Cause.UNSUPPORTED, wrong.reject().cause());
    }

    @Test
    void whatIsNoSchemaIsRefused() {
        for (String text : List.of("{", "{}", "\"Unknown\"", "{\"type\":\"array\"}", "[[\"null\"]]", "[\"int\",\"int\"]",
                "{\"type\":\"record\",\"name\":\"R\"}", "{\"type\":\"fixed\",\"name\":\"F\"}", "{\"type\":\"enum\",\"name\":\"\"}")) {
            assertThrows(IllegalArgumentException.class, () -> AvroSchema.parse(text, List.of()), text);
        }
        String other = "{\"type\":\"record\",\"name\":\"b.Other\",\"aliases\":[\"Old\"],\"fields\":[]}";
        for (String name : List.of("b.Other", "\"b.Other\"", "b.Old")) {
            assertEquals(AvroSchema.Kind.RECORD, AvroSchema.parse(name, List.of(other)).root.kind);
        }
    }
}
