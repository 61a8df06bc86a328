//! Sifting: which rows of a commit can't be written.
//!
//! A writer fails as a whole, for a row that nobody knows. The rows are halved until the ones that fail alone are known;
//! the others are written together. However many fail, something is settled: where it becomes too much for one commit,
//! the rows from there on are left to the next. What fails for another reason than its rows ends the sifting: nothing is
//! known then.

use arrow_array::RecordBatch;

use crate::batch::Batch;
use crate::sink::{Blame, Fault, Sink, guarded};

/// So many attempts are worth it in one commit; each makes a file.
const MAX_ATTEMPTS: usize = 1024;
/// So many rows of one commit are refused at most: their offsets and reasons stand in the snapshot's summary.
const MAX_REFUSED: usize = 500;
/// When so many rows fail before any succeeds, others are tried from all over the commit,
const SUSPICIOUS: usize = 16;
/// so many of them: if none of those can be written, it is the table's fault.
const SAMPLES: usize = 16;

/// A row that can't be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unwritable {
    pub(crate) batch: usize,
    pub(crate) row: usize,
    pub(crate) reason: String,
}

/// What sifting came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sifted {
    pub(crate) refused: Vec<Unwritable>,
    /// The batch and row from which on nothing was looked at; `None`: all was.
    pub(crate) open: Option<(usize, usize)>,
}

/// Rows that stand together in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    batch: usize,
    start: usize,
    rows: usize,
}

impl Piece {
    fn of(self, batches: &[Batch]) -> RecordBatch {
        batches[self.batch].rows.slice(self.start, self.rows)
    }

    fn halves(self) -> [Self; 2] {
        let first = self.rows / 2;
        [Self { rows: first, ..self }, Self { start: self.start + first, rows: self.rows - first, ..self }]
    }
}

