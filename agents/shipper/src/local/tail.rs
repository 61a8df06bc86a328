//! The reader of files or of the journal, behind one face.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lakewright_config::agents::shipper::sources::{
    FilesConfig, Framing as Declared, LocalSource as Declaration, Origin, unit_mistake,
};
use lakewright_tail::journal::{Journal, JournalNotice, JournalSettings};
use lakewright_tail::{Files, Framing, LEAST_RECORD, Moment, Notice, Record, Settings};

/// What is read, and its checkpoint.
#[derive(Debug)]
pub enum Tail {
    Files(Box<Files>),
    Journal(Box<Journal>),
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// What happens to logs.
    Usual,
    /// Something can't be read now.
    Reading,
    /// The checkpoint can't be written now.
    Checkpoint,
    /// Something can't be had any more, or comes twice.
    Loss,
}

/// How far reading is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Bytes that were not read yet.
    pub unread_bytes: u64,
    /// Whether it is of files, of which all of this is known.
    pub is_of_files: bool,
    /// Whether there may be more, where nobody knows how much.
    pub is_behind: bool,
    /// Bytes that were gone before they were read.
    pub lost_bytes: u64,
    /// Entries of the journal that were.
    pub lost_records: u64,
    /// Files and folders that can't be read now.
    pub unreadable: usize,
}

impl Tail {
    /// Goes on from a checkpoint, or begins anew.
    ///
    /// # Errors
    /// The declaration is wrong, or the checkpoint can't be read.
    pub fn open(declared: &Declaration, machine: &str, checkpoint: PathBuf) -> Result<Self> {
        let max_record = usize::try_from(declared.max_record).context("`max_record` is too large")?;
        match &declared.from {
            Origin::Files(files) => {
                let settings = Settings { max_record, ..settings(files, machine)? };
                Ok(Self::Files(Box::new(Files::open(settings, checkpoint, Moment::now())?)))
            }
            Origin::Journal(journal) => {
                let units = journal.units.clone();
                let settings = JournalSettings { units, max_record, ..JournalSettings::new(machine) };
                Ok(Self::Journal(Box::new(Journal::open(settings, checkpoint, Moment::now())?)))
            }
        }
    }

    /// The next records, about so many bytes of them.
    pub fn poll(&mut self, bytes: usize) -> Vec<Record> {
        match self {
            Self::Files(files) => files.poll(Moment::now(), bytes),
            Self::Journal(journal) => journal.poll(Moment::now(), bytes),
        }
    }

    /// What an operator should know.
    pub fn notices(&mut self) -> Vec<(About, String)> {
        let of_file = |notice: &Notice| match notice {
            Notice::Truncated { .. } => About::Usual,
            Notice::Unreadable { .. } => About::Reading,
            Notice::Checkpoint { .. } => About::Checkpoint,
            Notice::Lost { .. } | Notice::Damaged { .. } => About::Loss,
        };
        let of_journal = |notice: &JournalNotice| match notice {
            JournalNotice::Ended { .. } => About::Reading,
            JournalNotice::Vacuumed { .. } | JournalNotice::Damaged(_) => About::Loss,
        };
        match self {
            Self::Files(files) => files.notices().iter().map(|n| (of_file(n), n.to_string())).collect(),
            Self::Journal(journal) => journal.notices().iter().map(|n| (of_journal(n), n.to_string())).collect(),
        }
    }

    /// How far it is, when the last look gave something or nothing.
    pub fn progress(&self, gave: bool) -> Progress {
        match self {
            Self::Files(files) => {
                let counts = files.counts();
                Progress {
                    unread_bytes: counts.unread_bytes,
                    is_of_files: true,
                    is_behind: false,
                    lost_bytes: counts.lost_bytes,
                    lost_records: 0,
                    unreadable: counts.unreadable,
                }
            }
            Self::Journal(journal) => {
                Progress { is_behind: gave, lost_records: journal.counts().lost, ..Progress::default() }
            }
        }
    }

    /// Makes durable that all before these positions is taken.
    ///
    /// # Errors
    /// The checkpoint can't be written; what was settled stays so in memory.
    pub fn settle(&mut self, positions: &[(String, u64)]) -> Result<()> {
        for (stream, position) in positions {
            match self {
                Self::Files(files) => files.settle(stream, *position),
                Self::Journal(journal) => journal.settle(stream, *position),
            }
        }
        match self {
            Self::Files(files) => files.save(Moment::now()),
            Self::Journal(journal) => journal.save(Moment::now()),
        }
    }
}

/// Checks what the configuration's types don't say.
///
/// # Errors
/// A path, an expression, a bound or a unit that can't be.
pub fn check(declared: &Declaration) -> Result<()> {
    let least = LEAST_RECORD as u64;
    ensure!(declared.max_record >= least, "`max_record` must be at least {least}");
    ensure!(!declared.time_field.is_empty(), "`time_field` names no member");
    match &declared.from {
        Origin::Files(files) => settings(files, "machine").map(drop),
        Origin::Journal(journal) => {
            for unit in &journal.units {
                if let Some(mistake) = unit_mistake(unit) {
                    anyhow::bail!("`{}` is no unit: {mistake}", unit.escape_default());
                }
            }
            Ok(())
        }
    }
}

/// Files as they are declared, read from their beginning, with a checkpoint at a path where none is yet; none for the journal.
///
/// # Errors
/// The declaration is wrong.
pub fn open_anew(declared: &Declaration, checkpoint: PathBuf) -> Result<Option<Files>> {
    match Tail::open(declared, &machine(), checkpoint)? {
        Tail::Files(files) => Ok(Some(*files)),
        Tail::Journal(_) => Ok(None),
    }
}

fn settings(files: &FilesConfig, machine: &str) -> Result<Settings> {
    let mut settings = Settings::new(files.paths.iter().map(String::as_str), machine)?
        .excluding(files.exclude.iter().map(String::as_str))?;
    settings.framing = match &files.framing {
        Declared::Lines => Framing::Lines,
        Declared::Begins(pattern) => Framing::begins(pattern)?,
        Declared::Indented => Framing::Indented,
    };
    settings.quiet = Duration::from_millis(files.quiet_ms);
    Ok(settings)
}

/// What names this machine.
pub fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    read("/etc/machine-id").filter(|id| !id.is_empty()).unwrap_or_else(super::host)
}
