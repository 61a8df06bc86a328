//! What a JSON Schema takes, in words.

use serde_json::Value;

/// The words for a schema and the parts of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Takes<'a> {
    /// The definitions that references lead to.
    pub(super) definitions: &'a Value,
}

impl Takes<'_> {
    /// What a value must be: `text of 1 to 255 characters`, ``list of `Rule` ``.
    pub(super) fn words(self, schema: &Value) -> String {
        if let Some(name) = referred(schema) {
            let target = &self.definitions[name];
            return match (target["properties"].is_object(), is_described(target)) {
                (true, _) => format!("`{name}`"),
                (false, true) => format!("{} (`{name}`)", self.words(target)),
                (false, false) => self.words(target),
            };
        }
        if let Some(choices) = choices(schema) {
            return listed(choices.iter().map(|(value, _)| code(value)));
        }
        if let Some(alternatives) = alternatives(schema) {
            return alternatives.map(|one| self.words(one)).collect::<Vec<_>>().join(" or ");
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(all) => all.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect(),
            one => one.as_str().into_iter().collect(),
        };
        if types.is_empty() {
            return "any value".to_owned();
        }
        types.into_iter().map(|one| self.of_type(one, schema)).collect::<Vec<_>>().join(" or ")
    }

    fn of_type(self, name: &str, schema: &Value) -> String {
        match name {
            "string" => text(schema),
            "integer" => ranged("whole number", schema),
            "number" => ranged("number", schema),
            "boolean" => "`true` or `false`".to_owned(),
            "array" => {
                let list = format!("list of {}", self.words(&schema["items"]));
                match counted(schema, ["minItems", "maxItems"]) {
                    Some(count) => format!("{list}, {count} of them"),
                    None => list,
                }
            }
            _ => {
                let members = &schema["additionalProperties"];
                let of = members.is_object().then(|| format!(" of {} by name", self.words(members)));
                let names = constraint(&schema["propertyNames"]).map(|names| format!(", each name a text {names}"));
                format!("table{}{}", of.unwrap_or_default(), names.unwrap_or_default())
            }
        }
    }
}

/// Whether a schema says what it is for: one that does is described by itself.
pub(super) fn is_described(schema: &Value) -> bool {
    schema["description"].is_string()
}

/// Which texts a schema takes, what it refuses of them being said by the fixes.
fn text(schema: &Value) -> String {
    let words = constraint(schema).map_or_else(|| "text".to_owned(), |words| format!("text {words}"));
    let refused = schema["not"]["anyOf"].as_array().into_iter().flatten();
    let fixes: Vec<&str> = refused.filter_map(|one| one["description"].as_str()).collect();
    let examples: Vec<String> = schema["examples"].as_array().into_iter().flatten().map(code).collect();
    match (fixes.is_empty(), examples.is_empty()) {
        (false, _) => format!("{words} ({})", fixes.join("; ")),
        (true, false) => format!("{words} such as {}", listed(examples.into_iter())),
        (true, true) => words,
    }
}

/// How long a text is, and what it fits: `of 1 to 255 characters`.
fn constraint(schema: &Value) -> Option<String> {
    let count = counted(schema, ["minLength", "maxLength"]).map(|count| {
        let plural = if count.ends_with(" 1") { "" } else { "s" };
        format!("of {count} character{plural}")
    });
    let pattern = schema["pattern"].as_str().map(|pattern| format!("that fits `{pattern}`"));
    let all: Vec<String> = count.into_iter().chain(pattern).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// The name of the definition that a schema refers to.
fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// The definitions that a schema refers to, in its order, added to those that are known.
pub(super) fn references(schema: &Value, names: &mut Vec<String>) {
    if let Some(name) = referred(schema).filter(|name| !names.iter().any(|known| known == name)) {
        names.push(name.to_owned());
    }
    match schema {
        Value::Object(members) => members.values().for_each(|member| references(member, names)),
        Value::Array(items) => items.iter().for_each(|item| references(item, names)),
        _ => {}
    }
}

/// The schemas of which a value fits one; nothing is none of them.
fn alternatives(schema: &Value) -> Option<impl Iterator<Item = &Value>> {
    let all = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array())?;
    Some(all.iter().filter(|one| one["type"] != "null"))
}

