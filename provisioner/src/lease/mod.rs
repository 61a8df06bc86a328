//! One apply at a time: a lease in S3, taken by a conditional write, renewed while the apply runs, over by itself when
//! its holder dies.

mod bucket;
mod document;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::Deadline;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use document::{Document, Holder, Process};
use document::{Millis, VERSION};
use place::{Place, Version};

use crate::intents::{Intents, Notes};
use crate::kind::Context;
use crate::resource::Address;

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

struct Keeper {
    place: Place,
    clock: lakewright_aws::Aws,
    version: Mutex<Version>,
    /// What an interrupted apply was about to make.
    inherited: BTreeMap<Address, Millis>,
    deadline: Deadline,
    lost: CancellationToken,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeper({})", self.place.name())
    }
}

/// What the lease object says, without taking the lease; none before the first apply.
pub async fn look(context: &Context) -> Result<Option<Document>> {
    Ok(place(context).read().await?.map(|version| version.document))
}

impl Document {
    /// Who holds the lease at that time, and until when, for people.
    pub fn held(&self, now: SystemTime) -> Option<(String, String)> {
        let holder = self.holder.as_ref().filter(|_| self.expires > now.into())?;
        (!holder.process.has_ended()).then(|| (holder.to_string(), self.expires.to_string()))
    }
}

fn place(context: &Context) -> Place {
    Place::new(context)
}

/// Takes the lease of the stack for a command. While another holds it, its end is waited for once: a holder that died
/// lets it expire, one that lives renews it and is named by the error.
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
            // What nobody can read holds nothing.
            Err(error) if error.chain().any(<dyn std::error::Error>::is::<serde_json::Error>) => {
                place.remove().await?;
                return Ok(None);
            }
            found => found?,
        };
        let Some(found) = found else { return Ok(None) };
        let Some(holder) = found.document.holder.clone() else { return Ok(None) };
        let free = Document { holder: None, serial: found.document.serial + 1, ..found.document };
        if place.write(&free, Some(&found.etag)).await?.is_some() {
            return Ok(Some(holder));
        }
    }
}

/// What the holder before was about to make, and when it can have asked for it last: not only when it noted that, but for
/// as long as it held the lease. A throttled request, and one that was waited for before it was repeated, goes out late.
fn inherited(before: &Document, now: Millis) -> BTreeMap<Address, Millis> {
    let last = now.min(before.expires);
    before.intents.iter().map(|(address, noted)| (address.clone(), last.max(*noted))).collect()
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
    Document {
        version: VERSION,
        serial: before.map_or(1, |before| before.serial + 1),
        nonce: before.map_or_else(|| context.nonce.clone(), |before| before.nonce.clone()),
        holder: Some(holder),
        expires: (now + HOLDS).into(),
        intents: before.map(|before| before.intents.clone()).unwrap_or_default(),
        lived: before.map(|before| before.lived.clone()).unwrap_or_default(),
        applied: before.map(|before| before.applied.clone()).unwrap_or_default(),
    }
}

impl Lease {
    fn hold(context: &Context, place: Place, version: Version, inherited: BTreeMap<Address, Millis>) -> Self {
        let deadline = Deadline::at(SystemTime::from(version.document.expires) - MARGIN);
        let keeper = Arc::new(Keeper {
            place,
            clock: context.aws.clone(),
            version: Mutex::new(version),
            inherited,
            deadline,
            lost: CancellationToken::new(),
        });
        let renewing = tokio::spawn(keeper.clone().renew());
        Self { keeper, renewing }
    }

    /// The context for an apply under the lease: its requests end with it, its tokens are the interrupted apply's.
    pub async fn context(&self, context: &Context) -> Context {
        let nonce = self.keeper.version.lock().await.document.nonce.clone();
        let aws = context.aws.until(self.keeper.deadline.clone());
        Context { aws, nonce, intents: Intents::kept_by(self.keeper.clone()), ..context.clone() }
    }

    /// Remembers what was applied to what carries no tags; written with the next change of the document.
    pub async fn remember(&self, applied: BTreeMap<Address, String>) {
        self.keeper.version.lock().await.document.applied.extend(applied);
    }

