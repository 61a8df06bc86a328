//! Where reading a partition begins, from what the tables' maps say.

use anyhow::bail;

/// Where each table of a partition's topic goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// By table, the first offset that it lacks; the dead letters' last.
    pub(crate) from: Vec<i64>,
    /// The first offset to read.
    pub(crate) next: i64,
    /// How many records were removed before they were taken in, at most.
    pub(crate) lost: i64,
}

/// Decides for one partition. `maps` is what each table's map says (the dead letters' last), `own` the tables that the
/// topic feeds, `low` and `high` the first offset that Kafka holds and the one after the last.
///
/// The dead letters are committed last: what their map covers is settled everywhere, so it is a floor for the tables.
/// A table that is new to the topic begins there too: until then its messages were dead letters.
///
/// # Errors
/// The tables hold more than Kafka does: the topic lost records that were taken in already, and offsets would be given
/// a second time.
pub(crate) fn start(maps: &[Option<i64>], own: &[usize], low: i64, high: i64) -> anyhow::Result<Start> {
    let dead = maps.len() - 1;
    let floor = maps[dead];
    let from: Vec<i64> = maps.iter().map(|map| map.max(&floor.clone()).unwrap_or(low)).collect();
    let concerned = || own.iter().copied().chain([dead]);
    let known = concerned().any(|table| maps[table].is_some());
    let earliest = concerned().map(|table| from[table]).min().unwrap_or(low);
    let latest = concerned().map(|table| from[table]).max().unwrap_or(low);
    if latest > high {
        bail!(
            "the tables hold its records up to {latest}, but Kafka's next offset is {high}: the partition lost records. \
             Nothing of it is read, because offsets would be given a second time; make the topic anew"
        );
    }
    let lost = if known { (low - earliest).max(0) } else { 0 };
    Ok(Start { from, next: earliest.max(low), lost })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_letters_are_a_floor_and_tables_skip_what_they_have() {
        let begin = |maps: &[Option<i64>]| start(maps, &[0, 1], 0, 1000).expect("in range");
        assert_eq!(begin(&[None, None, None]), Start { from: vec![0, 0, 0], next: 0, lost: 0 });
        // Killed between a table's first commit and the dead letters'.
        assert_eq!(begin(&[Some(90), None, None]), Start { from: vec![90, 0, 0], next: 0, lost: 0 });
        // A quiet table and a busy one.
        assert_eq!(begin(&[Some(90), Some(10), Some(70)]), Start { from: vec![90, 70, 70], next: 70, lost: 0 });
        // A table that was added later.
        assert_eq!(begin(&[Some(90), None, Some(80)]), Start { from: vec![90, 80, 80], next: 80, lost: 0 });
    }

    #[test]
    fn what_retention_removed_is_counted_and_a_fresh_start_is_no_loss() {
        let begun = start(&[Some(100), Some(50)], &[0], 70, 1000).expect("in range");
        assert_eq!(begun, Start { from: vec![100, 50], next: 70, lost: 20 });
        let fresh = start(&[None, None], &[0], 70, 1000).expect("in range");
        assert_eq!(fresh, Start { from: vec![70, 70], next: 70, lost: 0 });
    }

    #[test]
    fn a_partition_that_went_back_is_refused() {
        let error = start(&[Some(100), Some(90)], &[0], 0, 40).expect_err("went back").to_string();
        assert!(error.contains("up to 100") && error.contains("next offset is 40"), "{error}");
    }
}
