package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import lakewright.decoder.Cause;
import lakewright.decoder.Schemas.Body;
import org.junit.jupiter.api.Test;

/** What is asked of a registry, and how much of it is kept. */
class RegistryTest {
    private static final String SCHEMA = "{\"schema\": \"\\\"int\\\"\"}";

    private record Answer(int status, String text) {}

    /** A registry that answers its requests by their number, from 1 on; what is done with its URL and the requests' count. */
    private static void with(IntFunction<Answer> answers, String password, Use use) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        AtomicInteger count = new AtomicInteger();
        server.createContext("/", exchange -> {
            String given = exchange.getRequestHeaders().getFirst("authorization");
            Answer answer = password == null || password.equals(given) ? answers.apply(count.incrementAndGet()) : new Answer(401, "");
            byte[] body = answer.text.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(answer.status, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        try {
            use.of("http://127.0.0.1:" + server.getAddress().getPort(), count);
        } finally {
            server.stop(0);
        }
    }

    private interface Use {
        void of(String url, AtomicInteger requests) throws Exception;
    }

    @Test
    void aRegistryThatThrottlesForAMomentIsAskedAgainAndOnceForAllTasks() throws Exception {
        with(number -> number < 3 ? new Answer(429, "slow down") : new Answer(200, SCHEMA), null, (url, requests) -> {
            var tasks = Executors.newFixedThreadPool(8);
            List<Future<Body>> bodies = new ArrayList<>();
            for (int task = 0; task < 8; task++) {
                bodies.add(tasks.submit(() -> new Registry(url, null).body("7")));
            }
            for (Future<Body> body : bodies) {
                assertInstanceOf(Body.Avro.class, body.get());
            }
            tasks.shutdown();
            assertEquals(3, requests.get());
        });
    }

    @Test
    void anAnswerWithoutEndIsRead4MebibytesFar() throws Exception {
        with(number -> new Answer(200, "{\"schema\": \"" + " ".repeat(5 << 20) + "\"}"), null, (url, requests) -> {
            String said = assertThrows(IOException.class, () -> new RegistryHttp(url, null, null).get("/schemas/ids/7")).getMessage();
            assertTrue(said.contains("longer than 4 MiB"), said);
        });
    }

    @Test
    void thePasswordIsLookedUpAgainOnceItIsAnotherOne() throws Exception {
        // Of user and word-2.
        with(number -> new Answer(200, SCHEMA), "Basic dXNlcjp3b3JkLTI=", (url, requests) -> {
            AtomicInteger looked = new AtomicInteger();
            RegistryHttp registry = new RegistryHttp(url, "arn", id ->
                    Json.read("{\"username\": \"user\", \"password\": \"word-" + looked.incrementAndGet() + "\"}", "it"));
            for (int request = 0; request < 3; request++) {
                assertNotNull(registry.get("/schemas/ids/7"));
            }
            assertEquals(2, looked.get());
        });
        with(number -> new Answer(404, "{\"error_code\": 40403}"), null,
                (url, requests) -> assertNull(new RegistryHttp(url, null, null).get("/schemas/ids/7")));
    }

    @Test
    void whatIsKeptIsBounded() throws IOException {
        SchemaCache cache = new SchemaCache(100, 5);
        AtomicInteger asked = new AtomicInteger();
        SchemaCache.Asker asker = () -> {
            asked.incrementAndGet();
            return new SchemaCache.Answer(new Body.Json(), 30);
        };
        for (int id = 0; id < 50; id++) {
            cache.get("in use", asker);
            cache.get("id " + id, asker);
            String absent = "absent " + id;
            cache.get(absent, () -> new SchemaCache.Answer(new Body.Missing(Cause.SCHEMA, absent), 0));
        }
        assertEquals(51, asked.get(), "what is in use stays");
        assertEquals(3 + 5, cache.size());
        // A failure is nobody's answer.
        assertThrows(IOException.class, () -> cache.get("new", () -> {
            throw new IOException("away");
        }));
        assertInstanceOf(Body.Json.class, cache.get("new", asker));
    }
}
