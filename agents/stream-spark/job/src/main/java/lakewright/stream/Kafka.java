package lakewright.stream;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What Kafka says of topics. */
final class Kafka implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Logger LOG = LoggerFactory.getLogger(Kafka.class);

    /** The offsets that Kafka holds of a partition: the first, and the one after the last. */
    record Range(long low, long high) {}

    private final Map<String, String> client;
    private final Admin admin;

    Kafka(Map<String, String> client) {
        this.client = client;
        Properties properties = new Properties();
        properties.putAll(client);
        admin = Admin.create(properties);
    }

    /** Topics with their ids, by name. */
    Map<String, Topic> describe(List<String> names) throws InterruptedException {
        Map<String, Topic> found = new TreeMap<>();
        try {
            String cluster = admin.describeCluster().clusterId().get();
            admin.describeTopics(names).allTopicNames().get().forEach((name, topic) -> {
                List<Integer> partitions = topic.partitions().stream().map(one -> one.partition()).sorted().toList();
                found.put(name, topic(cluster, name, topic.topicId(), partitions));
            });
        } catch (ExecutionException error) {
            throw new IllegalStateException("ask Kafka for the topics " + names + ": " + error.getCause().getMessage(), error);
        }
        return found;
    }

    /** A topic by what tells it from another one of its name. */
    static Topic topic(String cluster, String name, Uuid id, List<Integer> partitions) {
        if (cluster == null || cluster.isEmpty()) {
            throw new IllegalStateException("the Kafka cluster says no cluster id, by which tables know their offsets");
        } else if (Uuid.ZERO_UUID.equals(id)) {
            throw new IllegalStateException("topic " + name + " has no topic id: the cluster must run Kafka 2.8 or later");
        }
        String text = new UUID(id.getMostSignificantBits(), id.getLeastSignificantBits()).toString();
        return new Topic(name, text, cluster + "/" + text, new ArrayList<>(partitions));
    }

    /** What Kafka holds of the topics' partitions. */
    Map<TopicPartition, Range> ranges(Iterable<Topic> topics) throws InterruptedException {
        Map<TopicPartition, OffsetSpec> first = new HashMap<>();
        Map<TopicPartition, OffsetSpec> last = new HashMap<>();
        for (Topic topic : topics) {
            for (int partition : topic.partitions()) {
                first.put(new TopicPartition(topic.name(), partition), OffsetSpec.earliest());
                last.put(new TopicPartition(topic.name(), partition), OffsetSpec.latest());
            }
        }
        try {
            ListOffsetsOptions committed = new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
            Map<TopicPartition, ListOffsetsResultInfo> low = admin.listOffsets(first, committed).all().get();
            Map<TopicPartition, ListOffsetsResultInfo> high = admin.listOffsets(last, committed).all().get();
            Map<TopicPartition, Range> ranges = new HashMap<>();
            low.forEach((of, info) -> ranges.put(of, new Range(info.offset(), high.get(of).offset())));
            return ranges;
        } catch (ExecutionException error) {
            throw new IllegalStateException("ask Kafka for offsets: " + error.getCause().getMessage(), error);
        }
    }

    /**
     * Makes sure that the log still has the record that was taken in last, by its leader epoch. Marks are an offset and
     * the epoch in which the log stored the record there.
     */
    void checkEpochs(Map<TopicPartition, long[]> marks) {
        if (marks.isEmpty()) {
            return;
        }
        Properties properties = new Properties();
        properties.putAll(client);
        // A record or two of each partition: a fetch gives a whole batch, however little is asked for.
        properties.put("max.partition.fetch.bytes", "1");
        properties.put("isolation.level", "read_committed");
        Map<TopicPartition, long[]> left = new HashMap<>(marks);
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, bytes, bytes)) {
            consumer.assign(left.keySet());
            left.forEach((of, mark) -> consumer.seek(of, mark[0]));
            long end = System.nanoTime() + PATIENCE.toNanos();
            while (!left.isEmpty() && System.nanoTime() < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    TopicPartition of = new TopicPartition(record.topic(), record.partition());
                    long[] mark = left.remove(of);
                    if (mark == null) {
                        continue;
                    }
                    consumer.pause(List.of(of));
                    long epoch = record.leaderEpoch().orElse((int) mark[1]);
                    // The mark's own record may have been compacted away; epochs never fall along a log.
                    if (record.offset() == mark[0] ? epoch != mark[1] : epoch < mark[1]) {
                        throw new IllegalStateException(of + ": the record at " + mark[0] + " was taken in of the leader epoch "
                                + mark[1] + ", and the one at " + record.offset() + " is of " + epoch + " by now: the log was cut"
                                + " off there. Nothing of it is read, because offsets would be given a second time; make the"
                                + " topic anew");
                    }
                }
            }
        }
        if (!left.isEmpty()) {
            LOG.warn("it isn't known whether the log still has the last records that were taken in of {}", left.keySet());
        }
    }

    @Override
    public void close() {
        admin.close(PATIENCE);
    }
}
