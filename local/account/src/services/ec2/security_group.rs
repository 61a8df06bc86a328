//! Security groups and their rules.

use serde_json::{Value, json};

use super::error::{invalid, missing, need};
use super::kind::{INTERFACE, SECURITY_GROUP, SECURITY_GROUP_RULE, VPC};
use super::{done, permission, tags};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::{State, Tags};

/// Most rules of one direction in a group.
const MOST: usize = 60;

fn document(state: &State<'_>, vpc: &str, owner: &str, name: &str, description: &str) -> Value {
    let id = ids::resource("sg");
    json!({
        "groupId": id,
        "securityGroupArn": SECURITY_GROUP.arn(state, &id),
        "groupName": name,
        "groupDescription": description,
        "vpcId": vpc,
        "ownerId": owner,
    })
}

/// Makes the group that a VPC is born with.
pub(super) fn born(state: &mut State<'_>, vpc: &str, owner: &str) {
    let group = document(state, vpc, owner, "default", "default VPC security group");
    let group = SECURITY_GROUP.create(state, group, &Tags::new());
    let itself = json!({
        "groupId": group["groupId"], "groupOwnerId": owner, "isEgress": false, "ipProtocol": "-1", "fromPort": -1,
        "toPort": -1, "referencedGroupInfo": { "groupId": group["groupId"], "userId": owner },
    });
    keep(state, itself, &Tags::new());
    keep(state, everything_out(&group), &Tags::new());
}

/// The rule that lets a new group reach everything.
fn everything_out(group: &Value) -> Value {
    json!({
        "groupId": group["groupId"], "groupOwnerId": group["ownerId"], "isEgress": true, "ipProtocol": "-1",
        "fromPort": -1, "toPort": -1, "cidrIpv4": "0.0.0.0/0",
    })
}

fn keep(state: &mut State<'_>, mut rule: Value, tags: &Tags) -> Value {
    let id = ids::resource("sgr");
    rule["securityGroupRuleArn"] = json!(SECURITY_GROUP_RULE.arn(state, &id));
    rule["securityGroupRuleId"] = json!(id);
    SECURITY_GROUP_RULE.create(state, rule, tags)
}

/// Returns the rules of a group, in the order in which they were made.
fn rules<'a>(state: &'a State<'_>, group: &str) -> Vec<&'a Value> {
    let mut rules: Vec<&Value> = state
        .list(SECURITY_GROUP_RULE.collection)
        .filter(|(_, rule)| rule["groupId"] == group)
        .map(|(_, rule)| rule)
        .collect();
    rules.sort_by_key(|rule| rule.number("_created"));
    rules
}

/// Adds a group's rules as permissions.
pub(super) fn derive(state: &State<'_>, shown: &mut Value) {
    let id = shown.text("groupId").unwrap_or_default().to_owned();
    let rules = rules(state, &id);
    let way = |egress: bool| rules.iter().filter(|rule| rule["isEgress"] == egress).copied().collect::<Vec<_>>();
    shown["ipPermissions"] = permission::permissions(&way(false));
    shown["ipPermissionsEgress"] = permission::permissions(&way(true));
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.text("GroupName").ok_or_else(|| missing("groupName"))?;
    let description = request.input.text("GroupDescription").ok_or_else(|| missing("groupDescription"))?;
    if request.input.text("VpcId").is_none() {
        return Err(AwsError::new("VPCIdNotSpecified", "No default VPC for this user"));
    }
    let vpc = VPC.named(state, request, "VpcId")?;
    let vpc = vpc.text("vpcId").unwrap_or_default();
    if name == "default" {
        return Err(invalid("Cannot use reserved security group name: default"));
    }
    if name.starts_with("sg-") {
        return Err(invalid(format!(
            "Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*."
        )));
    }
    for (parameter, text) in [("GroupName", name), ("GroupDescription", description)] {
        permission::check_description(text).map_err(|_| {
            invalid(format!(
                "Value ({text}) for parameter {parameter} is invalid. Character sets beyond ASCII are not supported."
            ))
        })?;
    }
    if state.list(SECURITY_GROUP.collection).any(|(_, other)| other["vpcId"] == vpc && other["groupName"] == name) {
        let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(AwsError::new("InvalidGroup.Duplicate", message));
    }
    let given = tags::specified(request, "security-group")?;
    let group = document(state, vpc, &request.account, name, description);
    let group = SECURITY_GROUP.create(state, group, &given);
    keep(state, everything_out(&group), &Tags::new());
    Ok(json!({
        "return": true,
        "groupId": group["groupId"],
        "securityGroupArn": group["securityGroupArn"],
        "tagSet": group["tagSet"],
    }))
}

