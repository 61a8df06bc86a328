package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * The ids that topics bore, by cluster id and name, the one that was read last at the end, as `lakewright.topics` has
 * them. The others are of topics that were deleted: ids never come back.
 */
final class Topics {
    /** So many ids are kept of one topic. */
    private static final int MAX_IDS = 8;

    private Topics() {}

    /** Notes which key a topic bears; gives the key that is gone for good, or null. */
    static String note(ObjectNode topics, String name, String key) {
        String cluster = OffsetMap.cluster(key);
        ObjectNode names = topics.get(cluster) instanceof ObjectNode known ? known : topics.putObject(cluster);
        ArrayNode ids = names.get(name) instanceof ArrayNode known ? known : names.putArray(name);
        String id = key.substring(cluster.length() + 1);
        for (JsonNode one : ids) {
            if (one.asText().equals(id)) {
                return null;
            }
        }
        String gone = ids.isEmpty() ? null : cluster + "/" + ids.get(ids.size() - 1).asText();
        ids.add(id);
        while (ids.size() > MAX_IDS) {
            ids.remove(0);
        }
        return gone;
    }

    /** Whether a topic was made anew since it bore a key. */
    static boolean isGone(ObjectNode topics, String name, String key) {
        String cluster = OffsetMap.cluster(key);
        JsonNode ids = topics.path(cluster).path(name);
        for (int index = 0; index < ids.size() - 1; index++) {
            if (ids.get(index).asText().equals(key.substring(cluster.length() + 1))) {
                return true;
            }
        }
        return false;
    }
}
