//! Desks, the threads that work at them, and the lines of messages before them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;

use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use super::{Chunk, Decode, Decoder, Report, Shared};
use crate::partition::Taken;
use crate::record::Fetched;

/// A place for one decoder, at which one thread works at a time.
pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    broken: Arc<AtomicUsize>,
}

struct State {
    rests: bool,
    /// Nobody works at it any more.
    closed: bool,
    turn: u64,
    /// `None` while somebody works with it.
    decoder: Option<Decoder>,
}

impl Desk {
    pub(super) fn new(decoder: Decoder) -> Self {
        let broken = Arc::clone(&decoder.broken);
        let state = State { rests: true, closed: false, turn: 0, decoder: Some(decoder) };
        Self { state: Mutex::new(state), changed: Condvar::new(), broken }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    pub(super) fn set_rests(&self, rests: bool) {
        self.change(|state| state.rests = rests);
    }

    pub(super) fn set_turn(&self, turn: u64) {
        self.change(|state| state.turn = turn);
    }

    /// Waits until nobody works at it.
    pub(super) fn wait(&self) {
        let mut state = self.state.lock();
        while state.decoder.is_none() {
            self.changed.wait(&mut state);
        }
    }

    /// Its decoder, while it rests.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Decoder) -> T) -> T {
        work(self.state.lock().decoder.as_mut().expect("the desks rest"))
    }

    /// Takes its decoder to work on messages that were fetched in a turn; waits until that may be. `None` when they are of no use any
    /// more.
    fn enter(&self, turn: u64) -> Option<Decoder> {
        let mut state = self.state.lock();
        loop {
            if state.closed || state.turn != turn {
                return None;
            }
            if let Some(decoder) = self.free(&mut state) {
                return Some(decoder);
            }
            self.changed.wait(&mut state);
        }
    }

    /// The same, without waiting.
    fn try_enter(&self, turn: u64) -> Option<Decoder> {
        let mut state = self.state.lock();
        if state.turn == turn { self.free(&mut state) } else { None }
    }

    fn free(&self, state: &mut State) -> Option<Decoder> {
        let may_work = !state.rests && self.broken.load(Ordering::Relaxed) < Taken::MANY_BROKEN;
        if may_work { state.decoder.take() } else { None }
    }

    fn leave(&self, decoder: Decoder) {
        self.change(|state| state.decoder = Some(decoder));
    }
}

/// The lines of messages before the desks. When they are dropped, the threads end.
pub(crate) struct Lines<M> {
    turn: u64,
    desks: Vec<Arc<Desk>>,
    /// What is lined up and no thread has yet.
    open: Vec<Option<Chunk<M>>>,
    /// To the threads; none where there is one desk, at which whoever fetches works.
    threads: Vec<Sender<(u64, Chunk<M>)>>,
    /// What is left to whoever fetches.
    left: VecDeque<Chunk<M>>,
    reporting: Sender<Report>,
}

impl<M: Fetched> Lines<M> {
    /// Starts the threads.
    pub(crate) fn start<'scope>(scope: &'scope Scope<'scope, '_>, decode: &Decode) -> Self
    where
        M: 'scope,
    {
        decode.desks.iter().for_each(|desk| desk.change(|state| state.closed = false));
        let mut threads = Vec::new();
        if decode.desks.len() > 1 {
            // Schemas are asked for from there.
            let runtime = Handle::try_current().ok();
            for desk in &decode.desks {
                let (sender, line) = channel();
                let (desk, reporting, runtime) = (Arc::clone(desk), decode.reporting.clone(), runtime.clone());
                scope.spawn(move || {
                    let _runtime = runtime.as_ref().map(Handle::enter);
                    work(&desk, &line, &reporting);
                });
                threads.push(sender);
            }
        }
        Self {
            turn: decode.turn,
            desks: decode.desks.clone(),
            open: decode.desks.iter().map(|_| None).collect(),
            threads,
            left: VecDeque::new(),
            reporting: decode.reporting.clone(),
        }
    }

    /// Drops what is of no use any more, and works on what was left; returns whether nothing is left.
    pub(crate) fn is_free(&mut self, decode: &Decode) -> bool {
        if self.turn != decode.turn {
            self.turn = decode.turn;
            self.left.clear();
        }
        self.work_here();
        self.left.is_empty()
    }

    /// Lines a message up that was fetched now, in microseconds; gives the bytes that it takes.
    pub(crate) fn add(
        &mut self,
        decode: &mut Decode,
        (desk, partition): (usize, &Shared),
        message: M,
        now: i64,
    ) -> usize {
        let chunk = self.open[desk].get_or_insert_with(|| Chunk::new(now));
        let bytes = chunk.add(partition, message);
        decode.on_the_way += bytes;
        bytes
    }

    /// Gives what is lined up to the desks. Where nothing else is on its way, it is decoded `here`: a thread would take longer to wake up.
    pub(crate) fn send(&mut self, decode: &Decode, here: bool) {
        let chunks = self.open.iter_mut().enumerate().filter_map(|(desk, open)| Some((desk, open.take()?)));
        let chunks: Vec<(usize, Chunk<M>)> = chunks.collect();
        let all: usize = chunks.iter().map(|(_, chunk)| chunk.bytes).sum();
        let here = here && all == decode.on_the_way;
        for (desk, mut chunk) in chunks {
            let Some(thread) = self.threads.get(desk) else {
                self.left.push_back(chunk);
                continue;
            };
            if here {
                work_once(&self.desks[desk], (self.turn, &mut chunk), &self.reporting);
            }
            if !chunk.runs.is_empty() {
                _ = thread.send((self.turn, chunk));
            }
        }
        self.work_here();
    }

    /// Works at the only desk as long as it may.
    fn work_here(&mut self) {
        while let Some(chunk) = self.left.front_mut() {
            work_once(&self.desks[0], (self.turn, chunk), &self.reporting);
            if !chunk.runs.is_empty() {
                return;
            }
            self.left.pop_front();
        }
    }
}

impl<M> Drop for Lines<M> {
    fn drop(&mut self) {
        self.desks.iter().for_each(|desk| desk.change(|state| state.closed = true));
    }
}

/// Works on messages if the desk is free.
fn work_once<M: Fetched>(desk: &Desk, (turn, chunk): (u64, &mut Chunk<M>), reporting: &Sender<Report>) {
    if let Some(decoder) = desk.try_enter(turn) {
        work_with(decoder, desk, (turn, chunk), reporting);
    }
}

fn work_with<M: Fetched>(
    mut decoder: Decoder,
    desk: &Desk,
    (turn, chunk): (u64, &mut Chunk<M>),
    reporting: &Sender<Report>,
) {
    let mut report = Report { turn, ..Report::default() };
    decoder.work(chunk, &mut report);
    // Before the desk is free: whoever lets it rest finds all reports.
    _ = reporting.send(report);
    desk.leave(decoder);
}

/// Works at a desk on what comes in its line.
fn work<M: Fetched>(desk: &Desk, line: &Receiver<(u64, Chunk<M>)>, reporting: &Sender<Report>) {
    for (turn, mut chunk) in line {
        while !chunk.runs.is_empty() {
            let Some(decoder) = desk.enter(turn) else { break };
            work_with(decoder, desk, (turn, &mut chunk), reporting);
        }
    }
}
