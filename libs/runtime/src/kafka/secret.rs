//! User name and password of Kafka clients: read from a secret, and anew when Kafka no longer takes them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use lakewright_aws::{Aws, Options, ask, client};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::runtime::Handle;

/// How long after a look at the secret there isn't another one: clients try to log in many times a second.
const PAUSE: Duration = Duration::from_secs(2);

/// What a secret for MSK holds.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.username)
    }
}

/// The credentials that a Secrets Manager secret holds, shared by all clients that log in by them.
#[derive(Clone)]
pub(super) struct Login(Arc<Inner>);

struct Inner {
    aws: Aws,
    secret: String,
    runtime: Handle,
    current: Mutex<Credentials>,
    looking: AtomicBool,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.0.secret)
    }
}

impl Login {
    /// Reads the secret.
    ///
    /// # Errors
    /// The secret can't be read or holds no user name and password.
    pub(super) async fn by(secret: &str) -> anyhow::Result<Self> {
        Self::of(Aws::connect(Options::default()).await?, secret).await
    }

    async fn of(aws: Aws, secret: &str) -> anyhow::Result<Self> {
        let current = Mutex::new(read(&aws, secret).await?);
        let (secret, runtime) = (secret.to_owned(), Handle::current());
        Ok(Self(Arc::new(Inner { aws, secret, runtime, current, looking: AtomicBool::default() })))
    }

    /// The credentials as they were read last.
    pub(super) fn current(&self) -> Credentials {
        self.0.current.lock().clone()
    }

    /// The credentials as they were read last, if they are others than these.
    pub(super) fn other_than(&self, used: &Credentials) -> Option<Credentials> {
        let current = self.0.current.lock();
        (*current != *used).then(|| current.clone())
    }

    /// Reads the secret once more, in the background: Kafka has refused what it held, so somebody may have changed it.
    pub(super) fn look_again(&self) {
        if self.0.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let login = self.clone();
        self.0.runtime.spawn(async move {
            let inner = &login.0;
            match read(&inner.aws, &inner.secret).await {
                Ok(found) if found != login.current() => {
                    *inner.current.lock() = found;
                    tracing::info!(secret = inner.secret, "the secret holds another password: logging in by that");
                }
                Ok(_) => tracing::debug!(secret = inner.secret, "the secret holds what Kafka refused"),
                Err(error) => {
                    tracing::warn!(secret = inner.secret, error = format!("{error:#}"), "cannot read the secret");
                }
            }
            tokio::time::sleep(PAUSE).await;
            inner.looking.store(false, Ordering::Release);
        });
    }
}

async fn read(aws: &Aws, secret: &str) -> anyhow::Result<Credentials> {
    let secrets = client!(aws, "secretsmanager", aws_sdk_secretsmanager);
    let answer = ask(secrets.get_secret_value().secret_id(secret).send()).await;
    let answer = answer.with_context(|| format!("read the secret {secret}"))?;
    // A secret may hold bytes instead.
    let text = answer.secret_string().ok_or_else(|| anyhow!("the secret {secret} holds no text"))?;
    // The parser's error would quote the secret.
    serde_json::from_str(text).map_err(|_| anyhow!("the secret {secret} is not {{\"username\": …, \"password\": …}}"))
}
