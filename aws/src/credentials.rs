//! Credentials, as every AWS tool finds them, kept until shortly before they end.

pub mod profile;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use parking_lot::Mutex;

use crate::chain::{deepest, find};
use crate::credentials::profile::Origin;
use crate::errors::{Error, Kind};

const EARLY: Duration = Duration::from_secs(300);

/// A provider and what it gave last. Clones share both.
#[derive(Clone)]
pub struct Keeper(Arc<Kept>);

struct Kept {
    provider: SharedCredentialsProvider,
    origin: Origin,
    current: Mutex<Option<Credentials>>,
    /// Held while the provider is asked, so that it is asked once.
    asking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keeper")
    }
}

impl Keeper {
    /// A keeper that has asked for nothing yet.
    pub fn new(provider: SharedCredentialsProvider, origin: Origin) -> Self {
        Self(Arc::new(Kept { provider, origin, current: Mutex::default(), asking: tokio::sync::Mutex::default() }))
    }

    /// Credentials that hold for some minutes at least.
    pub async fn get(&self) -> Result<Credentials, Error> {
        if let Some(fresh) = self.kept(SystemTime::now() + EARLY) {
            return Ok(fresh);
        }
        let _asking = self.0.asking.lock().await;
        if let Some(fresh) = self.kept(SystemTime::now() + EARLY) {
            return Ok(fresh);
        }
        match self.0.provider.provide_credentials().await {
            Ok(fresh) => Ok(self.0.current.lock().insert(fresh).clone()),
            // What is about to end still serves if its source has a bad moment.
            Err(error) => self.kept(SystemTime::now()).ok_or_else(|| self.refusal(&error)),
        }
    }

    /// Where the credentials come from.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Why there are no credentials, and what to do.
    fn refusal(&self, error: &CredentialsError) -> Error {
        // What says itself what to do needs no other words around it.
        match find::<Error>(error) {
            Some(own) if own.kind == Kind::Configuration || matches!(self.0.origin, Origin::Assumed(_)) => own.clone(),
            Some(own) => Error::configuration(self.0.origin.refusal(&own.to_string())),
            None => Error::configuration(self.0.origin.refusal(&deepest(error))),
        }
    }

    /// What is kept, if it still holds at that time.
    fn kept(&self, time: SystemTime) -> Option<Credentials> {
        let current = self.0.current.lock();
        current.as_ref().filter(|kept| kept.expiry().is_none_or(|expiry| expiry > time)).cloned()
    }

    /// Forgets what is kept: the service says that it is over.
    pub fn forget(&self) {
        *self.0.current.lock() = None;
    }
}

impl ProvideCredentials for Keeper {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.get().await.map_err(CredentialsError::provider_error) })
    }
}
