//! `recover`: what a stack knows of itself, after its document or its key was lost.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tokio_util::sync::CancellationToken;

use super::change::answer;
use crate::app::carry::{lease, warn};
use crate::app::desired::all_kinds;
use crate::app::{Global, Outcome, StackState, say, until_interrupted};
use crate::apply::record;
use crate::kind::applied::FORMAT;
use crate::kind::{AnyKind, Context, Outcome as Kept};
use crate::lease::{self, Document, Lease};
use crate::record::{Found, Record};
use crate::resource::{Address, Live};
use crate::whose::{self, Known};

/// The name of the answer that lets a new key be made.
const KEY: &str = "signing_key";

/// Where answers come from.
enum Answers {
    /// A person at a terminal.
    Terminal,
    /// A file, by address.
    File(BTreeMap<String, String>),
}

/// What is wrong with the stack's key.
enum Key {
    /// Nothing.
    Whole(crate::record::Key),
    /// The stack never had one.
    Never,
    /// It can't be used any more: why.
    Lost(String),
}

/// `lakewright recover`.
pub async fn run(global: &Global, answers: Option<&Path>) -> Result<Outcome> {
    let answers = match answers {
        Some(path) => Answers::File(read(path)?),
        None if std::io::stdin().is_terminal() => Answers::Terminal,
        None => bail!(
            "there is no terminal to ask on, and nothing else decides whose things are; --answers FILE answers, with a line \
             `\"bucket.raw\" = \"NAME\"` for each of the stack's own and `\"vpc.other\" = \"no\"` for each that isn't"
        ),
    };
    let state = &StackState::open(global).await?;
    until_interrupted(|stop| recover(state, &answers, stop)).await
}

fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} isn't lines of `\"ADDRESS\" = \"ANSWER\"`", path.display()))
}

async fn recover(state: &StackState, answers: &Answers, stop: CancellationToken) -> Result<Outcome> {
    let context = &state.context;
    let document = match lease::look(context).await {
        // What can't be read holds no lease, and is put aside; the versions before it stay.
        Err(error) if error.chain().any(<dyn std::error::Error>::is::<serde_json::Error>) => {
            lease::unlock(context).await?;
            None
        }
        document => document?,
    };
    let scope = lease::signer(context).scope().clone();
    let key = key(context, document.as_ref()).await?;
    let signed = |document: &Document| match &key {
        Key::Whole(key) => document.is_signed(&scope, &key.public),
        Key::Never | Key::Lost(_) => false,
    };
    if document.as_ref().is_some_and(signed) {
        let known = whose::read(all_kinds(), context, &state.desired).await?;
        if known.doubt.is_none() && known.memory.lived.len() + known.memory.log.len() > 0 {
            say("Nothing is lost: what the stack remembers is signed. `lakewright adopt` takes over what is claimed.");
            return Ok(Outcome::Done);
        }
    }
    if document.as_ref().is_some_and(Document::is_former) && matches!(key, Key::Never) {
        say("Nothing is lost: the next apply signs what the stack made.");
        return Ok(Outcome::Done);
    }
    let last = lease::earlier(context).await?.into_iter().filter(signed).max_by_key(|one| one.memory.serial);
    let lost = ask_for_key(context, &key, answers).await?;
    // Everything is answered before anything is changed.
    let basis = match &key {
        Key::Whole(key) => (last.clone(), Some(key.clone())),
        Key::Never | Key::Lost(_) => (None, None),
    };
    let Known { live, .. } = whose::suppose(all_kinds(), context, &state.desired, basis).await?;
    let (claimed, own): (Vec<Live>, Vec<Live>) = live.into_iter().partition(|live| live.whose.claim().is_some());
    let taken = decide(answers, &claimed).await?;
    let held = lease(state, "recover", &stop).await?;
    let done = carry_out(context, &held, (lost, last), (own, taken)).await;
    warn(held.give_back().await);
    done
}

/// Why a new key is to be made; none where there is no need.
async fn ask_for_key(context: &Context, key: &Key, answers: &Answers) -> Result<Option<String>> {
    let Key::Lost(why) = key else { return Ok(None) };
    let alias = lease::signer(context).alias().to_owned();
    let question = format!("The key {alias} {why}. Make a new one? Nothing that was signed counts any more. Type new:");
    if !answers.is(KEY, &question, "new").await? {
        bail!("nothing was changed: {alias} {why}, and without it nothing can be verified");
    }
    Ok(Some(why.clone()))
}

