//! The first and the next offsets of many partitions at once, which the `rdkafka` crate asks for one by one:
//! librdkafka's ListOffsets called directly.
#![expect(unsafe_code, reason = "rdkafka has no safe binding of ListOffsets")]

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use rdkafka::ClientContext;
use rdkafka::bindings as sys;
use rdkafka::client::{Client, NativeClient};

use super::native::{Owned, text};

/// Partitions by topic and number.
pub type ByPartition<T> = BTreeMap<(String, i32), T>;

/// So often a partition is asked for that answers with an error: its leader may have moved a moment ago.
const ROUNDS: u32 = 3;
/// The pause between them.
const PAUSE: Duration = Duration::from_millis(250);

/// Of each partition the first offset that Kafka holds and the next one that readers of committed records come to, or
/// why nobody knows. All are asked for at the same time, so that one without a leader, or on a broker that doesn't
/// answer, holds up no other one for longer than `timeout`; blocks.
#[expect(clippy::disallowed_methods, reason = "it blocks as a whole, on a thread on which no async task runs")]
pub fn offsets_using<C: ClientContext>(
    client: &Client<C>,
    partitions: &[(String, i32)],
    timeout: Duration,
) -> ByPartition<anyhow::Result<(i64, i64)>> {
    let began = Instant::now();
    let mut found = BTreeMap::new();
    let mut open = partitions.to_vec();
    for round in 0..ROUNDS {
        let left = timeout.saturating_sub(began.elapsed());
        if open.is_empty() || (round > 0 && left < PAUSE * 2) {
            break;
        }
        if round > 0 {
            std::thread::sleep(PAUSE);
        }
        for (partition, offsets) in both(client.native_client(), &open, timeout.saturating_sub(began.elapsed())) {
            found.insert(partition, offsets);
        }
        open.retain(|partition| found.get(partition).is_none_or(Result::is_err));
    }
    found
}

/// Asks once for both offsets of each partition.
fn both(
    client: &NativeClient,
    partitions: &[(String, i32)],
    timeout: Duration,
) -> ByPartition<anyhow::Result<(i64, i64)>> {
    use sys::rd_kafka_OffsetSpec_t::{RD_KAFKA_OFFSET_SPEC_EARLIEST, RD_KAFKA_OFFSET_SPEC_LATEST};
    let until = Instant::now() + timeout;
    let answers = || {
        let first = Asked::send(client, partitions, RD_KAFKA_OFFSET_SPEC_EARLIEST as i64, timeout)?;
        let next = Asked::send(client, partitions, RD_KAFKA_OFFSET_SPEC_LATEST as i64, timeout)?;
        anyhow::Ok((first.wait(until)?, next.wait(until)?))
    };
    let (mut first, mut next) = match answers() {
        Ok(answers) => answers,
        Err(error) => {
            let same = format!("{error:#}");
            return partitions.iter().map(|partition| (partition.clone(), Err(anyhow!("{same}")))).collect();
        }
    };
    let of = |partition: &(String, i32), found: &mut ByPartition<anyhow::Result<i64>>| {
        found.remove(partition).unwrap_or_else(|| Err(anyhow!("Kafka said nothing of it")))
    };
    let pair = |partition: &(String, i32)| {
        let pair = of(partition, &mut first).and_then(|first| Ok((first, of(partition, &mut next)?)));
        (partition.clone(), pair)
    };
    partitions.iter().map(pair).collect()
}

/// A request that is under way.
struct Asked(Owned<sys::rd_kafka_queue_t>);

