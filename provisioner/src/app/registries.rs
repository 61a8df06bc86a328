//! Asking the registries that tables name for the newest schemas of their messages.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use lakewright_aws::{Aws, ask};
use lakewright_formats::registry::{self, Answer, Confluent, Glue, in_place};
use lakewright_formats::{NoMembers, Schema};
use lakewright_platform::http::Client;
use lakewright_platform::secret::Secret;
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::connect::{Belonging, connect};
use super::options::Global;
use crate::compat::registry::{Newest, Subject, Written, row_path};
use crate::services::Services as _;
use crate::stack::{Stack, TableSection};

/// The registries of a stack's tables.
pub struct Registries<'a> {
    global: &'a Global,
    stack: &'a Stack,
    /// Where the account is, and the role that asks it.
    belonging: Belonging,
    /// Which registry may get the password of which secret.
    logins: BTreeSet<(String, String)>,
    /// The account, which is asked only where a registry needs it.
    aws: OnceCell<Aws>,
}

/// What a secret of a registry's user holds.
#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

impl<'a> Registries<'a> {
    /// Those of a stack. Passwords are sent where one of the trusted stacks sends them, and the account is asked as the last of
    /// them says. Nothing is asked yet.
    pub fn of(global: &'a Global, stack: &'a Stack, trusted: &[&Stack]) -> Self {
        let belonging = trusted.last().map_or_else(Belonging::default, |stack| Belonging::of(stack, global));
        let logins = trusted.iter().flat_map(|stack| logins(stack)).collect();
        Self { global, stack, belonging, logins, aws: OnceCell::new() }
    }

    /// The newest of a table's schemas under a name, and that name as it is shown; `None` if there is none.
    ///
    /// # Errors
    /// The registry can't be asked: which setting is to be looked at.
    pub async fn newest(&self, table: &TableSection, subject: Subject) -> Result<(String, Option<Newest>)> {
        let Subject { registry, name } = subject;
        let shown = registry.as_ref().map_or_else(|| name.clone(), |registry| format!("{registry}/{name}"));
        let found = match &registry {
            Some(registry) => {
                let found = Glue::new(self.aws().await?).newest(registry, &name).await.map_err(anyhow::Error::msg);
                found.context(
                    "ask Glue's schema registry; it takes glue:GetSchema and glue:GetSchemaVersion, and `registry_subject` says which \
                     schema it is",
                )?
            }
            None => {
                self.confluent(table).await?.newest(&name).await.map_err(anyhow::Error::msg).with_context(|| {
                    let login = if table.registry_secret.is_some() {
                        "`registry_secret` the user that may read there"
                    } else {
                        "`registry_secret` a user, where it asks for one"
                    };
                    format!("ask the registry; `registry` names where it is, and {login}")
                })?
            }
        };
        let Some(registry::Newest { version, answer, compatibility }) = found else { return Ok((shown, None)) };
        let schema = match answer {
            Answer::Json => Written::Json,
            Answer::Missing(reject) | Answer::Unreadable(reject) => Written::Unread(reject.to_string()),
            Answer::Avro { text, references } => match Schema::parse(&text, &references) {
                Ok(schema) => match schema.members(&row_path(table)) {
                    Ok(members) => Written::Row(members),
                    Err(NoMembers::Never(why)) => Written::Unread(why),
                    Err(NoMembers::Unsaid(why)) => Written::Unsaid(why),
                },
                Err(reject) => Written::Unread(reject.to_string()),
            },
        };
        Ok((shown, Some(Newest { version, schema, compatibility })))
    }

    async fn aws(&self) -> Result<&Aws> {
        let connected = async { Ok(connect(self.global, &self.belonging).await?.aws) };
        self.aws.get_or_try_init(|| connected).await
    }

    /// The registry that a table names by a URL.
    async fn confluent(&self, table: &TableSection) -> Result<Confluent> {
        if let Some(here) = in_place()? {
            return Confluent::new(&here, None, Client::new(&here)?);
        }
        let Some(registry) = &table.registry else { bail!("the table names no registry: this is a bug in lakewright") };
        let login = match &table.registry_secret {
            Some(secret) => {
                let id = self.stack.secret_id(secret);
                ensure!(
                    self.logins.contains(&(registry.value.clone(), id.clone())),
                    "the password of the secret {id} isn't sent to {}: the base doesn't name the two together, and a change could \
                     send it anywhere; look at `registry` and `registry_secret`, then --new-registry-logins sends it",
                    registry.value
                );
                Some(self.login(&id).await?)
            }
            None => None,
        };
        Confluent::new(registry, login.as_ref(), Client::new(registry)?)
    }

