//! What a stack or a plan costs a month, address by address.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Price, Prices, sides};
use crate::charge::{Charge, Cost, Others};
use crate::plan::{Action, Kinds, Plan};
use crate::resource::{Address, Desired};

/// What is billed for one resource.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bill {
    /// What it costs by being there.
    pub lines: Vec<Line>,
    /// What is billed by use, in words; empty for nothing.
    pub by_use: &'static str,
    /// Why it isn't known what it costs.
    pub unknown: Option<&'static str>,
}

/// A quantity at a price.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The price's name.
    pub name: String,
    /// How many of its unit a month.
    pub quantity: f64,
    /// The price; none when the table has none for the region.
    pub price: Option<Price>,
}

impl Line {
    /// What it costs a month.
    pub fn amount(&self) -> Option<f64> {
        self.price.as_ref().map(|price| price.usd * self.quantity)
    }
}

impl Bill {
    fn new(cost: Cost, prices: &Prices, region: &str) -> Self {
        match cost {
            Cost::Free => Self::default(),
            Cost::Unknown(why) => Self { unknown: Some(why), ..Self::default() },
            Cost::Billed { charges, by_use } => {
                let line = |charge: Charge| Line {
                    price: prices.get(region, &charge.price).cloned(),
                    name: charge.price,
                    quantity: charge.quantity,
                };
                Self { lines: charges.into_iter().map(line).collect(), by_use, unknown: None }
            }
        }
    }

    /// What is priced of it, a month.
    pub fn monthly(&self) -> f64 {
        self.lines.iter().filter_map(Line::amount).sum()
    }

    /// Whether it costs something by being there, or nobody knows.
    pub fn is_billed(&self) -> bool {
        self.unknown.is_some() || self.lines.iter().any(|line| line.quantity > 0.0)
    }

    /// Whether something of it is there and has no price.
    pub fn is_unpriced(&self) -> bool {
        self.unknown.is_some() || self.lines.iter().any(|line| line.price.is_none() && line.quantity > 0.0)
    }
}

/// What one address costs before and after a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The resource.
    pub address: Address,
    /// As it exists; none when it doesn't.
    pub before: Option<Bill>,
    /// As the plan makes it; none when it goes.
    pub after: Option<Bill>,
}

/// What a stack costs, and what a plan changes of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The region.
    pub region: String,
    /// Every resource, in the order of addresses.
    pub items: Vec<Item>,
    /// Whether all of the stack is in it; of a part of a plan only the difference is known.
    pub whole: bool,
}

impl Estimate {
    /// What a stack costs once all of it exists.
    pub fn of_stack(kinds: Kinds<'_>, desired: &Desired, prices: &Prices, region: &str) -> Self {
        let specs: BTreeMap<&Address, &Value> =
            desired.resources.iter().map(|resource| (&resource.address, &resource.spec)).collect();
        let others = Others::new(specs, BTreeMap::new());
        let items = others.addresses().map(|address| Item {
            address: address.clone(),
            before: None,
            after: bill(kinds, &others, address, prices, region),
        });
        let items = with_key(items.collect(), (None, Some(key(prices, region))));
        Self { region: region.to_owned(), items, whole: true }
    }

    /// What a plan's stack costs before it and after it.
    pub fn of_plan(kinds: Kinds<'_>, plan: &Plan, prices: &Prices, region: &str) -> Self {
        let (before, after) = sides(plan);
        let addresses: BTreeSet<&Address> = before.addresses().chain(after.addresses()).collect();
        let items = addresses.into_iter().map(|address| Item {
            address: address.clone(),
            before: bill(kinds, &before, address, prices, region),
            after: bill(kinds, &after, address, prices, region),
        });
        // It is made with the first resource and goes with the last.
        let goes = plan.steps.iter().filter(|step| step.action == Action::Delete && !step.is_of_others()).count();
        let lives = after.addresses().next().is_some() || plan.exists.len() > goes;
        let key = |is_there: bool| is_there.then(|| key(prices, region));
        let items = with_key(items.collect(), (key(!plan.exists.is_empty()), key(lives)));
        Self { region: region.to_owned(), items, whole: plan.left_out.is_empty() && plan.blocked.is_empty() }
    }

    /// What all of it costs a month, as far as it is priced.
    pub fn monthly(&self) -> f64 {
        self.items.iter().filter_map(|item| item.after.as_ref()).map(Bill::monthly).sum()
    }

    /// What a month costs more than before; less when it is negative.
    pub fn change(&self) -> f64 {
        self.monthly() - self.items.iter().filter_map(|item| item.before.as_ref()).map(Bill::monthly).sum::<f64>()
    }

    /// The addresses that cost something that isn't priced.
    pub fn unpriced(&self) -> impl Iterator<Item = &Address> {
        let unpriced = |item: &&Item| item.after.as_ref().is_some_and(Bill::is_unpriced);
        self.items.iter().filter(unpriced).map(|item| &item.address)
    }

    /// How many addresses cost something by being there, or nobody knows what.
    pub fn billed(&self) -> usize {
        self.items.iter().filter(|item| item.after.as_ref().is_some_and(Bill::is_billed)).count()
    }

    /// Whether the table of prices lacks one that it asks for.
    pub fn lacks_prices(&self) -> bool {
        let mut bills = self.items.iter().filter_map(|item| item.after.as_ref());
        bills.any(|bill| bill.unknown.is_none() && bill.is_unpriced())
    }

