package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.iceberg.Snapshot;

/** What a table's current data stands for, as the stream agent's commits say it and this job's do too. */
final class Settled {
    static final String OFFSETS = "lakewright.offsets";
    static final String REFUSED = "lakewright.refused";
    static final String OWED = "lakewright.owed";
    static final String TOPICS = "lakewright.topics";
    static final String EPOCHS = "lakewright.epochs";

    final OffsetMap offsets;
    /** Rows that couldn't be written, by key, partition and offset, with the reasons. */
    final ObjectNode refused;
    /** What the floor went past without tables that were in quarantine, by table, key and partition. */
    final ObjectNode owed;
    /** The ids that topics bore. */
    final ObjectNode topics;
    /** The leader epochs of the last records, by key and partition. */
    final ObjectNode epochs;

    private Settled(OffsetMap offsets, ObjectNode refused, ObjectNode owed, ObjectNode topics, ObjectNode epochs) {
        this.offsets = offsets;
        this.refused = refused;
        this.owed = owed;
        this.topics = topics;
        this.epochs = epochs;
    }

    /** Reads it from the history of a table, the newest snapshot first, and from its properties. */
    static Settled committed(Iterable<Snapshot> history, Map<String, String> properties) {
        Map<String, String> standing = properties;
        Map<String, String> named = properties;
        boolean found = false;
        for (Snapshot snapshot : history) {
            Map<String, String> summary = snapshot.summary() == null ? Map.of() : snapshot.summary();
            // Other engines' commits carry no map: that of the nearest ancestor counts.
            if (!found && summary.containsKey(OFFSETS)) {
                standing = summary;
                found = true;
            }
            if (summary.containsKey(TOPICS)) {
                named = summary;
                break;
            }
        }
        return new Settled(OffsetMap.of(read(standing, OFFSETS)), read(standing, REFUSED), read(standing, OWED),
                read(named, TOPICS), read(standing, EPOCHS));
    }

    private static ObjectNode read(Map<String, String> properties, String property) {
        String text = properties.get(property);
        if (text == null) {
            return JsonNodeFactory.instance.objectNode();
        }
        if (Json.read(text, "the table's `" + property + "`") instanceof ObjectNode map) {
            return map;
        }
        throw new IllegalArgumentException("the table's `" + property + "` can't be read: " + text);
    }

    Settled copy() {
        return new Settled(new OffsetMap(offsets), refused.deepCopy(), owed.deepCopy(), topics.deepCopy(), epochs.deepCopy());
    }

    /** What a table has settled when it has taken in its topic to these offsets, where the ledger stands at the floor. */
    Settled taken(Topic topic, Map<Integer, Long> next, OffsetMap floor) {
        Settled settled = copy();
        settled.offsets.keepOnly(topic.key());
        List.of(settled.refused, settled.epochs).forEach(map -> keepOnly(map, topic.key()));
        next.forEach((partition, offset) -> settled.offsets.advance(topic.key(), partition, offset));
        for (int partition : next.keySet()) {
            Long covered = floor.get(topic.key(), partition);
            if (covered != null) {
                forgetRefused(settled.refused, topic.key(), partition, covered);
            }
        }
        return settled;
    }

    /** What the ledger says when a topic was taken in to these offsets by all tables that are declared. */
    Settled moved(Topic topic, Map<Integer, Long> next, Set<String> declared) {
        Settled settled = copy();
        String gone = Topics.note(settled.topics, topic.name(), topic.key());
        if (gone != null) {
            settled.offsets.forget(gone);
            settled.epochs.remove(gone);
            settled.owed.forEach(table -> ((ObjectNode) table).remove(gone));
        }
        next.forEach((partition, offset) -> {
            Long from = offsets.get(topic.key(), partition);
            settled.offsets.advance(topic.key(), partition, offset);
            settled.pass(topic.key(), partition, from == null ? offset : from, offset, declared);
        });
        return settled;
    }

    /** Notes in debts that their tables weren't declared in a span of a partition. */
    private void pass(String key, int partition, long from, long to, Set<String> declared) {
        owed.fields().forEachRemaining(table -> {
            if (!declared.contains(table.getKey()) && from < to
                    && table.getValue().path(key).path(Integer.toString(partition)) instanceof ObjectNode debt) {
                ArrayNode spans = debt.get("undeclared") instanceof ArrayNode known ? known : debt.putArray("undeclared");
                JsonNode last = spans.get(spans.size() - 1);
                if (last != null && last.get(1).longValue() == from) {
                    ((ArrayNode) last).set(1, JsonNodeFactory.instance.numberNode(to));
                } else {
                    spans.addArray().add(from).add(to);
                }
            }
        });
    }

    /** The first offset that the ledger doesn't cover of which a row was refused; null when there is none. */
    static Long firstRefused(ObjectNode refused, String key, int partition, long floor) {
        Long first = null;
        var offsets = refused.path(key).path(Integer.toString(partition)).fieldNames();
        while (offsets.hasNext()) {
            long offset = Long.parseLong(offsets.next());
            first = offset >= floor && (first == null || offset < first) ? (Long) offset : first;
        }
        return first;
    }

    private static void forgetRefused(ObjectNode refused, String key, int partition, long before) {
        if (refused.path(key) instanceof ObjectNode partitions
                && partitions.path(Integer.toString(partition)) instanceof ObjectNode rows) {
            List<String> covered = new ArrayList<>();
            rows.fieldNames().forEachRemaining(offset -> {
                if (Long.parseLong(offset) < before) {
                    covered.add(offset);
                }
            });
            rows.remove(covered);
            if (rows.isEmpty()) {
                partitions.remove(Integer.toString(partition));
            }
            if (partitions.isEmpty()) {
                refused.remove(key);
            }
        }
    }

    private static void keepOnly(ObjectNode map, String key) {
        List<String> gone = new ArrayList<>();
        map.fieldNames().forEachRemaining(known -> {
            if (!OffsetMap.stays(known, key)) {
                gone.add(known);
            }
        });
        map.remove(gone);
    }

    /**
     * The properties of a commit that settles this where {@code before} was settled. A map that has become empty is
     * written once more, so that no older one is taken for the current.
     */
    Map<String, String> properties(Settled before) {
        Map<String, String> properties = new LinkedHashMap<>();
        properties.put(OFFSETS, offsets.toString());
        if (!refused.isEmpty() || !before.refused.isEmpty()) {
            properties.put(REFUSED, Json.write(refused));
        }
        if (!owed.isEmpty() || !before.owed.isEmpty()) {
            properties.put(OWED, Json.write(owed));
        }
        if (!epochs.isEmpty()) {
            properties.put(EPOCHS, Json.write(epochs));
        }
        if (!topics.equals(before.topics)) {
            properties.put(TOPICS, Json.write(topics));
        }
        return properties;
    }

    /** What differs from what another commit left; null when nothing does. */
    String difference(Settled other) {
        String found = differs(OFFSETS, offsets, other.offsets);
        found = found != null ? found : differs(OWED, owed, other.owed);
        found = found != null ? found : differs(TOPICS, topics, other.topics);
        found = found != null ? found : differs(REFUSED, refused, other.refused);
        return found != null ? found : differs(EPOCHS, epochs, other.epochs);
    }

    private static String differs(String name, Object before, Object now) {
        return before.equals(now) ? null : "`" + name + "` was " + before + " and is " + now;
    }
}
