package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.iceberg.TableMetadata;
import org.apache.iceberg.TableMetadataParser;
import org.apache.iceberg.util.SnapshotUtil;
import org.junit.jupiter.api.Test;

/** What commits say, read and written as the stream agent does (agents/stream/src/settled.rs). */
class SettledTest {
    private static final Topic TOPIC = new Topic("facts", "new", "c/new", List.of(0, 1));

    private static Settled said(Map<String, String> properties) {
        return Settled.committed(List.of(), properties);
    }

    private static TreeMap<Integer, Long> at(long offset) {
        return new TreeMap<>(Map.of(0, offset));
    }

    @Test
    void aCommitSaysWhatIsSettledAndNothingThatGoesWithoutSaying() {
        Settled before = said(Map.of());
        Settled after = before.moved(TOPIC, at(7), Set.of("sales"));
        assertEquals(Map.of("lakewright.offsets", "{\"c/new\":{\"0\":7}}", "lakewright.topics", "{\"c\":{\"facts\":[\"new\"]}}"),
                after.properties(before));
        // The topics' ids are said once.
        Settled later = after.moved(TOPIC, at(9), Set.of("sales"));
        assertEquals(Map.of("lakewright.offsets", "{\"c/new\":{\"0\":9}}"), later.properties(after));
        assertEquals("{\"c/new\":{\"0\":9}}", later.moved(TOPIC, at(3), Set.of()).offsets.toString(), "never back");
        assertThrows(IllegalArgumentException.class, () -> said(Map.of("lakewright.offsets", "[]")));
    }

    @Test
    void aTopicThatWasMadeAnewLeavesNothingOfTheOldOne() {
        Settled old = said(Map.of("lakewright.offsets", "{\"c/old\":{\"0\":7},\"d/old\":{\"0\":7}}", "lakewright.epochs", "{\"c/old\":{\"0\":[6,1]}}",
                "lakewright.owed", "{\"gone\":{\"c/old\":{\"0\":{\"rows\":3,\"rejects\":6}}}}",
                "lakewright.topics", "{\"c\":{\"facts\":[\"old\"]}}"));
        Settled now = old.moved(TOPIC, at(2), Set.of());
        assertEquals("{\"c/new\":{\"0\":2},\"d/old\":{\"0\":7}}", now.offsets.toString());
        assertTrue(now.epochs.isEmpty() && !now.owed.toString().contains("c/old"), now.owed.toString());
        assertTrue(Topics.isGone(now.topics, "facts", "c/old") && !Topics.isGone(now.topics, "facts", "c/new"));
    }

    @Test
    void aTableKeepsItsOwnTopicAndForgetsRefusedRowsThatTheLedgerCovers() {
        Settled before = said(Map.of("lakewright.offsets", "{\"c/old\":{\"0\":7},\"c/new\":{\"0\":8,\"1\":4},\"d/x\":{\"0\":1}}",
                "lakewright.refused", "{\"c/new\":{\"0\":{\"5\":\"too long\",\"9\":\"too long\"}}}",
                "lakewright.epochs", "{\"c/old\":{\"0\":[6,1]},\"c/new\":{\"0\":[7,2]}}"));
        OffsetMap floor = new OffsetMap();
        floor.advance("c/new", 0, 9);
        Settled after = before.taken(TOPIC, at(20), floor);
        assertEquals("{\"c/new\":{\"0\":20,\"1\":4},\"d/x\":{\"0\":1}}", after.offsets.toString());
        assertEquals("{\"c/new\":{\"0\":{\"9\":\"too long\"}}}", after.refused.toString());
        assertEquals("{\"c/new\":{\"0\":[7,2]}}", after.epochs.toString());
        floor.advance("c/new", 0, 10);
        Settled empty = after.taken(TOPIC, at(20), floor);
        // Once more when it is empty, so that no older one is taken for the current, and then no more.
        assertEquals("{}", empty.properties(after).get("lakewright.refused"));
        assertNull(empty.properties(empty).get("lakewright.refused"));
        assertEquals(9, Settled.firstRefused(before.refused, "c/new", 0, 6));
        assertNull(Settled.firstRefused(before.refused, "c/new", 0, 10));
    }

