//! Where rows go: the contract of a sink, and the tables that keep it.
//!
//! `docs/decisions/stream-seams.md` says why it is cut here.

pub(crate) mod any;
mod encoder;
pub(crate) mod iceberg;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod plain;

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use ::iceberg::spec::SchemaRef;
use anyhow::anyhow;
use arrow_array::RecordBatch;
use futures::FutureExt;
use lakewright_lake::NewColumn;
use lakewright_platform::Backoff;

use crate::evolve::Evolution;
use crate::room::Room;
use crate::settled::Settled;

/// What decides what messages become in a sink. Rows that were decoded for another one are decoded anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Version {
    /// A number that changes with the schema.
    pub(crate) schema: i32,
    /// By which declaration it was changed last, as [`lakewright_config::Table::declaration`] gives it; `None` where nothing
    /// says so.
    pub(crate) declaration: Option<String>,
}

/// A sink as it was found or left.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    /// The schema that rows must have.
    pub(crate) schema: SchemaRef,
    /// What of it decides what messages become.
    pub(crate) version: Version,
    /// What its data stands for.
    pub(crate) settled: Settled,
    /// What decides which members of messages become columns of it.
    pub(crate) evolution: Evolution,
}

/// What is ready to be committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

/// Whose fault it is that something failed: that decides what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The rows': the same ones fail again, others may not.
    Rows,
    /// The table's: none will do until somebody has changed it.
    Table,
    /// Nobody's: it may succeed a moment later.
    Passing,
}

/// Why a sink couldn't do something.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) blame: Blame,
    pub(crate) error: anyhow::Error,
}

impl Fault {
    pub(crate) fn new(blame: Blame, error: impl Into<anyhow::Error>) -> Self {
        Self { blame, error: error.into() }
    }

    /// The same, with what was being done.
    pub(crate) fn context(self, what: String) -> Self {
        Self { error: self.error.context(what), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// Why a commit didn't happen, or isn't known to have happened.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The sink isn't what was opened any more. Nothing was changed, and what was written can be committed after
    /// another [`Sink::open`].
    Conflict,
    /// It may have happened. What was written must be left alone.
    Unknown(anyhow::Error),
    /// It didn't happen.
    Failed(Fault),
}

/// A place that takes the rows of one table.
///
/// The contract is [`Sink::commit`]: what was written becomes visible together with what it settles, in one atomic step,
/// and only if the sink still is what the last `open` or `commit` found. Whoever opens it afterwards finds both or
/// neither. A sink that can't hold that has no place here: rows would be lost or doubled with the first crash.
///
/// Rows that were written and not committed are visible to nobody. After an error the caller opens it again.
pub(crate) trait Sink: Send + 'static {
    /// The sink as it is now. What was finished stays, to be committed on top of it.
    fn open(&mut self) -> impl Future<Output = Result<Opened, Fault>> + Send;

    /// Adds rows to what the next commit holds. They may be written later, and give their room back then; why they can't be is
    /// said by a later call, [`Sink::finish`] at the latest.
    fn write(&mut self, rows: RecordBatch, room: Option<Room>) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Finishes what was written, so that nothing but the commit is left to do.
    fn finish(&mut self) -> impl Future<Output = Result<Written, Fault>> + Send;

    /// Makes what was finished visible together with what it settles. `before` is what was settled so far.
    fn commit(&mut self, settled: &Settled, before: &Settled) -> impl Future<Output = Result<Opened, Refusal>> + Send;

    /// Gives it columns, if it still is what the last `open` or `commit` found. Whoever opens it afterwards finds all of them or none.
    /// What was written is of the schema of before, and can't be committed any more.
    fn add_columns(&mut self, columns: &[NewColumn]) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Removes what was finished and is known to be visible to nobody.
    fn discard(&mut self) -> impl Future<Output = ()> + Send;

    /// Drops what was written or finished, without removing anything.
    fn forget(&mut self);
}

/// A sink that other members of the group write to as well.
pub(crate) trait Shared: Sink {
    /// Asks the other writers to wait for so long at most, because they were faster too often; returns whether they will, when those had
    /// their turn who asked before. That is advice: nothing but [`Sink::commit`] decides what is committed.
    fn take_turn(&mut self, at_most: Duration) -> impl Future<Output = bool> + Send;

    /// Waits while another writer has a turn; returns whether it had to.
    fn give_way(&mut self) -> impl Future<Output = bool> + Send;

    /// Waits after a conflict.
    fn pause(&mut self, backoff: &mut Backoff) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(backoff.next_pause())
    }

    /// Ends this writer's turn, if it has one.
    fn end_turn(&mut self) -> impl Future<Output = ()> + Send;
}

/// Runs a sink's or a table's code. A panic in it is a fault of the rows that it worked on, and nobody else's.
pub(crate) async fn guarded<T>(work: impl Future<Output = Result<T, Fault>> + Send) -> Result<T, Fault> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(Fault::new(Blame::Rows, bug(&*panic))))
}

/// Runs a commit. After a panic in it nobody knows whether it happened.
pub(crate) async fn guarded_commit<T>(work: impl Future<Output = Result<T, Refusal>> + Send) -> Result<T, Refusal> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(Refusal::Unknown(bug(&*panic))))
}

/// What a panic said, as an error.
pub(crate) fn bug(panic: &(dyn Any + Send)) -> anyhow::Error {
    anyhow!("this is a bug in lakewright: {}", said(panic))
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    said.unwrap_or("it panicked and said nothing").to_owned()
}
