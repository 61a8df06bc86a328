//! Rows on their way from the decoder to a sink.

use std::sync::Arc;

use arrow_array::RecordBatch;
use lakewright_lake::NewColumn;

use crate::room::Room;

/// Where a record stood in Kafka and when it came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) ingested_at: i64,
}

/// Rows of one table.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) rows: RecordBatch,
    /// The topic that they came from; dead letters carry their own.
    pub(crate) topic_id: Arc<str>,
    /// The messages that they were made of, row by row; empty unless the table asked for them.
    pub(crate) origins: Vec<Origin>,
    /// Messages of the table that broke its code, with what it said: no rows, and the table's commit says so.
    pub(crate) broken: Vec<(Origin, String)>,
    /// The room that they take until they are encoded.
    pub(crate) room: Option<Room>,
    /// Columns that these rows and those before them want, and the table doesn't have.
    pub(crate) wanted: Vec<NewColumn>,
}

impl Batch {
    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let origins = self.origins.iter().chain(self.broken.iter().map(|(origin, _)| origin));
        self.rows.get_array_memory_size() + origins.map(|origin| origin.payload.len()).sum::<usize>()
    }
}

/// The message that a row was made of.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) payload: Vec<u8>,
    pub(crate) place: Place,
}
