//! Columns that a spec calls otherwise than what exists does.

use super::Spec;

/// What exists with the names that its columns have in the spec, and which those are: the old name and the new. A
/// rename that has happened already is none.
pub(super) fn renamed(live: &Spec, spec: &Spec) -> (Spec, Vec<[String; 2]>) {
    let (mut live, mut names) = (live.clone(), Vec::new());
    for (name, was) in &spec.renames {
        if live.columns.iter().any(|column| column.name == *name) {
            continue;
        }
        let Some(column) = live.columns.iter_mut().find(|column| column.name == *was) else { continue };
        column.name.clone_from(name);
        for field in live.partition.iter_mut().filter(|field| field.column == *was) {
            field.column.clone_from(name);
        }
        for field in live.sort.iter_mut().filter(|field| field.by.column == *was) {
            field.by.column.clone_from(name);
        }
        names.push([was.clone(), name.clone()]);
    }
    (live, names)
}

/// The columns of what exists, renamed, that the spec has no more.
pub(super) fn gone<'a>(live: &'a Spec, spec: &'a Spec) -> impl Iterator<Item = &'a str> {
    let names = live.columns.iter().map(|column| column.name.as_str());
    names.filter(move |name| !spec.columns.iter().any(|column| column.name == *name))
}

/// What becomes of queries that name columns as they were.
pub(super) fn old_names(live: &Spec, spec: &Spec) -> Vec<String> {
    let (live, names) = renamed(live, spec);
    let fail =
        |[was, name]: &[String; 2]| format!("queries that name the column {was} fail: it is {name} from then on");
    let gone = gone(&live, spec).map(|name| format!("queries that name the column {name} fail"));
    names.iter().map(fail).chain(gone).collect()
}