/// Returns the group that a request names by id, or by name where there is only one of that name.
fn named(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    if request.input.text("GroupId").is_none()
        && let Some(name) = request.input.text("GroupName")
    {
        let mut found = state.list(SECURITY_GROUP.collection).filter(|(_, group)| group["groupName"] == name);
        if let (Some((_, group)), None) = (found.next(), found.next()) {
            return Ok(group.clone());
        }
        let message = format!("The security group '{name}' does not exist");
        return Err(AwsError::new("InvalidGroup.NotFound", message));
    }
    SECURITY_GROUP.named(state, request, "GroupId")
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let group = named(state, request)?;
    let id = group.text("groupId").unwrap_or_default();
    if group["groupName"] == "default" {
        let message = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(AwsError::new("CannotDelete", message));
    }
    let in_use = state
        .list(INTERFACE.collection)
        .any(|(_, interface)| interface.list("groupSet").iter().any(|group| group["groupId"] == id));
    let referenced = state
        .list(SECURITY_GROUP_RULE.collection)
        .any(|(_, rule)| rule["groupId"] != id && rule["referencedGroupInfo"]["groupId"] == id);
    if in_use || referenced {
        return Err(AwsError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    let own: Vec<String> = rules(state, id).iter().filter_map(|rule| rule.texts("securityGroupRuleId").pop()).collect();
    for rule in &own {
        SECURITY_GROUP_RULE.delete(state, rule);
    }
    SECURITY_GROUP.delete(state, id);
    Ok(json!({ "return": true, "groupId": id }))
}

fn told(rule: &Value) -> String {
    let peer = ["cidrIpv4", "cidrIpv6", "prefixListId"].iter().find_map(|member| rule.text(member));
    let peer = peer.or_else(|| rule["referencedGroupInfo"]["groupId"].as_str()).unwrap_or_default();
    let protocol = rule.text("ipProtocol").unwrap_or_default();
    if protocol == "-1" {
        return format!("peer: {peer}, ALL, ALLOW");
    }
    let (from, to) = (&rule["fromPort"], &rule["toPort"]);
    format!("peer: {peer}, {}, from port: {from}, to port: {to}, ALLOW", protocol.to_uppercase())
}

pub(super) fn authorize(state: &mut State<'_>, request: &Request, egress: bool) -> Result<Value, AwsError> {
    let group = named(state, request)?;
    let id = group.text("groupId").unwrap_or_default();
    let given = tags::specified(request, "security-group-rule")?;
    let wanted = permission::read(state, request, &group, egress)?;
    let mut present: Vec<Value> = rules(state, id).into_iter().cloned().collect();
    for rule in &wanted {
        if present.iter().any(|other| permission::same(rule, other)) {
            let message = format!("the specified rule \"{}\" already exists", told(rule));
            return Err(AwsError::new("InvalidPermission.Duplicate", message));
        }
        present.push(rule.clone());
    }
    if present.iter().filter(|rule| rule["isEgress"] == egress).count() > MOST {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(AwsError::new("RulesPerSecurityGroupLimitExceeded", message));
    }
    let made: Vec<Value> = wanted.into_iter().map(|rule| keep(state, rule, &given)).collect();
    Ok(json!({ "return": true, "securityGroupRuleSet": made }))
}

pub(super) fn revoke(state: &mut State<'_>, request: &Request, egress: bool) -> Result<Value, AwsError> {
    let group = named(state, request)?;
    let id = group.text("groupId").unwrap_or_default();
    let by_id = request.input.texts("SecurityGroupRuleId");
    let mut gone: Vec<Value> = Vec::new();
    if by_id.is_empty() {
        let present: Vec<Value> = rules(state, id).into_iter().cloned().collect();
        for rule in permission::read(state, request, &group, egress)? {
            let found = present.iter().find(|other| permission::same(&rule, other));
            let missing = || {
                let message = "The specified rule does not exist in this security group.";
                AwsError::new("InvalidPermission.NotFound", message)
            };
            gone.push(found.cloned().ok_or_else(missing)?);
        }
    } else {
        for rule in &by_id {
            let found = SECURITY_GROUP_RULE.get(state, rule)?;
            if found["groupId"] != id || found["isEgress"] != egress {
                let message = format!("The security group rule ID '{rule}' does not exist");
                return Err(AwsError::new("InvalidSecurityGroupRuleId.NotFound", message));
            }
            gone.push(found);
        }
    }
    let mut told = Vec::new();
    for rule in gone {
        let rule_id = rule.text("securityGroupRuleId").unwrap_or_default();
        SECURITY_GROUP_RULE.delete(state, rule_id);
        let mut shown = rule.clone();
        let members = shown.as_object_mut().expect("a rule is an object");
        if let Some(referenced) = members.shift_remove("referencedGroupInfo") {
            members.insert("referencedGroupId".into(), referenced["groupId"].clone());
        }
        members.retain(|name, _| !name.starts_with('_') && name != "groupOwnerId" && name != "securityGroupRuleArn");
        told.push(shown);
    }
    Ok(json!({ "return": true, "revokedSecurityGroupRuleSet": told }))
}

pub(super) fn modify_rules(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let group = named(state, request)?;
    let id = group.text("groupId").unwrap_or_default();
    for update in request.input.list("SecurityGroupRule") {
        let rule_id = need(update, "SecurityGroupRuleId")?;
        let old = SECURITY_GROUP_RULE.get(state, rule_id)?;
        if old["groupId"] != id {
            let message = format!("The security group rule ID '{rule_id}' does not exist");
            return Err(AwsError::new("InvalidSecurityGroupRuleId.NotFound", message));
        }
        let new = update.member("SecurityGroupRule").ok_or_else(|| missing("SecurityGroupRule"))?;
        let description = &new["Description"];
        let permission = json!({
            "IpProtocol": new["IpProtocol"],
            "FromPort": new["FromPort"],
            "ToPort": new["ToPort"],
            "IpRanges": source(new, "CidrIpv4", "CidrIp", description),
            "Ipv6Ranges": source(new, "CidrIpv6", "CidrIpv6", description),
            "PrefixListIds": source(new, "PrefixListId", "PrefixListId", description),
            "Groups": source(new, "ReferencedGroupId", "GroupId", description),
        });
        let asked = Request { input: json!({ "IpPermissions": [permission] }), ..request.clone() };
        let egress = old["isEgress"] == true;
        let mut made = permission::read(state, &asked, &group, egress)?;
        let mut made =
            made.pop().filter(|_| made.is_empty()).ok_or_else(|| invalid("A rule has exactly one source"))?;
        let others = rules(state, id);
        if others.iter().any(|other| other["securityGroupRuleId"] != rule_id && permission::same(&made, other)) {
            let message = format!("the specified rule \"{}\" already exists", told(&made));
            return Err(AwsError::new("InvalidPermission.Duplicate", message));
        }
        for kept in ["securityGroupRuleId", "securityGroupRuleArn", "_created"] {
            made[kept] = old[kept].clone();
        }
        state.put(SECURITY_GROUP_RULE.collection, rule_id, made);
    }
    Ok(done())
}

fn source(rule: &Value, from: &str, to: &str, description: &Value) -> Value {
    match rule.member(from) {
        Some(value) => json!([{ to: value, "Description": description }]),
        None => json!([]),
    }
}

/// Changes descriptions of rules.
pub(super) fn describe_rules_anew(state: &mut State<'_>, request: &Request, egress: bool) -> Result<Value, AwsError> {
    let group = named(state, request)?;
    let id = group.text("groupId").unwrap_or_default();
    let mut changes: Vec<(Value, Option<String>)> = Vec::new();
    for entry in request.input.list("SecurityGroupRuleDescription") {
        let rule = SECURITY_GROUP_RULE.get(state, need(entry, "SecurityGroupRuleId")?)?;
        changes.push((rule, entry.text("Description").map(str::to_owned)));
    }
    if changes.is_empty() {
        for wanted in permission::read(state, request, &group, egress)? {
            let found = rules(state, id).into_iter().find(|other| permission::same(&wanted, other)).cloned();
            let missing = || {
                let message = "The specified rule does not exist in this security group.";
                AwsError::new("InvalidPermission.NotFound", message)
            };
            changes.push((found.ok_or_else(missing)?, wanted.text("description").map(str::to_owned)));
        }
    }
    for (mut rule, description) in changes {
        match description.filter(|text| !text.is_empty()) {
            Some(text) => {
                permission::check_description(&text)?;
                rule["description"] = json!(text);
            }
            None => drop(rule.as_object_mut().and_then(|members| members.shift_remove("description"))),
        }
        let rule_id = rule.text("securityGroupRuleId").unwrap_or_default().to_owned();
        state.put(SECURITY_GROUP_RULE.collection, &rule_id, rule);
    }
    Ok(done())
}
