package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.data.GenericRecord;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.types.Types;
import org.junit.jupiter.api.Test;

/** Files of tables with many partitions. */
class TableWriterTest {
    private static final Schema SCHEMA = new Schema(Types.NestedField.required(1, "id", Types.IntegerType.get()),
            Types.NestedField.optional(2, "text", Types.StringType.get()));

    private static Table table(FakeGlue glue, String name) {
        PartitionSpec spec = PartitionSpec.builderFor(SCHEMA).bucket("id", 200).build();
        String unique = name + "_" + UUID.randomUUID().toString().replace('-', '_');
        return glue.catalog().createTable(TableIdentifier.of("raw", unique), SCHEMA, spec, "s3://lake/raw/" + unique,
                Map.of("write.parquet.compression-codec", "uncompressed"));
    }

    /** Rows of two tables in turn, in no order. */
    private static List<DataFile> write(OpenFiles open, long most, int rows) throws IOException {
        try (FakeGlue glue = new FakeGlue()) {
            List<TableWriter> writers = List.of(TableWriter.of(table(glue, "one"), 0, 1, open), TableWriter.of(table(glue, "other"), 0, 1, open));
            Random chance = new Random(7);
            Record row = GenericRecord.create(SCHEMA);
            for (int number = 0; number < rows; number++) {
                row.set(0, chance.nextInt());
                row.set(1, "a text of some length");
                writers.get(number % 2).write(row);
                assertTrue(open.held() <= most, "no more than " + most + " bytes are held");
            }
            List<DataFile> files = new ArrayList<>(writers.get(0).finished());
            files.addAll(writers.get(1).finished());
            assertEquals(0, open.held());
            assertEquals(rows, files.stream().mapToLong(DataFile::recordCount).sum());
            return files;
        }
    }

    @Test
    void rowsOfManyPartitionsInAnyOrderBecomeAFileOfEach() throws IOException {
        assertEquals(400, write(new OpenFiles(256 << 20), 256 << 20, 40_000).size());
    }

    @Test
    void whatOpenFilesHoldIsBoundedOverAllTables() throws IOException {
        long most = 390 * OpenFiles.EMPTY;
        int bounded = write(new OpenFiles(most), most, 3_000).size();
        assertTrue(bounded > 400, "files were finished to make room: " + bounded);
    }

    @Test
    void allFilesAreClosedWhenOneFails() throws IOException {
        try (FakeGlue glue = new FakeGlue()) {
            OpenFiles open = new OpenFiles(256 << 20);
            TableWriter writer = TableWriter.of(table(glue, "failing"), 0, 1, open);
            FakeGlue.Files.FAILING.set(1);
            Record row = GenericRecord.create(SCHEMA);
            for (int number = 0; number < 10; number++) {
                row.set(0, number);
                writer.write(row);
            }
            assertThrows(IOException.class, writer::abort);
            assertEquals(0, open.held());
        } finally {
            FakeGlue.Files.FAILING.set(0);
        }
    }
}
