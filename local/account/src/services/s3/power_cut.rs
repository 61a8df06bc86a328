//! Tests of what a power cut leaves of objects: the journal as it was synced, and every file that is there.

use super::S3;
use crate::account::Account;
use crate::clock::Delays;
use crate::credentials::Credentials;
use crate::engine::NoEngine;
use crate::store::Store;
use axum::body::Body;
use parking_lot::Mutex;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const CONFIGURATION: &str =
    "<CreateBucketConfiguration><LocationConstraint>eu-north-1</LocationConstraint></CreateBucketConfiguration>";

fn open(data: &Path) -> Arc<Account> {
    let account = Arc::new(Account {
        store: Mutex::new(Store::open(&data.join("state")).unwrap()),
        delays: Delays::None,
        engine: Arc::new(NoEngine),
        kafka: None,
        data: data.to_owned(),
        endpoint: "http://127.0.0.1:1".to_owned(),
        secret: None,
        query_time: Duration::from_secs(60),
        enforce: false,
    });
    S3::start(&account);
    account
}

async fn ask(account: &Arc<Account>, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut request = http::Request::builder().method(method).uri(path).header("content-length", body.len());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let credentials =
        Credentials { access_key: "123456789012".into(), region: "eu-north-1".into(), service: "s3".into() };
    let caller = Some(("123456789012".to_owned(), credentials));
    let response = S3::answer(account, parts, Body::from(body.to_owned()), caller, "id").await;
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn put(account: &Arc<Account>, key: &str, value: &str) {
    let (status, body) = ask(account, "PUT", &format!("/bucket/{key}"), &[], value).await;
    assert_eq!(status, 200, "{key}: {body}");
}

async fn get(account: &Arc<Account>, key: &str) -> (u16, String) {
    ask(account, "GET", &format!("/bucket/{key}"), &[], "").await
}

fn journal(data: &Path) -> PathBuf {
    data.join("state").join("journal-0.jsonl")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn files(data: &Path) -> usize {
    let folders = fs::read_dir(data.join("s3")).unwrap();
    folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test]
async fn an_object_has_its_old_bytes_or_its_new_ones() {
    let data = tempfile::tempdir().unwrap();
    let account = open(data.path());
    assert_eq!(ask(&account, "PUT", "/bucket", &[], CONFIGURATION).await.0, 200);
    for key in ["overwritten", "deleted", "among-many", "copied-over"] {
        put(&account, key, &format!("old {key}")).await;
    }
    account.sync();
    let synced = fs::metadata(journal(data.path())).unwrap().len();
    assert_eq!(files(data.path()), 4);

    put(&account, "overwritten", "new overwritten").await;
    assert_eq!(ask(&account, "DELETE", "/bucket/deleted", &[], "").await.0, 204);
    let many = "<Delete><Object><Key>among-many</Key></Object></Delete>";
    assert_eq!(ask(&account, "POST", "/bucket?delete", &[], many).await.0, 200);
    let source = [("x-amz-copy-source", "/bucket/overwritten")];
    assert_eq!(ask(&account, "PUT", "/bucket/copied-over", &source, "").await.0, 200);

    // The power goes: of the journal only what was synced is left, or what the system happened to write of it.
    let written = fs::metadata(journal(data.path())).unwrap().len();
    for left in [synced, synced.midpoint(written), written] {
        let image = tempfile::tempdir().unwrap();
        copy(data.path(), image.path());
        fs::OpenOptions::new().write(true).open(journal(image.path())).unwrap().set_len(left).unwrap();
        let account = open(image.path());
        for (key, new) in [
            ("overwritten", Some("new overwritten")),
            ("deleted", None),
            ("among-many", None),
            ("copied-over", Some("new overwritten")),
        ] {
            let old = (200, format!("old {key}"));
            let found = get(&account, key).await;
            let is_new = match new {
                Some(new) => found == (200, new.to_owned()),
                None => found.0 == 404,
            };
            assert!(found == old && left < written || is_new && left > synced, "{key}, {left} bytes left: {found:?}");
        }
    }

    account.sync();
    assert_eq!(files(data.path()), 2, "what nothing names any more is still there");
    assert_eq!(get(&account, "copied-over").await, (200, "new overwritten".to_owned()));
}

#[tokio::test]
async fn the_last_write_counts_when_the_clock_was_set_back() {
    let data = tempfile::tempdir().unwrap();
    let account = open(data.path());
    assert_eq!(ask(&account, "PUT", "/bucket", &[], CONFIGURATION).await.0, 200);
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(ask(&account, "PUT", "/bucket?versioning", &[], on).await.0, 200);
    put(&account, "key", "first").await;
    account.sync();
    drop(account);
    // The first write came an hour after now.
    let text = fs::read_to_string(journal(data.path())).unwrap();
    let (before, rest) = text.split_once("key\\u0000").expect("the version's document id");
    let number: u64 = rest[..20].parse().unwrap();
    let moved = format!("{before}key\\u0000{:020}{}", number - 3_600_000_000, &rest[20..]);
    fs::write(journal(data.path()), moved).unwrap();

    let account = open(data.path());
    assert_eq!(get(&account, "key").await, (200, "first".to_owned()));
    put(&account, "key", "second").await;
    assert_eq!(get(&account, "key").await, (200, "second".to_owned()));
}
