//! Maintenance beside writers: rows stay, files become few, and nothing that is in use is deleted.

use std::collections::HashMap;

use crate::support::deletes;
use crate::support::sales::{append, at_once, compact, edit, files, later, load, make, paths, rows, unsorted};
use crate::support::{Fake, Fault};
use iceberg::spec::Operation;
use lakewright_lake::maintain::{Known, Policy, expire, maintain, remove_orphans};
use lakewright_lake::{Change, LoadedTable};
use serde_json::json;

/// The keys of a table's objects that its metadata files, snapshots and files account for.
async fn referenced(loaded: &LoadedTable) -> Vec<String> {
    let metadata = loaded.table.metadata();
    let mut all: Vec<String> = metadata.metadata_log().iter().map(|entry| entry.metadata_file.clone()).collect();
    all.push(loaded.metadata_location.clone());
    for snapshot in metadata.snapshots() {
        all.push(snapshot.manifest_list().to_owned());
        let list = loaded.table.manifest_list_reader(snapshot).load().await.expect("a list");
        for manifest in list.entries() {
            all.push(manifest.manifest_path.clone());
            let manifest = manifest.load_manifest(loaded.table.file_io()).await.expect("a manifest");
            let live = manifest.entries().iter().filter(|entry| entry.is_alive());
            all.extend(live.map(|entry| entry.file_path().to_owned()));
        }
    }
    let mut keys: Vec<String> = all.into_iter().map(|path| path.replace("s3:/", "").replace('=', "%3D")).collect();
    keys.sort();
    keys.dedup();
    keys
}

#[tokio::test]
async fn small_files_become_one_a_partition_and_all_rows_stay() {
    let (_, aws) = Fake::start().await;
    make(&aws).await;
    let offsets =
        |next: i64| HashMap::from([("lakewright.offsets".to_owned(), format!("{{\"c/t\":{{\"0\":{next}}}}}"))]);
    for id in 0..30 {
        let loaded = load(&aws).await;
        let summary = if id < 20 { offsets(id) } else { HashMap::new() };
        let change = Change { files: files(&loaded, &[id]).await, summary, ..Change::default() };
        loaded.commit(change).await.expect("committed");
    }
    let (before, planned) = compact(load(&aws).await, &Policy::default(), true).await.expect("planned");
    assert_eq!((planned.files_before, planned.files_after, planned.written_bytes), (30, 3, 0));
    let sequence = before.table.metadata().last_sequence_number();
    let (after, done) = compact(before, &Policy::default(), false).await.expect("compacted");
    assert_eq!((done.replaced, done.written, done.files_after), (30, 3, 3));
    assert!(done.failed.is_empty() && done.given_up == 0, "{done:?}");
    assert_eq!(rows(&after, None).await, (0..30).collect::<Vec<_>>());
    assert_eq!(paths(&after).await.len(), 3);
    let snapshot = after.table.metadata().current_snapshot().expect("a snapshot");
    assert_eq!(snapshot.summary().operation, Operation::Replace);
    let said = &snapshot.summary().additional_properties;
    let numbers = ["total-records", "total-data-files", "added-data-files", "deleted-data-files", "added-records"];
    assert_eq!(numbers.map(|name| said[name].as_str()), ["30", "3", "3", "30", "30"]);
    // The map of offsets as its nearest ancestor has it.
    assert_eq!(said["lakewright.offsets"], "{\"c/t\":{\"0\":19}}");
    // The data is as old as its newest file was.
    let list = after.table.manifest_list_reader(snapshot).load().await.expect("a list");
    for manifest in list.entries() {
        let manifest = manifest.load_manifest(after.table.file_io()).await.expect("a manifest");
        for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
            assert!(entry.sequence_number().expect("a number") <= sequence);
            assert_eq!(entry.file_sequence_number, Some(snapshot.sequence_number()));
        }
    }
    // Nothing more to do, and writers go on.
    let (_, again) = compact(after, &Policy::default(), false).await.expect("compacted");
    assert_eq!((again.replaced, again.written), (0, 0));
    assert_eq!(rows(&append(&aws, &[99]).await, None).await.len(), 31);
}

#[tokio::test]
async fn what_is_appended_while_files_are_put_together_stays() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..12 {
        append(&aws, &[id * 10]).await;
    }
    let loaded = load(&aws).await;
    let (come, go) = fake.hold_next();
    let compacting = tokio::spawn(async move { compact(loaded, &Policy::default(), false).await });
    come.await.expect("the commit");
    append(&aws, &[7]).await;
    append(&aws, &[1000]).await;
    go.send(()).expect("the commit waits");
    let (after, done) = compacting.await.expect("no panic").expect("compacted");
    assert_eq!((done.replaced, done.written, done.given_up), (12, 1, 0));
    let mut expected: Vec<i64> = (0..12).map(|id| id * 10).collect();
    expected.extend([7, 1000]);
    expected.sort_unstable();
    assert_eq!(rows(&after, None).await, expected);
    assert_eq!(paths(&after).await.len(), 3);
}

