//! Decoding on all cores: desks with a decoder each, threads that work at them, and what they report.
//!
//! A partition belongs to one desk for as long as a generation lasts, so that its records are taken in, and its rows stand in batches, in
//! their order. Whoever changes anything but by messages first lets the desks rest: what is decoded then is whole, and nothing of
//! what was only fetched. `docs/decisions/decode-in-parallel.md` says why it is cut here.

mod desk;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use lakewright_config::agents::stream::OnReject;

use crate::partition::{Counters, Shared, Taken, take};
use crate::produced::Produced;
use crate::record::Fetched;
use crate::router::{Broken, Collected, Router};
use crate::sink::said;
use desk::Desk;
pub(crate) use desk::Lines;

/// Messages of one partition in their order.
pub(crate) struct Run<M> {
    pub(crate) partition: Shared,
    pub(crate) messages: VecDeque<M>,
}

/// Messages on their way to a desk.
pub(crate) struct Chunk<M> {
    runs: VecDeque<Run<M>>,
    /// How many messages it had in the beginning,
    messages: usize,
    /// and how many bytes.
    bytes: usize,
    /// When they were fetched, in microseconds.
    now: i64,
}

impl<M: Fetched> Chunk<M> {
    fn new(now: i64) -> Self {
        Self { runs: VecDeque::new(), messages: 0, bytes: 0, now }
    }

    fn add(&mut self, partition: &Shared, message: M) -> usize {
        let bytes = message.payload().map_or(0, <[u8]>::len) + size_of::<M>();
        self.messages += 1;
        self.bytes += bytes;
        match self.runs.back_mut() {
            Some(run) if Arc::ptr_eq(&run.partition, partition) => run.messages.push_back(message),
            _ => {
                self.runs.push_back(Run { partition: Arc::clone(partition), messages: VecDeque::from([message]) });
            }
        }
        bytes
    }
}

/// What came of messages.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Since when the desks work, as [`Decode::begin`] counts.
    turn: u64,
    /// How many messages and bytes of a chunk are done with, once they all are.
    pub(crate) done: Option<(usize, usize)>,
    /// How many records were taken in, and their bytes.
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// How much they take of [`Taken::MANY_BROKEN`].
    pub(crate) broken: usize,
    /// Rows that became enough for a batch.
    pub(crate) full: Vec<Collected>,
    pub(crate) problems: Vec<Problem>,
}

/// What keeps records from being taken in.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The partition, by the topic's position and its number, must not go past a record.
    Stop((usize, i32), String),
    /// A table's code failed. The desk takes nothing more in.
    Broken(Broken),
    /// The program failed outside of any table's code.
    Died(String),
}

/// What decodes at a desk.
struct Decoder {
    /// `None` when nothing is taken in until reading begins again.
    router: Option<Router>,
    /// When the records were produced that are held.
    produced: Produced,
    on_reject: OnReject,
    counters: Arc<Counters>,
    /// See [`Taken::MANY_BROKEN`]: of all desks.
    broken: Arc<AtomicUsize>,
}

impl Decoder {
    /// Takes in messages, but stops where too many broke a table's code: what is left is taken in after a commit.
    fn work<M: Fetched>(&mut self, chunk: &mut Chunk<M>, report: &mut Report) {
        let worked = catch_unwind(AssertUnwindSafe(|| self.work_unguarded(chunk, report)));
        if let Err(panic) = worked {
            self.router = None;
            report.problems.push(Problem::Died(said(&*panic)));
        }
        self.counters.records.increment(report.records);
        self.counters.bytes.increment(report.bytes);
        if self.router.is_none() {
            chunk.runs.clear();
        }
        if chunk.runs.is_empty() {
            report.done = Some((chunk.messages, chunk.bytes));
        }
    }

    fn work_unguarded<M: Fetched>(&mut self, chunk: &mut Chunk<M>, report: &mut Report) {
        let Some(router) = &mut self.router else { return };
        while let Some(run) = chunk.runs.front_mut() {
            let mut partition = run.partition.lock();
            while let Some(message) = run.messages.front() {
                if self.broken.load(Ordering::Relaxed) >= Taken::MANY_BROKEN {
                    return;
                }
                let taken = take(message, (&mut partition, router), (&self.counters, self.on_reject), chunk.now);
                match taken {
                    Ok(None) => {}
                    Ok(Some(Taken { bytes, full, stop, broken })) => {
                        if broken > 0 {
                            self.broken.fetch_add(broken, Ordering::Relaxed);
                            report.broken += broken;
                        }
                        report.full.extend(full.map(|full| *full));
                        if let Some(reason) = stop {
                            report.problems.push(Problem::Stop((partition.topic, partition.number), reason));
                        } else {
                            report.records += 1;
                            report.bytes += bytes;
                            self.produced.add(message.timestamp());
                        }
                    }
                    Err(broken) => {
                        report.problems.push(Problem::Broken(broken));
                        drop(partition);
                        self.router = None;
                        return;
                    }
                }
                run.messages.pop_front();
            }
            drop(partition);
            chunk.runs.pop_front();
        }
    }
}

