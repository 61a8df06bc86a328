//! Endpoints by network interfaces: a service's private names, interfaces in subnets, and states over time.

use serde_json::{Value, json};

use super::attachment::{self, Attachment};
use super::error::invalid;
use super::kind::{INTERFACE, SECURITY_GROUP, SUBNET, VPC, VPC_ENDPOINT};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::state::State;

/// Seconds until an interface endpoint is available.
const CREATE_SECONDS: i64 = 60;
/// Seconds until a deleted one has let its interfaces go.
const DELETE_SECONDS: i64 = 60;

/// Services with interface endpoints.
const SERVICES: &[&str] = &[
    "access-analyzer",
    "acm-pca",
    "airflow.api",
    "airflow.env",
    "airflow.ops",
    "application-autoscaling",
    "athena",
    "autoscaling",
    "backup",
    "batch",
    "cassandra",
    "cloudformation",
    "cloudtrail",
    "config",
    "datasync",
    "dynamodb",
    "ebs",
    "ec2",
    "ec2messages",
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "elasticfilesystem",
    "elasticloadbalancing",
    "elasticmapreduce",
    "emr-containers",
    "emr-serverless",
    "emr-serverless-services.livy",
    "events",
    "execute-api",
    "firehose",
    "git-codecommit",
    "glue",
    "guardduty-data",
    "kafka",
    "kinesis-streams",
    "kms",
    "lakeformation",
    "lambda",
    "logs",
    "macie2",
    "monitoring",
    "organizations",
    "rds",
    "rds-data",
    "redshift",
    "redshift-data",
    "rolesanywhere",
    "s3",
    "sagemaker.api",
    "sagemaker.runtime",
    "scheduler",
    "secretsmanager",
    "securityhub",
    "servicecatalog",
    "sns",
    "sqs",
    "ssm",
    "ssm-contacts",
    "ssm-incidents",
    "ssmmessages",
    "states",
    "sts",
    "synthetics",
    "tagging",
    "transfer",
    "xray",
];

/// Whether a service of the region has interface endpoints.
pub(super) fn offers(region: &str, service: &str) -> bool {
    service.strip_prefix(&format!("com.amazonaws.{region}.")).is_some_and(|name| SERVICES.contains(&name))
}

/// The name by which a service is usually called: `glue.eu-north-1.amazonaws.com`.
fn usual_name(service: &str) -> String {
    let parts: Vec<&str> = service.split('.').collect();
    let (region, name) = (parts.get(2).copied().unwrap_or_default(), parts.get(3..).unwrap_or_default());
    let name: Vec<&str> = name.iter().rev().copied().collect();
    format!("{}.{region}.amazonaws.com", name.join("."))
}

/// Refuses private names that the VPC can't have.
fn check_names(state: &State<'_>, vpc: &Value, service: &str, own: &str) -> Result<(), AwsError> {
    let vpc_id = vpc.text("vpcId").unwrap_or_default();
    if vpc["_enableDnsSupport"] != true || vpc["_enableDnsHostnames"] != true {
        let message = format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for \
             {vpc_id}"
        );
        return Err(AwsError::new("InvalidParameter", message));
    }
    let taken = state.list(VPC_ENDPOINT.collection).any(|(id, other)| {
        id != own
            && other["vpcId"] == vpc_id
            && other["serviceName"] == service
            && other["vpcEndpointType"] == "Interface"
            && other["privateDnsEnabled"] == true
    });
    if taken {
        let message = format!(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {} in the VPC {vpc_id}",
            usual_name(service)
        );
        return Err(AwsError::new("InvalidParameter", message));
    }
    Ok(())
}

