//! The files that hold the bytes of objects. A file is written once, synced, and never changed.

use super::{errors, scope};
use crate::account::Account;
use crate::error::AwsError;
use crate::ids;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// A file and its length.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Blob {
    pub file: String,
    pub size: u64,
}

/// A fresh name for a file.
pub(super) fn name() -> String {
    ids::uuid()
}

/// Where a file lies; two digits of its name spread the files over folders.
pub(super) fn path(account: &Account, file: &str) -> PathBuf {
    account.data.join("s3").join(file.get(..2).unwrap_or("00")).join(file)
}

/// The place for a new file, its folder made.
pub(super) fn place(account: &Account, file: &str) -> io::Result<PathBuf> {
    let path = path(account, file);
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        std::fs::create_dir_all(folder)?;
        settle(account, folder)?;
        settle(account, &account.data.join("s3"))?;
    }
    Ok(path)
}

/// A second name for the same bytes, so that the copy outlives the original.
pub(super) fn link(account: &Account, blob: &Blob) -> Result<Blob, AwsError> {
    let file = name();
    let to = place(account, &file).map_err(|error| errors::disk(&error))?;
    std::fs::hard_link(path(account, &blob.file), &to).map_err(|error| errors::disk(&error))?;
    settle(account, &to).map_err(|error| errors::disk(&error))?;
    Ok(Blob { file, size: blob.size })
}

/// Makes a file's name durable, before a document names it.
pub(super) fn settle(account: &Account, path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| account.disk.sync_folder(folder))
}

/// Deletes files that documents named until now, once the journal that says so is synced: the document that a power cut
/// brings back finds its bytes.
pub(super) fn release(account: &Account, blobs: &[Blob]) {
    if !blobs.is_empty() {
        account.store.lock().free(blobs.iter().map(|blob| path(account, &blob.file)));
    }
}

/// Deletes files that no document ever named.
pub(super) fn discard(account: &Account, blobs: &[Blob]) {
    for blob in blobs {
        if let Err(error) = std::fs::remove_file(path(account, &blob.file)) {
            tracing::debug!(%error, file = blob.file, "cannot delete a file that is not used any more");
        }
    }
}

/// Deletes every file that no document names.
pub(super) fn sweep(account: &Account) -> io::Result<()> {
    let folder = account.data.join("s3");
    if !folder.exists() {
        return Ok(());
    }
    let used: HashSet<String> = {
        let store = account.store.lock();
        let collections = store.documents.get(&scope());
        collections
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.starts_with("s3/object/") || name.starts_with("s3/part"))
            .flat_map(|(_, documents)| documents.values())
            .flat_map(|document| document["blobs"].as_array().into_iter().flatten())
            .filter_map(|blob| Some(blob.get("file")?.as_str()?.to_owned()))
            .collect()
    };
    for part in std::fs::read_dir(folder)? {
        for file in std::fs::read_dir(part?.path())? {
            let file = file?;
            if !used.contains(&*file.file_name().to_string_lossy()) {
                std::fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}
