//! The tags that say whose a resource is, and the sweep that finds it by them.

use anyhow::{Result, bail};
use lakewright_aws::Error;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::kind::{Context, Found, Outcome};
use crate::resource::{Address, Condition};

pub(super) use crate::kind::{ADDRESS, APPLIED, STACK};
pub(crate) use crate::reading::Tags;

/// The tags that a create call writes.
pub(super) fn own(context: &Context, address: &Address) -> [(&'static str, String); 3] {
    [
        (STACK, context.stack.clone()),
        (ADDRESS, address.to_string()),
        ("Name", format!("{}-{}", context.stack, address.name)),
    ]
}

/// The address that the tags state, if they state this stack's and this kind's.
pub(super) fn address(context: &Context, kind: &str, tags: &Tags) -> Option<Address> {
    if tags.get(STACK)? != &context.stack {
        return None;
    }
    tags.get(ADDRESS)?.parse().ok().filter(|address: &Address| address.kind == kind)
}

/// Whether what carries these tags under the address is known to be the stack's: anybody may write tags. What stands in a
/// thing of somebody else's isn't the stack's either.
pub(super) async fn is_own(context: &Context, address: &Address, id: &str, tags: &Tags) -> bool {
    context.records.is_own(address, id, tags.get(APPLIED).map(String::as_str)).await
}

/// A resource that exists and is ready, with nothing foreign in it.
pub(super) fn found<S, O: Default>(
    address: Address,
    tags: &Tags,
    id: &str,
    spec: S,
    outputs: &[(&str, &str)],
) -> Found<S, O> {
    Found {
        address,
        id: id.to_owned(),
        spec,
        observed: O::default(),
        departures: Vec::new(),
        outputs: outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        applied: tags.get(APPLIED).cloned(),
        condition: Condition::Ready,
        foreign: Vec::new(),
        holds: Vec::new(),
        is_empty: false,
    }
}

/// The tags of something that is to be adopted, as if they were the address's; another stack's are refused.
pub(super) fn claimed(context: &Context, address: &Address, id: &str, mut tags: Tags) -> Result<Tags> {
    if let Some(other) = tags.get(STACK).filter(|stack| **stack != context.stack) {
        let as_what = tags.get(ADDRESS).map(|address| format!(", as {address}")).unwrap_or_default();
        bail!(
            "{id} belongs to the stack {other}{as_what}; destroy it there, or take its tags {STACK} and {ADDRESS} away first"
        );
    }
    tags.remove(APPLIED);
    tags.insert(STACK.to_owned(), context.stack.clone());
    tags.insert(ADDRESS.to_owned(), address.to_string());
    Ok(tags)
}

/// The refusal of a create call by something of that name that isn't the address's: what stands there, and whose it is.
pub(super) fn taken(refusal: Error, what: &str, tags: &Tags) -> anyhow::Error {
    let whose = match (tags.get(STACK), tags.get(ADDRESS)) {
        (Some(stack), Some(address)) => format!(": it is {address} of the stack {stack}"),
        (Some(stack), None) => format!(": it is the stack {stack}'s"),
        _ => String::new(),
    };
    anyhow::Error::new(refusal).context(format!("{what} is there already and isn't this stack's{whose}"))
}

/// A token that is the same for every attempt at one create within one apply and those that resume it: 32 hexadecimal
/// digits. One made with another spec is another thing, even at the same address.
pub(super) fn client_token(context: &Context, address: &Address, spec: &impl Serialize) -> String {
    let spec = serde_json::to_string(spec).expect("a spec holds only what JSON has: string keys, finite numbers");
    let digest = Sha256::digest(format!("{}\n{address}\n{}\n{spec}", context.stack, context.nonce));
    hex::encode(&digest[..16])
}

/// The outcome with these outputs.
pub(super) fn outcome(id: &str, outputs: &[(&str, &str)]) -> Outcome {
    let outputs = outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Outcome { id: id.to_owned(), outputs }
}

/// The ARN of an EC2 resource.
pub(super) fn ec2_arn(context: &Context, resource_type: &str, id: &str) -> String {
    format!("arn:{}:ec2:{}:{}:{resource_type}/{id}", partition(&context.region), context.region, context.account)
}

/// The partition of AWS that a region belongs to, as ARNs name it.
pub fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}
