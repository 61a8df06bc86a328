//! Flow logs: what of a network's traffic is written, and where to.

use serde_json::{Value, json};

use super::error::{invalid, missing, need, only};
use super::kind::{FLOW_LOG, INTERFACE, Kind, SUBNET, VPC};
use super::tags;
use crate::access::{self, Acting};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::ids;
use crate::request::Request;
use crate::services::iam;
use crate::state::{GLOBAL, State, Tags};
use crate::store::Scope;

/// The fields of a record that AWS writes unless others are named.
const FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} \
                      ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";
const PARAMETERS: &[&str] = &[
    "ResourceId",
    "ResourceType",
    "TrafficType",
    "LogDestinationType",
    "LogDestination",
    "LogGroupName",
    "DeliverLogsPermissionArn",
    "LogFormat",
    "MaxAggregationInterval",
    "DestinationOptions",
    "ClientToken",
    "TagSpecification",
];
/// What makes two flow logs of a resource the same.
const SAME: [&str; 6] =
    ["resourceId", "trafficType", "logDestinationType", "logDestination", "logGroupName", "logFormat"];

/// Seconds for which a deleted flow log is still listed, when the account has delays.
const LINGER_SECONDS: i64 = 10;
/// When a flow log that was deleted is gone.
const GONE_AT: &str = "_goneAt";

/// What the service does as the role of a flow log.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html>
const DELIVERY: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];

/// Removes those that were deleted a while ago, and finds out whether the others reach their log groups.
pub(super) fn sweep(state: &mut State<'_>) {
    let now = state.now();
    let gone = |log: &Value| log.number(GONE_AT).is_some_and(|at| at <= now);
    let ids: Vec<String> =
        state.list(FLOW_LOG.collection).filter(|(_, log)| gone(log)).map(|(id, _)| id.to_owned()).collect();
    for id in ids {
        FLOW_LOG.delete(state, &id);
    }
    let all: Vec<(String, Value)> =
        state.list(FLOW_LOG.collection).map(|(id, log)| (id.to_owned(), log.clone())).collect();
    for (id, before) in all {
        let mut log = before.clone();
        deliver(state, &id, &mut log);
        if log != before {
            state.put(FLOW_LOG.collection, &id, &log);
        }
    }
}

/// Says of a flow log with a role whether that lets the service in for it, and to the log group.
fn deliver(state: &mut State<'_>, id: &str, log: &mut Value) {
    let Some((role, group)) = log.text("deliverLogsPermissionArn").zip(log.text("logGroupName")) else { return };
    let (source, scope) = (FLOW_LOG.arn(state, id), state.scope().clone());
    let stream = format!("arn:aws:logs:{}:{}:log-group:{group}:log-stream:{id}", scope.region, scope.account);
    let acting = Acting { service: "vpc-flow-logs.amazonaws.com", source: Some((&scope.account, &source)) };
    let works = access::works(state, role, acting, (&DELIVERY, &stream));
    log["deliverLogsStatus"] = json!(if works.is_ok() { "SUCCESS" } else { "FAILED" });
    let members = log.as_object_mut().expect("a flow log is an object");
    members.remove("deliverLogsErrorMessage");
    if works.is_err() {
        members.insert("deliverLogsErrorMessage".to_owned(), json!("Access error"));
    }
}

fn refused(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameter", message)
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, PARAMETERS)?;
    sweep(state);
    let input = &request.input;
    let resources = input.texts("ResourceId");
    if resources.is_empty() {
        return Err(missing("ResourceId"));
    }
    let kind = match need(input, "ResourceType")? {
        "VPC" => &VPC,
        "Subnet" => &SUBNET,
        "NetworkInterface" => &INTERFACE,
        other => return Err(invalid(format!("Value ({other}) for parameter resourceType is invalid."))),
    };
    if let Some(other) = resources.iter().find(|id| !id.starts_with(kind.prefix)) {
        return Err(refused(format!("The resource {other} is not of the type {}", need(input, "ResourceType")?)));
    }
    let given = tags::specified(request, "vpc-flow-log")?;
    let wish = wish(state, request)?;
    let (mut made, mut unsuccessful) = (Vec::new(), Vec::new());
    for resource in &resources {
        match one(state, kind, resource, &wish, &given) {
            Ok(id) => made.push(id),
            Err(AwsError { code, message, .. }) => {
                unsuccessful.push(json!({ "resourceId": resource, "error": { "code": code, "message": message } }));
            }
        }
    }
    let token = input.text("ClientToken").map_or_else(ids::uuid, str::to_owned);
    Ok(json!({ "clientToken": token, "flowLogIdSet": made, "unsuccessful": unsuccessful }))
}

