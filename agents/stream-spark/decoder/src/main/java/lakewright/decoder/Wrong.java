package lakewright.decoder;

import java.util.ArrayList;
import java.util.List;

/** Where in an Avro value something is wrong, and what. It has no stack trace: messages from outside cause it. */
final class Wrong extends Exception {
    private static final long serialVersionUID = 1;
    /** How many parts of the way to a value are shown. */
    private static final int PARTS = 8;

    final Cause cause;
    /** The way to it, from the inside out. */
    private final transient List<String> path = new ArrayList<>();

    private Wrong(Cause cause, String message) {
        super(message, null, false, false);
        this.cause = cause;
    }

    static Wrong data(String message) {
        return new Wrong(Cause.DATA, message);
    }

    static Wrong unsupported(String message) {
        return new Wrong(Cause.UNSUPPORTED, message);
    }

    static Wrong header(String message) {
        return new Wrong(Cause.HEADER, message);
    }

    /** It is inside this. */
    Wrong inside(String part) {
        if (path.size() <= PARTS) {
            path.add(path.size() < PARTS ? shown(part) : "…");
        }
        return this;
    }

    /** The reject of the whole message. */
    Decoded.Reject reject() {
        StringBuilder way = new StringBuilder();
        for (int index = path.size() - 1; index >= 0; index--) {
            way.append(way.isEmpty() || path.get(index).startsWith("[") ? "" : ".").append(path.get(index));
        }
        return new Decoded.Reject(cause, way.isEmpty() ? getMessage() : "`" + way + "`: " + getMessage());
    }

    /** The beginning of a text of others, for messages. */
    static String shown(String text) {
        return Text.shown(text);
    }
}
