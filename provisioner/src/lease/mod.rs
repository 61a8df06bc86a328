//! One apply at a time: a lease in S3, taken by a conditional write, renewed while the apply runs, over by itself when
//! its holder dies.

mod bucket;
mod document;
mod earlier;
mod keeper;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use lakewright_aws::Deadline;
use tokio::task::JoinHandle;

use document::VERSION;
pub use document::{Document, Entry, Holder, Lived, Memory, Millis, Process};
pub use earlier::signed_by_another;
use keeper::{Keeper, next};
pub use keeper::{gone, isnt_the_one};
pub use place::is_unreadable;
use place::{Place, Version};

use crate::intents::Intents;
use crate::kind::Context;
use crate::record::{Scope, Signer};
use crate::resource::{Address, Unread};

/// How long a lease holds unless it is renewed.
const HOLDS: Duration = Duration::from_secs(90);
/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(25);
/// How long before its end nothing more is sent: requests need time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(15);

/// A lease that this process holds.
pub struct Lease {
    keeper: Arc<Keeper>,
    renewing: JoinHandle<()>,
}

/// What can be said while somebody else holds the lease.
pub trait Waiting {
    /// Somebody else holds it until then; it is waited for.
    fn held(&self, holder: &str, until: &str);
    /// It is taken over from a holder that is gone.
    fn taken_over(&self, holder: &str, why: &str);
}

/// What the lease object says, without taking the lease; none before the first apply.
pub async fn look(context: &Context) -> Result<Option<Document>> {
    Ok(place(context).read().await?.map(|version| version.document))
}

/// What the lease object said before, the latest first, as far as its bucket keeps that; further back than usual where nothing
/// of it counts.
pub async fn earlier(context: &Context, counts: impl Fn(&Document) -> bool) -> Result<Vec<Document>> {
    place(context).earlier(counts).await
}

impl Document {
    /// Who holds the lease at that time, and until when, for people.
    pub fn held(&self, now: SystemTime) -> Option<(String, String)> {
        let holder = self.holder.as_ref().filter(|_| self.expires > now.into())?;
        (!holder.process.has_ended()).then(|| (holder.to_string(), self.expires.to_string()))
    }
}

/// The signer of the context's stack.
pub fn signer(context: &Context) -> Signer {
    let Context { stack, account, region, .. } = context.clone();
    Signer::new(&context.aws, Scope { stack, account, region }, context.pace.poll)
}

fn place(context: &Context) -> Place {
    Place::new(context)
}

/// Takes the lease of the stack for a command. While another holds it, its end is waited for once: a holder that died
/// lets it expire, one that still runs renews it and is named by the error.
pub async fn take(context: &Context, command: &str, waiting: &dyn Waiting) -> Result<Lease> {
    let place = place(context);
    let mut patience: Option<Millis> = None;
    loop {
        let Some(found) = place.read().await? else {
            place.make().await?;
            let document = held(context, command, None);
            if let Some(version) = place.write(&document, None).await? {
                return Ok(Lease::hold(context, place, version, BTreeMap::new()));
            }
            continue;
        };
        let now = Millis::from(context.aws.now());
        if let Some(holder) = &found.document.holder {
            if holder.process.has_ended() {
                waiting.taken_over(&holder.to_string(), "its process has ended");
            } else if found.document.expires > now {
                let (holder, until) = (holder.to_string(), found.document.expires.to_string());
                let end = *patience.get_or_insert_with(|| {
                    waiting.held(&holder, &until);
                    found.document.expires
                });
                if now > end {
                    bail!(
                        "{holder} applies this stack, and holds its lease until {until}; wait for its end, or take the \
                         lease away with `lakewright unlock` if you know that it is dead"
                    );
                }
                let left = SystemTime::from(end).duration_since(now.into()).unwrap_or_default();
                tokio::time::sleep(left.min(Duration::from_secs(2)) + Duration::from_millis(10)).await;
                continue;
            } else {
                waiting.taken_over(&holder.to_string(), &format!("it expired at {}", found.document.expires));
            }
        }
        if found.document.is_former() {
            // The version before kept no versions in its bucket: from now on this document is one that can be put back.
            place.make().await?;
        }
        let document = held(context, command, Some(&found.document));
        let inherited = inherited(&found.document, context.aws.now().into());
        if let Some(version) = place.write(&document, Some(&found.etag)).await? {
            return Ok(Lease::hold(context, place, version, inherited));
        }
    }
}

