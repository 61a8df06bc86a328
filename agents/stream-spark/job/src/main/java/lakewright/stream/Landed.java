package lakewright.stream;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.iceberg.DataFile;

/** What a task made of records: data files that no snapshot names yet, and how far it read. */
final class Landed implements Serializable {
    private static final long serialVersionUID = 1;

    /** By the position of their table. */
    final Map<Integer, List<DataFile>> files = new HashMap<>();
    /** The offset behind the last record, by topic and partition. */
    final Map<String, TreeMap<Integer, Long>> next = new HashMap<>();
    /** How many records no table took, by cause. */
    final TreeMap<String, Long> rejects = new TreeMap<>();
    long records;
    /** Their values' bytes. */
    long bytes;
    long rows;

    void read(String topic, int partition, long offset, int length) {
        records++;
        bytes += length;
        next.computeIfAbsent(topic, name -> new TreeMap<>()).merge(partition, offset + 1, Math::max);
    }

    Landed add(Landed other) {
        other.files.forEach((table, more) -> files.computeIfAbsent(table, key -> new ArrayList<>()).addAll(more));
        other.next.forEach((topic, partitions) -> partitions.forEach((partition, offset) ->
                next.computeIfAbsent(topic, name -> new TreeMap<>()).merge(partition, offset, Math::max)));
        other.rejects.forEach((cause, count) -> rejects.merge(cause, count, Long::sum));
        records += other.records;
        bytes += other.bytes;
        rows += other.rows;
        return this;
    }
}
