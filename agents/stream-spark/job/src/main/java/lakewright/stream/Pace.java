package lakewright.stream;

/**
 * How many records make a batch at most. Spark bounds batches by records, and the configuration says bytes: it follows from
 * how large the records of the last batch were.
 */
final class Pace {
    /** So many make a batch before anything is known of them. */
    static final long FIRST = 10_000;
    private static final long LEAST = 1_000;
    /** What a batch takes is taken again when it fails. */
    private static final long MOST = 2_000_000;

    private long mean;

    /** The most records of a batch that shall have so many bytes. */
    long records(long bytes) {
        return mean == 0 ? FIRST : Math.max(Math.min(bytes / mean, MOST), LEAST);
    }

    /** A batch of so many records and bytes was taken. */
    void took(long records, long bytes) {
        if (records > 0) {
            mean = Math.max(bytes / records, 1);
        }
    }

    /** Whether batches of so many records are much smaller or larger than they shall be, in bytes. */
    boolean isOff(long records, long bytes) {
        long better = records(bytes);
        return better > records * 2 || records > better * 2;
    }
}
