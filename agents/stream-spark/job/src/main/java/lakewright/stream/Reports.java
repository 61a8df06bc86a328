package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says how the job is doing as the stream agent does: a line in CloudWatch's embedded metric format now and then, which the agent's alarms
 * are made of. The configuration's {@code watch} says where to; without it nothing is sent.
 */
final class Reports {
    /** Where lines go. */
    interface Sink {
        void send(String group, long timeMs, String line);
    }

    /** How many records of the log aren't taken in. */
    interface Waiting {
        long records() throws Exception;
    }

    /**
     * Where the configuration wants reports.
     *
     * @param group the log group
     */
    record Watch(String group, String stack, Duration every) {
        /** Null in a configuration without. */
        static Watch of(JsonNode config) {
            JsonNode watch = config.path("watch");
            if (!watch.isObject()) {
                return null;
            }
            Duration every = Duration.ofSeconds(Math.max(1, watch.path("every_seconds").asLong(60)));
            return new Watch(watch.path("log_group").asText(), watch.path("stack").asText(), every);
        }
    }

    private static final Logger LOG = LoggerFactory.getLogger(Reports.class);
    private static final Duration UNTIL_CONFIGURED = Duration.ofSeconds(5);
    /** What grows, by the names of its metrics. */
    private static final String RECORDS = "Records";
    private static final String DEAD_LETTERS = "DeadLetters";
    private static final String ERRORS = "Errors";

    private final Sink sink;
    private final Quarantine quarantine;
    private final Map<String, Long> totals = new TreeMap<>(Map.of(RECORDS, 0L, DEAD_LETTERS, 0L, ERRORS, 0L));
    /** The totals of the last report that arrived. */
    private Map<String, Long> reported = Map.copyOf(totals);
    private Watch watch;
    private Waiting waiting;
    private OptionalLong lag = OptionalLong.empty();
    /** When something was taken in last, and when nothing waited: in milliseconds since 1970. */
    private long doneMs;
    private long commits;

    Reports(Sink sink, Quarantine quarantine, long nowMs) {
        this.sink = sink;
        this.quarantine = quarantine;
        this.doneMs = nowMs;
    }

    /** Reports for as long as the process lives. */
    static Reports start(Sink sink, Quarantine quarantine) {
        Reports reports = new Reports(sink, quarantine, System.currentTimeMillis());
        Thread thread = new Thread(() -> {
            while (true) {
                try {
                    Thread.sleep(reports.every().toMillis());
                } catch (InterruptedException error) {
                    return;
                }
                reports.report(System.currentTimeMillis());
            }
        }, "reports");
        thread.setDaemon(true);
        thread.start();
        return reports;
    }

    /** Reports by this from now on; null for nowhere. */
    synchronized void configure(Watch watch) {
        this.watch = watch;
    }

    /** Asks this how many records wait, while the log is read; null when it isn't any more. */
    synchronized void reading(Waiting waiting) {
        this.waiting = waiting;
    }

    /** Counts records that were taken in and committed, those among them that no table took apart. */
    synchronized void took(long records, long rejects, long nowMs) {
        totals.merge(RECORDS, records, Long::sum);
        totals.merge(DEAD_LETTERS, rejects, Long::sum);
        doneMs = nowMs;
        commits++;
    }

    /** How often something was taken in. */
    synchronized long commits() {
        return commits;
    }

    synchronized void failed() {
        totals.merge(ERRORS, 1L, Long::sum);
    }

    private synchronized Duration every() {
        return watch == null ? UNTIL_CONFIGURED : watch.every();
    }

    private synchronized Waiting waiting() {
        return waiting;
    }

    /** Sends a report. What grew and couldn't be sent is in the next one. */
    void report(long nowMs) {
        // Kafka may take its time: nobody waits for it who counts.
        Waiting asked = waiting();
        OptionalLong found = OptionalLong.empty();
        if (asked != null) {
            try {
                found = OptionalLong.of(asked.records());
            } catch (Exception error) {
                LOG.warn("how much waits isn't known: {}", error.toString());
            }
        }
        String line;
        Map<String, Long> sent;
        Watch to;
        synchronized (this) {
            if (watch == null) {
                return;
            }
            to = watch;
            sent = Map.copyOf(totals);
            line = line(nowMs, found);
        }
        try {
            sink.send(to.group(), nowMs, line);
            synchronized (this) {
                reported = sent;
            }
        } catch (RuntimeException error) {
            LOG.warn("the report could not be sent to {}: {}", to.group(), error.toString());
        }
    }

    private String line(long nowMs, OptionalLong found) {
        // While the log isn't read, what waited goes on waiting.
        lag = found.isPresent() ? found : lag;
        Map<String, Double> values = new TreeMap<>();
        values.put("Heartbeat", 1.0);
        values.put("Quarantined", (double) quarantine.size());
        totals.forEach((name, total) -> values.put(name, (double) (total - reported.get(name))));
        if (lag.isPresent()) {
            if (lag.getAsLong() == 0) {
                doneMs = Math.max(doneMs, nowMs);
            }
            values.put("Lag", (double) lag.getAsLong());
            values.put("LagSeconds", Math.max(0, nowMs - doneMs) / 1000.0);
        }
        JsonNodeFactory json = JsonNodeFactory.instance;
        ObjectNode line = json.objectNode();
        ObjectNode about = line.putObject("_aws").put("Timestamp", nowMs);
        ObjectNode metrics = about.putArray("CloudWatchMetrics").addObject().put("Namespace", "Lakewright");
        metrics.putArray("Dimensions").addArray().add("Agent").add("Stack");
        ArrayNode names = metrics.putArray("Metrics");
        values.forEach((name, value) -> {
            names.addObject().put("Name", name).put("Unit", name.equals("LagSeconds") ? "Seconds" : "Count");
            line.put(name, value);
        });
        return Json.write(line.put("Agent", "stream").put("Stack", watch.stack()).put("Engine", "spark"));
    }
}
