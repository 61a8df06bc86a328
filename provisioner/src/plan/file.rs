//! A plan as a file: what it was made from, so that it can be reviewed, carried elsewhere and applied later.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Kinds, Options, Plan, PlanError, plan_for};
use crate::kind::{AnyKind, Comparing, applied, canonical};
use crate::resource::{Address, Departure, Desired, Live, Unread};

/// The first member of a plan file: by it a plan is known among other files.
const FORMAT: &str = "lakewright plan 3";

/// A role that a stack is planned and applied as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssumedRole {
    /// Its ARN.
    pub arn: String,
    /// The external id that its trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// Where a plan belongs and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format and its version.
    pub format: String,
    /// The version of the program that made it.
    pub lakewright: String,
    /// When it was made, RFC 3339.
    pub made: String,
    /// The twelve-digit account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The bucket of the stack's lease, where the stack file names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_bucket: Option<String>,
    /// The role that it was made as and is applied as, where the stack file names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<AssumedRole>,
}

/// A saved plan: the stack, what lived, and the options. The steps follow from these, here as there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanFile {
    /// Where it belongs.
    #[serde(flatten)]
    pub header: Header,
    /// What was asked for.
    pub options: Options,
    /// What is to live.
    pub desired: Desired,
    /// What lived when the plan was made.
    pub live: Vec<Live>,
}

/// Why a file is no plan that can be applied here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is something else.
    #[error("it is no plan: {0}")]
    NoPlan(String),
    /// Another version of Lakewright wrote it in another format.
    #[error("its format is `{0}`, and this lakewright reads `{FORMAT}`; make the plan anew")]
    Format(String),
    /// It belongs elsewhere.
    #[error("it is a plan for the {what} {theirs}, and this is the {what} {ours}")]
    Elsewhere {
        /// What differs: the account, the region, the stack, the role.
        what: &'static str,
        /// The plan's.
        theirs: String,
        /// The one at hand.
        ours: String,
    },
    /// What it was made from is no longer so.
    #[error("AWS has changed since the plan was made, and nothing was applied:{}\nmake the plan anew", list(.0))]
    Moved(Vec<String>),
    /// What is to be done now isn't what was agreed to.
    #[error("the plan of now isn't the one that was agreed to, and nothing was applied:{}\nmake the plan anew", list(.0))]
    Otherwise(Vec<String>),
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

impl PlanFile {
    /// A plan to be saved.
    pub fn new(account: &str, region: &str, made: String, options: Options, desired: Desired, live: Vec<Live>) -> Self {
        let header = Header {
            format: FORMAT.to_owned(),
            lakewright: env!("CARGO_PKG_VERSION").to_owned(),
            made,
            account: account.to_owned(),
            region: region.to_owned(),
            state_bucket: None,
            role: None,
        };
        Self { header, options, desired, live }
    }

    /// Whether a text claims to be a plan.
    pub fn is_plan(text: &str) -> bool {
        text.trim_start().starts_with('{')
    }

    /// The plan in a text.
    pub fn read(text: &str) -> Result<Self, FileError> {
        let value: Value = serde_json::from_str(text).map_err(|error| FileError::NoPlan(error.to_string()))?;
        match value["format"].as_str() {
            None => return Err(FileError::NoPlan("it has no member `format`".to_owned())),
            Some(FORMAT) => {}
            Some(other) => return Err(FileError::Format(other.to_owned())),
        }
        serde_json::from_value(value).map_err(|error| FileError::NoPlan(error.to_string()))
    }

    /// The plan as a text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan holds only what JSON has") + "\n"
    }

    /// The plan itself.
    pub fn plan(&self, kinds: Kinds<'_>) -> Result<Plan, PlanError> {
        plan_for(kinds, &self.desired, &self.live, &self.options)
    }

    /// Whether something of the plan's, as its account, is the one at hand.
    pub fn is_of(&self, what: &'static str, theirs: &str, ours: &str) -> Result<(), FileError> {
        if theirs == ours {
            return Ok(());
        }
        Err(FileError::Elsewhere { what, theirs: theirs.to_owned(), ours: ours.to_owned() })
    }
}

