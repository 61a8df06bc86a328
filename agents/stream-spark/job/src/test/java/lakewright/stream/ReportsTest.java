package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ReportsTest {
    private static final String CONFIG =
            "{\"watch\": {\"log_group\": \"/lakewright/shop/stream\", \"stack\": \"shop\", \"every_seconds\": 60}}";

    private final List<JsonNode> lines = new ArrayList<>();
    private final Quarantine quarantine = new Quarantine();
    private boolean away;

    private Reports reports() {
        Reports reports = new Reports((group, time, line) -> {
            if (away) {
                throw new IllegalStateException("away");
            }
            assertEquals("/lakewright/shop/stream", group);
            JsonNode json = Json.read(line, "a report");
            assertEquals(time, json.path("_aws").path("Timestamp").asLong());
            Set<String> names = new HashSet<>();
            json.path("_aws").path("CloudWatchMetrics").path(0).path("Metrics").forEach(one -> {
                names.add(one.path("Name").asText());
                assertTrue(json.path(one.path("Name").asText()).isNumber(), one.toString());
            });
            assertEquals("[[\"Agent\",\"Stack\"]]", json.path("_aws").path("CloudWatchMetrics").path(0).path("Dimensions").toString());
            assertEquals("stream shop", json.path("Agent").asText() + " " + json.path("Stack").asText());
            lines.add(json);
        }, quarantine, 0);
        reports.configure(Reports.Watch.of(Json.read(CONFIG, "a configuration")));
        return reports;
    }

    private double last(String name) {
        JsonNode value = lines.get(lines.size() - 1).path(name);
        return value.isNumber() ? value.asDouble() : Double.NaN;
    }

    @Test
    void aReportSaysWhatGrewSinceTheLastThatArrived() {
        Reports reports = reports();
        reports.took(10, 1, 1000);
        reports.failed();
        reports.report(60_000);
        assertEquals(List.of(1.0, 10.0, 1.0, 1.0),
                List.of(last("Heartbeat"), last("Records"), last("DeadLetters"), last("Errors")));
        // It isn't known how much waits.
        assertTrue(Double.isNaN(last("Lag")));
        away = true;
        reports.took(5, 0, 61_000);
        reports.report(120_000);
        away = false;
        reports.took(2, 0, 121_000);
        reports.report(180_000);
        assertEquals(7.0, last("Records"));
        reports.report(240_000);
        assertEquals(0.0, last("Records"));
    }

    @Test
    void whatWaitsWaitsSinceTheLastCommitOrSinceNothingWaited() {
        Reports reports = reports();
        long[] waits = {0};
        reports.reading(() -> waits[0]);
        reports.report(60_000);
        assertEquals(0.0, last("LagSeconds"));
        waits[0] = 40;
        reports.report(120_000);
        assertEquals(List.of(40.0, 60.0), List.of(last("Lag"), last("LagSeconds")));
        reports.took(10, 0, 130_000);
        reports.report(180_000);
        assertEquals(50.0, last("LagSeconds"));
        // While the job begins again, nobody can be asked: what waited still does.
        reports.reading(null);
        reports.report(240_000);
        assertEquals(List.of(40.0, 110.0), List.of(last("Lag"), last("LagSeconds")));
        reports.reading(() -> {
            throw new IllegalStateException("Kafka is away");
        });
        reports.report(300_000);
        assertEquals(170.0, last("LagSeconds"));
    }

    @Test
    void howManyTopicsStandStillIsSaid() {
        Reports reports = reports();
        reports.report(60_000);
        assertEquals(0.0, last("Quarantined"));
        TableSettings table = TableSettings.of(Json.read("{\"name\": \"sales\", \"topic\": \"facts\"}", "a table"));
        quarantine.failed(table, Quarantine.Until.BEGUN, new IllegalStateException("it is gone"), 60_000);
        reports.report(120_000);
        assertEquals(1.0, last("Quarantined"));
    }

    @Test
    void withoutAPlaceNothingIsSent() {
        Reports reports = reports();
        reports.configure(Reports.Watch.of(Json.read("{}", "a configuration")));
        reports.report(60_000);
        assertNull(Reports.Watch.of(Json.read("{}", "a configuration")));
        assertFalse(lines.iterator().hasNext());
    }
}
