package lakewright.decoder;

import java.util.Arrays;

/** Base64 with padding, strictly: each text of it is the only one of its bytes, unlike with Java's own decoder. */
final class Base64 {
    private Base64() {}

    /** Null when the text is no Base64. */
    static byte[] decode(String text) {
        byte[] found;
        try {
            found = java.util.Base64.getDecoder().decode(text);
        } catch (IllegalArgumentException error) {
            return null;
        }
        // Written again it is the same, unless padding was missing or bits were left over.
        byte[] again = java.util.Base64.getEncoder().encode(found);
        boolean same = Arrays.equals(again, text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
        return same ? found : null;
    }
}
