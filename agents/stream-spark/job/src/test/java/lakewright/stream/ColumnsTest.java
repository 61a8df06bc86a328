package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.apache.iceberg.Schema;
import org.apache.iceberg.types.Types;
import org.apache.iceberg.types.Types.NestedField;
import org.junit.jupiter.api.Test;

class ColumnsTest {
    private static final Schema SCHEMA = new Schema(NestedField.optional(1, "id", Types.StringType.get()),
            NestedField.optional(2, "colour", Types.StringType.get()), NestedField.required(3, "kafka_topic_id", Types.StringType.get()),
            NestedField.required(4, "kafka_partition", Types.IntegerType.get()), NestedField.required(5, "kafka_offset", Types.LongType.get()));

    private static Columns columns(String declared, Map<String, String> properties) {
        String columns = "{\"name\":\"id\",\"type\":\"string\"}" + declared;
        return Columns.of(SCHEMA, TableSettings.of(Json.read("{\"name\":\"sales\",\"columns\":[" + columns + "]}", "it")), properties);
    }

    @Test
    void aColumnThatCameFromMessagesIsLeftToTheStreamAgent() {
        assertEquals(2, columns("", Map.of()).members().size());
        assertEquals(2, columns("", Map.of("lakewright.evolved", "{\"9\":\"gone\"}")).members().size());
        for (String evolved : new String[] {"{\"2\":\"Colour\"}", "[]"}) {
            String said = assertThrows(IllegalStateException.class, () -> columns("", Map.of("lakewright.evolved", evolved))).getMessage();
            assertTrue(said.contains("`colour` of sales came from messages") && said.contains("run the stream agent"), said);
        }
        String colour = ",{\"name\":\"colour\",\"type\":\"string\"}";
        assertEquals(2, columns(colour, Map.of("lakewright.evolved", "{\"2\":\"Colour\"}")).members().size());
    }
}
