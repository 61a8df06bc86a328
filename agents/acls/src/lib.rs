//! Keeps the access control lists of a stack's users on a Kafka cluster: makes what is missing, and verifies.
//!
//! MSK has no call for access control lists: they are made by Kafka's own requests, from inside the cluster's network.

mod exercise;
mod keep;
mod plan;
mod settle;
mod tried;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use lakewright_config::{AclsConfig, KafkaConnection, Security};
use lakewright_runtime::CancellationToken;
use lakewright_runtime::kafka::{self, Access, Acl, Acls};
use tokio::time::Instant;

pub use crate::keep::keep;
use crate::plan::Plan;
use crate::tried::Tried;

/// What is asked for besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What to do.
    pub mode: Mode,
    /// Whether what isn't wanted any more is removed.
    pub prune: bool,
    /// For how long answers that don't come, and entries that brokers don't know yet, are waited for.
    pub patience: Duration,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Change the lists, then verify.
    Set,
    /// Say what would be changed.
    DryRun,
    /// Change nothing, and verify.
    Verify,
}

/// By what the clients of a run are made.
#[derive(Debug)]
pub struct Clients {
    /// The administrator's.
    pub administrator: Access,
    /// Those of the users whose rights are tried, or why there is none.
    pub users: BTreeMap<String, Result<Access, String>>,
    /// Ends what is being tried.
    pub stop: CancellationToken,
}

/// Refuses a configuration by which nobody could be let in.
///
/// # Errors
/// A name is empty, or the schedule is too slow.
pub fn check(config: &AclsConfig) -> Result<()> {
    let name = |what: &str, name: &str| {
        ensure!(!name.is_empty(), "{what} is empty");
        ensure!(name != "*", "{what} is `*`, which is everybody or everything; name each one");
        Ok(())
    };
    keep::check(config)?;
    name("`administrator`", &config.administrator)?;
    for (user, rights) in &config.users {
        name("the name of a user in `users`", user)?;
        for (field, names) in [("writes", &rights.writes), ("reads", &rights.reads), ("groups", &rights.groups)] {
            for (at, value) in names.iter().enumerate() {
                name(&format!("`users.{user}.{field}[{at}]`"), value)?;
            }
        }
    }
    Ok(())
}

impl Clients {
    /// As the configuration says. A user's secret that can't be used is no reason to leave the lists as they are.
    ///
    /// # Errors
    /// The administrator's secret can't be read or holds no user name and password, or another user's than the configuration says; or
    /// the cluster is reached in clear, where nobody logs in.
    pub async fn connect(config: &AclsConfig) -> Result<Self> {
        let administrator = kafka::access(&config.kafka).await.context("prepare the administrator's client")?;
        is_of(&administrator, &config.administrator, "kafka.security")?;
        if administrator.user().is_none() && matches!(config.kafka.security, Security::Scram { .. }) {
            bail!(
                "the cluster is reached in clear, where nobody logs in as {}: its lists would shut out everybody who doesn't log in",
                config.administrator
            );
        }
        let mut users = BTreeMap::new();
        for (user, rights) in &config.users {
            let Some(secret) = &rights.secret else { continue };
            let security = Security::Scram { secret: secret.clone() };
            let connection = KafkaConnection { security, ..config.kafka.clone() };
            let access = kafka::access(&connection).await.with_context(|| format!("prepare a client of {user}"));
            let access = access.and_then(|access| {
                is_of(&access, user, &format!("users.{user}.secret"))?;
                Ok(access)
            });
            users.insert(user.clone(), access.map_err(|error| format!("{error:#}")));
        }
        Ok(Self { administrator, users, stop: CancellationToken::new() })
    }
}

/// A client that logs in by another name would shut itself out.
fn is_of(access: &Access, wanted: &str, place: &str) -> Result<()> {
    match access.user() {
        Some(user) if user != wanted => bail!(
            "the secret at `{place}` is of the user {user}, not of {wanted}: name the secret of {wanted} there, or that user"
        ),
        _ => Ok(()),
    }
}

