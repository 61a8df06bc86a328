//! Changing access control lists until they are as they are to be. Every round reads them first, so that an answer that was lost
//! or came late does no harm.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lakewright_config::AclsConfig;
use lakewright_runtime::kafka::{Acl, AclError, Acls};
use tokio::time::Instant;

use crate::plan::{Plan, administrator, plan};
use crate::tried::Tried;

/// How long after a round the next one begins: brokers hear of entries a moment after they are made.
pub const PAUSE: Duration = Duration::from_millis(300);

/// Entries that Kafka refused to make or to remove, and why.
pub type Refused = BTreeMap<Acl, String>;

/// What there is, held against what is wanted.
pub async fn read(client: &Acls, config: &AclsConfig, deadline: Instant) -> Result<Plan> {
    loop {
        match client.describe().await {
            Ok(known) => return Ok(plan(config, &known)),
            Err(error) => give_up(&error, "read the access control lists", config, deadline)?,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Changes what there is. What Kafka refuses is no reason to leave the rest.
pub async fn settle(
    client: &Acls,
    config: &AclsConfig,
    (prune, before): (bool, &Plan),
    deadline: Instant,
) -> Result<(Plan, Refused)> {
    let (mut refused, mut now) = (Refused::new(), before.clone());
    loop {
        let open = |acls: &[Acl], refused: &Refused| -> Vec<Acl> {
            acls.iter().filter(|acl| !refused.contains_key(acl)).cloned().collect()
        };
        let (missing, surplus) = (open(&now.missing, &refused), open(&now.surplus, &refused));
        if missing.is_empty() && (!prune || surplus.is_empty()) {
            return Ok((now, refused));
        }
        let first = administrator(config);
        let removing = missing.is_empty();
        let (what, asked) = if missing.contains(&first) {
            // Once anything is said of the cluster, nobody else could say more.
            ("make the administrator's entry", vec![first.clone()])
        } else if removing {
            ("remove entries", surplus)
        } else {
            // In one request: an entry closes its topic to all others, so that theirs have to come with it.
            ("make entries", missing)
        };
        let answers = if removing { client.delete(asked.clone()).await } else { client.create(asked.clone()).await };
        match answers {
            Err(error) => give_up(&error, what, config, deadline)?,
            Ok(answers) => {
                for (acl, answer) in asked.into_iter().zip(answers) {
                    match answer {
                        Err(error) if acl == first => give_up(&error, what, config, deadline)?,
                        Err(error) if !error.is_retryable() => _ = refused.insert(acl, error.to_string()),
                        Err(error) => tracing::warn!(%acl, %error, "an entry wasn't changed; it is tried again"),
                        Ok(()) => {}
                    }
                }
            }
        }
        if Instant::now() >= deadline {
            return Ok((read(client, config, deadline).await?, refused));
        }
        tokio::time::sleep(PAUSE).await;
        now = read(client, config, deadline).await?;
    }
}

/// Gives up on an error that nothing fixes, or that has lasted too long.
fn give_up(error: &AclError, what: &str, config: &AclsConfig, deadline: Instant) -> Result<()> {
    if error.is_retryable() && Instant::now() < deadline {
        tracing::warn!(%error, what, "Kafka didn't do it; it is tried again");
        return Ok(());
    }
    let brokers = &config.kafka.bootstrap;
    Err(error.clone()).with_context(|| format!("{what} of {brokers}")).with_context(|| fix(error, config))
}

/// What to do about an error.
fn fix(error: &AclError, config: &AclsConfig) -> String {
    use rdkafka::types::RDKafkaErrorCode::{Authentication, ClusterAuthorizationFailed, SecurityDisabled};
    let user = &config.administrator;
    match error.code {
        ClusterAuthorizationFailed => format!(
            "the user {user} may not change the access control lists: who may, lets it by `kafka-acls.sh --add \
             --allow-principal User:{user} --operation Alter --cluster`; where nobody may, because the cluster was closed before it had \
             lists, remove \"allow.everyone.if.no.acl.found\" from its configuration until the lists are verified"
        ),
        SecurityDisabled => "the brokers have no authorizer, so that there are no access control lists".to_owned(),
        Authentication => format!("the brokers don't let {user} in: look at the secret in `kafka.security`"),
        _ if error.is_retryable() => "the cluster doesn't do it for now; run it again".to_owned(),
        _ => "Kafka refuses the request".to_owned(),
    }
}

/// Tries that the administrator may change the lists, by making its own entry once more, which changes nothing.
pub async fn may_alter(client: &Acls, config: &AclsConfig, deadline: Instant) -> (String, Tried) {
    let acl = administrator(config);
    let what = acl.to_string();
    loop {
        let answer = client.create(vec![acl.clone()]).await.and_then(|answers| answers.into_iter().collect());
        match answer {
            Ok(()) => return (what, Tried::Done),
            Err(error) if Instant::now() >= deadline || !error.is_retryable() => {
                return (what, Tried::Failed(format!("{}: {error}", fix(&error, config))));
            }
            Err(error) => tracing::warn!(%error, "changing the lists is tried again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
