//! What metadata says, and what schemas become of it.

use serde_json::json;

use super::*;

fn ids(schema: &IcebergSchema) -> Vec<i32> {
    schema.fields().iter().map(IcebergStructField::id).collect()
}

/// A member of the type of a field.
fn in_type<'a>(schema: &'a IcebergSchema, field: usize, member: &str) -> &'a Document {
    &schema.fields()[field].r#type().as_object().expect("no simple type")[member]
}

fn column(name: &str, column_type: &str) -> Column {
    let column_type = column_type.parse().expect("a type");
    Column::new(name, column_type)
}

fn metadata() -> Metadata {
    serde_json::from_value(json!({
        "format-version": 2, "location": "s3://b/t", "last-column-id": 4, "current-schema-id": 1,
        "schemas": [
            {"schema-id": 0, "type": "struct", "fields": []},
            {"schema-id": 1, "type": "struct", "fields": [
                {"id": 1, "name": "id", "type": "string", "required": true},
                {"id": 2, "name": "amount", "type": "decimal(10, 2)", "required": false},
                {"id": 3, "name": "tags", "required": false,
                 "type": {"type": "list", "element-id": 4, "element": "string", "element-required": false}},
            ]},
        ],
        "default-spec-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": [
            {"source-id": 1, "field-id": 1000, "name": "id_bucket", "transform": "bucket[16]"},
        ]}],
        "snapshots": [{"snapshot-id": 1}],
    }))
    .expect("metadata")
}

#[test]
fn metadata_becomes_columns_and_partitioning() {
    let columns = metadata().columns();
    let types: Vec<String> = columns.iter().map(|column| column.column_type.to_string()).collect();
    assert_eq!(types, ["string", "decimal(10,2)", "list<string>"]);
    assert!(columns[0].required && !columns[1].required);
    assert_eq!(metadata().partition().expect("partitioning")[0].to_string(), "bucket(16, id)");
}

#[test]
fn a_new_table_is_numbered_in_order() {
    let columns = [column("a", "string"), column("b", "list<int>"), column("c", "date")];
    let schema = schema(&columns, &BTreeMap::new(), None).expect("a schema");
    assert_eq!(ids(&schema), [1, 2, 3]);
    assert_eq!(*in_type(&schema, 1, "element-id"), Document::from(4_u64));
    assert_eq!(*in_type(&schema, 1, "element"), Document::from("int"));
    let spec = partition_spec(&["day(c)".parse().expect("a field")], &schema, None).expect("a spec");
    let [field] = spec.fields() else { panic!("{spec:?}") };
    assert_eq!((field.source_id(), field.transform(), field.name()), (3, "day", "c_day"));
}

