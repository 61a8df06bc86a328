//! Schemas that no snapshot names any more go with the snapshots that named them.

use iceberg::spec::TableMetadata;
use lakewright_lake::LoadedTable;
use lakewright_lake::maintain::{Policy, expire};
use serde_json::{Value, json};

use crate::support::Fake;
use crate::support::sales::{append, edit, load, make, rows};

fn ids(metadata: &TableMetadata) -> Vec<i32> {
    let mut ids: Vec<i32> = metadata.schemas_iter().map(|schema| schema.schema_id()).collect();
    ids.sort_unstable();
    ids
}

/// Gives the table more schemas: `colour`, then `size` as an int, then as a long, then `more`. The last but one is the current one, and
/// the three snapshots name the ones before, the first one and the current one.
fn evolve(metadata: &mut Value) {
    let first = metadata["schemas"][0].clone();
    let field = |id: i32, name: &str, kind: &str| json!({"id": id, "name": name, "type": kind, "required": false});
    let (colour, more) = (field(3, "colour", "string"), field(5, "more", "string"));
    let (int, long) = (field(4, "size", "int"), field(4, "size", "long"));
    let added = [vec![&colour], vec![&colour, &int], vec![&colour, &long], vec![&colour, &long, &more]];
    for (fields, id) in added.into_iter().zip(1..) {
        let mut schema = first.clone();
        schema["schema-id"] = json!(id);
        schema["fields"].as_array_mut().expect("fields").extend(fields.into_iter().cloned());
        metadata["schemas"].as_array_mut().expect("schemas").push(schema);
    }
    metadata["current-schema-id"] = json!(3);
    metadata["last-column-id"] = json!(5);
    let snapshots = metadata["snapshots"].as_array_mut().expect("snapshots");
    snapshots.sort_by_key(|snapshot| snapshot["sequence-number"].as_i64());
    for (snapshot, schema) in snapshots.iter_mut().zip([1, 0, 3]) {
        snapshot["schema-id"] = json!(schema);
    }
}

/// Lets all snapshots go but the last ones.
async fn keep(table: LoadedTable, snapshots: usize) -> LoadedTable {
    let policy = Policy { max_age_ms: Some(0), min_snapshots: Some(snapshots), grace_ms: 0, ..Policy::default() };
    let later = chrono::Utc::now().timestamp_millis() + 60_000;
    expire(table, &policy, later, false).await.expect("expired").0
}

#[tokio::test]
async fn schemas_go_when_no_snapshot_names_them_but_for_those_that_say_more() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..3 {
        append(&aws, &[id]).await;
    }
    edit(&fake, &load(&aws).await, evolve).await;
    // The one before is a snapshot's; size was an int in the third one; the next one's number follows from the last one's.
    let after = keep(load(&aws).await, 2).await;
    assert_eq!(ids(after.table.metadata()), [0, 2, 3, 4]);
    let after = keep(after, 1).await;
    assert_eq!(ids(after.table.metadata()), [2, 3, 4]);
    assert_eq!(ids(load(&aws).await.table.metadata()), [2, 3, 4]);
    assert_eq!(rows(&after, None).await, [0, 1, 2]);
}

#[tokio::test]
async fn all_schemas_stay_while_a_snapshot_names_none() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..3 {
        append(&aws, &[id]).await;
    }
    let change = |metadata: &mut Value| {
        evolve(metadata);
        metadata["snapshots"][2].as_object_mut().expect("a snapshot").remove("schema-id");
    };
    edit(&fake, &load(&aws).await, change).await;
    let after = keep(load(&aws).await, 1).await;
    assert_eq!((after.table.metadata().snapshots().len(), ids(after.table.metadata()).len()), (1, 5));
}
