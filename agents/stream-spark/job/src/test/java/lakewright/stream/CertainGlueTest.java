package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.Map;
import org.apache.iceberg.aws.s3.S3FileIO;
import org.junit.jupiter.api.Test;

class CertainGlueTest {
    private static Object sent(Object object) throws IOException, ClassNotFoundException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(object);
        }
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            return in.readObject();
        }
    }

    @Test
    void tasksReachFilesByItsClients() throws Exception {
        System.setProperty("aws.accessKeyId", "key");
        System.setProperty("aws.secretAccessKey", "secret");
        try (S3FileIO files = new S3FileIO()) {
            files.initialize(CertainGlue.in(Map.of("client.region", "eu-north-1")));
            try (S3FileIO theirs = assertInstanceOf(S3FileIO.class, sent(files))) {
                assertEquals("s3", theirs.client().serviceName());
            }
        }
    }

    @Test
    void aFactoryThatTheSettingsNameMakesTheClientsBehindIt() {
        Map<String, String> with = CertainGlue.in(Map.of("client.factory", "no.such.Factory"));
        assertEquals(CertainGlue.class.getName(), with.get("client.factory"));
        String said = assertThrows(IllegalArgumentException.class, () -> new CertainGlue().initialize(with)).getMessage();
        assertEquals(true, said.contains("no.such.Factory"), said);
    }
}
