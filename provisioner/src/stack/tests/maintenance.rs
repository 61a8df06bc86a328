//! Who maintains the raw tables.

use std::path::Path;

use lakewright_config::StreamConfig;
use lakewright_config::agents::stream::Maintenance;

use super::{expanded, mistakes, parsed, spec};

fn with(section: &str) -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/minimal.toml"));
    format!("{}\n[agents.stream]\n{section}\n", text.expect("the smallest stack is shipped"))
}

#[test]
fn the_stream_agent_maintains_its_tables_if_the_stack_says_so() {
    let desired = expanded(&parsed(&with(
        "maintenance = \"agent\"\nmaintenance_interval = \"1m\"\nreaders_grace = \"5m\"\norphans_after = \"20m\"",
    )));
    let content = spec(&desired, "object.app-stream")["content"].as_str().expect("content");
    let stream: StreamConfig = serde_json::from_str(content).expect("stream");
    let expected = Maintenance {
        every_ms: 60_000,
        readers_grace_ms: 300_000,
        orphans_age_ms: 1_200_000,
        ..Maintenance::default()
    };
    assert_eq!(stream.maintenance, Some(expected));
}

#[test]
fn snapshots_are_kept_as_the_stack_says() {
    let properties = |section: &str| spec(&expanded(&parsed(&with(section))), "table.sales")["properties"].clone();
    let (age, least) = ("history.expire.max-snapshot-age-ms", "history.expire.min-snapshots-to-keep");
    let default = properties("");
    assert_eq!((default[age].as_str(), default.get(least)), (Some("60000000"), None));
    let said = properties("snapshots_age = \"5m\"\nmin_snapshots_to_keep = 20");
    assert_eq!((said[age].as_str(), said[least].as_str()), (Some("300000"), Some("20")));
}

#[test]
fn orphans_are_older_than_any_commit_under_way() {
    for (section, part) in [
        ("orphans_after = \"10m\"", "four commit intervals and 15 minutes at least"),
        ("commit_interval = \"10m\"\norphans_after = \"30m\"", "four commit intervals and 15 minutes at least"),
        ("maintenance_interval = \"10ms\"", "must be a second at least"),
        ("snapshots_age = \"10s\"", "must be a minute at least"),
        ("min_snapshots_to_keep = 0", "1"),
        ("maintenance = \"glue\"", "`agent`"),
    ] {
        let said = mistakes(&with(section), &[]);
        assert!(said.contains(part), "{section}: {said}");
    }
}
