package lakewright.stream;

import java.io.IOException;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import lakewright.decoder.Schemas.Body;

/**
 * What ids of registries stand for, within bounds: schemas up to so many bytes, of which those go that weren't used for the
 * longest time, and ids that don't exist, for half a minute. An id is asked for once, however many tasks wait for it.
 */
final class SchemaCache {
    private static final long MISSING_NANOS = TimeUnit.SECONDS.toNanos(30);

    /** Asks a registry for one id. */
    interface Asker {
        Answer ask() throws IOException;
    }

    /**
     * What a registry says.
     *
     * @param bytes the length of what it said
     */
    record Answer(Body body, long bytes) {}

    private record Known(Answer answer, long since) {}

    private final long mostBytes;
    private final int mostMissing;
    private final LinkedHashMap<String, Known> schemas = new LinkedHashMap<>(16, 0.75f, true);
    private final LinkedHashMap<String, Known> missing = new LinkedHashMap<>();
    private final Set<String> underWay = new HashSet<>();
    private long bytes;

    SchemaCache(long mostBytes, int mostMissing) {
        this.mostBytes = mostBytes;
        this.mostMissing = mostMissing;
    }

    /** What an id stands for, which is asked for when it isn't known. */
    Body get(String id, Asker asker) throws IOException {
        synchronized (this) {
            Known known = known(id);
            while (known == null && !underWay.add(id)) {
                try {
                    wait();
                } catch (InterruptedException error) {
                    Thread.currentThread().interrupt();
                    throw new IOException("stopped while another task asked for a schema", error);
                }
                known = known(id);
            }
            if (known != null) {
                return known.answer.body;
            }
        }
        Answer answer = null;
        try {
            answer = asker.ask();
            return answer.body;
        } finally {
            synchronized (this) {
                underWay.remove(id);
                if (answer != null) {
                    keep(id, new Known(answer, System.nanoTime()));
                }
                notifyAll();
            }
        }
    }

    private Known known(String id) {
        Known absent = missing.get(id);
        if (absent != null && System.nanoTime() - absent.since > MISSING_NANOS) {
            missing.remove(id);
            absent = null;
        }
        return absent != null ? absent : schemas.get(id);
    }

    private void keep(String id, Known known) {
        if (known.answer.body instanceof Body.Missing) {
            missing.put(id, known);
            first(missing, missing.size() > mostMissing);
            return;
        }
        schemas.put(id, known);
        bytes += known.answer.bytes;
        while (bytes > mostBytes && schemas.size() > 1) {
            bytes -= first(schemas, true).answer.bytes;
        }
    }

    /** Takes out what stands first, if so. */
    private static Known first(Map<String, Known> from, boolean out) {
        Iterator<Known> all = from.values().iterator();
        Known first = all.next();
        if (out) {
            all.remove();
        }
        return first;
    }

    synchronized int size() {
        return schemas.size() + missing.size();
    }
}
