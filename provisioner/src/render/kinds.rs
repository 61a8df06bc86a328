//! The reference of all resource kinds, as `docs/kinds.md` holds it.

use std::fmt::Write as _;

use serde_json::Value;

use super::takes::{Takes, choices, code, is_described, references};
use crate::kind::{AnyKind, Changing, Comparing, Field};

/// The page, in Markdown.
pub fn page(kinds: &[&dyn AnyKind]) -> String {
    let mut page = String::from(
        "# Resource kinds\n\nWritten from the code by `make docs`: what a stack's sections expand to, and what `plan` names. \
         A field marked ± can't be changed in place: the resource is replaced. A reference such as `${vpc.main.id}` can \
         stand for any text. Types in code, such as `Rule`, are described below their kind.\n",
    );
    for kind in kinds {
        section(&mut page, *kind);
    }
    page
}

/// The reference of one kind, in Markdown.
pub fn one(kind: &dyn AnyKind) -> String {
    let mut text = String::new();
    section(&mut text, kind);
    text.trim_start().to_owned()
}

fn section(page: &mut String, kind: &dyn AnyKind) {
    // Writing to a string can't fail.
    let _ = write!(page, "\n## {}\n\n{}.", kind.name(), sentence(kind.summary()));
    if kind.holds_data() {
        page.push_str(" Holds data: deleting or replacing one takes `--allow-data-loss`.");
    }
    let schema = kind.schema();
    let takes = Takes { definitions: &schema["$defs"] };
    page.push_str(FIELDS);
    for field in kind.fields() {
        row(page, takes, &schema, field.name, Some(field));
    }
    let outputs: Vec<String> = kind.outputs().iter().map(|output| format!("`{output}`")).collect();
    let _ = writeln!(page, "\nOutputs: {}.", if outputs.is_empty() { "none".to_owned() } else { outputs.join(", ") });
    for name in definitions(kind, &schema) {
        definition(page, takes, kind.name(), &name);
    }
}

const FIELDS: &str = "\n\n| field | takes | default | what it says |\n|---|---|---|---|\n";
const VALUES: &str = "\n\n| value | what it says |\n|---|---|\n";

/// The types that a kind's fields are made of, each once, in the order of the fields.
fn definitions(kind: &dyn AnyKind, schema: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for field in kind.fields() {
        references(&schema["properties"][field.name], &mut names);
    }
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        references(&schema["$defs"][&name], &mut names);
        at += 1;
    }
    names.retain(|name| is_described(&schema["$defs"][name]));
    names
}

fn definition(page: &mut String, takes: Takes<'_>, kind: &str, name: &str) {
    let schema = &takes.definitions[name];
    let _ = write!(page, "\n### {kind}: {name}\n\n{}", described(schema));
    if let Some(properties) = schema["properties"].as_object() {
        page.push_str(FIELDS);
        for field in properties.keys() {
            row(page, takes, schema, field, None);
        }
    } else if let Some(choices) = choices(schema).filter(|all| all.iter().any(|(_, said)| !said.is_empty())) {
        page.push_str(VALUES);
        for (value, said) in choices {
            let _ = writeln!(page, "| {} | {} |", cell(&code(value)), cell(said));
        }
    } else {
        let _ = writeln!(page, " Takes: {}.", takes.words(schema));
    }
}

fn row(page: &mut String, takes: Takes<'_>, schema: &Value, name: &str, field: Option<&Field>) {
    let property = &schema["properties"][name];
    let (text, words) = without_default(&described(property));
    let required = schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let default = match words {
        _ if required => "required".to_owned(),
        Some(words) => words,
        None => default(&property["default"]),
    };
    let (sign, note) = field.map_or(("", ""), |field| (sign(field), note(field)));
    let text = format!("{text}{note}");
    let takes = takes.words(property);
    let _ = writeln!(page, "| `{name}`{sign} | {} | {} | {} |", cell(&takes), cell(&default), cell(&text));
}

