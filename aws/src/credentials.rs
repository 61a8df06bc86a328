//! Credentials, as every AWS tool finds them, kept until shortly before they end.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;

use crate::errors::Error;

const EARLY: Duration = Duration::from_secs(300);

/// A provider and what it gave last.
pub struct Keeper {
    provider: SharedCredentialsProvider,
    current: Mutex<Option<Credentials>>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keeper")
    }
}

impl Keeper {
    /// A keeper that has asked for nothing yet.
    pub fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, current: Mutex::new(None) }
    }

    /// Credentials that hold for some minutes at least.
    pub async fn get(&self) -> Result<Credentials, Error> {
        let mut current = self.current.lock().await;
        if let Some(credentials) = current.as_ref()
            && credentials.expiry().is_none_or(|expiry| expiry > SystemTime::now() + EARLY)
        {
            return Ok(credentials.clone());
        }
        match self.provider.provide_credentials().await {
            Ok(fresh) => Ok(current.insert(fresh).clone()),
            // What is about to end still serves if its source has a bad moment.
            Err(error) => match current.as_ref().filter(|old| old.expiry().is_some_and(|e| e > SystemTime::now())) {
                Some(old) => Ok(old.clone()),
                None => Err(Error::configuration(format!(
                    "no AWS credentials: {}; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                    chain(&error)
                ))),
            },
        }
    }

    /// Forgets what is kept: the service says that it is over.
    pub async fn forget(&self) {
        *self.current.lock().await = None;
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