#[tokio::test]
async fn files_that_another_replaced_meanwhile_are_given_up() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..6 {
        append(&aws, &[id * 10]).await;
    }
    let loaded = load(&aws).await;
    let (come, go) = fake.hold_next();
    let compacting = tokio::spawn(async move { compact(loaded, &Policy::default(), false).await });
    come.await.expect("the commit");
    let current = load(&aws).await;
    let new = files(&current, &[500]).await;
    current.commit(Change { overwrite: true, files: new, ..Change::default() }).await.expect("overwritten");
    go.send(()).expect("the commit waits");
    let (after, done) = compacting.await.expect("no panic").expect("nothing to commit");
    assert_eq!((done.replaced, done.written, done.given_up), (0, 0, 1));
    assert_eq!(rows(&after, None).await, [500]);
    // Six files of the table, the new one, and none of what was written in vain.
    assert_eq!(fake.keys(".parquet").len(), 7);
}

#[tokio::test]
async fn a_commit_that_stays_unknown_deletes_nothing_and_is_no_second_time_the_same() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..6 {
        append(&aws, &[id * 10]).await;
    }
    fake.fail_next(Fault::Refuse);
    fake.fail_next(Fault::InFlight(u32::MAX));
    compact(load(&aws).await, &Policy::default(), false).await.expect_err("nobody knows");
    assert_eq!(fake.keys(".parquet").len(), 7);
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..3 {
        append(&aws, &[id]).await;
    }
    let before = fake.keys("/raw/");
    fake.fail_next(Fault::Refuse);
    fake.fail_next(Fault::InFlight(u32::MAX));
    expire(load(&aws).await, &at_once(), later(), false).await.expect_err("nobody knows");
    // The metadata that may be current yet is all that came; nothing went.
    let after = fake.keys("/raw/");
    assert_eq!(after.len(), before.len() + 1);
    assert!(before.iter().all(|key| after.contains(key)));
}

#[tokio::test]
async fn an_expiry_whose_answer_is_lost_is_one_expiry() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        let (fake, aws) = Fake::start().await;
        make(&aws).await;
        for id in 0..3 {
            append(&aws, &[id]).await;
        }
        fake.fail_next(fault);
        let (after, done) = expire(load(&aws).await, &at_once(), later(), false).await.expect("expired");
        assert_eq!((done.snapshots, done.kept), (2, 1), "{fault:?}");
        assert_eq!(rows(&after, None).await, [0, 1, 2]);
    }
}

#[tokio::test]
async fn what_only_expired_snapshots_refer_to_is_deleted_and_nothing_else() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..8 {
        append(&aws, &[id]).await;
    }
    let loaded = load(&aws).await;
    let tagged = loaded.table.metadata().current_snapshot_id().expect("a snapshot");
    edit(&fake, &loaded, |metadata| metadata["refs"]["v1"] = json!({ "type": "tag", "snapshot-id": tagged })).await;
    append(&aws, &[10]).await;
    compact(load(&aws).await, &Policy { min_files: 2, ..Policy::default() }, false).await.expect("compacted");
    append(&aws, &[9]).await;
    let everything = fake.keys("/raw/").len();
    let (_, planned) = expire(load(&aws).await, &at_once(), later(), true).await.expect("planned");
    assert_eq!(fake.keys("/raw/").len(), everything);
    let (after, done) = expire(load(&aws).await, &at_once(), later(), false).await.expect("expired");
    assert_eq!((done.snapshots, done.kept), (9, 2));
    assert_eq!(
        (planned.snapshots, planned.kept, planned.data, planned.metadata),
        (done.snapshots, done.kept, done.data, done.metadata)
    );
    assert!(done.data.files == 1 && done.metadata.files > 9, "{done:?}");
    assert_eq!(rows(&after, Some(tagged)).await, (0..8).collect::<Vec<_>>());
    assert_eq!(rows(&after, None).await, [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]);
    let known = referenced(&after).await;
    let left: Vec<String> = fake.keys("/raw/").into_iter().filter(|key| !known.contains(key)).collect();
    assert!(left.is_empty(), "{left:?}");
    append(&aws, &[11]).await;
}

