//! The processes that `up` starts, and those that an `up` that was killed left behind.

use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lakewright_platform::private;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::process::{ChildStdin, Command};

use crate::app::Child as Record;

/// A process that ends when its standard input closes: on purpose, or because this process has gone.
pub struct Process {
    /// What it is, as people read it.
    pub record: Record,
    child: tokio::process::Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts a program in a process group of its own, so that Ctrl-C reaches only this process, and with its log
    /// appended to a file. The caller may pipe standard output.
    pub fn start(name: &str, command: &mut Command, log: &Path, stdout: Stdio) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(append(log)?)
            .process_group(0)
            .kill_on_drop(false)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let stdin = child.stdin.take();
        let pid = child.id().with_context(|| format!("{name} ended as it began"))?;
        let record = Record { name: name.to_owned(), pid, started: started(pid).unwrap_or_default() };
        Ok(Self { record, child, stdin })
    }

    /// Its standard output, once, if it was piped.
    pub fn stdout(&mut self) -> Option<tokio::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for its end; the text says how it ended.
    pub async fn ended(&mut self) -> String {
        match self.status().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("{error:#}"),
        }
    }

    /// Waits for its end.
    pub async fn status(&mut self) -> Result<ExitStatus> {
        self.child.wait().await.with_context(|| format!("wait for {}", self.record.name))
    }

    /// Asks it to end and waits; after the grace time it is killed.
    pub async fn stop(mut self, grace: Duration) -> Result<()> {
        drop(self.stdin.take());
        if let Ok(status) = tokio::time::timeout(grace, self.child.wait()).await {
            let status = status.with_context(|| format!("wait for {}", self.record.name))?;
            if !status.success() {
                bail!("{} ended with {status}", self.record.name);
            }
            return Ok(());
        }
        self.child.kill().await.with_context(|| format!("kill {}", self.record.name))?;
        bail!("{} did not end within {} s and was killed", self.record.name, grace.as_secs())
    }
}

fn append(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    }
    private::append(log)
}

/// When the process started, in clock ticks since the machine did; `None` when there is no such process.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything; the start time is the 22nd.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Ends what an `up` that was killed has left: its pipes are closed, so that the processes are ending by themselves;
/// what takes longer than the grace time is killed.
pub async fn end_leftovers(records: &[Record], grace: Duration) -> Result<()> {
    let begun = Instant::now();
    while records.iter().any(is_running) {
        if begun.elapsed() > grace {
            for record in records.iter().filter(|record| is_running(record)) {
                kill(record).with_context(|| format!("end {}, process {}", record.name, record.pid))?;
            }
            if begun.elapsed() > grace * 2 {
                bail!("processes of an earlier run don't end: {records:?}");
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Whether the process that was started is there still; a later one with its number began at another time.
fn is_running(record: &Record) -> bool {
    record.started != 0 && started(record.pid) == Some(record.started)
}

/// Kills the process that was started, and no other: a descriptor stays that of one process, whatever becomes of its number.
fn kill(record: &Record) -> Result<()> {
    let Some(pid) = i32::try_from(record.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // Opened before this look: if its number is still the record's, the descriptor is the record's process.
    if !is_running(record) {
        return Ok(());
    }
    match pidfd_send_signal(&process, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_ends_when_its_standard_input_closes() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("logs/cat.log");
        let process = Process::start("cat", &mut Command::new("cat"), &log, Stdio::null()).expect("cat starts");
        let record = process.record.clone();
        assert_eq!(started(record.pid), Some(record.started));
        process.stop(Duration::from_secs(10)).await.expect("cat ends");
        end_leftovers(&[record], Duration::ZERO).await.expect("nothing is left");
    }

    #[tokio::test]
    async fn what_was_left_behind_is_ended_and_a_stranger_with_its_number_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("sleep.log");
        let mut command = Command::new("sleep");
        let mut left = Process::start("sleep", command.arg("600"), &log, Stdio::null()).expect("sleep starts");
        let stranger = Record { started: left.record.started + 1, ..left.record.clone() };
        end_leftovers(&[stranger], Duration::ZERO).await.expect("nothing to do");
        assert!(left.child.try_wait().expect("it can be asked").is_none());
        let record = left.record.clone();
        let (ended, how) =
            tokio::join!(end_leftovers(std::slice::from_ref(&record), Duration::from_millis(200)), left.ended());
        ended.expect("it ends");
        assert!(how.contains("signal: 9"), "{how}");
    }
}