/// What a schema says of itself, on one line.
fn described(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A description without its sentence `Default: …`, and what that says.
fn without_default(text: &str) -> (String, Option<String>) {
    let Some((before, words)) = text.split_once("Default: ") else { return (text.to_owned(), None) };
    let (words, after) = words.split_once(". ").unwrap_or((words.trim_end_matches('.'), ""));
    (format!("{before}{after}").trim_end().to_owned(), Some(words.to_owned()))
}

fn default(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Object(members) if members.is_empty() => "none".to_owned(),
        value => code(value),
    }
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn sentence(summary: &str) -> String {
    let mut letters = summary.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn sign(field: &Field) -> &'static str {
    if field.change == Changing::Replaces { " ±" } else { "" }
}

/// How a field is compared, where it isn't as it stands.
fn note(field: &Field) -> &'static str {
    match field.compare {
        Comparing::Exactly => "",
        Comparing::AsSet => " Order means nothing.",
        Comparing::AsFloor => " A floor: what AWS raised is no difference.",
        Comparing::Never => " Left to AWS: never compared.",
    }
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

    #[test]
    fn every_type_within_a_kind_is_described_once_below_it() {
        for kind in crate::kinds::all() {
            let (schema, text) = (kind.schema(), one(*kind));
            let types = schema["$defs"].as_object().into_iter().flatten();
            let (tables, others): (Vec<_>, Vec<_>) = types.partition(|(_, one)| one["properties"].is_object());
            assert!(tables.iter().all(|(_, one)| is_described(one)), "{}: {tables:?}", kind.name());
            let others = others.into_iter().filter(|(_, one)| is_described(one));
            let names: Vec<&String> = tables.into_iter().chain(others).map(|(name, _)| name).collect();
            for name in &names {
                let heading = format!("\n### {}: {name}\n", kind.name());
                assert_eq!(text.matches(&heading).count(), 1, "{name}: {text}");
            }
            assert_eq!(text.matches("\n### ").count(), names.len(), "{text}");
        }
    }

    #[test]
    fn a_field_says_what_it_takes_and_what_it_is_without_being_written() {
        let text = |name: &str| one(crate::kinds::named(name).expect("a kind"));
        let endpoint = crate::kinds::named("vpc_endpoint").expect("a kind").schema();
        let pattern = endpoint["properties"]["vpc"]["pattern"].as_str().expect("a pattern");
        for (kind, row) in [
            (
                "vpc_endpoint",
                &*format!("| `vpc` ± | text that fits `{pattern}` | required | The VPC's id, `${{vpc.main.id}}`. |"),
            ),
            ("vpc_endpoint", "| `type` ± | `gateway` or `interface` (`EndpointType`) | `gateway` | By routes or"),
            ("vpc_endpoint", "| `gateway` | By routes. |"),
            ("alarm", "| `warm_up_minutes` | whole number from 1 to 2880 | none | For"),
            (
                "security_group",
                "| `ingress` | list of `Rule`, at most 1000 of them | nothing | What may come in. Order means",
            ),
            ("function", "| `permissions` | table of `Permission` by name, each name a text that fits `^"),
        ] {
            assert!(text(kind).contains(row), "{row}: {}", text(kind));
        }
    }

    /// The fields of a schema and of the types within it.
    fn properties(schema: &Value) -> Vec<&Value> {
        let types = schema["$defs"].as_object().into_iter().flat_map(|all| all.values()).chain([schema]);
        types.filter_map(|one| one["properties"].as_object()).flat_map(|all| all.values()).collect()
    }

    #[test]
    fn a_default_that_is_said_is_the_one_that_is_taken() {
        let plain = |text: &str| text.replace(['`', ',', '"', '[', ']'], "");
        let mut compared = 0;
        for kind in crate::kinds::all() {
            let schema = kind.schema();
            for property in properties(&schema) {
                let (text, Some(words)) = without_default(&described(property)) else { continue };
                let taken = default(&property["default"]);
                let is_value = words.starts_with(['`', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
                if (is_value || ["true", "false"].contains(&words.as_str())) && taken.starts_with('`') {
                    assert_eq!(plain(&words), plain(&taken), "{}: {text}", kind.name());
                    compared += 1;
                }
            }
        }
        assert!(compared > 20, "{compared}");
    }
}
