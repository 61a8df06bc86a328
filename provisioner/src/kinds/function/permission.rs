//! Who may invoke a function: the statements of its resource policy.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use aws_sdk_lambda::operation::add_permission::builders::AddPermissionFluentBuilder;
use lakewright_aws::{Needed as _, ask};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::calls::{CHANGED, unhindered};
use crate::kind::{Context, Grant};
use crate::kinds::{policy, wait};
use crate::services::Services as _;

/// Somebody who may do something with the function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// Who: a service, `s3.amazonaws.com`, an account's twelve digits, or the ARN of a role.
    #[schemars(length(max = 2048), regex(pattern = r"^[^\s\x00-\x1f]+$"))]
    pub principal: String,
    /// What: an action of Lambda. Default: `lambda:InvokeFunction`.
    #[serde(default = "invoke")]
    #[schemars(regex(pattern = r"^lambda:([a-zA-Z]{1,100}|\*)$"))]
    pub action: String,
    /// Only on behalf of this: the ARN of a bucket or of a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 10_000),
        regex(
            pattern = r"^arn:aws[a-zA-Z0-9-]*:[a-zA-Z0-9-]+:((eusc-)?[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-[0-9])?:([0-9]{12})?:[^\n]*$"
        )
    )]
    pub source_arn: Option<String>,
    /// Only on behalf of this account: a bucket's ARN doesn't say whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub source_account: Option<String>,
    /// What else a statement asks for that somebody added; none can be declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub conditions: Option<Value>,
}

impl Permission {
    /// A service that may invoke the function on behalf of one thing.
    pub fn invoke(service: &str, source_arn: String) -> Self {
        Self {
            principal: service.to_owned(),
            action: invoke(),
            source_arn: Some(source_arn),
            source_account: None,
            conditions: None,
        }
    }
}

impl Permission {
    /// The permission as a sentence.
    pub(super) fn grant(&self) -> Grant {
        let mut grant = Grant::to(&self.principal, &self.action);
        if let Some(arn) = &self.source_arn {
            grant = grant.only_if(format!("ArnLike AWS:SourceArn {arn}"));
        }
        if let Some(account) = &self.source_account {
            grant = grant.only_if(format!("StringEquals AWS:SourceAccount {account}"));
        }
        if let Some(others) = &self.conditions {
            grant = grant.only_if(others.to_string());
        }
        grant
    }
}

fn invoke() -> String {
    "lambda:InvokeFunction".into()
}

/// Permissions by the id of their statement.
pub type Permissions = BTreeMap<String, Permission>;

/// Brings permissions to the form in which AWS gives them back.
pub(super) fn canonical(permissions: &mut Permissions) -> Result<()> {
    for (sid, permission) in permissions {
        if permission.principal == "*" && permission.source_arn.is_none() && permission.source_account.is_none() {
            bail!("permissions.{sid} lets everybody in; name who may invoke the function");
        }
        if lakewright_iam::is_account(&permission.principal) {
            permission.principal = format!("arn:aws:iam::{}:root", permission.principal);
        }
    }
    Ok(())
}

/// The permissions of a function; none when it has no policy.
pub(super) async fn read(context: &Context, name: &str) -> Result<Permissions> {
    let answer = wait::found(ask(context.aws.lambda().get_policy().function_name(name).send()).await)?;
    let Some(answer) = answer else { return Ok(Permissions::new()) };
    let document = policy::parse(answer.policy().needed("lambda", "GetPolicy.Policy")?)?;
    Ok(document["Statement"].as_array().into_iter().flatten().map(of_statement).collect())
}

fn of_statement(statement: &Value) -> (String, Permission) {
    // The canonical form has lists where AWS takes a text or a list.
    let joined = |value: &Value| match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let principal = match &statement["Principal"] {
        Value::Object(members) => members.values().map(joined).collect::<Vec<_>>().join(", "),
        other => joined(other),
    };
    let mut conditions = statement["Condition"].as_object().cloned().unwrap_or_default();
    let mut take = |operator: &str, key: &str| {
        let keys = conditions.get_mut(operator)?.as_object_mut()?;
        let name = keys.keys().find(|name| name.eq_ignore_ascii_case(key))?.clone();
        let value = keys.shift_remove(&name)?;
        if keys.is_empty() {
            conditions.shift_remove(operator);
        }
        Some(joined(&value))
    };
    let permission = Permission {
        principal,
        action: joined(&statement["Action"]),
        source_arn: take("ArnLike", "AWS:SourceArn"),
        source_account: take("StringEquals", "AWS:SourceAccount"),
        conditions: rest(conditions, statement),
    };
    (statement["Sid"].as_str().unwrap_or_default().to_owned(), permission)
}

