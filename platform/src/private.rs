//! Folders and files that nobody but their user reads, and that are no links to something else.
//!
//! A folder may come with what somebody else has checked in: a link in it would lead a write out of it, and a file in it
//! would be believed. So a data folder is judged as a whole before anything in it is opened; from then on nobody else can
//! put anything there.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{Mode, OFlags};

/// The bits of a mode by which others read, write and search.
const OTHERS: u32 = 0o077;

/// Keeps what this process makes from now on, and what its children make, from other users.
pub fn umask() {
    rustix::process::umask(Mode::from_raw_mode(OTHERS));
}

/// Makes a folder that only its user may enter, or makes one that is there such a folder.
///
/// # Errors
/// It is a link, no folder, another user's, or can't be made.
pub fn folder(path: &Path) -> Result<()> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).with_context(|| format!("make the folder {}", parent.display()))?;
            }
            let made = DirBuilder::new().mode(0o700).create(path);
            return made.with_context(|| format!("make the folder {}", path.display()));
        }
        Err(error) => return Err(error).with_context(|| format!("look at {}", path.display())),
    };
    ensure!(
        !found.is_symlink(),
        "{} is a link, and no link is followed from here; remove it, or name the folder that it leads to",
        path.display()
    );
    ensure!(found.is_dir(), "{} is no folder; remove it, or name another folder", path.display());
    own(path, &found)?;
    if found.mode() & OTHERS != 0 {
        let private = Permissions::from_mode(found.mode() & 0o700);
        std::fs::set_permissions(path, private).with_context(|| format!("keep others out of {}", path.display()))?;
    }
    Ok(())
}

/// Makes a data folder private, and refuses one that has a link or another user's file anywhere in it.
///
/// # Errors
/// As [`folder`]; there is a link or another's file.
pub fn data_folder(path: &Path) -> Result<()> {
    folder(path)?;
    let mut waiting = vec![path.to_owned()];
    while let Some(folder) = waiting.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            // A process that is ending may still tidy up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("read the folder {}", folder.display())),
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("read the folder {}", folder.display()))?;
            let inner = entry.path();
            let found = match entry.metadata() {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| format!("look at {}", inner.display())),
            };
            if found.is_symlink() {
                bail!(
                    "{} is a link, and a data folder has none: somebody else may have put it there; remove it, or take \
                     another folder with --data",
                    inner.display()
                );
            }
            own(&inner, &found)?;
            if found.is_dir() {
                waiting.push(inner);
            }
        }
    }
    Ok(())
}

fn own(path: &Path, found: &Metadata) -> Result<()> {
    let user = rustix::process::geteuid().as_raw();
    ensure!(
        found.uid() == user,
        "{} belongs to user {} and not to user {user}, who runs this; remove it, or take another folder with --data",
        path.display(),
        found.uid()
    );
    Ok(())
}

/// The content of a file that only its user may read; nothing when there is none.
///
/// # Errors
/// It is a link, another's, others may read or write it (it may have been checked in), or it can't be read.
pub fn read(path: &Path) -> Result<Option<String>> {
    let opened = OpenOptions::new().read(true).custom_flags(unfollowed()).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    };
    let found = file.metadata().with_context(|| format!("look at {}", path.display()))?;
    ensure!(found.is_file(), "{} is no file; remove it", path.display());
    own(path, &found)?;
    ensure!(
        found.mode() & OTHERS == 0,
        "{} can be read by others (mode {:o}), so that it may come from somebody else; remove it, or, if it is yours, \
         `chmod 600` it",
        path.display(),
        found.mode() & 0o777
    );
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(|| format!("read {}", path.display()))?;
    Ok(Some(text))
}

/// Writes a file that only its user may read, all of it or nothing; what was there is replaced, never followed.
///
/// # Errors
/// It can't be written.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let write = || {
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        options().create_new(true).write(true).open(&new)?.write_all(content)?;
        std::fs::rename(&new, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// A file to append to, made when it is missing; only its user may read what is made.
///
/// # Errors
/// It is a link, or can't be opened.
pub fn append(path: &Path) -> Result<File> {
    let file = options().create(true).append(true).open(path);
    file.with_context(|| format!("open {}", path.display()))
}

/// A file to write over and to lock, made when it is missing, with its content untouched.
pub(crate) fn lockable(path: &Path) -> io::Result<File> {
    options().create(true).truncate(false).read(true).write(true).open(path)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(unfollowed());
    options
}

fn unfollowed() -> i32 {
    OFlags::NOFOLLOW.bits() as i32
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("it is there").mode() & 0o777
    }

    #[test]
    fn a_folder_is_made_private_and_kept_so() {
        let place = tempfile::tempdir().expect("a folder");
        let data = place.path().join("a/data");
        data_folder(&data).expect("made");
        assert_eq!(mode(&data), 0o700);
        std::fs::set_permissions(&data, Permissions::from_mode(0o755)).expect("opened to all");
        data_folder(&data).expect("taken");
        assert_eq!(mode(&data), 0o700);
        std::fs::write(place.path().join("file"), "").expect("written");
        assert!(data_folder(&place.path().join("file")).expect_err("a file").to_string().contains("no folder"));
    }

    #[test]
    fn links_are_never_followed() {
        let place = tempfile::tempdir().expect("a folder");
        let precious = place.path().join("precious");
        std::fs::write(&precious, "mine").expect("written");
        let data = place.path().join("data");
        std::fs::create_dir_all(data.join("logs/deep")).expect("made");
        data_folder(&data).expect("it has no links");
        symlink(&precious, data.join("logs/deep/up.lock")).expect("linked");
        let error = data_folder(&data).expect_err("it has one").to_string();
        assert!(error.contains("logs/deep/up.lock is a link") && error.contains("--data"), "{error}");
        let link = place.path().join("link");
        symlink(&data, &link).expect("linked");
        assert!(data_folder(&link).expect_err("a link").to_string().contains("is a link"));
        let to_precious = place.path().join("to-precious");
        symlink(&precious, &to_precious).expect("linked");
        append(&to_precious).expect_err("not followed");
        read(&to_precious).expect_err("not followed");
        lockable(&to_precious).expect_err("not followed");
        write(&to_precious, b"new").expect("it takes the link's place");
        assert_eq!(std::fs::read_to_string(&precious).expect("untouched"), "mine");
        assert_eq!(read(&to_precious).expect("a file").as_deref(), Some("new"));
    }

    #[test]
    fn files_are_private_and_others_are_not_believed() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("run.json");
        assert_eq!(read(&path).expect("nothing to read"), None);
        write(&path, b"one").expect("written");
        write(&path, b"two").expect("written over");
        assert_eq!((read(&path).expect("read").as_deref(), mode(&path)), (Some("two"), 0o600));
        let log = place.path().join("log");
        append(&log).expect("made").write_all(b"line").expect("written");
        assert_eq!(mode(&log), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("opened to all");
        let error = read(&path).expect_err("it may be another's").to_string();
        assert!(error.contains("mode 644") && error.contains("chmod 600"), "{error}");
    }
}
