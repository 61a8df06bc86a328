//! Kinds for tests: their resources live in a value of the test.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Kinds;
use crate::charge::{Cost, Others};
use crate::kind::{
    ADDRESS, APPLIED, AnyKind, CONTINUED, Changing, Comparing, Context, Facts, Field, Outcome, RESERVED, Renamed,
    Share, Wanted,
};
use crate::reading::Tags;
use crate::resource::{Action, Address, Condition, Desired, Live, Obstacle, Resource, Whose};

/// The resources that live, by address, and what was called in which order.
#[derive(Default)]
pub struct World {
    pub live: BTreeMap<Address, Live>,
    pub calls: Vec<String>,
    /// Addresses whose creation fails.
    pub broken: Vec<Address>,
    /// Addresses whose tags can't be written.
    pub untaggable: Vec<Address>,
    pub made: usize,
}

pub static WORLD: Mutex<Option<World>> = Mutex::new(None);

pub struct Fake(Facts);

const fn facts(name: &'static str, fields: &'static [Field]) -> Facts {
    Facts { expected: [Duration::ZERO; 3], ..Facts::of(name, "for tests", fields, &["id", "arn"], &[]) }
}

const fn field(name: &'static str, change: Changing, compare: Comparing) -> Field {
    Field { name, change, compare }
}

const NETWORK: &[Field] =
    &[field("cidr", Changing::Replaces, Comparing::Exactly), field("dns", Changing::InPlace, Comparing::Exactly)];
const SUBNET: &[Field] = &[
    field("network", Changing::Replaces, Comparing::Exactly),
    field("cidr", Changing::Replaces, Comparing::Exactly),
    field("zone", Changing::Replaces, Comparing::Exactly),
];
const WALL: &[Field] = &[
    field("network", Changing::Replaces, Comparing::Exactly),
    field("rules", Changing::InPlace, Comparing::AsSet),
    field("policy", Changing::InPlace, Comparing::Exactly),
];
const STORE: &[Field] = &[
    field("name", Changing::Replaces, Comparing::Exactly),
    field("size", Changing::InPlace, Comparing::AsFloor),
    field("version", Changing::InPlace, Comparing::Never),
    field("uses", Changing::InPlace, Comparing::AsSet),
];

pub fn kinds() -> Kinds<'static> {
    static ALL: &[&dyn AnyKind] = &[
        &Fake(facts("network", NETWORK)),
        &Fake(Facts { contained_in: Some(("network", "network")), ..facts("subnet", SUBNET) }),
        &Fake(Facts { occupies: &["network", "subnet"], parts: &["rules"], ..facts("wall", WALL) }),
        &Fake(Facts { holds_data: true, identified_by: &["name"], ..facts("store", STORE) }),
    ];
    Kinds(ALL)
}

/// A stack of those resources: address, spec.
pub fn desired(resources: &[(&str, Value)]) -> Desired {
    let resource = |(address, spec): &(&str, Value)| Resource {
        address: address.parse().expect(address),
        spec: spec.clone(),
        after: BTreeSet::default(),
        tags: BTreeMap::new(),
        span: None,
    };
    Desired {
        stack: "shop".to_owned(),
        resources: resources.iter().map(resource).collect(),
        moved: Vec::new(),
        foreign_buckets: BTreeMap::new(),
        ignore_tags: Vec::new(),
    }
}

/// A live resource, the hashes of `applied` recorded; its outputs are its id and ARN.
pub fn live(address: &str, id: &str, spec: Value, applied: &Value) -> Live {
    let address: Address = address.parse().expect(address);
    let fields = kinds().get(&address.kind).expect("the kind is known").fields();
    Live {
        outputs: outputs(&address, id),
        address,
        id: id.to_owned(),
        spec,
        observed: Value::Null,
        departures: Vec::new(),
        tags: None,
        parts: Vec::new(),
        applied: Some(crate::kind::applied::hashes(fields, applied)),
        whose: Whose::Own,
        condition: Condition::Ready,
        foreign: Vec::new(),
        holds: Vec::new(),
        is_empty: false,
    }
}

fn outputs(address: &Address, id: &str) -> BTreeMap<String, String> {
    let arn = format!("arn:aws:fake:{address}/{id}");
    BTreeMap::from([("id".to_owned(), id.to_owned()), ("arn".to_owned(), arn)])
}

#[async_trait]
impl AnyKind for Fake {
    fn facts(&self) -> &Facts {
        &self.0
    }

    fn schema(&self) -> Value {
        json!({})
    }

    fn arrange(&self, spec: &Value) -> Result<Value> {
        Ok(spec.clone())
    }

    fn cost_among(&self, _spec: &Value, _others: &Others<'_>) -> Cost {
        Cost::Free
    }

    fn share(&self, _spec: &Value, _others: &Others<'_>) -> Share {
        Share::of(0.0)
    }

