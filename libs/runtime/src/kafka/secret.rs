//! User name and password of Kafka clients: read from a secret, and anew when Kafka no longer takes them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use lakewright_aws::{Aws, Options};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::credentials::{CURRENT, Credentials, PERSISTS, instead_of, read};

/// How long after a look at the secret there isn't another one: clients try to log in many times a second.
const PAUSE: Duration = Duration::from_secs(2);

/// The credentials that a Secrets Manager secret holds, shared by all clients that log in by them.
#[derive(Clone)]
pub(super) struct Login(Arc<Inner>);

struct Inner {
    aws: Aws,
    secret: String,
    runtime: Handle,
    current: Mutex<Credentials>,
    looking: AtomicBool,
    /// When Kafka refused last what the secret holds.
    refused: Mutex<Option<Instant>>,
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
        let found = read(&aws, secret, CURRENT).await?.ok_or_else(|| anyhow!("the secret {secret} holds nothing"))?;
        let current = Mutex::new(found);
        let (secret, runtime) = (secret.to_owned(), Handle::current());
        Ok(Self(Arc::new(Inner {
            aws,
            secret,
            runtime,
            current,
            looking: AtomicBool::default(),
            refused: Mutex::default(),
        })))
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

    /// Reads the secret once more, in the background: Kafka has refused what it held, so somebody may have changed it. Where
    /// it holds the very same, and it is refused again, Kafka may not have heard of it yet: then the value before it is
    /// tried, and the current one again when that is refused.
    pub(super) fn look_again(&self) {
        if self.0.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let login = self.clone();
        self.0.runtime.spawn(async move {
            let inner = &login.0;
            let refused = login.current();
            let last = inner.refused.lock().replace(Instant::now());
            // One refusal may be an old one that arrives late, or the broker's own trouble.
            let persists = last.is_some_and(|last| last.elapsed() < PERSISTS);
            match instead_of(&inner.aws, &inner.secret, &refused, persists).await {
                Ok(Some((found, CURRENT))) => {
                    *inner.refused.lock() = None;
                    *inner.current.lock() = found;
                    tracing::info!(secret = inner.secret, "the secret holds another password: logging in by that");
                }
                Ok(Some((found, _))) => {
                    *inner.refused.lock() = None;
                    *inner.current.lock() = found;
                    tracing::info!(
                        secret = inner.secret,
                        "Kafka doesn't know the secret's password yet: trying the one before"
                    );
                }
                Ok(None) => tracing::debug!(secret = inner.secret, "the secret holds what Kafka refused"),
                Err(error) => {
                    tracing::warn!(secret = inner.secret, error = format!("{error:#}"), "cannot read the secret");
                }
            }
            tokio::time::sleep(PAUSE).await;
            inner.looking.store(false, Ordering::Release);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::credentials::PREVIOUS;

    /// A Secrets Manager whose secret holds these passwords, the current one and the one before.
    fn secrets(current: &'static str, previous: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes is no matter of the test's.
                _ = serve(stream, current, previous);
            }
        });
        url
    }

    fn serve(mut stream: TcpStream, current: &str, previous: Option<&str>) -> std::io::Result<()> {
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.ends_with('}') {
            let read = stream.read(&mut buffer)?;
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        let password = if text.contains(PREVIOUS) { previous } else { Some(current) };
        let (status, body) = match password {
            Some(password) => {
                let value = serde_json::json!({"username": "app", "password": password}).to_string();
                ("200 OK", serde_json::json!({"ARN": "arn", "SecretString": value}).to_string())
            }
            None => {
                ("400 Bad Request", r#"{"__type":"ResourceNotFoundException","Message":"no such stage"}"#.to_owned())
            }
        };
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes())
    }

    async fn instead(refused: &str, persists: bool, url: &str) -> Option<(String, &'static str)> {
        let aws = Aws::with_keys("eu-north-1", url, "AKIDEXAMPLE", "secret").expect("a client");
        let login = Login::of(aws, "AmazonMSK_shop_kafka").await.expect("it holds something");
        let refused = Credentials { username: "app".to_owned(), password: refused.to_owned() };
        let found = instead_of(&login.0.aws, &login.0.secret, &refused, persists).await.expect("it can be read");
        found.map(|(found, stage)| (found.password, stage))
    }

    #[tokio::test]
    async fn until_kafka_knows_a_new_password_the_one_before_is_tried() {
        let url = secrets("new", Some("old"));
        for persists in [false, true] {
            let found = instead("old", persists, &url).await;
            assert_eq!(found, Some(("new".to_owned(), CURRENT)), "somebody rotated it");
        }
        assert_eq!(instead("new", false, &url).await, None, "one refusal says little");
        assert_eq!(
            instead("new", true, &url).await,
            Some(("old".to_owned(), PREVIOUS)),
            "Kafka hasn't heard of it yet"
        );
        let url = secrets("new", None);
        assert_eq!(instead("new", true, &url).await, None, "there is none before the first");
    }
}
