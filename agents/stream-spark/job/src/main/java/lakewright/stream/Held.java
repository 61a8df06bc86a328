package lakewright.stream;

import java.time.Duration;

/** Since when files are written. Whoever deletes orphans takes older ones for such, so they aren't committed any more. */
record Held(long since, long atMostMs) {
    static Held now(long atMostMs) {
        return new Held(System.nanoTime(), atMostMs);
    }

    /** What is wrong when they are held for too long; null when they aren't. */
    String tooLong() {
        long held = Duration.ofNanos(System.nanoTime() - since).toMillis();
        return atMostMs == 0 || held <= atMostMs ? null
                : "data files were held for " + held + " ms, and whoever deletes orphans may have deleted them by now";
    }
}
