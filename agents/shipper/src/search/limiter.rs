//! How many requests may be under way: more while the cluster answers as fast as before, fewer when it refuses or slows down.
//!
//! The rule is additive increase and multiplicative decrease on round-trip times, as in TCP Vegas and its kin: once in a round trip
//! the mean of the answers since is held against the moving average of those before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lakewright_runtime::Gauge;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests may be under way at first.
const FIRST: usize = 2;
/// The most that ever may be.
const MOST: usize = 64;
/// What is left of the limit after a decrease.
const DECREASE: f64 = 0.8;
/// How much of the average a new mean makes up.
const WEIGHT: f64 = 0.4;
/// Answers are slow that take longer than the average by so many of its deviations, and by [`SLOWER`].
const DEVIATIONS: f64 = 2.5;
/// The share of the average by which answers must at least be slower.
const SLOWER: f64 = 0.5;

/// What the limit is decided from.
#[derive(Debug)]
struct State {
    limit: usize,
    /// How many requests are under way.
    under_way: usize,
    /// Whether as many were as may be, since the limit was looked at last.
    reached: bool,
    /// Whether the cluster refused one for want of room since.
    pressed: bool,
    /// Mean and deviation of round-trip times before, in seconds.
    before: Option<(f64, f64)>,
    /// Sum and number of those since.
    since: (f64, u32),
    /// When the limit is looked at next.
    next: Option<Instant>,
    /// Permits that are to vanish when they come back.
    owed: usize,
}

impl State {
    fn new() -> Self {
        Self {
            limit: FIRST,
            under_way: 0,
            reached: false,
            pressed: false,
            before: None,
            since: (0.0, 0),
            next: None,
            owed: 0,
        }
    }

    /// Takes an answer into account; the limit may be another one then.
    fn answered(&mut self, now: Instant, took: Duration, pressed: bool) {
        self.pressed |= pressed;
        if !pressed {
            self.since = (self.since.0 + took.as_secs_f64(), self.since.1 + 1);
        }
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        let mean = (self.since.1 > 0).then(|| self.since.0 / f64::from(self.since.1));
        self.decide(mean);
        (self.reached, self.pressed, self.since) = (false, false, (0.0, 0));
        let pause = self.before.map_or(took, |(average, _)| Duration::from_secs_f64(average.max(0.0)));
        self.next = Some(now + pause);
    }

    fn decide(&mut self, mean: Option<f64>) {
        let slow = match (mean, self.before) {
            (Some(mean), Some((average, deviation))) => mean > average + (deviation * DEVIATIONS).max(average * SLOWER),
            _ => false,
        };
        if self.pressed || slow {
            self.limit = ((self.limit as f64 * DECREASE) as usize).max(1);
        } else if self.reached && mean.is_some() {
            self.limit = (self.limit + 1).min(MOST);
        }
        if let Some(mean) = mean {
            let (average, deviation) = self.before.unwrap_or((mean, 0.0));
            let off = mean - average;
            let variance = (1.0 - WEIGHT) * (deviation * deviation + WEIGHT * off * off);
            self.before = Some((average + WEIGHT * off, variance.sqrt()));
        }
    }
}

/// The limit of one cluster.
#[derive(Debug)]
pub struct Limiter {
    state: Mutex<State>,
    permits: Arc<Semaphore>,
    shown: Gauge,
}

/// The right to have a request under way.
#[derive(Debug)]
pub struct Permit<'a> {
    limiter: &'a Limiter,
    permit: Option<OwnedSemaphorePermit>,
    began: Instant,
    answer: Option<bool>,
}

impl Limiter {
    /// A limit that is shown by a gauge.
    pub fn new(shown: Gauge) -> Self {
        shown.set(FIRST as f64);
        Self { state: Mutex::new(State::new()), permits: Arc::new(Semaphore::new(FIRST)), shown }
    }

    /// Waits until another request may be under way.
    ///
    /// # Errors
    /// Never: the permits are never closed.
    pub async fn acquire(&self) -> Result<Permit<'_>> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.context("this is a bug in lakewright")?;
        let mut state = self.state.lock();
        state.under_way += 1;
        state.reached |= state.under_way >= state.limit;
        Ok(Permit { limiter: self, permit: Some(permit), began: Instant::now(), answer: None })
    }
}

impl Permit<'_> {
    /// Says that the cluster answered, and whether it refused for want of room.
    pub fn answered(mut self, pressed: bool) {
        self.answer = Some(pressed);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let limiter = self.limiter;
        let mut state = limiter.state.lock();
        state.under_way -= 1;
        let before = state.limit;
        if let Some(pressed) = self.answer {
            let now = Instant::now();
            state.answered(now, now - self.began, pressed);
        }
        if state.limit > before {
            let more = state.limit - before;
            let kept = more.min(state.owed);
            state.owed -= kept;
            limiter.permits.add_permits(more - kept);
        } else {
            state.owed += before - state.limit;
        }
        if state.owed > 0
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            state.owed -= 1;
        }
        limiter.shown.set(state.limit as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Answers that take so long, one in each round trip, with as many requests under way as may be.
    fn rounds(state: &mut State, now: &mut Instant, count: usize, took: Duration, pressed: bool) {
        for _ in 0..count {
            *now += Duration::from_secs(1);
            state.reached = true;
            state.answered(*now, took, pressed);
        }
    }

    #[test]
    fn it_grows_while_answers_are_as_fast_as_before() {
        let (mut state, mut now) = (State::new(), Instant::now());
        rounds(&mut state, &mut now, 10, MS * 10, false);
        assert_eq!(state.limit, FIRST + 10);
        rounds(&mut state, &mut now, 1000, MS * 10, false);
        assert_eq!(state.limit, MOST);
        // What isn't used up need not grow.
        let mut idle = State::new();
        idle.answered(now, MS, false);
        assert_eq!(idle.limit, FIRST);
    }

    #[test]
    fn it_shrinks_when_the_cluster_refuses_and_when_it_slows_down() {
        let (mut state, mut now) = (State::new(), Instant::now());
        rounds(&mut state, &mut now, 8, MS * 10, false);
        assert_eq!(state.limit, 10);
        rounds(&mut state, &mut now, 1, MS, true);
        assert_eq!(state.limit, 8);
        rounds(&mut state, &mut now, 1, MS * 100, false);
        assert_eq!(state.limit, 6);
        rounds(&mut state, &mut now, 30, MS, true);
        assert_eq!(state.limit, 1, "one is always let through");
        rounds(&mut state, &mut now, 4, MS * 10, false);
        assert!(state.limit > 1, "and shows when the cluster has room again");
    }

    #[tokio::test]
    async fn no_more_requests_are_under_way_than_may_be() {
        let limiter = Limiter::new(
            lakewright_runtime::Metrics::default().gauge(&lakewright_config::agents::shipper::CONCURRENCY, &[]),
        );
        let one = limiter.acquire().await.expect("a permit");
        let other = limiter.acquire().await.expect("a permit");
        assert!(tokio::time::timeout(MS, limiter.acquire()).await.is_err(), "a third one");
        // Both refused: one is left.
        one.answered(true);
        assert_eq!(limiter.state.lock().limit, 1);
        assert!(tokio::time::timeout(MS, limiter.acquire()).await.is_err(), "the other one is still under way");
        drop(other);
        limiter.acquire().await.expect("it is free again");
    }
}
