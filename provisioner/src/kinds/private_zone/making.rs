//! Making a zone, once.

use anyhow::Result;
use aws_sdk_route53::types::{HostedZoneConfig, Vpc, VpcRegion};
use lakewright_aws::{Error, Needed as _, ask, ask_once};
use serde_json::json;

use super::find::{of_domain, tags_of};
use super::{Spec, bare};
use crate::kind::Context;
use crate::kinds::tags::{self, Tags};
use crate::kinds::wait::{self, Made};
use crate::resource::Address;
use crate::services::Services as _;

/// How many caller references are tried: one that was used for a zone that is gone stays used.
const REFERENCES: u32 = 3;

/// Makes the zone unless it is there; the id, and whether it is new. A zone that an interrupted apply has made and not
/// yet tagged has the same caller reference.
pub(super) async fn made(context: &Context, address: &Address, spec: &Spec) -> Result<(String, bool)> {
    // What can change in place is no part of it: a resumed apply may bring another comment, or other tags.
    let unnamed = Context { tags: Tags::new(), ..context.clone() };
    let token = tags::client_token(&unnamed, address, &json!({"name": spec.name, "vpc": spec.vpc}));
    let reference = |count: u32| if count == 0 { token.clone() } else { format!("{token}-{count}") };
    let references: Vec<String> = (0..REFERENCES).map(reference).collect();
    let probe = || living(context, address, spec, &references);
    if let Some(id) = probe().await? {
        return Ok((id, false));
    }
    let mut refused = None;
    for reference in &references {
        let create = || create(context, spec, reference);
        match wait::once(context, create, probe).await {
            Ok(Made::Now(id)) => return Ok((id, true)),
            Ok(Made::Before(id)) => return Ok((id, false)),
            // Nothing is there: the reference is that of a zone which somebody has deleted since.
            Err(error) if error.downcast_ref::<Error>().is_some_and(Error::is_already_exists) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    let error = refused.expect("there is a reference at least");
    Err(error.context(format!("{} has a private zone {} already that isn't this stack's", spec.vpc, spec.name)))
}

async fn create(context: &Context, spec: &Spec, reference: &str) -> Result<String, Error> {
    let vpc = Vpc::builder().vpc_id(spec.vpc.as_str()).vpc_region(VpcRegion::from(context.region.as_str())).build();
    let config = HostedZoneConfig::builder().private_zone(true).set_comment(spec.comment.clone()).build();
    let call = context.aws.route53().create_hosted_zone().name(spec.name.as_str()).vpc(vpc).hosted_zone_config(config);
    let made = ask_once(call.caller_reference(reference).send()).await?;
    let zone = made.hosted_zone.needed("route53", "CreateHostedZone.HostedZone")?;
    Ok(bare(zone.id().needed("route53", "HostedZone.Id")?).to_owned())
}

/// The id of the zone of that domain in that VPC, if it is the address's: by its caller reference, or by its tags.
async fn living(context: &Context, address: &Address, spec: &Spec, references: &[String]) -> Result<Option<String>> {
    let zones = of_domain(context, &spec.name).await?;
    let by_reference = zones.iter().find(|zone| references.iter().any(|one| one == zone.caller_reference()));
    if let Some(zone) = by_reference {
        return Ok(Some(bare(zone.id()).to_owned()));
    }
    let ids: Vec<String> = zones.iter().map(|zone| bare(zone.id()).to_owned()).collect();
    for (id, tags) in tags_of(context, &ids).await? {
        if tags::address(context, "private_zone", &tags).as_ref() != Some(address) {
            continue;
        }
        let Some(zone) = wait::found(ask(context.aws.route53().get_hosted_zone().id(&id).send()).await)? else {
            continue;
        };
        if zone.vpcs().iter().any(|vpc| vpc.vpc_id() == Some(spec.vpc.as_str())) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
