//! User names and passwords that secrets of Secrets Manager hold.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use lakewright_aws::{Aws, ask, client};
use serde::Deserialize;

/// The stage of the version that counts.
pub const CURRENT: &str = "AWSCURRENT";
/// The stage of the version that counted before it.
pub const PREVIOUS: &str = "AWSPREVIOUS";

/// Within how long a second refusal of the same password makes one that persists: whoever takes it may not have heard of it yet.
pub const PERSISTS: Duration = Duration::from_secs(30);

/// What a secret holds.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.username)
    }
}

/// What the secret holds at a stage; none if no version of it is there.
///
/// # Errors
/// The secret can't be read, or isn't `{"username": …, "password": …}`. The text shows nothing of what it holds.
pub async fn read(aws: &Aws, secret: &str, stage: &str) -> anyhow::Result<Option<Credentials>> {
    let secrets = client!(aws, "secretsmanager", aws_sdk_secretsmanager);
    let answer = match ask(secrets.get_secret_value().secret_id(secret).version_stage(stage).send()).await {
        Err(error) if error.is_not_found() && stage == PREVIOUS => return Ok(None),
        answer => answer.with_context(|| format!("read the secret {secret}"))?,
    };
    // A secret may hold bytes instead.
    let text = answer.secret_string().ok_or_else(|| anyhow!("the secret {secret} holds no text"))?;
    // The parser's error would quote the secret.
    serde_json::from_str(text)
        .map(Some)
        .map_err(|_| anyhow!("the secret {secret} is not {{\"username\": …, \"password\": …}}"))
}

/// What to log in by in place of what was refused: the secret's current value, else, if the refusal persists, the one before, with
/// its stage; none where they hold what was refused.
///
/// # Errors
/// As [`read`].
pub async fn instead_of(
    aws: &Aws,
    secret: &str,
    refused: &Credentials,
    persists: bool,
) -> anyhow::Result<Option<(Credentials, &'static str)>> {
    let stages: &[&'static str] = if persists { &[CURRENT, PREVIOUS] } else { &[CURRENT] };
    for stage in stages {
        let found = read(aws, secret, stage).await?;
        if let Some(found) = found.filter(|found| found != refused) {
            return Ok(Some((found, *stage)));
        }
    }
    Ok(None)
}
