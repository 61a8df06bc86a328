//! Who keeps a lease while it is held: renews it, and signs what the apply under it comes to.

use std::collections::BTreeMap;
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
    /// The serials of the records that were signed.
    signed: BTreeMap<Address, u64>,
}

/// Whether a write may leave out what it would have to sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signing {
    Must,
    May,
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
        (clock, signer): (Aws, Signer),
        settles: Duration,
        version: Version,
        inherited: BTreeMap<Address, Millis>,
    ) -> Self {
        let deadline = Deadline::at(SystemTime::from(version.document.expires) - MARGIN);
        let memory = version.document.memory.clone();
        let held = Mutex::new(Held { version, memory, key: None, signed: BTreeMap::new() });
        Self { place, clock, signer, settles, held, inherited, deadline, lost: CancellationToken::new() }
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
        Ok(key)
    }

    /// Who holds the lease.
    pub(super) async fn holder(&self) -> String {
        let holder = self.held.lock().await.version.document.holder.clone();
        holder.map_or_else(|| "nobody".to_owned(), |holder| holder.to_string())
    }

    /// Makes a new key, forgets what the old one signed, and signs that.
    pub(super) async fn replace_key(&self) -> Result<()> {
        let mut held = self.held.lock().await;
        let now = Millis::from(self.clock.now());
        let noted = held.version.document.key_noted;
        self.note_key(&mut held, noted.unwrap_or(now)).await?;
        self.signer.forget().await?;
        held.key = Some(self.signer.make(noted.map(Into::into), self.settles).await?);
        held.memory = Memory::default();
        self.write(&mut held, Signing::Must, &|_| {}).await
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
                Ok(()) => self.deadline.move_to(now + HOLDS - MARGIN),
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
        let mut held = self.held.lock().await;
        // What is kept must be known before it is changed: nothing unsigned gets into it.
        self.ready(&mut held).await?;
        remember(&mut held.memory);
        self.write(&mut held, Signing::Must, &change).await
    }

    async fn write(&self, held: &mut Held, signing: Signing, change: &(dyn Fn(&mut Document) + Sync)) -> Result<()> {
        loop {
            let mut document = held.version.document.clone();
            document.serial = next(document.serial, self.clock.now());
            change(&mut document);
            if held.memory != document.memory || (signing == Signing::Must && document.signature.is_none()) {
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
        let key = self.ready(held).await?;
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
    /// the version before says to a stack without a key.
    async fn ready(&self, held: &mut Held) -> Result<Key> {
        if let Some(key) = &held.key {
            return Ok(key.clone());
        }
        let alias = self.signer.alias();
        let had_one = held.version.document.signature.is_some();
        let key = match self.signer.find().await? {
            Found::Key(key) => {
                if !held.version.document.is_signed(self.signer.scope(), &key.public) {
                    held.memory = Memory::default();
                }
                key
            }
            Found::Nothing if had_one => bail!(gone(alias, "is gone")),
            Found::Unusable(reason) => bail!(gone(alias, &reason)),
            Found::Denied(error) => return Err(error).with_context(|| format!("read the public key of {alias}")),
            Found::Nothing => {
                let noted = held.version.document.key_noted;
                let now = Millis::from(self.clock.now());
                self.note_key(held, noted.unwrap_or(now)).await?;
                if !held.version.document.is_former() {
                    held.memory = Memory::default();
                }
                if let Some(going) = &held.version.document.key_going {
                    self.signer.remove(Some(going)).await?;
                }
                self.signer.make(noted.map(Into::into), self.settles).await?
            }
        };
        held.key = Some(key.clone());
        Ok(key)
    }

    /// Notes that the key is about to be made, before anything can be signed.
    async fn note_key(&self, held: &mut Held, noted: Millis) -> Result<()> {
        let mut document = held.version.document.clone();
        document.serial = next(document.serial, self.clock.now());
        document.key_noted = Some(noted);
        match self.place.write(&document, Some(&held.version.etag)).await? {
            Some(written) => held.version = written,
            None => bail!("somebody else wrote {} meanwhile; apply again", self.place.name()),
        }
        Ok(())
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

#[async_trait]
impl Keep for Keeper {
    async fn sign(&self, address: &Address, id: &str, hashes: &str) -> Result<String> {
        let (key, serial) = {
            let mut held = self.held.lock().await;
            let key = self.ready(&mut held).await?;
            let serial = held.version.document.memory.serial;
            held.signed.insert(address.clone(), serial);
            (key, serial)
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
        memory.former.remove(address);
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
