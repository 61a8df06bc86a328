package lakewright.stream;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;

/** JSON as configurations and commits carry it: compact, members in their order. */
final class Json {
    /** Whole numbers are longs however small they are, so that what is read equals what was written. */
    private static final ObjectMapper MAPPER = JsonMapper.builder().enable(DeserializationFeature.USE_LONG_FOR_INTS)
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION).build();

    private Json() {}

    /** Reads a text; {@code what} names it in the error. */
    static JsonNode read(String text, String what) {
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException(what + " is no JSON: " + error.getOriginalMessage(), error);
        }
    }

    /** Reads a secret: what is wrong with it is said without a word of it. */
    static JsonNode readSecret(String text, String id) {
        JsonNode secret = readOrNothing(text);
        if (!secret.isObject()) {
            throw new IllegalArgumentException("the secret " + id + " is no JSON object");
        }
        return secret;
    }

    /** Reads a text; nothing where it is no JSON. */
    static JsonNode readOrNothing(String text) {
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException error) {
            return MissingNode.getInstance();
        }
    }

    static String write(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException error) {
            throw new IllegalStateException("maps of texts and numbers are JSON", error);
        }
    }
}
