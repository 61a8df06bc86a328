//! The JSON Schema of stack files: wherever a value stands, a variable may.

use serde_json::{Map, Value, json};

/// The definition of a text that is a variable.
const VARIABLE: &str = "#/$defs/VariableReference";

/// Lets every value of the sections be `"${var.NAME}"` too; tables are sections themselves and can't.
pub(super) fn allow_variables(root: &mut Map<String, Value>) {
    let without = ["extends", "remove", "vars"];
    let definitions = root.get("$defs").cloned().unwrap_or_default();
    let wrap = |properties: &mut Map<String, Value>| {
        for (name, property) in properties.iter_mut() {
            if !without.contains(&name.as_str()) {
                wrapped(property, &definitions);
            }
        }
    };
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        wrap(properties);
    }
    if let Some(definitions) = root.get_mut("$defs").and_then(Value::as_object_mut) {
        let sections = definitions.iter_mut().filter(|(name, _)| *name != "Variable");
        for (_, definition) in sections {
            if let Some(properties) = definition.get_mut("properties").and_then(Value::as_object_mut) {
                wrap(properties);
            }
        }
        definitions.insert(
            "VariableReference".to_owned(),
            json!({
                "type": "string",
                "pattern": r"\$\{var\.[A-Za-z][A-Za-z0-9_-]*\}",
                "description": "A variable of `[vars]`, `${var.NAME}`.",
            }),
        );
    }
}

/// Adds the choice of a variable to a property that isn't a table and wouldn't take such a text as it is.
fn wrapped(property: &mut Value, definitions: &Value) {
    let takes_it = property["type"] == "string" && property.get("pattern").is_none();
    if takes_it || is_table(property, definitions) {
        return;
    }
    let Value::Object(members) = property else { return };
    let about: Vec<(String, Value)> =
        ["description", "default"].iter().filter_map(|name| members.remove_entry(*name)).collect();
    let own = Value::Object(std::mem::take(members));
    members.insert("anyOf".to_owned(), json!([own, { "$ref": VARIABLE }]));
    members.extend(about);
}

/// Whether a schema is one of tables.
fn is_table(schema: &Value, definitions: &Value) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/$defs/");
        return is_table(&definitions[name], definitions);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices.iter().any(|choice| is_table(choice, definitions));
    }
    schema["type"] == "object"
}

#[cfg(test)]
mod tests {
    use crate::stack::schema;

    #[test]
    fn every_field_of_every_section_is_documented() {
        let schema = schema();
        let definitions = schema["$defs"].as_object().expect("definitions").iter();
        let mut count = 0;
        for (name, section) in
            definitions.map(|(name, section)| (name.as_str(), section)).chain([("the file", &schema)])
        {
            let Some(properties) = section["properties"].as_object() else { continue };
            assert!(section["description"].is_string(), "{name} has no docs");
            for (field, property) in properties {
                let about = property["description"].as_str().unwrap_or_default();
                assert!(about.len() > 3, "{name}.{field} has no docs");
                count += 1;
            }
        }
        assert!(count > 80, "{count} fields");
    }
}
