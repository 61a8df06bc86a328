//! Leader epochs, which the `rdkafka` crate doesn't give.
#![expect(unsafe_code, reason = "rdkafka has no safe binding of a message's leader epoch")]

use rdkafka::bindings as sys;
use rdkafka::message::BorrowedMessage;

/// The leader epoch in which a message was stored; `None` where its log or broker is too old to say it.
pub fn leader_epoch(message: &BorrowedMessage<'_>) -> Option<i32> {
    // SAFETY: the message is valid as long as it is borrowed, and only read.
    let epoch = unsafe { sys::rd_kafka_message_leader_epoch(message.ptr()) };
    (epoch >= 0).then_some(epoch)
}
