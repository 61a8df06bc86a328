//! Locks that one process holds at a time: waited for while the holder ends, and then held against it by name.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::private;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(String);

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Locks a file, which is made when it is missing. Whoever holds it is waited for, at most for the given time, and then
/// comes back in the lock's place.
///
/// # Errors
/// The file can't be opened or locked at all.
pub async fn take(path: &Path, longest: Duration) -> Result<Result<File, Holder>> {
    let file = private::lockable(path).with_context(|| format!("open {}", path.display()))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Ok(file)),
            Err(TryLockError::WouldBlock) if begun.elapsed() < longest => tokio::time::sleep(PAUSE).await,
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&file).unwrap_or_else(|| "another process".to_owned());
                return Ok(Err(Holder(holder)));
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("lock {}", path.display())),
        }
    }
}

/// Waits until nobody holds a file's lock any more, at most for the given time; a file that is missing is held by nobody.
/// Who holds it still comes back.
///
/// # Errors
/// As [`take`].
pub async fn wait(path: &Path, longest: Duration) -> Result<Option<Holder>> {
    match path.symlink_metadata() {
        Ok(_) => Ok(take(path, longest).await?.err()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("look at {}", path.display())),
    }
}

/// The process that holds a file's lock, by its number and the name of its program.
fn holder(file: &File) -> Option<String> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`; who waits has a line with an arrow.
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = fields[..] else { return None };
        (place.rsplit(':').next() == Some(inode.as_str())).then(|| pid.to_owned())
    })?;
    let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("process {pid} ({})", program.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_waited_for_and_its_holder_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let soon = Duration::from_millis(30);
        assert_eq!(wait(&path, soon).await.expect("looked"), None, "nobody holds what isn't there");
        let held = take(&path, soon).await.expect("opened").expect("it is free");
        let holder = take(&path, soon).await.expect("opened").expect_err("it is held").to_string();
        assert!(holder.contains(&format!("process {} (", std::process::id())), "{holder}");
        assert!(wait(&path, soon).await.expect("looked").is_some());
        let releasing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(held);
        });
        assert_eq!(wait(&path, Duration::from_secs(60)).await.expect("looked"), None);
        releasing.await.expect("released");
        take(&path, soon).await.expect("opened").expect("it is free");
    }
}
