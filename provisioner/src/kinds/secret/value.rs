//! What a secret holds: made, renamed and made anew, never shown.

use anyhow::{Context as _, Result};
use lakewright_aws::{ask, ask_once};
use rand::Rng as _;
use rand::distr::Alphanumeric;
use serde_json::{Value, json};

use super::describe;
use crate::kind::{Context, dated};
use crate::services::Services as _;

const PASSWORD_LENGTH: usize = 32;

/// A secret's value: a JSON object with a user name and a password. Nothing prints, compares or stores it.
pub(super) struct SecretValue(pub(super) String);

impl SecretValue {
    /// A new one: the user name and 32 random letters and digits, some 190 bits.
    pub(super) fn made(username: &str) -> Self {
        let password: String = rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LENGTH).map(char::from).collect();
        Self(json!({"username": username, "password": password}).to_string())
    }

    /// The same with that user name; none if it has it already.
    fn renamed(&self, username: &str) -> Result<Option<Self>> {
        // Without its text the error names nothing of the value.
        let parsed = serde_json::from_str::<Value>(&self.0).ok();
        let mut value = parsed.filter(Value::is_object).context("the secret's value is no JSON object")?;
        if value["username"] == username {
            return Ok(None);
        }
        value["username"] = json!(username);
        Ok(Some(Self(value.to_string())))
    }
}

/// Gives the secret another user name; the password stays, and is as old as it was.
pub(super) async fn rename(context: &Context, id: &str, username: &str) -> Result<()> {
    let secrets = context.aws.secrets_manager();
    let current = ask(secrets.get_secret_value().secret_id(id).send()).await?;
    let made = current.version_id().and_then(|version| context.clock.date_of(version));
    let current = SecretValue(current.secret_string.context("the secret's value is no text")?);
    if let Some(SecretValue(renamed)) = current.renamed(username)? {
        let token = made.map_or_else(|| uuid::Uuid::new_v4().to_string(), dated);
        let call = secrets.put_secret_value().secret_id(id).secret_string(renamed).client_request_token(token);
        ask(call.send()).await?;
    }
    Ok(())
}

/// Gives the secret a new password under the token of this change, by which its age is known. The version that was current
/// becomes AWSPREVIOUS by itself.
pub(super) async fn renew(context: &Context, id: &str, username: &str, token: &str) -> Result<()> {
    let call = context.aws.secrets_manager().put_secret_value().secret_id(id);
    let call = call.secret_string(SecretValue::made(username).0).client_request_token(token);
    match ask_once(call.send()).await {
        Ok(_) => Ok(()),
        // An answer that got lost may have made the version: another value under its token would be refused.
        Err(error) if error.lost => {
            let described = describe(context, id).await?.context("the secret is gone")?;
            let stages = described.secret_versions_to_stages().and_then(|versions| versions.get(token));
            let is_current = stages.is_some_and(|stages| stages.iter().any(|stage| stage == "AWSCURRENT"));
            if is_current { Ok(()) } else { Err(error.into()) }
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_name_keeps_the_password() {
        let value = SecretValue::made("app");
        assert!(value.renamed("app").expect("it is an object").is_none());
        let renamed = value.renamed("shop").expect("it is an object").expect("it has another name");
        let password = |value: &SecretValue| serde_json::from_str::<Value>(&value.0).expect("JSON")["password"].clone();
        assert!(password(&value) == password(&renamed), "the password changed");
        let error = SecretValue("hunter2".to_owned()).renamed("app").err().expect("it is no object");
        assert!(!format!("{error:#}").contains("hunter2"));
    }
}
