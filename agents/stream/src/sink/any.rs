//! The sink that a table's declaration names, and the turns at it.

use std::time::Duration;

use arrow_array::RecordBatch;
use lakewright_lake::{NewColumn, Turns};

use super::iceberg::IcebergSink;
use super::plain::PlainSink;
use super::{Fault, Opened, Refusal, Shared, Sink, Written};
use crate::room::Room;
use crate::settled::Settled;

/// A sink of either kind.
pub(crate) struct AnySink {
    of: Of,
    turns: Option<Turns>,
}

enum Of {
    Iceberg(Box<IcebergSink>),
    Plain(Box<PlainSink>),
}

impl AnySink {
    /// A table of the catalog.
    pub(crate) fn iceberg(sink: IcebergSink, turns: Option<Turns>) -> Self {
        Self { of: Of::Iceberg(Box::new(sink)), turns }
    }

    /// A table of plain files.
    pub(crate) fn plain(sink: PlainSink, turns: Option<Turns>) -> Self {
        Self { of: Of::Plain(Box::new(sink)), turns }
    }
}

impl Sink for AnySink {
    async fn open(&mut self) -> Result<Opened, Fault> {
        match &mut self.of {
            Of::Iceberg(sink) => sink.open().await,
            Of::Plain(sink) => sink.open().await,
        }
    }

    async fn write(&mut self, rows: RecordBatch, room: Option<Room>) -> Result<(), Fault> {
        match &mut self.of {
            Of::Iceberg(sink) => sink.write(rows, room).await,
            Of::Plain(sink) => sink.write(rows, room).await,
        }
    }

    async fn finish(&mut self) -> Result<Written, Fault> {
        match &mut self.of {
            Of::Iceberg(sink) => sink.finish().await,
            Of::Plain(sink) => sink.finish().await,
        }
    }

    async fn commit(&mut self, settled: &Settled, before: &Settled) -> Result<Opened, Refusal> {
        match &mut self.of {
            Of::Iceberg(sink) => sink.commit(settled, before).await,
            Of::Plain(sink) => sink.commit(settled, before).await,
        }
    }

    async fn add_columns(&mut self, columns: &[NewColumn]) -> Result<(), Refusal> {
        match &mut self.of {
            Of::Iceberg(sink) => sink.add_columns(columns).await,
            Of::Plain(sink) => sink.add_columns(columns).await,
        }
    }

    async fn discard(&mut self) {
        match &mut self.of {
            Of::Iceberg(sink) => sink.discard().await,
            Of::Plain(sink) => sink.discard().await,
        }
    }

    fn forget(&mut self) {
        match &mut self.of {
            Of::Iceberg(sink) => sink.forget(),
            Of::Plain(sink) => sink.forget(),
        }
    }
}

impl Shared for AnySink {
    async fn take_turn(&mut self, at_most: Duration) -> bool {
        match &mut self.turns {
            Some(turns) => turns.take(at_most).await,
            None => false,
        }
    }

    async fn give_way(&mut self) -> bool {
        match &mut self.turns {
            Some(turns) => turns.give_way().await,
            None => false,
        }
    }

    async fn end_turn(&mut self) {
        if let Some(turns) = &mut self.turns {
            turns.end().await;
        }
    }
}
