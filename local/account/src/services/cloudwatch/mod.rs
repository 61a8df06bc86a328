//! CloudWatch: metrics, alarms, dashboards and their tags.

mod alarm_input;
mod alarms;
mod dashboards;
mod evaluate;
mod expression;
mod metrics;
mod tags;

pub(crate) use metrics::{Metric, record};

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::protocol::Protocol;
use crate::request::Request;
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct CloudWatch;

const ALARMS: &str = "cloudwatch/alarm";
const DASHBOARDS: &str = "cloudwatch/dashboard";

#[async_trait]
impl Service for CloudWatch {
    fn name(&self) -> &'static str {
        "monitoring"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Query("http://monitoring.amazonaws.com/doc/2010-08-01/")
    }

    fn also(&self) -> &'static [Protocol] {
        &[Protocol::Json("GraniteServiceVersion20100801"), Protocol::Cbor]
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        account.transact(request, |state| match request.operation.as_str() {
            "PutMetricAlarm" => alarms::put(state, request),
            "DescribeAlarms" => {
                evaluate::all(state);
                alarms::describe(state, request)
            }
            "DeleteAlarms" => alarms::delete(state, request),
            "SetAlarmState" => alarms::set_state(state, request),
            "EnableAlarmActions" => alarms::enable_actions(state, request, true),
            "DisableAlarmActions" => alarms::enable_actions(state, request, false),
            "PutMetricData" => metrics::put(state, request),
            "ListMetrics" => metrics::list(state, request),
            "GetMetricStatistics" => metrics::statistics(state, request),
            "GetMetricData" => metrics::data(state, request),
            "PutDashboard" => dashboards::put(state, request),
            "GetDashboard" => dashboards::get(state, request),
            "ListDashboards" => dashboards::list(state, request),
            "DeleteDashboards" => dashboards::delete(state, request),
            "TagResource" => tags::tag(state, request),
            "UntagResource" => tags::untag(state, request),
            "ListTagsForResource" => tags::list(state, request),
            _ => Err(super::unknown_operation(request)),
        })
    }
}

fn missing(name: &str) -> AwsError {
    invalid(format!("The parameter {name} is required."))
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}
