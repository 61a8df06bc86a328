//! EC2: each operation asks for its action on every resource that the action takes and the request names, on what it
//! makes, and for tagging that.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-policies-for-amazon-ec2.html>

use lakewright_iam::reference;
use serde_json::Value;

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::services::ec2::{resolve_template, resource_of};
use crate::state::{Tags, tags_of};

/// What operations make, by the type's name in ARNs and tag specifications.
const MADE: [(&str, &str); 14] = [
    ("AllocateAddress", "elastic-ip"),
    ("AuthorizeSecurityGroupEgress", "security-group-rule"),
    ("AuthorizeSecurityGroupIngress", "security-group-rule"),
    ("CreateFlowLogs", "vpc-flow-log"),
    ("CreateInternetGateway", "internet-gateway"),
    ("CreateLaunchTemplate", "launch-template"),
    ("CreateNatGateway", "natgateway"),
    ("CreateRouteTable", "route-table"),
    ("CreateSecurityGroup", "security-group"),
    ("CreateSubnet", "subnet"),
    ("CreateVolume", "volume"),
    ("CreateVpc", "vpc"),
    ("CreateVpcEndpoint", "vpc-endpoint"),
    ("RunInstances", "instance"),
];

/// What a service does with the key of a new volume in the caller's name.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html>
const NEW_VOLUME: [&str; 5] =
    ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom"];

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let operation = asks.operation();
    let action = format!("ec2:{operation}");
    let known = reference::action(&action)?;
    match operation {
        "CreateTags" | "DeleteTags" => return tags(asks, &action),
        "RunInstances" => return run(asks),
        "ReplaceIamInstanceProfileAssociation" => return replace_profile(asks, &action),
        _ => {}
    }
    let made = MADE.iter().find(|(name, _)| *name == operation).map_or("", |(_, made)| *made);
    let mut named = Vec::new();
    ids(asks.input(), &mut named);
    by_other_names(asks, &mut named);
    // What stands beside the group in its rules is another one, which the action isn't about.
    if operation.contains("SecurityGroup") && made != "security-group" {
        let group = asks.text("GroupId").unwrap_or_default();
        named.retain(|id| !id.starts_with("sg-") || id == group);
    }
    let mut asked = false;
    for taken in &known.types {
        if taken.name == made {
            let tags = specified(asks.input(), made);
            // Rules are asked for only when they are given tags.
            if made != "security-group-rule" || !tags.is_empty() {
                asks.add(Ask::on(&action, asks.arn("ec2", &format!("{made}/*"))).tags(&tags));
                asked = true;
            }
            continue;
        }
        for id in &named {
            asked |= on_id(asks, &action, &taken.name, id);
        }
    }
    if known.types.is_empty() {
        asks.plain(&action);
    } else if !asked && named.is_empty() {
        // A request without the id that it needs; the service says so.
        return Some(());
    }
    tag_made(asks, made);
    follow(asks)
}

/// An action on a thing, if it is of a type and there: the service answers for what isn't.
fn on_id(asks: &mut Asks<'_, '_>, action: &str, kind: &str, id: &str) -> bool {
    let Some((collection, resource)) = resource_of(id).filter(|(_, resource)| *resource == kind) else { return false };
    let Some(document) = asks.state.get(collection, id) else { return false };
    let vpc = document.text("vpcId").map(|vpc| asks.arn("ec2", &format!("vpc/{vpc}")));
    let ask = Ask::on(action, asks.arn("ec2", &format!("{resource}/{id}")));
    asks.add(ask.key("ec2:Vpc", vpc.as_deref()));
    true
}

/// What a service does with a subnet or a security group, and with its VPC, in the caller's name.
pub(super) fn in_name(asks: &mut Asks<'_, '_>, action: &str, id: &str) {
    let Some((collection, _)) = resource_of(id) else { return };
    let Some(document) = asks.state.get(collection, id) else { return };
    let vpc = document.text("vpcId").map(str::to_owned);
    for id in [Some(id.to_owned()), vpc].into_iter().flatten() {
        let Some((_, resource)) = resource_of(&id) else { continue };
        asks.in_name(action, asks.arn("ec2", &format!("{resource}/{id}")));
    }
}

/// Every id of a thing of EC2's in an input.
fn ids(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let id = text.split('/').next_back().unwrap_or_default();
            if resource_of(id).is_some() && !found.iter().any(|known| known == id) {
                found.push(id.to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| ids(item, found)),
        Value::Object(members) => {
            let members = members.iter().filter(|(name, _)| *name != "TagSpecification" && *name != "ClientToken");
            members.for_each(|(_, member)| ids(member, found));
        }
        _ => {}
    }
}

