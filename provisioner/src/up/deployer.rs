//! Who applies the stack in the account on this machine: a role that may do what `lakewright permissions` prints, and no more.

use std::fmt::Display;

use anyhow::{Context as _, Result};
use aws_sdk_iam::Client;
use aws_sdk_iam::types::{AttachedPolicy, Policy};
use lakewright_aws::{Aws, Role, ask};
use lakewright_iam::Arn;
use serde_json::json;

use crate::app::StackState;
use crate::names;
use crate::permissions::{Deployer, Purpose};
use crate::services::Services as _;
use crate::stack::{Stack, Target};

/// Where the role of a stack stands that doesn't say who applies it, and the policies of every stack's.
const FOLDER: &str = "lakewright-up";

/// Makes the role that applies the stack, with its policies as they are printed now, and becomes it.
///
/// The account's administrator does it, as somebody has to on AWS. A stack that names only users is applied by that administrator.
///
/// # Errors
/// What the account refused.
pub async fn become_deployer(administrator: &StackState, stack: &Stack) -> Result<Aws> {
    let context = &administrator.context;
    let Some(name) = named(stack, &context.account) else { return Ok(context.aws.clone()) };
    let arn = make(administrator, stack, &name)
        .await
        .with_context(|| format!("make the role {name}, which applies the stack"))?;
    let session = names::session(stack.name());
    let aws = context.aws.assuming(Role { arn, external_id: None, session }).await;
    aws.with_context(|| format!("become the role {name}, which applies the stack"))
}

/// Path and name of a role.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    /// With a slash before and behind.
    path: String,
    name: String,
}

impl Display for Name {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "role{}{}", self.path, self.name)
    }
}

impl Name {
    /// What stands behind `role/`; a pattern becomes a name that it matches.
    fn of(text: &str) -> Self {
        let text = text.replace('*', "up").replace('?', "u");
        match text.rsplit_once('/') {
            Some((path, name)) => Self { path: format!("/{path}/"), name: name.to_owned() },
            None => Self { path: "/".to_owned(), name: text },
        }
    }
}

/// The role: one that the file says applies the stack, because it may let nobody else write what hosts run. None where the file names
/// users and no role of the account.
fn named(stack: &Stack, account: &str) -> Option<Name> {
    let section = &stack.file.stack;
    let assumed = section.assumed_role().map(|role| role.arn);
    let written: Vec<String> =
        assumed.into_iter().chain(section.deployers.iter().map(|one| one.value.clone())).collect();
    if written.is_empty() {
        return Some(Name::of(&format!("{FOLDER}/up.{}", stack.name())));
    }
    let own = |text: &String| match Arn::parse(text) {
        Some(arn) if arn.account != account => None,
        Some(arn) => arn.resource.strip_prefix("role/").map(Name::of),
        None => text.strip_prefix("role/").map(Name::of),
    };
    // Its own roles are the stack's to make.
    let is_own = |name: &Name| name.path == names::identities(stack.name());
    written.iter().filter_map(own).find(|name| !is_own(name))
}

/// Makes the role, or the one that is there to what it has to be; its ARN.
async fn make(administrator: &StackState, stack: &Stack, role: &Name) -> Result<String> {
    let (context, iam) = (&administrator.context, administrator.context.aws.iam());
    let root = context.site().global("iam", "root");
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"},
    ]});
    let trust = trust.to_string();
    let found = ask(iam.get_role().role_name(&role.name).send()).await;
    let arn = match found {
        Ok(found) => {
            ask(iam.update_assume_role_policy().role_name(&role.name).policy_document(trust).send()).await?;
            found.role.map(|role| role.arn).unwrap_or_default()
        }
        Err(error) if error.is_not_found() => {
            let call = iam.create_role().path(&role.path).role_name(&role.name).assume_role_policy_document(trust);
            ask(call.send()).await?.role.map(|role| role.arn).unwrap_or_default()
        }
        Err(error) => return Err(error.into()),
    };
    take_away(&iam, role).await?;
    for (index, policy) in policies(administrator, stack).into_iter().enumerate() {
        attach(&iam, role, &format!("up.{}-{}", role.name, index + 1), policy).await?;
    }
    Ok(arn)
}

