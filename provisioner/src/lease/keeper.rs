//! Who keeps a lease while it is held: renews it, and signs what the apply under it comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Aws, Deadline};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::document::{Document, Lived, Memory, Millis, VERSION};
use super::place::{Place, Version};
use super::{HOLDS, MARGIN, RENEWED};
use crate::intents::Notes;
use crate::kind::applied::FORMAT;
use crate::record::{Found, Keep, Key, Record, Signer};
use crate::resource::Address;

/// Keeps a lease.
pub(super) struct Keeper {
    pub(super) place: Place,
    pub(super) clock: Aws,
    pub(super) signer: Signer,
    /// How long what was made may stay out of the account's lists.
    pub(super) settles: Duration,
    held: Mutex<Held>,
    /// Held by who looks for the stack's key or makes it, which takes minutes: the lease is renewed meanwhile.
    finding: Mutex<()>,
    /// What an interrupted apply was about to make.
    inherited: BTreeMap<Address, Millis>,
    pub(super) deadline: Deadline,
    lost: CancellationToken,
}

/// What is held.
struct Held {
    /// The document as it was written last.
    version: Version,
    /// What the document is to remember with the next write.
    memory: Memory,
    /// The stack's key, once something was signed.
    key: Option<Key>,
    /// Whether a document of the version before counts: whoever looked at what exists found nothing that is signed.
    former_counts: bool,
    /// The serials of the records that were signed.
    signed: BTreeMap<Address, u64>,
}

/// What a write signs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signing {
    /// What is remembered, whether it has changed or not.
    Always,
    /// What is remembered, if it has changed.
    Must,
    /// The same if that can be signed.
    May,
    /// Nothing.
    Never,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeper({})", self.place.name())
    }
}

impl Keeper {
    /// Keeps the lease that this version of the document gives.
    pub(super) fn new(
        place: Place,
        (clock, signer, deadline): (Aws, Signer, Deadline),
        settles: Duration,
        version: Version,
        inherited: BTreeMap<Address, Millis>,
    ) -> Self {
        let memory = version.document.memory.clone();
        let held = Held { version, memory, key: None, former_counts: false, signed: BTreeMap::new() };
        let (held, finding) = (Mutex::new(held), Mutex::new(()));
        Self { place, clock, signer, settles, held, finding, inherited, deadline, lost: CancellationToken::new() }
    }

    /// Until when requests may be sent under a lease that ends then.
    pub(super) fn limit(expires: Millis) -> SystemTime {
        SystemTime::from(expires) - MARGIN
    }

    /// Notes whether a document of the version before counts.
    pub(super) async fn judged(&self, former_counts: bool) {
        self.held.lock().await.former_counts = former_counts;
    }

    /// The nonce of client tokens.
    pub(super) async fn nonce(&self) -> String {
        self.held.lock().await.version.document.nonce.clone()
    }

    /// Forgets all that was signed, and notes the key that it was signed with, which is about to go; returns its ARN.
    pub(super) async fn forget(&self) -> Result<Option<String>> {
        let mut held = self.held.lock().await;
        let document = &held.version.document;
        let remembered = Some(&document.memory.key).filter(|key| !key.is_empty());
        let key = held.key.as_ref().map(|key| &key.arn).or(remembered).or(document.key_going.as_ref()).cloned();
        held.memory = Memory::default();
        let expires = Millis::from(self.clock.now() + HOLDS);
        let forget = |document: &mut Document| {
            document.memory = Memory::default();
            document.signature = None;
            document.key_going.clone_from(&key);
            document.expires = expires;
        };
        self.write(&mut held, Signing::May, &forget).await?;
        self.deadline.move_to(Self::limit(expires));
        Ok(key)
    }

    /// Who holds the lease.
    pub(super) async fn holder(&self) -> String {
        let holder = self.held.lock().await.version.document.holder.clone();
        holder.map_or_else(|| "nobody".to_owned(), |holder| holder.to_string())
    }

    /// Makes a new key, forgets what the old one signed, and signs that.
    pub(super) async fn replace_key(&self) -> Result<()> {
        let _finding = self.finding.lock().await;
        let noted = self.note_key().await?;
        self.signer.forget().await?;
        let key = self.signer.make(noted.map(Into::into), self.settles).await?;
        let mut held = self.held.lock().await;
        held.key = Some(key);
        held.memory = Memory::default();
        self.write(&mut held, Signing::Always, &|_| {}).await
    }

