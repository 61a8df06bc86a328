//! What EC2's kinds share: filters by tags, tags in create calls, creates that nothing but a look protects.

use anyhow::{Result, bail};
use lakewright_aws::Error;
use lakewright_ec2::sdk::types::{Filter, ResourceType, TagSpecification, UnsuccessfulItem};

pub(super) use self::thing::Thing;
use super::tags::{ADDRESS, STACK, Tags};
use super::wait::{self, Made};
use super::{tag_lists, tags};
use crate::kind::Context;
use crate::resource::Address;

mod thing;

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

/// Makes a thing unless one with the address's tags exists: the call is never repeated unseen, and if its answer was
/// lost the lists are asked what became of it. `create` sends the call by [`lakewright_aws::ask_once`] and returns the id; `unique`
/// says that AWS refuses a second one, by its name or by its place.
pub(super) async fn make_once<T: Thing, C>(
    context: &Context,
    address: &Address,
    unique: bool,
    create: impl Fn() -> C,
) -> Result<String>
where
    C: Future<Output = Result<String, Error>>,
{
    let probe = || async {
        let living = T::list(context, of_address(context, address)).await?;
        single(address, living.iter().map(|one| Ok(one.id()?.to_owned())).collect::<Result<_>>()?)
    };
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

/// Everything that carries the stack's tag, as far as `read` says that it is one of a kind's.
pub(super) async fn found<T: Thing, F>(
    context: &Context,
    read: impl Fn(&Context, &T) -> Result<Option<F>>,
) -> Result<Vec<F>> {
    let things = T::list(context, vec![of_stack(context)]).await?;
    things.iter().filter_map(|thing| read(context, thing).transpose()).collect()
}

/// The address that a thing's tags state, if they state this stack's and this kind's, and the tags.
pub(super) fn owner<T: Thing>(context: &Context, kind: &str, thing: &T) -> Option<(Address, Tags)> {
    let tags = tag_lists::read(thing.tags());
    Some((tags::address(context, kind, &tags)?, tags))
}

/// A thing that is to be adopted, its tags as if they were the address's.
pub(super) fn claimed<T: Thing>(context: &Context, address: &Address, id: &str, thing: T) -> Result<T> {
    let claimed = tags::claimed(context, address, id, tag_lists::read(thing.tags()))?;
    Ok(thing.with_tags(tag_lists::listed(&claimed)))
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
