//! What a resource kind is: its facts, its type, and what it does with AWS.

mod any;
pub mod applied;
mod clash;
mod clock;
mod compare;
mod facts;
mod former;
mod grant;
mod pace;
mod quota;
mod right;
pub mod schema;
mod sensitive;
mod step;
mod tagging;
mod waiting;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::Aws;
use lakewright_iam::Site;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::charge::Billing;
pub use crate::resource::{Departure, Part};
pub use any::AnyKind;
pub use clash::Clash;
pub use clock::{Clock, dated};
pub use compare::canonical;
pub use facts::{Arn, Changing, Comparing, ENDS, Facts, Field};
pub use grant::{Grant, Listed};
pub use pace::Pace;
pub use quota::{Quota, Share};
pub use right::{On, Right, When};
pub use schema::{Mistake, fits, mistakes};
pub use sensitive::{CHANGES, HIDDEN, holds_credentials};
pub use step::{Delta, Step};
pub use tagging::Tagging;
pub use waiting::Waiting;

use crate::charge::{Cost, Others};
use crate::intents::Intents;
use crate::reading::{Reading, Tags};
use crate::record::Records;
use crate::resource::{Address, Condition, Obstacle};

/// The tag that holds the stack's name.
pub const STACK: &str = "lakewright:stack";
/// The tag that holds the address.
pub const ADDRESS: &str = "lakewright:address";
/// The tag that holds the record of what was last applied: hashes by field, signed.
pub const APPLIED: &str = "lakewright:applied";
/// The tag that holds the rest of a record that is longer than a tag's value.
pub const CONTINUED: &str = "lakewright:applied-2";
/// The tag that says which tags the launch of a host gave its volumes: a template goes on with those that it was made with.
pub const GIVEN: &str = "lakewright:given";
/// The tag that says since when nothing works by what has given its place up: a time, RFC 3339.
pub const LEFT: &str = "lakewright:left";
/// How many tags a stack file may give a resource: AWS takes fifty, of which a secret has eight that are Lakewright's, its name
/// among them.
/// <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>
pub const MOST_TAGS: usize = 42;
/// What the keys of Lakewright's own tags begin with.
pub const RESERVED: &str = "lakewright:";
/// The tag that consoles show as a thing's name.
pub const NAME: &str = "Name";

/// The name that the tag [`NAME`] gives what stands at an address, unless the stack file gives it another.
pub fn name_tag(stack: &str, address: &Address) -> String {
    format!("{stack}-{}", address.name)
}

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
    /// The ARN of whoever makes the calls, as STS says it: of a role it is one of the role's sessions.
    pub caller: String,
    /// The region.
    pub region: String,
    /// The bucket that holds the stack's lease, where the stack file names one.
    pub state_bucket: Option<String>,
    /// A nonce of this apply, inherited by one that resumes it: client tokens are made of it.
    pub nonce: String,
    /// How soon the account shows changes.
    pub pace: Pace,
    /// What time it is.
    pub clock: Clock,
    /// Notes of what is about to be made where nothing but a note protects from making it twice.
    pub intents: Intents,
    /// Where a call that waits says what for.
    pub waiting: Waiting,
    /// What is signed of what was made, and whose what exists is.
    pub records: Records,
    /// The tags of the stack file, by key, for what is made by this context.
    pub tags: Tags,
}

impl Context {
    /// Where the stack's things stand: what their ARNs have in common.
    pub fn site(&self) -> Site<'_> {
        Site { region: &self.region, account: &self.account }
    }
}

/// What a create or an update gave.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The identifier on AWS.
    pub id: String,
    /// What others may refer to: the same names as [`Kind::outputs`].
    pub outputs: BTreeMap<String, String>,
}

/// What exists, in the names that a spec gives to its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Renamed<S = Value> {
    /// The live spec with those names.
    pub live: S,
    /// Each part that is renamed: the path of its name, `columns[total].name`, the name that it has and the one that it
    /// gets.
    pub names: Vec<[String; 3]>,
}

/// A resource that the stack wants, as far as `find` needs it to look by name.
#[derive(Debug)]
pub struct Wanted<'a, S = Value> {
    /// Its address.
    pub address: &'a Address,
    /// Its spec, references not resolved.
    pub spec: &'a S,
}