    /// Does it while no write is halfway.
    pub(super) async fn at_rest(&self, act: impl FnOnce()) {
        let _held = self.held.lock().await;
        act();
    }

    /// Renews the lease until it is lost.
    pub(super) async fn renew(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RENEWED).await;
            let now = self.clock.now();
            let mut held = self.held.lock().await;
            match self.write(&mut held, Signing::May, &|document| document.expires = (now + HOLDS).into()).await {
                Ok(()) => self.deadline.move_to(Self::limit((now + HOLDS).into())),
                Err(_) if self.lost.is_cancelled() => return,
                // The deadline stays where it is: requests end there unless a later renewal succeeds.
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the lease was not renewed"),
            }
        }
    }

    /// Changes what only concerns the lease, and writes what is to be remembered if it can be signed.
    pub(super) async fn change(&self, change: impl Fn(&mut Document) + Sync) -> Result<()> {
        self.write(&mut *self.held.lock().await, Signing::May, &change).await
    }

    /// Changes what the stack knows of itself, and the lease with it.
    pub(super) async fn remember(
        &self,
        remember: impl FnOnce(&mut Memory) + Send,
        change: impl Fn(&mut Document) + Sync,
    ) -> Result<()> {
        // What is kept must be known before it is changed: nothing unsigned gets into it.
        self.ready().await?;
        let mut held = self.held.lock().await;
        remember(&mut held.memory);
        self.write(&mut held, Signing::Must, &change).await
    }

    /// Notes what is about to be made, and signs that whether it is new or not.
    pub(super) async fn begin(&self, making: BTreeSet<Address>) -> Result<()> {
        self.ready().await?;
        let mut held = self.held.lock().await;
        held.memory.making.extend(making);
        self.write(&mut held, Signing::Always, &|_| {}).await
    }

    async fn write(&self, held: &mut Held, signing: Signing, change: &(dyn Fn(&mut Document) + Sync)) -> Result<()> {
        loop {
            let mut document = held.version.document.clone();
            document.serial = next(document.serial, self.clock.now());
            change(&mut document);
            let is_due = match signing {
                Signing::Always => true,
                Signing::Must => held.memory != document.memory || document.signature.is_none(),
                Signing::May => held.memory != document.memory,
                Signing::Never => false,
            };
            if is_due {
                match self.signed(held, &mut document).await {
                    Err(error) if signing == Signing::May => {
                        tracing::warn!(error = format!("{error:#}"), "what was made is not remembered yet");
                    }
                    signed => signed?,
                }
            }
            if let Some(written) = self.place.write(&document, Some(&held.version.etag)).await? {
                held.version = written;
                return Ok(());
            }
            // A write of this very process, whose answer never came, is nobody else's.
            let own = |found: &Version| match (&found.document.holder, &held.version.document.holder) {
                (Some(found), Some(own)) => found.id == own.id,
                _ => false,
            };
            match self.place.read().await?.filter(own) {
                // What was to be remembered with the next change hasn't been written yet.
                Some(found) => held.version.etag = found.etag,
                None => {
                    self.deadline.end();
                    self.lost.cancel();
                    bail!("somebody took the lease {} away: nothing more is sent to AWS", self.place.name())
                }
            }
        }
    }

    /// Puts what is to be remembered into the document, signed.
    async fn signed(&self, held: &mut Held, document: &mut Document) -> Result<()> {
        let key = held.key.clone().context("the stack's key isn't known yet")?;
        let scope = self.signer.scope();
        held.memory.stack.clone_from(&scope.stack);
        held.memory.account.clone_from(&scope.account);
        held.memory.region.clone_from(&scope.region);
        held.memory.key.clone_from(&key.arn);
        // A document that was put back, or made anew in a hurry, counts on from what was signed before.
        document.serial = document.serial.max(held.memory.serial + 1);
        held.memory.serial = document.serial;
        held.memory.at = self.clock.now().into();
        let signature = self.signer.sign(&key, &held.memory.text()).await?;
        document.memory = held.memory.clone();
        document.signature = Some(signature.to_string());
        document.version = VERSION;
        document.key_noted = None;
        document.key_going = None;
        Ok(())
    }

    /// The stack's key, made if the stack never had one. What nobody signed with it is forgotten, but for what a document of
    /// the version before says to a stack of which nothing is signed.
    pub(super) async fn ready(&self) -> Result<Key> {
        let _finding = self.finding.lock().await;
        let (document, former_counts) = {
            let held = self.held.lock().await;
            if let Some(key) = &held.key {
                return Ok(key.clone());
            }
            (held.version.document.clone(), held.former_counts)
        };
        let alias = self.signer.alias();
        let (key, counts) = match self.signer.find().await? {
            Found::Key(key) => {
                let is_former = document.is_former() && former_counts;
                let counts = is_former || document.is_signed(self.signer.scope(), &key.public);
                (key, counts)
            }
            Found::Nothing if document.signature.is_some() => bail!(gone(alias, "is gone")),
            Found::Unusable(reason) => bail!(gone(alias, &reason)),
            Found::Denied(error) => return Err(error).with_context(|| format!("read the public key of {alias}")),
            Found::Nothing => {
                let noted = self.note_key().await?;
                if let Some(going) = &document.key_going {
                    self.signer.remove(Some(going)).await?;
                }
                (self.signer.make(noted.map(Into::into), self.settles).await?, document.is_former())
            }
        };
        let mut held = self.held.lock().await;
        if !counts {
            held.memory = Memory::default();
        }
        held.key = Some(key.clone());
        Ok(key)
    }

    /// Notes that the key is about to be made, before anything can be signed; returns when an interrupted attempt noted that.
    async fn note_key(&self) -> Result<Option<Millis>> {
        let mut held = self.held.lock().await;
        let noted = held.version.document.key_noted;
        let first = noted.unwrap_or_else(|| self.clock.now().into());
        self.write(&mut held, Signing::Never, &|document| document.key_noted = Some(first)).await?;
        Ok(noted)
    }
}

