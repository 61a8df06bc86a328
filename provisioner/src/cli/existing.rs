//! Whether a network that a stack file says is there already is there, and as the file says.

use anyhow::Result;
use lakewright_aws::{Service, list, text};
use serde_json::{Value, json};

use crate::kind::Context;
use crate::stack::{Diagnostic, Existing};

/// What the stack file says wrongly of an existing network: one request, a second one if nothing of it is there.
pub async fn mistakes(context: &Context, existing: &Existing) -> Result<Vec<Diagnostic>> {
    let ids: Vec<&str> = existing.subnets.iter().map(|subnet| subnet.value.as_str()).collect();
    // A filter, other than a list of ids, tells of all that are there when one isn't.
    let found = described(context, "DescribeSubnets", "subnetSet", "subnet-id", &ids).await?;
    let mut mistakes = Vec::new();
    let vpc = existing.vpc.as_str();
    if found.is_empty() && described(context, "DescribeVpcs", "vpcSet", "vpc-id", &[vpc]).await?.is_empty() {
        mistakes.push(missing("VPC", vpc, &existing.vpc.span, context));
    }
    for subnet in &existing.subnets {
        let (id, span) = (subnet.value.as_str(), &subnet.value.span);
        let Some(one) = found.iter().find(|one| text(one, "subnetId") == id) else {
            mistakes.push(missing("subnet", id, span, context));
            continue;
        };
        let (there, zone) = (text(one, "vpcId"), text(one, "availabilityZone"));
        if there != vpc {
            let title = format!("the subnet `{id}` doesn't stand in the VPC `{vpc}`");
            mistakes.push(Diagnostic::new(span.clone(), title, format!("it stands in {there}")));
        } else if zone != format!("{}{}", context.region, subnet.name) {
            let title = format!("the subnet `{id}` doesn't stand in zone `{}`", subnet.name);
            let letter = zone.strip_prefix(context.region.as_str()).unwrap_or(zone);
            mistakes.push(
                Diagnostic::new(span.clone(), title, format!("it stands in {zone}"))
                    .help(format!("write `{letter} = \"{id}\"`")),
            );
        }
    }
    Ok(mistakes)
}

fn missing(what: &str, id: &str, span: &std::ops::Range<usize>, context: &Context) -> Diagnostic {
    let Context { account, region, .. } = context;
    let title = format!("the {what} `{id}` doesn't exist");
    Diagnostic::new(span.clone(), title, format!("not in account {account}, {region}"))
        .help("check the id, the account (AWS_PROFILE) and the region")
}

async fn described(context: &Context, operation: &str, set: &str, filter: &str, values: &[&str]) -> Result<Vec<Value>> {
    let input = json!({"Filter": [{"Name": filter, "Value": values}]});
    let answer = context.aws.call(Service::Ec2, operation, input).await?;
    Ok(list(&answer, set).to_vec())
}
