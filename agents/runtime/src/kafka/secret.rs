//! User name and password of a Kafka client.

use anyhow::bail;

/// The user name and password that a Secrets Manager secret holds.
///
/// # Errors
/// The secret can't be read or holds no user name and password.
pub(super) async fn credentials(secret: &str) -> anyhow::Result<(String, String)> {
    bail!("read the secret {secret}: this build has no Secrets Manager client")
}