/// A resource that exists on AWS, as its kind knows it; [`Live`](crate::resource::Live) is the same for the planner.
#[derive(Debug, Clone)]
pub struct Found<S, O = ()> {
    /// Its address, from its tag, its name or its parent.
    pub address: Address,
    /// Its identifier on AWS, as messages name it.
    pub id: String,
    /// What a user would write for it.
    pub spec: S,
    /// What only a resource that exists has.
    pub observed: O,
    /// What it is otherwise than the kind makes every one.
    pub departures: Vec<Departure>,
    /// Its tags, others' among them, without Lakewright's own and AWS's.
    pub tags: Tags,
    /// What it made beside itself that carries its tags too.
    pub parts: Vec<Part>,
    /// What others may refer to: the same names as [`Facts::outputs`].
    pub outputs: BTreeMap<String, String>,
    /// The value of its `lakewright:applied` tag: hashes of the fields last applied.
    pub applied: Option<String>,
    /// Whether it can be used, or is on its way.
    pub condition: Condition,
    /// Things found within it that hold data and are not ours: reported, never deleted.
    pub foreign: Vec<String>,
    /// What is deleted together with it, as people name it; only of kinds where that isn't plain.
    pub holds: Vec<String>,
    /// Whether it was looked into and holds nothing: no change of it loses data.
    pub is_empty: bool,
}

/// What a kind's spec must be.
pub trait Spec: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {}
impl<S: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static> Spec for S {}

/// What a kind reads of a resource that exists beside its spec; `()` for nothing.
pub trait Observed: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static {}
impl<O: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> Observed for O {}

