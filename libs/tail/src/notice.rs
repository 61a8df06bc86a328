//! What an operator should know of the files that are followed.

use std::path::PathBuf;

use thiserror::Error;

/// Something that happened to a file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Notice {
    /// A file or folder can't be read; others go on.
    #[error("can't read {}: {error}; give the agent's user the right to read it", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
    /// A file was truncated: what was written between its copying and that is lost, and nobody can know whether there was any.
    #[error(
        "{} was truncated or written anew, it is read from its beginning; what was written to it between its last reading \
         and that can be had from a copy alone",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// A file went before it was read to its end, and no renamed or packed one holds the rest.
    #[error("{} is gone and at least {bytes} bytes of it were not read", path.display())]
    Lost {
        /// The file, by its first name.
        path: PathBuf,
        /// How many bytes are known to be missing.
        bytes: u64,
    },
    /// The checkpoint that was there is damaged.
    #[error("{text}; {}", if *.former { "the one before is used" } else { "all files are read again" })]
    Damaged {
        /// Which, and how.
        text: String,
        /// Whether the one before was whole.
        former: bool,
    },
    /// The checkpoint can't be written: records that need it wait.
    #[error("the checkpoint can't be written, new files and the last lines of old ones wait: {error}")]
    Checkpoint {
        /// Why.
        error: String,
    },
}

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records handed out.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were truncated or written anew.
    pub truncated: u64,
    /// Bytes that are known to be lost.
    pub lost_bytes: u64,
    /// NUL bytes that were left out.
    pub nul_bytes: u64,
    /// Pieces of records longer than `max_record`.
    pub pieces: u64,
    /// Files that are followed.
    pub files: usize,
    /// Files and folders that can't be read now.
    pub unreadable: usize,
    /// Bytes that are not settled yet; of gzip files their packed bytes.
    pub lag_bytes: u64,
    /// Bytes of which no record was handed out yet, alike. The last line of a file counts until it has its end.
    pub unread_bytes: u64,
}
