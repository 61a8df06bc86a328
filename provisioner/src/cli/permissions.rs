//! `permissions`: the policies of those who plan, apply and adopt, and the boundary of a stack's roles.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::app::connect::stack;
use crate::app::programs::programs_of;
use crate::app::{Global, Outcome, print, say};
use crate::names;
use crate::permissions::{Deployer, Purpose, caller, trust_in};
use crate::stack::{Stack, Target, expand};

/// What policies are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// Seeing what an apply would do
    Plan,
    /// Planning, applying and destroying
    Apply,
    /// Besides: taking over what others made, recovering, and deleting what carries the stack's tags without being its own
    Adopt,
    /// Assuming the role that [stack] names, and that role's trust in who does
    Caller,
    /// Besides: what an administrator does once, with the bucket of the leases, the roles that apply the stack and a new network's
    /// default security group
    Setup,
}

impl For {
    /// What is done on the stack's account for it; nothing to become somebody who may.
    fn purpose(self) -> Option<Purpose> {
        match self {
            Self::Plan => Some(Purpose::Plan),
            Self::Apply => Some(Purpose::Apply),
            Self::Adopt => Some(Purpose::Adopt),
            Self::Setup => Some(Purpose::Setup),
            Self::Caller => None,
        }
    }

    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The policies that something takes, and the word for that.
    Policies(Purpose, String),
    /// What it takes to work as the stack's role, for somebody whom an ARN names, else for the role's account.
    Assuming(Option<String>),
    /// The policy that bounds the stack's roles.
    Boundary,
}

impl Wanted {
    /// What the command line asks for.
    pub fn new(purpose: For, boundary: bool, caller: Option<String>) -> Result<Self> {
        if caller.as_deref().is_some_and(|caller| purpose != For::Caller || names::account_of(caller).is_none()) {
            bail!(
                "--caller is for `--for caller`, and is the ARN of who assumes the role: arn:aws:iam::123456789012:role/ci"
            )
        }
        Ok(match purpose.purpose() {
            _ if boundary => Self::Boundary,
            None => Self::Assuming(caller),
            Some(of) => Self::Policies(of, purpose.word()),
        })
    }
}

/// `lakewright permissions`.
pub fn run(global: &Global, account: Option<String>, wanted: Wanted) -> Result<Outcome> {
    let stack = stack(global)?;
    let section = &stack.file.stack;
    let wanted = match wanted {
        Wanted::Assuming(who) => return assuming(&stack, who),
        Wanted::Policies(purpose, word) => Some((purpose, word)),
        Wanted::Boundary => None,
    };
    let Some(region) = global.region.clone().or_else(|| section.region.as_deref().cloned()) else {
        bail!("no region: name it with --region or in the stack file")
    };
    let Some(account) = account.or_else(|| section.only_account().map(str::to_owned)) else {
        bail!("no account: name it with --account or in the stack file")
    };
    let programs = programs_of(global, &stack)?;
    let target = Target { account, region };
    let desired = expand(&stack, &target, &programs);
    let boundary = target.boundary(section);
    let deployer = Deployer {
        desired: &desired,
        account: &target.account,
        region: &target.region,
        role: section.role.as_deref().map(String::as_str),
        boundary: boundary.as_deref(),
        state_bucket: &target.state_bucket(section),
        is_own: false,
    };
    let json = match wanted {
        Some((purpose, word)) => {
            if let Some(role) = &section.role {
                say(&format!(
                    "The role {} needs these; `--for caller` prints what whoever assumes it needs.",
                    role.value
                ));
            }
            let named = deployer.policies(purpose).into_iter().enumerate();
            let named = named.map(|(index, policy)| (format!("{}-{word}-{}", stack.name(), index + 1), policy));
            serde_json::to_string_pretty(&named.collect::<BTreeMap<_, _>>())
        }
        None => {
            let Some(boundary) = deployer.bounds() else {
                bail!(
                    "the stack's roles need more than one policy can say; write a boundary that allows what `lakewright explain` \
                     shows of them"
                )
            };
            serde_json::to_string_pretty(&boundary)
        }
    };
    print(&(json.context("write the policies")? + "\n"))
}

/// Prints what it takes to work as the stack's role.
fn assuming(stack: &Stack, who: Option<String>) -> Result<Outcome> {
    let Some(role) = stack.file.stack.assumed_role() else {
        bail!("the stack names no role: whoever applies it works with credentials of their own")
    };
    let (partition, account) = (names::partition_of(&role.arn), names::account_of(&role.arn));
    let account = || format!("arn:{partition}:iam::{}:root", account.unwrap_or_default());
    let who = who.unwrap_or_else(account);
    say(&format!("{who} needs the first; the second is the trust policy of {}.", role.arn));
    let name = |word: &str| format!("{}-caller-{word}", stack.name());
    let policies =
        BTreeMap::from([(name("1"), caller(&role.arn)), (name("trust"), trust_in(&who, role.external_id.as_deref()))]);
    let json = serde_json::to_string_pretty(&policies).context("write the policies")?;
    print(&(json + "\n"))
}
