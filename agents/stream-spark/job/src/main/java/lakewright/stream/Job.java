package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeoutException;
import org.apache.iceberg.SerializableTable;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.kafka.common.TopicPartition;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.DataStreamReader;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryException;
import org.apache.spark.sql.streaming.Trigger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads from where the tables are until something fails. What fails changes nothing that was committed: whoever begins
 * again finds in the tables where to go on.
 */
final class Job {
    /** Records that a poll gives at most; Kafka's own 500 are soon read. */
    private static final long MOST_POLLED = 10_000;
    private static final long GLANCE_MS = 500;
    private static final Logger LOG = LoggerFactory.getLogger(Job.class);

    private final SparkSession spark;
    private final Catalog catalog;
    private final Configuration configuration;
    private final String configured;
    /** What is declared. */
    private final Settings declared;
    private final Pace pace;
    private final Quarantine quarantine;
    private final Reports reports;

    /** What of it is read. */
    private Settings settings;
    /** The topics that stand still meanwhile. */
    private Set<String> unread;
    private Map<String, Topic> topics;
    private List<OpenTable> tables;
    private OpenTable dead;
    private Broadcast<Plan> plan;
    /** How far everything is read, by topic and partition. */
    private Map<String, TreeMap<Integer, Long>> read;
    /** The same as of the last commit, for other threads. */
    private volatile Map<String, Map<Integer, Long>> settledPlaces = Map.of();
    /** Whether another query shall go on: batches of another size, or a topic that is tried again. */
    private volatile boolean anew;
    /** Who holds it takes a batch in, or makes sure that nobody does. */
    private final Object turn = new Object();

    /** By the configuration as it is now. */
    Job(SparkSession spark, Catalog catalog, Configuration configuration, Pace pace, Quarantine quarantine, Reports reports)
            throws IOException {
        this.pace = pace;
        this.quarantine = quarantine;
        this.reports = reports;
        this.spark = spark;
        this.catalog = catalog;
        this.configuration = configuration;
        this.configured = configuration.text();
        JsonNode json = Json.read(configured, "the configuration");
        // What is wrong with the rest of it is reported too.
        reports.configure(Reports.Watch.of(json));
        this.declared = Settings.of(json, new AwsSecrets());
        this.settings = declared;
        quarantine.commitsEvery(declared.commitIntervalMs());
    }

    /** Runs; returns only with {@code untilRead}, when everything is read that was there at the start. */
    void run(boolean untilRead) throws InterruptedException, TimeoutException, StreamingQueryException, IOException {
        try (Kafka kafka = new Kafka(declared.kafka())) {
            do {
                anew = false;
                query(kafka, untilRead);
            } while (anew);
        } finally {
            reports.reading(null);
        }
    }

    /** Reads on from where the tables are; returns when another query shall go on, too. */
    private void query(Kafka kafka, boolean untilRead)
            throws InterruptedException, TimeoutException, StreamingQueryException, IOException {
        Start start = begin(kafka, untilRead);
        reports.reading(() -> waiting(kafka));
        long most = pace.records(batchBytes());
        LOG.info("reading begins at {}, with up to {} records in a batch", start.startingOffsets(), most);
        // What Spark notes there is of this run alone: where to go on, the tables say.
        Path checkpoint = Files.createTempDirectory("lakewright-stream-");
        DataStreamReader reader = spark.readStream().format("kafka").option("subscribe", String.join(",", settings.topics()))
                .option("startingOffsets", start.startingOffsets()).option("failOnDataLoss", "true")
                .option("maxOffsetsPerTrigger", most).option("groupIdPrefix", settings.group())
                .option("kafka.isolation.level", "read_committed").option("kafka.max.poll.records", MOST_POLLED);
        settings.kafka().forEach((name, value) -> reader.option("kafka." + name, value));
        Trigger trigger = untilRead ? Trigger.AvailableNow() : Trigger.ProcessingTime(settings.commitIntervalMs());
        StreamingQuery query = reader.load().selectExpr(Land.COLUMNS).writeStream().trigger(trigger)
                .option("checkpointLocation", checkpoint.toUri().toString())
                .foreachBatch((Dataset<Row> batch, Long number) -> take(batch, kafka, most)).start();
        try {
            while (!query.awaitTermination(GLANCE_MS) && !anew) {
                if (quarantine.isDue(unread, System.currentTimeMillis())) {
                    // No commit is interrupted.
                    synchronized (turn) {
                        anew = true;
                    }
                }
            }
        } finally {
            query.stop();
            plan.destroy();
            Main.delete(checkpoint);
        }
    }

    /** About how many bytes of messages a batch shall have: what the configuration says, for each task that runs at once. */
    private long batchBytes() {
        return settings.commitBytes() * spark.sparkContext().defaultParallelism();
    }

    /** How many records of the log aren't taken in. */
    private long waiting(Kafka kafka) throws InterruptedException {
        Map<String, Map<Integer, Long>> places = settledPlaces;
        long waiting = 0;
        for (Map.Entry<TopicPartition, Kafka.Range> one : kafka.ranges(topics.values()).entrySet()) {
            Kafka.Range range = one.getValue();
            long place = places.getOrDefault(one.getKey().topic(), Map.of()).getOrDefault(one.getKey().partition(), range.low());
            waiting += Math.max(0, range.high() - Math.max(place, range.low()));
        }
        return waiting;
    }

