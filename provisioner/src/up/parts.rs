//! What stands around the agents: the data folder, its lock, and the local account, Kafka and search index.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::Options;
use super::child::{Process, end_leftovers};
use crate::app::RunFile;
use crate::app::programs::program;

/// How long the local parts may take to listen: a large log is read first.
const START: Duration = Duration::from_secs(60);
/// How long leftovers may take to end by themselves.
const LEFTOVERS: Duration = Duration::from_secs(20);

/// A data folder that nobody else uses.
pub struct DataFolder {
    /// Its absolute path.
    pub path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Takes the folder for this process and ends what an earlier one left running.
    pub async fn open(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("make the data folder {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("find the data folder {}", path.display()))?;
        let file = path.join("up.lock");
        let lock = File::create(&file).with_context(|| format!("open {}", file.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let who = RunFile::read(&path).map(|run| format!(" (process {})", run.pid)).unwrap_or_default();
                bail!(
                    "another `lakewright up`{who} uses {}; stop it, or run beside it with --data OTHER_FOLDER",
                    path.display()
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("lock {}", file.display())),
        }
        if let Ok(run) = RunFile::read(&path) {
            end_leftovers(&run.children, LEFTOVERS).await?;
        }
        RunFile::remove(&path);
        Ok(Self { path, _lock: lock })
    }

    /// The log file of a process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{}.log", name.replace(' ', "-")))
    }
}

/// Where the local parts listen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoints {
    /// The account's URL.
    pub account: String,
    /// `HOST:PORT` of Kafka.
    pub kafka: String,
    /// The search cluster's URL.
    pub search: String,
}

/// Starts the local parts and returns when they listen.
pub async fn start(data: &DataFolder, options: &Options) -> Result<(Process, Endpoints)> {
    let local = program("lakewright-local")?;
    let mut command = Command::new(&local);
    command.args(["serve", "--until-stdin-closes", "--data"]).arg(&data.path);
    for (flag, value) in [("--kafka", &options.kafka), ("--search", &options.search)] {
        if let Some(value) = value {
            command.args([flag, value]);
        }
    }
    let log = data.log("local");
    let known = std::fs::metadata(&log).map_or(0, |log| log.len());
    let mut process = Process::start("local", &mut command, &log, Stdio::piped())?;
    let stdout = process.stdout().context("read what lakewright-local says")?;
    let mut line = String::new();
    let mut reader = BufReader::new(stdout);
    let said = tokio::time::timeout(START, reader.read_line(&mut line)).await;
    match said {
        Ok(Ok(1..)) => {}
        Ok(_) => {
            let ended = process.ended().await;
            let text = std::fs::read(&log).unwrap_or_default();
            let new = String::from_utf8_lossy(text.get(known as usize..).unwrap_or_default()).into_owned();
            bail!("the local account, Kafka and search did not start ({ended}):\n{}", new.trim_end())
        }
        Err(_) => bail!("the local account did not start within {} s; its log is {}", START.as_secs(), log.display()),
    }
    let mut endpoints: Endpoints =
        serde_json::from_str(&line).with_context(|| format!("lakewright-local said `{}`", line.trim()))?;
    if let Some(url) = &options.aws {
        endpoints.account.clone_from(url);
    }
    Ok((process, endpoints))
}

/// The last lines of a log.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_data_folder_has_one_user() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = DataFolder::open(folder.path()).await.expect("it is free");
        let error = DataFolder::open(folder.path()).await.map(|_| ()).expect_err("it is taken");
        assert!(error.to_string().contains("--data OTHER_FOLDER"), "{error}");
        drop(first);
        DataFolder::open(folder.path()).await.expect("it is free again");
    }
}
