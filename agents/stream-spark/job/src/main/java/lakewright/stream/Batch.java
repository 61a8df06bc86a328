package lakewright.stream;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The commits of a batch: the tables, and the dead letters with the ledger last.
 *
 * @param settings what is read
 * @param topics by name
 * @param tables those that are declared, in the order in which their files have landed
 * @param dead the table of the dead letters
 */
record Batch(Settings settings, Map<String, Topic> topics, List<OpenTable> tables, OpenTable dead, Quarantine quarantine) {
    /**
     * Commits what has landed, to the offsets to which all is read. A table that can't be committed stops its topic, and no
     * other: their tables are committed before it is thrown. The ledger goes past a topic only with all of its tables; and not
     * at all where there are dead letters, for those of the topic that is read again would be written twice.
     */
    void commit(Landed landed, Map<String, TreeMap<Integer, Long>> read, Held held) {
        boolean hasLetters = landed.files.containsKey(tables.size());
        Set<String> failed = new TreeSet<>();
        RuntimeException reason = null;
        for (int index = 0; index < tables.size(); index++) {
            OpenTable table = tables.get(index);
            Topic topic = topics.get(table.declared.topic());
            if (failed.contains(topic.name())) {
                continue;
            }
            if (landed.files.containsKey(index)) {
                Settled next = table.settled().taken(topic, read.get(topic.name()), dead.settled().offsets);
                try {
                    table.commit(landed.files.get(index), next, held);
                    quarantine.committed(table.declared);
                } catch (RuntimeException error) {
                    quarantine.failed(table.declared, Quarantine.Until.COMMITTED, error, System.currentTimeMillis());
                    failed.add(topic.name());
                    reason = reason == null ? error : reason;
                }
            } else if (hasLetters && reason == null) {
                // What fits no column may fit a new one: a table of which nothing was written would show nobody its schema.
                table.mustBeAsBefore();
            }
        }
        if (reason == null || !hasLetters && !failed.containsAll(topics.keySet())) {
            dead.commit(landed.files.getOrDefault(tables.size(), List.of()), ledger(failed, read), held);
        }
        if (reason != null) {
            throw reason;
        }
    }

    /** What the ledger says when all topics but those that failed are taken in. */
    private Settled ledger(Set<String> failed, Map<String, TreeMap<Integer, Long>> read) {
        Settled ledger = dead.settled();
        for (Topic topic : topics.values()) {
            if (!failed.contains(topic.name())) {
                Set<String> declared = new HashSet<>();
                settings.tables().stream().filter(table -> table.topic().equals(topic.name()))
                        .forEach(table -> declared.add(table.name()));
                ledger = ledger.moved(topic, read.get(topic.name()), declared);
            }
        }
        return ledger;
    }
}
