//! What EC2's kinds share: filters by tags, tags in create calls, creates that nothing but a look protects.

use anyhow::{Result, bail};
use lakewright_aws::{Error, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{Filter, ResourceType, Tag, TagSpecification, UnsuccessfulItem};

use super::tags::{ADDRESS, STACK};
use super::wait::{self, Made};
use super::{tag_lists, tags};
use crate::kind::Context;
use crate::resource::Address;

/// The filter of a `Describe…` for what carries the stack's tag.
pub(super) fn of_stack(context: &Context) -> Filter {
    tagged(STACK, &context.stack)
}

/// The filters of a `Describe…` for what carries the address's tags.
pub(super) fn of_address(context: &Context, address: &Address) -> Vec<Filter> {
    vec![of_stack(context), tagged(ADDRESS, &address.to_string())]
}

fn tagged(key: &str, value: &str) -> Filter {
    filter(&format!("tag:{key}"), value)
}

/// A filter of a `Describe…` by one value.
pub(super) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// The tags that a create call writes.
pub(super) fn specification(context: &Context, address: &Address, resource_type: ResourceType) -> TagSpecification {
    let tags = tag_lists::owned(context, address);
    TagSpecification::builder().resource_type(resource_type).set_tags(Some(tags)).build()
}

/// Writes tags.
pub(super) async fn tag(context: &Context, id: &str, tags: &[(&str, &str)]) -> Result<()> {
    let call = context.aws.ec2().create_tags().resources(id).set_tags(Some(tag_lists::written(tags)));
    wait::visible(context, || ask(call.clone().send())).await?;
    Ok(())
}

/// Takes tags away.
pub(super) async fn untag(context: &Context, id: &str, keys: &[&str]) -> Result<()> {
    // Without a value a tag goes whatever its value is.
    let tags = keys.iter().map(|key| Tag::builder().key(*key).build()).collect();
    ask(context.aws.ec2().delete_tags().resources(id).set_tags(Some(tags)).send()).await?;
    Ok(())
}

/// Makes a thing unless one with the address's tags exists: the call is never repeated unseen, and if its answer was
/// lost the lists are asked what became of it. `living` lists the ids of what carries the address's tags, `create` sends the call by
/// [`lakewright_aws::ask_once`] and returns the id; `unique` says that AWS refuses a second one, by its name or by its place.
pub(super) async fn make_once<L, C>(
    context: &Context,
    address: &Address,
    unique: bool,
    living: impl Fn() -> L,
    create: impl Fn() -> C,
) -> Result<String>
where
    L: Future<Output = Result<Vec<String>>>,
    C: Future<Output = Result<String, Error>>,
{
    let probe = || async { single(address, living().await?) };
    if let Some(id) = probe().await? {
        return Ok(id);
    }
    if !unique && let Some(id) = wait::interrupted(context, address, probe).await? {
        return Ok(id);
    }
    match wait::once(context, create, probe).await? {
        Made::Now(id) | Made::Before(id) => Ok(id),
    }
}

fn single(address: &Address, mut ids: Vec<String>) -> Result<Option<String>> {
    if ids.len() > 1 {
        bail!("{address} exists more than once, as {}; delete all but one of them", ids.join(" and "));
    }
    Ok(ids.pop())
}

/// The tags of an EC2 resource that is to be adopted, as if they were the address's.
pub(super) fn claim(context: &Context, address: &Address, id: &str, tags: &[Tag]) -> Result<Option<Vec<Tag>>> {
    let claimed = tags::claimed(context, address, id, tag_lists::read(tags))?;
    Ok(Some(tag_lists::listed(&claimed)))
}

/// A text that is there: an empty element of an answer says that it isn't.
pub(super) fn present(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Why a call failed for one of the things that it named, while it succeeded as a whole.
pub(super) fn failure(operation: &str, item: &UnsuccessfulItem) -> Error {
    let Some(error) = item.error() else { return Error::missing("ec2", "UnsuccessfulItem.Error") };
    let Some(code) = error.code() else { return Error::missing("ec2", "UnsuccessfulItemError.Code") };
    // A refusal may have no message.
    Error::answered("ec2", operation, code, error.message().unwrap_or_default(), 200, "")
}

/// The ARN of an EC2 resource.
pub(super) fn arn(context: &Context, resource_type: &str, id: &str) -> String {
    tags::ec2_arn(context, resource_type, id)
}