/// A resource kind, in its own types. `find`, `create`, `update` and `delete` are all that it does with AWS.
#[async_trait]
pub trait Kind: Send + Sync + 'static {
    /// What a user writes, and what reading gives.
    type Spec: Spec;
    /// What only a resource that exists has.
    type Observed: Observed;

    /// What the planner, the checks and the docs know of the kind.
    const FACTS: &'static Facts;

    /// Brings a spec to the form in which AWS gives it back, or returns the reason why it is none.
    fn canonical(&self, _spec: &mut Self::Spec) -> Result<()> {
        Ok(())
    }

    /// What AWS bills for one with this spec in a month, where [`Facts::billing`] doesn't say it of every one.
    fn cost(&self, _spec: &Self::Spec) -> Cost {
        Cost::from(Self::FACTS.billing)
    }

    /// The same where it follows from what the spec refers to, as a group's from its launch template.
    fn cost_among(&self, spec: &Self::Spec, _others: &Others<'_>) -> Cost {
        self.cost(spec)
    }

    /// How much one with this spec takes of [`Facts::quota`], among the stack's other resources.
    fn share(&self, _spec: &Self::Spec, _others: &Others<'_>) -> Share {
        Share::of(1.0)
    }

    /// What an update in place to `spec` loses of the data held, one sentence each; empty for nothing.
    fn loses(&self, _live: &Self::Spec, _spec: &Self::Spec) -> Vec<String> {
        Vec::new()
    }

    /// What exists as the spec names it, where parts of it are renamed in place and keep what they hold; none where
    /// nothing is renamed.
    fn renamed(&self, _live: &Self::Spec, _spec: &Self::Spec) -> Option<Renamed<Self::Spec>> {
        None
    }

    /// Why AWS wouldn't make what exists into `spec`, neither in place nor by a new resource, and what to write instead;
    /// what is known is blocked by the plan.
    fn refuses(&self, _live: &Self::Spec, _observed: &Self::Observed, _spec: &Self::Spec) -> Option<Obstacle> {
        None
    }

    /// Why AWS wouldn't have one with this spec among the stack's other resources, a sentence each: what it has in common with
    /// another of its kind and only one can have, and where it lies outside of what it stands in. Whatever its sentence names
    /// is an address.
    fn misfits(&self, _address: &Address, _spec: &Self::Spec, _others: &Others<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Whether one with this spec can be made while the old one still exists: no unique name and no place in common, which is
    /// what [`Facts::identified_by`] says unless the kind says otherwise. Then a replacement makes the new one first and moves
    /// over what uses the old one.
    fn coexists(&self, live: &Self::Spec, spec: &Self::Spec) -> bool {
        any::differ(Self::FACTS.identified_by, live, spec)
    }

    /// What is wanted in the place of a spec where one that exists stands elsewhere and no call moves it, or has another name since
    /// it was moved: the spec with that name. None where the file's stands. `moves` says whether it is to move now.
    fn relocated(&self, _live: &Self::Spec, _spec: &Self::Spec, _moves: bool) -> Option<Self::Spec> {
        None
    }

    /// Whether what is replaced by one with this spec stays for a while, for those that still work by it.
    fn outlives(&self, _live: &Self::Spec, _spec: &Self::Spec) -> bool {
        false
    }

    /// Why one that is to be deleted has to stay for a while, and what to do about it.
    fn stays(&self, _live: &Self::Spec, _observed: &Self::Observed) -> Option<Obstacle> {
        None
    }

    /// Whether one that stays for a while carries [`LEFT`], from which on the while counts.
    fn is_left(&self, _observed: &Self::Observed) -> bool {
        false
    }

    /// What people should know of a step besides its changes and [`Facts::follows`], one sentence each: what stands still
    /// meanwhile, what stays as it was.
    fn consequences(&self, _step: &Step<'_, Self::Spec>) -> Vec<String> {
        Vec::new()
    }

    /// Who may do what by one with this spec, a sentence each.
    fn grants(&self, _spec: &Self::Spec) -> Vec<Grant> {
        Vec::new()
    }

    /// Everything of the stack that exists: what is wanted, and what its tags, name or parent say was once. A kind has this or
    /// [`Kind::find_among`].
    async fn find(
        &self,
        context: &Context,
        wanted: &[Wanted<'_, Self::Spec>],
    ) -> Result<Vec<Found<Self::Spec, Self::Observed>>> {
        self.find_among(context, wanted, &[]).await
    }

    /// The same with the wanted resources of the kinds in [`Facts::beside`].
    async fn find_among(
        &self,
        context: &Context,
        wanted: &[Wanted<'_, Self::Spec>],
        _beside: &[Wanted<'_>],
    ) -> Result<Vec<Found<Self::Spec, Self::Observed>>> {
        self.find(context, wanted).await
    }

    /// The [seal](applied::with_seal) of one that was read; none where it can't be known again by one yet. Only of kinds that say
    /// [`Facts::is_sealed`].
    fn seal(&self, _observed: &Self::Observed) -> Option<String> {
        None
    }

    /// The seals of what was just written, by address; none of what isn't there as it was written.
    async fn seals(
        &self,
        _context: &Context,
        _written: &[(Wanted<'_, Self::Spec>, &Outcome)],
    ) -> Result<BTreeMap<Address, String>> {
        Ok(BTreeMap::new())
    }

    /// Makes one, tagged in the create call; returns when others may use it. The spec's references are resolved.
    async fn create(&self, context: &Context, address: &Address, spec: &Self::Spec) -> Result<Outcome>;

    /// Changes one in place to the spec.
    async fn update(&self, context: &Context, delta: Delta<'_, Self::Spec, Self::Observed>) -> Result<Outcome>;

    /// Deletes one; returns when it is gone. That it was missing is success.
    async fn delete(&self, context: &Context, live: &Found<Self::Spec, Self::Observed>) -> Result<()>;

    /// Reads one by its identifier as if it had the address, whoever it belongs to: what `adopt` takes over.
    async fn read(
        &self,
        _context: &Context,
        _address: &Address,
        _id: &str,
    ) -> Result<Option<Found<Self::Spec, Self::Observed>>> {
        bail!(
            "a {} can't be adopted: it carries no tags and is found by its name or with its parent; declare it under the \
             name that it has",
            Self::FACTS.name
        )
    }

    /// Gives what exists a new value of what nobody may know, and says in a sentence what follows; `nonce` is the same
    /// for every attempt at one change, and says when it was made, as [`Clock::token`] does.
    async fn rotate(
        &self,
        _context: &Context,
        live: &Found<Self::Spec, Self::Observed>,
        _nonce: &str,
    ) -> Result<String> {
        bail!("{} has nothing to rotate", live.address)
    }

    /// Writes tags where `find` reads them; nothing where [`Facts::is_tagless`] says that there are none.
    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let Facts { name, is_tagless, tagging, .. } = Self::FACTS;
        match tagging {
            Some(tagging) => tagging.write(context, outcome, tags).await,
            None if *is_tagless => Ok(()),
            None => bail!("nothing writes the tags of the {name} {}: this is a bug in lakewright", outcome.id),
        }
    }

    /// Takes tags away; those that aren't there are no error.
    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        match Self::FACTS.tagging {
            Some(tagging) => tagging.remove(context, outcome, keys).await,
            None => bail!("{} carries no tags that could be taken away: this is a bug in lakewright", outcome.id),
        }
    }

    /// Writes tags on what one made beside itself and carries its tags too, [`Found::parts`], and takes others away. A kind
    /// that makes nothing does nothing.
    async fn tag_parts(&self, _context: &Context, _outcome: &Outcome, _tags: &Tags, _gone: &[&str]) -> Result<()> {
        Ok(())
    }
}