/// Sets the lists or says what would be done, shows what became of each entry, and verifies.
///
/// # Errors
/// The cluster doesn't answer, refuses an entry, or lets a user not do what it is to do: all that went wrong stands in what was
/// shown.
pub async fn run(
    config: &AclsConfig,
    options: &Options,
    clients: &Clients,
    out: &mut (impl Write + Send),
) -> Result<()> {
    let deadline = Instant::now() + options.patience;
    let client = connect(clients, deadline).await?;
    let before = settle::read(&client, config, deadline).await?;
    if options.mode == Mode::DryRun {
        return show_planned(&before, options, out).context("write to standard output");
    }
    let (after, refused) = if options.mode == Mode::Set {
        settle::settle(&client, config, (options.prune, &before), deadline).await?
    } else {
        (before.clone(), BTreeMap::new())
    };
    let prune = options.prune && options.mode == Mode::Set;
    let mut failures = show(&before, &after, (&refused, prune), out).context("write to standard output")?;
    if after.missing.is_empty() {
        let administrator = settle::may_alter(&client, config, deadline).await;
        for (what, tried) in std::iter::once(administrator).chain(exercise::users(config, clients, deadline).await) {
            failures += usize::from(matches!(tried, Tried::Failed(_)));
            writeln!(out, "{tried:<9} {what}{}", tried.reason()).context("write to standard output")?;
        }
    } else {
        writeln!(out, "not tried: nothing is tried before every entry is there").context("write to standard output")?;
    }
    if failures > 0 {
        bail!("{failures} of the lines above say what is wrong; fix that, then run it again");
    }
    Ok(())
}

/// A cluster that doesn't answer may do so later; who isn't let in won't be.
async fn connect(clients: &Clients, deadline: Instant) -> Result<Acls> {
    loop {
        match Acls::connect(&clients.administrator).await {
            Ok(client) => return Ok(client),
            Err(error) if Instant::now() + settle::PAUSE >= deadline => return Err(error),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the cluster isn't reached yet"),
        }
        tokio::time::sleep(settle::PAUSE).await;
    }
}

/// Shows a plan that isn't carried out.
fn show_planned(plan: &Plan, options: &Options, out: &mut impl Write) -> std::io::Result<()> {
    for acl in &plan.there {
        writeln!(out, "  {acl}  (there)")?;
    }
    for acl in &plan.missing {
        writeln!(out, "+ {acl}  (would be made)")?;
    }
    for acl in &plan.surplus {
        writeln!(out, "- {acl}  ({})", if options.prune { "would be removed" } else { LEFT })?;
    }
    show_denials(plan, out)
}

/// What stands at an entry that isn't wanted and isn't removed.
const LEFT: &str = "not wanted; --prune removes it";

/// Shows what became of each entry, and returns how much of it is wrong.
fn show(
    before: &Plan,
    after: &Plan,
    (refused, prune): (&BTreeMap<Acl, String>, bool),
    out: &mut impl Write,
) -> std::io::Result<usize> {
    let why = |acl: &Acl| refused.get(acl).map_or(String::new(), |why| format!(": {why}"));
    for acl in &after.there {
        let (sign, what) = if before.there.contains(acl) { (' ', "there") } else { ('+', "made") };
        writeln!(out, "{sign} {acl}  ({what})")?;
    }
    for acl in &after.missing {
        writeln!(out, "! {acl}  (is not there{})", why(acl))?;
    }
    for acl in before.surplus.iter().filter(|acl| !after.surplus.contains(acl)) {
        writeln!(out, "- {acl}  (removed)")?;
    }
    let mut failures = after.missing.len() + after.denials.len();
    for acl in &after.surplus {
        if prune {
            failures += 1;
            writeln!(out, "! {acl}  (is not removed{})", why(acl))?;
        } else {
            writeln!(out, "  {acl}  ({LEFT})")?;
        }
    }
    show_denials(after, out)?;
    Ok(failures)
}

fn show_denials(plan: &Plan, out: &mut impl Write) -> std::io::Result<()> {
    for (denial, wanted) in &plan.denials {
        writeln!(out, "! {denial}  (keeps from what is wanted: {wanted}; ask whoever made it to remove it)")?;
    }
    Ok(())
}
