//! How a commit fails.

/// Why a commit didn't happen, or isn't known to have happened.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The table isn't what was loaded any more; this commit changed nothing. Load it again and decide anew.
    #[error("another writer changed the table {table} meanwhile")]
    Conflict {
        /// `database.name`.
        table: String,
    },
    /// The catalog's answer was lost and it doesn't answer now either. The commit may have happened: load the table
    /// again before anything is written or deleted.
    #[error("whether the commit to {table} took effect isn't known")]
    Unknown {
        /// `database.name`.
        table: String,
        /// The last error.
        #[source]
        source: anyhow::Error,
    },
    /// The commit didn't happen, for a reason that loading again alone doesn't fix.
    #[error("commit to {table}")]
    Failed {
        /// `database.name`.
        table: String,
        /// The reason.
        #[source]
        source: anyhow::Error,
    },
}
