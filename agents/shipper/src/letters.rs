//! The dead letters' file: records that no index takes, whole or in pieces, each with its reason and place.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lakewright_platform::Backoff;
use lakewright_runtime::Agent;
use parking_lot::Mutex;

/// How large the file grows, in bytes, before it becomes `….1` and another one begins.
const LARGEST: u64 = 256 << 20;
/// How often it is tried to write it.
const ATTEMPTS: u32 = 5;

/// The file. Clones are the same.
#[derive(Debug, Clone)]
pub struct Letters {
    path: PathBuf,
    largest: u64,
    writing: Arc<Mutex<()>>,
}

impl Letters {
    /// The file in a folder.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("dead-letters.jsonl"), largest: LARGEST, writing: Arc::default() }
    }

    /// Where it is.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Adds lines; they are on disk when this returns.
    ///
    /// # Errors
    /// The file can't be written, however often it is tried: the disk is full.
    pub async fn add(&self, lines: Vec<u8>, agent: &Agent) -> Result<()> {
        let lines = Arc::new(lines);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let (file, lines) = (self.clone(), Arc::clone(&lines));
            let written = tokio::task::spawn_blocking(move || file.append(&lines)).await;
            let Err(error) = written.context("the writing was cut short").flatten() else { return Ok(()) };
            if backoff.failures() + 1 >= ATTEMPTS || !backoff.wait(&agent.shutdown).await {
                return Err(error);
            }
        }
    }

    fn append(&self, lines: &[u8]) -> Result<()> {
        let _one = self.writing.lock();
        let context = || format!("write {}", self.path.display());
        let mut file = self.open().with_context(context)?;
        let length = file.seek(SeekFrom::End(0)).with_context(context)?;
        if length > 0 && length + lines.len() as u64 > self.largest {
            std::fs::rename(&self.path, self.path.with_extension("jsonl.1")).with_context(context)?;
            file = self.open().with_context(context)?;
        } else if !ends_with_a_line(&mut file, length).with_context(context)? {
            // A crash, or a full disk, cut the last line off.
            file.write_all(b"\n").with_context(context)?;
        }
        file.write_all(lines).and_then(|()| file.sync_all()).with_context(context)
    }

    fn open(&self) -> std::io::Result<File> {
        OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path)
    }
}

fn ends_with_a_line(file: &mut File, length: u64) -> std::io::Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents;

    use super::*;

    #[tokio::test]
    async fn lines_are_whole_whatever_a_crash_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Agent::detached(agents::Agent::Shipper, folder.path().to_owned());
        let letters = Letters { largest: 40, ..Letters::new(folder.path()) };
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("text");
        letters.add(b"{\"a\":1}\n".to_vec(), &agent).await.expect("written");
        std::fs::write(folder.path().join("dead-letters.jsonl"), "{\"a\":1}\n{\"b\"").expect("cut off");
        letters.add(b"{\"c\":3}\n".to_vec(), &agent).await.expect("written");
        assert_eq!(read("dead-letters.jsonl"), "{\"a\":1}\n{\"b\"\n{\"c\":3}\n");
        letters.add(b"{\"d\":\"long enough to begin anew\"}\n".to_vec(), &agent).await.expect("written");
        assert_eq!(read("dead-letters.jsonl"), "{\"d\":\"long enough to begin anew\"}\n");
        assert!(read("dead-letters.jsonl.1").ends_with("{\"c\":3}\n"));
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let agent = Agent::detached(agents::Agent::Shipper, folder.path().to_owned());
        agent.shutdown.cancel();
        let letters = Letters::new(&folder.path().join("missing"));
        let error = format!("{:#}", letters.add(b"x\n".to_vec(), &agent).await.expect_err("no folder"));
        assert!(error.contains("dead-letters.jsonl"), "{error}");
    }
}
