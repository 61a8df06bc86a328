//! The graph of what refers to what in a stack: checked, and in an order in which targets come first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::reference::references;
use super::{Kinds, Problem};
use crate::charge::Others;
use crate::resource::{Address, Desired, Resource, nearest};

/// The resources of a stack with what each one needs.
#[derive(Debug)]
pub struct Graph<'a> {
    /// The resources, targets before what refers to them, the file's order otherwise.
    pub ordered: Vec<&'a Resource>,
    /// For each address, what must live before it: its references and what its resource names in `after`.
    pub needs: BTreeMap<Address, BTreeSet<Address>>,
}

impl Graph<'_> {
    /// What refers to the resource directly.
    pub fn dependents(&self, address: &Address) -> BTreeSet<Address> {
        self.needs.iter().filter(|(_, needs)| needs.contains(address)).map(|(user, _)| user.clone()).collect()
    }
}

/// The graph of a stack, or everything that is wrong with it.
pub fn graph<'a>(kinds: Kinds<'_>, desired: &'a Desired) -> Result<Graph<'a>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut index: HashMap<&Address, usize> = HashMap::new();
    for (position, resource) in desired.resources.iter().enumerate() {
        if index.insert(&resource.address, position).is_some() {
            problems.push(problem(resource, format!("`{}` is declared twice", resource.address)));
        }
        if kinds.get(&resource.address.kind).is_none() {
            problems.push(problem(resource, format!("`{}` is no kind of resource", resource.address.kind)));
        }
    }
    problems.extend(namesakes(kinds, desired));
    problems.extend(misfits(kinds, desired));
    let mut needs = BTreeMap::new();
    for resource in &desired.resources {
        let mut targets = BTreeSet::new();
        for reference in references(&resource.spec) {
            let quote = reference.to_string();
            let wrong = |text| Problem { quote: Some(quote.clone()), ..problem(resource, text) };
            let Some(kind) = index.get(&reference.address).and_then(|_| kinds.get(&reference.address.kind)) else {
                problems.push(wrong(missing(kinds, &quote, &reference.address, desired)));
                continue;
            };
            if !kind.outputs().contains(&reference.output.as_str()) {
                let has = kind.outputs().join(", ");
                problems.push(wrong(format!("{quote}: `{}` has no such output; it has {has}", reference.address)));
            }
            targets.insert(reference.address);
        }
        for address in &resource.after {
            if index.contains_key(address) {
                targets.insert(address.clone());
            } else {
                problems.push(problem(resource, missing(kinds, &format!("after `{address}`"), address, desired)));
            }
        }
        needs.insert(resource.address.clone(), targets);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut visit =
        Visit { desired, index: &index, needs: &needs, ordered: Vec::new(), state: HashMap::new(), path: Vec::new() };
    for resource in &desired.resources {
        if let Err(cycle) = visit.resource(&resource.address) {
            let path: Vec<String> = cycle.iter().map(ToString::to_string).collect();
            let text = format!("resources refer to each other in a circle: {}", path.join(" → "));
            return Err(vec![Problem { address: cycle[0].clone(), span: resource.span.clone(), text, quote: None }]);
        }
    }
    let ordered = visit.ordered;
    Ok(Graph { ordered, needs })
}

/// Resources that are one on AWS, by what names one of their kind there: each would undo what the other does.
fn namesakes(kinds: Kinds<'_>, desired: &Desired) -> Vec<Problem> {
    let mut known: HashMap<(&str, Vec<&Value>), &Resource> = HashMap::new();
    let mut problems = Vec::new();
    for resource in &desired.resources {
        let Some(fields) = kinds.get(&resource.address.kind).map(|kind| kind.facts().identified_by) else { continue };
        let named: Vec<&Value> = fields.iter().map(|field| &resource.spec[*field]).collect();
        if named.is_empty() || named.iter().any(|value| value.is_null()) {
            continue;
        }
        let Some(other) = known.insert((resource.address.kind.as_str(), named), resource) else { continue };
        let same = fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" and ");
        // The same address twice is reported already.
        if other.address != resource.address {
            for (one, another) in [(other, resource), (resource, other)] {
                let text = format!("it has the {same} of `{}`, and on AWS they would be one", another.address);
                problems.push(problem(one, text));
            }
        }
    }
    problems
}

