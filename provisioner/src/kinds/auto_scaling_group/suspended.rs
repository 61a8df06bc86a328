//! Processes of a group that somebody suspended: none is in a group that a stack makes, and some waits can't end without them.

use std::time::Instant;

use anyhow::{Result, bail};
use aws_sdk_autoscaling::types::AutoScalingGroup;
use lakewright_aws::{Error, ask};

use super::REFUSED;
use crate::kind::{Context, Departure};
use crate::kinds::wait;
use crate::services::Services as _;

/// The name by which plans and updates know of suspended processes.
pub(super) const SUSPENDED: &str = "suspended_processes";
/// What a group needs to let its hosts go.
pub(super) const ENDING: &[&str] = &["Terminate"];
/// What it needs to replace them.
pub(super) const REPLACING: &[&str] = &["Launch", "Terminate"];

/// The suspended processes of a group.
fn all(group: &AutoScalingGroup) -> impl Iterator<Item = &str> {
    group.suspended_processes().iter().filter_map(|process| process.process_name())
}

/// Those among some.
pub(super) fn among<'a>(group: &'a AutoScalingGroup, those: &'a [&str]) -> impl Iterator<Item = &'a str> {
    all(group).filter(|name| those.contains(name))
}

/// What a group departs by from one in which nothing is suspended.
pub(super) fn departure(group: &AutoScalingGroup) -> Option<Departure> {
    let mut names: Vec<&str> = all(group).collect();
    names.sort_unstable();
    Departure::of(SUSPENDED, (!names.is_empty()).then_some(names), None::<Vec<&str>>)
}

/// Resumes these processes of a group; all where none is named.
pub(super) async fn resume(context: &Context, name: &str, processes: &[&str]) -> Result<()> {
    let names = (!processes.is_empty()).then(|| processes.iter().map(|name| (*name).to_owned()).collect());
    let call = context.aws.auto_scaling().resume_processes().auto_scaling_group_name(name);
    let call = call.set_scaling_processes(names);
    wait::while_refused(context, REFUSED, Error::is_busy, || ask(call.clone().send())).await?;
    Ok(())
}

/// Says which of the processes that a wait needs are suspended, and ends the wait if that isn't what AWS's lists showed before
/// they were resumed.
pub(super) fn stopped(context: &Context, group: &AutoScalingGroup, needed: &[&str], began: Instant) -> Result<()> {
    let held: Vec<&str> = among(group, needed).collect();
    if held.is_empty() {
        return Ok(());
    }
    let name = group.auto_scaling_group_name().unwrap_or_default();
    let are = if held.len() == 1 { "is" } else { "are" };
    let told = format!("{} of the auto-scaling group {name} {are} suspended", held.join(" and "));
    context.waiting.tell(&told);
    if began.elapsed() >= context.pace.settles {
        bail!(
            "{told}, so this can't end; resume it, `aws autoscaling resume-processes --auto-scaling-group-name {name}`, then run \
             this again"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use aws_sdk_autoscaling::types::SuspendedProcess;
    use parking_lot::Mutex;
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::Waiting;

    fn group(suspended: &[&str]) -> AutoScalingGroup {
        let process = |name: &&str| SuspendedProcess::builder().process_name(*name).build();
        AutoScalingGroup::builder()
            .auto_scaling_group_name("shop-app")
            .set_suspended_processes(Some(suspended.iter().map(process).collect()))
            .build()
    }

    #[test]
    fn a_group_with_suspended_processes_departs_from_what_is_made() {
        let found = departure(&group(&["Terminate", "AZRebalance"])).expect("it departs");
        assert_eq!((found.live, found.meant), (json!(["AZRebalance", "Terminate"]), Value::Null));
        assert_eq!(departure(&group(&[])), None);
    }

    #[test]
    fn a_wait_names_what_is_suspended_and_ends() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tells = told.clone();
        let waiting = Waiting::told(move |what| tells.lock().push(what.to_owned()));
        let context = Context { waiting, ..crate::kinds::testing::context() };
        let held = group(&["AlarmNotification", "Launch", "Terminate"]);
        // What AWS's lists still show of what was resumed a moment ago ends nothing.
        stopped(&context, &held, REPLACING, Instant::now() + Duration::from_secs(60))
            .expect("it may have been resumed");
        assert_eq!(*told.lock(), ["Launch and Terminate of the auto-scaling group shop-app are suspended"]);
        let since = Instant::now().checked_sub(context.pace.settles).expect("the machine has run for a second");
        let error = stopped(&context, &held, ENDING, since).expect_err("it can't end").to_string();
        assert!(
            error.starts_with("Terminate of the auto-scaling group shop-app is suspended, so this can't end"),
            "{error}"
        );
        stopped(&context, &group(&["AlarmNotification"]), REPLACING, since).expect("nothing of it is needed");
    }
}
