package lakewright.stream;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.iceberg.AppendFiles;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.HasTableOperations;
import org.apache.iceberg.Schema;
import org.apache.iceberg.Snapshot;
import org.apache.iceberg.SnapshotAncestryValidator;
import org.apache.iceberg.Table;
import org.apache.iceberg.TableMetadata;
import org.apache.iceberg.TableOperations;
import org.apache.iceberg.Transaction;
import org.apache.iceberg.UpdateProperties;
import org.apache.iceberg.util.SnapshotUtil;

/** A table as it was found, and commits that are conditional on its still being that. */
final class OpenTable {
    /** By which declaration an apply changed the table last. */
    private static final String DECLARATION = "lakewright.declaration";

    final TableSettings declared;
    private final Table table;
    private final String writer;
    /** The table as it was when messages began to be decoded for it. */
    private final int schemaId;
    private final String declaration;
    private Settled settled;

    OpenTable(Table table, TableSettings declared, String writer) {
        this.table = table;
        this.declared = declared;
        this.writer = writer;
        TableMetadata found = operations().current();
        if (found.formatVersion() != 2) {
            throw new IllegalStateException("the table " + table.name() + " is of Iceberg's format v" + found.formatVersion()
                    + "; rows are written to tables of format v2 only");
        }
        this.schemaId = found.currentSchemaId();
        this.declaration = found.property(DECLARATION, null);
        this.settled = settled(found);
    }

    /** Refuses a table that was changed by another declaration than the job's. */
    void mustBeDeclaredSo() {
        if (declaration != null && !declaration.equals(declared.declaration())) {
            throw new IllegalStateException("the table " + table.name() + " was changed by another declaration (" + declaration
                    + ") than this job's (" + declared.declaration() + "): what is new in it would be lost. The job goes on with"
                    + " the configuration of the last apply");
        }
    }

    private TableOperations operations() {
        return ((HasTableOperations) table).operations();
    }

    private static Settled settled(TableMetadata metadata) {
        Snapshot current = metadata.currentSnapshot();
        Iterable<Snapshot> history =
                current == null ? List.of() : SnapshotUtil.ancestorsOf(current.snapshotId(), metadata::snapshot);
        return Settled.committed(history, metadata.properties());
    }

    Table table() {
        return table;
    }

    Schema schema() {
        return table.schema();
    }

    Settled settled() {
        return settled;
    }

    /**
     * Makes rows visible together with what they settle, in one snapshot, and only on a table that has settled what this
     * one had when it was found, by whatever commits it was changed since. After an error the files stay, for the commit
     * may have taken effect all the same: those that no snapshot names are orphans, for maintenance to delete.
     */
    void commit(List<DataFile> files, Settled next, Held held) {
        Map<String, String> properties = next.properties(settled);
        Condition condition = new Condition(held);
        Transaction transaction = table.newTransaction();
        AppendFiles append = transaction.newAppend();
        files.forEach(append::appendFile);
        properties.forEach(append::set);
        append.set("lakewright.writer", writer);
        append.validateWith(condition);
        append.commit();
        UpdateProperties updated = transaction.updateProperties();
        properties.forEach(updated::set);
        updated.commit();
        held.committing(transaction::commitTransaction);
        settled = next;
    }

    /** Refuses to go on when the table isn't what it was: messages were decoded for it, and found to be no rows. */
    void mustBeAsBefore() {
        table.refresh();
        String wrong = new Condition(null).wrong(settled(operations().current()));
        if (wrong != null) {
            throw new IllegalStateException(wrong);
        }
    }

    /**
     * What a commit is conditional on. Iceberg asks for it whenever it applies the commit to the table's metadata, which
     * it does anew after a conflict; the catalog then takes the commit only if the table still has that metadata.
     */
    private final class Condition implements SnapshotAncestryValidator {
        private final Held held;
        private String wrong = "it was not asked";

        Condition(Held held) {
            this.held = held;
        }

        @Override
        public boolean validate(Iterable<Snapshot> history) {
            wrong = wrong(Settled.committed(history, operations().current().properties()));
            if (wrong == null && held != null) {
                wrong = held.tooLong();
            }
            if (wrong != null) {
                // Not by the answer false: Iceberg then deletes what all attempts of the commit wrote.
                throw new IllegalStateException(wrong);
            }
            return true;
        }

        @Override
        public String errorMessage() {
            return wrong;
        }

        /** Why the table isn't the one that was found; null when it is. */
        private String wrong(Settled found) {
            TableMetadata base = operations().current();
            String name = table.name();
            if (base.currentSchemaId() != schemaId || !Objects.equals(base.property(DECLARATION, null), declaration)) {
                return "the schema of " + name + ", or how it is declared, changed";
            }
            String difference = settled.difference(found);
            return difference == null ? null : "another writer changed " + name + ": " + difference;
        }
    }

}