impl Asked {
    fn send(
        client: &NativeClient,
        partitions: &[(String, i32)],
        which: i64,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let names: Vec<CString> =
            partitions.iter().map(|(topic, _)| CString::new(topic.as_str())).collect::<Result<_, _>>()?;
        let timeout_ms = timeout.as_millis().clamp(1, 600_000) as i32;
        let handle = client.ptr();
        // SAFETY: `handle` is valid as long as `client`. The names outlive the calls that copy them; an element that was
        // added is valid until the next one is. List, options and queue are freed once, by `Owned`; the request holds
        // copies of the first two and a reference of its own to the third.
        unsafe {
            let list = Owned(
                sys::rd_kafka_topic_partition_list_new(names.len() as i32),
                sys::rd_kafka_topic_partition_list_destroy,
            );
            for (name, (_, number)) in names.iter().zip(partitions) {
                let element = sys::rd_kafka_topic_partition_list_add(list.0, name.as_ptr(), *number);
                (*element).offset = which;
            }
            let options = Owned(
                sys::rd_kafka_AdminOptions_new(handle, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS),
                sys::rd_kafka_AdminOptions_destroy,
            );
            let mut reason = [0 as c_char; 256];
            let set = sys::rd_kafka_AdminOptions_set_request_timeout(
                options.0,
                timeout_ms,
                reason.as_mut_ptr(),
                reason.len(),
            );
            if set != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                bail!("set the timeout of ListOffsets: {}", text(reason.as_ptr()));
            }
            let committed = sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
            let error = sys::rd_kafka_AdminOptions_set_isolation_level(options.0, committed);
            if !error.is_null() {
                let error = Owned(error, sys::rd_kafka_error_destroy);
                bail!("set the isolation level of ListOffsets: {}", text(sys::rd_kafka_error_string(error.0)));
            }
            let queue = Owned(sys::rd_kafka_queue_new(handle), sys::rd_kafka_queue_destroy);
            sys::rd_kafka_ListOffsets(handle, list.0, options.0, queue.0);
            Ok(Self(queue))
        }
    }

    fn wait(self, until: Instant) -> anyhow::Result<ByPartition<anyhow::Result<i64>>> {
        // A second beyond the request's own timeout, which says more.
        let timeout_ms = until.saturating_duration_since(Instant::now()).as_millis() as i32 + 1000;
        // SAFETY: the queue is valid until `self` is dropped. The event, which owns the result and all in it, is freed
        // once, by `Owned`, after everything was copied.
        unsafe {
            let event = sys::rd_kafka_queue_poll(self.0.0, timeout_ms);
            if event.is_null() {
                bail!("Kafka gave no offsets in time");
            }
            let event = Owned(event, sys::rd_kafka_event_destroy);
            if sys::rd_kafka_event_error(event.0) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                bail!("Kafka gave no offsets: {}", text(sys::rd_kafka_event_error_string(event.0)));
            }
            let result = sys::rd_kafka_event_ListOffsets_result(event.0);
            if result.is_null() {
                bail!("Kafka answered ListOffsets with something else");
            }
            let mut count = 0;
            let first = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            (0..count).map(|index| offset(*first.add(index))).collect()
        }
    }
}

/// Copies what is said of one partition.
///
/// # Safety
/// `info` belongs to an event that is still valid.
unsafe fn offset(
    info: *const sys::rd_kafka_ListOffsetsResultInfo_t,
) -> anyhow::Result<((String, i32), anyhow::Result<i64>)> {
    // SAFETY: what the accessor returns belongs to `info`; nothing of it is kept.
    unsafe {
        let of = sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info).as_ref().context("a result of nothing")?;
        let offset = if of.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            Err(anyhow!("Kafka gave no offsets of it: {}", text(sys::rd_kafka_err2str(of.err))))
        } else if of.offset < 0 {
            // librdkafka leaves the partitions of a broker that didn't answer as they are made.
            Err(anyhow!("its leader didn't answer in time"))
        } else {
            Ok(of.offset)
        };
        Ok(((text(of.topic), of.partition), offset))
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;

    use super::*;

    #[test]
    fn a_partition_without_a_leader_or_on_a_slow_broker_holds_up_no_other() {
        let cluster = MockCluster::new(2).expect("a cluster");
        cluster.create_topic("facts", 5, 1).expect("a topic");
        for (partition, leader) in [(0, Some(1)), (1, Some(2)), (2, None), (3, None), (4, Some(1))] {
            cluster.partition_leader("facts", partition, leader).expect("led");
        }
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("group.id", "lake")
            .create()
            .expect("a consumer");
        let all: Vec<(String, i32)> = (0..5).map(|partition| ("facts".to_owned(), partition)).collect();
        let ask = |timeout| {
            let found = offsets_using(consumer.client(), &all, timeout);
            found.into_values().map(|offsets| offsets.map_err(|error| error.to_string())).collect::<Vec<_>>()
        };
        let found = ask(Duration::from_secs(10));
        assert_eq!([&found[0], &found[1], &found[4]], [&Ok((0, 0)); 3], "{found:?}");
        for leaderless in [2, 3] {
            assert!(found[leaderless].as_ref().is_err_and(|error| error.contains("No leaders found")), "{found:?}");
        }
        cluster.broker_round_trip_time(2, Duration::from_mins(1)).expect("slow");
        let found = ask(Duration::from_secs(2));
        assert_eq!([&found[0], &found[4]], [&Ok((0, 0)); 2], "{found:?}");
        assert_eq!(found[1], Err("its leader didn't answer in time".to_owned()));
    }
}
