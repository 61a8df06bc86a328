package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.TreeMap;

/** The next offset to take in, by `CLUSTER ID/TOPIC ID` and partition. A topic deleted and made again is another one. */
final class OffsetMap {
    private final TreeMap<String, TreeMap<Integer, Long>> offsets = new TreeMap<>();

    OffsetMap() {}

    OffsetMap(OffsetMap other) {
        other.offsets.forEach((topic, partitions) -> offsets.put(topic, new TreeMap<>(partitions)));
    }

    static OffsetMap of(JsonNode json) {
        OffsetMap map = new OffsetMap();
        json.fields().forEachRemaining(topic -> {
            TreeMap<Integer, Long> partitions = new TreeMap<>();
            topic.getValue().fields().forEachRemaining(
                    one -> partitions.put(Integer.valueOf(one.getKey()), one.getValue().longValue()));
            map.offsets.put(topic.getKey(), partitions);
        });
        return map;
    }

    /** The next offset of a partition; null when the map doesn't know it. */
    Long get(String topic, int partition) {
        return offsets.getOrDefault(topic, new TreeMap<>()).get(partition);
    }

    /** Moves a partition forward; it never goes back. */
    void advance(String topic, int partition, long next) {
        offsets.computeIfAbsent(topic, key -> new TreeMap<>()).merge(partition, next, Math::max);
    }

    /** Forgets a topic that is gone for good. */
    void forget(String topic) {
        offsets.remove(topic);
    }

    /** Forgets all topics of a cluster but one. */
    void keepOnly(String topic) {
        offsets.keySet().removeIf(known -> !stays(known, topic));
    }

    Map<String, TreeMap<Integer, Long>> map() {
        return offsets;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof OffsetMap map && offsets.equals(map.offsets);
    }

    @Override
    public int hashCode() {
        return offsets.hashCode();
    }

    @Override
    public String toString() {
        return Json.write(offsets);
    }

    /** The cluster of a key. */
    static String cluster(String key) {
        int slash = key.indexOf('/');
        return slash < 0 ? key : key.substring(0, slash);
    }

    /** Whether a table whose rows come from one key still has to know another. Those of other clusters stay. */
    static boolean stays(String known, String only) {
        return known.equals(only) || !cluster(known).equals(cluster(only));
    }
}
