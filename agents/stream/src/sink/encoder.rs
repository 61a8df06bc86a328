//! Encoding rows beside everything else: a task for each table, so that tables share all cores and reading goes on.

use anyhow::anyhow;
use arrow_array::RecordBatch;
use lakewright_lake::TableWriter;
use lakewright_lake::plain::{File, PlainWriter};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, yield_now};

use super::iceberg::blame;
use super::{Blame, Fault, bug};
use crate::room::Room;

/// What makes files of rows.
pub(super) trait Writer: Send + 'static {
    /// What became of the rows.
    type Files: Send + 'static;

    /// Adds rows.
    ///
    /// # Errors
    /// They can't be written.
    fn write(&mut self, rows: RecordBatch) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Finishes the files.
    ///
    /// # Errors
    /// One can't be written.
    fn close(self) -> impl Future<Output = anyhow::Result<Self::Files>> + Send;
}

impl Writer for TableWriter {
    type Files = Vec<iceberg::spec::DataFile>;

    async fn write(&mut self, rows: RecordBatch) -> anyhow::Result<()> {
        self.write(rows).await
    }

    async fn close(self) -> anyhow::Result<Self::Files> {
        self.close().await
    }
}

impl Writer for PlainWriter {
    type Files = Vec<File>;

    async fn write(&mut self, rows: RecordBatch) -> anyhow::Result<()> {
        self.write(rows).await
    }

    async fn close(self) -> anyhow::Result<Self::Files> {
        self.close().await
    }
}

/// What the task is asked for, in order.
enum Ask {
    Rows(RecordBatch, Option<Room>),
    Close,
}

/// A writer in a task of its own. Dropped, it ends, and what was written is left alone.
pub(super) struct Encoder<W: Writer> {
    asks: UnboundedSender<Ask>,
    task: JoinHandle<anyhow::Result<Option<W::Files>>>,
}

impl<W: Writer> Encoder<W> {
    /// Begins to write.
    pub(super) fn start(writer: W) -> Self {
        let (asks, asked) = unbounded_channel();
        Self { asks, task: tokio::spawn(encode(writer, asked)) }
    }

    /// Adds rows, which are encoded later; the room that they take is given back then.
    ///
    /// # Errors
    /// Rows that were added before can't be written.
    pub(super) async fn write(&mut self, rows: RecordBatch, room: Option<Room>) -> Result<(), Fault> {
        if self.asks.send(Ask::Rows(rows, room)).is_ok() {
            return Ok(());
        }
        // It has ended before it was asked to.
        Err(self.ended().await.err().unwrap_or_else(no_end))
    }

    /// Finishes the files, and waits for it.
    ///
    /// # Errors
    /// Some of the rows can't be written.
    pub(super) async fn close(mut self) -> Result<W::Files, Fault> {
        // If the task is gone it says why.
        _ = self.asks.send(Ask::Close);
        self.ended().await?.ok_or_else(no_end)
    }

    /// What the task came to.
    async fn ended(&mut self) -> Result<Option<W::Files>, Fault> {
        match (&mut self.task).await {
            Ok(Ok(files)) => Ok(files),
            Ok(Err(error)) => Err(Fault::new(blame(&error, Blame::Rows), error)),
            // A panic is a fault of the rows that were written, and nobody else's.
            Err(error) => Err(match error.try_into_panic() {
                Ok(panic) => Fault::new(Blame::Rows, bug(&*panic)),
                Err(error) => Fault::new(Blame::Passing, error),
            }),
        }
    }
}

impl<W: Writer> Drop for Encoder<W> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What nobody asked for.
fn no_end() -> Fault {
    Fault::new(Blame::Passing, anyhow!("encoding ended before it was asked to: this is a bug in lakewright"))
}

