//! A record of Kafka as it is taken in.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lakewright_runtime::kafka::leader_epoch;
use rdkafka::message::{BorrowedMessage, Headers as _, Message};

use crate::batch::Place;

/// One record of a topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) topic: usize,
    pub(crate) payload: Option<&'a [u8]>,
    pub(crate) place: Place,
    pub(crate) metadata: &'a dyn Metadata,
}

/// What a record carries besides its value; it is asked for only where a table has columns for it.
pub(crate) trait Metadata: Debug {
    fn key(&self) -> Option<&[u8]>;

    /// Milliseconds since 1970.
    fn timestamp(&self) -> Option<i64>;

    /// Gives the headers in their order to `each`.
    ///
    /// # Errors
    /// What is wrong with them.
    fn headers(&self, each: &mut dyn FnMut(&str, Option<&[u8]>)) -> Result<(), String>;
}

/// A record as it was fetched from a partition.
pub(crate) trait Fetched: Metadata + Send + Sized {
    fn offset(&self) -> i64;

    fn payload(&self) -> Option<&[u8]>;

    /// The leader epoch in which it came into the log, where that is known.
    fn epoch(&self) -> Option<i32>;
}

impl Fetched for BorrowedMessage<'_> {
    fn offset(&self) -> i64 {
        Message::offset(self)
    }

    fn payload(&self) -> Option<&[u8]> {
        Message::payload(self)
    }

    fn epoch(&self) -> Option<i32> {
        leader_epoch(self)
    }
}

impl Metadata for BorrowedMessage<'_> {
    fn key(&self) -> Option<&[u8]> {
        Message::key(self)
    }

    fn timestamp(&self) -> Option<i64> {
        Message::timestamp(self).to_millis()
    }

    fn headers(&self, each: &mut dyn FnMut(&str, Option<&[u8]>)) -> Result<(), String> {
        let Some(headers) = Message::headers(self) else { return Ok(()) };
        for index in 0..headers.count() {
            // fede1024/rust-rdkafka, `BorrowedHeaders::try_get`: a name that is no UTF-8 is a panic.
            let header = catch_unwind(AssertUnwindSafe(|| headers.get(index)));
            let header = header.map_err(|_| format!("the name of header {index} is no UTF-8"))?;
            each(header.key, header.value);
        }
        Ok(())
    }
}
