//! For how long files are held before they are committed.

use std::time::{Duration, Instant, SystemTime};

use anyhow::ensure;

/// Since when files are written that no table has yet. Those that are held for too long might be taken for orphans: by
/// another process, while this one was frozen, or the machine asleep.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    since: Instant,
    /// A machine that sleeps stops the other clock.
    wall: SystemTime,
}

impl Held {
    /// From now on.
    #[must_use]
    pub fn now() -> Self {
        Self { since: Instant::now(), wall: SystemTime::now() }
    }

    /// For how long, by the clock that says more.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        // The wall clock may go back: then the other one counts.
        self.since.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }

    /// Whether the files may be committed yet: to be asked after the table was loaded, right before each attempt. An
    /// orphans' removal changes the table's version before it deletes anything, so that an attempt on a table that was
    /// loaded before fails.
    ///
    /// # Errors
    /// They are held for longer than that.
    pub fn check(&self, at_most: Duration) -> anyhow::Result<()> {
        let held = self.elapsed();
        let seconds = held.as_secs();
        ensure!(held <= at_most, "its files are {seconds} s old, and may have been taken for orphans");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_says_more_counts() {
        let hour = Duration::from_hours(1);
        let held = Held::now();
        held.check(hour).expect("a moment");
        held.check(Duration::ZERO).expect_err("longer than nothing");
        // A machine that slept for two hours.
        let slept = Held { wall: held.wall - 2 * hour, ..held };
        assert!(slept.check(hour).expect_err("too long").to_string().contains("7200 s old"));
        // A wall clock that was set back, and frozen for two hours.
        if let Some(since) = held.since.checked_sub(2 * hour) {
            let frozen = Held { since, wall: held.wall + hour };
            frozen.check(hour).expect_err("too long");
        }
    }
}
