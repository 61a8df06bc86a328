//! The pauses between attempts.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The pause after that many failures in a row, from 1: a bound that doubles from the first pause to the longest,
/// shortened at random by up to half so that many clients don't come back at the same moment.
pub fn pause(first: Duration, longest: Duration, failures: u32) -> Duration {
    let bound = first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(longest);
    bound.mul_f64(rand::random_range(0.5..=1.0))
}

/// The pauses of one thing that is tried again.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(15))
    }
}

impl Backoff {
    /// Pauses from the first to the longest.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The pause after one more failure.
    pub fn next_pause(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        pause(self.first, self.longest, self.failures)
    }

    /// How often it failed since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Begins again from the first pause.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Waits after one more failure; `false` when the token was cancelled meanwhile.
    pub async fn wait(&mut self, shutdown: &CancellationToken) -> bool {
        let pause = self.next_pause();
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = shutdown.cancelled() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for (low, high) in [(50, 100), (100, 200), (175, 350), (175, 350)] {
            let pause = backoff.next_pause();
            assert!((Duration::from_millis(low)..=Duration::from_millis(high)).contains(&pause), "{pause:?}");
        }
        assert_eq!(backoff.failures(), 4);
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(100));
        assert!(pause(Duration::MAX, Duration::from_secs(1), u32::MAX) <= Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_cancelled_token_ends_the_wait() {
        let token = CancellationToken::new();
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_hours(1));
        assert!(backoff.wait(&token).await);
        token.cancel();
        let mut long = Backoff::new(Duration::from_hours(1), Duration::from_hours(1));
        assert!(!long.wait(&token).await);
    }
}
