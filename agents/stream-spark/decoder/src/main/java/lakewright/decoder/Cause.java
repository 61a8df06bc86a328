package lakewright.decoder;

/** Why a record is no row, as the stream agent's metrics count it. */
public enum Cause {
    NO_PAYLOAD,
    ENCODING,
    SYNTAX,
    HEADER,
    SCHEMA,
    DATA,
    UNSUPPORTED,
    ENVELOPE,
    UNKNOWN_TABLE,
    MISSING,
    VALUE,
    UNKNOWN_MEMBER,
    BUG;

    /** Its word, which labels metrics. */
    public String word() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }
}
