//! The log of requests: numbered, in memory for the last of them, and in a file when one is named.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use crate::clock;

/// How many events are kept in memory.
const KEPT: usize = 10_000;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// The line's own number; it grows by one with each line and survives a reset.
    pub line: u64,
    /// The request's number, counted from 1.
    pub n: u64,
    /// The request's number among those that change something; null for the others.
    pub mutation: Option<u64>,
    /// Which part of the request's life this is about.
    pub phase: Phase,
    /// When, in RFC 3339 with milliseconds.
    pub time: String,
    /// The signing name of the service.
    pub service: String,
    /// The operation.
    pub operation: String,
    /// The main thing that the request names, when that is plain to see.
    pub resource: Option<String>,
    /// The caller's account.
    pub account: String,
    /// The status of the answer; null when the request was not executed, or not to its end.
    pub status: Option<u16>,
    /// The error code of the answer.
    pub error: Option<String>,
    /// How long the request took, in milliseconds.
    pub ms: f64,
    /// The name of the fault that hit it.
    pub fault: Option<&'static str>,
}

/// Which part of a request's life an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It has arrived and a fault hits it; nothing was done yet.
    Begin,
    /// Its answer went out, or was withheld: nothing more will be done.
    End,
}

/// The log of a running account; clones are the same log.
#[derive(Clone, Debug)]
pub struct EventLog(Arc<Log>);

#[derive(Debug)]
struct Log {
    state: Mutex<State>,
    written: Notify,
}

#[derive(Debug)]
struct State {
    events: VecDeque<Event>,
    file: Option<File>,
    lines: u64,
    requests: u64,
    mutations: u64,
    resets: u64,
}

impl EventLog {
    /// A log that is also appended to the file, if one is named.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        let state = State { events: VecDeque::new(), file, lines: 0, requests: 0, mutations: 0, resets: 0 };
        Ok(Self(Arc::new(Log { state: Mutex::new(state), written: Notify::new() })))
    }

    /// The kept events of all requests with a number above `n`.
    pub fn after(&self, n: u64) -> Vec<Event> {
        self.0.state.lock().events.iter().filter(|event| event.n > n).cloned().collect()
    }

    /// The kept events that `wanted` picks, as soon as there is one; none when `longest` has passed before.
    pub async fn wait(&self, longest: Duration, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let end = tokio::time::Instant::now() + longest;
        loop {
            let written = self.0.written.notified();
            tokio::pin!(written);
            // Enabled before looking, so that an event written in between wakes it.
            written.as_mut().enable();
            let found: Vec<Event> = self.0.state.lock().events.iter().filter(|event| wanted(event)).cloned().collect();
            if !found.is_empty() || tokio::time::timeout_at(end, written).await.is_err() {
                return found;
            }
        }
    }

    /// Counts requests from 1 again and forgets the events in memory. A request in hand is reported in the file only.
    pub fn reset(&self) {
        let mut state = self.0.state.lock();
        state.events.clear();
        state.requests = 0;
        state.mutations = 0;
        state.resets += 1;
    }

    /// Numbers a request that has arrived, and asks `judge` about it before another is numbered.
    pub(crate) fn begin<T>(&self, told: Told, judge: impl FnOnce(&Told) -> T) -> (Ticket, T) {
        let mut state = self.0.state.lock();
        state.requests += 1;
        let mutation = told.mutating.then(|| {
            state.mutations += 1;
            state.mutations
        });
        let judged = judge(&told);
        let ticket = Ticket {
            log: self.clone(),
            told,
            n: state.requests,
            mutation,
            resets: state.resets,
            began: Instant::now(),
            fault: None,
            ended: false,
        };
        (ticket, judged)
    }

    fn write(&self, resets: u64, mut event: Event) {
        let mut state = self.0.state.lock();
        state.lines += 1;
        event.line = state.lines;
        if let Some(file) = &mut state.file {
            let line = serde_json::to_string(&event).expect("events are plain data");
            // One write for the whole line: whoever follows the file never sees the lines of two requests mixed.
            if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
                tracing::error!(%error, "cannot write to the file of events; no more is written to it");
                state.file = None;
            }
        }
        if resets != state.resets {
            return;
        }
        if state.events.len() == KEPT {
            state.events.pop_front();
        }
        state.events.push_back(event);
        drop(state);
        self.0.written.notify_waiters();
    }
}

