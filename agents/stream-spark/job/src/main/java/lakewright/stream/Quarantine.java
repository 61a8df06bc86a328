package lakewright.stream;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Topics that stand still while the others are read, why, and when they are tried again. What fails of a table stops its
 * topic: the ledger has one place in a partition for all of the topic's tables, and what it went past without one of them
 * would be a debt, which only the stream agent pays.
 */
final class Quarantine {
    private static final Duration FIRST = Duration.ofSeconds(1);
    private static final Duration LONGEST = Duration.ofMinutes(5);
    /** What was tried for so long without failing is healthy, if two commits fit in: what had failed may never come again. */
    private static final Duration TRIAL = Duration.ofMinutes(1);
    private static final Logger LOG = LoggerFactory.getLogger(Quarantine.class);

    /** What must work before a topic is healthy again. */
    enum Until {
        /** Reading has begun with it. */
        BEGUN,
        /** A commit of the table that failed. */
        COMMITTED
    }

    private record Case(String table, Until until, Duration pause, long trialMs) {}

    private final Map<String, Case> cases = new TreeMap<>();
    private long commitIntervalMs;

    /** Commits are so far apart: a trial that ended before one could fail would forget how often others have failed. */
    synchronized void commitsEvery(long intervalMs) {
        commitIntervalMs = intervalMs;
    }

    /** A table failed: its topic stands still, for twice as long as the last time. */
    synchronized void failed(TableSettings table, Until until, Throwable reason, long nowMs) {
        Case last = cases.get(table.topic());
        Duration twice = last == null ? FIRST : last.pause.multipliedBy(2);
        Duration pause = twice.compareTo(LONGEST) < 0 ? twice : LONGEST;
        cases.put(table.topic(), new Case(table.name(), until, pause, nowMs + pause.toMillis()));
        LOG.error("quarantined: the topic {} isn't read for {} s, because of the table {}", table.topic(), pause.toSeconds(),
                table.name(), reason);
    }

    /** Reading begins with a topic. */
    synchronized void begun(String topic) {
        cases.computeIfPresent(topic, (name, one) -> one.until == Until.BEGUN ? healthy(name) : one);
    }

    /** Rows of a table were committed. */
    synchronized void committed(TableSettings table) {
        cases.computeIfPresent(table.topic(), (name, one) -> one.table.equals(table.name()) ? healthy(name) : one);
    }

    private static Case healthy(String topic) {
        LOG.info("the topic {} is read again", topic);
        return null;
    }

    /** The topics that aren't to be read yet. */
    synchronized Set<String> standing(long nowMs) {
        long trial = Math.max(TRIAL.toMillis(), 2 * commitIntervalMs);
        cases.values().removeIf(one -> nowMs - one.trialMs > trial && one.until == Until.COMMITTED);
        Set<String> standing = new TreeSet<>();
        cases.forEach((topic, one) -> {
            if (nowMs < one.trialMs) {
                standing.add(topic);
            }
        });
        return standing;
    }

    /** Whether one of these topics, which aren't read, is to be tried. */
    synchronized boolean isDue(Set<String> unread, long nowMs) {
        return !standing(nowMs).containsAll(unread);
    }

    /** How many topics stand still or are on trial. */
    synchronized int size() {
        return cases.size();
    }
}
