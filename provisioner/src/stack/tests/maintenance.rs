//! Who maintains the raw tables.

use std::path::Path;

use lakewright_config::agents::stream::Maintenance;
use lakewright_config::{Manifest, ModelMaintenance, StreamConfig};

use super::{expanded, mistakes, parsed, spec};
use crate::stack::{ModelFile, parse};

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
        ("maintenance = \"spark\"", "`agent`"),
    ] {
        let said = mistakes(&with(section), &[]);
        assert!(said.contains(part), "{section}: {said}");
    }
}

#[test]
fn glue_maintains_the_tables_by_a_role_of_their_own() {
    let desired =
        expanded(&parsed(&with("maintenance = \"glue\"\nsnapshots_age = \"36h\"\nmin_snapshots_to_keep = 4")));
    let content = spec(&desired, "object.app-stream")["content"].as_str().expect("content");
    let stream: StreamConfig = serde_json::from_str(content).expect("stream");
    // The agent leaves them alone, and gives up files that Glue might take for orphans.
    assert_eq!((stream.maintenance, stream.orphans_elsewhere_ms), (None, Some(3 * 86_400_000)));
    let of = |kind: &str| spec(&desired, &format!("table_optimizer.sales-{kind}")).clone();
    let role = "${role.optimizers.arn}";
    assert_eq!((of("compaction")["role"].as_str(), &of("compaction")["min_input_files"]), (Some(role), &100.into()));
    let retention = of("retention");
    let kept = ["snapshots_days", "min_snapshots", "every_hours"].map(|name| retention[name].as_u64());
    assert_eq!(kept, [Some(2), Some(4), Some(24)]);
    assert_eq!(of("orphan_file_deletion")["orphans_days"], 3);
    assert_eq!(spec(&desired, "table_optimizer.dead_letters-retention")["table"], "dead_letters");
    let role = spec(&desired, "role.optimizers");
    assert!(role["trust"].to_string().contains("\"glue.amazonaws.com\""), "{role}");
    let policy = role["policies"]["optimizers"].to_string();
    for part in ["/raw/sales/*", "table/minimal_raw/sales", "/aws-glue/iceberg-retention/logs:*", "glue:UpdateTable"] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("warehouse") && !policy.contains("\"*\""), "{policy}");
    // A host of the stack has no business with them.
    assert!(!spec(&desired, "role.app")["policies"].to_string().contains("TableOptimizer"));
}

#[test]
fn spark_maintains_the_warehouse_by_the_times_of_the_raw_zone() {
    let manifest = |text: &str| -> Manifest {
        let model = ModelFile {
            name: "totals".to_owned(),
            path: "models/totals.sql".into(),
            text: "-- materialization: replace\nSELECT count(*) AS sales FROM raw.sales\n".to_owned(),
        };
        let stack = parse(Path::new("test.toml"), text, Some(vec![model]));
        let desired = expanded(&stack.unwrap_or_else(|error| panic!("{}", error.render(false))));
        let content = spec(&desired, "object.manifest")["content"].as_str().expect("content");
        serde_json::from_str(content).expect("a manifest")
    };
    let batch = |lines: &str| with(&format!("snapshots_age = \"5m\"\n[buckets.warehouse]\n[batch]\n{lines}"));
    assert_eq!(manifest(&batch("")).maintenance, None);
    let expected = ModelMaintenance {
        every_ms: 3_600_000,
        snapshots_age_ms: 300_000,
        min_snapshots: 1,
        orphans_age_ms: 259_200_000,
    };
    let lines = "maintenance = \"spark\"\nmaintenance_interval = \"1h\"";
    assert_eq!(manifest(&batch(lines)).maintenance, Some(expected.clone()));
    // Iceberg's procedure takes no less than a day.
    let soon = batch(lines).replace("snapshots_age", "orphans_after = \"20m\"\nsnapshots_age");
    assert_eq!(manifest(&soon).maintenance, Some(ModelMaintenance { orphans_age_ms: 86_460_000, ..expected.clone() }));
    // A run may hold its files until it is cancelled.
    let long = format!("{soon}\ntimeout = \"20h\"\n");
    assert_eq!(manifest(&long).maintenance, Some(ModelMaintenance { orphans_age_ms: 144_000_000, ..expected }));
}

#[test]
fn what_is_maintained_by_hand_is_kept_as_the_stack_says() {
    let settings = |section: &str| {
        let all = parsed(&with(section)).maintainable();
        all.into_iter().find(|table| table.full_name() == "minimal_raw.sales").map(|table| table.settings)
    };
    let said = settings("maintenance = \"agent\"\nsnapshots_age = \"5m\"\norphans_after = \"20m\"").expect("a table");
    assert_eq!(
        (said.snapshots_max_age_ms, said.min_snapshots, said.orphans_age_ms),
        (Some(300_000), Some(1), 3 * 86_400_000)
    );
    // Agents that still work by an older file may hold files for longer.
    let off = settings("orphans_after = \"20m\"").expect("a table");
    assert_eq!((off.snapshots_max_age_ms, off.orphans_age_ms), (Some(60_000_000), 3 * 86_400_000));
}
