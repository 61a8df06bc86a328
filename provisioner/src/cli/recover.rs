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
    /// Nowhere: there is no terminal to ask on.
    Nowhere,
}

/// What is said where a question has nobody to answer it.
const NOBODY: &str = "there is no terminal to ask on, and nothing else decides whose things are; --answers FILE answers, with a line \
                      `\"bucket.raw\" = \"NAME\"` for each of the stack's own and `\"vpc.other\" = \"no\"` for each that isn't";
/// So often somebody is asked who answers neither yes nor no.
const ASKED: usize = 3;

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
        None => Answers::Nowhere,
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
    let (document, unreadable) = match lease::look(context).await {
        Err(error) if lease::is_unreadable(&error) => (None, true),
        document => (document?, false),
    };
    let scope = lease::signer(context).scope().clone();
    let found = key(context, document.as_ref()).await?;
    let counts = |document: &Document| match &found {
        Key::Whole(key) => document.is_signed(&scope, &key.public),
        Key::Never | Key::Lost(_) => true,
    };
    let earlier = lease::earlier(context, counts).await?;
    let key = match found {
        Key::Whole(key) => match lease::signed_by_another(&key, &scope, document.iter().chain(&earlier)) {
            Some(other) => Key::Lost(lease::isnt_the_one(&other, &key.arn)),
            None => Key::Whole(key),
        },
        key => key,
    };
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
    if document.as_ref().is_some_and(Document::is_former) {
        let counts = match key {
            Key::Never => true,
            // An apply that was interrupted made the key and signed nothing with it.
            Key::Whole(_) => whose::read(all_kinds(), context, &state.desired).await?.doubt.is_none(),
            Key::Lost(_) => false,
        };
        if counts {
            say("Nothing is lost: the next apply signs what the stack made.");
            return Ok(Outcome::Done);
        }
    }
    answers.refuse_nobody()?;
    let last = earlier.into_iter().filter(signed).max_by_key(|one| one.memory.serial);
    let lost = ask_for_key(context, &key, answers).await?;
    // Everything is answered before anything is changed.
    let basis = match &key {
        Key::Whole(key) => (last.clone(), Some(key.clone())),
        Key::Never | Key::Lost(_) => (None, None),
    };
    let Known { live, .. } = whose::suppose(all_kinds(), context, &state.desired, basis).await?;
    let (claimed, own): (Vec<Live>, Vec<Live>) = live.into_iter().partition(|live| live.whose.claim().is_some());
    // What carries no tags is found by its name, whoever made it.
    let is_found = !claimed.is_empty() || own.iter().any(|live| !is_tagless(&live.address));
    if document.is_none() && !unreadable && last.is_none() && matches!(key, Key::Never) && !is_found {
        bail!(
            "no stack {} is here: account {}, {} has nothing that carries its tags, no document beside its lease and no key of its \
             own; nothing was made; `lakewright apply` makes a stack, and --region, --profile or another stack file lead to one \
             that is elsewhere",
            context.stack,
            context.account,
            context.region
        );
    }
    let taken = decide(answers, &claimed, &own).await?;
    if unreadable {
        // It holds no lease, and is put aside; the versions before it stay.
        lease::put_aside_unreadable(context).await?;
    }
    let held = lease(state, "recover", &stop).await?;
    let done = carry_out(context, &held, (lost, last), (own, taken)).await;
    warn(held.give_back().await);
    done
}

/// Why a new key is to be made; none where there is no need.
async fn ask_for_key(context: &Context, key: &Key, answers: &Answers) -> Result<Option<String>> {
    let Key::Lost(why) = key else { return Ok(None) };
    let alias = lease::signer(context).alias().to_owned();
    let question =
        format!("The key {alias} {why}. Make a new one? Nothing that was signed counts any more. Type new, else no:");
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
/// At each address one thing at most is the stack's: no plan could be made for two.
async fn decide(answers: &Answers, claimed: &[Live], own: &[Live]) -> Result<Vec<Live>> {
    if let Answers::File(known) = answers {
        let missing = claimed.iter().filter(|live| !known.contains_key(&live.address.to_string()));
        let missing: Vec<String> = missing.map(|live| format!("\n  \"{}\" = \"{}\"", live.address, live.id)).collect();
        if !missing.is_empty() {
            bail!("the answers lack these; write `no` for what isn't the stack's:{}", missing.concat());
        }
        for line in unheard(known, claimed) {
            say(&format!("warning: {line}"));
        }
    }
    let mut taken: Vec<Live> = Vec::new();
    for live in claimed {
        let (address, id, reason) = (&live.address, &live.id, live.whose.claim().unwrap_or_default());
        let wanted = wanted(live, claimed);
        if let Some(first) = own.iter().chain(&taken).find(|other| other.address == *address) {
            let why = format!("{id} can't be the stack's {address}, which {} is already", first.id);
            let is_file = matches!(answers, Answers::File(_));
            if is_file && (answers.is(&address.to_string(), "", wanted).await? || answers.names(address, id)) {
                bail!("{why}; nothing was changed: write `no` for {address} in the answers");
            }
            say(&format!("{why}."));
            continue;
        }
        let question = format!("Is {id} the stack's {address}? ({reason}) Type {wanted} if it is, else no:");
        if answers.is(&address.to_string(), &question, wanted).await? || answers.names(address, id) {
            taken.push(live.clone());
        }
    }
    Ok(taken)
}

/// What of a file's answers leads to nothing: addresses that nothing claims, and answers that mean neither yes nor no.
fn unheard(known: &BTreeMap<String, String>, claimed: &[Live]) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, given) in known.iter().filter(|(name, _)| *name != KEY) {
        let mut meant = claimed.iter().filter(|live| live.address.to_string() == *name).peekable();
        let Some(first) = meant.peek() else {
            lines.push(format!("the answers name {name}, which nothing claims: that line does nothing"));
            continue;
        };
        let id = first.id.clone();
        let takes = meant.any(|live| live.id == *given || wanted(live, claimed) == *given);
        if !takes && given != "no" {
            lines.push(format!(
                "`{given}` is no answer for {name}, and is taken for `no`: write `{id}` if it is the stack's"
            ));
        }
    }
    lines
}

