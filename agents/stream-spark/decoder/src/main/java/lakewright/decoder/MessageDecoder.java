package lakewright.decoder;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** From a record's value to the row that it is, by the rules of the stream agent. It is no two threads' at once. */
public final class MessageDecoder {
    private final List<RowDecoder> tables;
    /** The members that lead to the row; null where a message names its table. */
    private final List<String> path;

    /** What stands before the data where messages are written by schemas of a registry, else null. */
    private final Wire wire;
    private final Schemas schemas;

    private MessageDecoder(List<RowDecoder> tables, List<String> path, Wire wire, Schemas schemas) {
        this.tables = tables;
        this.path = path;
        this.wire = wire;
        this.schemas = schemas;
    }

    /** Of a topic whose messages name their table: {@code {"table": …, "data": {…}}}. */
    public static MessageDecoder envelope(List<RowDecoder> tables) {
        return new MessageDecoder(List.copyOf(tables), null, null, null);
    }

    /** Of a topic each of whose messages is a row of one table, at a path in it. */
    public static MessageDecoder json(RowDecoder table, List<String> path) {
        return new MessageDecoder(List.of(table), List.copyOf(path), null, null);
    }

    /** The same of messages that are written by schemas of a registry. */
    public static MessageDecoder avro(RowDecoder table, List<String> path, Wire wire, Schemas schemas) {
        return new MessageDecoder(List.of(table), List.copyOf(path), wire, schemas);
    }

    /**
     * Decodes a record's value, which is null where the record has none.
     *
     * @throws IOException the schema's registry doesn't say now what a message is written by
     */
    public Decoded decode(byte[] payload) throws IOException {
        if (payload == null) {
            return new Decoded.Reject(Cause.NO_PAYLOAD, "the message has no payload");
        } else if (wire != null) {
            return ofSchema(payload);
        }
        // Confluent's serializer of JSON with a schema writes a zero and the schema's number before the JSON, which never
        // begins with a zero byte.
        int begin = path != null && payload.length >= 5 && payload[0] == 0 ? 5 : 0;
        String wrong = Text.notUtf8(payload, begin);
        if (wrong != null) {
            return new Decoded.Reject(Cause.ENCODING, "no UTF-8: " + wrong);
        }
        byte[] text = begin == 0 ? payload : Arrays.copyOfRange(payload, begin, payload.length);
        try {
            return path == null ? ofEnvelope(text) : ofRow(text);
        } catch (Syntax syntax) {
            return new Decoded.Reject(Cause.SYNTAX, syntax.getMessage());
        }
    }

    private Decoded ofSchema(byte[] payload) throws IOException {
        try {
            Wire.Taken taken = wire.take(payload);
            Schemas.Body body = schemas.body(taken.id());
            byte[] text = taken.data();
            if (body instanceof Schemas.Body.Missing missing) {
                return new Decoded.Reject(missing.cause(), missing.reason());
            } else if (body instanceof Schemas.Body.Avro avro) {
                text = AvroText.ofTaken(avro.schema(), text, new Taken(path, tables.get(0).taken())).getBytes(StandardCharsets.UTF_8);
            } else if (Text.notUtf8(text, 0) != null) {
                throw Wrong.data("the text isn't UTF-8: " + Text.notUtf8(text, 0));
            }
            return ofRow(text);
        } catch (Wrong wrong) {
            return wrong.reject();
        } catch (Syntax syntax) {
            return new Decoded.Reject(Cause.SYNTAX, syntax.getMessage());
        }
    }

    private Decoded ofRow(byte[] text) throws Syntax {
        Scanner scanner = new Scanner(text, 0);
        Decoded.Reject reject = descend(scanner, 0);
        scanner.end();
        return reject != null ? reject : row(0);
    }

    /** Reads what stands so many members down the path. */
    private Decoded.Reject descend(Scanner scanner, int depth) throws Syntax {
        if (depth == path.size()) {
            return tables.get(0).read(scanner);
        }
        if (!scanner.nextIs('{')) {
            scanner.value();
            String what = depth == 0 ? "the message" : "`" + here(depth) + "`";
            return notAnObject(what, scanner.kind);
        }
        boolean found = false;
        Decoded.Reject reject = null;
        boolean more = scanner.enterObject();
        while (more) {
            scanner.name();
            if (!scanner.characters().equals(path.get(depth))) {
                scanner.value();
            } else if (found) {
                scanner.value();
                reject = envelope("`" + here(depth + 1) + "` stands there twice");
            } else {
                found = true;
                reject = descend(scanner, depth + 1);
            }
            more = scanner.more('}');
        }
        return found ? reject : envelope("`" + here(depth + 1) + "` is missing");
    }

    private String here(int depth) {
        return String.join(".", path.subList(0, depth));
    }

    private Decoded ofEnvelope(byte[] text) throws Syntax {
        Scanner scanner = new Scanner(text, 0);
        if (!scanner.nextIs('{')) {
            scanner.value();
            Scanner.Kind found = scanner.kind;
            scanner.end();
            return notAnObject("the message", found);
        }
        boolean named = false;
        int table = -1;
        Decoded.Reject wrongName = null;
        boolean read = false;
        Decoded.Reject data = null;
        // Where `data` begins when it comes before `table`.
        int later = -1;
        String doubled = null;
        boolean more = scanner.enterObject();
        while (more) {
            scanner.name();
            // The envelope's own members are written without escapes.
            String name = scanner.raw();
            if (name.equals("table")) {
                scanner.value();
                doubled = named ? "table" : doubled;
                named = true;
                table = scanner.kind == Scanner.Kind.TEXT ? find(scanner.characters()) : -1;
                wrongName = table >= 0 ? null : wrongName(scanner);
            } else if (!name.equals("data")) {
                scanner.value();
            } else if (read || later >= 0) {
                doubled = "data";
                scanner.value();
            } else if (table >= 0) {
                data = tables.get(table).read(scanner);
                read = true;
            } else {
                later = scanner.at();
                scanner.value();
            }
            more = scanner.more('}');
        }
        scanner.end();
        if (doubled != null) {
            return envelope("`" + doubled + "` stands there twice");
        } else if (!named) {
            return envelope("`table` is missing");
        } else if (wrongName != null) {
            return wrongName;
        } else if (later >= 0) {
            data = tables.get(table).read(new Scanner(text, later));
        } else if (!read) {
            return envelope("`data` is missing");
        }
        return data != null ? data : row(table);
    }

    private Decoded row(int table) {
        return new Decoded.Row(table, tables.get(table).values());
    }

    private int find(String name) {
        for (int index = 0; index < tables.size(); index++) {
            if (tables.get(index).table().equals(name)) {
                return index;
            }
        }
        return -1;
    }

    /** Why the scanner's last value names no table. */
    private static Decoded.Reject wrongName(Scanner found) {
        if (found.kind != Scanner.Kind.TEXT) {
            return envelope("`table` is " + found.kind.word + ", not a string");
        }
        return new Decoded.Reject(Cause.UNKNOWN_TABLE, "unknown table `" + Text.shown(found.characters()) + "`");
    }

    static Decoded.Reject notAnObject(String what, Scanner.Kind found) {
        return envelope(what + " is " + found.word + ", not an object");
    }

    private static Decoded.Reject envelope(String reason) {
        return new Decoded.Reject(Cause.ENVELOPE, reason);
    }
}
