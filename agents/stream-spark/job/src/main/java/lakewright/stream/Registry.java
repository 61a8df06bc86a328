package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.Serializable;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import lakewright.decoder.AvroSchema;
import lakewright.decoder.Cause;
import lakewright.decoder.Schemas;
import lakewright.decoder.Wire;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.glue.GlueClient;
import software.amazon.awssdk.services.glue.model.EntityNotFoundException;
import software.amazon.awssdk.services.glue.model.GetSchemaVersionResponse;

/**
 * A registry of schemas. What an id stands for is remembered in each process ({@link SchemaCache}).
 *
 * @param url where one that speaks Confluent's API is; null: it is Glue's
 * @param login the secret with user and password; null: it asks for none
 */
record Registry(String url, String login) implements Schemas, Serializable {
    /** How often a registry is asked that gives no answer, and the first pause, which doubles. */
    private static final int ATTEMPTS = 6;
    private static final long PAUSE_MS = 200;
    /** The most schemas that one schema refers to, over others too. */
    private static final int MAX_REFERENCES = 256;
    private static final SchemaCache KNOWN = new SchemaCache(16 << 20, 4096);
    private static final Map<Registry, RegistryHttp> HTTP = new ConcurrentHashMap<>();

    /** The process's client of Glue, made when it is needed first. */
    private static final class OfGlue {
        static final GlueClient CLIENT = GlueClient.create();
    }

    /** A schema by its place under a subject. */
    private record Reference(String subject, int version) {}

    /** Of a table's settings; null where its messages need none. */
    static Registry of(JsonNode reading) {
        JsonNode registry = reading.path("registry");
        if (registry.isMissingNode()) {
            return null;
        } else if (registry.path("kind").asText().equals("glue")) {
            return new Registry(null, null);
        }
        // On this machine, one in clear and without password wins, as it does with the agents.
        String local = Loopback.named("LAKEWRIGHT_REGISTRY_PLAINTEXT");
        if (local != null) {
            return new Registry(local, null);
        }
        String url = registry.path("url").asText().replaceAll("/+$", "");
        String login = registry.path("login").asText(null);
        if (login != null && !url.startsWith("https://")) {
            throw new IllegalArgumentException(
                    "the password of the registry " + url + " would go in clear: its URL must begin with https://");
        }
        return new Registry(url, login);
    }

    Wire wire() {
        return url == null ? Wire.GLUE : Wire.CONFLUENT;
    }

    @Override
    public Body body(String id) throws IOException {
        return KNOWN.get(url + " " + id, () -> ask(id));
    }

    /** Asks, some times where there is no answer: one that is throttled or away for a moment stops nothing. */
    private SchemaCache.Answer ask(String id) throws IOException {
        long pause = PAUSE_MS;
        for (int attempt = 1; attempt < ATTEMPTS; attempt++) {
            try {
                return url == null ? ofGlue(id) : ofConfluent(id);
            } catch (IOException error) {
                try {
                    Thread.sleep(pause);
                } catch (InterruptedException stopped) {
                    Thread.currentThread().interrupt();
                    throw error;
                }
                pause *= 2;
            }
        }
        return url == null ? ofGlue(id) : ofConfluent(id);
    }

    private static SchemaCache.Answer avro(String text, List<String> references) {
        long bytes = text.length() + references.stream().mapToLong(String::length).sum();
        try {
            return new SchemaCache.Answer(new Body.Avro(AvroSchema.parse(text, references)), bytes);
        } catch (IllegalArgumentException error) {
            return missing(Cause.SCHEMA, "the schema is no Avro: " + error.getMessage());
        }
    }

    private static SchemaCache.Answer json() {
        return new SchemaCache.Answer(new Body.Json(), 0);
    }

    private static SchemaCache.Answer missing(Cause cause, String reason) {
        return new SchemaCache.Answer(new Body.Missing(cause, reason), 0);
    }

    private static SchemaCache.Answer ofGlue(String id) throws IOException {
        GetSchemaVersionResponse answer;
        try {
            answer = OfGlue.CLIENT.getSchemaVersion(request -> request.schemaVersionId(id));
        } catch (EntityNotFoundException error) {
            return missing(Cause.SCHEMA,
                    "Glue's schema registry has no schema version " + id + ": look at the producer's account and region");
        } catch (SdkException error) {
            throw new IOException("ask Glue's schema registry for " + id + ": " + error.getMessage(), error);
        }
        String name = "schema version " + id;
        if (answer.statusAsString().equals("PENDING")) {
            throw new IOException(name + " isn't checked yet by Glue's schema registry");
        } else if (!answer.statusAsString().equals("AVAILABLE")) {
            return missing(Cause.SCHEMA, name + " is in the state " + answer.statusAsString());
        }
        return switch (answer.dataFormatAsString()) {
            case "JSON" -> json();
            case "AVRO" -> avro(answer.schemaDefinition(), List.of());
            default -> other(name, answer.dataFormatAsString());
        };
    }

    private static SchemaCache.Answer other(String name, String kind) {
        return missing(Cause.UNSUPPORTED, name + " is of the kind " + kind + ": Avro and JSON are read");
    }

    private SchemaCache.Answer ofConfluent(String id) throws IOException {
        JsonNode stored = get("/schemas/ids/" + id);
        if (stored == null) {
            String missing = url + " has no schema " + id + ": register it, or look at the producer's registry";
            return missing(Cause.SCHEMA, missing);
        }
        String kind = stored.path("schemaType").asText("AVRO");
        if (!kind.equals("AVRO")) {
            return kind.equals("JSON") ? json() : other("schema " + id, kind);
        }
        List<String> references = new ArrayList<>();
        String lacking = collect(stored, references, new HashSet<>());
        return lacking == null ? avro(stored.path("schema").asText(), references)
                : missing(Cause.SCHEMA, "schema " + id + " can't be read: " + lacking);
    }

    /**
     * Adds all that a schema refers to, each after those that it refers to itself; gives what is missing, or null. Of several
     * references of one name the first counts, depth first, as in Confluent's own clients.
     */
    private String collect(JsonNode stored, List<String> into, Set<String> seen) throws IOException {
        for (JsonNode one : stored.path("references")) {
            Reference reference = new Reference(one.path("subject").asText(), one.path("version").asInt());
            String name = one.path("name").asText();
            if (seen.contains(name)) {
                continue;
            } else if (seen.size() == MAX_REFERENCES) {
                return "it refers to more than " + MAX_REFERENCES + " others";
            }
            seen.add(name);
            String subject = URLEncoder.encode(reference.subject, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A");
            // A version that was deleted softly still is what the schema refers to.
            JsonNode found = get("/subjects/" + subject + "/versions/" + reference.version + "?deleted=true");
            if (found == null) {
                return "it refers to version " + reference.version + " of `" + reference.subject + "`, which isn't there";
            }
            String missing = collect(found, into, seen);
            if (missing != null) {
                return missing;
            }
            into.add(found.path("schema").asText());
        }
        return null;
    }

    private JsonNode get(String path) throws IOException {
        return HTTP.computeIfAbsent(this, registry -> new RegistryHttp(url, login, new AwsSecrets())).get(path);
    }
}