/// Takes the lease away from its holder, whoever that is; returns the holder. Its apply sends nothing more as soon as
/// it sees that, at its next renewal at the latest.
pub async fn unlock(context: &Context) -> Result<Option<Holder>> {
    let place = place(context);
    loop {
        let found = match place.read().await {
            // What nobody can read holds nothing. Whoever wrote it doesn't get what was signed before deleted by it.
            Err(error) if is_unreadable(&error) => {
                if place.put_aside_unreadable().await? {
                    return Ok(None);
                }
                continue;
            }
            found => found?,
        };
        let Some(found) = found else { return Ok(None) };
        let Some(holder) = found.document.holder.clone() else { return Ok(None) };
        let serial = next(found.document.serial, context.aws.now());
        let free = Document { holder: None, serial, ..found.document };
        if place.write(&free, Some(&found.etag)).await?.is_some() {
            return Ok(Some(holder));
        }
    }
}

/// Puts aside what stands in the lease's place, if nobody can read it still: one that somebody wrote meanwhile stays, with its holder.
pub async fn put_aside_unreadable(context: &Context) -> Result<()> {
    place(context).put_aside_unreadable().await?;
    Ok(())
}

/// What the holder before was about to make, and when it can have asked for it last: not only when it noted that, but for
/// as long as it held the lease. A throttled request, and one that was waited for before it was repeated, goes out late.
fn inherited(before: &Document, now: Millis) -> BTreeMap<Address, Millis> {
    let last = now.min(before.expires);
    before.memory.intents.iter().map(|(address, noted)| (address.clone(), last.max(*noted))).collect()
}

/// The document that says that this process holds the lease.
fn held(context: &Context, command: &str, before: Option<&Document>) -> Document {
    let now = context.aws.now();
    let holder = Holder {
        id: uuid::Uuid::new_v4().simple().to_string(),
        user: std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "somebody".to_owned()),
        host: std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map_or_else(|_| String::new(), |h| h.trim().to_owned()),
        command: command.to_owned(),
        since: now.into(),
        process: Process::this(),
    };
    let before = before.cloned().unwrap_or_else(|| Document {
        version: VERSION,
        serial: 0,
        nonce: context.nonce.clone(),
        holder: None,
        expires: Millis::default(),
        key_noted: None,
        key_going: None,
        memory: Memory::default(),
        signature: None,
    });
    let serial = next(before.serial, now);
    Document { serial, holder: Some(holder), expires: (now + HOLDS).into(), ..before }
}

impl Lease {
    fn hold(context: &Context, place: Place, version: Version, inherited: BTreeMap<Address, Millis>) -> Self {
        let deadline = Deadline::at(Keeper::limit(version.document.expires));
        // Who loses the lease while it makes the key sends nothing more either.
        let signer = signer(&Context { aws: context.aws.until(deadline.clone()), ..context.clone() });
        let with = (context.aws.clone(), signer, deadline);
        let keeper = Arc::new(Keeper::new(place, with, context.pace.settles, version, inherited));
        let renewing = tokio::spawn(keeper.clone().renew());
        Self { keeper, renewing }
    }

    /// The context for an apply under the lease: its requests end with it, its tokens are the interrupted apply's, and what
    /// it makes is signed.
    pub async fn context(&self, context: &Context) -> Context {
        let nonce = self.keeper.nonce().await;
        let aws = context.aws.until(self.keeper.deadline.clone());
        let records = context.records.clone().kept_by(self.keeper.clone());
        Context { aws, nonce, intents: Intents::kept_by(self.keeper.clone()), records, ..context.clone() }
    }

    /// Notes what whoever looked at the stack found its document to be worth: `is_doubted` says that it isn't trusted. One of the
    /// version before counts only once somebody has looked, or while the stack has no key.
    pub async fn judged(&self, is_doubted: bool) {
        self.keeper.judged(!is_doubted).await;
    }

    /// Notes what is about to be made. Where anything is made or changed that is signed, also if the note is there already:
    /// an error says that who applies can't sign, before anything was done.
    pub async fn begin(&self, making: BTreeSet<Address>, signs: bool) -> Result<()> {
        if signs {
            return self.keeper.begin(making).await;
        }
        self.keeper.remember(|memory| memory.making.extend(making), |_| {}).await
    }

    /// Signs what was remembered since the last write. An error says that it isn't remembered.
    pub async fn keep(&self) -> Result<()> {
        self.keeper.remember(|_| {}, |_| {}).await
    }

    /// Puts back what the stack remembered once.
    pub async fn restore(&self, memory: Memory) -> Result<()> {
        self.keeper.remember(|known| *known = memory, |_| {}).await
    }

    /// Counts on from a serial that records have.
    pub async fn count_from(&self, serial: u64) -> Result<()> {
        self.keeper.remember(|memory| memory.serial = memory.serial.max(serial), |_| {}).await
    }

