//! `permissions`: the policies of those who plan, apply and adopt, and the boundary of a stack's roles.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use lakewright_iam::Arn;

use super::options::twelve_digits;
use crate::app::connect::stack;
use crate::app::programs::programs_of;
use crate::app::{Global, Outcome, print, say};
use crate::names;
use crate::permissions::{Deployer, Purpose, caller, trust_in};
use crate::stack::{Stack, StackSection, Target, expand};

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

/// What `permissions` can be given.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The stack file
    pub stack: Option<PathBuf>,
    /// The account, when the stack file names none
    #[arg(long, value_name = "DIGITS", value_parser = twelve_digits)]
    pub account: Option<String>,
    /// What the policies are for
    #[arg(long = "for", value_name = "PURPOSE", value_enum, default_value_t = For::Apply)]
    pub purpose: For,
    /// Who assumes the role that the stack names, with --for caller: a role or user [default: whoever its account lets]
    #[arg(long, value_name = "ARN")]
    pub caller: Option<String>,
    /// Prints the policy that bounds the stack's roles instead
    #[arg(long, conflicts_with = "purpose")]
    pub boundary: bool,
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
        if caller.is_some() && purpose != For::Caller {
            bail!(
                "--caller is for `--for caller`, and is the ARN of who assumes the role: arn:aws:iam::123456789012:role/ci"
            )
        }
        if let Some(fix) = caller.as_deref().and_then(caller_mistake) {
            bail!("`{}` is nobody whom a trust policy names: {fix}", caller.unwrap_or_default())
        }
        Ok(match purpose.purpose() {
            _ if boundary => Self::Boundary,
            None => Self::Assuming(caller),
            Some(of) => Self::Policies(of, purpose.word()),
        })
    }
}

/// What is wrong with an ARN of who assumes a role, as a fix; nothing where a trust policy may name it.
fn caller_mistake(text: &str) -> Option<String> {
    let arn = Arn::parse(text).filter(|arn| arn.owner().is_some());
    let Some(arn) = arn else {
        return Some("write the ARN of a role or user, arn:aws:iam::123456789012:role/ci".to_owned());
    };
    let Arn { partition, account, .. } = arn;
    match (arn.service, arn.kind()) {
        ("iam", "role" | "user") if arn.resource.contains('/') => None,
        ("iam", "root") => None,
        ("iam", "group") => Some(format!(
            "IAM takes no groups there; name a role or the users, or the account, arn:{partition}:iam::{account}:root"
        )),
        ("sts", "assumed-role") => {
            let role = arn.resource.split('/').nth(1).unwrap_or("NAME");
            Some(format!(
                "it is one session of a role, and ends; name the role, arn:{partition}:iam::{account}:role/{role}, with its path if \
                 it has one"
            ))
        }
        _ => Some("name a role or user, as in arn:aws:iam::123456789012:role/ci".to_owned()),
    }
}

/// An error where the command line names another account than the stack's.
fn agree(named: Option<&str>, section: &StackSection) -> Result<()> {
    match (named, section.only_account()) {
        (Some(named), Some(only)) if named != only => bail!(
            "--account says {named}, and the stack belongs to {only}: leave --account out, or change `account` or `role` in [stack]"
        ),
        _ => Ok(()),
    }
}

/// `lakewright permissions`.
pub fn run(global: &Global, account: Option<String>, wanted: Wanted) -> Result<Outcome> {
    let stack = stack(global)?;
    let section = &stack.file.stack;
    let wanted = match wanted {
        Wanted::Assuming(who) => {
            agree(account.as_deref(), section)?;
            return assuming(&stack, who);
        }
        Wanted::Policies(purpose, word) => Some((purpose, word)),
        Wanted::Boundary => None,
    };
    let Some(region) = global.region.clone().or_else(|| section.region.as_deref().cloned()) else {
        bail!("no region: name it with --region or in the stack file")
    };
    agree(account.as_deref(), section)?;
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
        bail!(
            "the stack {} names no role: whoever applies it works with credentials of their own; for a role of another account write \
             `role = \"arn:aws:iam::ACCOUNT:role/NAME\"` in [stack]",
            stack.name()
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_policy_names_roles_users_and_accounts() {
        let of = |service: &str, what: &str| format!("arn:aws:{service}::123456789012:{what}");
        for fine in [of("iam", "role/teams/ci"), of("iam", "user/anna"), of("iam", "root")] {
            assert_eq!(caller_mistake(&fine), None, "{fine}");
        }
        let said = |text: &str| caller_mistake(text).unwrap_or_default();
        assert!(said(&of("iam", "group/admins")).contains("arn:aws:iam::123456789012:root"));
        assert!(said(&of("sts", "assumed-role/ci/me")).contains("arn:aws:iam::123456789012:role/ci"));
        for wrong in ["ci", "arn:aws:s3:::bucket", "arn:aws:iam::aws:role/x", "arn:aws:iam::123456789012:policy/x"] {
            assert!(!said(wrong).is_empty(), "{wrong}");
        }
    }
}
