//! The sink that a table's declaration names.

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
}
