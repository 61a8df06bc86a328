package lakewright.decoder;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A schema that Avro messages were written by, as it is needed to read them. */
public final class AvroSchema {
    /** What stands in the bytes, and what it means. */
    enum Kind {
        NULL, BOOLEAN, INT, LONG, FLOAT, DOUBLE, BYTES, STRING, DATE, TIME, TIMESTAMP, LOCAL_TIMESTAMP, DECIMAL, UUID_TEXT, UUID,
        DURATION, FIXED, ENUM, ARRAY, MAP, UNION, RECORD, SCALED
    }

    /** A field of a record. */
    record Field(String name, Node node) {}

    /** A type. */
    static final class Node {
        Kind kind;
        /** The full name of a named type. */
        String name;
        /** How many of it are a second. */
        long perSecond;
        int scale;
        /** The bytes of a fixed, or of a decimal on one; -1 of a decimal on bytes. */
        int size = -1;
        List<String> symbols = List.of();
        /** The branches of a union; the one type of an array's items or a map's values. */
        List<Node> parts = List.of();
        List<Field> fields = List.of();

        Node(Kind kind) {
            this.kind = kind;
        }

        Node per(long second) {
            perSecond = second;
            return this;
        }
    }

    private static final ObjectMapper MAPPER = new ObjectMapper();

    final Node root;

    private AvroSchema(Node root) {
        this.root = root;
    }

    /**
     * The schema that a text is, with the texts of the schemas that it refers to, each after those that it refers to
     * itself.
     *
     * @throws IllegalArgumentException one of the texts is no Avro schema
     */
    public static AvroSchema parse(String text, List<String> references) {
        Parser parser = new Parser();
        references.forEach(parser::schema);
        return new AvroSchema(parser.schema(text));
    }

    /** Collects the types of one schema or of several that refer to each other. */
    private static final class Parser {
        private final Map<String, Node> names = new HashMap<>();
        private final Map<String, Node> aliases = new HashMap<>();

        Node schema(String text) {
            // A schema that is one type's name may be written without the quotes that JSON asks for.
            if (text.trim().matches("[A-Za-z0-9_.]+")) {
                return named(text.trim(), "");
            }
            try {
                return node(MAPPER.readTree(text), "");
            } catch (JsonProcessingException error) {
                throw wrong("no JSON: " + error.getOriginalMessage());
            }
        }

        private static IllegalArgumentException wrong(String what) {
            return new IllegalArgumentException(what);
        }

        private Node node(JsonNode value, String space) {
            if (value.isTextual()) {
                return named(value.asText(), space);
            } else if (value.isArray()) {
                return union(value, space);
            } else if (value.isObject()) {
                return object(value, space);
            }
            throw wrong("`" + value + "` is no type");
        }

        private Node named(String name, String space) {
            Node plain = primitive(name);
            if (plain != null) {
                return plain;
            }
            String full = fullName(name, space);
            // A name without a dot that its namespace doesn't hold may be one of no namespace, as older writers have it.
            Node known = names.getOrDefault(full, names.getOrDefault(name, aliases.get(full)));
            if (known == null) {
                throw wrong("there is no type `" + full + "`");
            }
            return known;
        }

        private Node union(JsonNode branches, String space) {
            Node union = new Node(Kind.UNION);
            union.parts = new ArrayList<>();
            Set<Object> seen = new HashSet<>();
            for (JsonNode branch : branches) {
                Node node = node(branch, space);
                if (node.kind == Kind.UNION) {
                    throw wrong("a union stands immediately in a union");
                } else if (!seen.add(branchKey(node))) {
                    throw wrong("a union has a type twice");
                }
                union.parts.add(node);
            }
            return union;
        }

