//! What is known of a stack before anything of it is looked at, and what follows from it for each thing.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};

use super::Known;
use crate::kind::applied::{FORMER, seal};
use crate::kind::{AnyKind, Context};
use crate::lease::{self, Document, Memory};
use crate::plan::{Kinds, replaced};
use crate::record::{Found, Key, Record, Scope};
use crate::resource::{Address, Desired, Live, Obstacle, Unread, Whose};

/// What is known of a stack before anything of it is looked at.
#[derive(Debug, Clone)]
pub(super) struct Knowledge {
    scope: Scope,
    verifier: Verifier,
    document: Option<Document>,
    /// Why the document can't be read.
    untold: Option<String>,
    /// Whether what the last apply wrote shows everywhere by now.
    settled: bool,
    /// What the document is worth, whatever exists. It is judged once: a sweep asks for it of many things, and the signature
    /// covers the whole document.
    standing: Standing,
}

/// By what records are verified.
#[derive(Debug, Clone)]
enum Verifier {
    Key(Key),
    /// The stack has no key yet.
    Nothing,
    /// Nobody may ask.
    Denied,
}

/// What the document is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// It counts for what it says.
    Trusted,
    /// Nothing is signed yet, as its version had it.
    Former,
    /// There is none, or none that was signed.
    Nothing,
    /// It can't be read: nobody knows what it says.
    Untold,
    /// It counts for nothing: why.
    Doubted(String),
}

/// How sure it is whose a thing is.
enum Verdict {
    /// It is the stack's.
    Proven(Whose),
    /// It is, unless something else is with more right: only its address says so.
    Likely(Whose),
    /// It isn't known to be.
    Not(String),
}

