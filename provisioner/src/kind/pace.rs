//! How soon an account shows changes.

use std::time::Duration;

/// How soon an account shows changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The pause between two looks at something that changes.
    pub poll: Duration,
    /// How long what was made may stay out of the account's lists.
    pub settles: Duration,
    /// Whether everything is done when it is answered, so that the times that AWS usually takes say nothing.
    pub at_once: bool,
}

impl Pace {
    /// That of AWS.
    pub const AWS: Self = Self { poll: Duration::from_secs(5), settles: Duration::from_secs(60), at_once: false };
    /// That of an account on this machine.
    pub const LOCAL: Self = Self { poll: Duration::from_millis(50), settles: Duration::from_secs(1), at_once: true };

    /// How long to wait for what shows late, at most that long on AWS: no longer than the account's lists take to
    /// settle.
    pub fn patience(&self, on_aws: Duration) -> Duration {
        on_aws.min(self.settles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_on_this_machine_is_not_waited_for_as_aws_is() {
        let patience = |pace: Pace, seconds| pace.patience(Duration::from_secs(seconds)).as_secs();
        assert_eq!((patience(Pace::AWS, 25), patience(Pace::AWS, 600)), (25, 60));
        assert_eq!((patience(Pace::LOCAL, 25), patience(Pace::LOCAL, 600)), (1, 1));
    }
}
