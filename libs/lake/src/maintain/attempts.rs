//! Committing beside writers that may be faster.

use std::time::Duration;

use crate::Turns;
use crate::catalog::LoadedTable;
use crate::error::CommitError;

/// How often a commit of maintenance is tried when writers are faster; then it is left for the next time.
pub(super) const ATTEMPTS: u32 = 8;
/// After so many attempts that were lost the writers are asked to wait.
const ASKED_AFTER: u32 = 4;
/// For how long they wait at most: reading the table and one commit take a fraction of that.
const TURN: Duration = Duration::from_secs(10);

/// The attempts at one commit.
pub(super) struct Attempts {
    lost: u32,
    turns: Option<Turns>,
    has_turn: bool,
}

impl Attempts {
    pub(super) fn at(loaded: &LoadedTable) -> Self {
        Self { lost: 0, turns: Turns::at(&loaded.aws, loaded.table.metadata().location()), has_turn: false }
    }

    /// The table as it is now, after a writer was faster, and a moment later; `error` again when that was too often.
    pub(super) async fn again(&mut self, loaded: &LoadedTable, error: CommitError) -> anyhow::Result<LoadedTable> {
        self.lost += 1;
        if self.lost >= ATTEMPTS {
            self.end().await;
            let many = format!("{ATTEMPTS} attempts; it is left for the next time");
            return Err(anyhow::Error::from(error).context(many));
        }
        if let Some(turns) = self.turns.as_mut().filter(|_| self.lost == ASKED_AFTER) {
            self.has_turn = turns.take(TURN).await;
        }
        // In a turn of its own it meets nobody.
        if !self.has_turn {
            // Spread, so that two who do the same don't meet again.
            let spread = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
            tokio::time::sleep(Duration::from_millis((spread + 20) * u64::from(self.lost) / 4)).await;
            if let Some(turns) = &mut self.turns {
                turns.give_way().await;
            }
        }
        let now = loaded.reload().await;
        if now.is_err() {
            self.end().await;
        }
        now
    }

    /// An error that no further attempt follows.
    pub(super) async fn failed(&mut self, error: CommitError) -> anyhow::Error {
        self.end().await;
        error.into()
    }

    /// Lets the writers go on, if they wait. Where that is left out they do so when the turn is over.
    pub(super) async fn end(&mut self) {
        self.has_turn = false;
        if let Some(turns) = &mut self.turns {
            turns.end().await;
        }
    }
}
