//! `flow_log`: which connections a network sees, written to a log group or a bucket.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Service, list, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::spec::{describes, replaces, typed, value};
use super::wire::{number, some_text};
use super::{tagged, tags, wait};
use crate::cost::Cost;
use crate::kind::{Context, Field, Kind, Outcome, Wanted};
use crate::plan::Action;
use crate::resource::{Address, Live};

/// Which connections a VPC sees, written to a log group by a role, or to a bucket. AWS changes none: another setting is
/// another flow log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    #[schemars(regex(pattern = r"^vpc-[0-9a-f]+$"))]
    pub vpc: String,
    /// Which connections. Default: `all`.
    #[serde(default)]
    pub traffic: Traffic,
    /// The name of the log group that they are written to; it takes a `role`, and excludes a `bucket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_./#-]{1,512}$"))]
    pub log_group: Option<String>,
    /// The ARN of the role that `vpc-flow-logs.amazonaws.com` writes to the log group as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$"))]
    pub role: Option<String>,
    /// The ARN of the bucket that they are written to, with a prefix behind a `/` if there is to be one. Its policy must
    /// let `delivery.logs.amazonaws.com` write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?$"))]
    pub bucket: Option<String>,
    /// The seconds that one record tells of at most: 60 or 600. Default: 600.
    #[serde(default = "ten_minutes")]
    pub interval_seconds: u32,
}

/// Which connections are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// All.
    #[default]
    All,
    /// Those that the rules let through.
    Accept,
    /// Those that the rules refused.
    Reject,
}

impl Traffic {
    fn word(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
        }
    }
}

fn ten_minutes() -> u32 {
    600
}

const FIELDS: &[Field] = &[
    replaces("vpc"),
    replaces("traffic"),
    replaces("log_group"),
    replaces("role"),
    replaces("bucket"),
    replaces("interval_seconds"),
];
const OUTPUTS: &[&str] = &["id", "arn"];
const ACTIONS: &[&str] = &[
    "ec2:CreateFlowLogs",
    "ec2:DeleteFlowLogs",
    "ec2:DescribeFlowLogs",
    "ec2:CreateTags",
    "iam:PassRole",
    // AWS sets the delivery up in the caller's name.
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "tag:GetResources",
];

/// How long a role that was made may stay unknown to EC2.
const ASSUMED: Duration = Duration::from_mins(1);

/// The kind.
#[derive(Debug)]
pub struct FlowLog;

fn canonical(spec: &mut Spec) -> Result<()> {
    match (&spec.log_group, &spec.role, &spec.bucket) {
        (Some(_), Some(_), None) | (None, None, Some(_)) => {}
        _ => bail!("a flow log has `log_group` and `role`, or `bucket`"),
    }
    if ![60, 600].contains(&spec.interval_seconds) {
        bail!("`interval_seconds` is 60 or 600");
    }
    Ok(())
}

#[async_trait]
impl Kind for FlowLog {
    describes!("flow_log", "which connections a network sees, written down", FIELDS, OUTPUTS, canonical);

