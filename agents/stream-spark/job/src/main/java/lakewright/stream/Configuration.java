package lakewright.stream;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.aws.s3.S3FileIO;
import org.apache.iceberg.io.FileIO;

/**
 * Where the configuration is.
 *
 * @param place in S3, or a file
 * @param properties those of the catalog, which say how S3 is reached
 */
record Configuration(URI place, Map<String, String> properties) {
    /** Its text as it is now. */
    String text() throws IOException {
        if ("file".equals(place.getScheme())) {
            return Files.readString(Path.of(place));
        }
        try (FileIO files = CatalogUtil.loadFileIO(S3FileIO.class.getName(), properties, null);
                InputStream stream = files.newInputFile(place.toString()).newStream()) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
