//! What a commit does to a table.

use std::collections::HashMap;

use iceberg::spec::DataFile;

use crate::evolve::NewColumn;
use crate::expire::Expiry;
use crate::replace::Replace;

/// What a commit does.
pub(crate) enum Edit {
    /// A snapshot of a writer's change.
    Change(Change),
    /// A snapshot with the same rows in other files.
    Replace(Replace),
    /// No snapshot: some that were are left out.
    Expire(Expiry),
    /// No snapshot: columns that the table shall have.
    AddColumns(Vec<NewColumn>),
}

/// What a commit changes.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Whether the new files replace all that the table held, or are added to it.
    pub overwrite: bool,
    /// The new data files, as [`crate::TableWriter::close`] gives them.
    pub files: Vec<DataFile>,
    /// The partition spec that they were written with; `None` for the table's default.
    pub spec_id: Option<i32>,
    /// Properties of the snapshot.
    pub summary: HashMap<String, String>,
    /// Properties of the table.
    pub properties: HashMap<String, String>,
    /// Whether somebody maintains the table, who lets old snapshots go together with their files: then the commit
    /// leaves them alone, unless they are so many that nobody seems to.
    pub maintained: bool,
}
