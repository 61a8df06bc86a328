//! Older versions of objects, which a bucket's lifecycle lets go: on a laptop earlier than its days.

use super::blobs::{self, Blob};
use super::scope;
use super::versions::{Version, collection};
use super::xml::{self, Element};
use crate::account::Account;
use crate::state::State;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// What a rule that is in force says of older versions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rule {
    prefix: String,
    /// How long, in milliseconds, a version is kept after another took its place.
    kept: Option<i64>,
    /// So many of the newest older versions are kept in any case.
    least: usize,
    /// Whether a delete marker goes behind which nothing is left.
    markers: bool,
}

impl Rule {
    /// `None`: it is off, or for objects of certain tags or sizes, which isn't looked at here.
    fn of(rule: &Element) -> Option<Self> {
        if rule.text_of("Status") != Some("Enabled") {
            return None;
        }
        let filter = rule.child("Filter");
        let filter = filter.map(|filter| filter.child("And").unwrap_or(filter));
        if filter.is_some_and(|filter| filter.children.iter().any(|member| member.name != "Prefix")) {
            return None;
        }
        let prefix = filter.unwrap_or(rule).text_of("Prefix").unwrap_or_default().to_owned();
        let versions = rule.child("NoncurrentVersionExpiration");
        let number = |name: &str| versions.and_then(|versions| versions.text_of(name)?.trim().parse::<i64>().ok());
        let markers = rule.child("Expiration").and_then(|expiration| expiration.text_of("ExpiredObjectDeleteMarker"));
        Some(Self {
            prefix,
            kept: number("NoncurrentDays").map(|days| days.saturating_mul(DAY)),
            least: number("NewerNoncurrentVersions").and_then(|least| usize::try_from(least).ok()).unwrap_or(0),
            markers: markers == Some("true"),
        })
    }

    /// The rules of a bucket that let older versions or markers go.
    fn all(bucket: &Value) -> Vec<Self> {
        let document = bucket["settings"]["lifecycle"].as_str().unwrap_or_default();
        let Ok(document) = xml::parse(document.as_bytes(), "LifecycleConfiguration") else { return Vec::new() };
        let rules = document.all("Rule").filter_map(Self::of);
        rules.filter(|rule| rule.kept.is_some() || rule.markers).collect()
    }
}

/// A version as it is listed.
#[derive(Debug, Clone)]
struct Listed {
    id: String,
    modified: i64,
    marker: bool,
}

/// Deletes versions that have been older ones for longer than their bucket's lifecycle says, or than `longest` if that is less,
/// and delete markers behind which nothing is left, where a rule lets them go.
pub(crate) fn expire(account: &Account, longest: Duration) {
    let longest = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
    let freed = account.transact_at(scope(), |state| {
        let buckets: Vec<(String, Vec<Rule>)> = state
            .list("s3/bucket")
            .map(|(name, bucket)| (name.to_owned(), Rule::all(bucket)))
            .filter(|(_, rules)| !rules.is_empty())
            .collect();
        let mut freed = Vec::new();
        for (name, rules) in buckets {
            freed.extend(of_bucket(state, &name, &rules, longest));
        }
        Ok(freed)
    });
    match freed {
        Ok(freed) => blobs::release(account, &freed),
        Err(error) => tracing::warn!(error = error.message, "cannot delete older versions of objects"),
    }
}

fn of_bucket(state: &mut State<'_>, name: &str, rules: &[Rule], longest: i64) -> Vec<Blob> {
    let now = state.now();
    let collection = collection(name);
    let mut gone: Vec<String> = Vec::new();
    let mut key: Option<String> = None;
    let mut versions: Vec<Listed> = Vec::new();
    for (id, document) in state.list(&collection) {
        // A key is followed by a zero and the version's number, the newest first.
        let Some((of, _)) = id.rsplit_once('\0') else { continue };
        if key.as_deref() != Some(of) {
            gone.extend(of_key(key.as_deref(), &versions, rules, (now, longest)));
            key = Some(of.to_owned());
            versions.clear();
        }
        let modified = document["modified"].as_i64().unwrap_or(now);
        versions.push(Listed { id: id.to_owned(), modified, marker: document["marker"] == true });
    }
    gone.extend(of_key(key.as_deref(), &versions, rules, (now, longest)));
    let mut freed = Vec::new();
    for id in gone {
        let version = state.remove(&collection, &id).and_then(|document| Version::deserialize(document).ok());
        freed.extend(version.into_iter().flat_map(|version| version.blobs));
    }
    freed
}

/// Which of a key's versions go, given the newest first.
fn of_key(key: Option<&str>, versions: &[Listed], rules: &[Rule], (now, longest): (i64, i64)) -> Vec<String> {
    let Some(key) = key else { return Vec::new() };
    let rules = || rules.iter().filter(|rule| key.starts_with(&rule.prefix));
    let mut gone: Vec<String> = Vec::new();
    for (number, pair) in versions.windows(2).enumerate() {
        let older_for = now - pair[0].modified;
        let goes = |rule: &Rule| rule.kept.is_some_and(|kept| older_for > kept.min(longest)) && number >= rule.least;
        if rules().any(goes) {
            gone.push(pair[1].id.clone());
        }
    }
    let marker = versions.first().filter(|newest| newest.marker);
    if let Some(marker) = marker.filter(|_| gone.len() + 1 == versions.len() && rules().any(|rule| rule.markers)) {
        gone.push(marker.id.clone());
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "<LifecycleConfiguration>\
        <Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>data/</Prefix></Filter>\
        <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>\
        <NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays></NoncurrentVersionExpiration></Rule>\
        <Rule><ID>b</ID><Status>Disabled</Status><Filter><Prefix></Prefix></Filter>\
        <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule>\
        <Rule><ID>c</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
        <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>\
        </LifecycleConfiguration>";

    fn rules() -> Vec<Rule> {
        Rule::all(&serde_json::json!({ "settings": { "lifecycle": RULES } }))
    }

    fn listed(versions: &[(i64, bool)]) -> Vec<Listed> {
        let listed = |(number, (modified, marker)): (usize, &(i64, bool))| Listed {
            id: number.to_string(),
            modified: *modified,
            marker: *marker,
        };
        versions.iter().enumerate().map(listed).collect()
    }

    #[test]
    fn only_what_is_in_force_and_of_versions_counts() {
        let rule = Rule { prefix: "data/".into(), kept: Some(3 * DAY), least: 0, markers: true };
        assert_eq!(rules(), [rule]);
        assert!(Rule::all(&serde_json::json!({})).is_empty());
    }

    #[test]
    fn versions_go_when_another_took_their_place_long_ago() {
        let of = |key: &str, versions: &[(i64, bool)], longest| {
            of_key(Some(key), &listed(versions), &rules(), (4 * DAY, longest))
        };
        // The second one is an older one for 100 ms, however old it is itself.
        let versions = [(4 * DAY - 100, false), (1, false), (0, false)];
        assert_eq!(of("data/a", &versions, i64::MAX), ["2"]);
        assert_eq!(of("data/a", &versions, 50), ["1", "2"]);
        assert!(of("other/a", &versions, 50).is_empty());
        assert!(of("data/a", &[(0, false)], 50).is_empty(), "the current one stays");
        // A marker goes with the last version behind it.
        assert_eq!(of("data/a", &[(4 * DAY - 100, true), (0, false)], 50), ["1", "0"]);
        assert!(of("data/a", &[(4 * DAY - 100, true), (0, false)], 200).is_empty());
        assert_eq!(of("data/a", &[(4 * DAY, true)], 50), ["0"]);
    }
}
