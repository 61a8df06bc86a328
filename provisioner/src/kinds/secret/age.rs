//! How old a secret's password is, and whether it is older than the stack lets it become.

use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::SecretListEntry;

use crate::kind::{Clock, Departure};

/// The name under which a password that is too old departs: no field of a spec shows it.
pub(super) const PASSWORD: &str = "password";
const DAY: Duration = Duration::from_hours(24);

/// When the password was made, as far as the secret says, and no later than it was. The version's id says so where this
/// program made it; else it is Secrets Manager's own rotation, or the secret's creation. Its last change counts for nothing,
/// because a new tag is one.
pub(super) fn made(clock: Clock, secret: &SecretListEntry) -> Option<SystemTime> {
    current(secret)
        .and_then(|version| clock.date_of(version))
        .or_else(|| secret.last_rotated_date().and_then(time))
        .or_else(|| secret.created_date().and_then(time))
}

/// The id of the version that is current.
fn current(secret: &SecretListEntry) -> Option<&str> {
    let versions = secret.secret_versions_to_stages()?;
    let mut current = versions.iter().filter(|(_, stages)| stages.iter().any(|stage| stage == "AWSCURRENT"));
    current.next().map(|(version, _)| version.as_str())
}

/// Whether the password is older than so many days.
pub(super) fn is_due(clock: Clock, secret: &SecretListEntry, days: Option<u32>) -> bool {
    let (Some(days), Some(made)) = (days, made(clock, secret)) else { return false };
    clock.now().duration_since(made).is_ok_and(|age| age >= DAY * days)
}

/// The departure of a password that is too old. It says since when it holds and never how old it is: a plan that is saved
/// today is tomorrow's too.
pub(super) fn overdue(clock: Clock, secret: &SecretListEntry, days: Option<u32>) -> Option<Departure> {
    let days = days.filter(|_| is_due(clock, secret, days))?;
    let made = chrono::DateTime::<chrono::Utc>::from(made(clock, secret)?).format("%Y-%m-%d");
    let departure = Departure::of(PASSWORD, format!("of {made}"), format!("another one after {days} days"));
    departure.map(Departure::by_age)
}

fn time(date: &DateTime) -> Option<SystemTime> {
    SystemTime::try_from(*date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::dated;

    fn at(days: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_hours(24 * days)
    }

    /// A secret made on the first day, whose current version has that id.
    fn secret(version: &str) -> SecretListEntry {
        let versions = [("former", "AWSPREVIOUS"), (version, "AWSCURRENT")];
        let versions = versions.map(|(id, stage)| (id.to_owned(), vec![stage.to_owned()])).into();
        let changed = DateTime::from(at(1000));
        let secret = SecretListEntry::builder().created_date(at(0).into()).last_changed_date(changed);
        secret.set_secret_versions_to_stages(Some(versions)).build()
    }

    #[test]
    fn a_password_is_as_old_as_its_version_says() {
        let secret = secret(&dated(at(50)));
        for (now, due) in [(50, false), (139, false), (140, true), (500, true)] {
            assert_eq!(is_due(Clock::at(at(now)), &secret, Some(90)), due, "on day {now}");
        }
        assert!(!is_due(Clock::at(at(5000)), &secret, None), "nobody says that it gets too old");
    }

    #[test]
    fn a_version_of_others_is_as_old_as_the_secret_or_its_last_rotation() {
        let mut secret = secret("7f3e9c1a-5b2d-4c8e-9f10-a1b2c3d4e5f6");
        assert!(!is_due(Clock::at(at(89)), &secret, Some(90)));
        assert!(is_due(Clock::at(at(90)), &secret, Some(90)), "that it was changed since says nothing of its password");
        secret.last_rotated_date = Some(at(30).into());
        assert!(!is_due(Clock::at(at(90)), &secret, Some(90)));
        assert!(is_due(Clock::at(at(120)), &secret, Some(90)));
    }

    #[test]
    fn what_is_too_old_is_told_with_its_date() {
        let secret = secret(&dated(at(1)));
        let told = |day| overdue(Clock::at(at(day)), &secret, Some(30));
        assert_eq!(told(30), None);
        let departure = told(31).expect("it is due");
        assert_eq!((departure.path.as_str(), departure.aged), ("password", true));
        assert_eq!(
            (departure.live.as_str(), departure.meant.as_str()),
            (Some("of 2023-11-15"), Some("another one after 30 days"))
        );
        assert_eq!(told(32), Some(departure), "a plan stays the same from day to day");
    }
}
