package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The job's configuration: the file that the stream agent reads.
 *
 * @param kafka what Kafka's clients are configured with
 * @param group the writer's name in snapshots
 * @param commitBytes about how many bytes of messages each task of a batch shall read
 * @param keepsRejects whether records that no table takes become dead letters, or are only counted
 * @param failsOnGap whether records that Kafka's retention removed before they were taken in stop the job
 * @param heldAtMostMs for how long files may be held before they are committed; 0: however long
 */
record Settings(
        Map<String, String> kafka,
        String group,
        List<TableSettings> tables,
        TableSettings deadLetters,
        long commitIntervalMs,
        long commitBytes,
        boolean keepsRejects,
        boolean failsOnGap,
        long heldAtMostMs) {

    /** The age of orphans that the agent's maintenance deletes where its settings don't say. */
    private static final long ORPHANS_AGE_MS = Duration.ofDays(3).toMillis();

    /** Reads a configuration; a secret is looked up by {@code secrets}. */
    static Settings of(JsonNode json, Secrets secrets) {
        String unknown = Members.unknown(json);
        must(unknown == null, "`" + unknown + "` isn't known: is the configuration of a newer lakewright?");
        List<TableSettings> tables = new ArrayList<>();
        for (JsonNode table : json.path("tables")) {
            tables.add(TableSettings.of(table));
            TableSettings read = tables.get(tables.size() - 1);
            String sink = table.path("sink").asText("iceberg");
            String wrong = !sink.equals("iceberg") ? "`sink = \"" + sink + "\"`"
                    : table.hasNonNull("existing") ? "`existing`, a table of others" : read.unsupported();
            must(wrong == null, "table " + read.name() + ": Spark doesn't read " + wrong + "; the stream agent does");
        }
        must(!tables.isEmpty(), "`tables` is empty: there is nothing to read");
        String onReject = json.path("on_reject").asText("dead_letters");
        must(onReject.equals("dead_letters") || onReject.equals("skip"),
                "Spark doesn't know `on_reject = \"" + onReject + "\"`; the stream agent does");
        long interval = json.path("commit_interval_ms").asLong();
        must(interval > 0, "`commit_interval_ms` must be more than 0");
        long bytes = json.path("commit_bytes").asLong();
        must(bytes > 0, "`commit_bytes` must be more than 0");
        // Whoever of those that delete orphans does it sooner.
        long orphans = json.hasNonNull("orphans_elsewhere_ms") ? json.path("orphans_elsewhere_ms").asLong() : Long.MAX_VALUE;
        if (json.hasNonNull("maintenance")) {
            orphans = Math.min(orphans, json.path("maintenance").path("orphans_age_ms").asLong(ORPHANS_AGE_MS));
        }
        return new Settings(kafka(json.path("kafka"), secrets), json.path("group").asText(), List.copyOf(tables),
                TableSettings.of(json.path("dead_letters")), interval, bytes, onReject.equals("dead_letters"),
                json.path("on_gap").asText("skip").equals("fail"), orphans == Long.MAX_VALUE ? 0 : orphans / 2);
    }

    /** The same without the tables of some topics. */
    Settings without(Set<String> topics) {
        List<TableSettings> rest = tables.stream().filter(table -> !topics.contains(table.topic())).toList();
        return new Settings(kafka, group, rest, deadLetters, commitIntervalMs, commitBytes, keepsRejects, failsOnGap, heldAtMostMs);
    }

    /** The topics that are read, in the order of their names. */
    List<String> topics() {
        TreeSet<String> names = new TreeSet<>();
        tables.forEach(table -> names.add(table.topic()));
        return List.copyOf(names);
    }

    private static Map<String, String> kafka(JsonNode json, Secrets secrets) {
        Map<String, String> client = new HashMap<>();
        // On this machine, a Kafka in clear wins, as it does with the agents.
        String local = Loopback.named("LAKEWRIGHT_KAFKA_PLAINTEXT");
        if (local != null) {
            return Map.of("bootstrap.servers", local, "security.protocol", "PLAINTEXT");
        }
        client.put("bootstrap.servers", json.path("bootstrap").asText());
        JsonNode security = json.path("security");
        String protocol = security.path("protocol").asText();
        switch (protocol) {
            case "plaintext" -> client.put("security.protocol", "PLAINTEXT");
            case "tls" -> client.put("security.protocol", "SSL");
            case "iam" -> {
                client.put("security.protocol", "SASL_SSL");
                client.put("sasl.mechanism", "AWS_MSK_IAM");
                client.put("sasl.jaas.config", "software.amazon.msk.auth.iam.IAMLoginModule required;");
                client.put("sasl.client.callback.handler.class", "software.amazon.msk.auth.iam.IAMClientCallbackHandler");
            }
            case "scram" -> {
                JsonNode login = secrets.read(security.path("secret").asText());
                client.put("security.protocol", "SASL_SSL");
                client.put("sasl.mechanism", "SCRAM-SHA-512");
                client.put("sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username="
                        + quoted(login.path("username").asText()) + " password=" + quoted(login.path("password").asText()) + ";");
            }
            default -> throw new IllegalArgumentException(
                    "`kafka.security.protocol` is `" + protocol + "`, which Spark doesn't know");
        }
        return client;
    }

    private static String quoted(String value) {
        return "\"" + value.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    private static void must(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalArgumentException(otherwise);
        }
    }
}
