//! The account's folder: its version and its lock.

use anyhow::{Context, bail};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// The layout of the folder that this program writes.
const VERSION: &str = "1";

/// Makes or checks `folder`, and holds it against a second process until the file is dropped.
pub(crate) fn open(folder: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join("LOCK");
    let mut lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("open {}", path.display()))?;
    if let Err(error) = lock.try_lock() {
        bail!(
            "{} is in use by another lakewright process ({error}); stop that one or choose another --data folder",
            folder.display()
        );
    }
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    let path = folder.join("VERSION");
    match fs::read_to_string(&path) {
        Ok(found) if found.trim() == VERSION => Ok(lock),
        Ok(found) => bail!(
            "{} has data of version {}, and this program writes version {VERSION}; use the program that wrote it, or another --data folder",
            folder.display(),
            found.trim()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::write(&path, format!("{VERSION}\n")).with_context(|| format!("write {}", path.display()))?;
            Ok(lock)
        }
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}