    /** Says how far everything is settled, for whoever asks from another thread. */
    private void settle() {
        Map<String, Map<Integer, Long>> places = new HashMap<>();
        read.forEach((topic, partitions) -> places.put(topic, Map.copyOf(partitions)));
        settledPlaces = Map.copyOf(places);
    }

    /** Opens the tables; those that can't be opened stand still with their topics, unless nothing is left or all shall be read. */
    private void openTables(boolean all) {
        long now = System.currentTimeMillis();
        unread = quarantine.standing(now);
        if (all || unread.containsAll(declared.topics())) {
            unread = new TreeSet<>();
        }
        List<OpenTable> opened = new ArrayList<>();
        RuntimeException reason = null;
        for (TableSettings table : declared.tables()) {
            if (unread.contains(table.topic())) {
                continue;
            }
            try {
                OpenTable one = open(table);
                one.mustBeDeclaredSo();
                columns(one);
                opened.add(one);
            } catch (RuntimeException error) {
                if (all) {
                    throw error;
                }
                quarantine.failed(table, Quarantine.Until.BEGUN, error, now);
                unread.add(table.topic());
                reason = error;
            }
        }
        if (reason != null && unread.containsAll(declared.topics())) {
            throw reason;
        }
        settings = declared.without(unread);
        settings.topics().forEach(quarantine::begun);
        tables = opened.stream().filter(one -> !unread.contains(one.declared.topic())).toList();
    }

    private static Columns columns(OpenTable table) {
        return Columns.of(table.schema(), table.declared, table.table().properties());
    }

    private Start begin(Kafka kafka, boolean all) throws InterruptedException {
        openTables(all);
        topics = kafka.describe(settings.topics());
        dead = open(settings.deadLetters());
        List<Settled> settled = new ArrayList<>(tables.stream().map(OpenTable::settled).toList());
        var ranges = kafka.ranges(topics.values());
        Start start = Start.of(settings, topics, ranges, settled, dead.settled());
        settled.add(dead.settled());
        kafka.checkEpochs(Start.marks(topics, ranges, settled));
        if (start.lost() > 0) {
            LOG.error("Kafka's retention removed up to {} records before they were taken in", start.lost());
        }
        read = new TreeMap<>();
        start.first().forEach((topic, partitions) -> read.put(topic, new TreeMap<>(partitions)));
        settle();
        List<Plan.Target> targets = new ArrayList<>();
        tables.forEach(table -> targets.add(target(table, columns(table))));
        targets.add(target(dead, Columns.ofDeadLetters(dead.schema())));
        Plan made = new Plan(new TreeMap<>(topics), targets, start, settings.keepsRejects());
        plan = JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(made);
        return start;
    }

    private OpenTable open(TableSettings declared) {
        Table table = catalog.loadTable(TableIdentifier.of(declared.database(), declared.name()));
        return new OpenTable(table, declared, this.declared.group());
    }

    private static Plan.Target target(OpenTable table, Columns columns) {
        TableSettings declared = table.declared;
        return new Plan.Target(declared.name(), declared.topic(), declared.isEnvelope(), declared.path().toArray(new String[0]),
                declared.holder(), declared.refusesUnknown(), Registry.of(declared.reading()),
                SerializableTable.copyOf(table.table()), columns);
    }

    /** Takes a batch in: writes its files, then commits the tables, and the dead letters with the ledger last. */
    private void take(Dataset<Row> batch, Kafka kafka, long most) throws InterruptedException, IOException {
        synchronized (turn) {
            // Else the query ends: what it reads now is read again.
            if (!anew) {
                takeIn(batch, kafka, most);
            }
        }
    }

    private void takeIn(Dataset<Row> batch, Kafka kafka, long most) throws InterruptedException, IOException {
        if (!configuration.text().equals(configured)) {
            throw new IllegalStateException("the configuration was changed: reading begins again by the new one");
        }
        Held held = Held.now(settings.heldAtMostMs());
        JavaRDD<Row> records = batch.toJavaRDD();
        Landed landed = new Landed();
        records.mapPartitions(new Land(plan)).collect().forEach(landed::add);
        if (landed.records == 0) {
            return;
        }
        // Reading never goes back to an id: one that is the same now was the same when the records were read.
        if (!kafka.describe(settings.topics()).values().stream().map(Topic::key).toList()
                .equals(topics.values().stream().map(Topic::key).toList())) {
            throw new IllegalStateException("a topic was made anew: what was read may be of the one that is gone");
        }
        commit(landed, held);
        settle();
        long rejects = landed.rejects.values().stream().mapToLong(Long::longValue).sum();
        reports.took(landed.records, rejects, System.currentTimeMillis());
        LOG.info("{} records taken in, {} rows committed, rejects by cause: {}", landed.records, landed.rows, landed.rejects);
        pace.took(landed.records, landed.bytes);
        // A batch that isn't full is all that there was.
        anew = pace.isOff(most, batchBytes()) && (landed.records >= most / 2 || landed.bytes > batchBytes() * 2);
    }

    private void commit(Landed landed, Held held) {
        landed.next.forEach((topic, partitions) -> read.get(topic).putAll(partitions));
        for (Topic topic : topics.values()) {
            if (Topics.isGone(dead.settled().topics, topic.name(), topic.key())) {
                throw new IllegalStateException(
                        "the topic " + topic.name() + " was made anew, and others read the new one already");
            }
        }
        new Batch(settings, topics, tables, dead, quarantine).commit(landed, read, held);
    }
}
