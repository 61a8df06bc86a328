//! The policies that bound a stack's roles: they are made outside the stack, and must let the roles do what they need.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use lakewright_aws::ask;

use super::state::StackState;
use crate::kind::Context;
use crate::kinds::{self, role};
use crate::names;
use crate::permissions::{Deployer, Lack};
use crate::plan::{Action, Plan};
use crate::reading::is_denied;
use crate::services::Services as _;

/// So many of what is lacking are named.
const NAMED: usize = 8;

/// An error where a plan makes or changes roles within a boundary that isn't there, or that keeps from them what they need. A
/// boundary that may not be read is taken on trust.
pub async fn refuse_forbidden(state: &StackState, plan: &Plan) -> Result<()> {
    let is_of_role = |kind: &str| kinds::named(kind).is_some_and(|kind| kind.facts().own_policies.is_some());
    let touched = plan.steps.iter().any(|step| step.action != Action::Delete && is_of_role(&step.address.kind));
    if !touched {
        return Ok(());
    }
    let bucket = bucket(state);
    let deployer = deployer(state, &bucket);
    for arn in deployer.boundaries() {
        let says = match role::document(&state.context, &arn).await {
            Ok(Some(says)) => says,
            Ok(None) => bail!(
                "the policy {arn}, which bounds the stack's roles, isn't there; who may make policies makes it of what `lakewright \
                 permissions --boundary` prints"
            ),
            Err(error) if is_denied(&error) => continue,
            Err(error) => return Err(error.context(format!("read the policy {arn}"))),
        };
        refuse(&arn, &deployer.lacking(&arn, &says)?)?;
    }
    Ok(())
}

/// Makes the boundaries that the stack's roles are within, in an account where nobody else does. One that is there stays, if it
/// lets the roles do what they need.
pub async fn make_boundaries(state: &StackState) -> Result<()> {
    let bucket = bucket(state);
    let deployer = deployer(state, &bucket);
    for arn in deployer.boundaries() {
        let says = role::document(&state.context, &arn).await?;
        if let Some(says) = &says
            && deployer.lacking(&arn, says)?.is_empty()
        {
            continue;
        }
        let document = deployer.bounds().context("the stack's roles need more than one policy can say")?.to_string();
        let iam = state.context.aws.iam();
        if says.is_some() {
            let call = iam.create_policy_version().policy_arn(&arn).policy_document(document).set_as_default(true);
            ask(call.send()).await.with_context(|| format!("write the policy {arn}"))?;
            continue;
        }
        let (path, name) = arn.split_once(":policy/").map(|(_, rest)| parts(rest)).context("no ARN of a policy")?;
        let call = iam.create_policy().path(path).policy_name(name).policy_document(document);
        ask(call.send()).await.with_context(|| format!("make the policy {arn}"))?;
    }
    Ok(())
}

/// Path and name of what stands behind `policy/` in an ARN.
fn parts(rest: &str) -> (String, &str) {
    match rest.rsplit_once('/') {
        Some((path, name)) => (format!("/{path}/"), name),
        None => ("/".to_owned(), rest),
    }
}

/// The bucket of the stack's lease.
fn bucket(state: &StackState) -> String {
    let Context { account, region, state_bucket, .. } = &state.context;
    state_bucket.clone().unwrap_or_else(|| names::state_bucket(account, region))
}

/// Who applies the stack.
fn deployer<'a>(state: &'a StackState, bucket: &'a str) -> Deployer<'a> {
    let Context { account, region, .. } = &state.context;
    let desired = &state.desired;
    Deployer { desired, account, region, role: None, boundary: None, state_bucket: bucket, is_own: false }
}

fn refuse(arn: &str, lacks: &[Lack]) -> Result<()> {
    if lacks.is_empty() {
        return Ok(());
    }
    let mut list = String::new();
    for Lack { role, action, resource } in lacks.iter().take(NAMED) {
        let _ = write!(list, "\n  {role}: {action} on {resource}");
    }
    if lacks.len() > NAMED {
        let _ = write!(list, "\n  and {} more", lacks.len() - NAMED);
    }
    bail!(
        "the policy {arn}, which bounds the stack's roles, keeps from them what they need:{list}\nwho may write it makes it \
         anew of what `lakewright permissions --boundary` prints; nothing was changed"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_boundary_keeps_is_named() {
        let lack = |number: usize| Lack {
            role: "role.app".parse().expect("an address"),
            action: format!("s3:Action{number}"),
            resource: "arn:aws:s3:::shop-raw/*".to_owned(),
        };
        let lacks: Vec<Lack> = (0..10).map(lack).collect();
        let said = refuse("arn:aws:iam::1:policy/b", &lacks).expect_err("ten are lacking").to_string();
        assert!(said.contains("role.app: s3:Action0 on arn:aws:s3:::shop-raw/*"), "{said}");
        assert!(said.contains("and 2 more"), "{said}");
        assert!(refuse("arn:aws:iam::1:policy/b", &[]).is_ok());
    }

    #[test]
    fn a_policy_has_a_path_and_a_name() {
        assert_eq!(parts("teams/data/shop"), ("/teams/data/".to_owned(), "shop"));
        assert_eq!(parts("shop"), ("/".to_owned(), "shop"));
    }
}
