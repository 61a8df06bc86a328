package lakewright.decoder;

/** What a message is: a row of a table, or a reject. */
public sealed interface Decoded {
    /**
     * A row.
     *
     * @param table the position of its table among those of the decoder
     * @param values its values in the order of the table's members; null where there is none
     */
    record Row(int table, Object[] values) implements Decoded {}

    /**
     * No row of any table.
     *
     * @param cause what metrics count it as
     * @param reason the sentence that stands in the table of dead letters
     */
    record Reject(Cause cause, String reason) implements Decoded {}
}
