//! `permissions`: the policies of those who plan, apply and adopt, and the boundary of a stack's roles.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::app::connect::stack;
use crate::app::programs::programs_of;
use crate::app::{Global, Outcome, print};
use crate::permissions::{Deployer, Purpose};
use crate::stack::{Target, expand};

/// What policies are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// Seeing what an apply would do
    Plan,
    /// Planning, applying and destroying
    Apply,
    /// Besides: taking over what others made, recovering, and deleting what carries the stack's tags without being its own
    Adopt,
    /// Besides: what an administrator does once, with the bucket of the leases, the roles that apply the stack and a new network's
    /// default security group
    Setup,
}

impl For {
    fn purpose(self) -> Purpose {
        match self {
            Self::Plan => Purpose::Plan,
            Self::Apply => Purpose::Apply,
            Self::Adopt => Purpose::Adopt,
            Self::Setup => Purpose::Setup,
        }
    }

    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The policies that something takes.
    Policies(For),
    /// The policy that bounds the stack's roles.
    Boundary,
}

/// `lakewright permissions`.
pub fn run(global: &Global, account: Option<String>, wanted: Wanted) -> Result<Outcome> {
    let stack = stack(global)?;
    let section = &stack.file.stack;
    let Some(region) = global.region.clone().or_else(|| section.region.as_deref().cloned()) else {
        bail!("no region: name it with --region or in the stack file")
    };
    let Some(account) = account.or_else(|| section.account.as_deref().cloned()) else {
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
        boundary: boundary.as_deref(),
        state_bucket: &target.state_bucket(section),
        is_own: false,
    };
    let json = match wanted {
        Wanted::Policies(of) => {
            let word = of.word();
            let named = deployer.policies(of.purpose()).into_iter().enumerate();
            let named = named.map(|(index, policy)| (format!("{}-{word}-{}", stack.name(), index + 1), policy));
            serde_json::to_string_pretty(&named.collect::<BTreeMap<_, _>>())
        }
        Wanted::Boundary => {
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