#[tokio::test]
async fn branches_and_tags_keep_what_they_say() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    let mut ids = Vec::new();
    for id in 0..6 {
        ids.push(append(&aws, &[id]).await.table.metadata().current_snapshot_id().expect("a snapshot"));
    }
    edit(&fake, &load(&aws).await, |metadata| {
        metadata["refs"]["audit"] = json!({ "type": "branch", "snapshot-id": ids[3], "min-snapshots-to-keep": 3 });
        metadata["refs"]["old"] = json!({ "type": "tag", "snapshot-id": ids[0], "max-ref-age-ms": 1 });
        metadata["properties"]["history.expire.max-snapshot-age-ms"] = "0".into();
    })
    .await;
    // A writer's own commit honours them as well.
    let loaded = load(&aws).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let new = files(&loaded, &[6]).await;
    let after = loaded.commit(Change { files: new, ..Change::default() }).await.expect("committed");
    let kept = |loaded: &LoadedTable| -> Vec<bool> {
        ids.iter().map(|id| loaded.table.metadata().snapshot_by_id(*id).is_some()).collect()
    };
    assert_eq!(kept(&after), [false, true, true, true, false, true]);
    assert!(after.table.metadata().snapshot_for_ref("old").is_none());
    assert_eq!(rows(&after, Some(ids[1])).await, [0, 1]);
    // The one that was current until a moment ago is kept for its readers.
    let (after, _) = expire(after, &Policy { grace_ms: 120_000, ..at_once() }, later(), false).await.expect("expired");
    assert_eq!(kept(&after), [false, true, true, true, false, true]);
    let (after, _) = expire(after, &at_once(), later(), false).await.expect("expired");
    assert_eq!(kept(&after), [false, true, true, true, false, false]);
    // Three of the main branch, however old.
    append(&aws, &[7]).await;
    append(&aws, &[8]).await;
    let three = Policy { min_snapshots: Some(3), ..at_once() };
    let (after, _) = expire(load(&aws).await, &three, later(), false).await.expect("expired");
    assert_eq!(after.table.metadata().snapshots().len(), 6);
}

#[tokio::test]
async fn files_with_deleted_rows_are_left_alone() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..5 {
        append(&aws, &[id * 10]).await;
        append(&aws, &[id * 10 + 5]).await;
    }
    // Another engine deletes rows of the first day.
    let loaded = load(&aws).await;
    let built = deletes::of_first_partition(&load(&aws).await).await;
    // It does so while files of both days are put together: one group is given up.
    let (come, go) = fake.hold_next();
    let compacting = tokio::spawn(async move { compact(loaded, &Policy::default(), false).await });
    come.await.expect("the commit");
    edit(&fake, &load(&aws).await, |metadata| *metadata = built).await;
    go.send(()).expect("the commit waits");
    let (_, done) = compacting.await.expect("no panic").expect("compacted");
    assert_eq!((done.replaced, done.written, done.given_up), (5, 1, 1));
    // And from then on they are left out.
    let (after, done) = compact(load(&aws).await, &Policy::default(), false).await.expect("compacted");
    assert_eq!((done.replaced, done.skipped.with_deletes), (0, 5));
    let now = after.table.metadata().current_snapshot().expect("a snapshot").clone();
    let list = after.table.manifest_list_reader(&now).load().await.expect("a list");
    assert_eq!(list.entries().iter().filter(|one| one.manifest_path.ends_with("/d.avro")).count(), 1);
    // What they are is a data file's business: rows written later are put together.
    for id in 0..5 {
        append(&aws, &[id * 10 + 100]).await;
    }
    let (_, done) = compact(load(&aws).await, &Policy::default(), false).await.expect("compacted");
    assert_eq!((done.replaced, done.written, done.skipped.with_deletes), (5, 1, 5));
}

#[tokio::test]
async fn a_table_with_a_sort_order_is_sorted_by_it() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    edit(&fake, &load(&aws).await, |metadata| {
        metadata["sort-orders"].as_array_mut().expect("a list").push(json!({ "order-id": 1, "fields": [
            { "source-id": 1, "transform": "identity", "direction": "desc", "null-order": "nulls-last" },
        ] }));
        metadata["default-sort-order-id"] = 1.into();
    })
    .await;
    for ids in [[30, 10], [50, 20], [40, 60], [80, 0], [70, 90]] {
        append(&aws, &ids).await;
    }
    let (after, done) = compact(load(&aws).await, &Policy::default(), false).await.expect("compacted");
    assert_eq!((done.replaced, done.written), (5, 1));
    assert_eq!(unsorted(&after, None).await, [90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
    let snapshot = after.table.metadata().current_snapshot().expect("a snapshot");
    let list = after.table.manifest_list_reader(snapshot).load().await.expect("a list");
    for manifest in list.entries() {
        let manifest = manifest.load_manifest(after.table.file_io()).await.expect("a manifest");
        for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
            assert_eq!(entry.data_file().sort_order_id(), Some(1));
        }
    }
}

