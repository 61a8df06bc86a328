//! The ledger: how far everything is settled, whichever table it went to.
//!
//! It stands in the dead letters' commits, which follow those of the tables, and has two parts. The floor: before it
//! every table has what is its own, and the dead letters have the rest. And what is owed to tables in quarantine, which
//! the floor went past without them.

use crate::owed::Debt;
use crate::settled::Settled;

/// How far everything is settled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Settled);

impl Ledger {
    /// The one that the dead letters' current data stands for.
    pub(crate) fn of(dead: &Settled) -> Self {
        Self(dead.clone())
    }

    /// Before this offset nothing of a partition has to be looked at for tables that nothing is owed to.
    pub(crate) fn floor(&self, topic: &str, partition: i32) -> Option<i64> {
        self.0.offsets.get(topic, partition)
    }

    /// Before this offset a table has all rows that are its own.
    pub(crate) fn rows(&self, table: &str, topic: &str, partition: i32) -> Option<i64> {
        self.debt(table, topic, partition).map(|debt| debt.rows).or_else(|| self.floor(topic, partition))
    }

    /// Before this offset the dead letters have what a table refused.
    pub(crate) fn rejects(&self, table: &str, topic: &str, partition: i32) -> Option<i64> {
        self.debt(table, topic, partition).map(|debt| debt.rejects).or_else(|| self.floor(topic, partition))
    }

    /// What is owed to a table of a partition.
    pub(crate) fn debt(&self, table: &str, topic: &str, partition: i32) -> Option<&Debt> {
        self.0.owed.of(table, topic, partition)
    }
}

/// How a table comes out of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has what is its own, to the commit's end.
    Settled,
    /// It took nothing of this commit; what it refuses was judged to the commit's end.
    Failed,
    /// It is in quarantine: nothing of it was even judged.
    Blind,
}

/// What one table and one partition are to a commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share<'a> {
    pub(crate) table: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// The first offset after the commit.
    pub(crate) next: i64,
    /// What the table had settled before: its rows, and what it refuses.
    pub(crate) rows: i64,
    pub(crate) rejects: i64,
    /// The first row after the commit that the table couldn't take and the dead letters don't have; `i64::MAX`: none.
    pub(crate) pending: i64,
    /// The table's own map, where it is known.
    pub(crate) own: Option<i64>,
}

/// Writes into a ledger whose floor is moved already what a commit leaves owed to a table.
pub(crate) fn settle(ledger: &mut Settled, share: Share<'_>, standing: Standing) {
    let Share { table, topic, partition, next, .. } = share;
    let Some(floor) = ledger.offsets.get(topic, partition) else { return };
    let before = ledger.owed.of(table, topic, partition);
    let (rows, rejects) = match standing {
        Standing::Settled => (share.rows.max(next), share.rejects.max(next)),
        Standing::Failed => (share.rows, share.rejects.max(next)),
        Standing::Blind => (share.rows, share.rejects),
    };
    let known = before.and_then(|debt| debt.own);
    let mut debt = Debt {
        rows: rows.min(share.pending),
        rejects,
        own: if standing == Standing::Blind { known.or(share.own) } else { share.own.or(known) },
        undeclared: before.map(|debt| debt.undeclared.clone()).unwrap_or_default(),
    };
    debt.tidy();
    let open = debt.rows < floor || debt.rejects < floor;
    // A table that is up to the commit's end and before the floor catches up; one that nothing was owed to has what is
    // before the floor.
    let owes = open && (standing != Standing::Settled || before.is_some());
    ledger.owed.set(table, topic, partition, owes.then_some(debt));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(next: i64, rows: i64, rejects: i64) -> Share<'static> {
        Share { table: "sales", topic: "c/t", partition: 0, next, rows, rejects, pending: i64::MAX, own: None }
    }

    fn debt(ledger: &Settled) -> Option<(i64, i64)> {
        ledger.owed.of("sales", "c/t", 0).map(|debt| (debt.rows, debt.rejects))
    }

    #[test]
    fn a_table_goes_into_debt_stays_in_it_catches_up_and_is_even() {
        let mut ledger = Settled::default();
        ledger.offsets.advance("c/t", 0, 80);
        settle(&mut ledger, share(80, 80, 80), Standing::Settled);
        assert_eq!(debt(&ledger), None);
        // A commit of 80 to 100 fails for this table; what it refused of them is among the dead letters.
        ledger.offsets.advance("c/t", 0, 100);
        settle(&mut ledger, share(100, 80, 80), Standing::Failed);
        assert_eq!(debt(&ledger), Some((80, 100)));
        // In quarantine.
        ledger.offsets.advance("c/t", 0, 200);
        settle(&mut ledger, share(200, 80, 100), Standing::Blind);
        assert_eq!(debt(&ledger), Some((80, 100)));
        let seen = Ledger::of(&ledger);
        assert_eq!((seen.rows("sales", "c/t", 0), seen.rejects("sales", "c/t", 0)), (Some(80), Some(100)));
        assert_eq!((seen.rows("users", "c/t", 0), seen.floor("c/t", 0)), (Some(200), Some(200)));
        // Out of it: read from 80 on, and committed at 150 first.
        settle(&mut ledger, share(150, 80, 100), Standing::Settled);
        assert_eq!(debt(&ledger), Some((150, 150)));
        settle(&mut ledger, share(200, 80, 100), Standing::Settled);
        assert_eq!(debt(&ledger), None);
    }

    #[test]
    fn a_row_that_the_dead_letters_lack_stays_owed() {
        let mut ledger = Settled::default();
        ledger.offsets.advance("c/t", 0, 200);
        ledger.owed.set("sales", "c/t", 0, Some(Debt { rows: 80, rejects: 100, ..Debt::default() }));
        let share = Share { pending: 160, ..share(150, 200, 100) };
        settle(&mut ledger, share, Standing::Settled);
        assert_eq!(debt(&ledger), Some((160, 150)));
    }

    #[test]
    fn a_table_that_was_not_declared_for_a_while_is_owed_nothing_of_that() {
        let mut ledger = Settled::default();
        ledger.offsets.advance("c/t", 0, 300);
        let owed = Debt { rows: 80, rejects: 100, own: Some(70), undeclared: vec![(200, 300)] };
        ledger.owed.set("sales", "c/t", 0, Some(owed));
        settle(&mut ledger, share(150, 80, 100), Standing::Settled);
        assert_eq!(debt(&ledger), Some((150, 150)));
        // Fails again further on: what it lacks is on both sides.
        let mut failed = ledger.clone();
        failed.offsets.advance("c/t", 0, 350);
        settle(&mut failed, Share { own: Some(150), ..share(350, 150, 150) }, Standing::Failed);
        let owed = Debt { rows: 150, rejects: 350, own: Some(150), undeclared: vec![(200, 300)] };
        assert_eq!(failed.owed.of("sales", "c/t", 0), Some(&owed));
        // It has come to where it wasn't declared any more: that's all.
        settle(&mut ledger, share(210, 80, 100), Standing::Settled);
        assert_eq!(debt(&ledger), None);
    }

    #[test]
    fn others_that_read_again_for_it_owe_nothing() {
        let mut ledger = Settled::default();
        ledger.offsets.advance("c/t", 0, 200);
        let users = Share { table: "users", ..share(150, 200, 200) };
        settle(&mut ledger, users, Standing::Settled);
        assert!(ledger.owed.is_empty());
        // Nor does one that fails, as far as it had come.
        settle(&mut ledger, users, Standing::Failed);
        assert!(ledger.owed.is_empty());
    }
}
