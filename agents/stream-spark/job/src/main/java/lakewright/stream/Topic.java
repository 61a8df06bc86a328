package lakewright.stream;

import java.io.Serializable;
import java.util.List;

/**
 * A topic as Kafka says that it is.
 *
 * @param id its UUID in the hyphenated form
 * @param key `CLUSTER ID/TOPIC ID`, as offset maps write it
 */
record Topic(String name, String id, String key, List<Integer> partitions) implements Serializable {}