#[tokio::test]
async fn many_small_manifests_become_one() {
    let (_, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..12 {
        append(&aws, &[id * 10]).await;
    }
    let policy = Policy { min_files: 100, ..Policy::default() };
    let (after, done) = compact(load(&aws).await, &policy, false).await.expect("compacted");
    assert_eq!((done.manifests_before, done.manifests_after, done.written), (12, 1, 0));
    assert_eq!(rows(&after, None).await.len(), 12);
    let summary = &after.table.metadata().current_snapshot().expect("a snapshot").summary().additional_properties;
    assert_eq!((summary["total-records"].as_str(), summary["total-data-files"].as_str()), ("12", "12"));
}

#[tokio::test]
async fn orphans_are_deleted_when_they_are_old_and_this_tables() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    for id in 0..120 {
        append(&aws, &[id]).await;
    }
    let loaded = load(&aws).await;
    let abandoned = files(&loaded, &[1, 9]).await;
    assert_eq!(abandoned.len(), 2);
    let orphans = [
        "/bucket/raw/sales/metadata/snap-1-0-gone.avro",
        "/bucket/raw/sales/metadata/gone-m0.avro",
        "/bucket/raw/sales/data/at_day%3D1970-01-01/gone.parquet",
    ];
    let others = [
        "/bucket/raw/sales/metadata/version-hint.text",
        "/bucket/raw/sales/data/_temporary/0.parquet",
        "/bucket/raw/sales/mine.parquet",
        "/bucket/raw/sales_more/data/a.parquet",
        // A table within.
        "/bucket/raw/sales/data/inner/data/a.parquet",
        "/bucket/raw/sales/data/inner/metadata/00000-a.metadata.json",
    ];
    let everything = fake.keys("/raw/");
    for key in orphans.iter().chain(&others) {
        fake.put(key, "x");
    }
    // What is young stays: a writer may be about to commit it.
    let safe = Policy { orphans_age_ms: Some(3_600_000), ..Policy::default() };
    let now = chrono::Utc::now().timestamp_millis();
    let planned = remove_orphans(&loaded, &safe, now, true).await.expect("planned");
    assert_eq!((planned.deleted.files, planned.refused.clone()), (3, None));
    assert_eq!(fake.keys("/raw/").len(), everything.len() + 9);
    let done = remove_orphans(&loaded, &safe, now, false).await.expect("deleted");
    assert_eq!((done.listed, done.deleted), (planned.listed, planned.deleted));
    let mut expected: Vec<String> = everything.iter().cloned().chain(others.map(str::to_owned)).collect();
    expected.sort();
    assert_eq!(fake.keys("/raw/"), expected);
    // When it isn't any more, it goes.
    fake.make_old();
    let done = remove_orphans(&loaded, &safe, now, false).await.expect("deleted");
    assert_eq!(done.deleted.files, 2);
    assert_eq!(rows(&load(&aws).await, None).await.len(), 120);
}

#[tokio::test]
async fn nothing_is_deleted_where_another_table_lies_or_the_table_forbids_it() {
    let (fake, aws) = Fake::start().await;
    make(&aws).await;
    append(&aws, &[1]).await;
    fake.put("/bucket/raw/sales/data/gone.parquet", "x");
    let other = json!({ "table-uuid": "00000000-0000-4000-8000-000000000001" }).to_string();
    fake.put("/bucket/raw/sales/metadata/00001-b.metadata.json", &other);
    let refused = remove_orphans(&load(&aws).await, &at_once(), later(), false).await.expect("refused");
    assert!(refused.refused.expect("a reason").contains("00001-b.metadata.json is another table's"));
    assert_eq!(fake.keys("gone.parquet").len(), 1);
    edit(&fake, &load(&aws).await, |metadata| metadata["properties"]["gc.enabled"] = "false".into()).await;
    append(&aws, &[2]).await;
    let before = fake.keys("/raw/");
    let report =
        Box::pin(maintain(&aws, ("raw", "sales"), &at_once(), &Known::default(), false)).await.expect("maintained");
    assert!(report.failures.is_empty(), "{report:?}");
    assert_eq!(report.expired.expect("expired").snapshots, 0);
    assert_eq!(fake.keys("/raw/"), before);
}