/// Resources that AWS wouldn't have beside each other, or within what they stand in.
fn misfits(kinds: Kinds<'_>, desired: &Desired) -> Vec<Problem> {
    let specs = desired.resources.iter().map(|resource| (&resource.address, &resource.spec)).collect();
    let others = Others::new(specs, BTreeMap::new());
    let of_one = |resource: &Resource| -> Vec<Problem> {
        let kind = kinds.get(&resource.address.kind);
        let told = kind.map(|kind| kind.misfits(&resource.address, &resource.spec, &others)).unwrap_or_default();
        told.into_iter().map(|text| problem(resource, text)).collect()
    };
    desired.resources.iter().flat_map(of_one).collect()
}

fn problem(resource: &Resource, text: String) -> Problem {
    Problem { address: resource.address.clone(), span: resource.span.clone(), text, quote: None }
}

fn missing(kinds: Kinds<'_>, what: &str, address: &Address, desired: &Desired) -> String {
    let wanted = address.to_string();
    // A section's name is a plural, a kind's is not.
    let singular = kinds.0.iter().find(|kind| kind.facts().plural() == address.kind);
    let singular = singular.map(|kind| Address::new(kind.name(), address.name.as_str()));
    if let Some(meant) = desired.resources.iter().find(|resource| Some(&resource.address) == singular.as_ref()) {
        return format!("{what}: the stack has no `{wanted}`; did you mean `{}`?", meant.address);
    }
    match nearest(&wanted, desired.resources.iter().map(|resource| &resource.address)) {
        Some(candidate) => format!("{what}: the stack has no `{wanted}`; did you mean `{candidate}`?"),
        None => format!("{what}: the stack has no `{wanted}`"),
    }
}

struct Visit<'a, 'b> {
    desired: &'a Desired,
    index: &'b HashMap<&'a Address, usize>,
    needs: &'b BTreeMap<Address, BTreeSet<Address>>,
    ordered: Vec<&'a Resource>,
    /// False while its targets are visited, true when it stands in `ordered`.
    state: HashMap<Address, bool>,
    path: Vec<Address>,
}

impl Visit<'_, '_> {
    /// Puts a resource behind its targets; an error is a circle, its first address also its last.
    fn resource(&mut self, address: &Address) -> Result<(), Vec<Address>> {
        match self.state.get(address) {
            Some(true) => return Ok(()),
            Some(false) => {
                let start = self.path.iter().position(|on_path| on_path == address).unwrap_or(0);
                let mut cycle = self.path[start..].to_vec();
                cycle.push(address.clone());
                return Err(cycle);
            }
            None => {}
        }
        self.state.insert(address.clone(), false);
        self.path.push(address.clone());
        for target in &self.needs[address] {
            self.resource(target)?;
        }
        self.path.pop();
        self.state.insert(address.clone(), true);
        self.ordered.push(&self.desired.resources[self.index[address]]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{desired, kinds};
    use super::*;

    #[test]
    fn two_resources_that_would_be_one_on_aws_are_named_both() {
        let store = |name: &str, size: u32| json!({ "name": name, "size": size, "uses": null });
        let stack =
            desired(&[("store.a", store("raw", 1)), ("store.b", store("raw", 2)), ("store.c", store("other", 1))]);
        let problems = graph(kinds(), &stack).expect_err("they would be one");
        let told: Vec<String> = problems.iter().map(|one| format!("{}: {}", one.address, one.text)).collect();
        assert_eq!(
            told,
            [
                "store.a: it has the `name` of `store.b`, and on AWS they would be one",
                "store.b: it has the `name` of `store.a`, and on AWS they would be one",
            ]
        );
        let unnamed = json!({ "name": null, "size": 1, "uses": null });
        let stack = desired(&[("store.a", unnamed.clone()), ("store.b", unnamed)]);
        assert!(graph(kinds(), &stack).is_ok(), "what has no name yet may get another");
    }
}