    @Test
    void aDebtOfATableThatIsNotDeclaredNotesTheSpans() {
        Map<String, String> table = new HashMap<>(Map.of("lakewright.offsets", "{\"c/new\":{\"0\":200}}",
                "lakewright.owed", "{\"sales\":{\"c/new\":{\"0\":{\"rows\":80,\"rejects\":100}}}}", "lakewright.topics", "{\"c\":{\"facts\":[\"new\"]}}"));
        Settled before = said(table);
        Settled after = before.moved(TOPIC, at(250), Set.of("users")).moved(TOPIC, at(250), Set.of("users"))
                .moved(TOPIC, at(300), Set.of("users")).moved(TOPIC, at(400), Set.of("sales")).moved(TOPIC, at(410), Set.of());
        assertEquals("{\"sales\":{\"c/new\":{\"0\":{\"rows\":80,\"rejects\":100,\"undeclared\":[[200,300],[400,410]]}}}}", after.owed.toString());
        table.putAll(after.properties(before));
        assertNull(after.difference(said(table)), "a commit finds what the last one wrote");
    }

    @Test
    void theNearestAncestorWithAMapCounts() {
        String snapshot = "{\"snapshot-id\":%d,%s\"sequence-number\":%d,\"timestamp-ms\":%d,\"manifest-list\":\"s3://b/m\",\"schema-id\":0,"
                + "\"summary\":{\"operation\":\"append\"%s}}";
        String map = ",\"lakewright.offsets\":\"{\\\"c/t\\\":{\\\"0\\\":50}}\"";
        String others = String.format(snapshot, 2, "\"parent-snapshot-id\":1,", 2, 2, "");
        String metadata = "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\",\"location\":\"s3://b/t\","
                + "\"last-sequence-number\":2,\"last-updated-ms\":2,\"last-column-id\":1,\"current-schema-id\":0,\"schemas\":[{\"schema-id\":0,"
                + "\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"string\"}]}],\"partition-specs\":"
                + "[{\"spec-id\":0,\"fields\":[]}],\"default-spec-id\":0,\"last-partition-id\":999,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}],"
                + "\"default-sort-order-id\":0,\"properties\":{\"lakewright.offsets\":\"{\\\"c/t\\\":{\\\"0\\\":200}}\",\"lakewright.owed\":"
                + "\"{\\\"sales\\\":{}}\",\"lakewright.topics\":\"{\\\"c\\\":{}}\"},\"current-snapshot-id\":2,\"snapshots\":[%s]}";
        Settled settled = of(String.format(metadata, String.format(snapshot, 1, "", 1, 1, map) + "," + others));
        assertEquals("{\"c/t\":{\"0\":50}}", settled.offsets.toString());
        // After a rollback the table's own properties are ahead of the data; the topics' ids alone never come back.
        assertTrue(settled.owed.isEmpty());
        assertEquals("{\"c\":{}}", settled.topics.toString());
        Settled left = of(String.format(metadata, others));
        assertEquals("{\"c/t\":{\"0\":200}}", left.offsets.toString());
        assertEquals("{\"sales\":{}}", left.owed.toString());
        assertEquals("`lakewright.offsets` was {\"c/t\":{\"0\":50}} and is {\"c/t\":{\"0\":200}}", settled.difference(left));
        assertNull(settled.difference(settled.copy()));
    }

    private static Settled of(String text) {
        TableMetadata metadata = TableMetadataParser.fromJson("s3://b/metadata.json", text);
        return Settled.committed(SnapshotUtil.ancestorsOf(2, metadata::snapshot), metadata.properties());
    }
}
