//! Random sequences of what happens to a table: every snapshot that is there can be read, and holds the rows that it
//! had when it was made.

use std::collections::HashMap;

use crate::support::Fake;
use crate::support::sales::{append, compact, edit, files, load, make, rows};
use lakewright_aws::Aws;
use lakewright_lake::maintain::{Policy, expire, remove_orphans};
use lakewright_lake::{Change, LoadedTable};
use serde_json::json;

/// Numbers that look random (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// What should be there.
#[derive(Default)]
struct Model {
    /// The rows of every snapshot that was ever made.
    snapshots: HashMap<i64, Vec<i64>>,
    current: Vec<i64>,
    next: i64,
    references: Vec<(String, i64)>,
}

/// Snapshots of the table, by when they were made, so that a seed always means the same.
fn snapshots(loaded: &LoadedTable) -> Vec<i64> {
    let metadata = loaded.table.metadata();
    let mut all: Vec<(i64, i64)> = metadata.snapshots().map(|one| (one.sequence_number(), one.snapshot_id())).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, id)| id).collect()
}

async fn step(fake: &Fake, aws: &Aws, dice: &mut Dice, model: &mut Model) -> String {
    let loaded = load(aws).await;
    let known = snapshots(&loaded);
    let one = |dice: &mut Dice| known.get(dice.below(known.len().max(1) as u64) as usize).copied();
    let later = chrono::Utc::now().timestamp_millis() + 60_000;
    let policy = Policy {
        max_age_ms: Some(0),
        min_snapshots: Some(1 + dice.below(4) as usize),
        grace_ms: 0,
        orphans_age_ms: Some(0),
        target_bytes: [2_000, 10_000, 1 << 20][dice.below(3) as usize],
        min_files: 2 + dice.below(3) as usize,
        ..Policy::default()
    };
    match dice.below(12) {
        0..=4 => {
            let count = 1 + dice.below(5) as i64;
            let new: Vec<i64> = (model.next..model.next + count).collect();
            model.next += count;
            append(aws, &new).await;
            model.current.extend(&new);
            format!("append {count}")
        }
        5 | 6 => {
            let (_, done) = compact(loaded, &policy, false).await.expect("compacted");
            assert!(done.failed.is_empty() && done.given_up == 0, "{done:?}");
            format!("compact {} to {}", done.replaced, done.written)
        }
        7 => {
            let (_, done) = expire(loaded, &policy, later, false).await.expect("expired");
            format!("expire {}, files {}", done.snapshots, done.data.files)
        }
        8 => {
            // What a writer left behind when it died.
            files(&loaded, &[-1]).await;
            fake.make_old();
            let done = remove_orphans(&loaded, &policy, later, false).await.expect("removed");
            assert!(done.deleted.files >= 1 && done.refused.is_none(), "{done:?}");
            format!("orphans {}", done.deleted.files)
        }
        9 => {
            let Some(id) = one(dice) else { return "nothing to name".into() };
            let name = format!("r{}", model.references.len());
            let kind = if dice.below(2) == 0 { "branch" } else { "tag" };
            let mut reference = json!({ "type": kind, "snapshot-id": id });
            if kind == "branch" {
                reference["min-snapshots-to-keep"] = (1 + dice.below(3)).into();
            }
            edit(fake, &loaded, |metadata| metadata["refs"][&name] = reference).await;
            model.references.push((name, id));
            kind.to_string()
        }
        10 => {
            let Some(id) = one(dice) else { return "nothing to go back to".into() };
            edit(fake, &loaded, |metadata| {
                metadata["refs"]["main"]["snapshot-id"] = id.into();
                metadata["current-snapshot-id"] = id.into();
                let at = metadata["last-updated-ms"].clone();
                let entry = json!({ "snapshot-id": id, "timestamp-ms": at });
                metadata["snapshot-log"].as_array_mut().expect("a log").push(entry);
            })
            .await;
            model.current.clone_from(&model.snapshots[&id]);
            "rollback".into()
        }
        _ => {
            let new = [model.next];
            model.next += 1;
            let files = files(&loaded, &new).await;
            let change = Change { overwrite: true, files, maintained: true, ..Change::default() };
            loaded.commit(change).await.expect("overwritten");
            model.current = new.to_vec();
            "overwrite".into()
        }
    }
}

async fn sequence(seed: u64, steps: usize) {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    let (mut dice, mut model) = (Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1), Model::default());
    let mut story = Vec::new();
    for _ in 0..steps {
        story.push(step(&fake, &aws, &mut dice, &mut model).await);
        let loaded = load(&aws).await;
        let told = || format!("seed {seed}: {story:?}");
        assert_eq!(rows(&loaded, None).await, model.current, "{}", told());
        for id in snapshots(&loaded) {
            let expected = model.snapshots.entry(id).or_insert_with(|| model.current.clone());
            assert_eq!(&rows(&loaded, Some(id)).await, expected, "snapshot {id}, {}", told());
        }
        for (name, id) in &model.references {
            let found = loaded.table.metadata().snapshot_for_ref(name).map(|snapshot| snapshot.snapshot_id());
            assert_eq!(found, Some(*id), "{name}, {}", told());
        }
    }
}

#[tokio::test]
async fn every_snapshot_that_is_kept_can_be_read_whatever_happens() {
    let long = std::env::var_os("LAKEWRIGHT_LONG").is_some();
    let (seeds, steps) = if long { (40, 100) } else { (3, 30) };
    for seed in 1..=seeds {
        sequence(seed, steps).await;
    }
}
