//! Tests of what a power cut leaves of objects: the journal as it was synced, and the files whose bytes and names were.

use super::S3;
use crate::account::Account;
use crate::clock::Delays;
use crate::credentials::Credentials;
use crate::disk::Disk;
use crate::engine::NoEngine;
use crate::store::Store;
use axum::body::Body;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const CONFIGURATION: &str =
    "<CreateBucketConfiguration><LocationConstraint>eu-north-1</LocationConstraint></CreateBucketConfiguration>";

/// A disk that remembers what was made durable.
#[derive(Debug, Default)]
struct Remembering {
    /// Inodes of files.
    files: Mutex<HashSet<u64>>,
    /// Names by folder.
    names: Mutex<HashMap<PathBuf, HashSet<OsString>>>,
}

impl Disk for Remembering {
    fn sync(&self, file: &File) -> io::Result<()> {
        self.files.lock().insert(file.metadata()?.ino());
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        self.names.lock().insert(folder.to_owned(), names);
        Ok(())
    }
}

impl Remembering {
    /// Copies what a power cut leaves of a folder: the names that were made durable, without bytes where those weren't.
    fn image(&self, from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for name in self.names.lock().get(from).into_iter().flatten() {
            let (from, to) = (from.join(name), to.join(name));
            // What was deleted since then may be left, and nothing names it any more.
            let Ok(metadata) = fs::metadata(&from) else { continue };
            if metadata.is_dir() {
                fs::create_dir_all(&to).unwrap();
            } else if self.files.lock().contains(&metadata.ino()) {
                fs::copy(&from, &to).unwrap();
            } else {
                File::create(&to).unwrap();
            }
        }
    }
}

fn open(data: &Path) -> Arc<Account> {
    open_on(data, Arc::new(Remembering::default()))
}

fn open_on(data: &Path, disk: Arc<dyn Disk>) -> Arc<Account> {
    let account = Arc::new(Account {
        store: Mutex::new(Store::open(&data.join("state")).unwrap()),
        disk,
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

/// What a power cut leaves of an account, with so many bytes of its journal.
fn image(disk: &Remembering, data: &Path, to: &Path, left: u64) {
    disk.image(data, to);
    let s3 = Path::new("s3");
    disk.image(&data.join(s3), &to.join(s3));
    for folder in fs::read_dir(to.join(s3)).unwrap() {
        let folder = s3.join(folder.unwrap().file_name());
        disk.image(&data.join(&folder), &to.join(&folder));
    }
    fs::create_dir_all(to.join("state")).unwrap();
    let written = fs::read(journal(data)).unwrap();
    fs::write(journal(to), &written[..left as usize]).unwrap();
}

fn files(data: &Path) -> usize {
    let folders = fs::read_dir(data.join("s3")).unwrap();
    folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

#[tokio::test]
async fn an_object_has_its_old_bytes_or_its_new_ones() {
    let data = tempfile::tempdir().unwrap();
    let disk = Arc::new(Remembering::default());
    let account = open_on(data.path(), disk.clone());
    assert_eq!(ask(&account, "PUT", "/bucket", &[], CONFIGURATION).await.0, 200);
    for key in ["overwritten", "deleted", "among-many", "copied-over", "put-together"] {
        put(&account, key, &format!("old {key}")).await;
    }
    account.sync();
    let synced = fs::metadata(journal(data.path())).unwrap().len();
    assert_eq!(files(data.path()), 5);

    put(&account, "overwritten", "new overwritten").await;
    assert_eq!(ask(&account, "DELETE", "/bucket/deleted", &[], "").await.0, 204);
    let many = "<Delete><Object><Key>among-many</Key></Object></Delete>";
    assert_eq!(ask(&account, "POST", "/bucket?delete", &[], many).await.0, 200);
    let source = [("x-amz-copy-source", "/bucket/overwritten")];
    assert_eq!(ask(&account, "PUT", "/bucket/copied-over", &source, "").await.0, 200);

    let (_, begun) = ask(&account, "POST", "/bucket/put-together?uploads", &[], "").await;
    let upload = begun.split_once("<UploadId>").unwrap().1.split_once("</UploadId>").unwrap().0;
    let part = format!("/bucket/put-together?partNumber=1&uploadId={upload}");
    let (status, copied) = ask(&account, "PUT", &part, &source, "").await;
    assert_eq!(status, 200, "{copied}");
    let etag = copied.split_once("<ETag>").unwrap().1.split_once("</ETag>").unwrap().0;
    let parts = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let (status, body) = ask(&account, "POST", &format!("/bucket/put-together?uploadId={upload}"), &[], &parts).await;
    assert_eq!(status, 200, "{body}");

    // The power goes: of the journal only what was synced is left, or what the system happened to write of it.
    let written = fs::metadata(journal(data.path())).unwrap().len();
    for left in [synced, synced.midpoint(written), written] {
        let cut = tempfile::tempdir().unwrap();
        image(&disk, data.path(), cut.path(), left);
        let account = open(cut.path());
        for (key, new) in [
            ("overwritten", Some("new overwritten")),
            ("deleted", None),
            ("among-many", None),
            ("copied-over", Some("new overwritten")),
            ("put-together", Some("new overwritten")),
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
    assert_eq!(files(data.path()), 3, "what nothing names any more is still there");
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
