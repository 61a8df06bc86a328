package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.Serializable;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import lakewright.decoder.AvroSchema;
import lakewright.decoder.Cause;
import lakewright.decoder.Schemas;
import lakewright.decoder.Wire;
import software.amazon.awssdk.services.glue.GlueClient;
import software.amazon.awssdk.services.glue.model.EntityNotFoundException;
import software.amazon.awssdk.services.glue.model.GetSchemaVersionResponse;

/**
 * A registry of schemas. What an id stands for is remembered in each process; that there is no such id, for half a minute.
 *
 * @param url where one that speaks Confluent's API is; null: it is Glue's
 * @param login the secret with user and password; null: it asks for none
 */
record Registry(String url, String login) implements Schemas, Serializable {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final long MISSING_NANOS = Duration.ofSeconds(30).toNanos();
    /** The most schemas that one schema refers to, over others too. */
    private static final int MAX_REFERENCES = 256;
    /** No such schema; no such subject; no such version of it. */
    private static final Set<Integer> NOT_FOUND = Set.of(40_403, 40_401, 40_402);
    private static final Map<String, Known> KNOWN = new ConcurrentHashMap<>();

    /** What an id stands for, and when that was heard. */
    private record Known(Body body, long since) {}

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
        String local = System.getenv("LAKEWRIGHT_REGISTRY_PLAINTEXT");
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
        String key = url + " " + id;
        Known known = KNOWN.get(key);
        if (known == null || (known.body instanceof Body.Missing && System.nanoTime() - known.since > MISSING_NANOS)) {
            known = new Known(url == null ? ofGlue(id) : ofConfluent(id), System.nanoTime());
            KNOWN.put(key, known);
        }
        return known.body;
    }

    private static Body avro(String text, List<String> references) {
        try {
            return new Body.Avro(AvroSchema.parse(text, references));
        } catch (IllegalArgumentException error) {
            return new Body.Missing(Cause.SCHEMA, "the schema is no Avro: " + error.getMessage());
        }
    }

    private static Body ofGlue(String id) throws IOException {
        try (GlueClient client = GlueClient.create()) {
            GetSchemaVersionResponse answer = client.getSchemaVersion(request -> request.schemaVersionId(id));
            String name = "schema version " + id;
            if (answer.statusAsString().equals("PENDING")) {
                throw new IOException(name + " isn't checked yet by Glue's schema registry");
            } else if (!answer.statusAsString().equals("AVAILABLE")) {
                return new Body.Missing(Cause.SCHEMA, name + " is in the state " + answer.statusAsString());
            }
            return switch (answer.dataFormatAsString()) {
                case "JSON" -> new Body.Json();
                case "AVRO" -> avro(answer.schemaDefinition(), List.of());
                default -> other(name, answer.dataFormatAsString());
            };
        } catch (EntityNotFoundException error) {
            return new Body.Missing(Cause.SCHEMA,
                    "Glue's schema registry has no schema version " + id + ": look at the producer's account and region");
        }
    }

    private static Body other(String name, String kind) {
        return new Body.Missing(Cause.UNSUPPORTED, name + " is of the kind " + kind + ": Avro and JSON are read");
    }

    private Body ofConfluent(String id) throws IOException {
        JsonNode stored = get("/schemas/ids/" + id);
        if (stored == null) {
            String missing = url + " has no schema " + id + ": register it, or look at the producer's registry";
            return new Body.Missing(Cause.SCHEMA, missing);
        }
        String kind = stored.path("schemaType").asText("AVRO");
        if (!kind.equals("AVRO")) {
            return kind.equals("JSON") ? new Body.Json() : other("schema " + id, kind);
        }
        List<String> references = new ArrayList<>();
        String lacking = collect(stored, references, new HashSet<>());
        return lacking == null ? avro(stored.path("schema").asText(), references)
                : new Body.Missing(Cause.SCHEMA, "schema " + id + " can't be read: " + lacking);
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

    /** What the registry says; null when it says that there is none. */
    private JsonNode get(String path) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path)).timeout(PATIENCE)
                .header("accept", "application/vnd.schemaregistry.v1+json, application/json");
        if (login != null) {
            JsonNode secret = new AwsSecrets().read(login);
            String both = secret.path("username").asText() + ":" + secret.path("password").asText();
            request.header("authorization", "Basic " + Base64.getEncoder().encodeToString(both.getBytes(StandardCharsets.UTF_8)));
        }
        try {
            HttpResponse<String> answer = HttpClient.newBuilder().connectTimeout(PATIENCE).build()
                    .send(request.build(), HttpResponse.BodyHandlers.ofString());
            JsonNode said = Json.readOrNothing(answer.body());
            if (answer.statusCode() == 404 && NOT_FOUND.contains(said.path("error_code").asInt())) {
                return null;
            } else if (answer.statusCode() != 200 || !said.path("schema").isTextual()) {
                throw new IOException(url + path + " answered " + answer.statusCode() + " and not as a schema registry does");
            }
            return said;
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new IOException("stopped while " + url + " was asked", error);
        }
    }
}
