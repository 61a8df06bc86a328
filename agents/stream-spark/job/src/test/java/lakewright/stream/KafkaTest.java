package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.kafka.common.Uuid;
import org.junit.jupiter.api.Test;

class KafkaTest {
    @Test
    void aTopicThatNothingTellsFromAnotherOfItsNameIsRefused() {
        assertEquals("c/00000000-0000-0001-0000-000000000002", Kafka.topic("c", "facts", new Uuid(1, 2), List.of(0)).key());
        String old = assertThrows(IllegalStateException.class, () -> Kafka.topic("c", "facts", Uuid.ZERO_UUID, List.of(0))).getMessage();
        assertTrue(old.contains("topic facts has no topic id"), old);
        assertThrows(IllegalStateException.class, () -> Kafka.topic(null, "facts", new Uuid(1, 2), List.of(0)));
        assertThrows(IllegalStateException.class, () -> Kafka.topic("", "facts", new Uuid(1, 2), List.of(0)));
    }
}
