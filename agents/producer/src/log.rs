//! An application's log file that is renamed when it is full.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use lakewright_config::LogConfig;

/// A log file; `FILE.1` is the newest of the renamed ones.
#[derive(Debug)]
pub struct RotatingLog {
    path: PathBuf,
    file: BufWriter<File>,
    size: u64,
    rotate_bytes: u64,
    keep: u32,
}

impl RotatingLog {
    /// Opens the file in the directory, to go on at its end.
    pub fn open(directory: &Path, config: &LogConfig) -> Result<Self> {
        let path = directory.join(&config.file);
        let (file, size) = open(&path).with_context(|| format!("open the application log {}", path.display()))?;
        Ok(Self { path, file, size, rotate_bytes: config.rotate_bytes.max(1), keep: config.keep })
    }

    /// Appends complete lines; the file is renamed first when they would not fit any more.
    pub fn append(&mut self, lines: &[u8]) -> Result<()> {
        let result = (|| {
            if self.size > 0 && self.size + lines.len() as u64 > self.rotate_bytes {
                self.rotate()?;
            }
            self.file.write_all(lines)?;
            self.size += lines.len() as u64;
            io::Result::Ok(())
        })();
        result.with_context(|| format!("write the application log {}", self.path.display()))
    }

    /// Hands what is buffered to the operating system.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().with_context(|| format!("write the application log {}", self.path.display()))
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.flush()?;
        for number in (1..self.keep).rev() {
            let (from, to) = (self.numbered(number), self.numbered(number + 1));
            match std::fs::rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.keep == 0 {
            std::fs::remove_file(&self.path)?;
        } else {
            std::fs::rename(&self.path, self.numbered(1))?;
        }
        (self.file, self.size) = open(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Refuses what isn't the name of one file: it must stay in the agent's log directory.
pub(crate) fn check_name(file: &str) -> Result<()> {
    ensure!(
        !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\', '\0']),
        "`log.file` is the name of a file in the agent's log directory, but `{file}` was given"
    );
    Ok(())
}

fn open(path: &Path) -> io::Result<(BufWriter<File>, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((BufWriter::with_capacity(64 * 1024, file), size))
}

#[cfg(test)]
mod tests {
    use lakewright_config::LogFormat;

    use super::*;

    #[test]
    fn a_log_stays_in_its_directory() {
        assert!(check_name("shop.log").is_ok());
        for name in ["", ".", "..", "../x.log", "a/b.log", "/etc/motd"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_full_file_is_renamed_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = LogConfig {
            file: "app.log".into(),
            rotate_bytes: 10,
            keep: 2,
            format: LogFormat::Text,
            errors: 0.0,
            topic: None,
        };
        let mut log = RotatingLog::open(folder.path(), &config).expect("open");
        for line in ["one-----\n", "two-----\n", "three---\n", "four----\n"] {
            log.append(line.as_bytes()).expect("append");
        }
        log.flush().expect("flush");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(read("app.log").as_deref(), Some("four----\n"));
        assert_eq!(read("app.log.1").as_deref(), Some("three---\n"));
        assert_eq!(read("app.log.2").as_deref(), Some("two-----\n"));
        assert_eq!(read("app.log.3"), None);
    }
}
