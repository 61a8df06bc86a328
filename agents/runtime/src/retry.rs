//! Trying again, later and later.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Waits that double from one to the other, each shortened at random by up to half so that many agents don't
/// come back at the same moment.
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
    /// The first wait and the longest.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The wait after one more failure.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.first.saturating_mul(1 << self.failures.min(20)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        wait.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// How often it failed since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Begins again from the first wait.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Waits; `false` when the token was cancelled meanwhile.
    pub async fn wait(&mut self, shutdown: &CancellationToken) -> bool {
        let wait = self.next_wait();
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = shutdown.cancelled() => false,
        }
    }
}

/// Tries until it succeeds, fails with an error that isn't worth another try, or the token is cancelled (then the
/// last error is returned). `attempt` is run at least once.
///
/// # Errors
/// The last attempt's error.
pub async fn retry<T, E: std::fmt::Display>(
    what: &str,
    mut backoff: Backoff,
    shutdown: &CancellationToken,
    retryable: impl Fn(&E) -> bool,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if retryable(&error) => {
                tracing::warn!(what, error = %format!("{error:#}"), failures = backoff.failures() + 1, "trying again");
                if !backoff.wait(shutdown).await {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for (low, high) in [(50, 100), (100, 200), (175, 350), (175, 350)] {
            let wait = backoff.next_wait();
            assert!((Duration::from_millis(low)..=Duration::from_millis(high)).contains(&wait), "{wait:?}");
        }
    }

    #[tokio::test]
    async fn only_what_is_worth_it_is_tried_again() {
        let token = CancellationToken::new();
        let quick = || Backoff::new(Duration::from_millis(1), Duration::from_millis(2));
        let mut tries = 0;
        let result = retry(
            "count",
            quick(),
            &token,
            |e: &String| e == "again",
            async || {
                tries += 1;
                if tries < 3 { Err("again".to_owned()) } else { Ok(tries) }
            },
        );
        assert_eq!(result.await, Ok(3));
        let refused =
            retry("count", quick(), &token, |e: &String| e == "again", async || Err::<(), _>("no".to_owned()));
        assert_eq!(refused.await, Err("no".to_owned()));
        token.cancel();
        let cancelled = retry("count", quick(), &token, |_: &String| true, async || Err::<(), _>("again".to_owned()));
        assert_eq!(cancelled.await, Err("again".to_owned()));
    }
}