/// The members that every flow log of a call has.
fn wish(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let input = &request.input;
    let traffic = need(input, "TrafficType")?;
    if !["ACCEPT", "REJECT", "ALL"].contains(&traffic) {
        return Err(invalid(format!("Value ({traffic}) for parameter trafficType is invalid.")));
    }
    let interval = input.number("MaxAggregationInterval").unwrap_or(600);
    if ![60, 600].contains(&interval) {
        return Err(refused(format!("MaxAggregationInterval {interval} is invalid: it must be 60 or 600")));
    }
    let destination = input.text("LogDestinationType").unwrap_or("cloud-watch-logs");
    let mut wish = json!({
        "trafficType": traffic,
        "logDestinationType": destination,
        "maxAggregationInterval": interval,
        "logFormat": input.text("LogFormat").unwrap_or(FORMAT),
        "flowLogStatus": "ACTIVE",
        "deliverLogsStatus": "SUCCESS",
        "creationTime": clock::iso(state.now()),
    });
    let role = input.text("DeliverLogsPermissionArn");
    match destination {
        "cloud-watch-logs" => {
            if input.member("DestinationOptions").is_some() {
                return Err(refused("DestinationOptions is not supported for cloud-watch-logs"));
            }
            let group = input
                .text("LogGroupName")
                .or_else(|| Some(input.text("LogDestination")?.split_once(":log-group:")?.1.trim_end_matches(":*")));
            let role = role.ok_or_else(|| {
                refused("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.")
            })?;
            let name = role.split_once(":role/").map(|(_, name)| name.rsplit('/').next().unwrap_or(name));
            let name = name.ok_or_else(|| refused(format!("'{role}' is not a valid role")))?;
            if !iam::knows_role(state, name) {
                return Err(refused("Unable to assume given IAM role"));
            }
            wish["logGroupName"] = json!(group.ok_or_else(|| missing("LogGroupName"))?);
            wish["deliverLogsPermissionArn"] = json!(role);
        }
        "s3" => {
            let arn = need(input, "LogDestination")?;
            if role.is_some() || input.text("LogGroupName").is_some() {
                return Err(refused("DeliverLogsPermissionArn and LogGroupName do not apply to s3"));
            }
            if arn.strip_prefix("arn:aws:s3:::").is_none_or(str::is_empty) {
                return Err(refused(format!("LogDestination: {arn} is not a valid ARN of a bucket.")));
            }
            let options = &input["DestinationOptions"];
            let format = options.text("FileFormat").unwrap_or("plain-text");
            if !["plain-text", "parquet"].contains(&format) {
                return Err(refused(format!("FileFormat {format} is invalid")));
            }
            wish["logDestination"] = json!(arn);
            wish["destinationOptions"] = json!({
                "fileFormat": format,
                "hiveCompatiblePartitions": options.flag("HiveCompatiblePartitions").unwrap_or(false),
                "perHourPartition": options.flag("PerHourPartition").unwrap_or(false),
            });
        }
        other => return Err(invalid(format!("Value ({other}) for parameter logDestinationType is invalid."))),
    }
    Ok(wish)
}

fn one(state: &mut State<'_>, kind: &Kind, resource: &str, wish: &Value, given: &Tags) -> Result<String, AwsError> {
    kind.get(state, resource)?;
    let mut document = wish.clone();
    document["resourceId"] = json!(resource);
    if let Some(bucket) = wish.text("logDestination").and_then(|arn| arn.strip_prefix("arn:aws:s3:::")) {
        let name = bucket.split('/').next().unwrap_or_default();
        if state.at(Scope::new("", GLOBAL)).get("s3/bucket", name).is_none() {
            return Err(AwsError::new("400", format!("LogDestination: {name} does not exist.")));
        }
    }
    let same = |other: &Value| SAME.iter().all(|member| other.get(*member) == document.get(*member));
    if state.list(FLOW_LOG.collection).any(|(_, other)| same(other)) {
        let message = "Error. There is an existing Flow Log with the same configuration and log destination.";
        return Err(AwsError::new("FlowLogAlreadyExists", message));
    }
    let shown = FLOW_LOG.create(state, document, given);
    Ok(shown.text("flowLogId").unwrap_or_default().to_owned())
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["FlowLogId"])?;
    sweep(state);
    let ids = request.input.texts("FlowLogId");
    if ids.is_empty() {
        return Err(missing("FlowLogId"));
    }
    let mut unsuccessful = Vec::new();
    for id in ids {
        match FLOW_LOG.get(state, &id) {
            Ok(mut log) if state.delays().factor() > 0.0 => {
                log[GONE_AT] = json!(state.delays().done_at(state.now(), LINGER_SECONDS));
                state.put(FLOW_LOG.collection, &id, &log);
            }
            Ok(_) => FLOW_LOG.delete(state, &id),
            Err(AwsError { code, message, .. }) => {
                unsuccessful.push(json!({ "resourceId": id, "error": { "code": code, "message": message } }));
            }
        }
    }
    Ok(json!({ "unsuccessful": unsuccessful }))
}

/// Ends the flow logs of a network that is deleted.
pub(super) fn end(state: &mut State<'_>, resource: &str) {
    let logs = state.list(FLOW_LOG.collection).filter(|(_, log)| log["resourceId"] == resource);
    let ids: Vec<String> = logs.map(|(id, _)| id.to_owned()).collect();
    for id in ids {
        FLOW_LOG.delete(state, &id);
    }
}