    /// Whether a price in it is from memory.
    pub fn is_unchecked(&self) -> bool {
        let bills = self.items.iter().flat_map(|item| item.before.iter().chain(&item.after));
        let mut prices = bills.flat_map(|bill| &bill.lines).filter_map(|line| line.price.as_ref());
        prices.any(|price| !price.checked)
    }

    /// The names of all prices that it asks for.
    pub fn names(&self) -> BTreeSet<&str> {
        let bills = self.items.iter().flat_map(|item| item.before.iter().chain(&item.after));
        bills.flat_map(|bill| &bill.lines).map(|line| line.name.as_str()).collect()
    }
}

/// What the key costs that signs what a stack knows of itself.
fn key(prices: &Prices, region: &str) -> Bill {
    let charges = vec![Charge::new("kms.key.month", 1.0)];
    Bill::new(Cost::Billed { charges, by_use: "" }, prices, region)
}

/// The items with that of the stack's own key, which stands in no file: what it costs before and after.
fn with_key(mut items: Vec<Item>, (before, after): (Option<Bill>, Option<Bill>)) -> Vec<Item> {
    if before.is_some() || after.is_some() {
        items.push(Item { address: Address::new("stack", "signing_key"), before, after });
        items.sort_by(|a, b| a.address.cmp(&b.address));
    }
    items
}

fn bill(kinds: Kinds<'_>, others: &Others<'_>, address: &Address, prices: &Prices, region: &str) -> Option<Bill> {
    let spec = others.at(address)?;
    let cost = match kinds.get(&address.kind) {
        Some(kind) => kind.cost_among(spec, others),
        None => Cost::Unknown("there is no such kind"),
    };
    Some(Bill::new(cost, prices, region))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds;
    use crate::plan::plan;
    use crate::resource::{Condition, Live, Resource};

    fn resource(address: &str, spec: Value) -> Resource {
        let address: Address = address.parse().expect("an address");
        let spec = kinds::named(&address.kind).expect("a kind").normalise(&spec).expect("a spec");
        Resource { address, spec, after: BTreeSet::new(), tags: BTreeMap::new(), span: None }
    }

    fn live(address: &str, id: &str, spec: Value) -> Live {
        let Resource { address, spec, .. } = resource(address, spec);
        let outputs = BTreeMap::from([("id".to_owned(), id.to_owned()), ("name".to_owned(), id.to_owned())]);
        let (id, condition) = (id.to_owned(), Condition::Ready);
        let observed = Value::Null;
        Live {
            address,
            id,
            spec,
            observed,
            departures: vec![],
            tags: None,
            parts: Vec::new(),
            outputs,
            applied: None,
            whose: crate::resource::Whose::Own,
            condition,
            foreign: vec![],
            holds: vec![],
            is_empty: false,
        }
    }

    fn template(instance_type: &str) -> Value {
        json!({"name": "hosts", "image": "ami-1", "instance_type": instance_type, "security_groups": []})
    }

    fn group(template: &str, hosts: u32) -> Value {
        json!({"name": "g", "launch_template": template, "subnets": [], "min_size": 0, "max_size": 9, "desired_capacity": hosts})
    }

    #[test]
    fn a_plan_tells_what_hosts_cost_before_and_after_it() {
        let kinds = Kinds(kinds::all());
        let mut prices = Prices::default();
        for (name, usd) in [
            ("ec2.t3.small.hour", 0.1),
            ("ec2.t3.large.hour", 0.4),
            ("ebs.gp3.gib_month", 0.05),
            ("kms.key.month", 1.0),
        ] {
            let price = Price { usd, source: "https://example.com".into(), read: "2026-01-01".into(), checked: true };
            prices.insert("eu-north-1", name, price);
        }
        let reference = "${launch_template.t.id}";
        let desired = |kind: &str, hosts| Desired {
            stack: "s".to_owned(),
            resources: vec![
                resource("launch_template.t", template(kind)),
                resource("auto_scaling_group.g", group(reference, hosts)),
            ],
            moved: Vec::new(),
            foreign_buckets: BTreeMap::new(),
            ignore_tags: Vec::new(),
        };
        let of = |desired: &Desired, live: &[Live]| {
            let plan = plan(kinds, desired, live).expect("a plan");
            Estimate::of_plan(kinds, &plan, &prices, "eu-north-1")
        };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} and {b}");

        let created = of(&desired("t3.small", 2), &[]);
        // The key that signs what the stack knows of itself is a dollar.
        close(created.monthly(), 2.0 * (73.0 + 1.0) + 1.0);
        close(created.change(), created.monthly());

        // A new type of host is the template's change alone: the group's spec stays as it exists.
        let lives = [
            live("launch_template.t", "lt-1", template("t3.small")),
            live("auto_scaling_group.g", "g", group("lt-1", 2)),
        ];
        let changed = of(&desired("t3.large", 3), &lives);
        close(changed.monthly(), 3.0 * (292.0 + 1.0) + 1.0);
        close(changed.change(), 3.0 * 293.0 - 2.0 * 74.0);
        assert!(changed.whole && changed.unpriced().count() == 0 && !changed.is_unchecked());

        let unpriced = of(&desired("t3.nano", 2), &lives);
        assert_eq!(unpriced.unpriced().map(ToString::to_string).collect::<Vec<_>>(), ["auto_scaling_group.g"]);

        let nothing = Desired {
            stack: "s".to_owned(),
            resources: Vec::new(),
            moved: Vec::new(),
            foreign_buckets: BTreeMap::new(),
            ignore_tags: Vec::new(),
        };
        let gone = of(&nothing, &lives);
        close(gone.monthly(), 0.0);
        close(gone.change(), -149.0);
    }
}