/// What of a plan's basis is otherwise now, one line each, by address.
pub fn moved(kinds: Kinds<'_>, before: &[Live], now: &[Live], unread: &[Unread]) -> Vec<String> {
    let by_address = |all: &[Live]| -> BTreeMap<Address, Live> {
        all.iter().map(|live| (live.address.clone(), live.clone())).collect()
    };
    let (before, now) = (by_address(before), by_address(now));
    let mut lines = Vec::new();
    for (address, old) in &before {
        match now.get(address) {
            None => match unread.iter().find(|one| one.means(address)) {
                Some(one) => lines.push(format!("{address} ({}): {}", old.id, one.obstacle.reason)),
                None => lines.push(format!("{address} ({}) is gone", old.id)),
            },
            Some(new) if new.id != old.id => lines.push(format!("{address} is {} and was {}", new.id, old.id)),
            Some(new) => lines.extend(differing(kinds, old, new)),
        }
    }
    let added = now.iter().filter(|(address, _)| !before.contains_key(*address));
    lines.extend(added.map(|(address, new)| format!("{address} ({}) has come", new.id)));
    lines
}

/// What a plan does otherwise than another one, one line each, by address: what keeps something back may come and go by itself.
pub fn unlike(before: &Plan, now: &Plan) -> Vec<String> {
    let (said, says) = (doings(before), doings(now));
    let of = |all: &BTreeMap<&Address, Doing>, address: &Address| all.get(address).copied();
    let word = |doing: Option<Doing>| doing.map_or("nothing", |(word, ..)| word);
    let addresses: BTreeSet<&Address> = said.keys().chain(says.keys()).copied().collect();
    let lines = addresses.into_iter().filter_map(|address| {
        let (before, now) = (of(&said, address), of(&says, address));
        (before != now).then(|| format!("{address}: the plan says `{}` now and said `{}`", word(now), word(before)))
    });
    lines.collect()
}

/// The word for what is done, whether a new one is made first, and whether the old one stays.
type Doing = (&'static str, bool, bool);

fn doings(plan: &Plan) -> BTreeMap<&Address, Doing> {
    let blocked = plan.blocked.iter().map(|one| (&one.address, ("blocked", false, false)));
    let steps = plan.steps.iter().map(|step| (&step.address, (step.word(), step.create_first, step.leaves)));
    blocked.chain(steps).collect()
}

fn differing(kinds: Kinds<'_>, old: &Live, new: &Live) -> Vec<String> {
    let mut lines = Vec::new();
    if old.condition != new.condition {
        lines.push(format!("{}: it was {:?} and is {:?}", old.address, old.condition, new.condition));
    }
    if old.is_empty != new.is_empty {
        lines.push(format!("{}: it was empty and holds something now, or the other way round", old.address));
    }
    let departures = |live: &Live, aged: bool| -> Vec<Departure> {
        live.departures.iter().filter(|departure| departure.aged == aged).cloned().collect()
    };
    if departures(old, false) != departures(new, false) {
        lines.push(format!("{}: somebody changed it since, beside what its spec says", old.address));
    }
    if departures(old, true) != departures(new, true) {
        lines.push(format!("{}: it was rotated since, or is to be from now on", old.address));
    }
    lines.extend(super::tags::moved(&old.address, old, new));
    let Some(facts) = kinds.get(&old.address.kind).map(AnyKind::facts) else { return lines };
    // A record that was signed anew for the same is no change.
    if applied::carried(facts, old.applied.as_deref()) != applied::carried(facts, new.applied.as_deref()) {
        lines.push(format!("{}: somebody applied it since", old.address));
    }
    for field in facts.fields.iter().filter(|field| field.compare != Comparing::Never) {
        let (before, after) = (&old.spec[field.name], &new.spec[field.name]);
        if canonical(before, field.compare) != canonical(after, field.compare) {
            let short = |value: &Value| match facts.masked(field.name, value).to_string() {
                text if text.chars().count() > 60 => format!("{}…", text.chars().take(60).collect::<String>()),
                text => text,
            };
            lines.push(format!("{}.{}: was {}, is {}", old.address, field.name, short(before), short(after)));
        }
    }
    lines
}
