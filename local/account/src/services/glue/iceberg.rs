//! Iceberg table metadata as Glue writes it: made from a CREATE request, evolved by an update request.

use lakewright_config::s3;
use serde_json::{Map, Value, json};

use super::schema::{Evolution, Schema};

/// The first number that Iceberg gives to partition fields.
const FIRST_PARTITION_FIELD: i64 = 1000;
/// How many earlier metadata files are remembered unless the table says otherwise.
const METADATA_LOG_LENGTH: usize = 100;

/// Makes the metadata of a new table from `CreateIcebergTableInput` and the format `version` asked for.
///
/// An error is the text of Glue's `InvalidInputException`.
pub fn create(input: &Value, version: Option<&str>, now_ms: i64) -> Result<Value, String> {
    let version = match version.unwrap_or("2") {
        "1" => 1,
        "2" => 2,
        other => return Err(format!("Unsupported Iceberg format version: {other}")),
    };
    let location = location(input)?;
    let schema = Schema::from_request(input.get("Schema").ok_or("Schema is required")?)?;
    let mut last_partition = FIRST_PARTITION_FIELD - 1;
    let spec = partition_spec(input.get("PartitionSpec"), 0, &schema, &[], &mut last_partition)?;
    let order = sort_order(input.get("WriteOrder"), &schema)?;
    let order_id = order["order-id"].as_i64().unwrap_or_default();
    let mut properties = Map::new();
    set_properties(&mut properties, input.get("Properties"))?;

    let schema_json = schema.to_json(0);
    let mut metadata = json!({
        "format-version": version,
        "table-uuid": uuid::Uuid::new_v4().to_string(),
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": now_ms,
        "last-column-id": schema.highest_id(),
        "current-schema-id": 0,
        "schemas": [schema_json],
        "default-spec-id": 0,
        "partition-specs": [{ "spec-id": 0, "fields": spec }],
        "last-partition-id": last_partition,
        "default-sort-order-id": order_id,
        "sort-orders": [order],
        "properties": properties,
        "current-snapshot-id": Value::Null,
        "refs": {},
        "snapshots": [],
        "statistics": [],
        "snapshot-log": [],
        "metadata-log": [],
    });
    let fields = metadata.as_object_mut().expect("the metadata is an object");
    fields.shift_remove("current-snapshot-id");
    if version == 1 {
        // Format 1 keeps the schema and the spec beside their lists, and knows no sequence numbers.
        fields.shift_remove("last-sequence-number");
        fields.insert("schema".into(), schema_json);
        fields.insert("partition-spec".into(), spec);
    }
    Ok(metadata)
}

/// Applies the `Updates` of an `UpdateIcebergTableInput` to `metadata`, which was read from `metadata_file`.
pub fn update(mut metadata: Value, metadata_file: &str, updates: &[Value], now_ms: i64) -> Result<Value, String> {
    if updates.is_empty() {
        return Err("Updates must not be empty".into());
    }
    for change in updates {
        apply(&mut metadata, change)?;
    }
    remember(&mut metadata, metadata_file, now_ms);
    Ok(metadata)
}

fn apply(metadata: &mut Value, change: &Value) -> Result<(), String> {
    let action = change.get("Action").and_then(Value::as_str);
    let wants = |names: &[&str]| action.is_none_or(|action| names.contains(&action));
    if let Some(action) = action
        && !ACTIONS.contains(&action)
    {
        return Err(format!("Unsupported Iceberg update action: {action}"));
    }
    let requested = Schema::from_request(change.get("Schema").ok_or("Schema is required")?)?;
    let location = location(change)?;
    if wants(&["add-schema", "set-current-schema"]) {
        let id = add_schema(metadata, &requested)?;
        if action != Some("add-schema") {
            metadata["current-schema-id"] = json!(id);
            if metadata["format-version"] == 1 {
                metadata["schema"] = requested.to_json(id);
            }
        }
    }
    if wants(&["add-spec", "set-default-spec"]) && change.get("PartitionSpec").is_some() {
        let id = add_spec(metadata, change.get("PartitionSpec"), &requested)?;
        if action != Some("add-spec") {
            metadata["default-spec-id"] = json!(id);
        }
    }
    if wants(&["add-sort-order", "set-default-sort-order"]) && change.get("SortOrder").is_some() {
        let id = add_order(metadata, change.get("SortOrder"), &requested)?;
        if action != Some("add-sort-order") {
            metadata["default-sort-order-id"] = json!(id);
        }
    }
    if wants(&["set-location"]) {
        metadata["location"] = json!(location);
    }
    let properties = metadata["properties"].as_object_mut().ok_or("The table metadata has no properties")?;
    if wants(&["set-properties"]) {
        set_properties(properties, change.get("Properties"))?;
    }
    if action == Some("remove-properties") {
        for name in change.get("Properties").and_then(Value::as_object).into_iter().flatten() {
            properties.shift_remove(name.0);
        }
    }
    Ok(())
}

