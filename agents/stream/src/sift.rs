//! Sifting: which rows of a commit can't be written.
//!
//! A writer fails as a whole, for a row that nobody knows. The rows are halved until the ones that fail alone are known;
//! the others are written together. What fails for another reason than its rows ends the sifting: nothing is known then.

use arrow_array::RecordBatch;

use crate::batch::Batch;
use crate::sink::{Blame, Fault, Sink, guarded};

/// So many attempts are worth it; a table that needs more has another problem.
const MAX_ATTEMPTS: usize = 4096;
/// When so many rows in a row fail and none succeeded, none will.
const HOPELESS: usize = 16;
/// So many rows of one commit are refused at most: their offsets and reasons stand in the snapshot's summary.
const MAX_REFUSED: usize = 500;

/// A row that can't be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unwritable {
    pub(crate) batch: usize,
    pub(crate) row: usize,
    pub(crate) reason: String,
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

/// Writes and finishes all rows that can be written; gives the others.
///
/// # Errors
/// It isn't the rows' fault, or so many of them can't be written that it is the table's. Nothing is finished then.
pub(crate) async fn sift<S: Sink>(sink: &mut S, batches: &[Batch]) -> Result<Vec<Unwritable>, Fault> {
    let whole = batches.iter().enumerate();
    let mut open: Vec<Piece> =
        whole.map(|(batch, held)| Piece { batch, start: 0, rows: held.rows.num_rows() }).rev().collect();
    // What failed before may have passed.
    let everything: Vec<Piece> = open.iter().rev().copied().collect();
    match attempt(sink, &everything, batches).await {
        Ok(()) => return Ok(Vec::new()),
        Err(fault) if fault.blame != Blame::Rows => return Err(fault),
        Err(_) => {}
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut attempts = 0;
    while let Some(piece) = open.pop() {
        attempts += 1;
        match attempt(sink, &[piece], batches).await {
            Ok(()) => {
                sink.discard().await;
                good.push(piece);
            }
            Err(fault) if fault.blame != Blame::Rows => return Err(fault),
            Err(fault) if piece.rows <= 1 => {
                bad.push(Unwritable { batch: piece.batch, row: piece.start, reason: fault.to_string() });
                let hopeless = good.is_empty() && bad.len() >= HOPELESS;
                if hopeless || bad.len() > MAX_REFUSED || attempts > MAX_ATTEMPTS {
                    let (bad, error) = (bad.len(), fault.error);
                    let error = error.context(format!("{bad} of its rows can't be written"));
                    return Err(Fault { blame: Blame::Table, error });
                }
            }
            Err(_) => open.extend(piece.halves().into_iter().rev()),
        }
    }
    good.sort_unstable();
    match attempt(sink, &good, batches).await {
        Ok(()) => Ok(bad),
        Err(Fault { blame: Blame::Rows, error }) => {
            let what = "rows that can be written in parts can't be written together";
            Err(Fault { blame: Blame::Table, error: error.context(what) })
        }
        Err(fault) => Err(fault),
    }
}

/// Writes pieces and finishes them.
async fn attempt<S: Sink>(sink: &mut S, pieces: &[Piece], batches: &[Batch]) -> Result<(), Fault> {
    sink.forget();
    let result = guarded(async {
        for piece in pieces {
            sink.write(piece.of(batches)).await?;
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

    async fn sifted(shelf: &Arc<Mutex<Shelf>>, batches: &[Batch]) -> Result<Vec<i64>, Fault> {
        let mut sink = MemorySink::new(shelf);
        sink.open().await.expect("opened");
        let bad = sift(&mut sink, batches).await?;
        sink.commit(&Settled::default(), &Settled::default()).await.expect("committed");
        Ok(bad.iter().map(|one| batches[one.batch].origins[one.row].place.offset).collect())
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
        assert!(fault.to_string().contains("0 is poison") || fault.to_string().contains("is poison"), "{fault}");
    }
}
