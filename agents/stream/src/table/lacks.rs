//! What an Iceberg table lacks of its declaration, in words.

use iceberg::spec::Type;
use lakewright_config::{Column as Declared, Table};

/// What gives a table a column that it lacks.
pub(super) fn how_it_comes(table: &Table, column: &Declared) -> String {
    match &table.existing {
        None => "apply the stack first".to_owned(),
        Some(name) => format!(
            "it is others' table, to which nothing is added: `ALTER TABLE {}.{name} ADD COLUMN {} {}`, or take the column out \
             of the declaration",
            table.database, column.name, column.column_type
        ),
    }
}

/// That a column has another type than is declared.
pub(super) fn other_type(column: &Declared, actual: &Type) -> String {
    let (name, declared) = (&column.name, &column.column_type);
    format!("column `{name}` is declared as {declared}, the table has {actual}")
}
