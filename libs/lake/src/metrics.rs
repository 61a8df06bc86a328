//! What manifests say of a data file's columns: the table's metrics modes, as Iceberg's Java reads them
//! (`MetricsConfig`).

use std::collections::HashMap;

use iceberg::spec::{NestedFieldRef, Schema, TableMetadata, Transform, Type};

const DEFAULT: &str = "write.metadata.metrics.default";
const OF_COLUMN: &str = "write.metadata.metrics.column.";
const MOST_COLUMNS: &str = "write.metadata.metrics.max-inferred-column-defaults";

/// What is said of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    None,
    /// How many values, nulls and NaN it has.
    Counts,
    /// Bounds too, cut to so many characters or bytes.
    Truncate(usize),
    /// Bounds as long as the values are.
    Full,
}

/// Iceberg's default.
const USUAL: Mode = Mode::Truncate(16);

impl Mode {
    /// As properties write it; `None` when it is none.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        Some(match text.as_str() {
            "none" => Self::None,
            "counts" => Self::Counts,
            "full" => Self::Full,
            other => {
                let length = other.strip_prefix("truncate(")?.strip_suffix(')')?;
                Self::Truncate(length.trim().parse().ok().filter(|length| *length > 0)?)
            }
        })
    }

    /// The same, or what there is instead of a wrong one, as in Iceberg's Java.
    fn read_or(text: &str, property: &str, otherwise: Self) -> Self {
        Self::read(text).unwrap_or_else(|| {
            tracing::warn!(property, value = text, "no metrics mode: the default is used");
            otherwise
        })
    }

    /// To how many characters or bytes bounds are cut, where there are any.
    pub(crate) fn length(self) -> Option<usize> {
        match self {
            Self::None | Self::Counts => None,
            Self::Truncate(length) => Some(length),
            Self::Full => Some(usize::MAX),
        }
    }
}

/// The modes of a table's columns.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    default: Mode,
    /// By field id.
    columns: HashMap<i32, Mode>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { default: USUAL, columns: HashMap::new() }
    }
}

impl Metrics {
    /// Those of a table.
    pub(crate) fn of(metadata: &TableMetadata) -> Self {
        let (properties, schema) = (metadata.properties(), metadata.current_schema());
        let mut columns = HashMap::new();
        let default = if let Some(text) = properties.get(DEFAULT) {
            Mode::read_or(text, DEFAULT, USUAL)
        } else {
            let most = properties.get(MOST_COLUMNS).and_then(|text| text.parse().ok()).unwrap_or(100);
            let first = first(schema, most);
            match first {
                None => USUAL,
                Some(ids) => {
                    columns.extend(ids.into_iter().map(|id| (id, USUAL)));
                    Mode::None
                }
            }
        };
        // Readers prune by what the table is sorted by.
        let sorted = if matches!(default, Mode::None | Mode::Counts) { USUAL } else { default };
        let order = metadata.default_sort_order().fields.iter();
        let keeps_order =
            |transform: Transform| !matches!(transform, Transform::Bucket(_) | Transform::Void | Transform::Unknown);
        columns.extend(order.filter(|field| keeps_order(field.transform)).map(|field| (field.source_id, sorted)));
        for (name, text) in properties {
            let Some(id) = name.strip_prefix(OF_COLUMN).and_then(|column| schema.field_id_by_name(column)) else {
                continue;
            };
            columns.insert(id, Mode::read_or(text, name, default));
        }
        Self { default, columns }
    }

    /// The mode of a column.
    pub(crate) fn mode(&self, id: i32) -> Mode {
        self.columns.get(&id).copied().unwrap_or(self.default)
    }

    /// The length of the longest bounds, in characters or bytes; `None` when they are as long as values.
    pub(crate) fn longest_bounds(&self) -> Option<usize> {
        let lengths = self.columns.values().chain([&self.default]).filter_map(|mode| mode.length());
        let longest = lengths.max().unwrap_or(0);
        (longest < usize::MAX).then_some(longest)
    }
}

/// The ids of the first columns with values of their own, those of a struct before what is within; `None` when a schema
/// has no more fields than that.
fn first(schema: &Schema, most: usize) -> Option<Vec<i32>> {
    let mut ids = Vec::new();
    let mut all = 0;
    add(schema.as_struct().fields(), most, &mut ids, &mut all);
    (all > most).then_some(ids)
}

fn add(fields: &[NestedFieldRef], most: usize, ids: &mut Vec<i32>, all: &mut usize) {
    for field in fields {
        *all += 1;
        if field.field_type.is_primitive() && ids.len() < most {
            ids.push(field.id);
        }
    }
    for field in fields {
        match field.field_type.as_ref() {
            Type::Primitive(_) => {}
            Type::Struct(inner) => add(inner.fields(), most, ids, all),
            Type::List(list) => add(std::slice::from_ref(&list.element_field), most, ids, all),
            Type::Map(map) => add(&[map.key_field.clone(), map.value_field.clone()], most, ids, all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_java_reads_them() {
        let cases = [
            ("none", Some(Mode::None)),
            ("Counts", Some(Mode::Counts)),
            ("FULL", Some(Mode::Full)),
            ("truncate(32)", Some(Mode::Truncate(32))),
            ("truncate(0)", None),
            ("truncate", None),
            ("all", None),
        ];
        for (text, mode) in cases {
            assert_eq!(Mode::read(text), mode, "{text}");
        }
        assert_eq!(Mode::read_or("all", DEFAULT, USUAL), USUAL);
    }
}
