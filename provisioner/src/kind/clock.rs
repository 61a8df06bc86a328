//! What time it is, and tokens that say when they were made.

use std::time::{Duration, SystemTime};

use uuid::{Builder, Uuid};

/// How far ahead of this machine's clock another one's may be.
const SKEW: Duration = Duration::from_hours(24);
/// The length of a UUID as it is written with hyphens. Digests of other tokens have none, and could be taken for dates.
const HYPHENATED: usize = 36;

/// What time it is: what the machine says, or a test.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock(Option<SystemTime>);

impl Clock {
    /// One that stands still.
    pub const fn at(time: SystemTime) -> Self {
        Self(Some(time))
    }

    /// What time it is.
    pub fn now(self) -> SystemTime {
        self.0.unwrap_or_else(SystemTime::now)
    }

    /// A token of one change, made now: a UUID of version 7, which holds the milliseconds since the epoch.
    /// <https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7>
    pub fn token(self) -> String {
        dated(self.now())
    }

    /// When a token was made; none of one that doesn't say, or claims a time that hasn't come.
    pub fn date_of(self, token: &str) -> Option<SystemTime> {
        let token = Some(token).filter(|token| token.len() == HYPHENATED)?;
        let uuid = Uuid::try_parse(token).ok().filter(|uuid| uuid.get_version_num() == 7)?;
        let (seconds, nanoseconds) = uuid.get_timestamp()?.to_unix();
        let made = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))?;
        (made <= self.now() + SKEW).then_some(made)
    }
}

/// A token that says that it was made at that time.
pub fn dated(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid().hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_when_it_was_made() {
        let made = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let clock = Clock::at(made);
        let (one, other) = (clock.token(), clock.token());
        assert_ne!(one, other);
        assert_eq!(clock.date_of(&one), Some(made));
        assert_eq!(Clock::default().date_of(&other), Some(made));
    }

    #[test]
    fn other_tokens_and_times_to_come_say_nothing() {
        let clock = Clock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let later = dated(clock.now() + Duration::from_hours(25));
        // A digest of 32 digits that would pass for a UUID of version 7.
        let digest = clock.token().replace('-', "");
        for token in ["", "x", "7f3e9c1a-5b2d-4c8e-9f10-a1b2c3d4e5f6", &later, &digest] {
            assert_eq!(clock.date_of(token), None, "{token}");
        }
        assert!(clock.date_of(&dated(clock.now() + Duration::from_hours(1))).is_some(), "another machine's clock");
    }
}
