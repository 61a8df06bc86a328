package lakewright.decoder;

/** What is wrong with a column's value. It has no stack trace: messages from outside cause it. */
final class Misfit extends Exception {
    private static final long serialVersionUID = 1;

    Misfit(String wrong) {
        super(wrong, null, false, false);
    }
}
