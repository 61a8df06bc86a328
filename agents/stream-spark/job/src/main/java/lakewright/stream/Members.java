package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.Set;

/** The members that a configuration may have, as the stream agent knows them: one that isn't known would be passed over. */
final class Members {
    private static final Set<String> WHOLE = Set.of("kafka", "group", "tables", "dead_letters", "account", "commit_interval_ms",
            "commit_bytes", "on_reject", "on_gap", "maintenance", "orphans_elsewhere_ms", "watch");
    private static final Set<String> TABLE =
            Set.of("name", "database", "topic", "location", "columns", "key", "partition", "reading", "sink", "existing");
    private static final Set<String> COLUMN = Set.of("name", "type", "required", "doc", "was");
    /** By the member whose value is an object. */
    private static final Map<String, Set<String>> WITHIN = Map.of(
            "kafka", Set.of("bootstrap", "security", "topics"),
            "security", Set.of("protocol", "region", "secret"),
            "maintenance", Set.of("every_ms", "snapshots_max_age_ms", "min_snapshots", "readers_grace_ms", "orphans_age_ms",
                    "target_file_size", "memory"),
            "reading", Set.of("format", "registry", "path", "kafka", "unknown", "max_new_columns", "on_tombstone", "columns"),
            "registry", Set.of("kind", "url", "login"));
    private static final Set<String> FILLING = Set.of("member", "unit");

    private Members() {}

    /** The first member that isn't known, with its place; null when there is none. */
    static String unknown(JsonNode configuration) {
        String found = first(configuration, WHOLE, "");
        found = found != null ? found : within(configuration, "kafka", "");
        found = found != null ? found : within(configuration.path("kafka"), "security", "kafka.");
        found = found != null ? found : within(configuration, "maintenance", "");
        for (JsonNode table : configuration.path("tables")) {
            found = found != null ? found : ofTable(table, "tables." + table.path("name").asText() + ".");
        }
        return found != null ? found : ofTable(configuration.path("dead_letters"), "dead_letters.");
    }

    private static String ofTable(JsonNode table, String place) {
        String found = first(table, TABLE, place);
        for (JsonNode column : table.path("columns")) {
            found = found != null ? found : first(column, COLUMN, place + "columns." + column.path("name").asText() + ".");
        }
        found = found != null ? found : within(table, "reading", place);
        JsonNode reading = table.path("reading");
        found = found != null ? found : within(reading, "registry", place + "reading.");
        for (JsonNode filling : reading.path("columns")) {
            found = found != null ? found : first(filling, FILLING, place + "reading.columns.");
        }
        return found;
    }

    private static String within(JsonNode object, String member, String place) {
        return first(object.path(member), WITHIN.get(member), place + member + ".");
    }

    private static String first(JsonNode object, Set<String> known, String place) {
        var names = object.fieldNames();
        while (names.hasNext()) {
            String name = names.next();
            if (!known.contains(name)) {
                return place + name;
            }
        }
        return null;
    }
}
