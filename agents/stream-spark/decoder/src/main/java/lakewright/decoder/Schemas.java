package lakewright.decoder;

import java.io.IOException;

/** The schemas of a registry, by id: what an id stands for never changes. */
public interface Schemas {
    /** What stands under an id: how the data of such messages is written. */
    sealed interface Body {
        /** Avro's binary encoding by this schema. */
        record Avro(AvroSchema schema) implements Body {}

        /** JSON text. */
        record Json() implements Body {}

        /** There is nothing that messages of this id could be read by, which the reason says. */
        record Missing(Cause cause, String reason) implements Body {}
    }

    /**
     * What an id stands for.
     *
     * @param id a number of Confluent's registry, or a schema version's UUID of Glue's
     * @throws IOException the registry doesn't say now
     */
    Body body(String id) throws IOException;
}
