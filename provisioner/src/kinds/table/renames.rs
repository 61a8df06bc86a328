//! Columns that a spec calls otherwise than what lives does.

use serde_json::Value;

use super::Spec;
use crate::kinds::spec::typed;

/// Gives the columns of what lives the names that they have in the spec, and says which: the old name and the new. A
/// rename that has happened already is none.
pub(super) fn rename(live: &mut Spec, spec: &Spec) -> Vec<[String; 2]> {
    let mut names = Vec::new();
    for (name, was) in &spec.renames {
        if live.columns.iter().any(|column| column.name == *name) {
            continue;
        }
        let Some(column) = live.columns.iter_mut().find(|column| column.name == *was) else { continue };
        column.name.clone_from(name);
        for field in live.partition.iter_mut().filter(|field| field.column == *was) {
            field.column.clone_from(name);
        }
        for column in live.divided_by.iter_mut().filter(|column| *column == was) {
            column.clone_from(name);
        }
        names.push([was.clone(), name.clone()]);
    }
    names
}

/// What becomes of queries that name columns as they were.
pub(super) fn old_names(live: &Value, spec: &Value) -> Vec<String> {
    let (Ok(mut live), Ok(spec)) = (typed::<Spec>(live), typed::<Spec>(spec)) else { return Vec::new() };
    let renamed = rename(&mut live, &spec);
    let mut sentences: Vec<String> = renamed
        .iter()
        .map(|[was, name]| format!("queries that name the column {was} fail: it is {name} from then on"))
        .collect();
    let gone = live.columns.iter().filter(|old| !spec.columns.iter().any(|new| new.name == old.name));
    sentences.extend(gone.map(|column| format!("queries that name the column {} fail", column.name)));
    sentences
}
