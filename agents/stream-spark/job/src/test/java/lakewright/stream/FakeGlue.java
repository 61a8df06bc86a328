package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.inmemory.InMemoryFileIO;
import org.apache.iceberg.io.FileIO;
import org.apache.iceberg.io.InputFile;
import org.apache.iceberg.io.OutputFile;
import org.apache.iceberg.io.PositionOutputStream;

/** A Glue of tables over HTTP, which loses answers as it is told to; what the tables' files are is in memory. */
final class FakeGlue implements AutoCloseable {
    /** What becomes of an update beside its being answered, which is what becomes of all others. */
    enum Fate {
        /** It takes effect, and OperationTimeoutException is the answer. */
        TIMEOUT,
        /** It takes effect, and the connection closes. */
        LOST
    }

    private static final ObjectMapper MAPPER = new ObjectMapper();

    final Queue<Fate> fates = new ArrayDeque<>();
    /** What others do between an update's effect and its answer that has a fate. */
    Runnable meanwhile = () -> {};
    /** What is done before a table is given. */
    Runnable beforeTable = () -> {};
    int updates;
    private final Map<String, ObjectNode> tables = new HashMap<>();
    private final HttpServer server;

    FakeGlue() throws IOException {
        System.setProperty("aws.accessKeyId", "key");
        System.setProperty("aws.secretAccessKey", "secret");
        server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", this::answer);
        server.start();
    }

    /** A catalog of it, as the job has one. */
    Catalog catalog() {
        Map<String, String> properties = Map.of("type", "glue", "io-impl", Files.class.getName(), "glue.skip-archive", "true",
                "client.region", "eu-north-1", "glue.endpoint", "http://127.0.0.1:" + server.getAddress().getPort());
        return CatalogUtil.buildIcebergCatalog("glue", CertainGlue.in(properties), null);
    }

    private void answer(HttpExchange exchange) throws IOException {
        String target = exchange.getRequestHeaders().getFirst("X-Amz-Target");
        JsonNode asked = MAPPER.readTree(exchange.getRequestBody());
        Fate fate = null;
        String error = null;
        ObjectNode said = MAPPER.createObjectNode();
        switch (target) {
            case "AWSGlue.CreateTable" -> put(asked, 0);
            case "AWSGlue.GetTable" -> {
                beforeTable.run();
                ObjectNode table = tables.get(asked.path("Name").asText());
                error = table == null ? "EntityNotFoundException" : null;
                said.set("Table", table);
            }
            case "AWSGlue.UpdateTable" -> {
                updates++;
                int version = tables.get(asked.path("TableInput").path("Name").asText()).path("VersionId").asInt();
                if (asked.path("VersionId").asInt(-1) != version) {
                    error = "ConcurrentModificationException";
                } else {
                    put(asked, version + 1);
                    fate = fates.poll();
                }
            }
            default -> throw new IOException("not known: " + target);
        }
        if (fate != null) {
            meanwhile.run();
        }
        if (fate == Fate.LOST) {
            exchange.close();
            return;
        }
        error = fate == Fate.TIMEOUT ? "OperationTimeoutException" : error;
        byte[] body = MAPPER.writeValueAsBytes(error == null ? said : MAPPER.createObjectNode().put("__type", error));
        exchange.getResponseHeaders().set("content-type", "application/x-amz-json-1.1");
        exchange.sendResponseHeaders(error == null ? 200 : 400, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private void put(JsonNode asked, int version) {
        ObjectNode table = asked.path("TableInput").deepCopy();
        table.put("DatabaseName", asked.path("DatabaseName").asText()).put("VersionId", Integer.toString(version));
        tables.put(table.path("Name").asText(), table);
    }

    @Override
    public void close() {
        server.stop(0);
    }

    /** The files of all tables. */
    public static final class Files implements FileIO {
        private static final long serialVersionUID = 1;
        private static final InMemoryFileIO ALL = new InMemoryFileIO();
        /** How many more can't be written. */
        static final AtomicInteger FAILING = new AtomicInteger();

        @Override
        public InputFile newInputFile(String path) {
            return ALL.newInputFile(path);
        }

        @Override
        public OutputFile newOutputFile(String path) {
            OutputFile file = ALL.newOutputFile(path);
            return FAILING.get() > 0 ? new Failing(file) : file;
        }

        @Override
        public void deleteFile(String path) {
            ALL.deleteFile(path);
        }
    }

    private record Failing(OutputFile file) implements OutputFile {
        @Override
        public PositionOutputStream create() {
            return createOrOverwrite();
        }

        @Override
        public PositionOutputStream createOrOverwrite() {
            if (Files.FAILING.getAndUpdate(left -> Math.max(left - 1, 0)) > 0) {
                throw new UncheckedIOException(new IOException("the connection is closed"));
            }
            return file.createOrOverwrite();
        }

        @Override
        public String location() {
            return file.location();
        }

        @Override
        public InputFile toInputFile() {
            return file.toInputFile();
        }
    }
}
