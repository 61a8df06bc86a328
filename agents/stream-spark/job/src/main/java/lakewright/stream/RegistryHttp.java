package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Requests to a registry that speaks Confluent's API. The password is looked up once, and again when it isn't right any more. */
final class RegistryHttp {
    /** The most bytes of an answer. */
    static final int MOST_BYTES = 4 << 20;
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    /** No such schema; no such subject; no such version of it. */
    private static final Set<Integer> NOT_FOUND = Set.of(40_403, 40_401, 40_402);
    private static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(PATIENCE).build();

    private final String url;
    private final String login;
    private final Secrets secrets;
    private String authorization;

    /** One at a URL; {@code login} is the secret with user and password, or null where it asks for none. */
    RegistryHttp(String url, String login, Secrets secrets) {
        this.url = url;
        this.login = login;
        this.secrets = secrets;
    }

    /** What the registry says; null when it says that there is none. */
    JsonNode get(String path) throws IOException {
        String used = authorization();
        Answer answer = ask(path, used);
        if (answer.status == 401 && used != null) {
            // Somebody changed the password.
            forget(used);
            answer = ask(path, authorization());
        }
        JsonNode said = Json.readOrNothing(answer.text);
        if (answer.status == 404 && NOT_FOUND.contains(said.path("error_code").asInt())) {
            return null;
        } else if (answer.status != 200 || !said.path("schema").isTextual()) {
            throw new IOException(url + path + " answered " + answer.status + " and not as a schema registry does");
        }
        return said;
    }

    private synchronized String authorization() throws IOException {
        if (login != null && authorization == null) {
            JsonNode secret;
            try {
                secret = secrets.read(login);
            } catch (RuntimeException error) {
                throw new IOException("look up the registry's password: " + error.getMessage(), error);
            }
            String both = secret.path("username").asText() + ":" + secret.path("password").asText();
            authorization = "Basic " + Base64.getEncoder().encodeToString(both.getBytes(StandardCharsets.UTF_8));
        }
        return authorization;
    }

    private synchronized void forget(String used) {
        if (used.equals(authorization)) {
            authorization = null;
        }
    }

    private record Answer(int status, String text) {}

    private Answer ask(String path, String with) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path)).timeout(PATIENCE)
                .header("accept", "application/vnd.schemaregistry.v1+json, application/json");
        if (with != null) {
            request.header("authorization", with);
        }
        CompletableFuture<HttpResponse<byte[]>> asked = CLIENT.sendAsync(request.build(), head -> new Bounded());
        try {
            HttpResponse<byte[]> answer = asked.get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
            return new Answer(answer.statusCode(), new String(answer.body(), StandardCharsets.UTF_8));
        } catch (ExecutionException error) {
            throw new IOException("ask " + url + path + ": " + error.getCause(), error.getCause());
        } catch (TimeoutException error) {
            throw new IOException(url + path + " didn't answer within " + PATIENCE.toSeconds() + " s", error);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new IOException("stopped while " + url + " was asked", error);
        } finally {
            asked.cancel(true);
        }
    }

    /** A body, up to a length. */
    private static final class Bounded implements HttpResponse.BodySubscriber<byte[]> {
        private final CompletableFuture<byte[]> whole = new CompletableFuture<>();
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private Flow.Subscription subscription;

        @Override
        public CompletionStage<byte[]> getBody() {
            return whole;
        }

        @Override
        public void onSubscribe(Flow.Subscription made) {
            subscription = made;
            made.request(Long.MAX_VALUE);
        }

        @Override
        public void onNext(List<ByteBuffer> some) {
            for (ByteBuffer buffer : some) {
                if (bytes.size() + buffer.remaining() > MOST_BYTES) {
                    subscription.cancel();
                    whole.completeExceptionally(new IOException("the answer is longer than " + (MOST_BYTES >> 20) + " MiB"));
                    return;
                }
                byte[] part = new byte[buffer.remaining()];
                buffer.get(part);
                bytes.write(part, 0, part.length);
            }
        }

        @Override
        public void onError(Throwable error) {
            whole.completeExceptionally(error);
        }

        @Override
        public void onComplete() {
            whole.complete(bytes.toByteArray());
        }
    }
}
