//! From the global options to a stack file and a connection to its account.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use lakewright_aws::{Aws, Needed as _, Options, ask};
use lakewright_platform::secret::Secret;

use super::options::Global;
use super::run_file::{RunFile, secret};
use super::terminal::say;
use crate::intents::Intents;
use crate::kind::{Context, Pace, Waiting};
use crate::reading::Reading;
use crate::resource::Desired;
use crate::services::Services as _;
use crate::stack::{Given, Stack, load};

/// Where a stack stands when nothing names one.
const DEFAULTS: [&str; 2] = ["lakewright.toml", "stacks/shop.toml"];
/// The access key by which this program asks an account on this machine.
pub const LOCAL_KEY: &str = "lakewright";
/// The region of an account on this machine when nothing names one.
const LOCAL_REGION: &str = "eu-north-1";

/// The path of the stack file.
fn stack_path(global: &Global) -> Result<PathBuf> {
    if let Some(path) = &global.stack_file {
        return Ok(path.clone());
    }
    DEFAULTS.iter().map(PathBuf::from).find(|path| path.is_file()).ok_or_else(|| {
        anyhow!("no stack file: neither lakewright.toml nor stacks/shop.toml is here; name one, as in `lakewright plan my.toml`")
    })
}

/// The stack that the command line names; says what of it should be written otherwise.
pub fn stack(global: &Global) -> Result<Stack> {
    let stack = load(&stack_path(global)?, &Given::new(&global.var))?;
    if !stack.warnings.list.is_empty() {
        say(stack.warnings.warnings(true).trim_end());
    }
    Ok(stack)
}

/// A connection to the account for a stack, which `stack` is the name of.
pub async fn connect(global: &Global, stack: &str, region: Option<&str>) -> Result<Context> {
    let region = global.region.as_deref().or(region);
    let aws = if global.local {
        let run = RunFile::read(&global.data)?;
        let secret = if run.local_account { Some(secret(&global.data)?) } else { None };
        local_client(&run.account, secret.as_ref(), region.unwrap_or(&run.region))?
    } else {
        let options = Options {
            region: region.map(str::to_owned),
            endpoint: global.endpoint_url.clone(),
            profile: global.profile.clone(),
            mfa_code: mfa_code(),
            insecure: global.insecure_endpoint,
        };
        Aws::connect(options).await?
    };
    context(aws, stack, global.pace()).await
}

/// How a person is asked for the code of a device; none without a terminal to ask on.
pub fn mfa_code() -> Option<fn(&str) -> std::io::Result<String>> {
    use std::io::{IsTerminal as _, stderr, stdin};
    (stdin().is_terminal() && stderr().is_terminal()).then_some(|device| {
        say(&format!("Code of {device}:"));
        let mut code = String::new();
        stdin().read_line(&mut code)?;
        Ok(code)
    })
}

/// A client of the account on this machine, by its secret key; what has none takes any.
pub fn local_client(url: &str, secret: Option<&Secret>, region: &str) -> Result<Aws> {
    let region = if region.is_empty() { LOCAL_REGION } else { region };
    Ok(Aws::with_keys(region, url, LOCAL_KEY, secret.map_or(LOCAL_KEY, Secret::exposed))?)
}

/// The context of a stack's calls: those to S3 are about buckets of its account, and about those of others that it names.
pub fn of_stack(context: Context, desired: &Desired) -> Context {
    let aws = context.aws.of_account(&context.account, desired.foreign_buckets.clone());
    Context { aws, ..context }
}

/// The context of all calls to an account of that pace.
pub async fn context(aws: Aws, stack: &str, pace: Pace) -> Result<Context> {
    let identity = ask(aws.sts().get_caller_identity().send()).await.context("ask AWS who we are")?;
    let account = identity.account.needed("sts", "GetCallerIdentity.Account")?;
    Ok(Context {
        region: aws.region().to_owned(),
        aws: aws.of_account(&account, BTreeMap::new()),
        stack: stack.to_owned(),
        account,
        state_bucket: None,
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        pace,
        reading: Reading::default(),
        intents: Intents::default(),
        waiting: Waiting::default(),
        records: crate::record::Records::default(),
    })
}
