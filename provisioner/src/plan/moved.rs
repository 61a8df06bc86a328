//! Renames: what exists under an address that the file has given up gets the one that the file gives it now.

use std::collections::{BTreeMap, BTreeSet};

use super::Problem;
use crate::resource::{Address, Desired, Live};

/// What exists, under the addresses of the file, and the former addresses of what was renamed.
pub fn renamed(desired: &Desired, live: &[Live]) -> Result<(Vec<Live>, BTreeMap<Address, Address>), Vec<Problem>> {
    let declared: BTreeSet<&Address> = desired.resources.iter().map(|resource| &resource.address).collect();
    let lives = |address: &Address| live.iter().find(|one| one.address == *address);
    let mut problems = Vec::new();
    let mut new_name: BTreeMap<&Address, &Address> = BTreeMap::new();
    for moved in &desired.moved {
        let (from, to) = (&moved.from, &moved.to);
        let text = if from.kind != to.kind {
            format!("a {} can't become a {}: only the name changes", from.kind, to.kind)
        } else if declared.contains(from) {
            format!("`{from}` is renamed to `{to}`, and the stack still has a `{from}`; remove one of the two")
        } else if !declared.contains(to) {
            format!("`{from}` is renamed to `{to}`, and the stack has no `{to}`")
        } else if let (Some(old), Some(new)) = (lives(from), lives(to)) {
            format!(
                "`{from}` ({}) is renamed to `{to}`, which exists already ({}); remove the rename and `{from}` goes",
                old.id, new.id
            )
        } else {
            new_name.insert(from, to);
            continue;
        };
        problems.push(Problem { address: to.clone(), span: moved.span.clone(), text, quote: None });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut former = BTreeMap::new();
    let mut live = live.to_vec();
    for one in &mut live {
        if let Some(to) = new_name.get(&one.address) {
            former.insert((*to).clone(), std::mem::replace(&mut one.address, (*to).clone()));
        }
    }
    Ok((live, former))
}
