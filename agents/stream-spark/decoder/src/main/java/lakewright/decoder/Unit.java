package lakewright.decoder;

/** What the numbers count that stand for times in messages. */
public enum Unit {
    SECONDS("seconds", 6),
    MILLIS("milliseconds", 3),
    MICROS("microseconds", 0);

    final String word;
    /** The power of ten from it to microseconds. */
    final int micros;

    Unit(String word, int micros) {
        this.word = word;
        this.micros = micros;
    }
}