    fn actions(&self) -> &'static [&'static str] {
        ACTIONS
    }

    fn cost(&self, _spec: &Value) -> Cost {
        Cost::Billed { charges: Vec::new(), by_use: "each GB of records that CloudWatch or S3 takes in" }
    }

    /// AWS refuses a second one with the same traffic and destination.
    fn coexists(&self, live: &Value, spec: &Value) -> bool {
        ["vpc", "traffic", "log_group", "bucket"].iter().any(|field| live[field] != spec[field])
    }

    fn consequences(&self, action: Action, _changed: &[&str], live: &Value, spec: &Value) -> Vec<String> {
        match action {
            Action::Delete => vec!["connections are written down no longer; what was written stays".to_owned()],
            Action::Replace if !self.coexists(live, spec) => {
                vec!["connections of some seconds are written down by none of the two".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_>]) -> Result<Vec<Live>> {
        if wanted.is_empty() && !tagged::any(context, "ec2", "vpc-flow-log").await? {
            return Ok(Vec::new());
        }
        let logs = tags::sweep(context, "DescribeFlowLogs", "flowLogSet").await?;
        Ok(logs.iter().filter_map(|log| read(context, log)).collect())
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Value) -> Result<Outcome> {
        let spec: Spec = typed(spec)?;
        if let Some(one) = tags::sweep_address(context, address, "DescribeFlowLogs", "flowLogSet").await?.first() {
            return Ok(outcome(context, text(one, "flowLogId")));
        }
        let mut input = json!({
            "ResourceId": [spec.vpc],
            "ResourceType": "VPC",
            "TrafficType": spec.traffic.word(),
            "MaxAggregationInterval": spec.interval_seconds,
            "ClientToken": tags::client_token(context, address, &spec),
            "TagSpecification": tags::specification(context, address, "vpc-flow-log"),
        });
        match &spec.bucket {
            Some(bucket) => {
                input["LogDestinationType"] = json!("s3");
                input["LogDestination"] = json!(bucket);
            }
            None => {
                input["LogDestinationType"] = json!("cloud-watch-logs");
                input["LogGroupName"] = json!(spec.log_group);
                input["DeliverLogsPermissionArn"] = json!(spec.role);
            }
        }
        // EC2 learns of a new role late.
        let unknown = |error: &lakewright_aws::Error| wait::not_yet(error) || error.is_not_found();
        let call = || context.aws.call(Service::Ec2, "CreateFlowLogs", input.clone());
        let answer = wait::while_refused(context, ASSUMED.min(context.settles * 4), unknown, call).await?;
        // The call succeeds as a whole; each resource's failure stands in the answer.
        if let Some(failure) = list(&answer, "unsuccessful").first() {
            let error = &failure["error"];
            bail!("ec2 CreateFlowLogs: {}: {}", text(error, "code"), text(error, "message"));
        }
        let Some(id) = list(&answer, "flowLogIdSet").first().and_then(Value::as_str) else {
            bail!("ec2 CreateFlowLogs names no flow log");
        };
        wait::until(context, wait::VISIBLE, &format!("{id} is not listed"), || async { listed(context, id).await })
            .await?;
        Ok(outcome(context, id))
    }

    async fn update(&self, context: &Context, live: &Live, _spec: &Value, _changed: &[String]) -> Result<Outcome> {
        // Nothing of a flow log can be changed, and one is active at once.
        Ok(outcome(context, &live.id))
    }

    async fn delete(&self, context: &Context, live: &Live) -> Result<()> {
        let input = json!({"FlowLogId": [live.id]});
        let answer = wait::found(context.aws.call(Service::Ec2, "DeleteFlowLogs", input).await)?;
        for failure in answer.iter().flat_map(|answer| list(answer, "unsuccessful")) {
            let error = &failure["error"];
            if !text(error, "code").ends_with("NotFound") {
                bail!("ec2 DeleteFlowLogs: {}: {}", text(error, "code"), text(error, "message"));
            }
        }
        // While it is there AWS refuses another with the same traffic and destination.
        wait::until(context, wait::VISIBLE, &format!("{} is still there", live.id), || async {
            Ok(listed(context, &live.id).await?.is_none().then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Live>> {
        let one = tags::claim_one(context, address, ("DescribeFlowLogs", "flowLogSet"), ("FlowLogId", id)).await?;
        Ok(one.and_then(|log| read(context, &log)))
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        tags::write(context, &outcome.id, tags).await
    }
}

/// A flow log as EC2 lists it.
async fn listed(context: &Context, id: &str) -> Result<Option<Value>> {
    let answer = context.aws.call(Service::Ec2, "DescribeFlowLogs", json!({"FlowLogId": [id]})).await;
    Ok(wait::found(answer)?.and_then(|answer| list(&answer, "flowLogSet").first().cloned()))
}

fn outcome(context: &Context, id: &str) -> Outcome {
    tags::outcome(id, &[("id", id), ("arn", &tags::ec2_arn(context, "vpc-flow-log", id))])
}

fn read(context: &Context, log: &Value) -> Option<Live> {
    let tags = tags::of(list(log, "tagSet"));
    let address = tags::address(context, "flow_log", &tags)?;
    let traffic = match text(log, "trafficType") {
        "ACCEPT" => Traffic::Accept,
        "REJECT" => Traffic::Reject,
        _ => Traffic::All,
    };
    let bucket = (text(log, "logDestinationType") == "s3").then(|| text(log, "logDestination").to_owned());
    let spec = Spec {
        vpc: text(log, "resourceId").to_owned(),
        traffic,
        log_group: some_text(log, "logGroupName"),
        role: some_text(log, "deliverLogsPermissionArn"),
        bucket,
        interval_seconds: number(log, "maxAggregationInterval"),
    };
    let id = text(log, "flowLogId");
    let arn = tags::ec2_arn(context, "vpc-flow-log", id);
    Some(tags::live(address, &tags, id, value(&spec), &[("id", id), ("arn", &arn)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_log_has_one_destination() {
        let group = json!({"vpc": "vpc-1", "log_group": "flows", "role": "arn:aws:iam::1:role/flows"});
        let normal = FlowLog.normalise(&group).expect("a log group and a role");
        assert_eq!((&normal["traffic"], &normal["interval_seconds"]), (&json!("all"), &json!(600)));
        let bucket = json!({"vpc": "vpc-1", "bucket": "arn:aws:s3:::flows"});
        assert!(FlowLog.normalise(&bucket).is_ok());
        for wrong in [
            json!({"vpc": "vpc-1"}),
            json!({"vpc": "vpc-1", "log_group": "flows"}),
            json!({"vpc": "vpc-1", "log_group": "flows", "role": "r", "bucket": "b"}),
            json!({"vpc": "vpc-1", "bucket": "arn:aws:s3:::flows", "interval_seconds": 300}),
        ] {
            assert!(FlowLog.normalise(&wrong).is_err(), "{wrong}");
        }
        assert!(FlowLog.coexists(&normal, &bucket));
        let mut slower = normal.clone();
        slower["interval_seconds"] = json!(60);
        assert!(!FlowLog.coexists(&normal, &slower));
    }
}