#[test]
fn a_changed_table_keeps_ids_and_takes_new_ones() {
    let columns = [
        column("note", "string"),
        Column { required: true, ..column("id", "string") },
        column("amount", "decimal(12,2)"),
        column("tags", "list<string>"),
    ];
    let schema = schema(&columns, &BTreeMap::new(), Some(&metadata())).expect("a schema");
    assert_eq!(ids(&schema), [5, 1, 2, 3]);
    assert_eq!(*schema.fields()[2].r#type(), Document::from("decimal(12, 2)"));
    assert_eq!(*in_type(&schema, 3, "element-id"), Document::from(4_u64));
}

#[test]
fn a_renamed_column_keeps_its_id_and_its_partition_field_its_name() {
    let renames = BTreeMap::from([("key".to_owned(), "id".to_owned()), ("sum".to_owned(), "amount".to_owned())]);
    let columns =
        [column("sum", "decimal(12,2)"), column("key", "string"), column("id", "long"), column("tags", "list<string>")];
    let schema = schema(&columns, &renames, Some(&metadata())).expect("a schema");
    assert_eq!(ids(&schema), [2, 1, 5, 3]);
    let fields = ["bucket(16, key)", "bucket(8, key)"].map(|field| field.parse().expect("a field"));
    let spec = partition_spec(&fields, &schema, Some(&metadata())).expect("a spec");
    let [first, second] = spec.fields() else { panic!("{spec:?}") };
    assert_eq!((first.source_id(), first.transform(), first.name()), (1, "bucket[16]", "id_bucket"));
    assert_eq!(second.name(), "key_bucket");
    let without = [column("amount", "decimal(10,2)")];
    let refused = super::schema(&without, &BTreeMap::new(), Some(&metadata())).expect_err("divided by it");
    assert!(refused.to_string().contains("the column id can't go"), "{refused}");
}

#[test]
fn what_no_stack_can_declare_stays_as_it_is() {
    let mut metadata = metadata();
    let note = json!({"id": 6, "name": "a note", "required": false, "type": "string"});
    let extra = json!({"id": 5, "name": "extra", "required": false, "doc": "theirs",
        "type": {"type": "struct", "fields": [note]}});
    metadata.last_column_id = 6;
    metadata.schemas[1].identifier_field_ids = vec![1];
    metadata.schemas[1].fields.insert(1, serde_json::from_value(extra).expect("a field"));
    assert_eq!(metadata.columns().len(), 3);
    assert_eq!(metadata.others(), BTreeMap::from([("extra".to_owned(), "struct<a note: string>".to_owned())]));
    let columns = [
        column("note", "string"),
        Column { required: true, ..column("id", "string") },
        column("amount", "decimal(12,2)"),
        column("tags", "list<string>"),
    ];
    let made = schema(&columns, &BTreeMap::new(), Some(&metadata)).expect("a schema");
    assert_eq!((ids(&made), made.identifier_field_ids()), (vec![7, 1, 5, 2, 3], &[1][..]));
    let extra = &made.fields()[2];
    assert_eq!((extra.name(), extra.doc()), ("extra", Some("theirs")));
    assert_eq!(*in_type(&made, 2, "type"), Document::from("struct"));
    // A column of that name can't come to be beside it.
    let taken = [&columns[..], &[column("extra", "string")]].concat();
    let refused = schema(&taken, &BTreeMap::new(), Some(&metadata)).expect_err("it is there").to_string();
    assert!(refused.contains("the column extra is there with the type struct<a note: string>"), "{refused}");
}

#[test]
fn what_iceberg_forbids_is_refused() {
    for (columns, part) in [
        (vec![column("amount", "decimal(12,3)")], "can't change from decimal(10,2)"),
        (vec![column("amount", "string")], "can't change from"),
        (vec![column("tags", "struct<a: string>")], "can't change from list<string>"),
        (vec![Column { required: true, ..column("amount", "decimal(10,2)") }], "can't become required"),
        (vec![Column { required: true, ..column("new", "int") }], "can't be required"),
    ] {
        let message = schema(&columns, &BTreeMap::new(), Some(&metadata())).expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    }
}

/// A spec of the table with these columns.
fn spec(columns: &[Column], evolves: bool) -> crate::kinds::table::Spec {
    serde_json::from_value(json!({
        "database": "raw", "name": "t", "location": "s3://b/t", "columns": columns, "evolves": evolves,
    }))
    .expect("a spec")
}

#[test]
fn columns_that_came_from_messages_stay_with_their_ids_until_they_are_declared() {
    let mut metadata = metadata();
    metadata.properties.insert("lakewright.evolved".to_owned(), r#"{"2":"Amount","3":"tags","9":"gone"}"#.to_owned());
    let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let id = column("id", "string");
    let (stay, marks) = metadata.evolved(&spec(std::slice::from_ref(&id), true)).expect("read");
    assert_eq!(
        (names(&stay), marks.written().as_str()),
        (vec!["amount".into(), "tags".into()], r#"{"2":"Amount","3":"tags"}"#)
    );
    // A declaration takes one over, by its name or the one before.
    let amount = column("amount", "decimal(10,2)");
    let (stay, marks) = metadata.evolved(&spec(&[id.clone(), amount.clone()], true)).expect("read");
    assert_eq!((names(&stay), marks.written().as_str()), (vec!["tags".to_owned()], r#"{"3":"tags"}"#));
    let renamed = Column { was: Some("tags".into()), ..column("labels", "list<string>") };
    let (stay, _) = metadata.evolved(&spec(&[id.clone(), renamed], true)).expect("read");
    assert_eq!(names(&stay), ["amount"]);
    let columns = [id.clone(), column("note", "string"), amount, column("tags", "list<string>")];
    assert_eq!(ids(&schema(&columns, &BTreeMap::new(), Some(&metadata)).expect("a schema")), [1, 5, 2, 3]);
    // Without the setting they are columns like any others.
    let (stay, marks) = metadata.evolved(&spec(std::slice::from_ref(&id), false)).expect("read");
    assert!(stay.is_empty() && marks.is_empty());
    metadata.properties.insert("lakewright.evolved".to_owned(), "[]".to_owned());
    assert!(metadata.evolved(&spec(&[id], true)).is_err());
}