impl Knowledge {
    /// Reads the document and the key, at the same time.
    pub(super) async fn of(context: &Context) -> Result<Self> {
        let signer = lease::signer(context);
        let (document, found) = tokio::join!(lease::look(context), signer.find());
        let (document, untold) = match document {
            Ok(document) => (document, None),
            // A plan without the document is a plan all the same.
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let at = document.as_ref().map_or(SystemTime::UNIX_EPOCH, |document| document.memory.at.into());
        // Nobody need have signed the time that it says: a wait for one that hasn't come would have no end.
        let at = at.min(context.aws.now());
        let age = || context.aws.now().duration_since(at).unwrap_or_default();
        let signed = document.as_ref().filter(|document| document.signature.is_some());
        let mut found = found?;
        let is_other =
            |found: &Found| signed.is_some_and(|document| other_key(found, document, signer.scope()).is_some());
        // KMS may know a new alias late, and to which key it leads by now.
        while (is_other(&found) || matches!(found, Found::Nothing) && signed.is_some()) && age() < context.pace.settles
        {
            tokio::time::sleep(context.pace.poll).await;
            found = signer.find().await?;
        }
        // Whoever may move the alias doesn't get to say whose everything is by a key of their own.
        if let Some(document) = signed
            && let Some(other) = other_key(&found, document, signer.scope())
        {
            let why = lease::isnt_the_one(&document.memory.key, other);
            bail!(lease::gone(signer.alias(), &why));
        }
        let verifier = match found {
            Found::Key(key) => Verifier::Key(key),
            Found::Denied(_) => Verifier::Denied,
            Found::Nothing if signed.is_some() => bail!(lease::gone(signer.alias(), "is gone")),
            Found::Nothing => Verifier::Nothing,
            Found::Unusable(reason) => bail!(lease::gone(signer.alias(), &reason)),
        };
        let settles = if context.pace.at_once { Duration::ZERO } else { context.pace.settles };
        let settled = document.is_none() || age() >= settles;
        Ok(Self::new(signer.scope().clone(), verifier, (document, untold), settled))
    }

    fn new(
        scope: Scope,
        verifier: Verifier,
        (document, untold): (Option<Document>, Option<String>),
        settled: bool,
    ) -> Self {
        let standing = standing(&scope, &verifier, document.as_ref(), untold.as_deref());
        Self { scope, verifier, document, untold, settled, standing }
    }

    /// What would be known with that document and that key.
    pub(super) fn supposed(scope: Scope, document: Option<Document>, key: Option<Key>) -> Self {
        let verifier = key.map_or(Verifier::Nothing, Verifier::Key);
        Self::new(scope, verifier, (document, None), true)
    }

    /// Whether a thing with tags is the stack's, whatever else exists.
    pub(super) fn is_own(&self, address: &Address, id: &str, applied: Option<&str>) -> bool {
        let record = self.verified(address, id, applied);
        !matches!(self.verdict(address, id, (applied, record.as_ref()), &self.standing), Verdict::Not(_))
    }

    /// The seal of what carries no tags. What nobody verified may have been written by whoever wrote over the thing too.
    pub(super) fn seal(&self, address: &Address) -> Option<&str> {
        let is_verified = matches!(self.verifier, Verifier::Key(_)) && self.standing == Standing::Trusted;
        let memory = self.document.as_ref().filter(|_| is_verified).map(|document| &document.memory)?;
        seal(memory.applied.get(address)?)
    }

    /// What is trusted of what the stack remembers, whatever exists.
    pub(super) fn trusted(&self) -> Memory {
        self.memory(&self.standing).cloned().unwrap_or_default()
    }

    /// What the document is worth now that it is known what exists; `latest` is the greatest serial of its records.
    fn standing_beside(&self, latest: Option<u64>) -> Standing {
        match (self.standing.clone(), latest) {
            (Standing::Former, Some(_)) => Standing::Doubted(
                "what the stack remembers is of a version in which nothing was signed, and what exists is signed already: \
                 somebody put it back"
                    .to_owned(),
            ),
            (Standing::Nothing, Some(_)) => Standing::Doubted("what the stack remembers is lost".to_owned()),
            (standing, _) => standing,
        }
    }

    /// Why the document isn't all that the stack knows.
    fn doubt(&self, standing: &Standing, latest: Option<u64>) -> Option<String> {
        let is_older = |memory: &Memory| latest.is_some_and(|latest| memory.serial < latest);
        match standing {
            Standing::Doubted(reason) => Some(reason.clone()),
            // Each record has the serial of a document that was written before it.
            Standing::Trusted if self.memory(standing).is_some_and(is_older) => {
                Some("what the stack remembers is older than what was signed since: somebody put it back".to_owned())
            }
            _ => None,
        }
    }

    /// The document's memory if it counts.
    fn memory(&self, standing: &Standing) -> Option<&Memory> {
        let counts = matches!(standing, Standing::Trusted | Standing::Former);
        self.document.as_ref().filter(|_| counts).map(|document| &document.memory)
    }

    /// The record, if the key signed it for the thing.
    fn verified(&self, address: &Address, id: &str, applied: Option<&str>) -> Option<Record> {
        let Verifier::Key(key) = &self.verifier else { return None };
        let record: Record = applied?.parse().ok()?;
        record.is_of(&self.scope, address, id, &key.public).then_some(record)
    }

    /// Whose a thing with tags is; `applied` are its record as it stands there, and the same if the key signed it.
    fn verdict(
        &self,
        address: &Address,
        id: &str,
        (applied, record): (Option<&str>, Option<&Record>),
        standing: &Standing,
    ) -> Verdict {
        let memory = self.memory(standing);
        let listed = memory.and_then(|memory| memory.listed(address, id));
        let may_verify = matches!(self.verifier, Verifier::Key(_));
        match (record, listed) {
            (Some(record), Some(listed)) if record.serial < listed.serial && self.settled => {
                Verdict::Proven(Whose::Unproven("an older record of it was put back".to_owned()))
            }
            (None, Some(_)) if may_verify && self.settled => Verdict::Proven(Whose::Unproven(fault(applied))),
            (Some(_), _) | (None, Some(_)) => Verdict::Proven(Whose::Own),
            (None, None) => match memory {
                Some(memory) if memory.former.contains(address) => Verdict::Likely(Whose::Former),
                Some(memory) if memory.may_have_made(address) => Verdict::Likely(Whose::Own),
                _ => Verdict::Not(self.claim(applied).to_owned()),
            },
        }
    }

    /// Why a thing that the stack doesn't remember isn't known to be its own.
    fn claim(&self, applied: Option<&str>) -> &'static str {
        match (&self.verifier, applied) {
            (Verifier::Denied, _) => "nobody here may verify its record, and the stack doesn't remember it",
            (Verifier::Nothing, _) => "nothing of this stack is signed yet, and it doesn't remember it",
            (Verifier::Key(_), None) => "it has no record, and the stack doesn't remember it",
            (Verifier::Key(_), Some(_)) => {
                "its record was signed for something else, or by nobody who applies the stack, which doesn't remember it"
            }
        }
    }

