//! What is followed, and where records end.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use glob::Pattern;
use regex::bytes::Regex;

/// The least that `max_record` may be: a line's first KiB decides whether it begins a record.
pub const LEAST_RECORD: usize = 4096;

/// What shows where a record ends.
#[derive(Debug, Clone)]
pub enum Framing {
    /// Each line is a record.
    Lines,
    /// A line that the pattern fits begins a record; all others belong to the one before.
    Begins(Regex),
    /// A line that begins with a space or a tab, and a blank one, belongs to the record before.
    Indented,
}

impl Framing {
    /// A pattern that begins a record.
    pub fn begins(pattern: &str) -> Result<Self> {
        Ok(Self::Begins(Regex::new(pattern).with_context(|| format!("`{pattern}` is no regular expression"))?))
    }

    /// Whether a record ends with each line.
    pub(crate) fn is_lines(&self) -> bool {
        matches!(self, Self::Lines)
    }

    /// Whether a line, given at least by its first KiB, begins a record.
    pub fn starts(&self, line: &[u8]) -> bool {
        let line = &line[..line.len().min(DECISIVE)];
        match self {
            Self::Lines => true,
            Self::Begins(pattern) => pattern.is_match(line),
            Self::Indented => !line.first().is_none_or(|first| matches!(first, b' ' | b'\t' | b'\r')),
        }
    }
}

/// How many bytes of a line decide whether it begins a record.
pub(crate) const DECISIVE: usize = 1024;

/// What is followed and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Absolute paths with `*`, `?`, `[…]` and `**`.
    pub globs: Vec<Pattern>,
    /// Of those, the ones that are left out.
    pub exclude: Vec<Pattern>,
    /// What names this machine: files of two machines never share a stream.
    pub machine: String,
    /// Where a record ends.
    pub framing: Framing,
    /// After how long without growth a record of several lines ends.
    pub quiet: Duration,
    /// The most bytes of a record; a longer one is given in pieces.
    pub max_record: usize,
    /// The most files that are held open.
    pub max_open: usize,
    /// How often folders are looked through.
    pub scan_every: Duration,
    /// How often files are asked whether they grew.
    pub look_every: Duration,
    /// How long a copy or a renamed file may take to appear, and how long one that may be a copy waits for the original to be
    /// truncated.
    pub rotation: Duration,
    /// After how long without growth a file's last line without a line break ends, when the file was renamed or deleted.
    pub last_line: Duration,
    /// How long what is known of a file that is gone is kept.
    pub forget: Duration,
}

impl Settings {
    /// With the usual times and bounds.
    ///
    /// # Errors
    /// A glob isn't one, or isn't absolute.
    pub fn new<'a>(globs: impl IntoIterator<Item = &'a str>, machine: &str) -> Result<Self> {
        let globs = globs.into_iter().map(pattern).collect::<Result<Vec<_>>>()?;
        ensure!(!globs.is_empty(), "no file is named");
        Ok(Self {
            globs,
            exclude: Vec::new(),
            machine: machine.to_owned(),
            framing: Framing::Lines,
            quiet: Duration::from_secs(1),
            max_record: 10 << 20,
            max_open: 512,
            scan_every: Duration::from_secs(1),
            look_every: Duration::from_millis(250),
            rotation: Duration::from_secs(10),
            last_line: Duration::from_secs(30),
            forget: Duration::from_secs(14 * 24 * 3600),
        })
    }

    /// Leaves files out.
    pub fn excluding<'a>(mut self, globs: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        self.exclude = globs.into_iter().map(pattern).collect::<Result<Vec<_>>>()?;
        Ok(self)
    }

    /// The bound of a record, at least [`LEAST_RECORD`].
    pub(crate) fn longest(&self) -> usize {
        self.max_record.max(LEAST_RECORD)
    }
}

/// An absolute path with wildcards.
pub fn pattern(text: &str) -> Result<Pattern> {
    ensure!(PathBuf::from(text).is_absolute(), "`{text}` is no absolute path: it begins with `/`");
    ensure!(!text.split('/').any(|part| part == ".."), "`{text}` must not go up by `..`");
    ensure!(!text.ends_with('/'), "`{text}` names a folder: name the files in it, as `{text}*.log`");
    Pattern::new(text).with_context(|| format!("`{text}` is no pattern of paths"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_patterns() {
        assert!(pattern("/var/log/**/*.log").is_ok());
        for (text, part) in [
            ("logs/*.log", "absolute"),
            ("/var/../etc/*", "`..`"),
            ("/var/log/", "folder"),
            ("/var/log/[a", "no pattern"),
            ("/var/log/a**", "no pattern"),
        ] {
            let error = format!("{:#}", pattern(text).expect_err(text));
            assert!(error.contains(part) && error.contains(text), "{error}");
        }
        assert!(Settings::new([], "m").is_err());
    }

    #[test]
    fn framings_tell_where_records_begin() {
        let dated = Framing::begins(r"^\d{4}-\d\d-\d\d").expect("a pattern");
        assert!(dated.starts(b"2026-01-01 x") && !dated.starts(b"\tat x") && !dated.starts(b"Caused by"));
        assert!(Framing::Indented.starts(b"x") && !Framing::Indented.starts(b"  x") && !Framing::Indented.starts(b""));
        assert!(Framing::Lines.starts(b"  x"));
        assert!(Framing::begins("(").is_err());
    }
}
