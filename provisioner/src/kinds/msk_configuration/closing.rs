//! Closing a cluster to everybody whom no access control list names, which shuts the stack's own agents out when their lists
//! aren't there yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use lakewright_config::AclsConfig;
use lakewright_config::agents::Agent;
use lakewright_config::agents::acls::{BELIEVED_SECONDS, TAG, UNVERIFIED, VERIFIED};
use serde::{Deserialize, Serialize};

use super::Spec;
use crate::kind::Wanted;
use crate::kinds::tags::Tags;
use crate::resource::{Address, Obstacle};

/// The brokers' setting by which a user whom no access control list names may do nothing.
pub const SETTING: &str = "allow.everyone.if.no.acl.found";

/// What the agent that keeps the lists says of them; nothing where no agent keeps any, or where nobody asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Why a cluster can't be closed yet.
    pub open: Option<String>,
}

/// Whether brokers with these properties let nobody do anything whom no list names. Kafka takes everything but `true` for a no.
pub fn closes(properties: &BTreeMap<String, String>) -> bool {
    properties.get(SETTING).is_some_and(|value| !value.trim().eq_ignore_ascii_case("true"))
}

/// The secret of the user as whom the agent changes the lists, and which it tags.
pub(super) fn secret() -> Address {
    Address::new("secret", Agent::Acls.word())
}

/// The digests of the lists that the stack's agents are to keep, none where it has no such agent. One that isn't wanted any more
/// counts for nothing.
pub(super) fn wanted_lists(beside: &[Wanted<'_>]) -> BTreeSet<String> {
    let configurations = beside.iter().filter_map(|one| one.spec.get("content")?.as_str());
    configurations.filter_map(|text| Some(serde_json::from_str::<AclsConfig>(text).ok()?.digest())).collect()
}

/// What the tags of the agent's secret say, none where it doesn't exist.
pub(super) fn judge(tags: Option<&Tags>, wanted: &BTreeSet<String>, now: SystemTime) -> Observed {
    let said =
        tags.and_then(|tags| tags.get(TAG)).map(|value| value.split(' ').collect::<Vec<_>>()).unwrap_or_default();
    let time = |since: &str| chrono::DateTime::parse_from_rfc3339(since).ok();
    let open = match said[..] {
        [VERIFIED, since, digest] if time(since).is_some() => {
            let age = time(since).map_or(Duration::MAX, |time| now.duration_since(time.into()).unwrap_or_default());
            if age > Duration::from_secs(BELIEVED_SECONDS) {
                Some(format!("the agent acls verified the access control lists last at {since}, and not since"))
            } else if wanted.iter().any(|wanted| wanted != digest) {
                Some("the agent acls has verified the access control lists as they were before this change".to_owned())
            } else {
                None
            }
        }
        [UNVERIFIED, since, ..] if time(since).is_some() => {
            Some(format!("the agent acls found the access control lists wrong, or couldn't read them, since {since}"))
        }
        _ => Some("the agent acls hasn't verified the access control lists yet".to_owned()),
    };
    Observed { open }
}

/// Why what exists isn't closed.
pub(super) fn refusal(live: &Spec, observed: &Observed, spec: &Spec) -> Option<Obstacle> {
    let reason = observed.open.as_ref().filter(|_| closes(&spec.properties) && !closes(&live.properties))?;
    Some(Obstacle::new(
        format!("{reason}: closing the cluster would shut the stack's agents out"),
        format!(
            "apply without \"{SETTING}\" in [kafka.configuration] first, look at the agent acls (`lakewright status`, its log) and \
             plan again when it has verified them"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(value: Option<&str>) -> Spec {
        let properties = value.map(|value| (SETTING.to_owned(), value.to_owned())).into_iter().collect();
        Spec { name: "shop".into(), properties }
    }

    fn said(value: Option<&str>) -> Observed {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let tags = value.map(|value| [(TAG.to_owned(), value.to_owned())].into());
        judge(tags.as_ref(), &["0a1b".to_owned()].into(), now)
    }

    #[test]
    fn whatever_is_not_true_closes_as_in_kafka() {
        for (value, is_closed) in [("false", true), ("False", true), ("no", true), ("", true), (" TRUE ", false)] {
            assert_eq!(closes(&spec(Some(value)).properties), is_closed, "{value}");
        }
        assert!(!closes(&spec(None).properties), "MSK's default is true");
    }

    #[test]
    fn a_cluster_is_closed_after_its_lists_are_verified_and_not_before() {
        let refused = |value| refusal(&spec(None), &said(value), &spec(Some("false"))).map(|obstacle| obstacle.reason);
        assert_eq!(refused(Some("verified 2027-01-15T07:59:00Z 0a1b")), None);
        for (value, reason) in [
            (None, "hasn't verified"),
            (Some("verified"), "hasn't verified"),
            (Some("verified soon 0a1b"), "hasn't verified"),
            (Some("verified 2027-01-15T05:00:00Z 0a1b"), "last at 2027-01-15T05:00:00Z"),
            (Some("verified 2027-01-15T07:59:00Z ffff"), "as they were before this change"),
            (Some("unverified 2027-01-15T07:59:00Z 0a1b"), "wrong, or couldn't read them, since 2027-01-15T07:59:00Z"),
        ] {
            let refused = refused(value).expect("it is refused");
            assert!(refused.contains(reason), "{value:?}: {refused}");
        }
        let unverified = said(None);
        assert_eq!(refusal(&spec(Some("false")), &unverified, &spec(Some("false"))), None, "it is closed already");
        assert_eq!(refusal(&spec(Some("false")), &unverified, &spec(Some("true"))), None, "opening shuts nobody out");
        assert_eq!(refusal(&spec(None), &Observed::default(), &spec(Some("false"))), None, "no agent keeps lists");
    }
}
