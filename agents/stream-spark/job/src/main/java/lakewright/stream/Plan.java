package lakewright.stream;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import lakewright.decoder.MessageDecoder;
import lakewright.decoder.RowDecoder;
import org.apache.iceberg.Table;

/**
 * What tasks need to know: the topics, the tables, and what they have already.
 *
 * @param tables the declared tables in their order, and the dead letters at the end
 * @param keepsRejects whether records that no table takes become dead letters
 */
record Plan(Map<String, Topic> topics, List<Target> tables, Start start, boolean keepsRejects) implements Serializable {
    /**
     * A table.
     *
     * @param name its name in messages
     * @param topic the topic whose messages become its rows; empty of the dead letters
     * @param registry the registry of the schemas that its messages are written by; null where they are JSON
     * @param table a copy that tasks can carry
     */
    record Target(String name, String topic, boolean isEnvelope, String[] path, String holder, boolean refusesUnknown, Registry registry,
            Table table, Columns columns) implements Serializable {}

    /** The position of the dead letters. */
    int dead() {
        return tables.size() - 1;
    }

    /** The positions of the tables that a topic's messages become rows of. */
    List<Integer> fed(String topic) {
        List<Integer> fed = new ArrayList<>();
        for (int index = 0; index < dead(); index++) {
            if (tables.get(index).topic().equals(topic)) {
                fed.add(index);
            }
        }
        return fed;
    }

    /** What decodes a topic's messages; rows are of tables by their position among those that the topic feeds. */
    MessageDecoder decoder(String topic) {
        List<RowDecoder> rows = new ArrayList<>();
        Target first = null;
        for (int index : fed(topic)) {
            Target table = tables.get(index);
            first = first == null ? table : first;
            rows.add(new RowDecoder(table.name(), table.columns().members(), table.holder(), table.refusesUnknown()));
        }
        if (first == null || first.isEnvelope()) {
            return MessageDecoder.envelope(rows);
        }
        List<String> path = List.of(first.path());
        Registry registry = first.registry();
        return registry == null ? MessageDecoder.json(rows.get(0), path)
                : MessageDecoder.avro(rows.get(0), path, registry.wire(), registry);
    }
}
