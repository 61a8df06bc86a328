//! The group that AWS makes with a network: it belongs to whatever names no other.

use std::time::Duration;

use anyhow::Result;
use lakewright_ec2::sdk::types::SecurityGroup;

use super::rules::rules;
use super::{Change, Way, call_with, id, list};
use crate::kind::Context;
use crate::kinds::{ec2, wait};

/// How long EC2 may take to list the group of a new network.
const LISTED: Duration = Duration::from_mins(2);

/// The default group of a network; none while EC2 doesn't list it.
async fn group(context: &Context, vpc: &str) -> Result<Option<SecurityGroup>> {
    let filters = vec![ec2::filter("vpc-id", vpc), ec2::filter("group-name", "default")];
    Ok(list(context, filters).await?.into_iter().next())
}

/// Whether a network's default group lets nothing through.
pub(in crate::kinds) async fn is_closed(context: &Context, vpc: &str) -> Result<bool> {
    let group = group(context, vpc).await?;
    Ok(group.is_some_and(|group| group.ip_permissions().is_empty() && group.ip_permissions_egress().is_empty()))
}

/// Takes a network's default group all its rules.
pub(in crate::kinds) async fn close(context: &Context, vpc: &str) -> Result<()> {
    let what = format!("the default security group of {vpc} is not listed");
    let group = wait::until(context, LISTED, &what, || group(context, vpc)).await?;
    let id = id(&group)?;
    for way in [Way::Ingress, Way::Egress] {
        call_with(context, id, (way, Change::Revoke), &rules(way.permissions(&group), id)?).await?;
    }
    Ok(())
}