/// The values that a schema takes, each with what is said of it; none where it takes others, too.
pub(super) fn choices(schema: &Value) -> Option<Vec<(&Value, &str)>> {
    let said = schema["description"].as_str().unwrap_or_default();
    if let Some(only) = schema.get("const") {
        return Some(vec![(only, said)]);
    }
    if let Some(all) = schema["enum"].as_array() {
        return Some(all.iter().filter(|one| !one.is_null()).map(|one| (one, "")).collect());
    }
    let each: Option<Vec<_>> = alternatives(schema)?.map(choices).collect();
    Some(each?.concat())
}

/// A value as a stack file has it, as code.
pub(super) fn code(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{}`", written(other)),
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name} = {}", written(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

/// `a`, `b or c`, `d, e or f`.
fn listed(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} or {last}", words.join(", ")) }
}

/// How many there may be: `1 to 255`, `at most 5`.
fn counted(schema: &Value, [least, most]: [&str; 2]) -> Option<String> {
    match (schema[least].as_u64(), schema[most].as_u64()) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) => Some(format!("at least {least}")),
        (None, Some(most)) => Some(format!("at most {most}")),
        (None, None) => None,
    }
}

fn ranged(what: &str, schema: &Value) -> String {
    let limit = |name: &str| schema.get(name).filter(|limit| limit.is_number());
    match (limit("minimum"), limit("maximum")) {
        (Some(least), Some(most)) => format!("{what} from {least} to {most}"),
        // Every number without a sign has this one.
        (Some(least), None) if least.as_f64() == Some(0.0) => what.to_owned(),
        (Some(least), None) => format!("{what}, at least {least}"),
        (None, Some(most)) => format!("{what}, at most {most}"),
        (None, None) => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_said_in_words() {
        let definitions = json!({
            "Rule": {"type": "object", "properties": {"port": {"type": "integer"}}},
            "Way": {
                "description": "A way.",
                "oneOf": [{"const": "in", "description": "Into it."}, {"enum": ["out", "both"]}],
            },
            "Name": {"type": "string", "maxLength": 8, "description": "A name."},
            "Type": {"type": "string", "examples": ["int"]},
        });
        let takes = Takes { definitions: &definitions };
        for (schema, words) in [
            (json!({"type": ["string", "null"], "pattern": "^a|b$"}), "text that fits `^a|b$`"),
            (json!({"type": "string", "minLength": 1, "maxLength": 255}), "text of 1 to 255 characters"),
            (json!({"type": "string", "pattern": "^a", "maxLength": 9}), "text of at most 9 characters that fits `^a`"),
            (
                json!({"type": "string", "not": {"anyOf": [{"pattern": "^aws", "description": "begin otherwise"}]}}),
                "text (begin otherwise)",
            ),
            (json!({"$ref": "#/$defs/Type"}), "text such as `int`"),
            (json!({"$ref": "#/$defs/Name", "description": "Its name."}), "text of at most 8 characters (`Name`)"),
            (json!({"type": "integer", "minimum": 0}), "whole number"),
            (json!({"type": "integer", "minimum": 7, "maximum": 30}), "whole number from 7 to 30"),
            (json!({"type": "integer", "minimum": 0, "enum": [60, 600]}), "`60` or `600`"),
            (json!({"type": "boolean"}), "`true` or `false`"),
            (
                json!({"type": "array", "items": {"$ref": "#/$defs/Rule"}, "maxItems": 5}),
                "list of `Rule`, at most 5 of them",
            ),
            (json!({"anyOf": [{"$ref": "#/$defs/Way"}, {"type": "null"}]}), "`in`, `out` or `both` (`Way`)"),
            (json!({"type": "object", "additionalProperties": {"type": "string"}}), "table of text by name"),
            (json!({"type": "object", "additionalProperties": true}), "table"),
            (
                json!({"type": "object", "propertyNames": {"minLength": 1}}),
                "table, each name a text of at least 1 character",
            ),
            (json!({"description": "The body."}), "any value"),
        ] {
            assert_eq!(takes.words(&schema), words);
        }
    }

    #[test]
    fn a_value_is_written_as_in_a_stack_file() {
        let value = json!({"disk_gb": 200, "names": ["a"], "on": false});
        assert_eq!(code(&value), r#"`{ disk_gb = 200, names = ["a"], on = false }`"#);
        assert_eq!(code(&json!("gp3")), "`gp3`");
    }
}
