//! Columns that only the catalog knows: an `ALTER TABLE` of another engine made them.

use arrow_schema::Field;
use iceberg::spec::NestedField;
use lakewright_config::{Column as Declared, Evolved, KafkaPart, Reading, UNKNOWN_COLUMN, Unknown};

use super::{Member, Rows};
use crate::column::Column;
use crate::infer::is_exact;
use crate::json::{Name, Scanner, Syntax};
use crate::shape::Shape;
use crate::unknown::Where;

/// What Kafka's record fills.
const PARTS: [KafkaPart; 4] = [KafkaPart::Key, KafkaPart::KeyBytes, KafkaPart::Headers, KafkaPart::Timestamp];

/// The column as one that is filled from members of its name, or of the one that it was made for: what they hold is lost else.
/// `None` when they aren't meant by it (the name is another column's in messages, or of what Kafka's record fills), no message can
/// fill its type, or messages with members that aren't declared are refused.
///
/// # Errors
/// The type has no column in Arrow: a bug.
pub(super) fn member(
    field: &NestedField,
    arrow: &Field,
    declared: &[Declared],
    reading: &Reading,
    evolved: &Evolved,
) -> anyhow::Result<Option<Member>> {
    let made_for = evolved.member(field.id);
    let name = made_for.unwrap_or(&field.name);
    let is_fixed = name == UNKNOWN_COLUMN || PARTS.iter().any(|part| part.column() == name);
    let is_taken = |column: &Declared| {
        reading.member(&column.name).unwrap_or(&column.name) == name || column.was.as_deref() == Some(name)
    };
    if declared.is_empty() || is_fixed || reading.unknown == Unknown::Reject || declared.iter().any(is_taken) {
        return Ok(None);
    }
    let Some(shape) = Shape::of(&field.field_type, None) else { return Ok(None) };
    let column = Column::new(&shape, arrow.data_type())?;
    let exact = made_for.is_some();
    let written = Name::new(name);
    Ok(Some(Member {
        name: name.to_owned(),
        written,
        was: None,
        shape,
        required: false,
        undeclared: true,
        exact,
        column,
    }))
}

impl Rows {
    /// Reads the value of such a column. One that doesn't fit it, or stands there twice, is a member that no column takes:
    /// the message is none the worse for what somebody did to the catalog.
    ///
    /// # Errors
    /// It is no JSON.
    pub(super) fn read_undeclared(&mut self, index: usize, scanner: &mut Scanner<'_>) -> Result<(), Syntax> {
        let raw = scanner.raw()?;
        let before = self.arena.unknown.state();
        let held = self.cells[index].take();
        let misfit = self.value(index, None, &mut Scanner::new(raw))?;
        let member = &self.members[index];
        let exact = !member.exact || is_exact(raw, &member.shape)?;
        if misfit.is_some() || held.is_some() || !exact {
            self.cells[index] = held;
            self.arena.unknown.back_to(before);
            let place = self.arena.place(raw);
            self.arena.unknown.take(&member.name, Where::Misfit, place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::RecordBatch;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
    use lakewright_config::{Filling, Table};

    use super::*;
    use crate::batch::Place;
    use crate::record::Record;
    use crate::testing::{Bare, schema, table};

    /// The table's schema with an `ALTER TABLE … ADD COLUMN count int`.
    fn altered() -> Schema {
        let mut fields = schema().as_struct().fields().to_vec();
        fields.push(Arc::new(NestedField::optional(99, "count", Type::Primitive(PrimitiveType::Int))));
        Schema::builder().with_fields(fields).build().unwrap()
    }

    /// Reads messages; the rows, or the first reason why one is none, and how many members no column took.
    fn read(table: &Table, messages: &[&str]) -> Result<(RecordBatch, u64), String> {
        let mut rows = Rows::of(&altered(), table, false).unwrap();
        for message in messages {
            if let Some(reject) = rows.read(message, &mut Scanner::new(message)).unwrap() {
                return Err(reject.to_string());
            }
            let place = Place { partition: 0, offset: 0, ingested_at: 0 };
            let record = Record { topic: 0, payload: Some(message.as_bytes()), place, metadata: &Bare };
            rows.push(message, record);
        }
        let unknown = rows.unknown();
        Ok((rows.finish(&Arc::from("t")).unwrap().rows, unknown))
    }

    fn of(unknown: Unknown) -> Table {
        Table { reading: Reading { unknown, ..Reading::default() }, ..table("sales") }
    }

    fn counts(rows: &RecordBatch) -> Vec<Option<i32>> {
        rows.column_by_name("count").unwrap().as_primitive::<Int32Type>().iter().collect()
    }

    const MESSAGES: [&str; 5] = [
        r#"{"id":"a","count":1}"#,
        r#"{"id":"b"}"#,
        r#"{"id":"c","count":"many","size":{"x":1}}"#,
        r#"{"count":4,"id":"d","count":5}"#,
        r#"{"id":"e","count":[1,{"x":1}]}"#,
    ];

    #[test]
    fn it_is_filled_from_members_of_its_name_and_what_does_not_fit_refuses_no_message() {
        let (rows, unknown) = read(&of(Unknown::Drop), &MESSAGES).unwrap();
        assert_eq!(counts(&rows), [Some(1), None, None, Some(4), None]);
        assert_eq!(unknown, 4);
    }

    #[test]
    fn messages_are_refused_for_it_where_only_declared_members_may_come() {
        assert!(read(&of(Unknown::Reject), &MESSAGES).unwrap_err().contains("count"));
    }

    #[test]
    fn a_member_that_another_column_takes_is_not_taken_for_it() {
        let mut table = of(Unknown::Drop);
        table.reading.columns = [("id".to_owned(), Filling { member: Some("count".into()), unit: None })].into();
        let (rows, unknown) = read(&table, &[r#"{"count":"a"}"#]).unwrap();
        assert_eq!((counts(&rows), unknown), (vec![None], 0));
        assert_eq!(rows.column(0).as_string::<i32>().value(0), "a");
    }
}
