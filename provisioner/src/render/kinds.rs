//! The reference of all resource kinds, as `docs/kinds.md` holds it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::kind::{Changing, Comparing, Field, Kind};

/// The page, in Markdown.
pub fn page(kinds: &[&dyn Kind]) -> String {
    let mut page = String::from(
        "# Resource kinds\n\nWritten from the code by `make docs`: what a stack's sections expand to, and what `plan` names. \
         A field marked ± can't be changed in place: the resource is replaced.\n",
    );
    for kind in kinds {
        section(&mut page, *kind);
    }
    page
}

/// The reference of one kind, in Markdown.
pub fn one(kind: &dyn Kind) -> String {
    let mut text = String::new();
    section(&mut text, kind);
    text.trim_start().to_owned()
}

fn section(page: &mut String, kind: &dyn Kind) {
    // Writing to a string can't fail.
    let _ = write!(page, "\n## {}\n\n{}.", kind.name(), sentence(kind.summary()));
    if kind.holds_data() {
        page.push_str(" Holds data: deleting or replacing one takes `--allow-data-loss`.");
    }
    page.push_str("\n\n| field | type | what it says |\n|---|---|---|\n");
    let schema = kind.schema();
    for field in kind.fields() {
        let property = &schema["properties"][field.name];
        let _ =
            writeln!(page, "| `{}`{} | {} | {} |", field.name, sign(field), type_name(property), text(property, field));
    }
    let outputs: Vec<String> = kind.outputs().iter().map(|output| format!("`{output}`")).collect();
    let _ = writeln!(page, "\nOutputs: {}.", if outputs.is_empty() { "none".to_owned() } else { outputs.join(", ") });
}

fn sentence(summary: &str) -> String {
    let mut letters = summary.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn sign(field: &Field) -> &'static str {
    if field.change == Changing::Replaces { " ±" } else { "" }
}

/// The type as the schema says it, for people.
fn type_name(property: &Value) -> String {
    let name = |value: &Value| value.as_str().map(str::to_owned);
    match &property["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", type_name(&property["items"])),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(name).collect::<Vec<_>>().join(" or "),
        _ => {
            let reference = property["$ref"].as_str().or_else(|| property["anyOf"][0]["$ref"].as_str());
            reference.and_then(|path| path.rsplit('/').next()).unwrap_or("any").to_owned()
        }
    }
}

fn text(property: &Value, field: &Field) -> String {
    let described = property["description"].as_str().unwrap_or_default();
    let mut text = described.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    match field.compare {
        Comparing::Exactly => {}
        Comparing::AsSet => text.push_str(" Order means nothing."),
        Comparing::AsFloor => text.push_str(" A floor: what AWS raised is no difference."),
        Comparing::Never => text.push_str(" Left to AWS: never compared."),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_every_kind_is_described() {
        for kind in crate::kinds::all() {
            let schema = kind.schema();
            let properties = schema["properties"].as_object().expect("properties");
            for field in kind.fields() {
                let property = properties.get(field.name).unwrap_or_else(|| panic!("{}.{}", kind.name(), field.name));
                let described = property["description"].as_str().unwrap_or_default();
                assert!(!described.is_empty(), "{}.{} has no documentation", kind.name(), field.name);
            }
            assert_eq!(properties.len(), kind.fields().len(), "{}: fields and Spec differ", kind.name());
        }
        assert!(page(crate::kinds::all()).contains("## bucket"));
    }
}
