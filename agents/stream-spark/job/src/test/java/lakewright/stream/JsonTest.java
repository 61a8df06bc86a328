package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

class JsonTest {
    private static String trace(Throwable error) {
        StringWriter trace = new StringWriter();
        error.printStackTrace(new PrintWriter(trace));
        return trace.toString();
    }

    @Test
    void aBrokenSecretIsNamedAndNotShown() {
        for (String text : List.of("{\"username\": \"shop\", \"password\": hunter2}", "hunter2", "\"hunter2\"", "{\"password\": \"hunter2")) {
            Throwable error = assertThrows(IllegalArgumentException.class, () -> Json.readSecret(text, "arn:of-it"));
            assertTrue(error.getMessage().contains("arn:of-it"), error.getMessage());
            assertFalse(trace(error).contains("hunter2"), trace(error));
        }
        assertEquals("shop", Json.readSecret("{\"username\": \"shop\"}", "it").path("username").asText());
    }

    @Test
    void whatIsNoJsonIsNotShownBesideTheError() {
        String text = "{\"kafka\": {}, \"hunter2\": 7, }";
        Throwable error = assertThrows(IllegalArgumentException.class, () -> Json.read(text, "the configuration"));
        assertFalse(trace(error).contains("hunter2"), trace(error));
    }
}
