//! Replacing a group's hosts by those of a new template.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use aws_sdk_autoscaling::types::{DesiredConfiguration, InstanceRefreshStatus, RefreshPreferences, RefreshStrategy};
use lakewright_aws::{Error, Needed as _, ask};

use super::suspended::{REPLACING, stopped};
use super::wire::{described, template};
use super::{Refreshing, Spec};
use crate::kind::Context;
use crate::kinds::wait;
use crate::services::Services as _;

/// How long the replacement of all hosts may take.
const REFRESHED: Duration = Duration::from_hours(2);

/// Replaces the hosts that aren't of the spec's launch template, and waits until the group is.
pub(super) async fn refresh(context: &Context, spec: &Spec) -> Result<()> {
    let (least, most) = match spec.refresh {
        Refreshing::TerminateFirst => (0, 100),
        _ => (100, 200),
    };
    let preferences = RefreshPreferences::builder()
        .min_healthy_percentage(least)
        .max_healthy_percentage(most)
        // Hosts that were started since are left alone.
        .skip_matching(true)
        .build();
    let call = context
        .aws
        .auto_scaling()
        .start_instance_refresh()
        .auto_scaling_group_name(&spec.name)
        .strategy(RefreshStrategy::Rolling)
        .desired_configuration(DesiredConfiguration::builder().launch_template(template(spec)).build())
        .preferences(preferences);
    // One that an interrupted apply began, or somebody, is waited for.
    let started = wait::while_refused(context, REFRESHED, Error::is_busy, || ask(call.clone().send())).await?;
    let id = started.instance_refresh_id.needed("autoscaling", "StartInstanceRefresh.InstanceRefreshId")?;
    let call = context.aws.auto_scaling().describe_instance_refreshes();
    let call = call.auto_scaling_group_name(&spec.name).instance_refresh_ids(id);
    let what = format!("the hosts of {} are still being replaced", spec.name);
    let began = Instant::now();
    wait::until(context, REFRESHED, &what, || async {
        let answer = ask(call.clone().send()).await?;
        let Some(refresh) = answer.instance_refreshes().first() else { return Ok(None) };
        match refresh.status().needed("autoscaling", "InstanceRefresh.Status")? {
            InstanceRefreshStatus::Successful => Ok(Some(())),
            InstanceRefreshStatus::Failed
            | InstanceRefreshStatus::Cancelled
            | InstanceRefreshStatus::RollbackFailed
            | InstanceRefreshStatus::RollbackSuccessful => {
                bail!("the hosts of {} were not replaced: {}", spec.name, refresh.status_reason().unwrap_or_default())
            }
            _ => {
                if let Some(group) = described(context, &spec.name).await? {
                    stopped(context, &group, REPLACING, began)?;
                }
                Ok(None)
            }
        }
    })
    .await
}