/// The ids of what a request names in another way: a launch template by name, a route table by its association.
fn by_other_names(asks: &Asks<'_, '_>, found: &mut Vec<String>) {
    if let Some(name) = asks.text("LaunchTemplateName") {
        let template =
            asks.state.list("ec2/launch-template").find(|(_, one)| one.text("launchTemplateName") == Some(name));
        found.extend(template.map(|(id, _)| id.to_owned()));
    }
    if let Some(association) = asks.text("AssociationId") {
        for (id, table) in asks.state.list("ec2/route-table") {
            let own = |one: &&Value| one.text("routeTableAssociationId") == Some(association);
            if let Some(one) = table.list("associationSet").iter().find(own) {
                found.push(id.to_owned());
                found.extend(one.text("subnetId").map(str::to_owned));
            }
        }
    }
}

/// The tags that a create call gives to what it makes.
fn specified(input: &Value, kind: &str) -> Tags {
    let own = input.list("TagSpecification").iter().filter(|one| one.text("ResourceType") == Some(kind));
    own.flat_map(|one| tags_of(one.list("Tag"), "Key", "Value")).collect()
}

/// Tagging what the operation makes.
fn tag_made(asks: &mut Asks<'_, '_>, made: &str) {
    let tags = specified(asks.input(), made);
    if !tags.is_empty() {
        let ask = Ask::on("ec2:CreateTags", asks.arn("ec2", &format!("{made}/*"))).tags(&tags);
        asks.add(ask.key("ec2:CreateAction", Some(asks.operation())));
    }
}

/// Changing tags: an ask for each thing.
fn tags(asks: &mut Asks<'_, '_>, action: &str) -> Option<()> {
    let given = tags_of(asks.input().list("Tag"), "Key", "Value");
    for id in asks.input().texts("ResourceId") {
        let there = resource_of(&id).filter(|(collection, _)| asks.state.get(collection, &id).is_some());
        let Some((_, resource)) = there else { continue };
        asks.add(Ask::on(action, asks.arn("ec2", &format!("{resource}/{id}"))).tags(&given));
    }
    Some(())
}

/// What an operation asks for of other services in the caller's name.
fn follow(asks: &mut Asks<'_, '_>) -> Option<()> {
    match asks.operation() {
        "CreateFlowLogs" => match asks.text("DeliverLogsPermissionArn") {
            Some(role) => asks.pass(role, "vpc-flow-logs.amazonaws.com"),
            // Logs reach a bucket as other services' logs do.
            None => asks.in_name("logs:CreateLogDelivery", "*"),
        },
        "DeleteFlowLogs" => {
            let is_delivered = |id: &String| {
                asks.state.get("ec2/flow-log", id).is_some_and(|log| log.text("logDestinationType") == Some("s3"))
            };
            if asks.input().texts("FlowLogId").iter().any(is_delivered) {
                asks.in_name("logs:DeleteLogDelivery", "*");
            }
            Some(())
        }
        "CreateVolume" => match asks.text("KmsKeyId") {
            Some(key) => asks.use_key(&NEW_VOLUME, key, "ec2"),
            None => Some(()),
        },
        "AttachVolume" => {
            let volume = asks.text("VolumeId").and_then(|id| asks.state.get("ec2/volume", id));
            let key = volume.filter(|volume| volume.flag("encrypted") == Some(true)).and_then(|it| it.text("kmsKeyId"));
            match key.map(str::to_owned) {
                Some(key) => asks.use_key(&["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey"], &key, "ec2"),
                None => Some(()),
            }
        }
        _ => Some(()),
    }
}

fn run(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let tags = specified(input, "instance");
    if let Some(template) = input.member("LaunchTemplate") {
        let subnets = asks.text("SubnetId").map(str::to_owned);
        launch(asks, template, &subnets.into_iter().collect::<Vec<_>>())?;
    } else {
        let image = asks.text("ImageId").unwrap_or("*").to_owned();
        started(asks, &Started { image, tags: tags.clone(), ..Started::default() });
        let mut named = Vec::new();
        ids(input, &mut named);
        for id in named {
            for kind in ["subnet", "security-group"] {
                on_id(asks, "ec2:RunInstances", kind, &id);
            }
        }
        let profile = &input["IamInstanceProfile"];
        pass_profile(asks, profile.text("Name").or(profile.text("Arn")));
    }
    tag_made(asks, "instance");
    tag_made(asks, "volume");
    Some(())
}

