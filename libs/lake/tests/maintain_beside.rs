//! Maintenance beside other processes: what they commit stays, and what they delete isn't missed.

use std::time::Duration;

use crate::support::Fake;
use crate::support::sales::{self, at_once, compact, later, load, paths};
use lakewright_lake::maintain::{Known, Policy, expire, maintain, remove_orphans};
use lakewright_lake::{Change, CommitError};

#[tokio::test]
async fn files_that_were_taken_for_orphans_are_never_committed() {
    let (fake, aws) = Fake::start().await;
    sales::make(&aws).await;
    // A writer that freezes when its files are written, until somebody else has deleted them.
    let frozen = load(&aws).await;
    let files = sales::files(&frozen, &[1, 2]).await;
    fake.make_old();
    let done = remove_orphans(&load(&aws).await, &at_once(), later(), false).await.expect("removed");
    assert_eq!(done.deleted.files, 1);
    let commit = frozen.commit(Change { files, ..Change::default() }).await;
    assert!(matches!(commit, Err(CommitError::Conflict { .. })), "{commit:?}");
    // Compacted files as well: the table is loaded again, and they are too old by then.
    for id in 0..6 {
        sales::append(&aws, &[id * 10]).await;
    }
    let before = paths(&load(&aws).await).await;
    let impatient = Policy { held_at_most: Duration::ZERO, ..Policy::default() };
    let error = compact(load(&aws).await, &impatient, false).await.expect_err("too old");
    assert!(format!("{error:#}").contains("may have been taken for orphans"), "{error:#}");
    assert_eq!(paths(&load(&aws).await).await, before);
    assert_eq!(fake.keys(".parquet").len(), before.len());
}

#[tokio::test]
async fn an_orphans_removal_sees_what_is_committed_before_its_fence() {
    let (fake, aws) = Fake::start().await;
    sales::make(&aws).await;
    let writer = load(&aws).await;
    let files = sales::files(&writer, &[1]).await;
    sales::files(&writer, &[2]).await;
    fake.make_old();
    let (come, go) = fake.hold_next();
    let loaded = load(&aws).await;
    let removing = tokio::spawn(async move { remove_orphans(&loaded, &at_once(), later(), false).await });
    come.await.expect("the fence");
    writer.commit(Change { files, ..Change::default() }).await.expect("committed in time");
    go.send(()).expect("the fence waits");
    let done = removing.await.expect("no panic").expect("removed");
    assert_eq!(done.deleted.files, 1);
    assert_eq!(sales::rows(&load(&aws).await, None).await, [1]);
}

#[tokio::test]
async fn an_expiry_on_a_table_whose_version_changes_is_a_conflict_and_goes_on() {
    let (fake, aws) = Fake::start().await;
    sales::make(&aws).await;
    for id in 0..3 {
        sales::append(&aws, &[id]).await;
    }
    let loaded = load(&aws).await;
    fake.record("raw.sales", |record| record["VersionId"] = "77".into());
    let (_, done) = expire(loaded, &at_once(), later(), false).await.expect("expired");
    assert_eq!(done.snapshots, 2);
}

#[tokio::test]
async fn a_snapshot_that_another_expires_while_it_is_read_is_no_failure() {
    let (fake, aws) = Fake::start().await;
    sales::make(&aws).await;
    for id in 0..3 {
        sales::append(&aws, &[id * 10]).await;
    }
    let loaded = load(&aws).await;
    let oldest = loaded.table.metadata().snapshots().min_by_key(|one| one.sequence_number()).expect("a snapshot");
    let (come, go) = fake.hold_reading(oldest.manifest_list().rsplit('/').next().expect("a name"));
    let keeps = Policy { orphans_age_ms: Some(0), ..Policy::default() };
    let ours = aws.clone();
    let maintaining =
        tokio::spawn(async move { maintain(&ours, ("raw", "sales"), &keeps, &Known::default(), false).await });
    come.await.expect("the oldest snapshot is read");
    let (_, theirs) = expire(loaded, &at_once(), later(), false).await.expect("expired");
    assert_eq!(theirs.snapshots, 2);
    go.send(()).expect("the reading waits");
    let report = maintaining.await.expect("no panic").expect("maintained");
    assert!(report.failures.is_empty() && report.orphans.is_some(), "{report:?}");
    assert_eq!(sales::rows(&load(&aws).await, None).await, [0, 10, 20]);
}

#[tokio::test]
async fn a_file_that_is_gone_for_good_is_a_failure() {
    let (fake, aws) = Fake::start().await;
    sales::make(&aws).await;
    sales::append(&aws, &[1]).await;
    sales::append(&aws, &[2]).await;
    for list in fake.keys("/snap-") {
        fake.remove(&list);
    }
    let keeps = Policy { orphans_age_ms: Some(0), ..Policy::default() };
    let report = maintain(&aws, ("raw", "sales"), &keeps, &Known::default(), false).await.expect("looked at");
    assert!(
        report.failures.iter().any(|why| why.starts_with("removal of orphans: read the manifest list")),
        "{report:?}"
    );
}
