//! When other services know what IAM made: some seconds later, when the account has delays.

use crate::fields::Fields;
use crate::state::{GLOBAL, State};
use chrono::DateTime;

/// Seconds after which the rest of AWS knows a new role or instance profile.
const SECONDS: i64 = 10;

/// Whether another service takes the role of that name. An account without delays takes any name.
pub(crate) fn knows_role(state: &mut State<'_>, name: &str) -> bool {
    knows(state, super::roles::ROLES, name)
}

/// Whether another service takes the instance profile of that name, with its role. An account without delays takes
/// any name.
pub(crate) fn knows_profile(state: &mut State<'_>, name: &str) -> bool {
    if !knows(state, super::profiles::PROFILES, name) {
        return false;
    }
    let profile = state.region(GLOBAL).get(super::profiles::PROFILES, name).cloned().unwrap_or_default();
    profile.text("Role").is_none_or(|role| knows_role(state, role))
}

/// The ARN of the instance profile of that name, with the path that it has; without one where there is no such profile.
pub(crate) fn profile_arn(state: &mut State<'_>, name: &str) -> String {
    let account = state.scope().account.clone();
    let known =
        state.region(GLOBAL).get(super::profiles::PROFILES, name).and_then(|one| one.text("Arn")).map(str::to_owned);
    known.unwrap_or_else(|| format!("arn:aws:iam::{account}:instance-profile/{name}"))
}

fn knows(state: &mut State<'_>, collection: &str, name: &str) -> bool {
    let state = state.region(GLOBAL);
    if state.delays().factor() == 0.0 {
        return !state.conceals(collection, name);
    }
    let made =
        state.get(collection, name).and_then(|thing| DateTime::parse_from_rfc3339(thing.text("CreateDate")?).ok());
    made.is_some_and(|made| state.delays().visible(made.timestamp_millis(), state.now(), SECONDS))
}
