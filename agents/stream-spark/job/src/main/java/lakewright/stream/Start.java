package lakewright.stream;

import java.io.Serializable;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.TopicPartition;

/**
 * Where reading begins: what each table and the dead letters have of each partition.
 *
 * @param first the first offset to read, by topic and partition
 * @param tables by table, the first offset whose row it lacks
 * @param dead the first offset that the dead letters may lack
 * @param lost how many records were removed before they were taken in, at most
 */
record Start(
        TreeMap<String, TreeMap<Integer, Long>> first,
        List<Map<String, Map<Integer, Long>>> tables,
        Map<String, Map<Integer, Long>> dead,
        long lost)
        implements Serializable {

    /**
     * Decides by what the tables and the ledger say and what Kafka holds. What the ledger's floor covers is settled
     * everywhere; a table that is new to the topic begins there too, for until then its messages were dead letters.
     *
     * @param settled what the tables have settled, in the order of their declarations
     */
    static Start of(Settings settings, Map<String, Topic> topics, Map<TopicPartition, Kafka.Range> ranges,
            List<Settled> settled, Settled ledger) {
        TreeMap<String, TreeMap<Integer, Long>> first = new TreeMap<>();
        List<Map<String, Map<Integer, Long>>> rows = settled.stream().map(one -> (Map<String, Map<Integer, Long>>)
                new HashMap<String, Map<Integer, Long>>()).toList();
        Map<String, Map<Integer, Long>> dead = new HashMap<>();
        long lost = 0;
        for (Topic topic : topics.values()) {
            for (int partition : topic.partitions()) {
                Kafka.Range range = ranges.get(new TopicPartition(topic.name(), partition));
                Long floor = ledger.offsets.get(topic.key(), partition);
                boolean known = floor != null;
                long earliest = floor == null ? range.low() : floor;
                long latest = earliest;
                put(dead, topic, partition, earliest);
                for (int index = 0; index < settled.size(); index++) {
                    TableSettings table = settings.tables().get(index);
                    if (!table.topic().equals(topic.name())) {
                        continue;
                    }
                    mustOweNothing(table, topic, partition, settled.get(index), ledger, floor == null ? 0 : floor);
                    Long own = settled.get(index).offsets.get(topic.key(), partition);
                    known |= own != null;
                    long next = own == null ? floor == null ? range.low() : floor : floor == null ? own : Math.max(own, floor);
                    put(rows.get(index), topic, partition, next);
                    latest = Math.max(latest, next);
                    earliest = Math.min(earliest, next);
                }
                String place = topic.name() + "/" + partition;
                if (latest > range.high()) {
                    throw new IllegalStateException("the tables hold the records of " + place + " up to " + latest
                            + ", but Kafka's next offset is " + range.high() + ": the partition lost records. Nothing of it is"
                            + " read, because offsets would be given a second time; make the topic anew");
                }
                long gap = known ? Math.max(range.low() - earliest, 0) : 0;
                // Where nothing is left, what was removed may be no record: a transaction's end has an offset too.
                if (gap > 0 && range.low() < range.high() && settings.failsOnGap()) {
                    throw new IllegalStateException("Kafka's retention removed up to " + gap + " records of " + place
                            + " before they were taken in, and `on_gap` is \"fail\"; with \"skip\" reading goes on at offset "
                            + range.low());
                }
                lost += gap;
                first.computeIfAbsent(topic.name(), name -> new TreeMap<>()).put(partition, Math.max(earliest, range.low()));
            }
        }
        return new Start(first, rows, dead, lost);
    }

    /** What is owed to a table in quarantine, only the stream agent pays: it knows what was judged already. */
    private static void mustOweNothing(TableSettings table, Topic topic, int partition, Settled own, Settled ledger, long floor) {
        boolean owed = ledger.owed.path(table.name()).path(topic.key()).has(Integer.toString(partition));
        if (owed || Settled.firstRefused(own.refused, topic.key(), partition, floor) != null) {
            throw new IllegalStateException("rows of " + topic.name() + "/" + partition + " are owed to the table " + table.name()
                    + ", which was in quarantine, and only the stream agent pays them: run it until its metric"
                    + " `quarantined` is 0");
        }
    }

    private static void put(Map<String, Map<Integer, Long>> into, Topic topic, int partition, long offset) {
        into.computeIfAbsent(topic.name(), name -> new HashMap<>()).put(partition, offset);
    }

    /** Whether what begins at an offset was there before a record. */
    static boolean covers(Map<String, Map<Integer, Long>> next, String topic, int partition, long offset) {
        Long from = next.getOrDefault(topic, Map.of()).get(partition);
        return from != null && offset < from;
    }

    /** The first offsets as Spark's Kafka source takes them. */
    String startingOffsets() {
        return Json.write(first);
    }

    /** The marks whose records the log must still have. */
    static Map<TopicPartition, long[]> marks(
            Map<String, Topic> topics, Map<TopicPartition, Kafka.Range> ranges, List<Settled> all) {
        Map<TopicPartition, long[]> marks = new HashMap<>();
        for (Topic topic : topics.values()) {
            for (int partition : topic.partitions()) {
                TopicPartition of = new TopicPartition(topic.name(), partition);
                for (Settled settled : all) {
                    var mark = settled.epochs.path(topic.key()).path(Integer.toString(partition));
                    // One that retention removed says nothing any more.
                    if (mark.size() == 2 && mark.get(0).longValue() >= ranges.get(of).low()
                            && mark.get(0).longValue() < ranges.get(of).high()) {
                        long[] found = {mark.get(0).longValue(), mark.get(1).longValue()};
                        marks.merge(of, found, (one, other) -> one[0] >= other[0] ? one : other);
                    }
                }
            }
        }
        return marks;
    }
}