const ACTIONS: [&str; 9] = [
    "add-schema",
    "set-current-schema",
    "add-spec",
    "set-default-spec",
    "add-sort-order",
    "set-default-sort-order",
    "set-location",
    "set-properties",
    "remove-properties",
];

/// Returns the schema that readers and writers of `metadata` use.
pub fn current_schema(metadata: &Value) -> Result<Schema, String> {
    let id = &metadata["current-schema-id"];
    let schemas = metadata["schemas"].as_array().ok_or("The table metadata has no schemas")?;
    let schema = schemas.iter().find(|schema| schema["schema-id"] == *id);
    Schema::from_metadata(schema.ok_or("The table metadata lacks its current schema")?)
}

/// Returns the key, below the table's location, of the metadata file that follows `previous`.
pub fn next_file(previous: Option<&str>) -> String {
    let number = previous
        .and_then(|file| file.rsplit('/').next())
        .and_then(|name| name.split('-').next())
        .and_then(|number| number.parse::<u64>().ok())
        .map_or(0, |number| number + 1);
    format!("metadata/{number:05}-{}.metadata.json", uuid::Uuid::new_v4())
}

fn location(input: &Value) -> Result<String, String> {
    let location = input.get("Location").and_then(Value::as_str).ok_or("Location is required")?;
    let location = location.trim_end_matches('/');
    match s3::place(location) {
        Some(_) => Ok(location.to_owned()),
        None => Err(format!("Invalid Iceberg table location: {location}")),
    }
}

fn set_properties(properties: &mut Map<String, Value>, given: Option<&Value>) -> Result<(), String> {
    for (name, value) in given.and_then(Value::as_object).into_iter().flatten() {
        if !value.is_string() {
            return Err(format!("Property {name} is not a string"));
        }
        properties.insert(name.clone(), value.clone());
    }
    Ok(())
}

fn add_schema(metadata: &mut Value, requested: &Schema) -> Result<i64, String> {
    let current = current_schema(metadata)?;
    let last = metadata["last-column-id"].as_i64().unwrap_or_default();
    let Evolution { highest } = requested.evolves(&current, last)?;
    let schemas = metadata["schemas"].as_array_mut().ok_or("The table metadata has no schemas")?;
    for known in schemas.iter() {
        if Schema::from_metadata(known)? == *requested {
            return Ok(known["schema-id"].as_i64().unwrap_or_default());
        }
    }
    let id = next_id(schemas, "schema-id");
    schemas.push(requested.to_json(id));
    metadata["last-column-id"] = json!(last.max(highest));
    Ok(id)
}

fn add_spec(metadata: &mut Value, requested: Option<&Value>, schema: &Schema) -> Result<i64, String> {
    let mut last = metadata["last-partition-id"].as_i64().unwrap_or(FIRST_PARTITION_FIELD - 1);
    let specs = metadata["partition-specs"].as_array_mut().ok_or("The table metadata has no partition specs")?;
    let known: Vec<Value> =
        specs.iter().flat_map(|spec| spec["fields"].as_array().cloned().unwrap_or_default()).collect();
    let id = next_id(specs, "spec-id");
    let fields = partition_spec(requested, id, schema, &known, &mut last)?;
    if let Some(same) = specs.iter().find(|spec| spec["fields"] == fields) {
        return Ok(same["spec-id"].as_i64().unwrap_or_default());
    }
    specs.push(json!({ "spec-id": id, "fields": fields }));
    metadata["last-partition-id"] = json!(last);
    Ok(id)
}

fn add_order(metadata: &mut Value, requested: Option<&Value>, schema: &Schema) -> Result<i64, String> {
    let mut order = sort_order(requested, schema)?;
    let orders = metadata["sort-orders"].as_array_mut().ok_or("The table metadata has no sort orders")?;
    if let Some(same) = orders.iter().find(|known| known["fields"] == order["fields"]) {
        return Ok(same["order-id"].as_i64().unwrap_or_default());
    }
    // Order 0 means "unsorted" wherever Iceberg is read.
    let id = if order["fields"].as_array().is_some_and(Vec::is_empty) { 0 } else { next_id(orders, "order-id").max(1) };
    order["order-id"] = json!(id);
    orders.push(order);
    Ok(id)
}

fn next_id(list: &[Value], key: &str) -> i64 {
    list.iter().filter_map(|entry| entry[key].as_i64()).max().map_or(0, |id| id + 1)
}

