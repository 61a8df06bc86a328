//! A stack's key in KMS: found by its alias, made with the first record, gone with the last.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use aws_sdk_kms::primitives::{Blob, DateTime};
use aws_sdk_kms::types::{KeySpec, KeyState, KeyUsageType, MessageType, SigningAlgorithmSpec, Tag};
use aws_sdk_resourcegroupstagging::types::TagFilter;
use lakewright_aws::{Aws, Error, ErrorKind, Needed as _, ask, ask_all, ask_once};
use tokio::time::Instant;

use super::{PublicKey, Scope, Signature};
use crate::names;
use crate::services::Services as _;

/// What whoever applies a stack does with its key; who plans asks `GetPublicKey` only.
pub const ACTIONS: &[&str] = &[
    "kms:CreateKey",
    "kms:TagResource",
    "kms:CreateAlias",
    "kms:GetPublicKey",
    "kms:Sign",
    "kms:DescribeKey",
    "kms:ListResourceTags",
    "kms:DeleteAlias",
    "kms:ScheduleKeyDeletion",
    "tag:GetResources",
];
/// The tag of the stack that a key belongs to, as its resources have it.
const STACK: &str = "lakewright:stack";
/// The tag that distinguishes this key from those of the stack's resources.
const PURPOSE: (&str, &str) = ("lakewright:purpose", "records");
/// How many days the key can be restored after it went.
const RESTORED: i32 = 7;
/// How long KMS may deny knowing what was just made.
const KNOWN: Duration = Duration::from_secs(60);

/// A key with its public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its ARN.
    pub arn: String,
    /// The half that verifies.
    pub public: PublicKey,
}

/// What stands at the alias of a stack's key.
#[derive(Debug, Clone)]
pub enum Found {
    /// The key.
    Key(Key),
    /// Nothing.
    Nothing,
    /// Something that can't be used: the reason, and the way out.
    Unusable(String),
    /// The caller may not ask.
    Denied(Error),
}

/// Who makes a stack's key, signs with it and deletes it.
#[derive(Debug, Clone)]
pub struct Signer {
    aws: Aws,
    alias: String,
    scope: Scope,
    poll: Duration,
}

impl Signer {
    /// The signer of a stack; `poll` is the pause between two looks at what KMS doesn't know yet.
    pub fn new(aws: &Aws, scope: Scope, poll: Duration) -> Self {
        let alias = names::record_key(&scope.stack);
        Self { aws: aws.clone(), alias, scope, poll }
    }

    /// The stack that it signs for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The alias of the stack's key.
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// The key at the alias: one request.
    pub async fn find(&self) -> Result<Found> {
        let answer = match ask(self.aws.kms().get_public_key().key_id(&self.alias).send()).await {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => return Ok(Found::Nothing),
            Err(error) if error.is_denied() => return Ok(Found::Denied(error)),
            Err(error) if error.kind == ErrorKind::WrongState => {
                return Ok(Found::Unusable(format!(
                    "is switched off or waits for its deletion ({}); `aws kms cancel-key-deletion` and `aws kms enable-key` \
                     bring it back",
                    error.message
                )));
            }
            Err(error) if error.kind == ErrorKind::Invalid => {
                return Ok(Found::Unusable(format!("is no key that signs ({})", error.message)));
            }
            Err(error) => return Err(error).with_context(|| format!("read the public key of {}", self.alias)),
        };
        let public = answer.public_key.as_ref().map(Blob::as_ref).needed("kms", "GetPublicKey.PublicKey")?;
        let arn = answer.key_id.needed("kms", "GetPublicKey.KeyId")?;
        Ok(match PublicKey::read(public) {
            Some(public) => Found::Key(Key { arn, public }),
            None => Found::Unusable("is no key on P-256".to_owned()),
        })
    }

    /// Makes the key and names it. `noted` is when an interrupted attempt was at the same point: its key, made since then,
    /// is looked for until the tagging API has had `settles` to know it. KMS has neither tokens nor unique names for keys.
    pub async fn make(&self, noted: Option<SystemTime>, settles: Duration) -> Result<Key> {
        let left = match noted {
            Some(noted) => self.left(noted, settles).await?,
            None => None,
        };
        let arn = match left {
            Some(arn) => arn,
            None => self.create(settles).await.with_context(|| format!("make the key {}", self.alias))?,
        };
        let kms = self.aws.kms();
        let name = kms.create_alias().alias_name(&self.alias).target_key_id(&arn);
        match self.known(|| ask(name.clone().send())).await {
            Ok(_) => {}
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(error).with_context(|| format!("name the key {arn} {}", self.alias)),
        }
        let start = Instant::now();
        loop {
            match self.find().await? {
                Found::Key(key) => return Ok(key),
                Found::Nothing if start.elapsed() < KNOWN => tokio::time::sleep(self.poll).await,
                Found::Nothing => bail!("KMS doesn't know the alias {} although it was made; apply again", self.alias),
                Found::Unusable(reason) => bail!("the key {} {reason}", self.alias),
                Found::Denied(error) => return Err(error).context("read the public key that was just made"),
            }
        }
    }

