//! Iceberg tables in a Glue catalog: loading, creating, writing Parquet, and commits conditional on what was loaded.
//!
//! The Iceberg crate's own transaction loads the table again and re-applies the change on whatever it finds. Here a
//! commit is one Glue `UpdateTable` with the version that was loaded: either the table still is what the caller
//! looked at, or the commit is a [`CommitError::Conflict`] and nothing changed.
//!
//! [`plain`] has tables of files without a catalog. [`maintain`] keeps a table small and quick beside its writers.
//!
//! A writer's way: [`load_table`], [`TableWriter`] for the data files, [`LoadedTable::commit`].

mod bounds;
mod calendar;
mod catalog;
mod commit;
mod create;
mod edit;
mod error;
mod evolve;
mod expire;
mod file;
mod format;
mod lake_formation;
pub mod maintain;
mod manifests;
mod metrics;
mod partition;
mod path;
pub mod plain;
mod prepare;
mod promote;
mod replace;
mod settings;
mod storage;
mod summary;
mod turn;
mod types;
mod writer;

pub use catalog::{LoadedTable, find_table, load_table};
pub use create::create_table;
pub use edit::Change;
pub use error::CommitError;
pub use evolve::NewColumn;
pub use storage::file_io;
pub use turn::Turns;
pub use types::{column_type, glue_type, iceberg_type};
pub use writer::TableWriter;
