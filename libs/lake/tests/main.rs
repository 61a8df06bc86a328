//! The tests of tables in a catalog, in one program: each would link Iceberg and Parquet anew.

mod commit;
mod maintain;
mod maintain_beside;
mod maintain_others;
mod maintain_random;
mod partitions;
mod plain;
mod schemas;
mod settings;
mod statistics;
mod support;
mod turn;
