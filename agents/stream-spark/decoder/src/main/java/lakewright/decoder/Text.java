package lakewright.decoder;

import java.nio.charset.StandardCharsets;

/** Texts as bytes of UTF-8. */
final class Text {
    private Text() {}

    static String of(byte[] text, int start, int end) {
        return new String(text, start, end - start, StandardCharsets.UTF_8);
    }

    /** The number that four hexadecimal digits are; -1 when they are none. */
    static int hex(byte[] text, int at) {
        if (at + 4 > text.length) {
            return -1;
        }
        int value = 0;
        for (int index = at; index < at + 4; index++) {
            int digit = digit(text[index]);
            if (digit < 0) {
                return -1;
            }
            value = value << 4 | digit;
        }
        return value;
    }

    /** The value of a hexadecimal digit; -1 when it is none. */
    static int digit(int character) {
        if (character >= '0' && character <= '9') {
            return character - '0';
        }
        int lower = character | 0x20;
        return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    }

    /** A checked string's characters, with its escapes resolved. */
    static String unescaped(byte[] text, int start, int end) {
        StringBuilder into = new StringBuilder(end - start);
        int plain = start;
        int at = start;
        while (at < end) {
            if (text[at] != '\\') {
                at++;
                continue;
            }
            into.append(of(text, plain, at));
            byte which = text[at + 1];
            if (which == 'u') {
                // Both halves of a pair come one after the other, as Java writes them too.
                into.append((char) hex(text, at + 2));
                at += 6;
            } else {
                into.append(
                        switch (which) {
                            case 'b' -> '\b';
                            case 'f' -> '\f';
                            case 'n' -> '\n';
                            case 'r' -> '\r';
                            case 't' -> '\t';
                            default -> (char) which;
                        });
                at += 2;
            }
            plain = at;
        }
        return into.append(of(text, plain, end)).toString();
    }

    /** The beginning of a text, for messages. */
    static String shown(String text) {
        int end = text.length();
        int at = 0;
        for (int count = 0; count < 40 && at < end; count++) {
            at = text.offsetByCodePoints(at, 1);
        }
        return at < end ? text.substring(0, at) + "…" : text;
    }

    /** What is wrong with bytes from an index on that should be UTF-8; null when nothing is. Indexes count from there. */
    static String notUtf8(byte[] bytes, int from) {
        int at = from;
        while (at < bytes.length) {
            int first = bytes[at] & 0xFF;
            int more = first < 0x80 ? 0 : first >= 0xC2 && first <= 0xDF ? 1 : first >= 0xE0 && first <= 0xEF ? 2
                    : first >= 0xF0 && first <= 0xF4 ? 3 : -1;
            if (more < 0) {
                return invalid(1, at - from);
            }
            for (int index = 1; index <= more; index++) {
                if (at + index == bytes.length) {
                    return "incomplete utf-8 byte sequence from index " + (at - from);
                }
                int next = bytes[at + index] & 0xFF;
                int least = index > 1 ? 0x80 : first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
                int most = index > 1 ? 0xBF : first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
                if (next < least || next > most) {
                    return invalid(index, at - from);
                }
            }
            at += more + 1;
        }
        return null;
    }

    private static String invalid(int length, int at) {
        return "invalid utf-8 sequence of " + length + " bytes from index " + at;
    }
}