async fn key(context: &Context, document: Option<&Document>) -> Result<Key> {
    let signer = lease::signer(context);
    Ok(match signer.find().await? {
        Found::Key(key) => Key::Whole(key),
        Found::Nothing if document.is_some_and(|document| document.signature.is_some()) => {
            Key::Lost("is gone".to_owned())
        }
        Found::Nothing => Key::Never,
        Found::Unusable(reason) => Key::Lost(reason),
        Found::Denied(error) => {
            return Err(error).with_context(|| format!("read the public key of {}", signer.alias()));
        }
    })
}

/// Puts back and signs what was decided.
async fn carry_out(
    context: &Context,
    held: &Lease,
    (lost, last): (Option<String>, Option<Document>),
    (own, taken): (Vec<Live>, Vec<Live>),
) -> Result<Outcome> {
    let context = &held.context(context).await;
    let mut log = Vec::new();
    if let Some(why) = lost {
        held.replace_key().await?;
        log.push(format!("made a new key {}, for the one before {why}", lease::signer(context).alias()));
    }
    if let Some(last) = last {
        log.push(format!("put back what was signed last, of {} resources", last.memory.addresses().len()));
        held.restore(last.memory).await?;
    } else {
        let serials = own.iter().filter_map(|live| live.applied.as_ref()?.parse::<Record>().ok());
        held.count_from(serials.map(|record| record.serial).max().unwrap_or_default()).await?;
        for live in own {
            // What has no record is found by its name in the file, or gets one with the next apply.
            let applied = is_tagless(&live.address).then_some(FORMAT);
            context.records.exists(&live.address, &live.id, applied).await;
        }
        log.push("found no signed version of what the stack remembered, and remembers what its records say".to_owned());
    }
    for live in taken {
        sign(context, &live)
            .await
            .with_context(|| format!("sign that {} ({}) is the stack's", live.address, live.id))?;
        log.push(format!("took {} ({}) for the stack's", live.address, live.id));
    }
    held.note(log.join("; ")).await?;
    for line in log {
        say(&format!("Recovered: {line}."));
    }
    say("`lakewright plan` shows what an apply makes of it.");
    Ok(Outcome::Done)
}

/// Which of what is claimed is said to be the stack's. All answers are there before anything is signed.
async fn decide(answers: &Answers, claimed: &[Live]) -> Result<Vec<Live>> {
    if let Answers::File(known) = answers {
        let missing = claimed.iter().filter(|live| !known.contains_key(&live.address.to_string()));
        let missing: Vec<String> = missing.map(|live| format!("\n  \"{}\" = \"{}\"", live.address, live.id)).collect();
        if !missing.is_empty() {
            bail!("the answers lack these; write `no` for what isn't the stack's:{}", missing.concat());
        }
    }
    let mut taken = Vec::new();
    for live in claimed {
        let (address, id, reason) = (&live.address, &live.id, live.whose.claim().unwrap_or_default());
        let kind = all_kinds().get(&address.kind);
        let twice = claimed.iter().filter(|other| other.address == *address).count() > 1;
        // What holds data is taken for the stack's by nobody who hasn't read its name.
        let wanted = if twice || kind.is_some_and(AnyKind::holds_data) { id.as_str() } else { "yes" };
        let question = format!("Is {id} the stack's {address}? ({reason}) Type {wanted} if it is:");
        if answers.is(&address.to_string(), &question, wanted).await? || answers.names(address, id) {
            taken.push(live.clone());
        }
    }
    Ok(taken)
}

impl Answers {
    /// Whether the answer is the wanted one.
    async fn is(&self, name: &str, question: &str, wanted: &str) -> Result<bool> {
        match self {
            Self::Terminal => Ok(answer(question).await? == wanted),
            Self::File(known) => Ok(known.get(name).is_some_and(|answer| answer == wanted)),
        }
    }

    /// Whether a file names the very thing.
    fn names(&self, address: &Address, id: &str) -> bool {
        match self {
            Self::Terminal => false,
            Self::File(known) => known.get(&address.to_string()).is_some_and(|answer| answer == id),
        }
    }
}

fn is_tagless(address: &Address) -> bool {
    all_kinds().get(&address.kind).is_some_and(AnyKind::is_tagless)
}

/// Gives a thing a record that says nothing of what was applied.
async fn sign(context: &Context, live: &Live) -> Result<()> {
    let kind = all_kinds().get(&live.address.kind).context("it is of a kind that there is")?;
    let kept = Kept { id: live.id.clone(), outputs: live.outputs.clone() };
    record(kind, context, (&live.address, &kept), FORMAT, &[]).await?;
    Ok(())
}
