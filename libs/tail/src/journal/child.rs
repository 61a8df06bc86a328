//! `journalctl` as a child: its output arrives through a thread, in parts, a bounded number of them ahead.

use std::io::{self, Read as _};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::JournalSettings;

/// How many bytes are read at once, and how many such parts wait at most.
const PART: usize = 64 * 1024;
const AHEAD: usize = 16;
/// How many bytes of what it says on standard error are kept.
const SAID: usize = 2000;
/// How long the rest of it is waited for when the child has ended.
const LISTEN: Duration = Duration::from_millis(500);

/// What the child gave.
pub(super) enum Output {
    Bytes(Vec<u8>),
    /// Nothing now.
    Nothing,
    /// It ended, or closed its output.
    End,
}

/// A running `journalctl`; it ends with this value.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    output: Receiver<Vec<u8>>,
    said: Arc<Mutex<Vec<u8>>>,
    /// Ends with its standard error.
    silent: Receiver<()>,
}

impl Child {
    /// Starts it at the entry of a cursor, or at the oldest.
    pub fn start(settings: &JournalSettings, cursor: Option<&str>) -> io::Result<Self> {
        let mut command = Command::new(&settings.command);
        command.args(["--output=export", "--all", "--follow", "--no-tail", "--no-pager", "--quiet"]);
        // With the entry itself: when it isn't the first that comes, the journal was vacuumed past it.
        command.args(cursor.map(|cursor| format!("--cursor={cursor}")));
        command.args(settings.units.iter().map(|unit| format!("--unit={unit}")));
        command.args(settings.folder.iter().map(|folder| format!("--directory={}", folder.display())));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let stdout = process.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
        let stderr = process.stderr.take().ok_or_else(|| io::Error::other("it has no standard error"))?;
        let (sender, output) = sync_channel(AHEAD);
        let said: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (speaks, silent) = sync_channel(1);
        let child = Self { process, output, said: Arc::clone(&said), silent };
        thread::Builder::new().name("journal".into()).spawn(move || read(stdout, &sender))?;
        thread::Builder::new().name("journal-errors".into()).spawn(move || {
            listen(stderr, &said);
            drop(speaks);
        })?;
        Ok(child)
    }

    /// What it gave next, without waiting.
    pub fn next(&mut self) -> Output {
        match self.output.try_recv() {
            Ok(bytes) => Output::Bytes(bytes),
            Err(TryRecvError::Empty) => Output::Nothing,
            Err(TryRecvError::Disconnected) => Output::End,
        }
    }

    /// Ends it; how it ended, with what it said last. One that closed its output and lives on is waited for half a second.
    pub fn end(mut self) -> String {
        // All that it said is there when its standard error is at its end; what it started itself may hold that open.
        let _ = self.silent.recv_timeout(LISTEN);
        let _ = self.process.kill();
        let said = self.said.lock().map(|said| String::from_utf8_lossy(&said).into_owned()).unwrap_or_default();
        let how = match self.process.wait() {
            Ok(status) => format!("ended: {status}"),
            Err(error) => format!("ended: {error}"),
        };
        match said.trim() {
            "" => how,
            said => format!("{how}: {said}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Keeps the last of what it says.
fn listen(mut stderr: ChildStderr, said: &Mutex<Vec<u8>>) {
    let mut part = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut part) {
        let Ok(mut said) = said.lock() else { return };
        said.extend_from_slice(&part[..read]);
        let too_many = said.len().saturating_sub(SAID);
        said.drain(..too_many);
    }
}

fn read(mut stdout: ChildStdout, sender: &SyncSender<Vec<u8>>) {
    loop {
        let mut part = vec![0; PART];
        match stdout.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(read) => {
                part.truncate(read);
                if sender.send(part).is_err() {
                    return;
                }
            }
        }
    }
}
