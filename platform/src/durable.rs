//! Files that a crash or a power cut leaves whole: the former content or the new one, never a part of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Writes a file and returns when it is on disk, with the name that it has in its folder. One process writes a file at a time.
///
/// # Errors
/// It can't be written, or the disk refuses it. The former content is there then, or the new one if only the folder couldn't
/// be brought to disk.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_what_a_crash_left_is_no_matter() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("state.json");
        write(&path, b"one").expect("written");
        std::fs::write(place.path().join("state.json.new"), "half of something longer").expect("left by a crash");
        write(&path, b"two").expect("written over");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "two");
        let names: Vec<_> = std::fs::read_dir(place.path()).expect("a folder").collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_named() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("state.json");
        std::fs::create_dir(&path).expect("a folder in its place");
        let error = write(&path, b"one").expect_err("no file").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        write(&place.path().join("gone/state.json"), b"one").expect_err("no such folder");
    }
}
