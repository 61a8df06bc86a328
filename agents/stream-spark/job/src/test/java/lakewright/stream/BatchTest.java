package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.DataFiles;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.types.Types;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Batches of two topics: the first has the tables a and b, the second has c. */
class BatchTest {
    private static final Map<String, Topic> TOPICS = new TreeMap<>(Map.of(
            "first", new Topic("first", "1", "k/1", List.of(0)), "second", new Topic("second", "2", "k/2", List.of(0))));

    private final Quarantine quarantine = new Quarantine();
    private FakeGlue glue;
    private OpenTable a;
    private OpenTable b;
    private OpenTable c;
    private OpenTable dead;

    @BeforeEach
    void make() throws IOException {
        glue = new FakeGlue();
        a = made("a", "first");
        b = made("b", "first");
        c = made("c", "second");
        dead = made("dead", "");
    }

    @AfterEach
    void end() {
        glue.close();
    }

    private OpenTable made(String name, String topic) {
        TableIdentifier id = TableIdentifier.of("raw", name + "_" + UUID.randomUUID().toString().replace('-', '_'));
        Schema schema = new Schema(Types.NestedField.optional(1, "id", Types.StringType.get()));
        glue.catalog().createTable(id, schema, PartitionSpec.unpartitioned(), "s3://lake/raw/" + id.name(),
                Map.of("format-version", "2"));
        TableSettings declared =
                TableSettings.of(Json.read("{\"name\": \"" + name + "\", \"topic\": \"" + topic + "\"}", "a table"));
        return new OpenTable(glue.catalog().loadTable(id), declared, "group");
    }

    private static List<DataFile> files() {
        return List.of(DataFiles.builder(PartitionSpec.unpartitioned()).withPath("s3://lake/data/" + UUID.randomUUID() + ".parquet")
                .withFileSizeInBytes(10).withRecordCount(1).build());
    }

    /** Takes in 7 records of each topic, of which these tables have files. */
    private void commit(Integer... positions) {
        Landed landed = new Landed();
        List.of(positions).forEach(position -> landed.files.put(position, files()));
        Settings settings = new Settings(Map.of(), "group", List.of(a.declared, b.declared, c.declared), dead.declared,
                1000, 1, true, false, 0);
        Map<String, TreeMap<Integer, Long>> read =
                Map.of("first", new TreeMap<>(Map.of(0, 7L)), "second", new TreeMap<>(Map.of(0, 7L)));
        new Batch(settings, TOPICS, List.of(a, b, c), dead, quarantine).commit(landed, read, Held.now(0));
    }

    /** Another writer is faster. */
    private void changed(OpenTable table) {
        glue.catalog().loadTable(TableIdentifier.of("raw", table.table().name().replaceAll(".*\\.", ""))).newAppend()
                .set(Settled.OFFSETS, "{\"k/1\":{\"0\":100}}").commit();
    }

    private static String offsets(OpenTable table) {
        return table.settled().offsets.toString();
    }

    @Test
    void aTableThatFailsStopsItsTopicAndNoOther() {
        changed(a);
        RuntimeException error = assertThrows(RuntimeException.class, () -> commit(0, 1, 2));
        assertTrue(error.getMessage().contains("another writer changed"), error.getMessage());
        assertEquals(List.of("{}", "{}", "{\"k/2\":{\"0\":7}}"), List.of(offsets(a), offsets(b), offsets(c)));
        assertEquals("{\"k/2\":{\"0\":7}}", offsets(dead), "the ledger goes past the topic that is taken in whole");
        assertEquals(Set.of("first"), quarantine.standing(0));
    }

    @Test
    void withDeadLettersTheLedgerWaitsForAllTopics() {
        changed(a);
        assertThrows(RuntimeException.class, () -> commit(0, 2, 3));
        assertEquals(List.of("{\"k/2\":{\"0\":7}}", "{}"), List.of(offsets(c), offsets(dead)));
    }

    @Test
    void whatFailsNowhereMovesTheLedgerPastAll() {
        commit(0, 1, 2, 3);
        assertEquals("{\"k/1\":{\"0\":7},\"k/2\":{\"0\":7}}", offsets(dead));
        assertEquals(0, quarantine.size());
    }
}
