//! When to try again, and how fast to go.

use std::time::{Duration, Instant};

use lakewright_platform::backoff::pause;
use parking_lot::Mutex;

/// Attempts of a request that failed for a passing reason.
pub const ATTEMPTS: u32 = 6;
/// Attempts of a request that was throttled: it had no effect, and a busy account calms down.
pub const THROTTLED_ATTEMPTS: u32 = 12;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(20);

/// The pause before attempt `attempt + 1`: a random part of a bound that doubles.
pub fn backoff(attempt: u32) -> Duration {
    pause(FIRST, LONGEST, attempt)
}

/// Spreads the requests to one service once it has asked for fewer.
#[derive(Debug, Default)]
pub struct Pace {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    gap: Duration,
    next: Option<Instant>,
}

const FIRST_GAP: Duration = Duration::from_millis(50);
const LARGEST_GAP: Duration = Duration::from_secs(1);
const SMALLEST_GAP: Duration = Duration::from_millis(5);

impl Pace {
    /// How long the next request has to wait; reserves its place.
    pub fn reserve(&self, now: Instant) -> Duration {
        let mut state = self.state.lock();
        if state.gap.is_zero() {
            return Duration::ZERO;
        }
        let start = state.next.map_or(now, |next| next.max(now));
        state.next = Some(start + state.gap);
        start - now
    }

    /// The service asked for fewer requests.
    pub fn throttled(&self) {
        let mut state = self.state.lock();
        state.gap = (state.gap * 2).clamp(FIRST_GAP, LARGEST_GAP);
    }

    /// A request went through.
    pub fn succeeded(&self) {
        let mut state = self.state.lock();
        state.gap = state.gap.mul_f64(0.9);
        if state.gap < SMALLEST_GAP {
            state.gap = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_and_stays_bounded() {
        assert!(backoff(1) <= FIRST);
        assert!(backoff(60) <= LONGEST);
        assert!(backoff(8) >= Duration::from_secs(3));
    }

    #[test]
    fn a_throttled_service_gets_gaps_until_it_answers_again() {
        let pace = Pace::default();
        let now = Instant::now();
        assert_eq!(pace.reserve(now), Duration::ZERO);
        pace.throttled();
        assert_eq!(pace.reserve(now), Duration::ZERO);
        assert_eq!(pace.reserve(now), FIRST_GAP);
        for _ in 0..100 {
            pace.succeeded();
        }
        assert_eq!(pace.reserve(now), Duration::ZERO);
    }
}
