//! IAM: roles, policies, instance profiles, providers of identities.

use super::{Ask, Asks, global};
use crate::fields::Fields as _;
use crate::state::{State, Tags, tags_of};

/// The ARN of a role that is given by its ARN or its name: with its path, when it is there.
pub(super) fn role_arn(state: &mut State<'_>, account: &str, role: &str) -> String {
    if role.starts_with("arn:") {
        return role.to_owned();
    }
    let state = state.at(global(account));
    let found = state.get("iam/role", role).and_then(|role| role.text("Arn")).map(str::to_owned);
    found.unwrap_or_else(|| format!("arn:aws:iam::{account}:role/{role}"))
}

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let operation = asks.operation();
    let given = tags_of(asks.input().list("Tags"), "Key", "Value");
    match operation {
        "ListRoles"
        | "ListPolicies"
        | "ListInstanceProfiles"
        | "ListOpenIDConnectProviders"
        | "GetAccountAuthorizationDetails" => asks.own("iam", "*"),
        "CreateRole" => {
            let arn = new(asks, "role", "RoleName");
            let ask = Ask::on("iam:CreateRole", &arn).tags(&given);
            asks.add(ask.key("iam:PermissionsBoundary", asks.text("PermissionsBoundary")));
            asks.tag_made("iam:TagRole", &arn, &given)
        }
        "CreatePolicy" => {
            let arn = new(asks, "policy", "PolicyName");
            asks.with_tags("iam", &arn, &given);
            asks.tag_made("iam:TagPolicy", &arn, &given)
        }
        "CreateInstanceProfile" => {
            let arn = new(asks, "instance-profile", "InstanceProfileName");
            asks.with_tags("iam", &arn, &given);
            asks.tag_made("iam:TagInstanceProfile", &arn, &given)
        }
        "CreateOpenIDConnectProvider" => {
            let host = asks.text("Url").unwrap_or_default().trim_start_matches("https://").trim_end_matches('/');
            let arn = format!("arn:aws:iam::{}:oidc-provider/{host}", asks.request.account);
            asks.with_tags("iam", &arn, &given);
            asks.tag_made("iam:TagOpenIDConnectProvider", &arn, &given)
        }
        _ if operation.contains("OpenIDConnectProvider") => {
            let arn = asks.text("OpenIDConnectProviderArn").unwrap_or("*");
            on(asks, arn.to_owned(), &given)
        }
        "AddRoleToInstanceProfile" => {
            let arn = profile(asks);
            asks.own("iam", arn);
            asks.pass(asks.text("RoleName").unwrap_or_default(), "ec2.amazonaws.com")
        }
        "ListInstanceProfilesForRole" => on_role(asks, &given),
        _ if operation.contains("InstanceProfile") => {
            let arn = profile(asks);
            on(asks, arn, &given)
        }
        _ if operation.contains("Role") => on_role(asks, &given),
        _ => {
            let arn = asks.text("PolicyArn").unwrap_or("*");
            on(asks, arn.to_owned(), &given)
        }
    }
}

/// The ARN of what a request makes.
fn new(asks: &Asks<'_, '_>, kind: &str, member: &str) -> String {
    let path = asks.text("Path").unwrap_or("/");
    format!("arn:aws:iam::{}:{kind}{path}{}", asks.request.account, asks.text(member).unwrap_or_default())
}

fn profile(asks: &mut Asks<'_, '_>) -> String {
    let (name, account) = (asks.text("InstanceProfileName").unwrap_or_default(), asks.request.account.clone());
    let state = asks.state.at(global(&account));
    let found = state.get("iam/profile", name).and_then(|profile| profile.text("Arn")).map(str::to_owned);
    found.unwrap_or_else(|| format!("arn:aws:iam::{account}:instance-profile/{name}"))
}

/// The operation, if IAM has an action of its name, on a resource.
fn on(asks: &mut Asks<'_, '_>, arn: String, tags: &Tags) -> Option<()> {
    let action = format!("iam:{}", asks.operation());
    lakewright_iam::reference::action(&action)?;
    let removed = asks.input().texts("TagKeys");
    let ask = Ask::on(&action, arn).tags(tags);
    asks.add(if removed.is_empty() { ask } else { ask.tag_keys(removed) })
}

/// An operation on a role, with the boundary that it has or is given, and the policy that it is about.
fn on_role(asks: &mut Asks<'_, '_>, tags: &Tags) -> Option<()> {
    let account = asks.request.account.clone();
    let name = asks.text("RoleName").unwrap_or_default();
    let arn = role_arn(asks.state, &account, name);
    let state = asks.state.at(global(&account));
    let own = state.get("iam/role", name).and_then(|role| role.text("PermissionsBoundary")).map(str::to_owned);
    let boundary = asks.text("PermissionsBoundary").map(str::to_owned).or(own);
    on(asks, arn, tags)?;
    let policy = asks.text("PolicyArn").map(str::to_owned);
    if let Some(ask) = asks.last() {
        for (key, value) in [("iam:PermissionsBoundary", boundary), ("iam:PolicyARN", policy)] {
            if let Some(value) = value {
                ask.keys.set(key, value);
            }
        }
    }
    Some(())
}