fn partition_spec(
    spec: Option<&Value>,
    spec_id: i64,
    schema: &Schema,
    known: &[Value],
    last: &mut i64,
) -> Result<Value, String> {
    let mut fields: Vec<Value> = Vec::new();
    let requested = spec.and_then(|spec| spec.get("Fields")).and_then(Value::as_array);
    for field in requested.into_iter().flatten() {
        let (source, transform) = source_and_transform(field, schema)?;
        let name = field.get("Name").and_then(Value::as_str).ok_or("A partition field has no name")?;
        if fields.iter().any(|other| other["name"] == name) {
            return Err(format!("Duplicate partition field name: {name}"));
        }
        if schema.field_named(name).is_some_and(|column| transform != "identity" || column != source) {
            return Err(format!("Cannot create partition from name that exists in schema: {name}"));
        }
        let same = known.iter().find(|other| other["source-id"] == source && other["transform"] == transform);
        let given = if spec_id == 0 { field.get("FieldId").and_then(Value::as_i64) } else { None };
        let id = same.and_then(|other| other["field-id"].as_i64()).or(given).unwrap_or(*last + 1);
        *last = id.max(*last);
        fields.push(json!({ "source-id": source, "field-id": id, "name": name, "transform": transform }));
    }
    Ok(Value::Array(fields))
}

fn sort_order(order: Option<&Value>, schema: &Schema) -> Result<Value, String> {
    let mut fields = Vec::new();
    let requested = order.and_then(|order| order.get("Fields")).and_then(Value::as_array);
    for field in requested.into_iter().flatten() {
        let (source, transform) = source_and_transform(field, schema)?;
        let direction = one_of(field, "Direction", &["asc", "desc"])?;
        let nulls = one_of(field, "NullOrder", &["nulls-first", "nulls-last"])?;
        fields.push(json!({
            "transform": transform, "source-id": source, "direction": direction, "null-order": nulls,
        }));
    }
    let given = order.and_then(|order| order.get("OrderId")).and_then(Value::as_i64).unwrap_or(1);
    let id = if fields.is_empty() { 0 } else { given.max(1) };
    Ok(json!({ "order-id": id, "fields": fields }))
}

fn source_and_transform(field: &Value, schema: &Schema) -> Result<(i64, String), String> {
    let source = field.get("SourceId").and_then(Value::as_i64).ok_or("SourceId is required")?;
    let Some(kind) = schema.type_of(source) else {
        return Err(format!("Cannot find source column for field id: {source}"));
    };
    let transform = field.get("Transform").and_then(Value::as_str).ok_or("Transform is required")?;
    if !transform_fits(transform, &kind) {
        return Err(format!("Invalid source type {kind} for transform: {transform}"));
    }
    Ok((source, transform.to_owned()))
}

fn transform_fits(transform: &str, kind: &str) -> bool {
    let width = |name: &str| {
        let inner = transform.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<u32>().ok().filter(|width| *width > 0)
    };
    let dated = matches!(kind, "date" | "timestamp" | "timestamptz");
    match transform {
        "identity" | "void" => !kind.starts_with("struct"),
        "year" | "month" | "day" => dated,
        "hour" => dated && kind != "date",
        _ if width("bucket").is_some() => !matches!(kind, "boolean" | "float" | "double"),
        _ if width("truncate").is_some() => {
            matches!(kind, "int" | "long" | "string" | "binary") || kind.starts_with("decimal")
        }
        _ => false,
    }
}

fn one_of<'a>(field: &'a Value, key: &str, allowed: &[&str]) -> Result<&'a str, String> {
    let value = field.get(key).and_then(Value::as_str).ok_or_else(|| format!("{key} is required"))?;
    if allowed.contains(&value) { Ok(value) } else { Err(format!("Invalid {key}: {value}")) }
}

fn remember(metadata: &mut Value, metadata_file: &str, now_ms: i64) {
    let before = metadata["last-updated-ms"].clone();
    let keep = metadata["properties"]["write.metadata.previous-versions-max"]
        .as_str()
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(METADATA_LOG_LENGTH);
    if !metadata["metadata-log"].is_array() {
        metadata["metadata-log"] = json!([]);
    }
    let log = metadata["metadata-log"].as_array_mut().expect("it was made an array");
    log.push(json!({ "timestamp-ms": before, "metadata-file": metadata_file }));
    let extra = log.len().saturating_sub(keep.max(1));
    log.drain(..extra);
    // Iceberg's readers refuse metadata that is older than the entries of its own log.
    metadata["last-updated-ms"] = json!(now_ms.max(before.as_i64().unwrap_or_default()));
}
