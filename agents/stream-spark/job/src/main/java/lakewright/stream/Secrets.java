package lakewright.stream;

import com.fasterxml.jackson.databind.JsonNode;

/** Where user names and passwords stand. */
interface Secrets {
    /** The secret of an ARN or a name, {@code {"username": …, "password": …}}. */
    JsonNode read(String id);
}