/// What starting instances of a launch template asks for.
pub(super) fn launch(asks: &mut Asks<'_, '_>, template: &Value, subnets: &[String]) -> Option<()> {
    let Ok(version) = resolve_template(asks.state, template) else { return Some(()) };
    let data = version["launchTemplateData"].clone();
    let id = version.text("launchTemplateId").unwrap_or_default();
    let template = asks.arn("ec2", &format!("launch-template/{id}"));
    let mut tags = Vec::new();
    for specification in data.list("tagSpecificationSet") {
        let given = tags_of(specification.list("tagSet"), "key", "value");
        tags.push((specification.text("resourceType").unwrap_or_default().to_owned(), given));
    }
    let of_instance = tags.iter().find(|(kind, _)| kind == "instance").map(|(_, tags)| tags.clone());
    let image = data.text("imageId").unwrap_or("*").to_owned();
    let template_of = Some(template.clone());
    started(asks, &Started { image, tags: of_instance.unwrap_or_default(), template: template_of });
    asks.on("ec2:RunInstances", &template);
    let mut named: Vec<String> = subnets.to_vec();
    ids(&data, &mut named);
    for id in named {
        for kind in ["subnet", "security-group"] {
            on_id(asks, "ec2:RunInstances", kind, &id);
        }
    }
    for (kind, given) in tags.iter().filter(|(_, given)| !given.is_empty()) {
        let ask = Ask::on("ec2:CreateTags", asks.arn("ec2", &format!("{kind}/*"))).tags(given);
        asks.add(ask.key("ec2:CreateAction", Some("RunInstances")));
    }
    let profile = &data["iamInstanceProfile"];
    pass_profile(asks, profile.text("name").or(profile.text("arn")))
}

/// Instances that are started.
#[derive(Debug, Default)]
struct Started {
    image: String,
    tags: Tags,
    template: Option<String>,
}

/// What starting instances asks for beside what the request names: the image, the instances, their interfaces and volumes.
fn started(asks: &mut Asks<'_, '_>, started: &Started) {
    let region = &asks.request.region;
    // Most images are AWS's own, and stand in no account of the caller's.
    let image = started.image.strip_prefix("resolve:ssm:").map_or(started.image.as_str(), |_| "*");
    let image = Ask::on("ec2:RunInstances", format!("arn:aws:ec2:{region}::image/{image}"));
    let image = image.key("aws:ResourceAccount", Some("amazon")).key("ec2:Owner", Some("amazon"));
    asks.add(image.key("ec2:LaunchTemplate", started.template.as_deref()));
    for kind in ["instance", "network-interface", "volume"] {
        let ask = Ask::on("ec2:RunInstances", asks.arn("ec2", &format!("{kind}/*")));
        let ask = ask.key("ec2:LaunchTemplate", started.template.as_deref());
        asks.add(if kind == "instance" { ask.tags(&started.tags) } else { ask });
    }
}

/// Handing an instance profile's role to EC2.
/// Another profile for an instance, which the request names by its association.
fn replace_profile(asks: &mut Asks<'_, '_>, action: &str) -> Option<()> {
    let id = asks.text("AssociationId").unwrap_or_default().to_owned();
    let is_of = |instance: &Value| instance["_association"]["id"] == id.as_str();
    let host = asks.state.list("ec2/instance").find(|(_, instance)| is_of(instance)).map(|(host, _)| host.to_owned());
    if let Some(host) = host {
        on_id(asks, action, "instance", &host);
    }
    let profile = &asks.input()["IamInstanceProfile"];
    let profile = profile.text("Name").or(profile.text("Arn")).map(str::to_owned);
    pass_profile(asks, profile.as_deref())
}

fn pass_profile(asks: &mut Asks<'_, '_>, profile: Option<&str>) -> Option<()> {
    let Some(name) = profile.map(|given| given.rsplit('/').next().unwrap_or(given).to_owned()) else { return Some(()) };
    let account = asks.request.account.clone();
    let state = asks.state.at(super::global(&account));
    let role = state.get("iam/profile", &name).and_then(|profile| profile.text("Role")).map(str::to_owned);
    match role {
        Some(role) => asks.pass(&role, "ec2.amazonaws.com"),
        None => Some(()),
    }
}