async fn attach(iam: &Client, role: &Name, name: &str, policy: String) -> Result<()> {
    let made = iam.create_policy().path(format!("/{FOLDER}/")).policy_name(name).policy_document(policy);
    let arn = ask(made.send()).await?.policy.and_then(|policy| policy.arn);
    ask(iam.attach_role_policy().role_name(&role.name).set_policy_arn(arn).send()).await?;
    Ok(())
}

/// Takes away the policies that an earlier `up` made, which may have been killed between any two of its calls.
async fn take_away(iam: &Client, role: &Name) -> Result<()> {
    let attached = ask(iam.list_attached_role_policies().role_name(&role.name).max_items(100).send()).await?;
    for arn in attached.attached_policies().iter().filter_map(AttachedPolicy::policy_arn) {
        ask(iam.detach_role_policy().role_name(&role.name).policy_arn(arn).send()).await?;
    }
    let made = ask(iam.list_policies().path_prefix(format!("/{FOLDER}/")).max_items(1000).send()).await?;
    let begins = format!(":policy/{FOLDER}/up.{}-", role.name);
    for arn in made.policies().iter().filter_map(Policy::arn).filter(|arn| arn.contains(&begins)) {
        ask(iam.delete_policy().policy_arn(arn).send()).await?;
    }
    Ok(())
}

/// What the role may do: what an administrator does once, and what whoever applies the stack does each time.
fn policies(administrator: &StackState, stack: &Stack) -> Vec<String> {
    let (context, section) = (&administrator.context, &stack.file.stack);
    let target = Target { account: context.account.clone(), region: context.region.clone() };
    let (boundary, state_bucket) = (target.boundary(section), target.state_bucket(section));
    let deployer = Deployer {
        desired: &administrator.desired,
        account: &target.account,
        region: &target.region,
        role: section.role.as_deref().map(String::as_str),
        boundary: boundary.as_deref(),
        state_bucket: &state_bucket,
        is_own: false,
    };
    let purposes = [Purpose::Setup, Purpose::Apply].into_iter();
    purposes.flat_map(|purpose| deployer.policies(purpose)).map(|policy| policy.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn of(section: &str) -> Option<String> {
        let text = format!("[stack]\nname = \"shop\"\nregion = \"eu-north-1\"\n{section}\n");
        let stack =
            crate::stack::parse(Path::new("shop.toml"), &text, None).unwrap_or_else(|error| panic!("{error:?}"));
        named(&stack, "123456789012").map(|name| name.to_string())
    }

    #[test]
    fn the_role_is_the_one_that_the_file_names() {
        assert_eq!(of("").as_deref(), Some("role/lakewright-up/up.shop"));
        assert_eq!(of("deployers = [\"user/anna\", \"role/deployer\"]").as_deref(), Some("role/deployer"));
        assert_eq!(of("deployers = [\"arn:aws:iam::999999999999:role/theirs\"]"), None);
        assert_eq!(of("deployers = [\"user/anna\"]"), None);
        assert_eq!(of("deployers = [\"role/lakewright/shop/shop-ci\"]"), None);
    }

    #[test]
    fn a_role_has_a_path_and_a_name() {
        for (text, path, name) in [
            ("deployer", "/", "deployer"),
            ("teams/data/deployer", "/teams/data/", "deployer"),
            ("aws-reserved/sso.amazonaws.com/*/Admin_?", "/aws-reserved/sso.amazonaws.com/up/", "Admin_u"),
        ] {
            assert_eq!(Name::of(text), Name { path: path.to_owned(), name: name.to_owned() }, "{text}");
        }
        assert_eq!(Name::of("a/b").to_string(), "role/a/b");
    }
}