/// The desks, as whoever fetches messages sees them.
pub(crate) struct Decode {
    desks: Vec<Arc<Desk>>,
    reports: Receiver<Report>,
    reporting: Sender<Report>,
    broken: Arc<AtomicUsize>,
    /// Counts how often reading began: what was fetched before is of no use then.
    turn: u64,
    /// The bytes of messages that are on their way to desks.
    on_the_way: usize,
}

impl Decode {
    /// So many desks, at which nothing is taken in yet.
    pub(crate) fn new(desks: usize, on_reject: OnReject, counters: &Arc<Counters>) -> Self {
        let (reporting, reports) = channel();
        let broken = Arc::new(AtomicUsize::new(0));
        let decoder = || Decoder {
            router: None,
            produced: Produced::default(),
            on_reject,
            counters: Arc::clone(counters),
            broken: Arc::clone(&broken),
        };
        let desks = (0..desks).map(|_| Arc::new(Desk::new(decoder()))).collect();
        Self { desks, reports, reporting, broken, turn: 0, on_the_way: 0 }
    }

    /// How many desks there are.
    pub(crate) fn desks(&self) -> usize {
        self.desks.len()
    }

    /// Lets all desks rest until [`Decode::go_on`].
    pub(crate) fn rest(&self) {
        self.desks.iter().for_each(|desk| desk.set_rests(true));
        self.desks.iter().for_each(|desk| desk.wait());
    }

    /// Lets all desks work.
    pub(crate) fn go_on(&self) {
        self.desks.iter().for_each(|desk| desk.set_rests(false));
    }

    /// Gives the rows of a desk that rests which are not enough for a batch yet, and when the records were produced; `None` when what
    /// was taken in there is of no use.
    ///
    /// # Errors
    /// A table's code failed.
    pub(crate) fn drain(&self, desk: usize) -> Result<Option<(Vec<Collected>, Vec<(i64, u64)>)>, Broken> {
        self.desks[desk].with(|decoder| {
            let produced = decoder.produced.take();
            let Some(router) = &mut decoder.router else { return Ok(None) };
            Ok(Some((router.drain()?, produced)))
        })
    }

    /// Takes in nothing more; what was collected is forgotten. The desks rest.
    pub(crate) fn stop(&mut self) {
        self.rest();
        self.restore();
        for desk in &self.desks {
            desk.with(|decoder| {
                decoder.router = None;
                decoder.produced.take();
            });
        }
    }

    /// Reading begins with these routers, one for each desk; messages that are on their way are of no use any more. The desks rest.
    pub(crate) fn begin(&mut self, routers: Vec<Router>) {
        for (desk, router) in self.desks.iter().zip(routers) {
            desk.with(|decoder| decoder.router = Some(router));
        }
    }

    /// Forgets messages that are on their way to desks. The desks rest.
    pub(crate) fn forget_fetched(&mut self) {
        self.turn += 1;
        self.on_the_way = 0;
        self.desks.iter().for_each(|desk| desk.set_turn(self.turn));
    }

    /// What broke a table's code so far is settled: the desks may take in more of it.
    pub(crate) fn restore(&self) {
        self.broken.store(0, Ordering::Relaxed);
    }

    /// How many bytes of messages are on their way to desks.
    pub(crate) fn on_the_way(&self) -> usize {
        self.on_the_way
    }

    /// The next report, if there is one within some time.
    pub(crate) fn report(&mut self, wait: Duration) -> Option<Report> {
        loop {
            let report = if wait.is_zero() {
                self.reports.try_recv().ok()?
            } else {
                match self.reports.recv_timeout(wait) {
                    Ok(report) => report,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
                }
            };
            if report.turn == self.turn {
                self.note(&report);
                return Some(report);
            }
        }
    }

    fn note(&mut self, report: &Report) {
        if let Some((_, bytes)) = report.done {
            self.on_the_way -= bytes;
        }
    }
}
