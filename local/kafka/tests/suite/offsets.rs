//! Reading from the right place: earliest, latest, by time; retention.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use crate::clients::{self, PATIENCE};
use crate::support::{Broker, eventually, unique};

fn at_time(consumer: &BaseConsumer, topic: &str, time: i64) -> Offset {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(time)).unwrap();
    consumer.offsets_for_times(list, PATIENCE).unwrap().elements()[0].offset()
}

#[test]
fn finds_the_first_the_next_and_a_time() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("times");
    clients::create(address, &topic, 1, &[]).unwrap();
    let consumer = clients::reader(address, "times");
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE).unwrap(), (0, 0));
    assert_eq!(at_time(&consumer, &topic, 0), Offset::End, "an empty topic");

    let start = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64 - 1_000_000;
    let mut config = clients::configuration(address);
    config.set("linger.ms", "20");
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = config.create().unwrap();
    for number in 0..3000 {
        // Ten seconds apart, by threes the same time.
        let time = start + number / 3 * 10_000 / 100;
        let value = format!("{number:0100}");
        let record = BaseRecord::<str, str>::to(&topic).partition(0).payload(&value).timestamp(time);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE).unwrap(), (0, 3000));
    for (time, offset) in [
        (start - 1, Offset::Offset(0)),
        (start, Offset::Offset(0)),
        (start + 1, Offset::Offset(3)),
        (start + 100, Offset::Offset(3)),
        (start + 50_000, Offset::Offset(1500)),
        (start + 99_900, Offset::Offset(2997)),
        (start + 99_901, Offset::End),
    ] {
        assert_eq!(at_time(&consumer, &topic, time), offset, "{}", time - start);
    }
}

#[test]
fn starts_at_the_earliest_the_latest_or_an_offset() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("starts");
    clients::create(address, &topic, 1, &[]).unwrap();
    let producer = clients::producer(address);
    for value in ["a", "b", "c", "d"] {
        clients::send(&producer, &topic, 0, value, None);
    }
    for (from, expected) in [
        (Offset::Beginning, (0, "a")),
        (Offset::End, (4, "e")),
        (Offset::Offset(2), (2, "c")),
        (Offset::OffsetTail(1), (4, "e")),
    ] {
        let consumer = clients::reader(address, "starts");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, from).unwrap();
        consumer.assign(&list).unwrap();
        if from == Offset::End {
            // Nothing comes until something is sent, and then it comes without waiting for a timeout.
            assert!(consumer.poll(Duration::from_secs(1)).is_none());
            clients::send(&producer, &topic, 0, "e", None);
        }
        let message = eventually("a record", || consumer.poll(Duration::from_millis(100))).unwrap();
        assert_eq!((message.offset(), message.payload().unwrap()), (expected.0, expected.1.as_bytes()), "{from:?}");
    }
}

#[test]
fn an_offset_beyond_the_log_is_an_error() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("beyond");
    clients::create(address, &topic, 1, &[]).unwrap();
    clients::send(&clients::producer(address), &topic, 0, "only", None);
    let mut config = clients::configuration(address);
    config.set("group.id", "beyond").set("auto.offset.reset", "error");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(100)).unwrap();
    consumer.assign(&list).unwrap();
    let polled = eventually("an error", || consumer.poll(Duration::from_millis(100)));
    assert!(polled.is_err(), "{polled:?}");
}

fn fill(address: &str, topic: &str, records: usize, time: Option<i64>) {
    let mut config = clients::configuration(address);
    config.set("batch.size", "100000").set("linger.ms", "5").set("message.max.bytes", "200000");
    let producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext> = config.create().unwrap();
    let value = "x".repeat(50_000);
    for _ in 0..records {
        let mut record = BaseRecord::<str, str>::to(topic).partition(0).payload(&value);
        record.timestamp = time;
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
fn retention_by_size_drops_whole_segments() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("size");
    clients::create(address, &topic, 1, &[("segment.bytes", "1048576"), ("retention.bytes", "2000000")]).unwrap();
    fill(address, &topic, 120, None);
    let consumer = clients::reader(address, "size");
    let low = eventually("retention", || {
        let (low, high) = consumer.fetch_watermarks(&topic, 0, PATIENCE).unwrap();
        assert_eq!(high, 120);
        // Six MB came; what stays is at least the two that are kept, and at most a segment more.
        (low >= 120 - 63).then_some(low)
    });
    assert!(low <= 120 - 40, "more than allowed was dropped: the log begins at {low}");
    assert_eq!(clients::read_all(address, &topic)[&0].first().unwrap().0, low);
}

#[test]
fn retention_by_time_drops_what_is_old_and_goes_on() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("age");
    clients::create(address, &topic, 1, &[("segment.bytes", "1048576"), ("retention.ms", "60000")]).unwrap();
    let yesterday = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64 - 86_400_000;
    fill(address, &topic, 30, Some(yesterday));
    let consumer = clients::reader(address, "age");
    eventually("retention", || (consumer.fetch_watermarks(&topic, 0, PATIENCE).unwrap() == (30, 30)).then_some(()));
    fill(address, &topic, 2, None);
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE).unwrap(), (30, 32));
    assert_eq!(clients::read_all(address, &topic)[&0].len(), 2);
}
