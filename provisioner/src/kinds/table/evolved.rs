//! Columns that a table has from its messages.

use anyhow::{Error, Result};
use lakewright_config::{Column, EVOLVED, Evolved};

use super::Spec;
use super::iceberg::Metadata;

impl Metadata {
    /// The columns that came from messages and stay beside those of a spec, and what the table says of them from then on. Those
    /// that the spec declares, by the names that they have or had, are its own.
    ///
    /// # Errors
    /// What the table says of them can't be read.
    pub(super) fn evolved(&self, spec: &Spec) -> Result<(Vec<Column>, Evolved)> {
        let mut marks = Evolved::read(self.properties.get(EVOLVED).map(String::as_str)).map_err(Error::msg)?;
        let is_declared = |name: &str| {
            let renamed = spec.columns.iter().filter_map(|column| column.was.as_deref());
            let names = spec.columns.iter().map(|column| column.name.as_str());
            names.chain(renamed).chain(spec.renames.values().map(String::as_str)).any(|declared| declared == name)
        };
        let stays = |column: &Column| {
            let marked = self.id_of(&column.name).is_some_and(|id| marks.member(id).is_some());
            spec.evolves && marked && !is_declared(&column.name)
        };
        let stay: Vec<Column> = self.columns().into_iter().filter(stays).collect();
        marks.retain(|id| stay.iter().any(|column| self.id_of(&column.name) == Some(id)));
        Ok((stay, marks))
    }
}
