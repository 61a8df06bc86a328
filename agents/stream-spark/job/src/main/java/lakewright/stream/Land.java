package lakewright.stream;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import lakewright.decoder.Cause;
import lakewright.decoder.Decoded;
import lakewright.decoder.MessageDecoder;
import org.apache.iceberg.data.GenericRecord;
import org.apache.iceberg.data.Record;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A task: decodes records and writes the rows, and the dead letters, to data files. */
final class Land implements FlatMapFunction<Iterator<Row>, Landed> {
    private static final long serialVersionUID = 1;
    /** The columns of the rows that it takes, in their order. */
    static final String[] COLUMNS = {"topic", "partition", "offset", "value"};

    /** So many characters of an error stand in a dead letter. */
    private static final int MOST_SAID = 200;
    private static final Logger LOG = LoggerFactory.getLogger(Land.class);

    private final Broadcast<Plan> plan;

    Land(Broadcast<Plan> plan) {
        this.plan = plan;
    }

    @Override
    public Iterator<Landed> call(Iterator<Row> records) throws IOException {
        Task task = new Task(plan.value());
        try {
            while (records.hasNext()) {
                Row record = records.next();
                task.take(record.getString(0), record.getInt(1), record.getLong(2), (byte[]) record.get(3));
            }
            return List.of(task.finish()).iterator();
        } catch (IOException | RuntimeException | Error error) {
            task.abort(error);
            throw error;
        }
    }

    /**
     * Decodes a record. One that can't be because of a mistake in this program is a reject, else nothing after it is ever
     * read.
     */
    static Decoded decode(MessageDecoder decoder, byte[] payload) throws IOException {
        try {
            return decoder.decode(payload);
        } catch (RuntimeException | StackOverflowError error) {
            String said = error.toString();
            return new Decoded.Reject(Cause.BUG, "decoding it failed, which is a bug in lakewright: "
                    + said.substring(0, Math.min(said.length(), MOST_SAID)));
        }
    }

    /** What a task holds. */
    private static final class Task {
        private final Plan plan;
        private final Map<String, MessageDecoder> decoders = new HashMap<>();
        private final Map<String, List<Integer>> fed = new HashMap<>();
        private final OpenFiles open = OpenFiles.ofTask();
        private final TableWriter[] writers;
        private final Record[] rows;
        private final Landed landed = new Landed();

        Task(Plan plan) {
            this.plan = plan;
            this.writers = new TableWriter[plan.tables().size()];
            this.rows = new Record[plan.tables().size()];
        }

        void take(String topic, int partition, long offset, byte[] payload) throws IOException {
            landed.read(topic, partition, offset, payload == null ? 0 : payload.length);
            Decoded decoded = decode(decoders.computeIfAbsent(topic, plan::decoder), payload);
            if (decoded instanceof Decoded.Row row) {
                int table = fed.computeIfAbsent(topic, plan::fed).get(row.table());
                if (!Start.covers(plan.start().tables().get(table), topic, partition, offset)) {
                    landed.rows++;
                    write(table, row.values(), new Place(topic, partition, offset), null, payload);
                }
            } else if (decoded instanceof Decoded.Reject reject) {
                reject(topic, partition, offset, payload, reject);
            }
        }

        private void reject(String topic, int partition, long offset, byte[] payload, Decoded.Reject reject) throws IOException {
            if (reject.cause() == Cause.BUG) {
                // What the decoder keeps from one message to the next may be broken.
                decoders.remove(topic);
                LOG.error("{}/{} at {}: {}", topic, partition, offset, reject.reason());
            }
            if (!Start.covers(plan.start().dead(), topic, partition, offset)) {
                landed.rejects.merge(reject.cause().word(), 1L, Long::sum);
                if (plan.keepsRejects()) {
                    write(plan.dead(), null, new Place(topic, partition, offset), reject.reason(), payload);
                }
            }
        }

        private record Place(String topic, int partition, long offset) {}

        private void write(int table, Object[] values, Place place, String reason, byte[] payload) throws IOException {
            Plan.Target target = plan.tables().get(table);
            if (writers[table] == null) {
                TaskContext context = TaskContext.get();
                writers[table] = TableWriter.of(target.table(), context.partitionId(), context.taskAttemptId(), open);
                rows[table] = GenericRecord.create(target.table().schema());
            }
            int[] sources = target.columns().sources();
            Record row = rows[table];
            for (int index = 0; index < sources.length; index++) {
                row.set(index, switch (sources[index]) {
                    case Columns.TOPIC_ID -> plan.topics().get(place.topic).id();
                    case Columns.PARTITION -> place.partition;
                    case Columns.OFFSET -> place.offset;
                    case Columns.INGESTED_AT -> OffsetDateTime.now(ZoneOffset.UTC).truncatedTo(ChronoUnit.MICROS);
                    case Columns.TOPIC -> place.topic;
                    case Columns.REASON -> reason;
                    case Columns.PAYLOAD -> ByteBuffer.wrap(payload == null ? new byte[0] : payload);
                    case Columns.NOTHING -> null;
                    default -> values[sources[index]];
                });
            }
            writers[table].write(row);
        }

        Landed finish() throws IOException {
            for (int table = 0; table < writers.length; table++) {
                if (writers[table] != null) {
                    landed.files.put(table, new ArrayList<>(writers[table].finished()));
                }
            }
            return landed;
        }

        /** Deletes what was written, as far as it can be: the rest is orphans, for maintenance to delete. */
        void abort(Throwable cause) {
            for (TableWriter writer : writers) {
                try {
                    if (writer != null) {
                        writer.abort();
                    }
                } catch (IOException | RuntimeException error) {
                    cause.addSuppressed(error);
                }
            }
        }
    }
}
