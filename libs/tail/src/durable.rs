//! A small file that is whole or isn't there: what it held before stands beside it until the next is durable.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first word of the file, with the version of its form.
const FORM: &str = "lakewright-tail-1";

/// Where a value is kept.
#[derive(Debug, Clone)]
pub struct Durable {
    path: PathBuf,
}

/// What was found.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The value; `None` when there is none yet.
    pub value: Option<T>,
    /// Why the newest value, or any, couldn't be used.
    pub damage: Option<String>,
}

impl Durable {
    /// At a path, whose folder exists.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The value that was saved last; the one before if that is damaged.
    ///
    /// # Errors
    /// The files are there and can't be read: to begin anew would ship everything again.
    pub fn load<T: DeserializeOwned>(&self) -> Result<Loaded<T>> {
        let mut damage = None;
        for path in [self.path.clone(), self.beside("former")] {
            let text = match fs::read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
            };
            match parse(&text) {
                Ok(value) => return Ok(Loaded { value: Some(value), damage }),
                Err(error) => damage = Some(format!("{} is damaged: {error:#}", path.display())),
            }
        }
        Ok(Loaded { value: None, damage })
    }

    /// Saves a value; when it returns, the value outlives a power cut.
    pub fn save<T: Serialize>(&self, value: &T) -> Result<()> {
        let body = serde_json::to_vec(value).context("write the checkpoint as JSON")?;
        self.replace(&body).with_context(|| format!("write {}", self.path.display()))
    }

    fn replace(&self, body: &[u8]) -> io::Result<()> {
        let new = self.beside("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(format!("{FORM} {:08x} {}\n", crc32c::crc32c(body), body.len()).as_bytes())?;
        file.write_all(body)?;
        file.sync_all()?;
        drop(file);
        match fs::rename(&self.path, self.beside("former")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(&new, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{ending}"));
        name.into()
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    let end = memchr::memchr(b'\n', text).context("its first line isn't whole")?;
    let first = std::str::from_utf8(&text[..end]).context("its first line is no text")?;
    let [form, checksum, length] = first.split(' ').collect::<Vec<_>>()[..] else { bail!("its first line is wrong") };
    if form != FORM {
        bail!("its form is `{form}` and not `{FORM}`");
    }
    let body = &text[end + 1..];
    if length.parse() != Ok(body.len()) {
        bail!("it has {} bytes of {length}", body.len());
    }
    if u32::from_str_radix(checksum, 16) != Ok(crc32c::crc32c(body)) {
        bail!("its checksum doesn't fit");
    }
    serde_json::from_slice(body).context("its JSON doesn't fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_file_gives_way_to_the_former() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("files.checkpoint");
        let durable = Durable::at(&path);
        assert!(durable.load::<u64>().expect("load").value.is_none());
        durable.save(&1).expect("save");
        durable.save(&2).expect("save");
        assert_eq!(durable.load::<u64>().expect("load").value, Some(2));
        let whole = fs::read(&path).expect("read");
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).expect("tear");
            let loaded = durable.load::<u64>().expect("load");
            assert_eq!(loaded.value, Some(1), "torn at {length}");
            assert!(loaded.damage.expect("damage").contains("files.checkpoint is damaged"));
        }
        for place in 0..whole.len() {
            let mut other = whole.clone();
            other[place] ^= 4;
            fs::write(&path, &other).expect("damage");
            assert_eq!(durable.load::<u64>().expect("load").value, Some(1), "a flipped bit at {place}");
        }
        // The process ended between the two renames.
        fs::remove_file(&path).expect("remove");
        assert_eq!(durable.load::<u64>().expect("load").value, Some(1));
        fs::write(folder.path().join("files.checkpoint.former"), "").expect("tear");
        let loaded = durable.load::<u64>().expect("load");
        assert!(loaded.value.is_none() && loaded.damage.is_some());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_no_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("files.checkpoint");
        fs::create_dir(&path).expect("a folder in its place");
        assert!(Durable::at(&path).load::<u64>().is_err());
        assert!(Durable::at(folder.path().join("none/there")).save(&1).is_err());
    }
}
