//! The sink that a table's declaration names.

use std::time::Duration;

use arrow_array::RecordBatch;

use super::iceberg::IcebergSink;
use super::plain::PlainSink;
use super::{Fault, Opened, Refusal, Sink, Written};
use crate::settled::Settled;

/// A sink of either kind.
pub(crate) enum AnySink {
    Iceberg(Box<IcebergSink>),
    Plain(Box<PlainSink>),
}

impl Sink for AnySink {
    async fn open(&mut self) -> Result<Opened, Fault> {
        match self {
            Self::Iceberg(sink) => sink.open().await,
            Self::Plain(sink) => sink.open().await,
        }
    }

    async fn write(&mut self, rows: RecordBatch) -> Result<(), Fault> {
        match self {
            Self::Iceberg(sink) => sink.write(rows).await,
            Self::Plain(sink) => sink.write(rows).await,
        }
    }

    async fn finish(&mut self) -> Result<Written, Fault> {
        match self {
            Self::Iceberg(sink) => sink.finish().await,
            Self::Plain(sink) => sink.finish().await,
        }
    }

    async fn commit(&mut self, settled: &Settled, before: &Settled) -> Result<Opened, Refusal> {
        match self {
            Self::Iceberg(sink) => sink.commit(settled, before).await,
            Self::Plain(sink) => sink.commit(settled, before).await,
        }
    }

    async fn discard(&mut self) {
        match self {
            Self::Iceberg(sink) => sink.discard().await,
            Self::Plain(sink) => sink.discard().await,
        }
    }

    fn forget(&mut self) {
        match self {
            Self::Iceberg(sink) => sink.forget(),
            Self::Plain(sink) => sink.forget(),
        }
    }

    async fn take_turn(&mut self, at_most: Duration) -> bool {
        match self {
            Self::Iceberg(sink) => sink.take_turn(at_most).await,
            Self::Plain(sink) => sink.take_turn(at_most).await,
        }
    }

    async fn give_way(&mut self) -> bool {
        match self {
            Self::Iceberg(sink) => sink.give_way().await,
            Self::Plain(sink) => sink.give_way().await,
        }
    }

    async fn end_turn(&mut self) {
        match self {
            Self::Iceberg(sink) => sink.end_turn().await,
            Self::Plain(sink) => sink.end_turn().await,
        }
    }
}
