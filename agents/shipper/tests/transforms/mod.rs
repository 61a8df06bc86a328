//! Transforms on the way to the index: what is in it, what the backup and the dead letters have, and a restoration.

use lakewright_config::restoring::Destination;
use lakewright_shipper::{Wanted, held};
use serde_json::{Value, json};

use super::support::ends::Ends;
use super::support::{World, until};

/// Records of four sorts, by turns: one for the index, one to be left out, one for an index of its own, one that is no JSON.
fn payloads(count: u64) -> Vec<String> {
    let now = chrono::Utc::now();
    let payload = |number: u64| match number % 4 {
        0 => format!(r#"{{"ms":{},"n":{number},"who":"ann@example.com"}}"#, now.timestamp_millis()),
        1 => format!(r#"{{"ms":{},"n":{number},"level":"debug"}}"#, now.timestamp_millis()),
        2 => format!(r#"{{"ms":{},"n":{number},"action":"login"}}"#, now.timestamp_millis()),
        _ => format!("who=ann@example.com n={number}"),
    };
    (0..count).map(payload).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_has_records_as_transforms_leave_them_and_the_backup_as_they_were_read() {
    let mut world = World::new().await;
    let transforms = json!([
        { "type": "parse_json", "on_error": "refuse" },
        { "type": "drop", "when": "level == \"debug\"" },
        { "type": "timestamp", "field": "ms", "formats": ["epoch_ms"] },
        { "type": "mask", "what": ["email"] },
        { "type": "route", "to": "audit", "when": "action == \"login\"" },
    ]);
    let mut config = world.config();
    config.transforms = serde_json::from_value(transforms).expect("transforms");
    let sent = payloads(400);
    world.send_these(&sent).await;
    let running = world.start_with(config.clone());
    until("all is indexed", || world.ends.documents.lock().len() == 300).await;
    until("all is backed up", || world.backed_up().0.len() == 400).await;
    assert_eq!(
        running
            .agent
            .metrics
            .read()
            .iter()
            .filter(|(name, value)| name.contains("transform") && *value as u64 == 100)
            .count(),
        2
    );
    running.stop().await.expect("ended well");

    let day = chrono::Utc::now().format("%Y.%m.%d").to_string();
    let indices = world.indices();
    assert_eq!(indices.get(&format!("actions-audit-{day}")), Some(&100), "{indices:?}");
    assert_eq!(indices.get(&format!("actions-{day}")), Some(&100), "{indices:?}");
    assert_eq!(indices.get("actions-rejected"), Some(&100), "{indices:?}");
    let documents = world.ends.documents.lock().clone();
    for ((index, _), source) in &documents {
        let is_rejected = index == "actions-rejected";
        assert_eq!(source.contains("ann@example.com"), is_rejected, "{index}: {source}");
        let document: Value = serde_json::from_str(source).expect("JSON");
        assert!(is_rejected || document["@timestamp"].is_string(), "{source}");
    }
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text)).to_string();
    let kept = |line: &Value| if line["record"].is_null() { &line["text"] } else { &line["record"] }.to_string();
    let (mut kept, mut expected): (Vec<String>, Vec<String>) =
        (world.lines().iter().map(kept).collect(), sent.iter().map(|text| read(text)).collect());
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected, "the backup has them as they were read");

    // What isn't in the index is known by the backup.
    let parts = held(&config, &Ends::aws(&world.url)).await.expect("read");
    let left_out: i64 = parts.iter().flat_map(|part| &part.left_out).map(|(from, end)| end - from).sum();
    assert_eq!(left_out, 100);

    // What is restored passes the same transforms.
    world.ends.documents.lock().clear();
    let (day, into) = (chrono::TimeDelta::days(1), Destination::Index(None));
    let wanted = Wanted { from: chrono::Utc::now() - day, to: chrono::Utc::now() + day, ..Wanted::all(into) };
    let restored = world.restore_with(&config, &wanted).await.expect("restored");
    assert_eq!((restored.records, restored.rejected), (400, 100));
    assert!(*world.ends.documents.lock() == documents, "the same documents in the same indices");
}
