package lakewright.stream;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.aws.s3.S3FileIO;
import org.apache.iceberg.catalog.Catalog;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import software.amazon.awssdk.core.SdkClient;

/**
 * The program: {@code --config s3://bucket/key [--until-read]}. The catalog is configured like Spark's own, by
 * `spark.sql.catalog.glue.*`.
 */
public final class Main {
    private static final String CATALOG = "spark.sql.catalog.glue.";
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);
    /** After so many failures without a commit between them, a quarter of an hour, the process ends, and EMR starts another. */
    private static final int MOST_FAILURES = 20;
    private static final Logger LOG = LoggerFactory.getLogger(Main.class);

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        List<String> given = List.of(arguments);
        int at = given.indexOf("--config");
        boolean untilRead = given.contains("--until-read");
        if (at < 0 || at + 1 == given.size() || given.size() != (untilRead ? 3 : 2)) {
            System.err.println("usage: --config s3://bucket/key [--until-read]");
            System.exit(2);
        }
        SparkSession spark = SparkSession.builder().appName("lakewright stream").getOrCreate();
        Map<String, String> properties = new HashMap<>(Map.of(
                "type", "glue", "io-impl", S3FileIO.class.getName(), "glue.skip-archive", "true"));
        for (scala.Tuple2<String, String> one : spark.sparkContext().getConf().getAllWithPrefix(CATALOG)) {
            properties.put(one._1(), one._2());
        }
        Catalog catalog = CatalogUtil.buildIcebergCatalog("glue", CertainGlue.in(properties), null);
        Configuration configuration = new Configuration(URI.create(given.get(at + 1)), properties);
        LOG.info("the AWS SDK is {} of {}", SdkClient.class.getName(), SdkClient.class.getProtectionDomain().getCodeSource());
        Pace pace = new Pace();
        Quarantine quarantine = new Quarantine();
        Reports reports = Reports.start(new CloudWatch(), quarantine);
        if (untilRead) {
            new Job(spark, catalog, configuration, pace, quarantine, reports).run(true);
            spark.stop();
            return;
        }
        Duration pause = Duration.ofSeconds(1);
        for (int failures = 1; failures <= MOST_FAILURES; failures++) {
            long commits = reports.commits();
            try {
                // By the configuration as it is now: an apply may have changed it, or somebody a password.
                new Job(spark, catalog, configuration, pace, quarantine, reports).run(false);
            } catch (Exception error) {
                reports.failed();
                if (spark.sparkContext().isStopped()) {
                    // Somebody ends the run, or Spark can't go on: nothing could begin again.
                    throw error;
                }
                // One that committed begins again at once.
                boolean worked = reports.commits() > commits;
                pause = worked ? Duration.ofSeconds(1) : pause;
                failures = worked ? 0 : failures;
                LOG.error("reading begins again in {} s, where the tables are", pause.toSeconds(), error);
                Thread.sleep(pause.toMillis());
                pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0 ? pause.multipliedBy(2) : LONGEST_PAUSE;
            }
        }
        throw new IllegalStateException("it failed " + MOST_FAILURES + " times in a row; the last errors say why");
    }

    /** Deletes a folder and what is in it. */
    static void delete(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            all.sorted(Comparator.reverseOrder()).forEach(one -> {
                try {
                    Files.deleteIfExists(one);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
        }
    }
}
