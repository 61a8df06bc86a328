package lakewright.decoder;

/** Where a text stops being JSON, and what was expected there. It has no stack trace: messages from outside cause it. */
final class Syntax extends Exception {
    private static final long serialVersionUID = 1;

    Syntax(int at, String expected) {
        super("no JSON at byte " + at + ": expected " + expected, null, false, false);
    }
}
