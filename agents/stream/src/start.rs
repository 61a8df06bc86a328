//! Where reading a partition begins, from what the tables and the ledger say.

use std::collections::BTreeMap;

use anyhow::bail;
use lakewright_config::Table;

use crate::ledger::Ledger;
use crate::router::Topic;
use crate::sink::{Fault, Opened};

/// What a table and the ledger say of a partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Whether the partition's topic feeds the table.
    pub(crate) fed: bool,
    /// Whether the table is in quarantine: nothing is read for it.
    pub(crate) blind: bool,
    /// The next offset by the table's own map.
    pub(crate) own: Option<i64>,
    /// The first offset whose row the table may lack, by the ledger.
    pub(crate) rows: Option<i64>,
    /// The first offset that the table may refuse without the dead letters having it, by the ledger.
    pub(crate) rejects: Option<i64>,
    /// The first row that the table couldn't take and the dead letters don't have.
    pub(crate) refused: Option<i64>,
    /// Whether its own map has gone back since it failed: what it had then it has no more.
    pub(crate) went_back: bool,
    /// Spans in which it wasn't declared, as far as something is owed to it.
    pub(crate) undeclared: Vec<(i64, i64)>,
}

/// What is known of a partition of a topic, table by table.
pub(crate) fn known(
    tables: &[Table],
    opened: &[Option<Result<Opened, Fault>>],
    blind: &[bool],
    ledger: &Ledger,
    (topic, partition): (&Topic, i32),
) -> (Vec<Known>, Refused) {
    let refused = refused(tables, opened, ledger, (topic.key.as_str(), partition));
    let all = tables.iter().zip(opened).zip(blind).enumerate();
    let known = all.map(|(index, ((table, opened), blind))| {
        let own = found(opened.as_ref()).and_then(|opened| opened.settled.offsets.get(&topic.key, partition));
        let debt = ledger.debt(&table.name, &topic.key, partition);
        let before = debt.and_then(|debt| debt.own);
        Known {
            fed: table.topic == topic.name,
            blind: *blind,
            own,
            rows: ledger.rows(&table.name, &topic.key, partition),
            rejects: ledger.rejects(&table.name, &topic.key, partition),
            refused: refused.get(&index).and_then(|rows| rows.keys().next().copied()),
            went_back: own.zip(before).is_some_and(|(own, before)| own < before),
            undeclared: debt.map(|debt| debt.undeclared.clone()).unwrap_or_default(),
        }
    });
    (known.collect(), refused)
}

/// Rows of a partition that tables couldn't take and the dead letters don't have, by table and offset, with the reasons.
pub(crate) type Refused = BTreeMap<usize, BTreeMap<i64, String>>;

fn refused(
    tables: &[Table],
    opened: &[Option<Result<Opened, Fault>>],
    ledger: &Ledger,
    (topic, partition): (&str, i32),
) -> Refused {
    let all = tables.iter().zip(opened).enumerate();
    let of = all.filter_map(|(index, (table, opened))| {
        let refused = found(opened.as_ref())?.settled.refused.of(topic, partition)?;
        // The dead letters have those of rows that the ledger covers.
        let mut lacking = refused.clone();
        if let Some(covered) = ledger.rows(&table.name, topic, partition) {
            lacking = lacking.split_off(&covered);
        }
        (!lacking.is_empty()).then_some((index, lacking))
    });
    of.collect()
}

fn found(opened: Option<&Result<Opened, Fault>>) -> Option<&Opened> {
    opened?.as_ref().ok()
}

/// Where each table of a partition's topic goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// By table, the first offset whose row it lacks.
    pub(crate) rows: Vec<i64>,
    /// By table, the first offset that it may refuse without the dead letters having it.
    pub(crate) rejects: Vec<i64>,
    /// By table, spans of which it is owed nothing.
    pub(crate) undeclared: Vec<Vec<(i64, i64)>>,
    /// The same as `rejects` for what names no table.
    pub(crate) dead: i64,
    /// The first offset to read.
    pub(crate) next: i64,
    /// How many records were removed before they were taken in, at most.
    pub(crate) lost: i64,
}