/// What a statement says besides what a permission can say.
fn rest(mut conditions: Map<String, Value>, statement: &Value) -> Option<Value> {
    if statement["Effect"] != "Allow" {
        conditions.insert("Effect".to_owned(), statement["Effect"].clone());
    }
    (!conditions.is_empty()).then_some(Value::Object(conditions))
}

/// Makes the policy say what is meant and nothing else.
pub(super) async fn settle(context: &Context, name: &str, meant: &Permissions) -> Result<()> {
    let present = read(context, name).await?;
    for (sid, _) in present.iter().filter(|(sid, permission)| meant.get(*sid) != Some(permission)) {
        let call = context.aws.lambda().remove_permission().function_name(name).statement_id(sid);
        wait::found(unhindered(context, || ask(call.clone().send())).await)?;
    }
    for (sid, permission) in meant.iter().filter(|(sid, permission)| present.get(*sid) != Some(permission)) {
        let call = context.aws.lambda().add_permission().function_name(name).statement_id(sid);
        let call = call
            .principal(&permission.principal)
            .action(&permission.action)
            .set_source_arn(permission.source_arn.clone())
            .set_source_account(permission.source_account.clone());
        add(context, name, (sid, permission), call).await?;
    }
    Ok(())
}

/// Adds a statement. A repeat of a call whose answer was lost finds it there, which is the code of an update under way too.
async fn add(
    context: &Context,
    name: &str,
    (sid, permission): (&str, &Permission),
    call: AddPermissionFluentBuilder,
) -> Result<()> {
    let what = format!("the function {name} takes no permission {sid}");
    wait::until(context, CHANGED, &what, || async {
        match ask(call.clone().send()).await {
            Ok(_) => Ok(Some(())),
            Err(error) if error.is_busy() => {
                Ok((read(context, name).await?.get(sid) == Some(permission)).then_some(()))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;
    use crate::kinds::function::Function;

    #[test]
    fn statements_are_read_whole() {
        let statement = |condition: Value| {
            json!({"Sid": "upload", "Effect": "Allow", "Principal": {"Service": ["s3.amazonaws.com"]},
                "Action": ["lambda:InvokeFunction"], "Resource": ["arn"], "Condition": condition})
        };
        let (sid, permission) = of_statement(&statement(json!({
            "ArnLike": {"AWS:SourceArn": ["arn:aws:s3:::raw"]}, "StringEquals": {"AWS:SourceAccount": ["123456789012"]},
        })));
        assert_eq!(sid, "upload");
        let meant = Permission {
            principal: "s3.amazonaws.com".into(),
            action: invoke(),
            source_arn: Some("arn:aws:s3:::raw".into()),
            source_account: Some("123456789012".into()),
            conditions: None,
        };
        assert_eq!(permission, meant);
        let (_, wider) = of_statement(&statement(json!({"StringEquals": {"aws:PrincipalOrgID": ["o-1"]}})));
        assert_eq!(wider.source_arn, None);
        assert_eq!(wider.conditions, Some(json!({"StringEquals": {"aws:PrincipalOrgID": ["o-1"]}})));
    }

    #[test]
    fn nobody_is_let_in_by_mistake() {
        let with = |change: Value| {
            let mut spec = json!({"principal": "*"});
            spec.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
            Function.normalise(&json!({
                "name": "shop", "runtime": "python3.13", "handler": "index.handler", "inline": "x",
                "role": "arn:aws:iam::123456789012:role/shop", "permissions": {"all": spec},
            }))
        };
        assert!(with(json!({})).is_err());
        assert!(with(json!({"source_account": "123456789012"})).is_ok());
        assert!(with(json!({"principal": "s3.amazonaws.com", "action": "s3:GetObject"})).is_err());
        assert!(with(json!({"principal": "s3.amazonaws.com", "conditions": {}})).is_err());
    }
}
