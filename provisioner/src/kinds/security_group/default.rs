//! The group that AWS makes with a network: it belongs to whatever names no other.

use std::time::Duration;

use anyhow::Result;
use lakewright_ec2::sdk::types::SecurityGroup;

use super::rules::rules;
use super::{Change, Way, call_with};
use crate::kind::Context;
use crate::kinds::ec2::{self, Thing as _};
use crate::kinds::wait;
use crate::reading::is_denied;

/// How long EC2 may take to list the group of a new network.
const LISTED: Duration = Duration::from_mins(2);

/// The default group of a network; none while EC2 doesn't list it.
async fn group(context: &Context, vpc: &str) -> Result<Option<SecurityGroup>> {
    let filters = vec![ec2::filter("vpc-id", vpc), ec2::filter("group-name", "default")];
    Ok(SecurityGroup::list(context, filters).await?.into_iter().next())
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
    let id = group.id()?;
    for way in [Way::Ingress, Way::Egress] {
        let revoked = call_with(context, id, (way, Change::Revoke), &rules(way.permissions(&group), id)?).await;
        revoked.map_err(|error| if is_denied(&error) { error.context(administrators(vpc)) } else { error })?;
    }
    Ok(())
}

/// What a denial means: the group carries no tag by which policies could know whose it is.
fn administrators(vpc: &str) -> String {
    format!(
        "close the default security group of {vpc}, which is an administrator's: apply once with what `lakewright permissions \
         --for setup` prints besides, or leave the group to others by `default_group = \"open\"` in a `[resource.vpc.NAME]`"
    )
}
