//! EMR Serverless: applications, job runs, and the role that a run is given.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of_object;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let action = format!("emr-serverless:{}", asks.operation());
    let input = asks.input();
    let application =
        asks.arn("emr-serverless", &format!("/applications/{}", asks.text("applicationId").unwrap_or("*")));
    let run = format!("{application}/jobruns/{}", asks.text("jobRunId").unwrap_or("*"));
    let tags = tags_of_object(input, "tags");
    match asks.operation() {
        "ListApplications" => asks.plain(&action),
        "CreateApplication" => {
            asks.add(Ask::on(&action, "*").tags(&tags));
            asks.link("ops.emr-serverless.amazonaws.com", "AWSServiceRoleForAmazonEMRServerless");
            asks.tag_made("emr-serverless:TagResource", application, &tags)
        }
        "GetApplication" | "UpdateApplication" | "StartApplication" | "StopApplication" | "DeleteApplication"
        | "ListJobRuns" => asks.on(&action, application),
        "StartJobRun" => {
            asks.add(Ask::on(&action, application).tags(&tags));
            asks.tag_made("emr-serverless:TagResource", run, &tags);
            asks.pass(asks.text("executionRoleArn").unwrap_or_default(), "emr-serverless.amazonaws.com")
        }
        "GetJobRun" | "CancelJobRun" => asks.on(&action, run),
        "ListTagsForResource" => asks.on(&action, asks.text("resourceArn").unwrap_or("*")),
        "TagResource" => asks.add(Ask::on(&action, asks.text("resourceArn").unwrap_or("*")).tags(&tags)),
        "UntagResource" => {
            let ask = Ask::on(&action, asks.text("resourceArn").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("tagKeys")))
        }
        _ => None,
    }
}
