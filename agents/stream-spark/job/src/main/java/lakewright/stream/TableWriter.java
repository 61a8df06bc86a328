package lakewright.stream;

import java.io.IOException;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.FileFormat;
import org.apache.iceberg.PartitionKey;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
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
    /** So many partitions have an open file at once: each holds memory. Beyond it, the one that rested longest is finished. */
    private static final int MOST_OPEN = 32;
    private static final long TARGET_BYTES = 128L << 20;

    private final boolean divided;
    private final PartitionKey key;
    private final InternalRecordWrapper wrapper;
    private final LinkedHashMap<PartitionKey, RollingFileWriter> open = new LinkedHashMap<>(16, 0.75f, true);

    static TableWriter of(Table table, int task, long attempt) {
        PartitionSpec spec = table.spec();
        Schema schema = table.schema();
        FileWriterFactory<Record> writers =
                new GenericFileWriterFactory.Builder(table).dataSchema(schema).dataFileFormat(FileFormat.PARQUET).build();
        OutputFileFactory files = OutputFileFactory.builderFor(table, task, attempt).format(FileFormat.PARQUET).build();
        long target = PropertyUtil.propertyAsLong(table.properties(), TableProperties.WRITE_TARGET_FILE_SIZE_BYTES, TARGET_BYTES);
        return new TableWriter(table, spec, schema, writers, files, target);
    }

    private TableWriter(Table table, PartitionSpec spec, Schema schema, FileWriterFactory<Record> writers,
            OutputFileFactory files, long target) {
        super(spec, FileFormat.PARQUET, writers, files, table.io(), target);
        this.divided = spec.isPartitioned();
        this.key = new PartitionKey(spec, schema);
        this.wrapper = new InternalRecordWrapper(schema.asStruct());
    }

    @Override
    public void write(Record row) throws IOException {
        if (divided) {
            key.partition(wrapper.wrap(row));
        }
        RollingFileWriter writer = open.get(divided ? key : null);
        if (writer == null) {
            makeRoom();
            PartitionKey own = divided ? key.copy() : null;
            writer = new RollingFileWriter(own);
            open.put(own, writer);
        }
        writer.write(row);
    }

    private void makeRoom() throws IOException {
        if (open.size() == MOST_OPEN) {
            Iterator<Map.Entry<PartitionKey, RollingFileWriter>> oldest = open.entrySet().iterator();
            oldest.next().getValue().close();
            oldest.remove();
        }
    }

    @Override
    public void close() throws IOException {
        for (RollingFileWriter writer : open.values()) {
            writer.close();
        }
        open.clear();
    }

    /** Finishes the files. */
    List<DataFile> finished() throws IOException {
        return Arrays.asList(complete().dataFiles());
    }
}