    /// Makes a key. One that was made although no answer came is looked for before it is asked for once more.
    async fn create(&self, settles: Duration) -> Result<String> {
        let tags = [(STACK, self.scope.stack.as_str()), PURPOSE];
        let tags = tags.map(|(key, value)| Tag::builder().tag_key(key).tag_value(value).build());
        let call = self.aws.kms().create_key().key_spec(KeySpec::EccNistP256).key_usage(KeyUsageType::SignVerify);
        let call = call.description(format!("signs what the stack {} knows of itself", self.scope.stack));
        let call = call.set_tags(Some(tags.into_iter().collect::<Result<_, _>>().context("tag the key")?));
        let mut again = true;
        loop {
            let asked = self.aws.now();
            let error = match ask_once(call.clone().send()).await {
                Ok(made) => {
                    let arn = made.key_metadata.and_then(|metadata| metadata.arn);
                    return Ok(arn.needed("kms", "CreateKey.KeyMetadata.Arn")?);
                }
                Err(error) if error.lost => error,
                Err(error) => return Err(error.into()),
            };
            if let Some(arn) = self.left(asked, settles).await? {
                return Ok(arn);
            }
            if !again {
                return Err(error.into());
            }
            again = false;
        }
    }

    /// Signs a text of at most 4,096 bytes.
    pub async fn sign(&self, key: &Key, text: &str) -> Result<Signature> {
        let message = Blob::new(text.as_bytes());
        let call = self.aws.kms().sign().key_id(&key.arn).message(message).message_type(MessageType::Raw);
        let call = call.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
        let answer = match self.known(|| ask(call.clone().send())).await {
            Ok(answer) => answer,
            Err(error) if error.is_denied() => {
                return Err(error).with_context(|| {
                    format!(
                        "who applies the stack {} signs what it makes with the key {}, and these credentials may not; \
                         plans need no such right",
                        self.scope.stack, self.alias
                    )
                });
            }
            Err(error) => return Err(error).with_context(|| format!("sign with the key {}", self.alias)),
        };
        let der = answer.signature.as_ref().map(Blob::as_ref).needed("kms", "Sign.Signature")?;
        match Signature::from_der(der).filter(|signature| key.public.verifies(text, signature)) {
            Some(signature) => Ok(signature),
            None => bail!("KMS answered a signature of {} that its public key doesn't verify", self.alias),
        }
    }

    /// Takes the alias from a key that can't be used.
    pub async fn forget(&self) -> Result<()> {
        match ask(self.aws.kms().delete_alias().alias_name(&self.alias).send()).await {
            Err(error) if !error.is_not_found() => {
                Err(error).with_context(|| format!("delete the alias {}", self.alias))
            }
            _ => Ok(()),
        }
    }

    /// Deletes the key at the alias, and the alias; `known` is the key that the stack remembers, if it does. What somebody
    /// put there instead stays: it may be another's.
    pub async fn remove(&self, known: Option<&str>) -> Result<()> {
        let kms = self.aws.kms();
        let arn = match (self.find().await?, known) {
            (Found::Key(Key { arn, .. }), None) => arn,
            (Found::Key(Key { arn, .. }), Some(known)) if known == arn => arn,
            // The alias went before an interrupted destroy came to the key.
            (Found::Nothing, Some(known)) => known.to_owned(),
            _ => return Ok(()),
        };
        if !self.is_own(&arn).await? {
            return Ok(());
        }
        self.forget().await?;
        match ask(kms.schedule_key_deletion().key_id(&arn).pending_window_in_days(RESTORED).send()).await {
            Err(error) if !(error.is_not_found() || error.kind == ErrorKind::WrongState) => {
                Err(error).with_context(|| format!("delete the key {arn}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the key carries the tags with which it is made.
    async fn is_own(&self, arn: &str) -> Result<bool> {
        let call = self.aws.kms().list_resource_tags().key_id(arn);
        let tags = match ask_all(call.into_paginator().items().send()).await {
            Err(error) if error.is_not_found() => return Ok(false),
            tags => tags.with_context(|| format!("read the tags of {arn}"))?,
        };
        let has = |key: &str, value: &str| tags.iter().any(|tag| tag.tag_key() == key && tag.tag_value() == value);
        Ok(has(STACK, &self.scope.stack) && has(PURPOSE.0, PURPOSE.1))
    }

    /// The key that was made since then and not named.
    async fn left(&self, since: SystemTime, settles: Duration) -> Result<Option<String>> {
        let filter = |key: &str, value: &str| TagFilter::builder().key(key).values(value).build();
        let call = self.aws.tagging().get_resources().resource_type_filters("kms:key");
        let call = call.tag_filters(filter(STACK, &self.scope.stack)).tag_filters(filter(PURPOSE.0, PURPOSE.1));
        // Nobody signed the time that was noted: a wait for one that hasn't come would have no end.
        let since = since.min(self.aws.now());
        loop {
            let over = self.aws.now().duration_since(since).is_ok_and(|age| age >= settles);
            let found = call.clone().into_paginator().items().send();
            let found = ask_all(found).await.context("look for the key that an interrupted apply made")?;
            for arn in found.into_iter().filter_map(|one| one.resource_arn) {
                if self.is_made_since(&arn, since).await? {
                    return Ok(Some(arn));
                }
            }
            if over {
                return Ok(None);
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    async fn is_made_since(&self, arn: &str, since: SystemTime) -> Result<bool> {
        let answer = match ask(self.aws.kms().describe_key().key_id(arn).send()).await {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("look at the key {arn}")),
        };
        let key = answer.key_metadata.needed("kms", "DescribeKey.KeyMetadata")?;
        // KMS says whole seconds.
        let since = DateTime::from(since).secs();
        let is_new = key.creation_date().is_some_and(|made| made.secs() >= since);
        Ok(is_new && key.key_spec() == Some(&KeySpec::EccNistP256) && key.key_state() == Some(&KeyState::Enabled))
    }

    /// Calls until KMS knows what was just made.
    async fn known<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let start = Instant::now();
        loop {
            match call().await {
                Err(error) if error.is_not_found() && start.elapsed() < KNOWN => tokio::time::sleep(self.poll).await,
                answer => return answer,
            }
        }
    }
}
