package lakewright.stream;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The files that a task writes to, of all its tables. What they hold in memory is bounded, about: beyond it those that were
 * not written to for the longest time are finished until half of it is free, and rows that follow for their partitions
 * begin others.
 */
final class OpenFiles {
    /** What an open file holds without a row, in bytes, about: the buffers of its columns. */
    static final long EMPTY = 128 << 10;
    private static final long MOST = 256L << 20;
    private static final long LEAST = 8L << 20;

    /** One of them. */
    abstract static class Open {
        private long used;
        private long bytes = EMPTY;

        /** Finishes it; its writer forgets it. */
        abstract void finish() throws IOException;
    }

    private final long most;
    private final Set<Open> files = new LinkedHashSet<>();
    private long held;
    private long clock;

    /** Those of one of the tasks that a process of Spark runs at once. */
    static OpenFiles ofTask() {
        Runtime java = Runtime.getRuntime();
        return new OpenFiles(Math.max(Math.min(java.maxMemory() / 4 / java.availableProcessors(), MOST), LEAST));
    }

    /** Such as hold so many bytes together, at most. */
    OpenFiles(long most) {
        this.most = most;
    }

    long held() {
        return held;
    }

    void add(Open file) {
        files.add(file);
        held += file.bytes;
    }

    /** A row of so many bytes was written to a file. */
    void wrote(Open file, long bytes) throws IOException {
        file.used = ++clock;
        file.bytes += bytes;
        held += bytes;
        if (held > most) {
            makeRoom();
        }
    }

    private void makeRoom() throws IOException {
        List<Open> oldest = new ArrayList<>(files);
        oldest.sort(Comparator.comparingLong(file -> file.used));
        for (Open file : oldest) {
            if (held <= most / 2) {
                break;
            }
            remove(file);
            file.finish();
        }
    }

    /** A file is finished. */
    void remove(Open file) {
        if (files.remove(file)) {
            held -= file.bytes;
        }
    }
}
