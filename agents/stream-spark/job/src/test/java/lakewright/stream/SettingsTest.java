package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class SettingsTest {
    private static final Path CASES = Path.of("../../stream/cases/messages.json");

    private static Settings settings(String table, String kafka, String more) {
        String dead = "{\"name\":\"dead_letters\",\"database\":\"raw\",\"topic\":\"\",\"columns\":[]}";
        String text = "{\"kafka\":{\"bootstrap\":\"b:1\",\"security\":" + kafka + "},\"group\":\"g\",\"tables\":["
                + "{\"name\":\"sales\",\"database\":\"raw\",\"topic\":\"facts\"," + table + "}],\"dead_letters\":" + dead
                + ",\"commit_interval_ms\":1000,\"commit_bytes\":1" + more + "}";
        Secrets secrets = id -> Json.read("{\"username\":\"shop\",\"password\":\"a\\\"b\\\\\"}", "the secret");
        return Settings.of(Json.read(text, "it"), secrets);
    }

    @Test
    void declarationsHaveTheHashesThatTheStreamAgentComputes() throws IOException {
        JsonNode all = new ObjectMapper().readTree(CASES.toFile());
        for (JsonNode table : all.get("tables")) {
            String expected = all.get("declarations").get(table.get("name").asText()).asText();
            assertEquals(expected, TableSettings.of(table).declaration(), table::toString);
        }
    }

    @Test
    void whatSparkWouldReadOtherwiseIsRefused() {
        String columns = "\"columns\":[{\"name\":\"id\",\"type\":\"int\"}]";
        Map<String, String> refused = Map.of(
                columns + ",\"reading\":{\"format\":\"debezium\"}", "the format `debezium`",
                columns + ",\"reading\":{\"format\":\"avro\"}", "Avro without a `registry`",
                columns + ",\"reading\":{\"kafka\":[\"key\"]}", "`kafka`",
                columns + ",\"reading\":{\"unknown\":\"keep\"}", "`unknown = \"keep\"`",
                columns + ",\"reading\":{\"on_tombstone\":\"row\"}", "`on_tombstone = \"row\"`",
                columns + ",\"sink\":\"parquet\"", "`sink = \"parquet\"`",
                columns + ",\"existing\":\"others\"", "a table of others",
                "\"columns\":[{\"name\":\"tags\",\"type\":\"list<string>\"}]", "the nested type of the column `tags`");
        refused.forEach((table, part) -> {
            String said = assertThrows(IllegalArgumentException.class, () -> settings(table, "{\"protocol\":\"tls\"}", "")).getMessage();
            assertTrue(said.contains(part) && said.contains("the stream agent does"), said);
        });
        String said = assertThrows(IllegalArgumentException.class,
                () -> settings(columns, "{\"protocol\":\"tls\"}", ",\"on_reject\":\"stop\"")).getMessage();
        assertTrue(said.contains("`on_reject = \"stop\"`"), said);
    }

    @Test
    void kafkaIsReachedAsTheConfigurationSays() {
        String columns = "\"columns\":[]";
        assertEquals("SSL", settings(columns, "{\"protocol\":\"tls\"}", "").kafka().get("security.protocol"));
        Map<String, String> iam = settings(columns, "{\"protocol\":\"iam\",\"region\":\"eu-north-1\"}", "").kafka();
        assertEquals("AWS_MSK_IAM", iam.get("sasl.mechanism"));
        Map<String, String> scram = settings(columns, "{\"protocol\":\"scram\",\"secret\":\"arn\"}", "").kafka();
        assertTrue(scram.get("sasl.jaas.config").endsWith(" username=\"shop\" password=\"a\\\"b\\\\\";"), scram.get("sasl.jaas.config"));
        assertThrows(IllegalArgumentException.class, () -> settings(columns, "{\"protocol\":\"other\"}", ""));
    }

    @Test
    void aMemberThatIsNotKnownIsRefused() {
        String tls = "{\"protocol\":\"tls\"}";
        Map<String, List<String>> places = Map.of(
                "comit_bytes", List.of("\"columns\":[]", tls, ",\"comit_bytes\":1"),
                "maintenance.orphans", List.of("\"columns\":[]", tls, ",\"maintenance\":{\"orphans\":1}"),
                "kafka.security.user", List.of("\"columns\":[]", "{\"protocol\":\"tls\",\"user\":1}", ""),
                "tables.sales.sort", List.of("\"columns\":[],\"sort\":[]", tls, ""),
                "tables.sales.columns.id.unique", List.of("\"columns\":[{\"name\":\"id\",\"type\":\"int\",\"unique\":true}]", tls, ""),
                "tables.sales.reading.skip", List.of("\"columns\":[],\"reading\":{\"skip\":1}", tls, ""),
                "tables.sales.reading.columns.default", List.of("\"columns\":[],\"reading\":{\"columns\":{\"id\":{\"default\":1}}}", tls, ""));
        places.forEach((place, given) -> {
            String said = assertThrows(IllegalArgumentException.class, () -> settings(given.get(0), given.get(1), given.get(2))).getMessage();
            assertTrue(said.startsWith("`" + place + "` isn't known"), said);
        });
    }

    @Test
    void inClearOnlyThisMachineIsAsked() {
        for (String local : List.of("127.0.0.1:9092", "localhost:1,127.0.0.2:2", "http://[::1]:8081", "http://localhost:8081/path")) {
            assertEquals(local, Loopback.checked("VARIABLE", local));
        }
        for (String elsewhere : List.of("10.0.0.1:9092", "127.0.0.1:1,broker:2", "http://127.0.0.1.example.com", "http://registry", "127.0.0.1.:x")) {
            assertThrows(IllegalArgumentException.class, () -> Loopback.checked("VARIABLE", elsewhere), elsewhere);
        }
        assertEquals(null, Loopback.checked("VARIABLE", null));
        assertEquals(null, Loopback.checked("VARIABLE", ""));
    }

    private static long heldAtMostMs(String more) {
        return settings("\"columns\":[]", "{\"protocol\":\"tls\"}", more).heldAtMostMs();
    }

    @Test
    void filesAreHeldForHalfOfTheOrphansAgeAtMost() {
        assertEquals(43_200_000, heldAtMostMs(",\"orphans_elsewhere_ms\":86400000"));
        assertEquals(0, heldAtMostMs(""));
        // Of two who delete orphans, the one who does it sooner counts.
        assertEquals(1_000, heldAtMostMs(",\"orphans_elsewhere_ms\":86400000,\"maintenance\":{\"every_ms\":1,\"orphans_age_ms\":2000}"));
        assertEquals(1_000, heldAtMostMs(",\"orphans_elsewhere_ms\":2000,\"maintenance\":{\"every_ms\":1}"));
        assertEquals(129_600_000, heldAtMostMs(",\"maintenance\":{\"every_ms\":1}"));
    }

    @Test
    void bothClocksSayForHowLongFilesAreHeld() {
        AtomicLong nanos = new AtomicLong(5);
        AtomicLong millis = new AtomicLong(7);
        Held held = Held.since(nanos::get, millis::get, 1000);
        assertEquals(null, held.tooLong());
        millis.set(2007);
        assertTrue(held.tooLong().contains("held for 2000 ms"), "one that rested isn't too young");
        millis.set(3);
        assertEquals(null, held.tooLong());
        nanos.set(3_000_000_005L);
        assertTrue(held.tooLong().contains("held for 3000 ms"), "a clock that was set back makes nothing younger");
        assertEquals(null, new Held(() -> 1_000_000, 0).tooLong());
    }
}
