//! What is asked of SQS, and waited for: the name of a deleted queue isn't free at once, and changes show late.

use std::time::Duration;

use anyhow::Result;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use lakewright_aws::{Error, ErrorKind, Needed as _, ask};

use super::attributes::{self, Attributes, WRITTEN};
use super::{Spec, outcome};
use crate::kind::{Context, Outcome};
use crate::kinds::tags::Tags;
use crate::kinds::{tag_lists, wait};
use crate::resource::Address;
use crate::services::Services as _;

/// How long a name isn't free after its queue was deleted, and a key, a principal or a dead-letter queue that was just
/// made may be unknown.
const TAKEN: Duration = Duration::from_mins(2);
/// How long changed attributes may take to show, and a deleted queue to go.
pub(super) const SETTLED: Duration = Duration::from_mins(3);

/// The URL of the queue of that name; none if there is no such queue.
pub(super) async fn url_of(context: &Context, name: &str) -> Result<Option<String>, Error> {
    let answer = wait::found(ask(context.aws.sqs().get_queue_url().queue_name(name).send()).await)?;
    answer.map(|answer| answer.queue_url.needed("sqs", "GetQueueUrl.QueueUrl")).transpose()
}

/// The URL of a queue that was made, however short ago.
pub(super) async fn known(context: &Context, name: &str) -> Result<String, Error> {
    let call = context.aws.sqs().get_queue_url().queue_name(name);
    let answer = wait::visible(context, || ask(call.clone().send())).await?;
    answer.queue_url.needed("sqs", "GetQueueUrl.QueueUrl")
}

/// A queue's tags; none if there is no such queue.
pub(super) async fn tags_of(context: &Context, url: &str) -> Result<Option<Tags>, Error> {
    let answer = wait::found(ask(context.aws.sqs().list_queue_tags().queue_url(url).send()).await)?;
    Ok(answer.map(|answer| tag_lists::read_map(answer.tags())))
}

/// A queue's attributes; none if there is no such queue.
pub(super) async fn attributes_of(context: &Context, url: &str) -> Result<Option<Attributes>, Error> {
    let call = context.aws.sqs().get_queue_attributes().queue_url(url).attribute_names(Attribute::All);
    let answer = wait::found(ask(call.send()).await)?;
    answer.map(|answer| answer.attributes.needed("sqs", "GetQueueAttributes.Attributes")).transpose()
}

/// Whether a refusal passes: the name of a deleted queue isn't free yet, or what was just made isn't known.
fn passes(error: &Error) -> bool {
    error.kind == ErrorKind::Busy || wait::not_yet(error)
}

/// Makes a queue and returns its URL.
pub(super) async fn make(context: &Context, address: &Address, spec: &Spec) -> Result<String, Error> {
    let mut attributes = attributes::written(spec, WRITTEN);
    // An empty text takes away what a new queue doesn't have.
    attributes.retain(|_, value| !value.is_empty());
    if spec.fifo {
        attributes.insert(Attribute::FifoQueue, true.to_string());
    }
    let call = context.aws.sqs().create_queue().queue_name(spec.name.as_str()).set_attributes(Some(attributes));
    let call = call.set_tags(Some(tag_lists::owned_map(context, address)));
    let made = wait::while_refused(context, TAKEN, passes, || ask(call.clone().send())).await?;
    made.queue_url.needed("sqs", "CreateQueue.QueueUrl")
}

/// Brings those fields of a queue that exists to the spec.
pub(super) async fn settle(context: &Context, spec: &Spec, fields: &[&str]) -> Result<Outcome> {
    let url = known(context, &spec.name).await?;
    let attributes = attributes::written(spec, fields);
    if !attributes.is_empty() {
        let call = context.aws.sqs().set_queue_attributes().queue_url(&url).set_attributes(Some(attributes));
        let refused = |error: &Error| error.is_not_found() || passes(error);
        wait::while_refused(context, TAKEN, refused, || ask(call.clone().send())).await?;
        shown(context, &url, spec, fields).await?;
    }
    Ok(outcome(context, &spec.name, &url))
}

/// Waits until a queue shows those fields of the spec.
pub(super) async fn shown(context: &Context, url: &str, spec: &Spec, fields: &[&str]) -> Result<()> {
    // SQS may write a policy otherwise than it was given: that there is one is enough.
    let comparable = |spec: &Spec| {
        let mut attributes = attributes::written(spec, fields);
        attributes.entry(Attribute::Policy).and_modify(|policy| *policy = policy.is_empty().to_string());
        attributes
    };
    let meant = comparable(spec);
    let shows = || async {
        let Some(attributes) = attributes_of(context, url).await? else { return Ok(None) };
        let (live, departures) = attributes::read(&spec.name, &attributes)?;
        let departs = departures.iter().any(|departure| fields.contains(&departure.field()));
        Ok::<_, anyhow::Error>((!departs && comparable(&live) == meant).then_some(()))
    };
    wait::until(context, SETTLED, &format!("the queue {} doesn't show its attributes", spec.name), shows).await
}
