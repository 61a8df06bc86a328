package lakewright.decoder;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Avro's binary primitives, read from a message. */
final class AvroCursor {
    private final byte[] message;
    private final int length;
    private int at;

    AvroCursor(byte[] message, int from) {
        this.message = message;
        this.length = message.length - from;
        this.at = from;
    }

    /** How many bytes are left. */
    int left() {
        return message.length - at;
    }

    private Wrong end(String what) {
        return Wrong.data("the message of " + length + " bytes ends within " + what);
    }

    /** A zigzag number of at most ten bytes. */
    long number() throws Wrong {
        long value = 0;
        for (int index = 0; index < 10 && index < left(); index++) {
            byte one = message[at + index];
            // The tenth byte holds the last bit.
            if (index == 9 && (one & 0xFF) > 1) {
                throw Wrong.data("a number has more than 64 bits");
            }
            value |= (long) (one & 0x7F) << (7 * index);
            if (one >= 0) {
                at += index + 1;
                return value >>> 1 ^ -(value & 1);
            }
        }
        throw end("a number");
    }

    /** A zigzag number of 32 bits. */
    int whole() throws Wrong {
        long value = number();
        if (value != (int) value) {
            throw Wrong.data(value + " is no 32-bit integer");
        }
        return (int) value;
    }

    boolean truth() throws Wrong {
        int value = take(1, "a boolean")[0] & 0xFF;
        if (value > 1) {
            throw Wrong.data(value + " is no boolean");
        }
        return value == 1;
    }

    /** So many bytes of a number, the lowest first. */
    ByteBuffer plain(int count, String what) throws Wrong {
        return ByteBuffer.wrap(take(count, what)).order(ByteOrder.LITTLE_ENDIAN);
    }

    byte[] take(int count, String what) throws Wrong {
        if (count > left()) {
            throw end(what);
        }
        at += count;
        return Arrays.copyOfRange(message, at - count, at);
    }

    /** Bytes after their length. */
    byte[] bytes() throws Wrong {
        long count = number();
        if (count < 0 || count > left()) {
            throw Wrong.data("a length of " + count + " with " + left() + " bytes left");
        }
        return take((int) count, "bytes");
    }

    /** Text after its length. */
    String string() throws Wrong {
        byte[] bytes = bytes();
        String wrong = Text.notUtf8(bytes, 0);
        if (wrong != null) {
            throw Wrong.data("a string isn't UTF-8: " + wrong);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
