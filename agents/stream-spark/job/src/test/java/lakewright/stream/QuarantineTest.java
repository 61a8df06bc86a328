package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class QuarantineTest {
    private static final RuntimeException GONE = new IllegalStateException("the table is gone");
    private final Quarantine quarantine = new Quarantine();

    private static TableSettings table(String name, String topic) {
        return TableSettings.of(Json.read("{\"name\": \"" + name + "\", \"topic\": \"" + topic + "\"}", "a table"));
    }

    private void failed(Quarantine.Until until, long nowMs) {
        quarantine.failed(table("sales", "facts"), until, GONE, nowMs);
    }

    @Test
    void aTopicStandsStillForLongerEachTimeAndIsThenTried() {
        long now = 0;
        for (long seconds : new long[] {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
            failed(Quarantine.Until.BEGUN, now);
            long trial = now + seconds * 1000;
            assertEquals(Set.of("facts"), quarantine.standing(trial - 1));
            assertFalse(quarantine.isDue(Set.of("facts"), trial - 1));
            assertEquals(Set.of(), quarantine.standing(trial));
            assertTrue(quarantine.isDue(Set.of("facts"), trial));
            assertFalse(quarantine.isDue(Set.of(), trial), "everything is read");
            now = trial;
        }
        quarantine.begun("others");
        assertEquals(1, quarantine.size());
        quarantine.begun("facts");
        assertEquals(0, quarantine.size());
        failed(Quarantine.Until.BEGUN, now);
        assertEquals(Set.of(), quarantine.standing(now + 1000), "it begins with a short pause again");
    }

    @Test
    void whatFailedInACommitIsHealthyWhenItWasCommitted() {
        failed(Quarantine.Until.COMMITTED, 0);
        quarantine.begun("facts");
        quarantine.committed(table("users", "facts"));
        assertEquals(1, quarantine.size());
        quarantine.committed(table("sales", "facts"));
        assertEquals(0, quarantine.size());
        // Or when nothing has failed for a while.
        failed(Quarantine.Until.COMMITTED, 0);
        assertEquals(List.of(Set.of(), 1), List.of(quarantine.standing(61_000), quarantine.size()));
        assertEquals(List.of(Set.of(), 0), List.of(quarantine.standing(61_001), quarantine.size()));
    }

    @Test
    void aTrialLastsUntilACommitCanHaveFailedAgain() {
        quarantine.commitsEvery(300_000);
        failed(Quarantine.Until.COMMITTED, 0);
        assertEquals(List.of(Set.of(), 1), List.of(quarantine.standing(301_000), quarantine.size()));
        // It fails in the first commit of the trial, and stands still for twice as long.
        failed(Quarantine.Until.COMMITTED, 301_000);
        assertEquals(Set.of("facts"), quarantine.standing(302_999));
        assertEquals(List.of(Set.of(), 1), List.of(quarantine.standing(903_000), quarantine.size()));
        assertEquals(List.of(Set.of(), 0), List.of(quarantine.standing(903_001), quarantine.size()));
    }
}