    /// Judges whose each thing is.
    pub(super) fn judge(&self, kinds: Kinds<'_>, desired: &Desired, live: Vec<Live>) -> Known {
        let record = |live: &Live| self.verified(&live.address, &live.id, live.applied.as_deref());
        let records: Vec<Option<Record>> = live.iter().map(record).collect();
        let latest = records.iter().flatten().map(|record| record.serial).max();
        let standing = self.standing_beside(latest);
        let memory = self.memory(&standing);
        let judged = live.into_iter().zip(records).map(|(mut live, record)| {
            let tagless = kinds.get(&live.address.kind).is_some_and(AnyKind::is_tagless);
            let verdict = if tagless {
                self.verdict_of_tagless(desired, &live, &standing)
            } else {
                self.verdict_by_addresses(desired, &mut live, record.as_ref(), &standing)
            };
            let is_former = matches!(verdict, Verdict::Likely(Whose::Former));
            // What nobody vouches for says nothing of what was applied.
            if tagless || !(record.is_some() || is_former || matches!(self.verifier, Verifier::Denied)) {
                live.applied = None;
            }
            if !self.settled {
                // What the tagging API said of hosts may be what they carried before.
                live.parts.clear();
                live.tags = live.tags.take().filter(|_| !is_behind(&live, record.as_ref(), memory));
            }
            (live, verdict)
        });
        let mut live = settle(judged.collect());
        live.sort_by(|a, b| a.address.cmp(&b.address).then_with(|| a.id.cmp(&b.id)));
        // What the document alone may prove isn't known to be nobody's while nobody can read that.
        let unread = self.untold.as_deref().map_or_else(Vec::new, |untold| {
            let unsure = live.extract_if(.., |live| live.whose.claim().is_some());
            unsure.map(|live| unsure_of(live, untold)).collect()
        });
        Known {
            live,
            memory: memory.cloned().unwrap_or_default(),
            document: self.document.clone(),
            doubt: self.doubt(&standing, latest),
            untold: self.untold.clone(),
            unread,
            denied: matches!(self.verifier, Verifier::Denied),
        }
    }

    /// Whose a thing with tags is, under its address or another one under which it is known. One that the stack remembers
    /// otherwise gets the address back that it had.
    fn verdict_by_addresses(
        &self,
        desired: &Desired,
        live: &mut Live,
        record: Option<&Record>,
        standing: &Standing,
    ) -> Verdict {
        let applied = live.applied.clone();
        for address in known_addresses(desired, live) {
            let verdict = self.verdict(&address, &live.id, (applied.as_deref(), record), standing);
            if !matches!(verdict, Verdict::Not(_)) {
                return verdict;
            }
        }
        let mut lived = self.memory(standing).into_iter().flat_map(|memory| &memory.lived);
        match lived.find(|(address, lived)| address.kind == live.address.kind && lived.id == live.id) {
            Some((address, _)) => {
                let fault = format!("its tag lakewright:address says {}", live.address);
                live.address.clone_from(address);
                Verdict::Proven(Whose::Unproven(fault))
            }
            None => Verdict::Not(self.claim(applied.as_deref()).to_owned()),
        }
    }

    /// Whose a thing without tags is: what the file names is found by its name, within what is the stack's.
    fn verdict_of_tagless(&self, desired: &Desired, live: &Live, standing: &Standing) -> Verdict {
        let is_wanted = desired.resources.iter().any(|wanted| wanted.address == live.address);
        let memory = self.memory(standing);
        let lists =
            |memory: &Memory| memory.lists(&live.address.kind, &live.id) || memory.former.contains(&live.address);
        let may_have_made = memory.is_some_and(|memory| memory.may_have_made(&live.address));
        if memory.is_some_and(lists) {
            Verdict::Proven(Whose::Own)
        } else if is_wanted || may_have_made || *standing == Standing::Former {
            Verdict::Likely(Whose::Own)
        } else {
            Verdict::Not("it can carry no record, and the stack doesn't remember it".to_owned())
        }
    }
}

