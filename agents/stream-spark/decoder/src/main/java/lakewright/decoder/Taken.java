package lakewright.decoder;

import java.util.List;
import java.util.Set;

/**
 * Which parts of a message become columns: only there does a value without a text count against the message.
 *
 * @param path the members that lead to the row
 * @param members the members of the row that columns take
 */
record Taken(List<String> path, Set<String> members) {
    /** At a value that is taken whole, */
    static final int WHOLE = -1;
    /** and at one that nobody takes. Any other number is how many members of the path were gone down. */
    static final int NOT = -2;

    /** Where a member of the value at hand is. */
    int member(int here, String name) {
        if (here < 0) {
            return here;
        } else if (here < path.size()) {
            return path.get(here).equals(name) ? here + 1 : NOT;
        }
        return members.contains(name) ? WHOLE : NOT;
    }

    /** Where an element of the value at hand is: a row is none. */
    int element(int here) {
        return here == WHOLE ? WHOLE : NOT;
    }
}
