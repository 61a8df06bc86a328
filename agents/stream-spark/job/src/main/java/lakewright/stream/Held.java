package lakewright.stream;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * For how long files are held that are written and not committed. Whoever deletes orphans takes older ones for such, so they
 * aren't committed any more.
 *
 * @param forMs for how many milliseconds by now
 * @param atMostMs for how many they may be; 0: however long
 */
record Held(LongSupplier forMs, long atMostMs) {
    /** The files that the thread is about to commit; null where it commits none. */
    private static final ThreadLocal<Held> COMMITTED = new ThreadLocal<>();

    /** From now on. */
    static Held now(long atMostMs) {
        return since(System::nanoTime, System::currentTimeMillis, atMostMs);
    }

    /** From now on by two clocks: one that never goes back, and one that goes on while the machine rests. */
    static Held since(LongSupplier nanos, LongSupplier millis, long atMostMs) {
        long firstNanos = nanos.getAsLong();
        long firstMillis = millis.getAsLong();
        return new Held(() -> Math.max(TimeUnit.NANOSECONDS.toMillis(nanos.getAsLong() - firstNanos),
                millis.getAsLong() - firstMillis), atMostMs);
    }

    /** What is wrong when they are held for too long; null when they aren't. */
    String tooLong() {
        long held = forMs.getAsLong();
        return atMostMs == 0 || held <= atMostMs ? null
                : "data files were held for " + held + " ms, and whoever deletes orphans may have deleted them by now";
    }

    /** Commits them; the thread's requests that make them a table's are sent only while they aren't held for too long. */
    void committing(Runnable commit) {
        COMMITTED.set(this);
        try {
            commit.run();
        } finally {
            COMMITTED.remove();
        }
    }

    /** Refuses to send the thread's commit when its files are held for too long. */
    static void mustNotBeTooLong() {
        Held held = COMMITTED.get();
        String wrong = held == null ? null : held.tooLong();
        if (wrong != null) {
            throw new IllegalStateException(wrong);
        }
    }
}
