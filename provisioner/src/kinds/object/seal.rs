//! By what an object is known again that wasn't read: a list returns ETag, size and time of writing, and a hash of them together with
//! what stood in the object then is signed beside the lease. Whoever writes an object changes the time of writing, and with it
//! what the list returns; an object of which the hash is another one is read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Timelike as _, Utc};
use futures::future::try_join_all;
use lakewright_aws::Listed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Spec, folder, listed, metadata};
use crate::kind::{Context, Outcome, Wanted};
use crate::resource::Address;

/// What a seal's text begins with, so that a hash of anything else is none.
const WHAT: &str = "lakewright object 1";
/// After how long a time of writing is surely over: S3 returns whole seconds, and our clock may be two behind or ahead of its own.
const OVER: Duration = Duration::from_secs(4);

/// What is seen of an object beside its spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its seal, where it can have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seal: Option<String>,
}

/// The seal of the object of that address, listed so, that holds what the spec says: 43 characters of base64.
pub(super) fn of(address: &Address, entry: &Listed, spec: &Spec) -> String {
    let Spec { bucket, key, content, content_type } = spec;
    let (address, size) = (address.to_string(), entry.size.to_string());
    let text = [WHAT, &address, bucket, key, &entry.etag, &size, &entry.modified, content_type, content];
    URL_SAFE_NO_PAD.encode(Sha256::digest(Value::from(text.to_vec()).to_string()))
}

/// Whether the time of writing is over: until then a second write needn't change it.
pub(super) fn is_over(entry: &Listed, now: SystemTime) -> bool {
    let written = DateTime::parse_from_rfc3339(&entry.modified);
    written.is_ok_and(|written| {
        DateTime::<Utc>::from(now).signed_duration_since(written).to_std().is_ok_and(|age| age > OVER)
    })
}

/// The seals of objects that were just put, as far as they are still what was put. The list comes before the look at each: who
/// writes in between is seen by that look, and who writes later changes the time that was listed.
pub(super) async fn of_written(
    context: &Context,
    written: &[(Wanted<'_, Spec>, &Outcome)],
) -> Result<BTreeMap<Address, String>> {
    let mut places: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (wanted, _) in written {
        places.entry(&wanted.spec.bucket).or_default().insert(folder(&wanted.spec.key).to_owned());
    }
    let mut entries: BTreeMap<(String, String), Listed> = BTreeMap::new();
    for (bucket, folders) in places {
        let listed = listed(context, bucket, folders).await?;
        entries.extend(listed.iter().map(|entry| ((bucket.to_owned(), entry.key.clone()), entry.clone())));
    }
    let put = |(wanted, outcome): &(Wanted<'_, Spec>, &Outcome)| {
        let entry = entries.get(&(wanted.spec.bucket.to_string(), wanted.spec.key.clone()))?;
        (outcome.outputs.get("etag") == Some(&entry.etag)).then(|| (wanted.address.clone(), entry, wanted.spec.clone()))
    };
    let put: Vec<(Address, &Listed, Spec)> = written.iter().filter_map(put).collect();
    let now = context.aws.now();
    let fresh = put.iter().filter(|(_, entry, _)| !is_over(entry, now));
    tokio::time::sleep(fresh.map(|(_, entry, _)| grain(entry)).max().unwrap_or_default()).await;
    let mut looks = Vec::with_capacity(put.len());
    for (address, entry, spec) in &put {
        looks.push(look(context, address, entry, spec));
    }
    Ok(try_join_all(looks).await?.into_iter().flatten().collect())
}

/// The seal of one object, if it is what was put.
async fn look(context: &Context, address: &Address, entry: &Listed, spec: &Spec) -> Result<Option<(Address, String)>> {
    let Some(head) = context.aws.objects().head(&spec.bucket, &spec.key).await? else { return Ok(None) };
    let own = metadata(context, address);
    let is_it = head.etag == entry.etag
        && head.content_type.as_ref() == Some(&spec.content_type)
        && own.iter().all(|pair| head.metadata.contains(pair));
    Ok(is_it.then(|| (address.clone(), of(address, entry, spec))))
}

/// For how long after it was listed a time of writing may go on: a second on S3, which says no more than that.
fn grain(entry: &Listed) -> Duration {
    let exact = DateTime::parse_from_rfc3339(&entry.modified).is_ok_and(|written| written.nanosecond() != 0);
    if exact { Duration::from_millis(2) } else { Duration::from_millis(1_100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(etag: &str, size: u64, modified: &str) -> Listed {
        Listed { key: "jobs/run.py".into(), etag: etag.into(), size, modified: modified.into() }
    }

    fn spec(content: &str, content_type: &str) -> Spec {
        let (bucket, key) = ("shop-artifacts".into(), "jobs/run.py".to_owned());
        Spec { bucket, key, content: content.into(), content_type: content_type.into() }
    }

    #[test]
    fn a_seal_is_of_one_writing_of_one_content_at_one_place() {
        let address = Address::new("object", "run");
        let (then, text) = ("2026-01-02T03:04:05Z", "text/plain");
        let seal = of(&address, &entry("\"e\"", 4, then), &spec("work", text));
        assert_eq!((seal.len(), seal.contains(':')), (43, false));
        assert_eq!(seal, of(&address, &entry("\"e\"", 4, then), &spec("work", text)));
        let other = Address::new("object", "other");
        let elsewhere = Spec { key: "jobs/other.py".into(), ..spec("work", text) };
        for another in [
            of(&address, &entry("\"f\"", 4, then), &spec("work", text)),
            of(&address, &entry("\"e\"", 5, then), &spec("work", text)),
            of(&address, &entry("\"e\"", 4, "2026-01-02T03:04:06Z"), &spec("work", text)),
            of(&address, &entry("\"e\"", 4, then), &spec("walk", text)),
            of(&address, &entry("\"e\"", 4, then), &spec("work", "text/html")),
            of(&other, &entry("\"e\"", 4, then), &spec("work", text)),
            of(&address, &entry("\"e\"", 4, then), &elsewhere),
        ] {
            assert_ne!(another, seal);
        }
    }

    #[test]
    fn a_time_is_over_when_no_clock_can_still_be_in_it() {
        let written = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").expect("a time");
        let after = |millis| SystemTime::from(written) + Duration::from_millis(millis);
        assert!(is_over(&entry("", 0, "2026-01-02T03:04:05Z"), after(4_001)));
        for (modified, now) in [("2026-01-02T03:04:05Z", 4_000), ("2026-01-02T03:04:09Z", 2_000), ("yesterday", 9_000)]
        {
            assert!(!is_over(&entry("", 0, modified), after(now)), "{modified}");
        }
        assert!(grain(&entry("", 0, "2026-01-02T03:04:05Z")) > Duration::from_secs(1));
        assert!(grain(&entry("", 0, "2026-01-02T03:04:05.678Z")) < Duration::from_millis(10));
    }
}
