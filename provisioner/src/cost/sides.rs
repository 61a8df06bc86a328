//! The resources of a stack on both sides of a plan.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::charge::Others;
use crate::plan::Plan;
use crate::resource::{Address, Live};

/// What a plan found and what it leaves behind.
pub fn sides(plan: &Plan) -> (Others<'_>, Others<'_>) {
    let stay = || plan.unchanged.iter().map(|one| &one.live);
    let lived = || plan.steps.iter().filter_map(|step| step.live.as_ref()).chain(stay());
    let mut names = BTreeMap::new();
    for live in lived() {
        let kind = live.address.kind.as_str();
        names.insert((kind, live.id.as_str()), &live.address);
        names.extend(live.outputs.values().map(|value| ((kind, value.as_str()), &live.address)));
    }
    let mut after = specs(stay());
    after.extend(plan.steps.iter().filter_map(|step| Some((&step.address, step.spec.as_ref()?))));
    (Others::new(specs(lived()), names.clone()), Others::new(after, names))
}

fn specs<'a>(live: impl Iterator<Item = &'a Live>) -> BTreeMap<&'a Address, &'a Value> {
    live.map(|live| (&live.address, &live.spec)).collect()
}
