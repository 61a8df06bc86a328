package lakewright.decoder;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.UUID;
import java.util.zip.InflaterInputStream;

/** What stands before the data in a message: which schema wrote it. */
public enum Wire {
    /** A zero byte and the id as four bytes, big-endian. */
    CONFLUENT,
    /** The version 3, how the data is compressed (0 not, 5 by zlib), the schema version's UUID. */
    GLUE;

    /** The most that a compressed message may become, in bytes. */
    private static final int MAX_INFLATED = 64 << 20;

    /**
     * A message without its header.
     *
     * @param id the schema's
     */
    record Taken(String id, byte[] data) {}

    Taken take(byte[] message) throws Wrong {
        return this == CONFLUENT ? confluent(message) : glue(message);
    }

    private static Taken confluent(byte[] message) throws Wrong {
        if (message.length == 0 || message[0] != 0) {
            throw Wrong.header("the message begins with " + first(message)
                    + ", not with the byte 0 of Confluent's wire format: was it written by a serializer of a schema registry?");
        } else if (message.length < 5) {
            throw Wrong.header(message.length + " bytes are too few for a schema's id: five stand before the data");
        }
        int id = ByteBuffer.wrap(message, 1, 4).getInt();
        if (id < 0) {
            throw Wrong.header(Integer.toUnsignedString(id) + " is no schema's id, of which the largest is " + Integer.MAX_VALUE
                    + ": was the message written by a serializer of a schema registry?");
        }
        return new Taken(Integer.toString(id), Arrays.copyOfRange(message, 5, message.length));
    }

    private static Taken glue(byte[] message) throws Wrong {
        if (message.length < 2 || message[0] != 3) {
            throw Wrong.header("the message begins with " + first(message) + ", not with the bytes 3 and 0 or 5 of Glue's wire"
                    + " format: was it written by a serializer of Glue's schema registry?");
        } else if (message.length < 18) {
            throw Wrong.header(message.length + " bytes are too few for a schema version: 18 stand before the data");
        }
        ByteBuffer header = ByteBuffer.wrap(message, 2, 16);
        String id = new UUID(header.getLong(), header.getLong()).toString();
        byte[] data = Arrays.copyOfRange(message, 18, message.length);
        return switch (message[1]) {
            case 0 -> new Taken(id, data);
            case 5 -> new Taken(id, inflated(data));
            default -> throw Wrong.header("the compression " + (message[1] & 0xFF) + " of Glue's wire format is unknown");
        };
    }

    private static byte[] inflated(byte[] data) throws Wrong {
        byte[] found;
        try (InflaterInputStream stream = new InflaterInputStream(new ByteArrayInputStream(data))) {
            found = stream.readNBytes(MAX_INFLATED + 1);
        } catch (IOException error) {
            throw Wrong.header("the data isn't zlib's: " + error.getMessage());
        }
        if (found.length > MAX_INFLATED) {
            throw Wrong.unsupported("the message is longer than 64 MiB without its compression");
        }
        return found;
    }

    private static String first(byte[] message) {
        return message.length == 0 ? "nothing" : "the byte " + (message[0] & 0xFF);
    }
}
