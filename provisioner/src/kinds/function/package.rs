//! The zip of a function's code, made so that equal content gives equal bytes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use sha2::{Digest, Sha256};

/// The most bytes that a zip may have which goes up in the create call.
pub const LARGEST: u64 = 50 << 20;

/// A file of a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path within the zip, with `/`.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Whether it may be run.
    pub executable: bool,
}

/// The zip of a file, or of all that is in a folder. A file that is a zip already goes up as it is.
///
/// What begins with a dot and Python's `__pycache__` stay out: they come and go on a machine, and `.env` holds secrets.
pub fn of_path(path: &Path) -> Result<Vec<u8>> {
    let context = || format!("read the code {}", path.display());
    let about = fs::metadata(path).with_context(context)?;
    if !about.is_dir() {
        if about.len() > LARGEST {
            bail!("{}", too_large(about.len()));
        }
        let entry = file(path, file_name(path))?;
        let is_zip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
        return if is_zip { Ok(entry.content) } else { zip(vec![entry]) };
    }
    let mut entries = Vec::new();
    let mut size = 0;
    collect(path, "", &mut entries, &mut size)?;
    if entries.is_empty() {
        bail!("the folder {} holds no code", path.display());
    }
    zip(entries)
}

/// The zip of one text.
pub fn of_text(name: &str, text: &str) -> Vec<u8> {
    let entry = Entry { name: name.to_owned(), content: text.as_bytes().to_vec(), executable: false };
    zip(vec![entry]).expect("one text of a stack file is no large zip")
}

/// The hash of a zip as Lambda returns it: SHA-256 in base64.
pub fn hash(zip: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(zip))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn file(path: &Path, name: String) -> Result<Entry> {
    let content = fs::read(path).with_context(|| format!("read the code {}", path.display()))?;
    Ok(Entry { name, content, executable: is_executable(path) })
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_path: &Path) -> bool {
    false
}

fn collect(folder: &Path, within: &str, entries: &mut Vec<Entry>, size: &mut u64) -> Result<()> {
    let context = || format!("read the code {}", folder.display());
    let listed: Result<Vec<PathBuf>, _> =
        fs::read_dir(folder).with_context(context)?.map(|entry| entry.map(|entry| entry.path())).collect();
    for path in listed.with_context(context)? {
        let name = file_name(&path);
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        let within = if within.is_empty() { name } else { format!("{within}/{name}") };
        let about = fs::metadata(&path).with_context(|| format!("read the code {}", path.display()))?;
        if !about.is_dir() {
            *size += about.len();
            if *size > LARGEST {
                bail!("{}", too_large(*size));
            }
            entries.push(file(&path, within)?);
        } else if path.is_symlink() {
            // It may lead back to where it stands.
            bail!("{} is a link to a folder; copy what it leads to", path.display());
        } else {
            collect(&path, &within, entries, size)?;
        }
    }
    Ok(())
}

/// What is wrong with so large a zip.
pub fn too_large(size: u64) -> String {
    format!(
        "the code has {:.1} MiB and more; Lambda takes 50 MiB in a call: leave out what the function doesn't need",
        size as f64 / f64::from(1 << 20)
    )
}

/// The first day that a zip can name: times of files would make every checkout another zip.
const DATE: u16 = 0x21;
/// Names are UTF-8.
const UTF_8: u16 = 0x800;
/// Made on Unix, so that permissions count, by version 2.0 of the format.
const MADE_BY: u16 = 0x0314;
const NEEDS: u16 = 20;

/// A zip of these files in the order of their names, stored as they are: packed by another version of a library, the same
/// content would be another zip.
pub fn zip(mut entries: Vec<Entry>) -> Result<Vec<u8>> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let size: usize = entries.iter().map(|entry| entry.content.len() + 2 * entry.name.len() + 76).sum();
    if size as u64 + 22 > LARGEST || entries.len() > usize::from(u16::MAX) {
        bail!("{}", too_large(size as u64));
    }
    let mut out = Vec::with_capacity(size + 22);
    let mut directory = Vec::new();
    for entry in &entries {
        let offset = out.len() as u32;
        let mode: u32 = if entry.executable { 0o100_755 } else { 0o100_644 };
        let name = entry.name.as_bytes();
        let mut about = Vec::new();
        for number in [NEEDS, UTF_8, 0, 0, DATE] {
            about.extend(number.to_le_bytes());
        }
        let length = entry.content.len() as u32;
        let checksum = crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, &entry.content) as u32;
        for number in [checksum, length, length] {
            about.extend(number.to_le_bytes());
        }
        for number in [name.len() as u16, 0] {
            about.extend(number.to_le_bytes());
        }
        out.extend(b"PK\x03\x04");
        out.extend(&about);
        out.extend(name);
        out.extend(&entry.content);

        directory.extend(b"PK\x01\x02");
        directory.extend(MADE_BY.to_le_bytes());
        directory.extend(&about);
        // No comment, the first disk, no text.
        directory.extend([0; 6]);
        directory.extend((mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name);
    }
    let start = out.len() as u32;
    let count = entries.len() as u16;
    out.extend(&directory);
    out.extend(b"PK\x05\x06");
    out.extend([0; 4]);
    for number in [count, count] {
        out.extend(number.to_le_bytes());
    }
    for number in [directory.len() as u32, start] {
        out.extend(number.to_le_bytes());
    }
    out.extend([0; 2]);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, content).expect("written");
        }
        folder
    }

    #[test]
    fn equal_content_has_one_hash_wherever_and_whenever_it_was_written() {
        let one = folder(&[("a.py", "one"), ("lib/b.py", "two")]);
        let other = folder(&[("lib/b.py", "two"), ("a.py", "one"), (".env", "SECRET=1"), ("__pycache__/a.pyc", "x")]);
        let hash_of = |folder: &tempfile::TempDir| hash(&of_path(folder.path()).expect("zipped"));
        assert_eq!(hash_of(&one), hash_of(&other));
        fs::write(other.path().join("a.py"), "1").expect("written");
        assert_ne!(hash_of(&one), hash_of(&other));
        let moved = folder(&[("b.py", "one"), ("lib/b.py", "two")]);
        assert_ne!(hash_of(&one), hash_of(&moved));
    }

    #[test]
    fn others_can_read_it() {
        let place =
            folder(&[("index.py", "def handler(event, context):\n    return 'hej'\n"), ("lib/ö.py", "x = 1\n")]);
        let file = place.path().join("code.zip");
        fs::write(&file, of_path(place.path()).expect("zipped")).expect("written");
        let script = "import sys, zipfile, importlib\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                      print(z.namelist(), [oct(i.external_attr >> 16) for i in z.infolist()])\n\
                      sys.path.insert(0, sys.argv[1])\nprint(importlib.import_module('index').handler(None, None))\n";
        let done = Command::new("python3").args(["-c", script]).arg(&file).output().expect("python3 is there");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let told = String::from_utf8_lossy(&done.stdout);
        assert_eq!(told, "['index.py', 'lib/ö.py'] ['0o100644', '0o100644']\nhej\n");
    }

    #[test]
    fn what_lambda_would_not_take_is_refused() {
        let empty = folder(&[(".hidden", "x")]);
        assert!(of_path(empty.path()).expect_err("empty").to_string().contains("holds no code"));
        assert!(of_path(&empty.path().join("none")).is_err());
        let large = folder(&[]);
        let file = fs::File::create(large.path().join("model.bin")).expect("made");
        file.set_len(LARGEST + 1).expect("a file with a hole");
        assert!(of_path(large.path()).expect_err("large").to_string().contains("50 MiB"));
    }
}
