//! How the services of several kinds, and those that do it alike, tag things: `Facts::tagging`.

use anyhow::Result;
use async_trait::async_trait;
use lakewright_aws::{Error, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::Tag;

use super::{tag_lists, wait};
use crate::kind::{Context, Outcome, Tagging};
use crate::services::Services as _;

/// Defines the tagging of a service with two calls for it: the service's client; the member that names a thing, and what of an
/// outcome is that name; the member that holds tags, and their form; the member that holds the keys of tags that go; how a thing
/// is waited for that the service doesn't know yet; the two operations.
macro_rules! tagging {
    (
        $(#[$doc:meta])* $name:ident: $client:ident, $thing:ident($id:ident), $tags:ident($form:path), $keys:ident, $waits:path,
        $actions:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        #[async_trait]
        impl Tagging for $name {
            fn actions(&self) -> &'static [&'static str] {
                &$actions
            }

            async fn write(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
                let call = context.aws.$client().tag_resource().$thing($id(outcome)).$tags(Some($form(tags)));
                $waits(context, || ask(call.clone().send())).await?;
                Ok(())
            }

            async fn remove(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
                let call = context.aws.$client().untag_resource().$thing($id(outcome));
                ask(call.$keys(Some(tag_lists::keys(keys))).send()).await?;
                Ok(())
            }
        }
    };
}

/// The identifier that a kind has for a thing.
fn id(outcome: &Outcome) -> &str {
    &outcome.id
}

/// The ARN of a thing, whatever it is known by.
fn arn(outcome: &Outcome) -> &str {
    outcome.outputs.get("arn").map(String::as_str).unwrap_or_default()
}

/// Asks once.
async fn known<T, F>(_context: &Context, call: impl FnOnce() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    call().await
}

tagging!(
    /// Workgroups of Athena.
    Athena: athena, resource_arn(id), set_tags(tag_lists::written), set_tag_keys, known,
    ["athena:TagResource", "athena:UntagResource"]
);
tagging!(
    /// Budgets.
    Budgets: budgets, resource_arn(id), set_resource_tags(tag_lists::written), set_resource_tag_keys, wait::visible,
    ["budgets:TagResource", "budgets:UntagResource"]
);
tagging!(
    /// Alarms and dashboards.
    CloudWatch: cloud_watch, resource_arn(id), set_tags(tag_lists::written), set_tag_keys, wait::visible,
    ["cloudwatch:TagResource", "cloudwatch:UntagResource"]
);
tagging!(
    /// Pipelines.
    CodePipeline: code_pipeline, resource_arn(id), set_tags(tag_lists::written), set_tag_keys, wait::visible,
    ["codepipeline:TagResource", "codepipeline:UntagResource"]
);
tagging!(
    /// Applications of EMR Serverless and their runs.
    EmrServerless: emr_serverless, resource_arn(arn), set_tags(tag_lists::written_map), set_tag_keys, known,
    ["emr-serverless:TagResource", "emr-serverless:UntagResource"]
);
tagging!(
    /// Databases of the Glue catalog.
    Glue: glue, resource_arn(id), set_tags_to_add(tag_lists::written_map), set_tags_to_remove, known,
    ["glue:TagResource", "glue:UntagResource"]
);
tagging!(
    /// Clusters of MSK.
    Kafka: kafka, resource_arn(id), set_tags(tag_lists::written_map), set_tag_keys, known,
    ["kafka:TagResource", "kafka:UntagResource"]
);
tagging!(
    /// Keys.
    Kms: kms, key_id(id), set_tags(tag_lists::written), set_tag_keys, known,
    ["kms:TagResource", "kms:UntagResource"]
);
tagging!(
    /// Log groups.
    Logs: logs, resource_arn(id), set_tags(tag_lists::written_map), set_tag_keys, known,
    ["logs:TagResource", "logs:UntagResource"]
);
tagging!(
    /// Secrets.
    SecretsManager: secrets_manager, secret_id(id), set_tags(tag_lists::written), set_tag_keys, known,
    ["secretsmanager:TagResource", "secretsmanager:UntagResource"]
);
tagging!(
    /// Topics of SNS.
    Sns: sns, resource_arn(id), set_tags(tag_lists::written), set_tag_keys, wait::visible,
    ["sns:TagResource", "sns:UntagResource"]
);

/// Whatever EC2 knows by an id.
#[derive(Debug)]
pub(super) struct Ec2;

#[async_trait]
impl Tagging for Ec2 {
    fn actions(&self) -> &'static [&'static str] {
        &["ec2:CreateTags", "ec2:DeleteTags"]
    }

    async fn write(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let call = context.aws.ec2().create_tags().resources(&outcome.id).set_tags(Some(tag_lists::written(tags)));
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn remove(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        // Without a value a tag goes whatever its value is.
        let tags = keys.iter().map(|key| Tag::builder().key(*key).build()).collect();
        ask(context.aws.ec2().delete_tags().resources(&outcome.id).set_tags(Some(tags)).send()).await?;
        Ok(())
    }
}
