package lakewright.decoder;

import java.io.Serializable;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Reads the object of a message that is a row of one table. It is no two threads' at once. */
public final class RowDecoder {
    /**
     * A column that messages fill.
     *
     * @param name the member's name, which mostly is the column's
     * @param was the name that it had before, which messages of then carry; null when there is none
     * @param shape what its values look like
     * @param required whether a message without it is refused
     * @param undeclared whether only the catalog knows the column: what doesn't fit it is a member that no column takes
     */
    public record Member(String name, String was, Shape shape, boolean required, boolean undeclared)
            implements Serializable {}

    /** What stands in place of a value that isn't there. */
    private static final Object MISSING = new Object();

    private final String table;
    private final List<Member> members;
    private final String holder;
    private final boolean refusesUnknown;
    private final Set<String> taken;
    private final Object[] cells;
    /** Of each cell, whether its value came under the member's old name. */
    private final boolean[] old;
    private Decoded.Reject reject;

    /**
     * @param table the table's name in messages
     * @param members the members of its rows
     * @param holder what holds a row, for messages to people
     * @param refusesUnknown whether a row with members that no column takes is a reject
     */
    public RowDecoder(String table, List<Member> members, String holder, boolean refusesUnknown) {
        this.table = table;
        this.members = List.copyOf(members);
        this.holder = holder;
        this.refusesUnknown = refusesUnknown;
        this.taken = members.stream().filter(member -> !member.undeclared)
                .flatMap(member -> Stream.of(member.name, member.was)).filter(Objects::nonNull).collect(Collectors.toUnmodifiableSet());
        this.cells = new Object[members.size()];
        this.old = new boolean[members.size()];
    }

    String table() {
        return table;
    }

    /** The members that declared columns take. */
    Set<String> taken() {
        return taken;
    }

    /** The values of the row that was read last. */
    Object[] values() {
        Object[] values = cells.clone();
        for (int index = 0; index < values.length; index++) {
            values[index] = values[index] == MISSING ? null : values[index];
        }
        return values;
    }

    /** Reads an object; gives the reason why it is no row of this table, or null. */
    Decoded.Reject read(Scanner scanner) throws Syntax {
        Arrays.fill(cells, MISSING);
        Arrays.fill(old, false);
        reject = null;
        if (!scanner.nextIs('{')) {
            scanner.value();
            return MessageDecoder.notAnObject(holder, scanner.kind);
        }
        int expected = 0;
        boolean more = scanner.enterObject();
        while (more) {
            scanner.name();
            String name = scanner.characters();
            // Members mostly come in the order of the declaration.
            boolean inOrder = expected < members.size() && members.get(expected).name().equals(name);
            int known = inOrder ? expected : find(name, false);
            int index = known >= 0 ? known : find(name, true);
            if (index >= 0) {
                expected = index + 1;
                member(index, name, known < 0, scanner);
            } else {
                scanner.value();
                if (refusesUnknown && reject == null) {
                    reject = cell(Cause.UNKNOWN_MEMBER, name, ": no column takes it");
                }
            }
            more = scanner.more('}');
        }
        return reject != null ? reject : missing();
    }

    private int find(String name, boolean byOldName) {
        for (int index = 0; index < members.size(); index++) {
            Member member = members.get(index);
            if (name.equals(byOldName ? member.was() : member.name())) {
                return index;
            }
        }
        return -1;
    }

    /** Reads the value of a member, under its name of before or the one of now. */
    private void member(int index, String name, boolean byOldName, Scanner scanner) throws Syntax {
        if (cells[index] != MISSING && byOldName != old[index]) {
            // Whoever sends both names means the one that holds now.
            if (byOldName) {
                scanner.value();
                return;
            }
            cells[index] = MISSING;
        }
        old[index] = byOldName;
        scanner.value();
        Member member = members.get(index);
        if (member.undeclared()) {
            try {
                cells[index] = cells[index] == MISSING ? member.shape().convert(scanner) : cells[index];
            } catch (Misfit misfit) {
                // The message is none the worse for what somebody did to the catalog.
            }
            return;
        }
        if (reject != null) {
            return;
        }
        if (cells[index] != MISSING) {
            reject = cell(Cause.VALUE, name, " stands there twice");
            return;
        }
        try {
            cells[index] = member.shape().convert(scanner);
        } catch (Misfit misfit) {
            reject = cell(Cause.VALUE, name, ": " + misfit.getMessage());
        }
    }

    /** What of the row is missing that must be there; null when nothing is. */
    private Decoded.Reject missing() {
        for (int index = 0; index < cells.length; index++) {
            Member member = members.get(index);
            if (member.required() && (cells[index] == MISSING || cells[index] == null)) {
                return cell(Cause.MISSING, member.name(), cells[index] == null ? " is null" : " is missing");
            }
        }
        return null;
    }

    private static Decoded.Reject cell(Cause cause, String column, String wrong) {
        return new Decoded.Reject(cause, "`" + column + "`" + wrong);
    }
}
