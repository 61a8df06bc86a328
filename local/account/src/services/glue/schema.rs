//! Iceberg schemas: read from a request or a metadata file, checked, compared, and written for Hive.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// A schema, its fields in the spelling of the metadata file (`id`, `name`, `required`, `type`, `doc`).
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    fields: Vec<Value>,
    identifiers: Vec<i64>,
}

/// What a permitted change of schema came to.
pub struct Evolution {
    /// The highest column id that the new schema uses.
    pub highest: i64,
}

impl Schema {
    /// Reads the `Schema` member of a Glue request.
    pub fn from_request(schema: &Value) -> Result<Schema, String> {
        let mut fields = Vec::new();
        for field in schema.get("Fields").and_then(Value::as_array).ok_or("Schema.Fields is required")? {
            let mut made = Map::new();
            made.insert("id".into(), field.get("Id").cloned().ok_or("A field has no Id")?);
            made.insert("name".into(), field.get("Name").cloned().ok_or("A field has no Name")?);
            made.insert("required".into(), field.get("Required").cloned().ok_or("A field has no Required")?);
            made.insert("type".into(), field.get("Type").cloned().ok_or("A field has no Type")?);
            if let Some(doc) = field.get("Doc").filter(|doc| !doc.is_null()) {
                made.insert("doc".into(), doc.clone());
            }
            for (request, name) in [("InitialDefault", "initial-default"), ("WriteDefault", "write-default")] {
                if field.get(request).is_some_and(|value| !value.is_null()) {
                    return Err(format!("{name} of a column needs Iceberg format version 3"));
                }
            }
            fields.push(Value::Object(made));
        }
        let identifiers = integers(schema.get("IdentifierFieldIds"));
        Schema { fields, identifiers }.checked()
    }

    /// Reads a schema of a metadata file.
    pub fn from_metadata(schema: &Value) -> Result<Schema, String> {
        let fields = schema["fields"].as_array().cloned().ok_or("A schema of the table metadata has no fields")?;
        Ok(Schema { fields, identifiers: integers(schema.get("identifier-field-ids")) })
    }

    /// Returns the schema as a metadata file spells it.
    pub fn to_json(&self, id: i64) -> Value {
        let mut schema = json!({ "type": "struct", "schema-id": id });
        if !self.identifiers.is_empty() {
            schema["identifier-field-ids"] = json!(self.identifiers);
        }
        schema["fields"] = json!(self.fields);
        schema
    }

    /// Returns the highest id of any column, nested ones too.
    pub fn highest_id(&self) -> i64 {
        self.ids().into_iter().max().unwrap_or_default()
    }

    /// Returns the id of the top-level column of that name.
    pub fn field_named(&self, name: &str) -> Option<i64> {
        self.fields.iter().find(|field| field["name"] == name).and_then(|field| field["id"].as_i64())
    }

    /// Returns the type of a column, in Iceberg's words; a nested type only by its kind.
    pub fn type_of(&self, id: i64) -> Option<String> {
        let mut found = None;
        self.walk(&mut |nested, kind| {
            if nested == id {
                found = Some(kind.as_str().unwrap_or_else(|| kind["type"].as_str().unwrap_or("struct")).to_owned());
            }
        });
        found
    }

    /// Returns the columns as a Glue table lists them, with Iceberg's own facts as parameters.
    pub fn hive_columns(&self) -> Vec<Value> {
        self.fields
            .iter()
            .map(|field| {
                let optional = field["required"] != true;
                let mut column = json!({
                    "Name": field["name"],
                    "Type": hive_type(&field["type"]),
                    "Parameters": {
                        "iceberg.field.current": "true",
                        "iceberg.field.id": field["id"].to_string(),
                        "iceberg.field.optional": optional.to_string(),
                    },
                });
                if let Some(doc) = field.get("doc").filter(|doc| doc.is_string()) {
                    column["Comment"] = doc.clone();
                }
                column
            })
            .collect()
    }

    /// Checks that this schema may follow `current` in a table whose highest column id ever is `last`.
    pub fn evolves(&self, current: &Schema, last: i64) -> Result<Evolution, String> {
        for field in &self.fields {
            let id = field["id"].as_i64().unwrap_or_default();
            let name = field["name"].as_str().unwrap_or_default();
            let before = current.fields.iter().find(|other| other["id"] == id);
            match before {
                Some(before) => {
                    if !promotes(&before["type"], &field["type"]) {
                        let (from, to) = (hive_type(&before["type"]), hive_type(&field["type"]));
                        return Err(format!("Cannot change column type: {name}: {from} -> {to}"));
                    }
                    if before["required"] != true && field["required"] == true {
                        return Err(format!("Cannot change column nullability: {name}: optional -> required"));
                    }
                }
                None if id <= last => {
                    return Err(format!("Column id {id} of {name} was used before in this table"));
                }
                None if field["required"] == true => {
                    return Err(format!("Incompatible change: cannot add required column: {name}"));
                }
                None => {}
            }
        }
        Ok(Evolution { highest: self.highest_id() })
    }

