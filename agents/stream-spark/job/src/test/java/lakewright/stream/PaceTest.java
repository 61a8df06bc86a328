package lakewright.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PaceTest {
    private static final long BYTES = 128 << 20;

    @Test
    void batchesAreOfAboutTheBytesThatTheyShallHave() {
        Pace pace = new Pace();
        assertEquals(Pace.FIRST, pace.records(BYTES));
        assertFalse(pace.isOff(Pace.FIRST, BYTES));
        pace.took(10_000, 10_000 << 10);
        assertEquals(128 << 10, pace.records(BYTES));
        assertTrue(pace.isOff(Pace.FIRST, BYTES));
        assertFalse(pace.isOff(100 << 10, BYTES), "somewhat off is near enough");
        // Records of a megabyte, and such as have no bytes at all.
        pace.took(1_000, 1_000L << 20);
        assertEquals(1_000, pace.records(BYTES));
        assertTrue(pace.isOff(100 << 10, BYTES));
        pace.took(0, 0);
        assertEquals(1_000, pace.records(BYTES));
        pace.took(1_000, 0);
        assertEquals(2_000_000, pace.records(BYTES));
    }
}