/// The answer that takes a thing for the stack's. What holds data is taken by nobody who hasn't read its name.
fn wanted<'a>(live: &'a Live, claimed: &[Live]) -> &'a str {
    let twice = claimed.iter().filter(|other| other.address == live.address).count() > 1;
    let holds_data = all_kinds().get(&live.address.kind).is_some_and(AnyKind::holds_data);
    if twice || holds_data { &live.id } else { "yes" }
}

impl Answers {
    /// An error where nobody can answer.
    fn refuse_nobody(&self) -> Result<()> {
        if matches!(self, Self::Nowhere) {
            bail!(NOBODY);
        }
        Ok(())
    }

    /// Whether the answer is the wanted one. On a terminal nothing else than `no` says that it isn't.
    async fn is(&self, name: &str, question: &str, wanted: &str) -> Result<bool> {
        match self {
            Self::Terminal => {
                let mut question = question.to_owned();
                for _ in 0..ASKED {
                    if let Some(is) = judged(&answer(&question).await?, wanted) {
                        return Ok(is);
                    }
                    question = format!("That is neither. Type {wanted}, or no:");
                }
                bail!("{ASKED} answers were neither `{wanted}` nor `no`; nothing was changed")
            }
            Self::Nowhere => bail!(NOBODY),
            Self::File(known) => Ok(known.get(name).is_some_and(|answer| answer == wanted)),
        }
    }

    /// Whether a file names the very thing.
    fn names(&self, address: &Address, id: &str) -> bool {
        match self {
            Self::Terminal | Self::Nowhere => false,
            Self::File(known) => known.get(&address.to_string()).is_some_and(|answer| answer == id),
        }
    }
}

/// What an answer on the terminal says; nothing where it says nothing.
fn judged(answer: &str, wanted: &str) -> Option<bool> {
    match answer {
        yes if yes == wanted => Some(true),
        "no" | "n" => Some(false),
        _ => None,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::Departure;
    use crate::resource::{Condition, Whose};

    fn claimed(address: &str, id: &str) -> Live {
        Live {
            address: address.parse().expect("an address"),
            id: id.to_owned(),
            spec: json!({}),
            observed: json!(null),
            departures: Vec::<Departure>::new(),
            tags: None,
            parts: Vec::new(),
            outputs: BTreeMap::new(),
            applied: None,
            whose: Whose::Claimed("it has no record".to_owned()),
            condition: Condition::Ready,
            foreign: Vec::new(),
            holds: Vec::new(),
            is_empty: false,
        }
    }

    #[test]
    fn an_empty_line_and_a_slip_are_no_answers() {
        for (answer, expected) in [
            ("shop-raw", Some(true)),
            ("no", Some(false)),
            ("n", Some(false)),
            ("", None),
            ("shop-rw", None),
            ("yes", None),
        ] {
            assert_eq!(judged(answer, "shop-raw"), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn of_two_things_at_one_address_one_is_taken() {
        let says = |answer: &str| Answers::File([("vpc.main".to_owned(), answer.to_owned())].into());
        let both = [claimed("vpc.main", "vpc-1"), claimed("vpc.main", "vpc-2")];
        let taken = decide(&says("vpc-2"), &both, &[]).await.expect("one of them is");
        assert_eq!(taken.iter().map(|live| live.id.as_str()).collect::<Vec<_>>(), ["vpc-2"]);

        // Where one is the stack's already, none.
        let own = [Live { whose: Whose::Own, ..claimed("vpc.main", "vpc-3") }];
        for answer in ["vpc-1", "yes"] {
            let refused = decide(&says(answer), &both[..1], &own).await.expect_err("a second one").to_string();
            assert!(refused.contains("which vpc-3 is already"), "{refused}");
        }
        assert_eq!(decide(&says("no"), &both, &own).await.expect("nothing is wrong").len(), 0);
    }

    #[test]
    fn answers_that_do_nothing_are_named() {
        let things = [claimed("bucket.raw", "shop-raw"), claimed("vpc.main", "vpc-1"), claimed("vpc.main", "vpc-2")];
        let unheard = |lines: &[(&str, &str)]| {
            let known = lines.iter().map(|(name, given)| ((*name).to_owned(), (*given).to_owned())).collect();
            unheard(&known, &things).join("\n")
        };
        assert_eq!(unheard(&[(KEY, "new"), ("bucket.raw", "shop-raw"), ("vpc.main", "vpc-2")]), "");
        assert!(unheard(&[("bucket.rw", "shop-raw")]).contains("bucket.rw, which nothing claims"));
        let said = unheard(&[("bucket.raw", "yes"), ("vpc.main", "no")]);
        assert!(said.contains("`yes` is no answer for bucket.raw") && said.contains("write `shop-raw`"), "{said}");
        assert!(!said.contains("vpc.main"), "{said}");
    }
}
