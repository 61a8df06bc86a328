//! A kind without its types: what the planner, the checks and apply see. All JSON of specs is written and read here.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;

use super::schema::{Mistake, mistakes};
use super::{Context, Delta, Facts, Field, Grant, Kind, Outcome, Renamed, Share, Step, Tagging, Wanted};
use crate::charge::{Cost, Others};
use crate::reading::Tags;
use crate::resource::{Action, Address, Live, Obstacle};
pub(super) use json::differ;
use json::{decode, encode, erased, observed, typed};

mod json;

/// A [`Kind`] whose specs are JSON.
#[async_trait]
pub trait AnyKind: Send + Sync {
    /// What the planner, the checks and the docs know of the kind.
    fn facts(&self) -> &Facts;

    /// The name in addresses, `vpc`.
    fn name(&self) -> &'static str {
        self.facts().name
    }

    /// One phrase for people.
    fn summary(&self) -> &'static str {
        self.facts().summary
    }

    /// The top-level fields of the spec, in its order.
    fn fields(&self) -> &'static [Field] {
        self.facts().fields
    }

    /// The outputs that others may refer to.
    fn outputs(&self) -> &'static [&'static str] {
        self.facts().outputs
    }

    /// The IAM actions that planning, applying and destroying one take.
    fn actions(&self) -> Vec<&'static str> {
        let Facts { actions, tagging, .. } = self.facts();
        let of_tags = tagging.map(Tagging::actions).unwrap_or_default();
        [actions, of_tags].concat()
    }

    /// Whether deleting one can lose data.
    fn holds_data(&self) -> bool {
        self.facts().holds_data
    }

    /// Whether the hashes of what was last applied are remembered beside the lease.
    fn is_tagless(&self) -> bool {
        self.facts().is_tagless
    }

    /// How long AWS usually takes to create, update and delete one.
    fn expected(&self) -> [Duration; 3] {
        self.facts().expected
    }

    /// The JSON Schema of the spec, with the field docs.
    fn schema(&self) -> Value;

    /// What the schema doesn't take of a spec, all of it.
    fn mistakes(&self, spec: &Value) -> Vec<Mistake> {
        mistakes(&self.schema(), spec)
    }

    /// The spec with every default filled in, in the form in which AWS gives it back, or the reason why it is none.
    fn normalise(&self, spec: &Value) -> Result<Value> {
        let mistakes = self.mistakes(spec);
        if !mistakes.is_empty() {
            let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            bail!("{}", all.join("; "));
        }
        self.arrange(spec)
    }

    /// The same of a spec that the schema has judged, or will: texts of a form that AWS doesn't take pass.
    fn arrange(&self, spec: &Value) -> Result<Value>;

    /// What AWS bills for one with this spec in a month, among the stack's other resources.
    fn cost_among(&self, spec: &Value, others: &Others<'_>) -> Cost;

    /// How much one with this spec takes of the quota that its kind counts for. A spec that can't be read takes nothing.
    fn share(&self, spec: &Value, others: &Others<'_>) -> Share;

    /// What an update in place from `live` to `spec` loses of the data held, one sentence each. A spec that can't be
    /// read loses what isn't known.
    fn loses(&self, live: &Value, spec: &Value) -> Vec<String>;

    /// What exists as the spec names it, where parts of it are renamed in place.
    fn renamed(&self, live: &Value, spec: &Value) -> Option<Renamed>;

    /// Why AWS wouldn't make `live` into `spec`, neither in place nor by a new resource, and what to write instead.
    fn refuses(&self, live: &Live, spec: &Value) -> Option<Obstacle>;

    /// Why AWS wouldn't have one with this spec among the stack's other resources, a sentence each. A spec that can't be read is
    /// reported elsewhere.
    fn misfits(&self, _address: &Address, _spec: &Value, _others: &Others<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Whether one with this spec can be made while the old one still exists.
    fn coexists(&self, live: &Value, spec: &Value) -> bool;

    /// What is wanted in the place of a spec where one that exists stands elsewhere, or has another name since it was moved.
    fn relocated(&self, _live: &Value, _spec: &Value, _moves: bool) -> Option<Value> {
        None
    }

    /// Whether what is replaced by one with this spec stays for a while.
    fn outlives(&self, _live: &Value, _spec: &Value) -> bool {
        false
    }

    /// Why one that is to be deleted has to stay for a while, and what to do about it.
    fn stays(&self, _live: &Live) -> Option<Obstacle> {
        None
    }

    /// Whether one that stays for a while is noted to be left by all that worked by it.
    fn is_left(&self, _live: &Live) -> bool {
        false
    }

    /// The outputs that a spec alone says.
    fn given_outputs(&self, spec: &Value) -> BTreeMap<String, String> {
        let given = self.facts().given_outputs.iter().filter_map(|name| Some((*name, spec[*name].as_str()?)));
        let known = given.filter(|(_, text)| !text.contains("${"));
        known.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    /// What people should know of a step besides its changes; `live` is null for a creation, `spec` for a deletion.
    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String>;

    /// Who may do what by one with this spec, a sentence each; of a spec that can't be read, its text.
    fn grants(&self, _spec: &Value) -> Vec<Grant> {
        Vec::new()
    }

    /// The seal of one that was read.
    fn seal(&self, _live: &Live) -> Option<String> {
        None
    }

    /// The seals of what was just written, by address, as far as it is there as it was written.
    async fn seals(
        &self,
        _context: &Context,
        _written: &[(Wanted<'_>, &Outcome)],
    ) -> Result<BTreeMap<Address, String>> {
        Ok(BTreeMap::new())
    }

    /// Everything of the stack that exists; `wanted` are the stack's resources of this kind and of those beside it.
    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>>;

    /// Makes one; returns when others may use it.
    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome>;

    /// Changes one in place to the spec.
    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome>;

    /// Deletes one; returns when it is gone.
    async fn delete(&self, context: &Context, live: &Live) -> Result<()>;

    /// Reads one by its identifier as if it had the address.
    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>>;

    /// Gives what exists a new value of what nobody may know.
    async fn rotate(&self, context: &Context, live: &Live, nonce: &str) -> Result<String>;

    /// Writes tags where `find` reads them.
    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()>;

    /// Takes tags away.
    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()>;

    /// Writes tags on what one made beside itself, and takes others away.
    async fn tag_parts(&self, context: &Context, outcome: &Outcome, tags: &Tags, gone: &[&str]) -> Result<()>;
}

#[async_trait]
impl<K: Kind> AnyKind for K {
    fn facts(&self) -> &Facts {
        K::FACTS
    }

    fn schema(&self) -> Value {
        Value::clone(&schema::<K>())
    }

    fn mistakes(&self, spec: &Value) -> Vec<Mistake> {
        mistakes(&schema::<K>(), spec)
    }

    fn arrange(&self, spec: &Value) -> Result<Value> {
        let mut spec: K::Spec = decode(spec)?;
        self.canonical(&mut spec)?;
        Ok(encode(&spec))
    }

    fn cost_among(&self, spec: &Value, others: &Others<'_>) -> Cost {
        match decode(spec) {
            Ok(spec) => Kind::cost_among(self, &spec, others),
            Err(_) => Cost::Unknown("what it is can't be read: another version of lakewright wrote it"),
        }
    }

    fn share(&self, spec: &Value, others: &Others<'_>) -> Share {
        decode(spec).map_or(Share::of(0.0), |spec| Kind::share(self, &spec, others))
    }

    fn loses(&self, live: &Value, spec: &Value) -> Vec<String> {
        match (decode(live), decode(spec)) {
            (Ok(live), Ok(spec)) => Kind::loses(self, &live, &spec),
            (Err(error), _) | (_, Err(error)) if K::FACTS.holds_data => {
                vec![format!("what of its data is lost isn't known: {:#}", error)]
            }
            _ => Vec::new(),
        }
    }

    fn renamed(&self, live: &Value, spec: &Value) -> Option<Renamed> {
        let renamed = Kind::renamed(self, &decode(live).ok()?, &decode(spec).ok()?)?;
        Some(Renamed { live: encode(&renamed.live), names: renamed.names })
    }

    fn refuses(&self, live: &Live, spec: &Value) -> Option<Obstacle> {
        let read = || anyhow::Ok((decode(&live.spec)?, observed(&live.observed)?, decode(spec)?));
        match read() {
            Ok((live, observed, spec)) => Kind::refuses(self, &live, &observed, &spec),
            Err(error) => Some(Obstacle::new(
                format!("what exists can't be compared with it: {error:#}"),
                "plan anew with this version of lakewright",
            )),
        }
    }

    fn misfits(&self, address: &Address, spec: &Value, others: &Others<'_>) -> Vec<String> {
        decode(spec).map_or_else(|_| Vec::new(), |spec| Kind::misfits(self, address, &spec, others))
    }

    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        match (decode(live), decode(spec)) {
            (Ok(live), Ok(spec)) => Kind::coexists(self, &live, &spec),
            _ => false,
        }
    }

    fn relocated(&self, live: &Value, spec: &Value, moves: bool) -> Option<Value> {
        let relocated = Kind::relocated(self, &decode(live).ok()?, &decode(spec).ok()?, moves)?;
        Some(encode(&relocated))
    }

    fn outlives(&self, live: &Value, spec: &Value) -> bool {
        match (decode(live), decode(spec)) {
            (Ok(live), Ok(spec)) => Kind::outlives(self, &live, &spec),
            _ => false,
        }
    }

    fn stays(&self, live: &Live) -> Option<Obstacle> {
        Kind::stays(self, &decode(&live.spec).ok()?, &observed(&live.observed).ok()?)
    }

    fn is_left(&self, live: &Live) -> bool {
        observed(&live.observed).is_ok_and(|observed| Kind::is_left(self, &observed))
    }

    fn consequences(&self, action: Action, changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        let optional = |spec: &Value| if spec.is_null() { Ok(None) } else { decode(spec).map(Some) };
        let (live, spec) = match (optional(live), optional(spec)) {
            (Ok(live), Ok(spec)) => (live, spec),
            (Err(error), _) | (_, Err(error)) => return vec![format!("what follows isn't known: {error:#}")],
        };
        let step = Step { action, changed, live: live.as_ref(), spec: spec.as_ref() };
        let always = K::FACTS.follows.iter().filter(|(actions, _)| actions.contains(&action));
        let always = always.map(|(_, sentence)| (*sentence).to_owned());
        Kind::consequences(self, &step).into_iter().chain(always).collect()
    }

    fn grants(&self, spec: &Value) -> Vec<Grant> {
        match decode(spec) {
            Ok(read) => Kind::grants(self, &read),
            // What a kind can't read may say anything.
            Err(_) if !K::FACTS.review.is_empty() => {
                vec![Grant::Unread(K::FACTS.masked("", spec).to_string())]
            }
            Err(_) => Vec::new(),
        }
    }

    fn seal(&self, live: &Live) -> Option<String> {
        Kind::seal(self, &observed(&live.observed).ok()?)
    }

    async fn seals(&self, context: &Context, written: &[(Wanted<'_>, &Outcome)]) -> Result<BTreeMap<Address, String>> {
        let specs: Vec<K::Spec> = written.iter().map(|(wanted, _)| decode(wanted.spec)).collect::<Result<_>>()?;
        let written = written
            .iter()
            .zip(&specs)
            .map(|((wanted, outcome), spec)| (Wanted { address: wanted.address, spec }, *outcome));
        Kind::seals(self, context, &written.collect::<Vec<_>>()).await
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        let name = K::FACTS.name;
        let (own, beside): (Vec<&Wanted<'_>>, Vec<&Wanted<'_>>) =
            wanted.iter().partition(|wanted| wanted.address.kind == name);
        let specs: Vec<K::Spec> = own.iter().map(|wanted| decode(wanted.spec)).collect::<Result<_>>()?;
        let own: Vec<Wanted<'_, K::Spec>> =
            own.iter().zip(&specs).map(|(wanted, spec)| Wanted { address: wanted.address, spec }).collect();
        let beside: Vec<Wanted<'_>> =
            beside.iter().map(|wanted| Wanted { address: wanted.address, spec: wanted.spec }).collect();
        let found = Kind::find_among(self, context, &own, &beside).await?;
        Ok(found.into_iter().map(|found| erased(found, K::FACTS.is_tagless)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        Kind::create(self, context, address, &decode(spec)?).await
    }

    async fn update(&self, context: &Context, live: &Live, spec: &Value, changed: &[String]) -> Result<Outcome> {
        Kind::update(self, context, Delta { live: &typed::<K>(live)?, spec: &decode(spec)?, changed }).await
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        Kind::delete(self, context, &typed::<K>(live)?).await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        Ok(Kind::read(self, context, address, id).await?.map(|found| erased(found, K::FACTS.is_tagless)))
    }

    async fn rotate(&self, context: &Context, live: &Live, nonce: &str) -> Result<String> {
        Kind::rotate(self, context, &typed::<K>(live)?, nonce).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        Kind::tag(self, context, outcome, tags).await
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        Kind::untag(self, context, outcome, keys).await
    }

    async fn tag_parts(&self, context: &Context, outcome: &Outcome, tags: &Tags, gone: &[&str]) -> Result<()> {
        Kind::tag_parts(self, context, outcome, tags, gone).await
    }
}

/// The JSON Schema of a kind's spec, made once.
fn schema<K: Kind>() -> Arc<Value> {
    static MADE: Mutex<BTreeMap<TypeId, Arc<Value>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock();
    Arc::clone(
        made.entry(TypeId::of::<K::Spec>()).or_insert_with(|| Arc::new(schemars::schema_for!(K::Spec).to_value())),
    )
}
