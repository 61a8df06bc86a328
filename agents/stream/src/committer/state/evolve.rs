//! Giving a table the columns that its rows want.
//!
//! The columns are added by a commit of their own, before any row that wants them. Those rows are then decoded again, by the
//! schema that the table has by then, whoever added its columns: so no value of them stands anywhere but in its column.

use std::time::Duration;

use anyhow::anyhow;
use lakewright_lake::NewColumn;
use lakewright_platform::Backoff;

use super::super::Commit;
use super::publish::{ASKS_AFTER, CONFLICT, MAX_CONFLICTS};
use super::{Halt, Mode, State};
use crate::sink::{Blame, Fault, Refusal, Shared, guarded, guarded_commit};

/// For so long the others of the group are asked to wait.
const TURN: Duration = Duration::from_secs(3);

impl<S: Shared> State<S> {
    /// Adds the columns that rows of this generation want. Whatever comes of it, the table takes nothing more in this generation, and
    /// what is held is read again.
    pub(super) async fn evolve(&mut self, commit: &Commit) -> Halt {
        let wanted = std::mem::take(&mut self.wanted);
        let again = if self.is_sifting() { Mode::ToSift } else { Mode::Evolved };
        self.forget();
        let added = self.add(&wanted, commit).await;
        self.sink.end_turn().await;
        match added {
            Ok(()) => {
                self.mode = again;
                Halt::Fault
            }
            Err(fault) => {
                let names: Vec<&str> = wanted.iter().map(|column| column.name.as_str()).collect();
                let what = format!("add the columns {} to {}", names.join(", "), self.declared.name);
                self.halt(fault.context(what))
            }
        }
    }

    /// Adds columns, unless somebody else changed the table first. Where the catalog refuses them for good they are halved until those
    /// are known that it refuses alone: their values stay in `unknown` from then on.
    async fn add(&mut self, wanted: &[NewColumn], commit: &Commit) -> Result<(), Fault> {
        let mut rest = vec![wanted];
        while let Some(columns) = rest.pop() {
            match (self.add_together(columns, commit).await?, columns) {
                (Added::All, _) => self.counters.columns.increment(columns.len() as u64),
                // Under another schema the rows may want other columns, or none: the next generation finds out.
                (Added::Overtaken, _) => break,
                (Added::Refused(fault), [column]) => {
                    let NewColumn { name, column_type, .. } = column;
                    tracing::error!(
                        table = self.declared.name, column = name, %column_type, %fault,
                        "the catalog refused a column; its values are kept in `unknown`"
                    );
                    self.refused_columns.insert(name.clone());
                }
                (Added::Refused(_), _) => {
                    let (some, others) = columns.split_at(columns.len() / 2);
                    rest.extend([others, some]);
                }
            }
        }
        Ok(())
    }

    /// Adds columns by one commit.
    async fn add_together(&mut self, columns: &[NewColumn], commit: &Commit) -> Result<Added, Fault> {
        let before = self.opened.as_ref().expect("commits come after their generation began").version.clone();
        let mut backoff = Backoff::new(CONFLICT.0, CONFLICT.1);
        for conflicts in 1..=MAX_CONFLICTS {
            match guarded_commit(self.sink.add_columns(columns)).await {
                // What the generation found stays as it was: its dead letters were judged by that schema, and must not be committed
                // beside rows of the new one.
                Ok(()) => {
                    let columns = columns.iter().map(|one| format!("{} {}", one.name, one.column_type));
                    let columns = columns.collect::<Vec<_>>().join(", ");
                    tracing::info!(table = self.declared.name, columns, "columns added");
                    return Ok(Added::All);
                }
                Err(Refusal::Conflict) => self.counters.conflicts.increment(1),
                Err(Refusal::Unknown(error)) => return Err(Fault::new(Blame::Passing, error)),
                Err(Refusal::Failed(fault)) if fault.blame == Blame::Rows => return Ok(Added::Refused(fault)),
                Err(Refusal::Failed(fault)) => return Err(fault),
            }
            self.sink.pause(&mut backoff).await;
            if commit.shared && conflicts % ASKS_AFTER == 0 && self.sink.take_turn(TURN).await {
                self.counters.turns.increment(1);
            }
            if guarded(self.sink.open()).await?.version != before {
                return Ok(Added::Overtaken);
            }
        }
        Err(Fault::new(Blame::Passing, anyhow!("other writers were faster {MAX_CONFLICTS} times in a row")))
    }
}

/// What became of columns that rows want.
enum Added {
    All,
    /// Somebody else changed the table first.
    Overtaken,
    /// The catalog takes no such columns.
    Refused(Fault),
}
