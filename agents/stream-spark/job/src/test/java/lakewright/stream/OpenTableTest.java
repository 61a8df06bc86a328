package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.iceberg.AppendFiles;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.DataFiles;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.exceptions.CleanableFailure;
import org.apache.iceberg.exceptions.CommitStateUnknownException;
import org.apache.iceberg.types.Types;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Commits by Iceberg's own Glue client, whose answers get lost. */
class OpenTableTest {
    private static final Topic TOPIC = new Topic("facts", "t", "c/t", List.of(0));

    private FakeGlue glue;
    private TableIdentifier name;
    private OpenTable table;

    @BeforeEach
    void make() throws IOException {
        glue = new FakeGlue();
        name = TableIdentifier.of("raw", "sales_" + UUID.randomUUID().toString().replace('-', '_'));
        Schema schema = new Schema(Types.NestedField.optional(1, "id", Types.StringType.get()));
        // As one that others commit to so often that its history is short.
        Map<String, String> properties = Map.of("format-version", "2", "write.metadata.previous-versions-max", "1");
        glue.catalog().createTable(name, schema, PartitionSpec.unpartitioned(), "s3://lake/raw/" + name.name(), properties);
        table = new OpenTable(glue.catalog().loadTable(name), TableSettings.of(Json.read("{\"name\":\"sales\"}", "it")), "group");
    }

    @AfterEach
    void end() {
        glue.close();
    }

    private static List<DataFile> files() {
        return List.of(DataFiles.builder(PartitionSpec.unpartitioned()).withPath("s3://lake/data/" + UUID.randomUUID() + ".parquet")
                .withFileSizeInBytes(10).withRecordCount(1).build());
    }

    private void commit(long offset, Held held) {
        table.commit(files(), table.settled().taken(TOPIC, new TreeMap<>(Map.of(0, offset)), new OffsetMap()), held);
    }

    /** As another writer that took in the next records. */
    private void others(int commits) {
        Table theirs = glue.catalog().loadTable(name);
        for (int number = 0; number < commits; number++) {
            AppendFiles append = theirs.newAppend();
            files().forEach(append::appendFile);
            append.set(Settled.OFFSETS, "{\"c/t\":{\"0\":" + (100 + number) + "}}").commit();
        }
    }

    /** How many files a reader finds: what it needs for that is all there. */
    private int read() throws IOException {
        int count = 0;
        try (var tasks = glue.catalog().loadTable(name).newScan().planFiles()) {
            for (var task : tasks) {
                count += (int) task.file().recordCount();
            }
        }
        return count;
    }

    @Test
    void aCommitThatTimedOutAndTookEffectIsFoundAndItsFilesStay() throws IOException {
        glue.fates.add(FakeGlue.Fate.TIMEOUT);
        commit(7, Held.now(0));
        assertEquals(1, read());
        commit(9, Held.now(0));
        assertEquals(2, read());
        assertEquals("{\"c/t\":{\"0\":9}}", table.settled().offsets.toString());
    }

    @Test
    void aCommitWhoseAnswerWasLostLeavesItsFilesWhateverOthersCommittedSince() throws IOException {
        glue.fates.add(FakeGlue.Fate.LOST);
        glue.meanwhile = () -> others(3);
        assertThrows(CommitStateUnknownException.class, () -> commit(7, Held.now(0)));
        // The client asked again, and was told of a conflict.
        assertEquals(5, glue.updates);
        assertEquals(4, read());
    }

    @Test
    void aCommitThatOthersWereFasterThanIsRefused() throws IOException {
        others(1);
        RuntimeException error = assertThrows(RuntimeException.class, () -> commit(7, Held.now(0)));
        String said = error.getMessage();
        assertFalse(error instanceof CleanableFailure, "Iceberg would delete what it can't know to be unused");
        assertTrue(said.contains("another writer changed") && said.contains("`lakewright.offsets` was {}"), said);
        assertEquals(1, read());
    }

    @Test
    void filesThatGrewOldBetweenTheCheckAndTheCommitAreNotCommitted() throws IOException {
        // The table is asked for when the commit is made, when it is applied, and when it is sent.
        AtomicInteger asked = new AtomicInteger();
        glue.beforeTable = asked::incrementAndGet;
        Held held = new Held(() -> asked.get() < 3 ? 0 : 70_000, 60_000);
        RuntimeException error = assertThrows(RuntimeException.class, () -> commit(7, held));
        assertEquals(0, glue.updates);
        assertTrue(error.getMessage().contains("may have deleted"), error.getMessage());
        assertEquals(0, read());
    }
}