    fn checked(self) -> Result<Schema, String> {
        let mut names = BTreeSet::new();
        for field in &self.fields {
            let name = field["name"].as_str().filter(|name| !name.is_empty()).ok_or("A field has no name")?;
            // Glue keeps column names in lower case, so that two spellings are one column there.
            if !names.insert(name.to_lowercase()) {
                return Err(format!("Duplicate column name: {name}"));
            }
            field["required"].as_bool().ok_or_else(|| format!("Required of {name} is not a boolean"))?;
            check_type(&field["type"]).map_err(|problem| format!("Column {name}: {problem}"))?;
        }
        if self.fields.is_empty() {
            return Err("Schema.Fields must not be empty".into());
        }
        let mut seen = BTreeSet::new();
        for id in self.ids() {
            if id < 1 || !seen.insert(id) {
                return Err(format!("Column ids must be positive and unique: {id}"));
            }
        }
        for id in &self.identifiers {
            let field = self.fields.iter().find(|field| field["id"] == *id);
            match field {
                Some(field) if field["required"] == true => {}
                Some(field) => return Err(format!("Identifier field {} is not required", field["name"])),
                None => return Err(format!("Cannot find identifier field {id}")),
            }
        }
        Ok(self)
    }

    fn ids(&self) -> Vec<i64> {
        let mut ids = Vec::new();
        self.walk(&mut |id, _| ids.push(id));
        ids
    }

    fn walk(&self, visit: &mut impl FnMut(i64, &Value)) {
        for field in &self.fields {
            visit(field["id"].as_i64().unwrap_or_default(), &field["type"]);
            walk_type(&field["type"], visit);
        }
    }
}

fn walk_type(kind: &Value, visit: &mut impl FnMut(i64, &Value)) {
    for field in kind["fields"].as_array().into_iter().flatten() {
        visit(field["id"].as_i64().unwrap_or_default(), &field["type"]);
        walk_type(&field["type"], visit);
    }
    for (id, inner) in [("element-id", "element"), ("key-id", "key"), ("value-id", "value")] {
        if let Some(id) = kind[id].as_i64() {
            visit(id, &kind[inner]);
            walk_type(&kind[inner], visit);
        }
    }
}

fn check_type(kind: &Value) -> Result<(), String> {
    if let Some(name) = kind.as_str() {
        return if known_primitive(name) { Ok(()) } else { Err(format!("Unknown Iceberg type: {name}")) };
    }
    match kind["type"].as_str() {
        Some("struct") => {
            for field in kind["fields"].as_array().ok_or("a struct has no fields")? {
                check_type(&field["type"])?;
            }
            Ok(())
        }
        Some("list") if kind["element-id"].is_i64() => check_type(&kind["element"]),
        Some("map") if kind["key-id"].is_i64() && kind["value-id"].is_i64() => {
            check_type(&kind["key"])?;
            check_type(&kind["value"])
        }
        _ => Err(format!("Unknown Iceberg type: {kind}")),
    }
}

fn known_primitive(name: &str) -> bool {
    const PLAIN: [&str; 12] = [
        "boolean",
        "int",
        "long",
        "float",
        "double",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "string",
        "uuid",
        "binary",
    ];
    if PLAIN.contains(&name) {
        return true;
    }
    if let Some((precision, scale)) = decimal(name) {
        return (1..=38).contains(&precision) && scale <= precision;
    }
    name.strip_prefix("fixed[").and_then(|rest| rest.strip_suffix(']')).is_some_and(|n| n.parse::<u32>().is_ok())
}

fn decimal(name: &str) -> Option<(u32, u32)> {
    let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.trim().parse().ok()?, scale.trim().parse().ok()?))
}

/// Says whether Iceberg reads files of type `from` as `to`.
fn promotes(from: &Value, to: &Value) -> bool {
    match (from.as_str(), to.as_str()) {
        (Some(from), Some(to)) => match (decimal(from), decimal(to)) {
            (Some(from), Some(to)) => from.1 == to.1 && from.0 <= to.0,
            _ => from == to || matches!((from, to), ("int", "long") | ("float", "double")),
        },
        (None, None) => from["type"] == to["type"],
        _ => false,
    }
}

fn hive_type(kind: &Value) -> String {
    if let Some(name) = kind.as_str() {
        return match name {
            "long" => "bigint".into(),
            "time" | "uuid" => "string".into(),
            "timestamptz" => "timestamp".into(),
            _ if name.starts_with("fixed[") => "binary".into(),
            _ => decimal(name).map_or_else(|| name.to_owned(), |(p, s)| format!("decimal({p},{s})")),
        };
    }
    match kind["type"].as_str() {
        Some("list") => format!("array<{}>", hive_type(&kind["element"])),
        Some("map") => format!("map<{},{}>", hive_type(&kind["key"]), hive_type(&kind["value"])),
        _ => {
            let fields: Vec<String> = kind["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|field| format!("{}:{}", field["name"].as_str().unwrap_or_default(), hive_type(&field["type"])))
                .collect();
            format!("struct<{}>", fields.join(","))
        }
    }
}

fn integers(list: Option<&Value>) -> Vec<i64> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_i64).collect()
}