    /// Gives the lease back after an apply.
    pub async fn release(self, end: End) -> Result<()> {
        self.stop_renewing().await;
        let change = |document: &mut Document| {
            document.holder = None;
            document.intents.retain(|address, _| !end.made.contains(address));
            document.lived.clone_from(&end.lives);
            document.applied.retain(|address, _| end.lives.contains(address));
            if end.answered {
                document.nonce = uuid::Uuid::new_v4().simple().to_string();
            }
            if end.complete {
                document.intents.clear();
            }
        };
        self.keeper.change(change).await
    }

    /// Gives the lease back although nothing was done under it: what an interrupted apply left there stays.
    pub async fn give_back(self) -> Result<()> {
        self.stop_renewing().await;
        self.keeper.change(|document| document.holder = None).await
    }

    /// Gives the lease back after something came under the address; `applied` are the hashes of what carries no tags.
    pub async fn give_back_with(self, address: &Address, applied: Option<&str>) -> Result<()> {
        self.stop_renewing().await;
        let change = |document: &mut Document| {
            document.holder = None;
            document.lived.insert(address.clone());
            document.applied.extend(applied.map(|hashes| (address.clone(), hashes.to_owned())));
        };
        self.keeper.change(change).await
    }

    /// Takes the lease's object away after a destroy: nothing of the stack is left. Only while it is this process's.
    pub async fn remove(self) -> Result<()> {
        self.stop_renewing().await;
        self.keeper.change(|document| document.expires = Millis::from(self.keeper.clock.now() + HOLDS)).await?;
        self.keeper.place.remove().await
    }

    /// Ends the renewals, none of them halfway: its write would look like somebody else's.
    async fn stop_renewing(&self) {
        let _version = self.keeper.version.lock().await;
        self.renewing.abort();
    }
}

/// What an apply came to, as far as the next one must know.
#[derive(Debug)]
pub struct End {
    /// What lives now.
    pub lives: BTreeSet<Address>,
    /// What it made: nothing of that is looked for any more.
    pub made: BTreeSet<Address>,
    /// Whether every call was answered, so that no token needs to be used again.
    pub answered: bool,
    /// Whether everything is as the stack file says.
    pub complete: bool,
}

impl Keeper {
    /// Renews the lease until it is lost.
    async fn renew(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RENEWED).await;
            let now = self.clock.now();
            match self.change(|document| document.expires = (now + HOLDS).into()).await {
                Ok(()) => self.deadline.move_to(now + HOLDS - MARGIN),
                Err(_) if self.lost.is_cancelled() => return,
                // The deadline stays where it is: requests end there unless a later renewal succeeds.
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the lease was not renewed"),
            }
        }
    }

    async fn change(&self, change: impl Fn(&mut Document)) -> Result<()> {
        let mut version = self.version.lock().await;
        loop {
            let mut document = version.document.clone();
            document.serial += 1;
            change(&mut document);
            if let Some(written) = self.place.write(&document, Some(&version.etag)).await? {
                *version = written;
                return Ok(());
            }
            // A write of this very process, whose answer never came, is nobody else's.
            let own = |found: &Version| match (&found.document.holder, &version.document.holder) {
                (Some(found), Some(own)) => found.id == own.id,
                _ => false,
            };
            match self.place.read().await?.filter(own) {
                // What was to be remembered with the next change hasn't been written yet.
                Some(found) => version.etag = found.etag,
                None => {
                    self.deadline.end();
                    self.lost.cancel();
                    bail!("somebody took the lease {} away: nothing more is sent to AWS", self.place.name())
                }
            }
        }
    }
}

#[async_trait]
impl Notes for Keeper {
    async fn begin(&self, address: &Address) -> Result<Option<SystemTime>> {
        let now = Millis::from(self.clock.now());
        self.change(|document| document.intents.extend([(address.clone(), now)])).await?;
        Ok(self.inherited.get(address).map(|then| (*then).into()))
    }

    async fn end(&self, address: &Address) -> Result<()> {
        self.change(|document| document.intents.retain(|noted, _| noted != address)).await
    }
}