/// The next serial: each is greater than the one before, and than those of a document that was lost.
pub(super) fn next(serial: u64, now: SystemTime) -> u64 {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    seconds.max(serial + 1)
}

/// That the key can't be used, and the way out.
pub fn gone(alias: &str, why: &str) -> String {
    format!(
        "the key {alias}, with which the stack signs what it made, {why}; if it can't be brought back, `lakewright recover` \
         makes a new one and signs what you say is the stack's"
    )
}

/// What is wrong with a key at the alias that isn't the one which the memory names.
pub fn isnt_the_one(remembered: &str, found: &str) -> String {
    format!(
        "is another one ({found}) than what the stack remembers was signed with ({remembered}): somebody put it there, or \
         wrote that memory"
    )
}

#[async_trait]
impl Keep for Keeper {
    async fn sign(&self, address: &Address, id: &str, hashes: &str) -> Result<String> {
        let key = self.ready().await?;
        let serial = {
            let mut held = self.held.lock().await;
            let serial = held.version.document.memory.serial;
            held.signed.insert(address.clone(), serial);
            serial
        };
        let text = Record::text(self.signer.scope(), address, id, hashes, serial);
        let signature = self.signer.sign(&key, &text).await?;
        let hashes = hashes.strip_prefix(FORMAT).unwrap_or(hashes).to_owned();
        Ok(Record { serial, signature, hashes }.to_string())
    }

    async fn exists(&self, address: &Address, id: &str, applied: Option<&str>) {
        let mut held = self.held.lock().await;
        let serial = held.signed.get(address).copied().unwrap_or_default();
        let memory = &mut held.memory;
        memory.lived.insert(address.clone(), Lived { id: id.to_owned(), serial });
        memory.applied.extend(applied.map(|hashes| (address.clone(), hashes.to_owned())));
        memory.former.remove(address);
        memory.making.remove(address);
    }

    async fn gone(&self, address: &Address, id: &str) {
        let memory = &mut self.held.lock().await.memory;
        if memory.lived.get(address).is_some_and(|lived| lived.id == id) {
            memory.lived.remove(address);
            memory.applied.remove(address);
        }
        if memory.former.remove(address) {
            memory.applied.remove(address);
        }
    }
}

#[async_trait]
impl Notes for Keeper {
    async fn begin(&self, address: &Address) -> Result<Option<SystemTime>> {
        let now = Millis::from(self.clock.now());
        self.remember(|memory| memory.intents.extend([(address.clone(), now)]), |_| {}).await?;
        Ok(self.inherited.get(address).map(|then| (*then).into()))
    }

    async fn end(&self, address: &Address) -> Result<()> {
        self.remember(|memory| memory.intents.retain(|noted, _| noted != address), |_| {}).await
    }
}
