//! `flow_log`: which connections a network sees, written to a log group or a bucket.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::{Error, Needed as _, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::operation::delete_flow_logs::DeleteFlowLogsOutput;
use lakewright_ec2::sdk::types::{self, FlowLogsResourceType, LogDestinationType, ResourceType, TrafficType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::Thing as _;
use super::spec::replaces;
use super::values::{LogGroupName, RoleArn, VpcId, text};
use super::{among, ec2, tagged, tagging, tags, wait};
use crate::charge::Others;
use crate::kind::{Billing, Context, Delta, Facts, Field, Found, Kind, Outcome, Step, Wanted};
use crate::resource::{Action, Address};

text!(
    /// A bucket's ARN, with a prefix behind a `/` if there is one.
    Destination,
    r"^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?$"
);

/// Which connections a VPC sees, written to a log group by a role, or to a bucket. AWS changes none: another setting is
/// another flow log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The VPC's id, `${vpc.main.id}`.
    pub vpc: VpcId,
    /// Which connections. Default: `all`.
    #[serde(default)]
    pub traffic: Traffic,
    /// The name of the log group that they are written to; it takes a `role`, and excludes a `bucket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<LogGroupName>,
    /// The ARN of the role that `vpc-flow-logs.amazonaws.com` writes to the log group as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleArn>,
    /// The ARN of the bucket that they are written to, with a prefix behind a `/` if there is to be one. Its policy must
    /// let `delivery.logs.amazonaws.com` write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Destination>,
    /// The seconds that one record covers at most: 60 or 600. Default: 600.
    #[serde(default = "ten_minutes")]
    #[schemars(extend("enum" = [60, 600]))]
    pub max_aggregation_interval_seconds: u32,
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
    fn written(self) -> TrafficType {
        match self {
            Self::All => TrafficType::All,
            Self::Accept => TrafficType::Accept,
            Self::Reject => TrafficType::Reject,
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
    replaces("max_aggregation_interval_seconds"),
];
const OUTPUTS: &[&str] = &["id", "arn"];
const ACTIONS: &[&str] = &[
    "ec2:CreateFlowLogs",
    "ec2:DeleteFlowLogs",
    "ec2:DescribeFlowLogs",
    "iam:PassRole",
    // AWS sets the delivery up in the caller's name.
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "tag:GetResources",
];
const FACTS: Facts = Facts {
    renamed_fields: &[("interval_seconds", "max_aggregation_interval_seconds")],
    tag_types: &["ec2:vpc-flow-log"],
    review: &["role"],
    passes_roles_to: &["vpc-flow-logs.amazonaws.com"],
    billing: Billing::ByUse("each GB of records that CloudWatch or S3 takes in"),
    follows: &[(&[Action::Delete], "connections are written down no longer; what was written stays")],
    tagging: Some(&tagging::Ec2),
    ..Facts::of("flow_log", "which connections a network sees, written down", FIELDS, OUTPUTS, ACTIONS)
};

/// How long a role that was made may stay unknown to EC2.
const ASSUMED: Duration = Duration::from_mins(1);

/// The kind.
#[derive(Debug)]
pub struct FlowLog;

#[async_trait]
impl Kind for FlowLog {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        match (&spec.log_group, &spec.role, &spec.bucket) {
            (Some(_), Some(_), None) | (None, None, Some(_)) => Ok(()),
            _ => bail!("a flow log has `log_group` and `role`, or `bucket`"),
        }
    }

    fn misfits(&self, address: &Address, spec: &Spec, others: &Others<'_>) -> Vec<String> {
        among::of_its_kind(address, others, |other, theirs: &Spec| {
            let same = !self.coexists(theirs, spec);
            same.then(|| {
                format!("`{other}` writes the same of the same VPC to the same place, and AWS takes one of them")
            })
        })
    }

    /// AWS refuses a second one with the same traffic and destination.
    fn coexists(&self, live: &Spec, spec: &Spec) -> bool {
        (&live.vpc, live.traffic, &live.log_group, &live.bucket)
            != (&spec.vpc, spec.traffic, &spec.log_group, &spec.bucket)
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        match (step.action, step.live, step.spec) {
            (Action::Replace, Some(live), Some(spec)) if !self.coexists(live, spec) => {
                vec!["connections of some seconds are written down by none of the two".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        if wanted.is_empty() && !tagged::any(context, "ec2", "vpc-flow-log").await? {
            return Ok(Vec::new());
        }
        ec2::found(context, read).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        if let Some(one) = types::FlowLog::list(context, ec2::of_address(context, address)).await?.first() {
            return Ok(outcome(context, one.id()?));
        }
        let call = context.aws.ec2().create_flow_logs().resource_type(FlowLogsResourceType::Vpc);
        let call = call
            .resource_ids(spec.vpc.as_str())
            .traffic_type(spec.traffic.written())
            .max_aggregation_interval(i32::try_from(spec.max_aggregation_interval_seconds)?)
            .client_token(tags::client_token(context, address, spec))
            .tag_specifications(ec2::specification(context, address, ResourceType::VpcFlowLog));
        let call = match &spec.bucket {
            Some(bucket) => call.log_destination_type(LogDestinationType::S3).log_destination(bucket.as_str()),
            None => call
                .log_destination_type(LogDestinationType::CloudWatchLogs)
                .set_log_group_name(spec.log_group.clone().map(String::from))
                .set_deliver_logs_permission_arn(spec.role.clone().map(String::from)),
        };
        // EC2 learns of a new role late.
        let unknown = |error: &Error| wait::not_yet(error) || error.is_not_found();
        let call = || ask(call.clone().send());
        let answer = wait::while_refused(context, context.pace.patience(ASSUMED), unknown, call).await?;
        // The call succeeds as a whole; each resource's failure stands in the answer.
        if let Some(item) = answer.unsuccessful().first() {
            // In words only: what stands in the way needn't be one that this address could take over.
            bail!("{}", ec2::failure("CreateFlowLogs", item));
        }
        let id = answer.flow_log_ids().first().needed("ec2", "CreateFlowLogs.FlowLogIds")?;
        wait::until(context, wait::VISIBLE, &format!("{id} is not listed"), || async {
            types::FlowLog::described(context, id).await
        })
        .await?;
        Ok(outcome(context, id))
    }

    async fn update(&self, context: &Context, Delta { live, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        // Nothing of a flow log can be changed, and one is active at once.
        Ok(outcome(context, &live.id))
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let call = context.aws.ec2().delete_flow_logs().flow_log_ids(&live.id);
        let answer = wait::found(ask(call.send()).await)?;
        for item in answer.iter().flat_map(DeleteFlowLogsOutput::unsuccessful) {
            let failure = ec2::failure("DeleteFlowLogs", item);
            if !failure.is_not_found() {
                return Err(failure.into());
            }
        }
        // While it is there AWS refuses another with the same traffic and destination.
        wait::until(context, wait::VISIBLE, &format!("{} is still there", live.id), || async {
            Ok(types::FlowLog::described(context, &live.id).await?.is_none().then_some(()))
        })
        .await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        let Some(log) = types::FlowLog::described(context, id).await? else { return Ok(None) };
        read(context, &ec2::claimed(context, address, id, log)?)
    }
}

fn outcome(context: &Context, id: &str) -> Outcome {
    tags::outcome(id, &[("id", id), ("arn", &ec2::arn(context, "vpc-flow-log", id))])
}

fn read(context: &Context, log: &types::FlowLog) -> Result<Option<Found<Spec>>> {
    let Some((address, tags)) = ec2::owner(context, "flow_log", log) else { return Ok(None) };
    let traffic = match log.traffic_type().needed("ec2", "FlowLog.TrafficType")? {
        TrafficType::Accept => Traffic::Accept,
        TrafficType::Reject => Traffic::Reject,
        _ => Traffic::All,
    };
    let bucket = match log.log_destination_type() {
        Some(LogDestinationType::S3) => Some(log.log_destination().needed("ec2", "FlowLog.LogDestination")?.into()),
        _ => None,
    };
    let interval = log.max_aggregation_interval().needed("ec2", "FlowLog.MaxAggregationInterval")?;
    let spec = Spec {
        vpc: log.resource_id().needed("ec2", "FlowLog.ResourceId")?.into(),
        traffic,
        log_group: ec2::present(log.log_group_name()).map(Into::into),
        role: ec2::present(log.deliver_logs_permission_arn()).map(Into::into),
        bucket,
        max_aggregation_interval_seconds: u32::try_from(interval)?,
    };
    let id = log.id()?;
    let arn = ec2::arn(context, "vpc-flow-log", id);
    Ok(Some(tags::found(address, &tags, id, spec, &[("id", id), ("arn", &arn)])))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::AnyKind;

    #[test]
    fn a_flow_log_has_one_destination() {
        let normalise = |spec: &Value| AnyKind::normalise(&FlowLog, spec);
        let group = json!({"vpc": "vpc-1", "log_group": "flows", "role": "arn:aws:iam::123456789012:role/flows"});
        let normal = normalise(&group).expect("a log group and a role");
        assert_eq!((&normal["traffic"], &normal["max_aggregation_interval_seconds"]), (&json!("all"), &json!(600)));
        let bucket = json!({"vpc": "vpc-1", "bucket": "arn:aws:s3:::flows"});
        assert!(normalise(&bucket).is_ok());
        let role = &group["role"];
        for wrong in [
            json!({"vpc": "vpc-1"}),
            json!({"vpc": "vpc-1", "log_group": "flows"}),
            json!({"vpc": "vpc-1", "log_group": "flows", "role": role, "bucket": "arn:aws:s3:::flows"}),
            json!({"vpc": "vpc-1", "bucket": "arn:aws:s3:::flows", "max_aggregation_interval_seconds": 300}),
        ] {
            assert!(normalise(&wrong).is_err(), "{wrong}");
        }
        assert!(AnyKind::coexists(&FlowLog, &normal, &bucket));
        let mut slower = normal.clone();
        slower["max_aggregation_interval_seconds"] = json!(60);
        assert!(!AnyKind::coexists(&FlowLog, &normal, &slower));
    }
}