/// Makes the interfaces of a new endpoint and writes them into its document.
pub(super) fn create(
    state: &mut State<'_>,
    request: &Request,
    vpc: &Value,
    document: &mut Value,
) -> Result<(), AwsError> {
    let vpc_id = vpc.text("vpcId").unwrap_or_default();
    if !request.input.texts("RouteTableId").is_empty() {
        return Err(invalid("Route tables belong to gateway endpoints only."));
    }
    let id = document.text("vpcEndpointId").unwrap_or_default().to_owned();
    let service = document.text("serviceName").unwrap_or_default().to_owned();
    let private = request.input.flag("PrivateDnsEnabled").unwrap_or(true);
    if private {
        check_names(state, vpc, &service, &id)?;
    }
    let mut groups = request.input.texts("SecurityGroupId");
    if groups.is_empty() {
        groups = attachment::default_group(state, vpc_id);
    }
    document["groupSet"] = named(state, &groups, vpc_id)?;
    document["privateDnsEnabled"] = json!(private);
    for subnet in request.input.texts("SubnetId") {
        add_subnet(state, document, &subnet)?;
    }
    let zone = format!("{id}-{}", ids::letters(8, b"0123456789abcdefghijklmnopqrstuvwxyz"));
    let domain = usual_name(&service).replace(".amazonaws.com", ".vpce.amazonaws.com");
    let mut names = vec![json!({ "dnsName": format!("{zone}.{domain}"), "hostedZoneId": "Z0000000000000000000" })];
    if private {
        names.push(json!({ "dnsName": usual_name(&service), "hostedZoneId": "ZONEIDPENDING" }));
    }
    document["dnsEntrySet"] = json!(names);
    document["ipAddressType"] = json!("ipv4");
    document["_until"] = json!(state.done_in(CREATE_SECONDS));
    document["_before"] = json!("pending");
    Ok(())
}

/// Returns groups with their names; all must stand in the VPC.
fn named(state: &State<'_>, groups: &[String], vpc: &str) -> Result<Value, AwsError> {
    let one = |group: &String| {
        let found = SECURITY_GROUP.get(state, group)?;
        if found["vpcId"] != vpc {
            return Err(invalid(format!("Security group {group} belongs to another VPC.")));
        }
        Ok(json!({ "groupId": group, "groupName": found["groupName"] }))
    };
    groups.iter().map(one).collect()
}

fn group_ids(endpoint: &Value) -> Vec<String> {
    endpoint.list("groupSet").iter().filter_map(|group| group.text("groupId")).map(str::to_owned).collect()
}

/// Makes an interface in one more subnet, of a zone that has none yet.
fn add_subnet(state: &mut State<'_>, endpoint: &mut Value, subnet: &str) -> Result<(), AwsError> {
    let found = SUBNET.get(state, subnet)?;
    if found["vpcId"] != endpoint["vpcId"] {
        return Err(invalid(format!("Subnet {subnet} belongs to another VPC.")));
    }
    let mut subnets = endpoint.texts("subnetIdSet");
    if subnets.iter().any(|other| other == subnet) {
        return Ok(());
    }
    let zone = |id: &String| attachment::zone_name_of(state, id);
    if let Some(other) = subnets.iter().find(|other| zone(other).as_deref() == found.text("availabilityZone")) {
        let message = format!("Found another VPC endpoint subnet in the availability zone of {subnet}: {other}");
        return Err(AwsError::new("DuplicateSubnetsInSameZone", message));
    }
    let id = endpoint.text("vpcEndpointId").unwrap_or_default();
    let wish = Attachment {
        owner: id.to_owned(),
        subnet: subnet.to_owned(),
        groups: group_ids(endpoint),
        description: format!("VPC Endpoint Interface {id}"),
        instance: None,
    };
    let made = attachment::attach(state, &wish)?;
    let made = made.text("networkInterfaceId").unwrap_or_default().to_owned();
    state.update(INTERFACE.collection, &made, |interface| interface["interfaceType"] = json!("vpc_endpoint"));
    let mut interfaces = endpoint.texts("networkInterfaceIdSet");
    interfaces.push(made);
    subnets.push(subnet.to_owned());
    endpoint["networkInterfaceIdSet"] = json!(interfaces);
    endpoint["subnetIdSet"] = json!(subnets);
    Ok(())
}