    fn loses(&self, live: &Value, spec: &Value) -> Vec<String> {
        let uses = |spec: &Value| spec["uses"].as_array().map_or(0, Vec::len);
        if uses(spec) < uses(live) { vec!["what used it".to_owned()] } else { Vec::new() }
    }

    fn renamed(&self, _live: &Value, _spec: &Value) -> Option<Renamed> {
        None
    }

    /// A network keeps its names for life once its spec says so.
    fn refuses(&self, live: &Live, spec: &Value) -> Option<Obstacle> {
        let refused = live.spec["dns"] == "for life" && spec["dns"] != live.spec["dns"];
        refused.then(|| Obstacle::new("a network keeps its names", "write `dns = \"for life\"`"))
    }

    fn coexists(&self, _live: &Value, _spec: &Value) -> bool {
        false
    }

    fn consequences(&self, _: Action, _: &[&str], _: &Value, _: &Value) -> Vec<String> {
        Vec::new()
    }

    async fn find(&self, _: &Context, _: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let mut world = WORLD.lock();
        let all = world.get_or_insert_default().live.values();
        Ok(all.filter(|live| live.address.kind == self.0.name).cloned().collect())
    }

    async fn create(&self, _: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        tokio::task::yield_now().await;
        let mut world = WORLD.lock();
        let world = world.get_or_insert_default();
        if world.broken.contains(address) {
            bail!("the account has no room for it");
        }
        if world.live.contains_key(address) {
            bail!("it exists already");
        }
        world.made += 1;
        let id = format!("{}-{:08x}", self.0.name, world.made);
        world.calls.push(format!("create {address} {spec}"));
        let made = Live { applied: None, ..live(&address.to_string(), &id, spec.clone(), &Value::Null) };
        let outputs = made.outputs.clone();
        world.live.insert(address.clone(), made);
        Ok(Outcome { id, outputs })
    }

    async fn update(&self, _: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        let mut world = WORLD.lock();
        let world = world.get_or_insert_default();
        world.calls.push(format!("update {} {}", live.address, changed.join(",")));
        let one = world.live.get_mut(&live.address).expect("what is updated exists");
        one.spec = spec.clone();
        Ok(Outcome { id: one.id.clone(), outputs: one.outputs.clone() })
    }

    async fn delete(&self, _: &Context, live: &Live) -> Result<()> {
        let mut world = WORLD.lock();
        let world = world.get_or_insert_default();
        // A store's policy may mention what is gone; nothing else may.
        let mut users = world.live.values().filter(|user| user.address.kind != "store");
        let user = users.find(|user| user.spec.to_string().contains(&live.id));
        if let Some(user) = user {
            bail!("{} is in use by {}", live.address, user.address);
        }
        world.calls.push(format!("delete {}", live.address));
        world.live.remove(&live.address);
        Ok(())
    }

    async fn read(&self, _: &Context, _: &Address, _: &str) -> Result<Option<Live>> {
        bail!("tests adopt nothing")
    }

    async fn rotate(&self, _: &Context, _: &Live, _: &str) -> Result<String> {
        bail!("tests rotate nothing")
    }

    async fn tag(&self, _: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let mut world = WORLD.lock();
        let World { live: world, untaggable, .. } = world.get_or_insert_default();
        let address = world.iter().find(|(_, live)| live.id == outcome.id).map(|(address, _)| address.clone());
        let address = address.expect("what is tagged exists");
        if untaggable.contains(&address) {
            bail!("tags may not be written");
        }
        let mut one = world.remove(&address).expect("it was found");
        for (key, value) in tags {
            match *key {
                APPLIED => one.applied = Some((*value).to_owned()),
                CONTINUED => one.applied.get_or_insert_default().push_str(value),
                ADDRESS => one.address = value.parse().expect("an address"),
                key if key.starts_with(RESERVED) => {}
                key => drop(one.tags.get_or_insert_default().insert(key.to_owned(), (*value).to_owned())),
            }
        }
        world.insert(one.address.clone(), one);
        Ok(())
    }

    async fn untag(&self, _: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let mut world = WORLD.lock();
        let world = &mut world.get_or_insert_default().live;
        let one = world.values_mut().find(|live| live.id == outcome.id).expect("what is untagged exists");
        one.tags.get_or_insert_default().retain(|key, _| !keys.contains(&key.as_str()));
        Ok(())
    }

    async fn tag_parts(&self, _: &Context, outcome: &Outcome, tags: &Tags, gone: &[&str]) -> Result<()> {
        let mut world = WORLD.lock();
        let world = &mut world.get_or_insert_default().live;
        let one = world.values_mut().find(|live| live.id == outcome.id).expect("what has parts exists");
        for part in &mut one.parts {
            part.tags.retain(|key, _| !gone.contains(&key.as_str()));
            part.tags.extend(tags.clone());
        }
        Ok(())
    }
}
