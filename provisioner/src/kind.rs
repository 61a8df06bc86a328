//! What a resource kind is to the planner and the executor.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::Aws;
use serde_json::Value;

use crate::cost::{Cost, Others};
use crate::intents::Intents;
use crate::plan::Action;
use crate::reading::Reading;
use crate::resource::{Address, Live};

/// The tag that holds the stack's name.
pub const STACK: &str = "lakewright:stack";
/// The tag that holds the address.
pub const ADDRESS: &str = "lakewright:address";
/// The tag that holds the hashes of what was last applied.
pub const APPLIED: &str = "lakewright:applied";

/// What every outside call of a kind needs.
#[derive(Debug, Clone)]
pub struct Context {
    /// The AWS client.
    pub aws: Aws,
    /// Answers that kinds share within a sweep.
    pub reading: Reading,
    /// The stack's name: the value of the `lakewright:stack` tag.
    pub stack: String,
    /// The twelve-digit account.
    pub account: String,
    /// The region.
    pub region: String,
    /// A nonce of this apply, inherited by one that resumes it: client tokens are made of it.
    pub nonce: String,
    /// How long to wait between two looks at something that changes; the account on this machine answers at once.
    pub poll: Duration,
    /// How long what was made may stay out of AWS's lists.
    pub settles: Duration,
    /// Notes of what is about to be made where nothing but a note protects from making it twice.
    pub intents: Intents,
}

/// A top-level field of a kind's `Spec`, as the planner sees it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What changing it takes.
    pub change: Changing,
    /// How live and desired values are compared.
    pub compare: Comparing,
}

/// What changing a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changing {
    /// A call on the living resource.
    InPlace,
    /// A new resource in place of the old.
    Replaces,
}

/// How a field's live and desired values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparing {
    /// As values; arrays in order.
    Exactly,
    /// Arrays as sets: order and repetition mean nothing.
    AsSet,
    /// A number that AWS raises by itself: live above desired is no difference.
    AsFloor,
    /// Never: left to AWS, or can't be read back.
    Never,
}

/// What a create or an update gave.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The identifier on AWS.
    pub id: String,
    /// What others may refer to: the same names as [`Kind::outputs`].
    pub outputs: BTreeMap<String, String>,
}

/// What lives, in the names that a spec gives to its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Renamed {
    /// The live spec with those names.
    pub live: Value,
    /// Each part that is renamed: the path of its name, `columns[total].name`, the name that it has and the one that it
    /// gets.
    pub names: Vec<[String; 3]>,
}

/// A resource that the stack wants, as far as `find` needs it to look by name.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its address.
    pub address: &'a Address,
    /// Its spec, references not resolved.
    pub spec: &'a Value,
}

/// A resource kind. `find`, `create`, `update` and `delete` are all that it does with AWS.
#[async_trait]
pub trait Kind: Send + Sync {
    /// The name in addresses, `vpc`.
    fn name(&self) -> &'static str;

    /// One sentence for people.
    fn summary(&self) -> &'static str;

    /// The `Spec`'s top-level fields, in its order.
    fn fields(&self) -> &'static [Field];

    /// The JSON Schema of `Spec`, with the field docs.
    fn schema(&self) -> Value;

    /// The spec with every default filled in, or the reason why it is none.
    fn normalise(&self, spec: &Value) -> Result<Value>;

    /// The outputs that others may refer to.
    fn outputs(&self) -> &'static [&'static str];

    /// The IAM actions that planning, applying and destroying one take, `ec2:CreateVpc`; those that begin with no operation of
    /// the kind are what AWS asks for in the caller's name.
    fn actions(&self) -> &'static [&'static str];

    /// What AWS bills for one with this spec in a month.
    fn cost(&self, spec: &Value) -> Cost;

    /// The same where it follows from what the spec refers to, as a group's from its launch template.
    fn cost_among(&self, spec: &Value, _others: &Others<'_>) -> Cost {
        self.cost(spec)
    }

    /// Whether deleting one can lose data: buckets, clusters, keys, tables, databases, topics, secrets.
    fn holds_data(&self) -> bool {
        false
    }

    /// The outputs to which an update in place gives new values, as a launch template's latest version.
    fn moving_outputs(&self) -> &'static [&'static str] {
        &[]
    }

    /// The kinds that AWS doesn't delete while one of this kind uses them, directly or by way of others, and that an
    /// update in place wouldn't free in time: replacing one of those replaces this.
    fn occupies(&self) -> &'static [&'static str] {
        &[]
    }

    /// What an update in place from `live` to `spec` loses of the data held, one sentence each; empty for nothing.
    fn loses(&self, _live: &Value, _spec: &Value) -> Vec<String> {
        Vec::new()
    }

    /// What lives as the spec names it, where parts of it are renamed in place and keep what they hold; none where
    /// nothing is renamed.
    fn renamed(&self, _live: &Value, _spec: &Value) -> Option<Renamed> {
        None
    }

    /// Why AWS wouldn't make `live` into `spec`, neither in place nor by a new resource; what is known is refused by the plan.
    fn refuses(&self, _live: &Value, _spec: &Value) -> Option<String> {
        None
    }

    /// Whether one with this spec can be made while the old one still lives: no unique name and no place in common. Then
    /// a replacement makes the new one first and moves over what uses the old one.
    fn coexists(&self, _live: &Value, _spec: &Value) -> bool {
        false
    }

    /// What people should know of a step besides its changes, one sentence each: what stands still meanwhile, what
    /// stays as it was. `changed` are the top-level fields that differ; `live` is null for a creation, `spec` for a deletion.
    fn consequences(&self, _action: Action, _changed: &[&str], _live: &Value, _spec: &Value) -> Vec<String> {
        Vec::new()
    }

    /// How long AWS usually takes to create, update and delete one.
    fn expected(&self) -> [Duration; 3] {
        [Duration::from_secs(2); 3]
    }

    /// Other kinds whose wanted resources `find` is given too: what stands in one of this kind, or what one stands in.
    fn beside(&self) -> &'static [&'static str] {
        &[]
    }

    /// Everything of the stack that lives: what is wanted, and what its tags, name or parent say was once.
    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>>;

    /// Makes one, tagged in the create call; returns when others may use it. The spec's references are resolved.
    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome>;

    /// Changes one in place to the spec; `changed` are the names of the top-level fields that differ.
    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome>;

    /// Deletes one; returns when it is gone. That it was missing is success.
    async fn delete(&self, context: &Context, live: &Live) -> Result<()>;

    /// Reads one by its identifier as if it had the address, whoever it belongs to: what `adopt` takes over.
    async fn read(&self, _context: &Context, _address: &Address, _id: &str) -> Result<Option<Live>> {
        bail!(
            "a {} can't be adopted: it carries no tags and is found by its name or with its parent; declare it under the \
             name that it has",
            self.name()
        )
    }

    /// Gives what lives a new value of what nobody may know, and says in a sentence what follows; `nonce` is the same for
    /// every attempt at one change.
    async fn rotate(&self, _context: &Context, live: &Live, _nonce: &str) -> Result<String> {
        bail!("{} has nothing to rotate: only secrets have", live.address)
    }

    /// Whether one carries no hashes of what was last applied, or loses them to whoever overwrites it: they are remembered
    /// beside the lease.
    fn is_tagless(&self) -> bool {
        false
    }

    /// Writes tags where `find` reads them; a kind without tags does nothing.
    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()>;
}
