package lakewright.stream;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.FileFormat;
import org.apache.iceberg.PartitionKey;
import org.apache.iceberg.Table;
import org.apache.iceberg.TableProperties;
import org.apache.iceberg.data.GenericFileWriterFactory;
import org.apache.iceberg.data.InternalRecordWrapper;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.io.BaseTaskWriter;
import org.apache.iceberg.io.FileWriterFactory;
import org.apache.iceberg.io.OutputFileFactory;
import org.apache.iceberg.util.PropertyUtil;

/** Writes a task's rows of one table to Parquet files, divided by the table's partition spec. */
final class TableWriter extends BaseTaskWriter<Record> {
    private static final long TARGET_BYTES = 128L << 20;
    /** What a value without a length of its own takes, in bytes, about. */
    private static final long PLAIN_BYTES = 8;

    private final boolean divided;
    private final PartitionKey key;
    private final InternalRecordWrapper wrapper;
    private final Map<PartitionKey, PartitionFile> open = new HashMap<>();
    private final OpenFiles files;

    /** A partition's file, which others follow as it grows. */
    private final class PartitionFile extends OpenFiles.Open {
        private final PartitionKey of;
        private final RollingFileWriter writer;

        PartitionFile(PartitionKey of) {
            this.of = of;
            this.writer = new RollingFileWriter(of);
        }

        @Override
        void finish() throws IOException {
            open.remove(of);
            writer.close();
        }
    }

    static TableWriter of(Table table, int task, long attempt, OpenFiles open) {
        FileWriterFactory<Record> writers =
                new GenericFileWriterFactory.Builder(table).dataSchema(table.schema()).dataFileFormat(FileFormat.PARQUET).build();
        OutputFileFactory files = OutputFileFactory.builderFor(table, task, attempt).format(FileFormat.PARQUET).build();
        long target = PropertyUtil.propertyAsLong(table.properties(), TableProperties.WRITE_TARGET_FILE_SIZE_BYTES, TARGET_BYTES);
        return new TableWriter(table, writers, files, target, open);
    }

    private TableWriter(Table table, FileWriterFactory<Record> writers, OutputFileFactory files, long target, OpenFiles open) {
        super(table.spec(), FileFormat.PARQUET, writers, files, table.io(), target);
        this.divided = table.spec().isPartitioned();
        this.key = new PartitionKey(table.spec(), table.schema());
        this.wrapper = new InternalRecordWrapper(table.schema().asStruct());
        this.files = open;
    }

    @Override
    public void write(Record row) throws IOException {
        if (divided) {
            key.partition(wrapper.wrap(row));
        }
        PartitionFile file = open.get(divided ? key : null);
        if (file == null) {
            file = new PartitionFile(divided ? key.copy() : null);
            open.put(file.of, file);
            files.add(file);
        }
        file.writer.write(row);
        files.wrote(file, bytes(row));
    }

    /** What a row's values take in memory, in bytes, about. */
    private static long bytes(Record row) {
        long bytes = 0;
        for (int index = 0; index < row.size(); index++) {
            Object value = row.get(index);
            bytes += value instanceof String text ? text.length() : value instanceof ByteBuffer some ? some.remaining()
                    : value instanceof byte[] some ? some.length : PLAIN_BYTES;
        }
        return bytes;
    }

    @Override
    public void close() throws IOException {
        IOException failed = null;
        for (PartitionFile file : List.copyOf(open.values())) {
            files.remove(file);
            try {
                file.finish();
            } catch (IOException | RuntimeException error) {
                // Those that are left are closed all the same: each holds memory, and a connection.
                failed = failed == null ? new IOException("a data file of " + spec() + " can't be finished", error) : failed;
            }
        }
        if (failed != null) {
            throw failed;
        }
    }

    /** Finishes the files. */
    List<DataFile> finished() throws IOException {
        return Arrays.asList(complete().dataFiles());
    }
}