    /// Makes a new key in place of one that can't be used any more. What was signed with that one counts for nothing.
    pub async fn replace_key(&self) -> Result<()> {
        self.keeper.replace_key().await
    }

    /// Notes what somebody decided, for whoever asks later.
    pub async fn note(&self, what: String) -> Result<()> {
        let (at, by) = (Millis::from(self.keeper.clock.now()), self.keeper.holder().await);
        self.keeper.remember(|memory| memory.log.push(Entry { at, by, what }), |_| {}).await
    }

    /// Gives the lease back after an apply.
    pub async fn release(self, end: End) -> Result<()> {
        // Making the key takes minutes: the lease is renewed until it is there.
        let ready = self.keeper.ready().await;
        self.stop_renewing().await;
        let End { lives, made, failed, refused, unread, answered, complete } = end;
        let nonce = answered.then(|| uuid::Uuid::new_v4().simple().to_string());
        let change = |document: &mut Document| {
            document.holder = None;
            if let Some(nonce) = &nonce {
                document.nonce.clone_from(nonce);
            }
        };
        let remember = |memory: &mut Memory| {
            memory.intents.retain(|address, _| !complete && !made.contains(address) && !refused.contains(address));
            let before = std::mem::take(&mut memory.lived);
            let serial = |address: &Address, id: &str| {
                before.get(address).filter(|lived| lived.id == id).map_or(0, |lived| lived.serial)
            };
            // What couldn't be read may exist: what is known of it is all that says whose it is once it can be read again.
            let is_unread = |address: &Address| unread.iter().any(|one| one.means(address));
            let stays = |address: &Address| lives.contains_key(address) || is_unread(address);
            // A note that something is being made lets a bare tag say that it is the stack's: it stays only where a call went
            // out whose effect isn't known.
            memory.making.retain(|address| !complete && (failed.contains(address) || is_unread(address)));
            memory.former.retain(&stays);
            memory.applied.retain(|address, _| stays(address));
            let is_found = |kind: &str, id: &str| lives.iter().any(|(address, one)| address.kind == kind && one == id);
            let is_left = |address: &Address, lived: &Lived| {
                let is_it = |one: &Unread| one.kind == address.kind && one.id.as_deref() == Some(lived.id.as_str());
                (is_unread(address) || unread.iter().any(is_it)) && !is_found(&address.kind, &lived.id)
            };
            let left = before.iter().filter(|(address, lived)| is_left(address, lived));
            let left: Vec<_> = left.map(|(address, lived)| (address.clone(), lived.clone())).collect();
            let known = |(address, id): (&Address, &String)| {
                (address.clone(), Lived { id: id.clone(), serial: serial(address, id) })
            };
            memory.lived = left.into_iter().chain(lives.iter().map(known)).collect();
        };
        let remembered = match ready {
            Ok(_) => self.keeper.remember(remember, change).await,
            Err(error) => Err(error),
        };
        if remembered.is_err() {
            // What can't be signed isn't remembered, and holds nobody up.
            self.keeper.change(change).await?;
        }
        remembered
    }

    /// Gives the lease back although no plan was carried out under it: what an interrupted apply left there stays.
    pub async fn give_back(self) -> Result<()> {
        self.stop_renewing().await;
        self.keeper.change(|document| document.holder = None).await
    }

    /// Takes the stack's key away after a destroy, and then the lease's object, which names the key until it is gone: nothing
    /// of the stack is left. Only while the lease is this process's.
    pub async fn remove(self) -> Result<()> {
        self.stop_renewing().await;
        let key = self.keeper.forget().await?;
        self.keeper.signer.remove(key.as_deref()).await?;
        self.keeper.place.remove().await
    }

    /// Ends the renewals, none of them halfway: its write would look like somebody else's.
    async fn stop_renewing(&self) {
        self.keeper.at_rest(|| self.renewing.abort()).await;
    }
}

/// What an apply came to, as far as the next one must know.
#[derive(Debug)]
pub struct End {
    /// The identifiers of what exists now.
    pub lives: BTreeMap<Address, String>,
    /// What it made: nothing of that is looked for any more.
    pub made: BTreeSet<Address>,
    /// What it failed to make, and may have made all the same.
    pub failed: BTreeSet<Address>,
    /// What it failed to make, for AWS answered that it doesn't.
    pub refused: BTreeSet<Address>,
    /// What couldn't be read, and may exist.
    pub unread: Vec<Unread>,
    /// Whether every call was answered, so that no token needs to be used again.
    pub answered: bool,
    /// Whether everything is as the stack file says.
    pub complete: bool,
}