/// What the document is worth, whatever exists.
fn standing(scope: &Scope, verifier: &Verifier, document: Option<&Document>, untold: Option<&str>) -> Standing {
    let Some(document) = document else { return untold.map_or(Standing::Nothing, |_| Standing::Untold) };
    match verifier {
        _ if document.is_former() => Standing::Former,
        _ if document.signature.is_none() => Standing::Nothing,
        Verifier::Denied => Standing::Trusted,
        Verifier::Key(key) if document.is_signed(scope, &key.public) => Standing::Trusted,
        Verifier::Key(key) if document.memory.key != key.arn => Standing::Doubted(format!(
            "what the stack remembers was signed with another key ({}) than the one that it has now ({})",
            document.memory.key, key.arn
        )),
        Verifier::Key(_) | Verifier::Nothing => Standing::Doubted(
            "what the stack remembers was written by somebody who didn't sign it with the stack's key".to_owned(),
        ),
    }
}

/// That it isn't known whose a thing is, for the document can't be read.
fn unsure_of(live: Live, untold: &str) -> Unread {
    let reason = format!("whose it is isn't known, because what the stack remembers can't be read: {untold}");
    let fix = "see to it that the stack's lease can be read, and plan again";
    let obstacle = Obstacle::new(reason, fix);
    Unread { kind: live.address.kind.clone(), address: Some(live.address), id: Some(live.id), obstacle }
}

/// The key that was found, if it neither signed the document nor is the one that the document names.
fn other_key<'a>(found: &'a Found, document: &Document, scope: &Scope) -> Option<&'a str> {
    match found {
        Found::Key(key) if document.memory.key != key.arn && !document.is_signed(scope, &key.public) => Some(&key.arn),
        _ => None,
    }
}

/// Whether a thing shows tags that it had before the last apply: its record is older than the one that was written then.
fn is_behind(live: &Live, record: Option<&Record>, memory: Option<&Memory>) -> bool {
    let listed = memory.and_then(|memory| memory.listed(&live.address, &live.id));
    listed.is_some_and(|listed| record.is_none_or(|record| record.serial < listed.serial))
}

/// What is wrong with the record of something that the stack remembers.
fn fault(applied: Option<&str>) -> String {
    match applied {
        None => "its record is missing".to_owned(),
        Some(applied) if applied.starts_with(FORMER) => {
            "its record is missing, but for one of the former format".to_owned()
        }
        Some(_) => "its record is forged".to_owned(),
    }
}

/// The addresses under which a thing may be known: its own, one before it was renamed, and one that it gave up.
fn known_addresses(desired: &Desired, live: &Live) -> Vec<Address> {
    let renamed = desired.moved.iter().filter(|moved| moved.to == live.address).map(|moved| moved.from.clone());
    let given_up = live.address.name.split_once('@').map(|(name, _)| Address::new(&live.address.kind, name));
    let given_up =
        given_up.filter(|address| replaced(&Live { address: address.clone(), ..live.clone() }) == live.address);
    [live.address.clone()].into_iter().chain(renamed).chain(given_up).collect()
}

/// What becomes of the verdicts where several things have one address.
fn settle(judged: Vec<(Live, Verdict)>) -> Vec<Live> {
    let mut counts: BTreeMap<Address, (usize, usize)> = BTreeMap::new();
    for (live, verdict) in &judged {
        let (proven, likely) = counts.entry(live.address.clone()).or_default();
        match verdict {
            Verdict::Proven(_) => *proven += 1,
            Verdict::Likely(_) => *likely += 1,
            Verdict::Not(_) => {}
        }
    }
    let one = |(live, verdict): (Live, Verdict)| {
        let claimed = |reason: &str| Whose::Claimed(reason.to_owned());
        let whose = match (verdict, counts[&live.address]) {
            (Verdict::Proven(whose), _) | (Verdict::Likely(whose), (0, 1)) => whose,
            (Verdict::Likely(_), (0, _)) => claimed(
                "several carry its address, of which an interrupted apply made one at most, and none has a record",
            ),
            (Verdict::Likely(_), _) => claimed("it has no record, and another one is known to be the stack's"),
            (Verdict::Not(reason), _) => Whose::Claimed(reason),
        };
        Live { whose, ..live }
    };
    judged.into_iter().map(one).collect()
}
