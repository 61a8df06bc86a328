//! How much may be sent by now.

use std::time::{Duration, Instant};

use lakewright_config::Rate;

/// The longest time that is made up for after a pause: beyond it, what was not sent is not sent later either.
const CATCH_UP: f64 = 1.0;

/// A budget that grows with time, in events or bytes.
#[derive(Debug)]
pub struct Pace {
    rate: Rate,
    budget: f64,
    at: Instant,
}

impl Pace {
    /// An empty budget that grows at the rate from now on.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, budget: 0.0, at: now }
    }

    /// Whether another message may be sent.
    pub fn allows(&self) -> bool {
        matches!(self.rate, Rate::Max) || self.budget > 0.0
    }

    /// Takes a sent message off the budget.
    pub fn spend(&mut self, bytes: usize) {
        match self.rate {
            Rate::Max => {}
            Rate::Events(_) => self.budget -= 1.0,
            Rate::Bytes(_) => self.budget -= bytes as f64,
        }
    }

    /// Lets the budget grow to the given time.
    pub fn advance(&mut self, now: Instant) {
        if let Rate::Events(per_second) | Rate::Bytes(per_second) = self.rate {
            let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
            self.budget = (self.budget + elapsed * per_second).min((per_second * CATCH_UP).max(1.0));
        }
        self.at = now;
    }

    /// How long it takes until another message may be sent.
    pub fn wait(&self) -> Duration {
        match self.rate {
            Rate::Max => Duration::ZERO,
            Rate::Events(per_second) | Rate::Bytes(per_second) => {
                // One microsecond more: rounding must not lead back here with nothing to spend.
                Duration::from_secs_f64((-self.budget / per_second).max(0.0)) + Duration::from_micros(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(rate: Rate, bytes: usize, seconds: u64) -> u64 {
        let mut now = Instant::now();
        let end = now + Duration::from_secs(seconds);
        let mut pace = Pace::new(rate, now);
        let mut count = 0;
        while now < end {
            pace.advance(now);
            while pace.allows() {
                pace.spend(bytes);
                count += 1;
            }
            now += pace.wait().max(Duration::from_millis(3));
        }
        count
    }

    #[test]
    fn rates_hold_over_time() {
        let events = sent(Rate::Events(500.0), 900, 60);
        assert!((29_900..=30_100).contains(&events), "{events}");
        let bytes = sent(Rate::Bytes(90_000.0), 900, 60);
        assert!((5_980..=6_020).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_pause_is_not_made_up_for_in_full() {
        let start = Instant::now();
        let mut pace = Pace::new(Rate::Events(10.0), start);
        pace.advance(start + Duration::from_secs(3600));
        let mut count = 0;
        while pace.allows() {
            pace.spend(1);
            count += 1;
        }
        assert_eq!(count, 10);
    }
}