/// What a request is.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub service: String,
    pub operation: String,
    pub resource: Option<String>,
    pub account: String,
    pub mutating: bool,
}

/// A request in hand. Dropped before its end, because its client has gone, it is reported without a status.
#[derive(Debug)]
pub(crate) struct Ticket {
    log: EventLog,
    told: Told,
    n: u64,
    mutation: Option<u64>,
    resets: u64,
    began: Instant,
    fault: Option<&'static str>,
    ended: bool,
}

impl Ticket {
    /// What the request is.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// Tells that a fault hits the request.
    pub fn fault(&mut self, name: &'static str) {
        self.fault = Some(name);
        self.write(Phase::Begin, None, None);
    }

    /// Tells the end of the request.
    pub fn end(mut self, status: Option<u16>, error: Option<String>) {
        self.ended = true;
        self.write(Phase::End, status, error);
    }

    fn write(&self, phase: Phase, status: Option<u16>, error: Option<String>) {
        let event = Event {
            line: 0,
            n: self.n,
            mutation: self.mutation,
            phase,
            time: clock::iso(clock::now()),
            service: self.told.service.clone(),
            operation: self.told.operation.clone(),
            resource: self.told.resource.clone(),
            account: self.told.account.clone(),
            status,
            error,
            ms: (self.began.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            fault: self.fault,
        };
        self.log.write(self.resets, event);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended {
            self.write(Phase::End, None, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(mutating: bool) -> Told {
        let account = "123456789012".to_owned();
        Told { service: "ec2".to_owned(), operation: "X".to_owned(), resource: None, account, mutating }
    }

    fn begin(log: &EventLog, mutating: bool) -> Ticket {
        log.begin(told(mutating), |_| ()).0
    }

    #[test]
    fn requests_and_changes_are_counted_apart() {
        let log = EventLog::open(None).unwrap();
        for mutating in [true, false, true] {
            begin(&log, mutating).end(Some(200), None);
        }
        let numbers: Vec<_> = log.after(0).iter().map(|event| (event.n, event.mutation)).collect();
        assert_eq!(numbers, [(1, Some(1)), (2, None), (3, Some(2))]);
        assert_eq!(log.after(2).len(), 1);
    }

    #[test]
    fn a_reset_counts_anew_and_leaves_out_what_began_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let log = EventLog::open(Some(&path)).unwrap();
        let early = begin(&log, true);
        log.reset();
        early.end(Some(200), None);
        begin(&log, true).end(Some(200), None);
        let kept = log.after(0);
        assert_eq!(
            kept.iter().map(|event| (event.n, event.mutation, event.line)).collect::<Vec<_>>(),
            [(1, Some(1), 2)]
        );
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 2);
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let log = EventLog::open(None).unwrap();
        for _ in 0..KEPT + 5 {
            begin(&log, false).end(Some(200), None);
        }
        let kept = log.after(0);
        assert_eq!((kept.len(), kept[0].n), (KEPT, 6));
    }

    #[test]
    fn a_request_whose_client_goes_is_told_without_a_status() {
        let log = EventLog::open(None).unwrap();
        drop(begin(&log, true));
        assert_eq!(
            log.after(0).iter().map(|event| (event.phase, event.status)).collect::<Vec<_>>(),
            [(Phase::End, None)]
        );
    }

    #[tokio::test]
    async fn waiting_ends_with_an_event_or_with_its_time() {
        let log = EventLog::open(None).unwrap();
        assert!(log.wait(Duration::from_millis(1), |_| true).await.is_empty());
        let waiting = tokio::spawn({
            let log = log.clone();
            async move { log.wait(Duration::from_secs(60), |event| event.mutation == Some(1)).await }
        });
        tokio::task::yield_now().await;
        begin(&log, false).end(Some(200), None);
        begin(&log, true).end(Some(200), None);
        assert_eq!(waiting.await.unwrap()[0].n, 2);
    }
}