/// Takes the interface in a subnet away.
fn remove_subnet(state: &mut State<'_>, endpoint: &mut Value, subnet: &str) -> Result<(), AwsError> {
    let mut subnets = endpoint.texts("subnetIdSet");
    let Some(place) = subnets.iter().position(|other| other == subnet) else {
        return Err(invalid(format!("Subnet {subnet} is not one of the endpoint's.")));
    };
    subnets.remove(place);
    let mut interfaces = endpoint.texts("networkInterfaceIdSet");
    let there = |id: &String| state.get(INTERFACE.collection, id).is_some_and(|it| it["subnetId"] == subnet);
    let gone: Vec<String> = interfaces.iter().filter(|id| there(id)).cloned().collect();
    interfaces.retain(|id| !gone.contains(id));
    for interface in &gone {
        INTERFACE.delete(state, interface);
    }
    endpoint["networkInterfaceIdSet"] = json!(interfaces);
    endpoint["subnetIdSet"] = json!(subnets);
    Ok(())
}

/// Changes what only an endpoint by interfaces has.
pub(super) fn modify(state: &mut State<'_>, request: &Request, endpoint: &mut Value) -> Result<(), AwsError> {
    let own = ["AddSubnetId", "RemoveSubnetId", "AddSecurityGroupId", "RemoveSecurityGroupId", "PrivateDnsEnabled"];
    let Some(first) = own.iter().find(|name| request.input.member(name).is_some()) else { return Ok(()) };
    if endpoint["vpcEndpointType"] != "Interface" {
        return Err(invalid(format!("{first} applies to interface endpoints only.")));
    }
    if endpoint["state"] == "deleting" {
        return Err(AwsError::new("IncorrectState", "The endpoint is being deleted."));
    }
    let mut groups = group_ids(endpoint);
    let removed = request.input.texts("RemoveSecurityGroupId");
    groups.retain(|group| !removed.contains(group));
    for group in request.input.texts("AddSecurityGroupId") {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    if groups.is_empty() {
        return Err(invalid("An interface endpoint has at least one security group."));
    }
    let groups = named(state, &groups, endpoint.text("vpcId").unwrap_or_default())?;
    for interface in endpoint.texts("networkInterfaceIdSet") {
        state.update(INTERFACE.collection, &interface, |document| document["groupSet"] = groups.clone());
    }
    endpoint["groupSet"] = groups;
    for subnet in request.input.texts("RemoveSubnetId") {
        remove_subnet(state, endpoint, &subnet)?;
    }
    for subnet in request.input.texts("AddSubnetId") {
        add_subnet(state, endpoint, &subnet)?;
    }
    if let Some(private) = request.input.flag("PrivateDnsEnabled") {
        if private {
            let vpc = VPC.get(state, endpoint.text("vpcId").unwrap_or_default())?;
            let (service, id) = (endpoint.text("serviceName"), endpoint.text("vpcEndpointId"));
            check_names(state, &vpc, service.unwrap_or_default(), id.unwrap_or_default())?;
        }
        endpoint["privateDnsEnabled"] = json!(private);
    }
    Ok(())
}

/// Deletes an endpoint: one by routes at once, one by interfaces when they are gone.
pub(super) fn delete(state: &mut State<'_>, id: &str, mut endpoint: Value) {
    if endpoint["vpcEndpointType"] != "Interface" {
        VPC_ENDPOINT.delete(state, id);
    } else if endpoint["state"] != "deleting" {
        endpoint["state"] = json!("deleting");
        endpoint["_until"] = json!(null);
        endpoint["_due"] = json!(state.done_in(DELETE_SECONDS));
        state.put(VPC_ENDPOINT.collection, id, endpoint);
    }
}

/// Lets time pass: what is being deleted goes, its interfaces with it.
pub(super) fn settle(state: &mut State<'_>) {
    let now = state.now();
    let due = |endpoint: &Value| endpoint.number("_due").is_some_and(|due| due <= now);
    let gone: Vec<String> =
        state.list(VPC_ENDPOINT.collection).filter(|(_, it)| due(it)).map(|(id, _)| id.to_owned()).collect();
    for id in gone {
        attachment::detach_all(state, &id);
        VPC_ENDPOINT.delete(state, &id);
    }
}