        private Node object(JsonNode attributes, String space) {
            JsonNode type = attributes.get("type");
            if (type == null) {
                throw wrong("a type lacks its `type`");
            } else if (!type.isTextual()) {
                return node(type, space);
            }
            switch (type.asText()) {
                case "array", "map" -> {
                    Node node = new Node(type.asText().equals("map") ? Kind.MAP : Kind.ARRAY);
                    JsonNode inner = attributes.get(node.kind == Kind.MAP ? "values" : "items");
                    if (inner == null) {
                        throw wrong("an array lacks its `items`, or a map its `values`");
                    }
                    node.parts = List.of(node(inner, space));
                    return node;
                }
                case "record", "error" -> {
                    return record(attributes, space);
                }
                case "enum" -> {
                    Node node = define(attributes, space, Kind.ENUM);
                    node.symbols = new ArrayList<>();
                    for (JsonNode symbol : needed(attributes, "symbols", node)) {
                        if (!symbol.isTextual()) {
                            throw wrong("`" + node.name + "` has symbols that are no text");
                        }
                        node.symbols.add(symbol.asText());
                    }
                    return node;
                }
                case "fixed" -> {
                    Node node = define(attributes, space, Kind.FIXED);
                    if (!attributes.path("size").canConvertToInt() || attributes.get("size").asInt() < 0) {
                        throw wrong("`" + node.name + "` lacks its `size`");
                    }
                    node.size = attributes.get("size").asInt();
                    return meaning(node, attributes);
                }
                default -> {
                    Node plain = primitive(type.asText());
                    return plain == null ? named(type.asText(), space) : meaning(plain, attributes);
                }
            }
        }

        private Node record(JsonNode attributes, String space) {
            // Its fields may refer to it.
            Node node = define(attributes, space, Kind.RECORD);
            String inside = node.name.contains(".") ? node.name.substring(0, node.name.lastIndexOf('.')) : "";
            node.fields = new ArrayList<>();
            Set<String> seen = new HashSet<>();
            for (JsonNode field : needed(attributes, "fields", node)) {
                if (!field.path("name").isTextual() || !field.has("type")) {
                    throw wrong("`" + node.name + "`: a field lacks its `name` or its `type`");
                } else if (!seen.add(field.get("name").asText())) {
                    throw wrong("`" + node.name + "` has the field `" + field.get("name").asText() + "` twice");
                }
                node.fields.add(new Field(field.get("name").asText(), node(field.get("type"), inside)));
            }
            boolean scaled = attributes.path("connect.name").asText(node.name).equals("io.debezium.data.VariableScaleDecimal")
                    && node.fields.size() == 2 && node.fields.get(0).node.kind == Kind.INT
                    && node.fields.get(1).node.kind == Kind.BYTES;
            node.kind = scaled ? Kind.SCALED : Kind.RECORD;
            return node;
        }

        private static JsonNode needed(JsonNode attributes, String member, Node of) {
            if (!attributes.path(member).isArray()) {
                throw wrong("`" + of.name + "` lacks its `" + member + "`");
            }
            return attributes.get(member);
        }

        private Node define(JsonNode attributes, String space, Kind kind) {
            String name = attributes.path("name").isTextual() ? attributes.get("name").asText() : "";
            if (name.isEmpty()) {
                throw wrong("a record, enum or fixed lacks its `name`");
            }
            String own = attributes.path("namespace").isTextual() ? attributes.get("namespace").asText() : space;
            Node node = new Node(kind);
            node.name = fullName(name, own);
            String inside = node.name.contains(".") ? node.name.substring(0, node.name.lastIndexOf('.')) : "";
            for (JsonNode alias : attributes.path("aliases")) {
                if (alias.isTextual()) {
                    aliases.putIfAbsent(fullName(alias.asText(), inside), node);
                }
            }
            if (names.put(node.name, node) != null) {
                throw wrong("there are two types `" + node.name + "`");
            }
            return node;
        }

        private static String fullName(String name, String space) {
            return name.contains(".") || space.isEmpty() ? name.replaceFirst("^\\.+", "") : space + "." + name;
        }

        /** What two branches of a union may not share. */
        private static Object branchKey(Node node) {
            return switch (node.kind) {
                case DATE -> Kind.INT;
                case TIME -> node.perSecond == 1000 ? Kind.INT : Kind.LONG;
                case TIMESTAMP, LOCAL_TIMESTAMP -> Kind.LONG;
                case UUID_TEXT -> Kind.STRING;
                case DECIMAL -> node.size < 0 ? Kind.BYTES : node;
                case FIXED, UUID, DURATION, ENUM, RECORD, SCALED, UNION -> node;
                default -> node.kind;
            };
        }

        private static Node primitive(String name) {
            return switch (name) {
                case "null", "boolean", "int", "long", "float", "double", "bytes", "string" ->
                        new Node(Kind.valueOf(name.toUpperCase(java.util.Locale.ROOT)));
                default -> null;
            };
        }

