//! From the global options to a stack file and a connection to its account.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use lakewright_aws::{Aws, Needed as _, Options, Role, ask};
use lakewright_platform::secret::Secret;

use super::options::Global;
use super::run_file::{RunFile, secret};
use super::terminal::say;
use crate::intents::Intents;
use crate::kind::{Clock, Context, Pace, Waiting};
use crate::names;
use crate::plan::AssumedRole;
use crate::reading::Reading;
use crate::resource::Desired;
use crate::services::Services as _;
use crate::stack::{Given, Stack, load};

/// Where a stack stands when nothing names one.
const DEFAULTS: [&str; 2] = ["lakewright.toml", "stacks/shop.toml"];
/// The number of the account on this machine when a stack names none. As an access key a number is that account's administrator.
pub const LOCAL_ACCOUNT: &str = "123456789012";
/// The region of an account on this machine when nothing names one.
const LOCAL_REGION: &str = "eu-north-1";

/// The path of the stack file.
pub fn stack_path(global: &Global) -> Result<PathBuf> {
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

/// Where a stack belongs, as far as its file or a saved plan says.
#[derive(Debug, Clone, Default)]
pub struct Belonging {
    /// The stack's name.
    pub stack: String,
    /// The region.
    pub region: Option<String>,
    /// The twelve digits of the only account that it may be applied to.
    pub account: Option<String>,
    /// The role that it is planned and applied as.
    pub role: Option<AssumedRole>,
}

impl Belonging {
    /// What a stack file says, as far as the command line lets it.
    pub fn of(stack: &Stack, global: &Global) -> Self {
        let section = &stack.file.stack;
        Self {
            stack: stack.name().to_owned(),
            region: section.region.as_deref().cloned(),
            account: section.only_account().map(str::to_owned),
            role: section.assumed_role().filter(|_| global.assumes()),
        }
    }

    /// An error where it belongs to another account than that.
    pub fn refuse_other(&self, account: &str) -> Result<()> {
        let Some(only) = self.account.as_deref().filter(|only| *only != account) else { return Ok(()) };
        let from = if self.role.is_some() { "the role's credentials" } else { "the credentials" };
        bail!(
            "the stack {} belongs to the account {only}, and {from} are of {account}; choose others with --profile or \
             AWS_PROFILE",
            self.stack
        )
    }
}

/// A connection to the account for a stack: by the credentials at hand, or as the role that it names.
pub async fn connect(global: &Global, belonging: &Belonging) -> Result<Context> {
    let region = global.region.as_deref().or(belonging.region.as_deref());
    let aws = if global.local {
        let run = RunFile::read(&global.data)?;
        let secret = if run.local_account { Some(secret(&global.data)?) } else { None };
        local_client(&run, secret.as_ref(), region)?
    } else {
        let options = Options {
            region: region.map(str::to_owned),
            endpoint: global.endpoint_url.clone(),
            profile: global.profile.clone(),
            mfa_code: mfa_code(),
            insecure: global.insecure_endpoint,
        };
        let aws = Aws::connect(options).await?;
        match &belonging.role {
            Some(role) => assume(&aws, &belonging.stack, role).await?,
            None => aws,
        }
    };
    let context = context(aws, &belonging.stack, global.pace()).await?;
    belonging.refuse_other(&context.account)?;
    Ok(context)
}

/// A connection as the role that a stack names.
async fn assume(aws: &Aws, stack: &str, AssumedRole { arn, external_id }: &AssumedRole) -> Result<Aws> {
    let role = Role { arn: arn.clone(), external_id: external_id.clone(), session: names::session(stack) };
    let id = if external_id.is_none() {
        ", an external id that its trust policy asks for is `external_id` in [stack]"
    } else {
        ""
    };
    aws.assuming(role).await.with_context(|| {
        format!(
            "work as the role that [stack] names (`lakewright permissions --for caller` prints what that takes{id}, --no-role works \
             with the credentials at hand)"
        )
    })
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

/// A client of the account on this machine as its administrator, by its secret key; what has none takes any. Nobody assumes a
/// role here, for nothing here is another's.
pub fn local_client(run: &RunFile, secret: Option<&Secret>, region: Option<&str>) -> Result<Aws> {
    let region = region.or(Some(run.region.as_str())).filter(|region| !region.is_empty()).unwrap_or(LOCAL_REGION);
    Ok(Aws::with_keys(region, &run.account, &run.number, secret.map_or("unchecked", Secret::exposed))?)
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
    let caller = identity.arn.needed("sts", "GetCallerIdentity.Arn")?;
    Ok(Context {
        region: aws.region().to_owned(),
        aws: aws.of_account(&account, BTreeMap::new()),
        stack: stack.to_owned(),
        account,
        caller,
        state_bucket: None,
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        pace,
        clock: Clock::default(),
        reading: Reading::default(),
        intents: Intents::default(),
        waiting: Waiting::default(),
        records: crate::record::Records::default(),
        tags: crate::reading::Tags::new(),
    })
}
