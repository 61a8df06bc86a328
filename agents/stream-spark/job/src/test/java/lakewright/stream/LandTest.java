package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import lakewright.decoder.Cause;
import lakewright.decoder.Decoded;
import lakewright.decoder.MessageDecoder;
import lakewright.decoder.RowDecoder;
import lakewright.decoder.Schemas;
import lakewright.decoder.Wire;
import org.junit.jupiter.api.Test;

class LandTest {
    private static Decoded decode(Schemas schemas) throws IOException {
        RowDecoder table = new RowDecoder("rows", List.of(), "the message", false);
        return Land.decode(MessageDecoder.avro(table, List.of(), Wire.CONFLUENT, schemas), new byte[] {0, 0, 0, 0, 7, 6});
    }

    @Test
    void aMistakeOfTheDecoderIsAReject() throws IOException {
        Decoded.Reject reject = assertInstanceOf(Decoded.Reject.class, decode(id -> {
            throw new IndexOutOfBoundsException("x".repeat(1000));
        }));
        assertEquals(Cause.BUG, reject.cause());
        assertTrue(reject.reason().startsWith("decoding it failed, which is a bug in lakewright: java.lang.IndexOutOfBounds"), reject.reason());
        assertTrue(reject.reason().length() < 300, reject.reason());
        assertInstanceOf(Decoded.Reject.class, decode(id -> {
            throw new StackOverflowError();
        }));
        // A registry that is away, and memory that is all gone, say nothing of the message.
        assertThrows(IOException.class, () -> decode(id -> {
            throw new IOException("away");
        }));
        assertThrows(OutOfMemoryError.class, () -> decode(id -> {
            throw new OutOfMemoryError();
        }));
    }
}
