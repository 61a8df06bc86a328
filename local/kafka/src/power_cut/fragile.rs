//! A disk of which a test decides when it fails, and what a power cut leaves of it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::disk::Disk;

/// A disk of which a test says when it fails; it remembers what a power cut would leave.
#[derive(Debug, Default)]
pub struct Fragile {
    /// Flushes from now on that still succeed before one fails; `usize::MAX`: none fails.
    until_failure: AtomicUsize,
    kept: Mutex<Kept>,
}

/// What was made durable, by inode.
#[derive(Debug, Default)]
pub struct Kept {
    /// The open file, so that its inode is nobody else's, and its content.
    files: HashMap<u64, (File, Vec<u8>)>,
    /// Names, their inodes, and whether they are directories.
    names: HashMap<u64, BTreeMap<OsString, (u64, bool)>>,
    /// How many flushes there were.
    pub flushes: usize,
    /// What to do at a flush, before it has an effect.
    watcher: Option<Watcher>,
}

struct Watcher(Box<dyn FnMut(&Kept) + Send>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

impl Fragile {
    /// One that fails at nothing.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { until_failure: AtomicUsize::new(usize::MAX), kept: Mutex::default() })
    }

    /// The next flush but `after` fails, and only that one.
    pub fn fail_after(&self, after: usize) {
        self.until_failure.store(after, Ordering::SeqCst);
    }

    /// Looks at each flush before it has an effect.
    pub fn watch(&self, watcher: impl FnMut(&Kept) + Send + 'static) {
        self.kept.lock().watcher = Some(Watcher(Box::new(watcher)));
    }

    /// Looks no more.
    pub fn unwatch(&self) {
        self.kept.lock().watcher = None;
    }

    /// Writes what a power cut would leave of a directory now.
    pub fn image(&self, directory: &Path, to: &Path, dice: &mut Dice) {
        self.kept.lock().image(std::fs::metadata(directory).unwrap().ino(), to, dice);
    }

    fn flush(&self, keep: impl FnOnce(&mut Kept) -> io::Result<()>) -> io::Result<()> {
        let count = |left: usize| (left != usize::MAX).then(|| left.checked_sub(1).unwrap_or(usize::MAX));
        if self.until_failure.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(0) {
            return Err(io::Error::other("the disk has a bad sector"));
        }
        let mut kept = self.kept.lock();
        if let Some(mut watcher) = kept.watcher.take() {
            (watcher.0)(&kept);
            kept.watcher = Some(watcher);
        }
        kept.flushes += 1;
        keep(&mut kept)
    }
}

impl Disk for Fragile {
    fn sync(&self, file: &File) -> io::Result<()> {
        let content = content(file)?;
        self.flush(|kept| {
            kept.files.insert(file.metadata()?.ino(), (file.try_clone()?, content));
            Ok(())
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut names = BTreeMap::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            // A file may have got its final name in between; a later flush stands for that.
            let Ok(metadata) = entry.metadata() else { continue };
            names.insert(entry.file_name(), (metadata.ino(), metadata.is_dir()));
        }
        self.flush(|kept| {
            kept.names.insert(std::fs::metadata(path)?.ino(), names);
            Ok(())
        })
    }
}

fn content(file: &File) -> io::Result<Vec<u8>> {
    let mut content = vec![0; file.metadata()?.len() as usize];
    let mut read = 0;
    while read < content.len() {
        match file.read_at(&mut content[read..], read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    content.truncate(read);
    Ok(content)
}

/// Numbers from a seed.
pub struct Dice(pub u64);

impl Dice {
    /// One from 0 on, below the limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

impl Kept {
    /// Writes what a power cut leaves of a directory: what was made durable, and of what was appended since then a
    /// part, with zeros where the blocks never came.
    pub fn image(&self, directory: u64, to: &Path, dice: &mut Dice) {
        std::fs::create_dir_all(to).unwrap();
        for (name, &(inode, is_directory)) in self.names.get(&directory).into_iter().flatten() {
            let to = to.join(name);
            if is_directory {
                self.image(inode, &to, dice);
                continue;
            }
            let mut left = Vec::new();
            if let Some((file, durable)) = self.files.get(&inode) {
                left.clone_from(durable);
                let now = content(file).unwrap();
                if let Some(tail) = now.get(durable.len()..) {
                    left.extend_from_slice(&tail[..dice.below(tail.len() as u64 + 1) as usize]);
                    let zeros = match dice.below(3) {
                        0 => left.len(),
                        1 => durable.len(),
                        _ => durable.len() + dice.below((left.len() - durable.len()) as u64 + 1) as usize,
                    };
                    left[zeros..].fill(0);
                }
            }
            std::fs::write(to, left).unwrap();
        }
    }
}
