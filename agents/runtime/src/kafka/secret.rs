//! User name and password of a Kafka client.

use anyhow::{Context as _, anyhow};
use lakewright_aws::{Client, Options, Service};
use serde::Deserialize;
use serde_json::json;

/// What a secret for MSK holds. It has no `Debug`: a password isn't printed.
#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

/// The user name and password that a Secrets Manager secret holds.
///
/// # Errors
/// The secret can't be read or holds no user name and password.
pub(super) async fn credentials(secret: &str) -> anyhow::Result<(String, String)> {
    let aws = Client::connect(Options::default()).await?;
    let answer = aws
        .call(Service::SecretsManager, "GetSecretValue", json!({ "SecretId": secret }))
        .await
        .with_context(|| format!("read the secret {secret}"))?;
    let text = answer["SecretString"].as_str().ok_or_else(|| anyhow!("the secret {secret} holds no text"))?;
    // The parser's error would quote the secret.
    let found: Credentials = serde_json::from_str(text)
        .map_err(|_| anyhow!("the secret {secret} is not {{\"username\": …, \"password\": …}}"))?;
    Ok((found.username, found.password))
}
