//! The seam between pipes and sinks.

use anyhow::Result;

use crate::source::{Batch, Position};

/// Where the records of a pipe go.
pub trait Sink: Send {
    /// Takes the next records over, in the order in which they were read. It returns when it has them in hand, which may be long before
    /// they are durable; what bounds memory is the room that the batch holds until then.
    fn take(&mut self, batch: Batch) -> impl Future<Output = Result<()>> + Send;

    /// Does what is due: ends when something has changed, and never while nothing is under way. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The sink can't go on, and has to be made anew.
    fn turn(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// The positions that were settled since this was asked last: of each stream, all records before it are durable here, or
    /// are kept as dead letters.
    fn settled(&mut self) -> Vec<Position>;

    /// Makes durable what is in hand. Before the agent's shutdown it tries until it succeeds; after it, once.
    ///
    /// # Errors
    /// Something isn't durable: its position isn't settled.
    fn finish(&mut self) -> impl Future<Output = Result<()>> + Send;
}
