package lakewright.decoder;

/**
 * A strict JSON scanner over UTF-8 bytes. It keeps numbers as they are written, so that decimals lose nothing.
 *
 * <p>The last value that was read is described by {@link #kind}, {@link #start}, {@link #end} and {@link #escaped}.
 */
final class Scanner {
    /** Nesting deeper than this is refused. */
    private static final int MAX_DEPTH = 64;

    enum Kind {
        NULL("null"),
        TRUE("a boolean"),
        FALSE("a boolean"),
        NUMBER("a number"),
        TEXT("a string"),
        ARRAY("an array"),
        OBJECT("an object");

        /** The kind of value, for messages. */
        final String word;

        Kind(String word) {
            this.word = word;
        }
    }

    final byte[] text;
    private int at;

    /** The kind of the last value. */
    Kind kind;
    /** Where the last value or name begins; a string's quotes are left out. */
    int start;
    /** Where the last value or name ends. */
    int end;
    /** Whether the last string or name has escapes. */
    boolean escaped;

    Scanner(byte[] text, int at) {
        this.text = text;
        this.at = at;
    }

    /** Where the next value or what separates it begins. */
    int at() {
        return at;
    }

    private Syntax error(String expected) {
        return new Syntax(at, expected);
    }

    /** The next byte, or -1 at the end. */
    private int peek() {
        return at < text.length ? text[at] : -1;
    }

    private void space() {
        while (at < text.length && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) {
            at++;
        }
    }

    /** Whether the next byte that isn't white space is such a one; it isn't taken. */
    boolean nextIs(char wanted) {
        space();
        return peek() == wanted;
    }

    private void take(char wanted, String expected) throws Syntax {
        if (!nextIs(wanted)) {
            throw error(expected);
        }
        at++;
    }

    /** Makes sure that nothing but white space is left. */
    void end() throws Syntax {
        space();
        if (at != text.length) {
            throw error("the end");
        }
    }

    /** Enters an object; false when it is empty and left already. */
    boolean enterObject() throws Syntax {
        take('{', "an object");
        return first('}');
    }

    private boolean first(char close) {
        boolean empty = nextIs(close);
        if (empty) {
            at++;
        }
        return !empty;
    }

    /** After a member or an element: true when another follows, false when the end did. */
    boolean more(char close) throws Syntax {
        space();
        int next = peek();
        if (next == ',' || next == close) {
            at++;
            return next == ',';
        }
        throw error(close == '}' ? "`,` or `}`" : "`,` or `]`");
    }

    /** Reads a member's name and its colon. */
    void name() throws Syntax {
        if (!nextIs('"')) {
            throw error("a member's name");
        }
        string();
        int nameStart = start;
        int nameEnd = end;
        boolean nameEscaped = escaped;
        take(':', "`:`");
        start = nameStart;
        end = nameEnd;
        escaped = nameEscaped;
    }

    /** Reads the next value. Arrays and objects are passed over, and everything in them is checked. */
    void value() throws Syntax {
        space();
        int next = peek();
        switch (next) {
            case '"' -> {
                string();
                kind = Kind.TEXT;
            }
            case 't' -> literal("true", Kind.TRUE);
            case 'f' -> literal("false", Kind.FALSE);
            case 'n' -> literal("null", Kind.NULL);
            case '{', '[' -> {
                int from = at;
                skip(0);
                start = from;
                end = at;
                kind = next == '{' ? Kind.OBJECT : Kind.ARRAY;
            }
            default -> {
                if (next != '-' && !isDigit(next)) {
                    throw error("a value");
                }
                number();
                kind = Kind.NUMBER;
            }
        }
    }

    /** The last value or name as it is written. */
    String raw() {
        return Text.of(text, start, end);
    }

    /** The last string's or name's characters, with its escapes resolved. */
    String characters() {
        return escaped ? Text.unescaped(text, start, end) : raw();
    }

    private void skip(int depth) throws Syntax {
        if (depth == MAX_DEPTH) {
            throw error("less nesting");
        }
        boolean object = peek() == '{';
        char close = object ? '}' : ']';
        at++;
        boolean more = first(close);
        while (more) {
            if (object) {
                name();
            }
            space();
            if (peek() == '{' || peek() == '[') {
                skip(depth + 1);
            } else {
                value();
            }
            more = more(close);
        }
    }

    private void literal(String word, Kind found) throws Syntax {
        for (int index = 0; index < word.length(); index++) {
            if (at + index >= text.length || text[at + index] != word.charAt(index)) {
                throw error("a value");
            }
        }
        start = at;
        at += word.length();
        end = at;
        kind = found;
    }

    private static boolean isDigit(int value) {
        return value >= '0' && value <= '9';
    }

    private void digits() throws Syntax {
        int from = at;
        while (isDigit(peek())) {
            at++;
        }
        if (at == from) {
            throw error("a digit");
        }
    }

    private void number() throws Syntax {
        int from = at;
        if (peek() == '-') {
            at++;
        }
        if (peek() == '0') {
            at++;
            if (isDigit(peek())) {
                throw error("no digit after a leading zero");
            }
        } else {
            digits();
        }
        if (peek() == '.') {
            at++;
            digits();
        }
        if (peek() == 'e' || peek() == 'E') {
            at++;
            if (peek() == '+' || peek() == '-') {
                at++;
            }
            digits();
        }
        start = from;
        end = at;
    }

    private void string() throws Syntax {
        int from = at + 1;
        boolean found = false;
        int next = from;
        while (true) {
            if (next >= text.length) {
                throw new Syntax(next, "the end of a string");
            }
            byte value = text[next];
            if (value == '"') {
                break;
            } else if (value == '\\') {
                found = true;
                next = escape(next);
            } else if (value >= 0 && value < 0x20) {
                throw new Syntax(next, "no bare control character in a string");
            } else {
                next++;
            }
        }
        at = next + 1;
        start = from;
        end = next;
        escaped = found;
    }

    /** Checks the escape at a backslash and gives the position after it. */
    private int escape(int from) throws Syntax {
        int which = from + 1 < text.length ? text[from + 1] : -1;
        switch (which) {
            case '"', '\\', '/', 'b', 'f', 'n', 'r', 't' -> {
                return from + 2;
            }
            case 'u' -> {
                int first = Text.hex(text, from + 2);
                if (first >= 0xD800 && first <= 0xDBFF) {
                    boolean follows = from + 7 < text.length && text[from + 6] == '\\' && text[from + 7] == 'u';
                    int second = follows ? Text.hex(text, from + 8) : -1;
                    if (second >= 0xDC00 && second <= 0xDFFF) {
                        return from + 12;
                    }
                } else if (first >= 0 && (first < 0xDC00 || first > 0xDFFF)) {
                    return from + 6;
                }
                throw new Syntax(from, "four hexadecimal digits that make up a character");
            }
            default -> throw new Syntax(from, "an escape");
        }
    }
}
