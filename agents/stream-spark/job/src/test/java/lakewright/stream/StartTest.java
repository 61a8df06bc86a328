package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

/** Where reading begins, as the stream agent decides it (agents/stream/src/start.rs). */
class StartTest {
    private static final Topic TOPIC = new Topic("facts", "t", "c/t", List.of(0));

    private static Settings settings(boolean failsOnGap) {
        String table = "{\"name\":\"%s\",\"database\":\"raw\",\"topic\":\"facts\",\"columns\":[]}";
        String text = "{\"kafka\":{\"bootstrap\":\"127.0.0.1:1\",\"security\":{\"protocol\":\"plaintext\"}},\"group\":\"g\",\"tables\":["
                + String.format(table, "sales") + "," + String.format(table, "users") + "],\"dead_letters\":"
                + String.format(table, "dead_letters") + ",\"commit_interval_ms\":1,\"commit_bytes\":1,\"on_gap\":\"" + (failsOnGap ? "fail" : "skip") + "\"}";
        return Settings.of(Json.read(text, "it"), id -> null);
    }

    private static Settled at(Long offset, String... more) {
        Map<String, String> properties = new java.util.HashMap<>();
        if (offset != null) {
            properties.put("lakewright.offsets", "{\"c/t\":{\"0\":" + offset + "}}");
        }
        for (int index = 0; index < more.length; index += 2) {
            properties.put(more[index], more[index + 1]);
        }
        return Settled.committed(List.of(), properties);
    }

    private static Start start(Settled sales, Settled users, Settled ledger, long low, long high, boolean failsOnGap) {
        Map<TopicPartition, Kafka.Range> ranges = Map.of(new TopicPartition("facts", 0), new Kafka.Range(low, high));
        return Start.of(settings(failsOnGap), Map.of("facts", TOPIC), ranges, List.of(sales, users), ledger);
    }

    private static List<Long> begin(Long sales, Long users, Long floor) {
        Start start = start(at(sales), at(users), at(floor), 0, 1000, false);
        Long first = start.first().get("facts").get(0);
        return List.of(start.tables().get(0).get("facts").get(0), start.tables().get(1).get("facts").get(0), start.dead().get("facts").get(0), first);
    }

    @Test
    void theLedgerIsAFloorAndTablesSkipWhatTheyHave() {
        assertEquals(List.of(0L, 0L, 0L, 0L), begin(null, null, null));
        // Killed between a table's first commit and the dead letters'.
        assertEquals(List.of(90L, 0L, 0L, 0L), begin(90L, null, null));
        // A quiet table and a busy one.
        assertEquals(List.of(90L, 70L, 70L, 70L), begin(90L, 10L, 70L));
        // A table that was added later.
        assertEquals(List.of(90L, 80L, 80L, 80L), begin(90L, null, 80L));
        Start start = start(at(90L), at(10L), at(70L), 0, 1000, false);
        assertTrue(Start.covers(start.tables().get(0), "facts", 0, 89) && !Start.covers(start.tables().get(0), "facts", 0, 90));
        assertEquals("{\"facts\":{\"0\":70}}", start.startingOffsets());
    }

    @Test
    void whatRetentionRemovedIsCountedAndAFreshStartIsNoLoss() {
        assertEquals(20, start(at(100L), at(100L), at(50L), 70, 1000, false).lost());
        Start fresh = start(at(null), at(null), at(null), 70, 1000, true);
        assertEquals(0, fresh.lost());
        assertEquals(70, fresh.first().get("facts").get(0));
        String said = assertThrows(IllegalStateException.class, () -> start(at(100L), at(100L), at(50L), 70, 1000, true)).getMessage();
        assertTrue(said.contains("up to 20 records of facts/0"), said);
        // The last record was taken in; the end of its transaction behind it is no record.
        assertEquals(1, start(at(69L), at(69L), at(69L), 70, 70, true).lost());
    }

    @Test
    void aPartitionThatWentBackAndATableThatIsOwedSomethingAreRefused() {
        String back = assertThrows(IllegalStateException.class, () -> start(at(100L), at(90L), at(90L), 0, 40, false)).getMessage();
        assertTrue(back.contains("up to 100") && back.contains("next offset is 40"), back);
        String debt = "{\"sales\":{\"c/t\":{\"0\":{\"rows\":3,\"rejects\":6}}}}";
        Settled owing = at(50L, "lakewright.owed", debt);
        assertThrows(IllegalStateException.class, () -> start(at(50L), at(50L), owing, 0, 100, false));
        Settled refused = at(60L, "lakewright.refused", "{\"c/t\":{\"0\":{\"55\":\"too long\"}}}");
        assertThrows(IllegalStateException.class, () -> start(refused, at(50L), at(50L), 0, 100, false));
        // The dead letters have it.
        assertEquals(56, start(refused, at(56L), at(56L), 0, 100, false).first().get("facts").get(0));
    }

    @Test
    void theNewestMarkThatTheLogStillHasIsLookedAt() {
        Map<TopicPartition, Kafka.Range> ranges = Map.of(new TopicPartition("facts", 0), new Kafka.Range(10, 100));
        List<Settled> all = List.of(at(null, "lakewright.epochs", "{\"c/t\":{\"0\":[40,3]}}"),
                at(null, "lakewright.epochs", "{\"c/t\":{\"0\":[50,4]}}"), at(null, "lakewright.epochs", "{\"c/t\":{\"0\":[5,9]}}"), at(null));
        long[] mark = Start.marks(Map.of("facts", TOPIC), ranges, all).get(new TopicPartition("facts", 0));
        assertEquals(50, mark[0]);
        assertEquals(4, mark[1]);
    }
}