    /// The user and the password that a secret holds.
    async fn login(&self, id: &str) -> Result<Secret> {
        let found = ask(self.aws().await?.secrets_manager().get_secret_value().secret_id(id).send()).await;
        let found = found.with_context(|| {
            format!(
                "read the secret {id}, which `registry_secret` names; one of [secrets] is there after the first apply, and takes \
                 secretsmanager:GetSecretValue"
            )
        })?;
        // The parser's error would quote the secret.
        let login: Option<Login> = found.secret_string().and_then(|text| serde_json::from_str(text).ok());
        let Some(Login { username, password }) = login else {
            bail!("the secret {id}, which `registry_secret` names, isn't {{\"username\": …, \"password\": …}}")
        };
        Ok(Secret::new(&format!("{username}:{password}")))
    }
}

/// The registries of a stack's tables, each with the secret whose password it gets.
fn logins(stack: &Stack) -> BTreeSet<(String, String)> {
    let login = |table: &TableSection| {
        let secret = stack.secret_id(table.registry_secret.as_ref()?);
        Some((table.registry.as_ref()?.value.clone(), secret))
    };
    stack.file.tables.iter().filter_map(|table| login(&table.value)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::compat::registry::tests::HEAD;
    use crate::stack::parse;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        global: Global,
    }

    fn stack(registry: &str, secret: &str) -> Stack {
        let named = format!("registry = \"{registry}\"\nregistry_secret = \"{secret}\"\n");
        let text = HEAD.replace("registry = \"https://registry.example.com\"\n", &named);
        let secrets = ["registry", "other"].map(|name| format!("\n[secrets.{name}]\nusername = \"reader\"\n"));
        let text = text + &secrets.concat();
        parse(Path::new("test.toml"), &text, None).unwrap_or_else(|error| panic!("{}", error.render(false)))
    }

    #[tokio::test]
    async fn a_password_is_sent_only_where_the_base_sends_it() {
        // Nobody listens there: what is asked of the account fails at once.
        let options = Options::parse_from(["check", "--endpoint-url", "http://127.0.0.1:1", "--no-role"]);
        let base = stack("https://registry.example.com", "registry");
        for (registry, secret, sent) in [
            ("https://registry.example.com", "registry", true),
            ("https://registry.elsewhere.com", "registry", false),
            ("https://registry.example.com", "other", false),
        ] {
            let head = stack(registry, secret);
            let table = head.file.tables.iter().next().expect("a table");
            let registries = Registries::of(&options.global, &head, &[&base]);
            assert_eq!(registries.logins.contains(&(registry.to_owned(), head.secret_id(secret))), sent);
            if !sent {
                let error = format!("{:#}", registries.confluent(&table.value).await.expect_err("refused"));
                assert!(error.contains(registry) && error.contains("--new-registry-logins"), "{error}");
                assert!(registries.aws.get().is_none(), "the account was asked");
            }
            let trusting = Registries::of(&options.global, &head, &[&base, &head]);
            assert!(trusting.logins.contains(&(registry.to_owned(), head.secret_id(secret))));
        }
    }
    #[test]
    fn the_account_is_asked_by_the_role_of_the_base() {
        let options = Options::parse_from(["check"]);
        let of_role = |role: &str| {
            let named = format!("[stack]\nregion = \"eu-north-1\"\nrole = \"arn:aws:iam::123456789012:role/{role}\"\n");
            let text = HEAD.replace("[stack]\n", &named);
            parse(Path::new("test.toml"), &text, None).unwrap_or_else(|error| panic!("{}", error.render(false)))
        };
        let (base, head) = (of_role("reads"), of_role("writes"));
        let role = |trusted: &[&Stack]| {
            let role = Registries::of(&options.global, &head, trusted).belonging.role.expect("a role");
            role.arn.rsplit('/').next().expect("its name").to_owned()
        };
        assert_eq!((role(&[&base]), role(&[&base, &head])), ("reads".to_owned(), "writes".to_owned()));
    }
}
