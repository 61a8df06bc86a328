//! `run.json` in the data folder: where the parts of a running `up` listen, for other commands.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// The file's name in the data folder.
const NAME: &str = "run.json";

/// What is told about a running `up`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The stack's name.
    pub stack: String,
    /// The region that the stack lives in.
    pub region: String,
    /// The account's URL.
    pub account: String,
    /// `HOST:PORT` of Kafka.
    pub kafka: String,
    /// The search cluster's URL.
    pub search: String,
    /// The process that runs it all.
    pub pid: u32,
    /// The processes that it started.
    pub children: Vec<Child>,
}

/// A process that `up` started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// What it is, `stream on data`.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did: tells it from a later process with the same id.
    pub started: u64,
}

impl RunFile {
    /// The file of a data folder, or an error that says what to do when nothing runs there.
    pub fn read(data: &Path) -> Result<Self> {
        let path = data.join(NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "nothing runs on this machine: {} is missing; start it with `lakewright up`, or name its folder with --data",
                path.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        serde_json::from_str(&text).with_context(|| format!("{} is not what `lakewright up` writes", path.display()))
    }

    /// Writes the file, all of it or nothing.
    pub fn write(&self, data: &Path) -> Result<()> {
        let path = data.join(NAME);
        let temporary = data.join(format!("{NAME}.new"));
        let text = serde_json::to_string_pretty(self).context("write the run file")?;
        std::fs::write(&temporary, text + "\n")
            .and_then(|()| std::fs::rename(&temporary, &path))
            .with_context(|| format!("write {}", path.display()))
    }

    /// Removes the file: nothing runs any more.
    pub fn remove(data: &Path) {
        // One that is left behind names processes that are gone, which the next `up` finds out.
        let _ = std::fs::remove_file(data.join(NAME));
    }
}
