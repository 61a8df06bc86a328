//! A table's Iceberg metadata, as far as its spec needs it, and the schema that a changed spec asks for.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use aws_sdk_glue::types::{
    IcebergNullOrder, IcebergPartitionField, IcebergPartitionSpec, IcebergSchema, IcebergSortDirection,
    IcebergSortField, IcebergSortOrder, IcebergStructField, IcebergStructTypeEnum,
};
use aws_smithy_types::Document;
use lakewright_config::{Column, PartitionField, SortField, Transform};
use serde::Deserialize;
use serde_json::Value;

use super::refusals::{divided_before, refusal, taken};
use super::types;

/// What a metadata file says of the table now; snapshots and history are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Metadata {
    /// Where the table is.
    pub(super) location: String,
    /// Its properties.
    #[serde(default)]
    pub(super) properties: BTreeMap<String, String>,
    #[serde(default)]
    last_column_id: i64,
    #[serde(default)]
    current_schema_id: i64,
    #[serde(default)]
    schemas: Vec<Schema>,
    #[serde(default)]
    default_spec_id: i64,
    #[serde(default)]
    partition_specs: Vec<Spec>,
    #[serde(default)]
    default_sort_order_id: i64,
    #[serde(default)]
    sort_orders: Vec<Order>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Order {
    order_id: i64,
    fields: Vec<OrderField>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct OrderField {
    source_id: i64,
    transform: String,
    direction: String,
    null_order: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Schema {
    schema_id: i64,
    #[serde(default)]
    identifier_field_ids: Vec<i64>,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Field {
    id: i64,
    name: String,
    #[serde(rename = "type")]
    field_type: Value,
    required: bool,
    doc: Option<String>,
    initial_default: Option<Value>,
    write_default: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Spec {
    spec_id: i64,
    fields: Vec<SpecField>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SpecField {
    source_id: i64,
    transform: String,
    name: String,
}

impl Field {
    /// The column; none of a type that no stack can declare.
    fn column(&self) -> Option<Column> {
        let column = Column::new(&self.name, types::read(&self.field_type).ok()?);
        Some(Column { required: self.required, doc: self.doc.clone(), ..column })
    }

    /// The field as Glue takes it, as it is.
    fn written(&self) -> Result<IcebergStructField> {
        let field = IcebergStructField::builder().id(i32::try_from(self.id)?).name(&self.name);
        let field = field.r#type(types::document(&self.field_type)).required(self.required);
        let field = field.set_doc(self.doc.clone()).set_initial_default(self.initial_default());
        Ok(field.set_write_default(self.write_default()).build()?)
    }

    fn initial_default(&self) -> Option<Document> {
        self.initial_default.as_ref().map(types::document)
    }

    fn write_default(&self) -> Option<Document> {
        self.write_default.as_ref().map(types::document)
    }
}

impl Metadata {
    /// The name that a partition field has if the table knows it.
    fn field_name(&self, source: i64, transform: &str) -> Option<&str> {
        let fields = self.partition_specs.iter().flat_map(|spec| &spec.fields);
        let mut same = fields.filter(|field| field.source_id == source && field.transform == transform);
        same.next_back().map(|field| field.name.as_str())
    }

    fn current(&self) -> Option<&Schema> {
        self.schemas.iter().find(|schema| schema.schema_id == self.current_schema_id)
    }

    fn fields(&self) -> &[Field] {
        self.current().map_or(&[], |schema| &schema.fields)
    }

    /// The columns, named as in `fields`, by which files were divided at any time.
    fn divided(&self, fields: &[Field]) -> Vec<String> {
        let sources = self.partition_specs.iter().flat_map(|spec| &spec.fields).map(|field| field.source_id);
        let sources: BTreeSet<i64> = sources.collect();
        let divided = fields.iter().filter(|field| sources.contains(&field.id) && field.column().is_some());
        divided.map(|field| field.name.clone()).collect()
    }

    /// The columns by which files were divided at any time.
    pub(super) fn divided_by(&self) -> Vec<String> {
        self.divided(self.fields())
    }

    /// The columns now that a stack could declare.
    pub(super) fn columns(&self) -> Vec<Column> {
        self.fields().iter().filter_map(Field::column).collect()
    }

    /// The other columns, by name, with their types: they stay as they are.
    pub(super) fn others(&self) -> BTreeMap<String, String> {
        others(self.fields())
    }

    /// The partitioning of what is written now.
    pub(super) fn partition(&self) -> Result<Vec<PartitionField>> {
        let current = self.partition_specs.iter().find(|spec| spec.spec_id == self.default_spec_id);
        let fields = current.map_or(&[][..], |spec| &spec.fields).iter().filter(|field| field.transform != "void");
        let field = |field: &SpecField| {
            let source = self.fields().iter().find(|column| column.id == field.source_id);
            let column = source.context("a partition field has no column")?.name.clone();
            Ok(PartitionField { transform: read_transform(&field.transform)?, column })
        };
        fields.map(field).collect()
    }

    fn order(&self) -> &[OrderField] {
        let current = self.sort_orders.iter().find(|order| order.order_id == self.default_sort_order_id);
        current.map_or(&[], |order| &order.fields)
    }

    fn name_of(&self, id: i64) -> Option<&str> {
        self.fields().iter().find(|column| column.id == id).map(|column| column.name.as_str())
    }

    /// The id of a column that it has now.
    pub(super) fn id_of(&self, name: &str) -> Option<i32> {
        self.fields().iter().find(|field| field.name == name).and_then(|field| i32::try_from(field.id).ok())
    }

    /// The columns that rows are sorted by now.
    pub(super) fn sorted_by(&self) -> Vec<String> {
        self.order().iter().filter_map(|field| self.name_of(field.source_id)).map(str::to_owned).collect()
    }

    /// The sort order of what is written now.
    pub(super) fn sort(&self) -> Result<Vec<SortField>> {
        let field = |field: &OrderField| {
            let column = self.name_of(field.source_id).context("a sort field has no column")?.to_owned();
            let by = PartitionField { transform: read_transform(&field.transform)?, column };
            let (descending, nulls_first) = (field.direction == "desc", field.null_order == "nulls-first");
            Ok(SortField { by, descending, nulls_first })
        };
        self.order().iter().map(field).collect()
    }
}

fn others(fields: &[Field]) -> BTreeMap<String, String> {
    let others = fields.iter().filter(|field| field.column().is_none());
    others.map(|field| (field.name.clone(), types::shown(&field.field_type))).collect()
}

fn read_transform(written: &str) -> Result<Transform> {
    let argument = |name: &str| {
        let inner = written.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<u32>().ok()
    };
    Ok(match written {
        "identity" => Transform::Identity,
        "year" => Transform::Year,
        "month" => Transform::Month,
        "day" => Transform::Day,
        "hour" => Transform::Hour,
        _ => match (argument("bucket"), argument("truncate")) {
            (Some(count), _) => Transform::Bucket(count),
            (_, Some(width)) => Transform::Truncate(width),
            _ => bail!("the transform {written} is none that a stack can declare"),
        },
    })
}

/// The schema that the columns ask for, as Glue takes it. Columns that the table has, under the same name or the one
/// before, keep their ids; new ones get ids that were never used. Columns that no stack can declare stay where they are, and
/// so does what else the table has. What Iceberg forbids is refused.
pub(super) fn schema(
    columns: &[Column],
    renames: &BTreeMap<String, String>,
    current: Option<&Metadata>,
) -> Result<IcebergSchema> {
    let mut known = current.map_or(&[][..], Metadata::fields).to_vec();
    for (name, was) in renames {
        if !known.iter().any(|field| field.name == *name)
            && let Some(field) = known.iter_mut().find(|field| field.name == *was)
        {
            field.name.clone_from(name);
        }
    }
    if let Some(current) = current {
        let live: Vec<Column> = known.iter().filter_map(Field::column).collect();
        let refused = refusal(&live, &[], columns)
            .or_else(|| divided_before(&current.divided(&known), columns))
            .or_else(|| taken(&others(&known), columns));
        if let Some(refused) = refused {
            bail!("{}; {}", refused.reason, refused.fix);
        }
    }
    // On a new table the columns are numbered in order, and only then what is within them.
    let mut next = current.map_or(columns.len() as i64, |current| current.last_column_id);
    let mut fresh = || {
        next += 1;
        next
    };
    let mut fields = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let before = known.iter().find(|field| field.name == column.name);
        let id = match (before, current) {
            (Some(before), _) => before.id,
            (None, None) => index as i64 + 1,
            (None, Some(_)) => fresh(),
        };
        let written = types::written(&column.column_type, before.map(|before| &before.field_type), &mut fresh);
        let field = IcebergStructField::builder().id(i32::try_from(id)?).name(&column.name);
        let field = field.r#type(types::document(&written));
        let field = field.set_initial_default(before.and_then(Field::initial_default));
        let field = field.set_write_default(before.and_then(Field::write_default));
        fields.push(field.required(column.required).set_doc(column.doc.clone()).build()?);
    }
    for (index, other) in known.iter().enumerate().filter(|(_, field)| field.column().is_none()) {
        let place = |one: &Field| fields.iter().position(|field| i64::from(field.id()) == one.id);
        let before = known[..index].iter().rev().find_map(place);
        fields.insert(before.map_or(0, |at| at + 1), other.written()?);
    }
    let identifiers = current.and_then(Metadata::current).map(|schema| schema.identifier_field_ids.as_slice());
    let is_there = |id: &i32| fields.iter().any(|field| field.id() == *id && field.required());
    let identifiers = identifiers.unwrap_or_default().iter().copied().map(i32::try_from);
    let identifiers = identifiers.collect::<Result<Vec<i32>, _>>()?.into_iter().filter(is_there).collect();
    let schema = IcebergSchema::builder().r#type(IcebergStructTypeEnum::Struct);
    let schema = schema.set_identifier_field_ids(Some(identifiers).filter(|ids: &Vec<i32>| !ids.is_empty()));
    Ok(schema.set_fields(Some(fields)).build()?)
}

/// The partitioning as Glue takes it, for a schema that [`schema`] made. Fields that the table has had keep their names,
/// whatever their columns are called by now.
pub(super) fn partition_spec(
    partition: &[PartitionField],
    schema: &IcebergSchema,
    current: Option<&Metadata>,
) -> Result<IcebergPartitionSpec> {
    let field = |field: &PartitionField| -> Result<_> {
        let source = schema.fields().iter().find(|column| column.name() == field.column);
        let source = source.with_context(|| format!("the partition field {field} names no column"))?.id();
        let transform = field.iceberg_transform();
        let known = current.and_then(|current| current.field_name(i64::from(source), &transform));
        let name = known.map_or_else(|| field.name(), str::to_owned);
        Ok(IcebergPartitionField::builder().source_id(source).transform(transform).name(name).build()?)
    };
    let fields = partition.iter().map(field).collect::<Result<_>>()?;
    Ok(IcebergPartitionSpec::builder().set_fields(Some(fields)).build()?)
}

/// The sort order as Glue takes it, for a schema that [`schema`] made; `None` when there is nothing to sort by.
pub(super) fn sort_order(
    sort: &[SortField],
    schema: &IcebergSchema,
    current: Option<&Metadata>,
) -> Result<Option<IcebergSortOrder>> {
    if sort.is_empty() {
        return Ok(None);
    }
    let field = |field: &SortField| -> Result<_> {
        let source = schema.fields().iter().find(|column| column.name() == field.by.column);
        let source = source.with_context(|| format!("the sort field {field} names no column"))?.id();
        let direction = if field.descending { IcebergSortDirection::Desc } else { IcebergSortDirection::Asc };
        let nulls = if field.nulls_first { IcebergNullOrder::NullsFirst } else { IcebergNullOrder::NullsLast };
        let built = IcebergSortField::builder().source_id(source).transform(field.by.iceberg_transform());
        Ok(built.direction(direction).null_order(nulls).build()?)
    };
    // 0 means that nothing is sorted.
    let last = current.into_iter().flat_map(|current| &current.sort_orders).map(|order| order.order_id).max();
    let id = i32::try_from(last.unwrap_or(0).max(0) + 1)?;
    let fields = sort.iter().map(field).collect::<Result<_>>()?;
    Ok(Some(IcebergSortOrder::builder().order_id(id).set_fields(Some(fields)).build()?))
}

#[cfg(test)]
mod tests;