        /** What a plain type's attributes make of it. A logical type that doesn't fit is ignored, as Avro demands. */
        private static Node meaning(Node plain, JsonNode attributes) {
            String logical = attributes.path("logicalType").isTextual() ? attributes.get("logicalType").asText() : null;
            String connect = attributes.path("connect.name").isTextual() ? attributes.get("connect.name").asText() : null;
            Node made = logical != null ? logical(logical, plain, attributes) : connect != null ? connect(connect, plain) : null;
            return made == null ? plain : made;
        }

        private static Node logical(String name, Node plain, JsonNode attributes) {
            boolean isInt = plain.kind == Kind.INT;
            boolean isLong = plain.kind == Kind.LONG;
            return switch (name) {
                case "date" -> isInt ? new Node(Kind.DATE) : null;
                case "time-millis" -> isInt ? new Node(Kind.TIME).per(1_000) : null;
                case "time-micros" -> isLong ? new Node(Kind.TIME).per(1_000_000) : null;
                case "timestamp-millis" -> isLong ? new Node(Kind.TIMESTAMP).per(1_000) : null;
                case "timestamp-micros" -> isLong ? new Node(Kind.TIMESTAMP).per(1_000_000) : null;
                case "timestamp-nanos" -> isLong ? new Node(Kind.TIMESTAMP).per(1_000_000_000) : null;
                case "local-timestamp-millis" -> isLong ? new Node(Kind.LOCAL_TIMESTAMP).per(1_000) : null;
                case "local-timestamp-micros" -> isLong ? new Node(Kind.LOCAL_TIMESTAMP).per(1_000_000) : null;
                case "local-timestamp-nanos" -> isLong ? new Node(Kind.LOCAL_TIMESTAMP).per(1_000_000_000) : null;
                case "uuid" -> plain.kind == Kind.STRING ? new Node(Kind.UUID_TEXT) : fixed(plain, 16, Kind.UUID);
                case "duration" -> fixed(plain, 12, Kind.DURATION);
                case "decimal" -> decimal(plain, attributes);
                default -> null;
            };
        }

        /** Types of Debezium and Kafka Connect without a logical type in Avro. */
        private static Node connect(String name, Node plain) {
            boolean isInt = plain.kind == Kind.INT;
            boolean isLong = plain.kind == Kind.LONG;
            return switch (name) {
                case "io.debezium.time.Date" -> isInt ? new Node(Kind.DATE) : null;
                case "io.debezium.time.Time" -> isInt ? new Node(Kind.TIME).per(1_000) : null;
                case "io.debezium.time.MicroTime" -> isLong ? new Node(Kind.TIME).per(1_000_000) : null;
                case "io.debezium.time.NanoTime" -> isLong ? new Node(Kind.TIME).per(1_000_000_000) : null;
                case "io.debezium.time.Timestamp" -> isLong ? new Node(Kind.LOCAL_TIMESTAMP).per(1_000) : null;
                case "io.debezium.time.MicroTimestamp" -> isLong ? new Node(Kind.LOCAL_TIMESTAMP).per(1_000_000) : null;
                case "io.debezium.time.NanoTimestamp" -> isLong ? new Node(Kind.LOCAL_TIMESTAMP).per(1_000_000_000) : null;
                default -> null;
            };
        }

        /** The fixed itself with another meaning, for its name stands for it already. */
        private static Node fixed(Node plain, int size, Kind kind) {
            if (plain.kind == Kind.FIXED && plain.size == size) {
                plain.kind = kind;
            }
            return plain;
        }

        private static Node decimal(Node plain, JsonNode attributes) {
            JsonNode precision = attributes.path("precision");
            JsonNode scale = attributes.path("scale");
            boolean isNumbers = precision.canConvertToInt() && precision.isIntegralNumber()
                    && (scale.isMissingNode() || (scale.canConvertToInt() && scale.isIntegralNumber()));
            boolean isBytes = plain.kind == Kind.BYTES || plain.kind == Kind.FIXED;
            if (!isNumbers || !isBytes || precision.asInt() <= 0 || scale.asInt() < 0 || scale.asInt() > precision.asInt()) {
                return null;
            }
            // The most digits that all fit so many bytes, Avro's rule for a decimal on a fixed.
            double digits = Math.floor((plain.size * 8.0 - 1) * Math.log10(2));
            if (plain.kind == Kind.FIXED && precision.asInt() > digits) {
                return null;
            }
            plain.kind = Kind.DECIMAL;
            plain.scale = scale.asInt();
            return plain;
        }
    }
}
