//! Topic ids, which the `rdkafka` crate doesn't give: librdkafka's DescribeTopics called directly.
#![expect(unsafe_code, reason = "rdkafka has no safe binding of DescribeTopics")]

use std::error::Error;
use std::ffi::{CString, c_char};
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rdkafka::bindings as sys;
use rdkafka::client::NativeClient;
use uuid::Uuid;

use super::native::{Owned, text};

/// A topic as DescribeTopics describes it.
pub(super) struct Description {
    pub(super) name: String,
    pub(super) id: Uuid,
    pub(super) partitions: Vec<i32>,
}

/// The cluster answered, and doesn't describe this topic: it isn't there, or may not be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRefused {
    name: String,
    said: String,
}

impl fmt::Display for TopicRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}: {}", self.name, self.said)
    }
}

impl Error for TopicRefused {}

/// Asks the cluster for ids and partitions of topics; blocks for up to `timeout`.
pub(super) fn describe_topics(
    client: &NativeClient,
    topics: &[String],
    timeout: Duration,
) -> anyhow::Result<Vec<Description>> {
    let names: Vec<CString> =
        topics.iter().map(|topic| CString::new(topic.as_str())).collect::<Result<_, _>>().context("a topic's name")?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let timeout_ms = timeout.as_millis().min(600_000) as i32;
    let handle = client.ptr();
    // SAFETY: `handle` is valid as long as `client`. The names outlive the collection's constructor, which copies them.
    // Collection, options, queue and event are freed once, by `Owned`; the event, which owns the result, its
    // descriptions and their strings, is valid until all of them were copied.
    unsafe {
        let collection = Owned(
            sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
            sys::rd_kafka_TopicCollection_destroy,
        );
        let options = Owned(
            sys::rd_kafka_AdminOptions_new(handle, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS),
            sys::rd_kafka_AdminOptions_destroy,
        );
        let mut reason = [0 as c_char; 256];
        let set =
            sys::rd_kafka_AdminOptions_set_request_timeout(options.0, timeout_ms, reason.as_mut_ptr(), reason.len());
        if set != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            bail!("set the timeout of DescribeTopics: {}", text(reason.as_ptr()));
        }
        let queue = Owned(sys::rd_kafka_queue_new(handle), sys::rd_kafka_queue_destroy);
        sys::rd_kafka_DescribeTopics(handle, collection.0, options.0, queue.0);
        let event = sys::rd_kafka_queue_poll(queue.0, timeout_ms.saturating_add(1000));
        if event.is_null() {
            bail!("Kafka didn't describe its topics within {timeout:?}");
        }
        let event = Owned(event, sys::rd_kafka_event_destroy);
        if sys::rd_kafka_event_error(event.0) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            bail!("Kafka didn't describe its topics: {}", text(sys::rd_kafka_event_error_string(event.0)));
        }
        let result = sys::rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            bail!("Kafka answered DescribeTopics with something else");
        }
        let mut count = 0;
        let first = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        (0..count).map(|index| description(*first.add(index))).collect()
    }
}

/// Copies one description.
///
/// # Safety
/// `topic` belongs to an event that is still valid.
unsafe fn description(topic: *const sys::rd_kafka_TopicDescription_t) -> anyhow::Result<Description> {
    // SAFETY: what the accessors return belongs to `topic`; nothing of it is kept.
    unsafe {
        let name = text(sys::rd_kafka_TopicDescription_name(topic));
        let error = sys::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() && sys::rd_kafka_error_code(error) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(TopicRefused { said: text(sys::rd_kafka_error_string(error)), name }.into());
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let id = if id.is_null() {
            Uuid::nil()
        } else {
            let high = sys::rd_kafka_Uuid_most_significant_bits(id).cast_unsigned();
            Uuid::from_u64_pair(high, sys::rd_kafka_Uuid_least_significant_bits(id).cast_unsigned())
        };
        if id.is_nil() {
            bail!("topic {name} has no topic id: the cluster must run Kafka 2.8 or later");
        }
        let mut count = 0;
        let first = sys::rd_kafka_TopicDescription_partitions(topic, &raw mut count);
        let mut partitions: Vec<i32> =
            (0..count).map(|index| sys::rd_kafka_TopicPartitionInfo_partition(*first.add(index))).collect();
        partitions.sort_unstable();
        Ok(Description { name, id, partitions })
    }
}