/// Writes what comes until it is asked for the files; without that, nobody wants them.
async fn encode<W: Writer>(mut writer: W, mut asked: UnboundedReceiver<Ask>) -> anyhow::Result<Option<W::Files>> {
    while let Some(ask) = asked.recv().await {
        match ask {
            Ask::Rows(rows, room) => {
                writer.write(rows).await?;
                drop(room);
                // Encoding takes milliseconds: others of this thread have a turn in between.
                yield_now().await;
            }
            Ask::Close => return writer.close().await.map(Some),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::room::Rooms;
    use crate::testing::batch;

    /// Notes how many rows came; waits for a permit before each batch.
    struct Slow {
        permits: Arc<Semaphore>,
        rows: Arc<Mutex<Vec<usize>>>,
    }

    impl Writer for Slow {
        type Files = usize;

        async fn write(&mut self, rows: RecordBatch) -> anyhow::Result<()> {
            self.permits.acquire().await?.forget();
            assert_ne!(rows.num_rows(), 13, "no batch like this");
            anyhow::ensure!(rows.num_rows() != 7, "seven rows can't be written");
            self.rows.lock().push(rows.num_rows());
            Ok(())
        }

        async fn close(self) -> anyhow::Result<usize> {
            Ok(self.rows.lock().iter().sum())
        }
    }

    fn slow(permits: usize) -> (Slow, Arc<Semaphore>, Arc<Mutex<Vec<usize>>>) {
        let (permits, rows) = (Arc::new(Semaphore::new(permits)), Arc::default());
        (Slow { permits: Arc::clone(&permits), rows: Arc::clone(&rows) }, permits, rows)
    }

    #[tokio::test]
    async fn rows_are_handed_over_while_others_are_encoded_and_give_their_room_back_afterwards() {
        let (writer, permits, rows) = slow(0);
        let rooms = Rooms::new(1000);
        let mut encoder = Encoder::start(writer);
        for count in 1..4 {
            encoder.write(batch(0..count).rows, Some(rooms.take(100))).await.expect("handed over");
        }
        assert_eq!((rooms.taken(), rows.lock().len()), (300, 0));
        permits.add_permits(3);
        assert_eq!(encoder.close().await.expect("closed"), 6);
        assert_eq!((rooms.taken(), &**rows.lock()), (0, &[1, 2, 3][..]), "in their order");
    }

    #[tokio::test]
    async fn what_fails_is_said_at_the_end_or_before_and_gives_its_room_back() {
        for (bad, said) in [(7, "seven rows can't be written"), (13, "no batch like this")] {
            let (writer, ..) = slow(100);
            let rooms = Rooms::new(1000);
            let mut encoder = Encoder::start(writer);
            for count in [1, bad, 2] {
                encoder.write(batch(0..count).rows, Some(rooms.take(100))).await.expect("handed over");
            }
            let fault = encoder.close().await.expect_err("it fails");
            assert_eq!(fault.blame, Blame::Rows);
            assert!(fault.to_string().contains(said), "{fault}");
            assert_eq!(rooms.taken(), 0);
        }
        let (writer, ..) = slow(100);
        let mut encoder = Encoder::start(writer);
        encoder.write(batch(0..7).rows, None).await.expect("handed over");
        while !encoder.task.is_finished() {
            yield_now().await;
        }
        assert_eq!(encoder.write(batch(0..1).rows, None).await.expect_err("it failed").blame, Blame::Rows);
    }

    #[tokio::test]
    async fn what_is_forgotten_is_encoded_no_further() {
        let (writer, permits, rows) = slow(1);
        let rooms = Rooms::new(1000);
        let mut encoder = Encoder::start(writer);
        for _ in 0..3 {
            encoder.write(batch(0..1).rows, Some(rooms.take(100))).await.expect("handed over");
        }
        while rows.lock().is_empty() {
            yield_now().await;
        }
        drop(encoder);
        permits.add_permits(10);
        while rooms.taken() > 0 {
            yield_now().await;
        }
        assert_eq!(rows.lock().len(), 1);
    }
}
