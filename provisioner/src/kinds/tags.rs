//! The tags that say whose a resource is, and the sweep that finds it by them.

use anyhow::Result;
use lakewright_aws::Error;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::kind::{CONTINUED, Context, Found, NAME, Outcome, RESERVED, applied, name_tag};
use crate::resource::{Address, Condition, Obstacle};

pub(super) use crate::kind::{ADDRESS, APPLIED, STACK};
pub(crate) use crate::reading::Tags;

/// The tags that a create call writes, those of the stack file among them.
pub(super) fn own(context: &Context, address: &Address) -> Tags {
    let mut own = Tags::from([(NAME.to_owned(), name_tag(&context.stack, address))]);
    own.extend(context.tags.clone());
    own.extend([(STACK.to_owned(), context.stack.clone()), (ADDRESS.to_owned(), address.to_string())]);
    own
}

/// The tags that may be the stack file's or somebody else's: neither Lakewright's own nor AWS's.
pub(super) fn others(tags: &Tags) -> Tags {
    let is_other = |key: &str| !key.starts_with(RESERVED) && !key.starts_with("aws:");
    tags.iter().filter(|(key, _)| is_other(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
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
    context.records.is_own(address, id, applied::read(tags).as_deref()).await
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
        tags: others(tags),
        parts: Vec::new(),
        outputs: outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        applied: applied::read(tags),
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
        let reason = format!("{id} belongs to the stack {other}{as_what}");
        let fix = format!("destroy it there, or take its tags {STACK} and {ADDRESS} away first");
        return Err(Obstacle::new(reason, fix).into());
    }
    tags.remove(APPLIED);
    tags.remove(CONTINUED);
    tags.insert(STACK.to_owned(), context.stack.clone());
    tags.insert(ADDRESS.to_owned(), address.to_string());
    Ok(tags)
}

/// What a create call answers. None where what stands in its way carries the address's tags, which `tags` reads, as what an attempt
/// made whose answer was lost; what else stands there is refused, with whose it is. `what` names it.
pub(super) async fn made<T>(
    context: &Context,
    address: &Address,
    what: &str,
    answer: Result<T, Error>,
    tags: impl Future<Output = Result<Tags>>,
) -> Result<Option<T>> {
    match answer {
        Ok(made) => Ok(Some(made)),
        Err(error) if error.is_already_exists() => {
            own_or_taken(context, address, error, what, &tags.await?)?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Nothing where what stands in a create call's way carries the address's tags, as what an attempt made whose answer was lost;
/// else the refusal, with what stands there and whose it is.
pub(super) fn own_or_taken(
    context: &Context,
    address: &Address,
    refusal: Error,
    what: &str,
    tags: &Tags,
) -> Result<()> {
    match self::address(context, &address.kind, tags) {
        Some(own) if own == *address => Ok(()),
        _ => Err(taken(refusal, what, tags)),
    }
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
/// digits. One made with another spec, or other tags, is another thing, even at the same address.
pub(super) fn client_token(context: &Context, address: &Address, spec: &impl Serialize) -> String {
    let spec = serde_json::to_string(spec).expect("a spec holds only what JSON has: string keys, finite numbers");
    let tags: Vec<String> = context.tags.iter().map(|(key, value)| format!("\n{key}={value}")).collect();
    let tags = tags.concat();
    let digest = Sha256::digest(format!("{}\n{address}\n{}\n{spec}{tags}", context.stack, context.nonce));
    hex::encode(&digest[..16])
}

/// The outcome with these outputs.
pub(super) fn outcome(id: &str, outputs: &[(&str, &str)]) -> Outcome {
    let outputs = outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Outcome { id: id.to_owned(), outputs }
}

/// The ARN of an EC2 resource.
pub(super) fn ec2_arn(context: &Context, resource_type: &str, id: &str) -> String {
    context.site().arn("ec2", &format!("{resource_type}/{id}"))
}