/// Decides for one partition. `tables` are all that are declared, `floor` is the ledger's, `low` and `high` the first
/// offset that Kafka holds and the one after the last.
///
/// What the ledger's floor covers is settled everywhere, but for what is owed. A table that is new to the topic begins
/// there too: until then its messages were dead letters.
///
/// # Errors
/// The tables hold more than Kafka does: the topic lost records that were taken in already, and offsets would be given
/// a second time.
pub(crate) fn start(tables: &[Known], floor: Option<i64>, low: i64, high: i64) -> anyhow::Result<Start> {
    // A table in quarantine stays in the ledger as it is there, whatever its own map says.
    let own = |table: &Known| table.own.filter(|_| !table.blind);
    let has = |table: &Known| match own(table) {
        Some(own) if table.went_back => Some(own),
        own => own.max(table.rows),
    };
    let rows: Vec<i64> = tables.iter().map(|table| has(table).unwrap_or(low)).collect();
    let rejects: Vec<i64> = tables.iter().map(|table| table.rejects.unwrap_or(low)).collect();
    let dead = floor.unwrap_or(low);
    let fed = || tables.iter().enumerate().filter(|(_, table)| table.fed && !table.blind);
    let mut all = vec![dead];
    for (index, table) in fed() {
        all.extend([rows[index], rejects[index]].into_iter().chain(table.refused));
    }
    let known = floor.is_some() || fed().any(|(_, table)| table.own.is_some());
    let earliest = all.iter().copied().min().unwrap_or(low);
    let latest = all.iter().copied().max().unwrap_or(low);
    if latest > high {
        bail!(
            "the tables hold its records up to {latest}, but Kafka's next offset is {high}: the partition lost records. \
             Nothing of it is read, because offsets would be given a second time; make the topic anew"
        );
    }
    let lost = if known { (low - earliest).max(0) } else { 0 };
    let undeclared = tables.iter().map(|table| table.undeclared.clone()).collect();
    Ok(Start { rows, rejects, undeclared, dead, next: earliest.max(low), lost })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables with these maps, all of them fed, and nothing owed.
    fn tables(own: &[Option<i64>], floor: Option<i64>) -> Vec<Known> {
        let of = |own: &Option<i64>| Known { fed: true, own: *own, rows: floor, rejects: floor, ..Known::default() };
        own.iter().map(of).collect()
    }

    fn begin(own: &[Option<i64>], floor: Option<i64>) -> (Vec<i64>, i64, i64, i64) {
        let Start { rows, dead, next, lost, .. } = start(&tables(own, floor), floor, 0, 1000).expect("in range");
        (rows, dead, next, lost)
    }

    #[test]
    fn the_ledger_is_a_floor_and_tables_skip_what_they_have() {
        assert_eq!(begin(&[None, None], None), (vec![0, 0], 0, 0, 0));
        // Killed between a table's first commit and the dead letters'.
        assert_eq!(begin(&[Some(90), None], None), (vec![90, 0], 0, 0, 0));
        // A quiet table and a busy one.
        assert_eq!(begin(&[Some(90), Some(10)], Some(70)), (vec![90, 70], 70, 70, 0));
        // A table that was added later.
        assert_eq!(begin(&[Some(90), None], Some(80)), (vec![90, 80], 80, 80, 0));
    }

    #[test]
    fn a_table_in_quarantine_holds_nobody_up_and_is_read_again_from_what_is_owed() {
        let mut tables = tables(&[Some(200), Some(30)], Some(200));
        (tables[1].rows, tables[1].rejects, tables[1].blind) = (Some(80), Some(100), true);
        let begun = start(&tables, Some(200), 0, 1000).expect("in range");
        let undeclared = vec![vec![]; 2];
        let expected =
            Start { rows: vec![200, 80], rejects: vec![200, 100], undeclared, dead: 200, next: 200, lost: 0 };
        assert_eq!(begun, expected);
        tables[1].blind = false;
        assert_eq!(start(&tables, Some(200), 0, 1000).expect("in range").next, 80);
        // Its last commit took effect although nobody heard of it.
        tables[1].own = Some(100);
        assert_eq!(start(&tables, Some(200), 0, 1000).expect("in range").next, 100);
        // It was rolled back meanwhile.
        (tables[1].own, tables[1].went_back) = (Some(40), true);
        assert_eq!(start(&tables, Some(200), 0, 1000).expect("in range").next, 40);
        (tables[1].own, tables[1].went_back) = (Some(100), false);
        // The dead letters lack a row that it couldn't take.
        tables[1].refused = Some(90);
        assert_eq!(start(&tables, Some(200), 0, 1000).expect("in range").next, 90);
    }

    #[test]
    fn what_retention_removed_is_counted_and_a_fresh_start_is_no_loss() {
        let begun = start(&tables(&[Some(100)], Some(50)), Some(50), 70, 1000).expect("in range");
        assert_eq!((begun.next, begun.lost), (70, 20));
        let fresh = start(&tables(&[None], None), None, 70, 1000).expect("in range");
        assert_eq!((fresh.rows, fresh.next, fresh.lost), (vec![70], 70, 0));
    }

    #[test]
    fn a_partition_that_went_back_is_refused() {
        let error = start(&tables(&[Some(100)], Some(90)), Some(90), 0, 40).expect_err("went back").to_string();
        assert!(error.contains("up to 100") && error.contains("next offset is 40"), "{error}");
    }
}