/// Writes and finishes the rows that can be written, up to where it becomes too much; gives the others. With `patient`,
/// it is the table's fault where no row of many can be written; without, they are refused one by one like any others.
///
/// # Errors
/// It isn't the rows' fault, or it is the table's. Nothing is finished then.
pub(crate) async fn sift<S: Sink>(sink: &mut S, batches: &[Batch], patient: bool) -> Result<Sifted, Fault> {
    let whole = batches.iter().enumerate();
    let mut open: Vec<Piece> =
        whole.map(|(batch, held)| Piece { batch, start: 0, rows: held.rows.num_rows() }).rev().collect();
    // What failed before may have passed.
    let everything: Vec<Piece> = open.iter().rev().copied().collect();
    match attempt(sink, &everything, batches).await {
        Ok(()) => return Ok(Sifted::default()),
        Err(fault) if fault.blame != Blame::Rows => return Err(fault),
        Err(_) => {}
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut attempts = 0;
    // Pieces are taken in the order of the rows: what is settled has no gaps.
    while bad.len() < MAX_REFUSED && attempts < MAX_ATTEMPTS {
        let Some(piece) = open.pop() else { break };
        attempts += 1;
        match attempt(sink, &[piece], batches).await {
            Ok(()) => {
                sink.discard().await;
                good.push(piece);
            }
            Err(fault) if fault.blame != Blame::Rows => return Err(fault),
            Err(fault) if piece.rows <= 1 => {
                bad.push(Unwritable { batch: piece.batch, row: piece.start, reason: fault.to_string() });
                let suspicious = patient && good.is_empty() && bad.len() == SUSPICIOUS;
                if suspicious && !any_of(sink, &open, batches).await? {
                    let error = fault.error.context("none of many rows can be written");
                    return Err(Fault { blame: Blame::Table, error });
                }
            }
            Err(_) => open.extend(piece.halves().into_iter().rev()),
        }
    }
    // Rows that can be written in parts may be too much together: fewer are taken, and the rest is left to the next commit.
    loop {
        match attempt(sink, &good, batches).await {
            Ok(()) => break,
            Err(Fault { blame: Blame::Rows, error }) if good.len() <= 1 => {
                let what = "rows that could be written before can't be written again";
                return Err(Fault { blame: Blame::Table, error: error.context(what) });
            }
            Err(Fault { blame: Blame::Rows, .. }) => {
                open.extend(good.drain(good.len() / 2..).rev());
            }
            Err(fault) => return Err(fault),
        }
    }
    let open = open.last().map(|piece| (piece.batch, piece.start));
    // What is refused behind that is looked at again.
    bad.retain(|one| open.is_none_or(|first| (one.batch, one.row) < first));
    Ok(Sifted { refused: bad, open })
}

/// Whether any can be written of some rows that stand far from each other. Where there are no more, nobody knows.
async fn any_of<S: Sink>(sink: &mut S, open: &[Piece], batches: &[Batch]) -> Result<bool, Fault> {
    let count: usize = open.iter().map(|piece| piece.rows).sum();
    let samples = SAMPLES.min(count);
    for sample in 0..samples {
        // The last row is one of them: what came later than all others.
        let mut at = (sample + 1) * count / samples - 1;
        // The pieces stand in the order of the rows, the next one last.
        let piece = open.iter().rev().find(|piece| {
            let here = at < piece.rows;
            at -= if here { 0 } else { piece.rows };
            here
        });
        let piece = piece.expect("it is less than the number of rows");
        match attempt(sink, &[Piece { start: piece.start + at, rows: 1, ..*piece }], batches).await {
            Ok(()) => {
                sink.discard().await;
                return Ok(true);
            }
            Err(fault) if fault.blame != Blame::Rows => return Err(fault),
            Err(_) => {}
        }
    }
    Ok(samples == 0)
}

/// Writes pieces and finishes them.
async fn attempt<S: Sink>(sink: &mut S, pieces: &[Piece], batches: &[Batch]) -> Result<(), Fault> {
    sink.forget();
    let result = guarded(async {
        for piece in pieces {
            sink.write(piece.of(batches), None).await?;
        }
        sink.finish().await.map(drop)
    })
    .await;
    if result.is_err() {
        sink.forget();
    }
    result
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::settled::Settled;
    use crate::sink::memory::{MemorySink, Shelf};
    use crate::testing::{batch, schema};

    /// The offsets that are refused, and the first that nobody looked at.
    async fn sift_some(
        shelf: &Arc<Mutex<Shelf>>,
        batches: &[Batch],
        patient: bool,
    ) -> Result<(Vec<i64>, Option<i64>), Fault> {
        let mut sink = MemorySink::new(shelf);
        sink.open().await.expect("opened");
        let Sifted { refused, open } = sift(&mut sink, batches, patient).await?;
        sink.commit(&Settled::default(), &Settled::default()).await.expect("committed");
        let offset = |batch: usize, row: usize| batches[batch].origins[row].place.offset;
        let refused = refused.iter().map(|one| offset(one.batch, one.row)).collect();
        Ok((refused, open.map(|(batch, row)| offset(batch, row))))
    }

    async fn sifted(shelf: &Arc<Mutex<Shelf>>, batches: &[Batch]) -> Result<Vec<i64>, Fault> {
        let (refused, open) = sift_some(shelf, batches, true).await?;
        assert_eq!(open, None);
        Ok(refused)
    }

    #[tokio::test]
    async fn rows_that_fail_are_found_wherever_they_stand_and_the_others_are_written() {
        let batches = [batch(0..100), batch(100..101), batch(101..140)];
        let cases: [&[i64]; 5] = [&[], &[0], &[139], &[0, 1, 50, 99, 100], &[7, 120, 121]];
        for poison in cases {
            let shelf = Shelf::new(schema());
            shelf.lock().poison = poison.to_vec();
            assert_eq!(sifted(&shelf, &batches).await.expect("sifted"), poison);
            let expected: Vec<i64> = (0..140).filter(|offset| !poison.contains(offset)).collect();
            assert_eq!(shelf.lock().offsets(), expected);
        }
    }

    #[tokio::test]
    async fn a_row_that_makes_the_writer_panic_is_one_of_them() {
        let shelf = Shelf::new(schema());
        shelf.lock().panics = Some(3);
        assert_eq!(sifted(&shelf, &[batch(0..10)]).await.expect("sifted"), [3]);
        assert_eq!(shelf.lock().offsets(), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
    }

    #[tokio::test]
    async fn a_single_row_is_refused_and_a_table_that_takes_none_of_many_is_at_fault() {
        let shelf = Shelf::new(schema());
        shelf.lock().poison = (0..1000).collect();
        assert_eq!(sifted(&shelf, &[batch(5..6)]).await.expect("sifted"), [5]);
        let fault = sifted(&shelf, &[batch(0..1000)]).await.expect_err("hopeless");
        assert_eq!(fault.blame, Blame::Table);
        assert!(fault.to_string().contains("is poison"), "{fault}");
        // As few as there are: nobody knows of a row that can be written.
        assert_eq!(sifted(&shelf, &[batch(0..16)]).await.expect("sifted").len(), 16);
    }

    #[tokio::test]
    async fn however_many_fail_at_the_head_they_are_found() {
        for (bad, last) in [(16, 200), (17, 40), (300, 301), (200, 10_000)] {
            let shelf = Shelf::new(schema());
            shelf.lock().poison = (0..bad).collect();
            let found = sifted(&shelf, &[batch(0..last / 2), batch(last / 2..last)]).await.expect("sifted");
            assert_eq!(found, (0..bad).collect::<Vec<i64>>());
            assert_eq!(shelf.lock().offsets(), (bad..last).collect::<Vec<i64>>());
        }
    }

    #[tokio::test]
    async fn what_is_too_much_for_one_commit_is_left_to_the_next() {
        let shelf = Shelf::new(schema());
        let poison: Vec<i64> = (10..2000).filter(|offset| offset % 7 > 0).collect();
        shelf.lock().poison.clone_from(&poison);
        let (mut next, mut refused, mut commits) = (0, Vec::new(), 0);
        while next < 2010 {
            let (more, open) = sift_some(&shelf, &[batch(next..2005), batch(2005..2010)], true).await.expect("sifted");
            refused.extend(more);
            let end = open.unwrap_or(2010);
            assert!(end > next, "nothing was settled from {next} on");
            (next, commits) = (end, commits + 1);
        }
        assert_eq!(refused, poison);
        let expected: Vec<i64> = (0..2010).filter(|offset| !poison.contains(offset)).collect();
        assert_eq!(shelf.lock().offsets(), expected);
        assert!(commits > 2, "{commits}");
    }

    #[tokio::test]
    async fn rows_that_can_be_written_in_parts_only_are_written_in_parts() {
        let shelf = Shelf::new(schema());
        (shelf.lock().most, shelf.lock().poison) = (30, vec![3, 77]);
        let (mut next, mut refused) = (0, Vec::new());
        while next < 100 {
            let (more, open) = sift_some(&shelf, &[batch(next..100)], true).await.expect("sifted");
            refused.extend(more);
            assert!(open.is_none_or(|open| open > next), "nothing was settled from {next} on");
            next = open.unwrap_or(100);
        }
        assert_eq!(refused, [3, 77]);
        assert_eq!(shelf.lock().offsets(), (0..100).filter(|offset| ![3, 77].contains(offset)).collect::<Vec<i64>>());
    }

    #[tokio::test]
    async fn without_patience_rows_are_refused_even_when_none_can_be_written() {
        let shelf = Shelf::new(schema());
        shelf.lock().poison = (0..1000).collect();
        let (refused, open) = sift_some(&shelf, &[batch(0..1000)], false).await.expect("sifted");
        assert_eq!((refused.len(), open), (MAX_REFUSED, Some(MAX_REFUSED as i64)));
    }
}
