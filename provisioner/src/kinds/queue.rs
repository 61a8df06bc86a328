//! `queue`: an SQS queue.

mod attributes;
mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use lakewright_aws::ask;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::attributes::WRITTEN;
use self::calls::{SETTLED, attributes_of, known, make, settle, shown, tags_of, url_of};
use super::each::{self, One, each};
use super::spec::{compared, in_place, replaces};
use super::tags::{self, Tags};
use super::values::{KeyId, text};
use super::{policy, statement, tag_lists, tagged, wait};
use crate::kind::{Arn, Billing, Comparing, Context, Delta, Facts, Field, Found, Grant, Kind, Outcome, Step, Wanted};
use crate::resource::{Action, Address};
use crate::services::Services as _;

text!(
    /// A queue's name.
    QueueName,
    r"^([A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)$"
);
text!(
    /// A queue's ARN, `arn:aws:sqs:eu-north-1:123456789012:orders`.
    QueueArn,
    r"^arn:aws(-[a-z]+)*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}(\.fifo)?$"
);

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, unique in account and region: up to 80 letters, digits, `-` and `_`; that of a FIFO queue ends with
    /// `.fifo`.
    pub name: QueueName,
    /// Whether messages of a group arrive once and in the order in which they were sent.
    #[serde(default)]
    pub fifo: bool,
    /// Whether a FIFO queue sees by its content that a message was sent before. Otherwise senders give each an id.
    #[serde(default)]
    pub content_based_deduplication: bool,
    /// For how many seconds a message is kept that nobody deletes, a minute to 14 days.
    #[serde(default = "retention_seconds")]
    #[schemars(range(min = 60, max = 1_209_600))]
    pub retention_seconds: u32,
    /// For how many seconds a message that was received is hidden from others, at most 12 hours.
    #[serde(default = "visibility_timeout_seconds")]
    #[schemars(range(max = 43_200))]
    pub visibility_timeout_seconds: u32,
    /// For how many seconds a message that was sent is held back, at most 15 minutes.
    #[serde(default)]
    #[schemars(range(max = 900))]
    pub delay_seconds: u32,
    /// For how many seconds a receiver waits for a message, at most 20: waiting saves requests.
    #[serde(default)]
    #[schemars(range(max = 20))]
    pub receive_wait_seconds: u32,
    /// How many bytes a message may have, 1 KiB to 1 MiB.
    #[serde(default = "max_message_bytes")]
    #[schemars(range(min = 1024, max = 1_048_576))]
    pub max_message_bytes: u32,
    /// The KMS key, by ARN, id or alias, that encrypts messages; services that send must be allowed to use it. Without
    /// it, SQS's own keys do.
    #[serde(default)]
    pub key: Option<KeyId>,
    /// For how many seconds SQS uses a data key of the KMS key again, a minute to a day.
    #[serde(default = "data_key_reuse_seconds")]
    #[schemars(range(min = 60, max = 86_400))]
    pub data_key_reuse_seconds: u32,
    /// The queue's policy as JSON. Without it, whoever the account's IAM policies allow.
    #[serde(default)]
    pub policy: Option<Value>,
    /// Where messages go that were received often and never deleted. Without it, they come again until they are too
    /// old.
    #[serde(default)]
    pub dead_letters: Option<DeadLetters>,
    /// The ARNs of the queues whose dead letters may come here, ten at most and none for an empty list, written out: a
    /// reference would be a circle. Without it, those of any queue of the account and region may.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub dead_letter_sources: Option<Vec<QueueArn>>,
}

/// Where a queue's dead letters go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// The ARN of the queue that they go to, `${queue.failed.arn}`: of the same account and region, and FIFO if this one
    /// is.
    pub queue: QueueArn,
    /// After how many receives they go there.
    #[schemars(range(min = 1, max = 1000))]
    pub max_receives: u32,
}

fn retention_seconds() -> u32 {
    345_600
}

fn visibility_timeout_seconds() -> u32 {
    30
}

fn max_message_bytes() -> u32 {
    1_048_576
}

fn data_key_reuse_seconds() -> u32 {
    300
}

const FIELDS: &[Field] = &[
    replaces("name"),
    replaces("fifo"),
    in_place("content_based_deduplication"),
    in_place("retention_seconds"),
    in_place("visibility_timeout_seconds"),
    in_place("delay_seconds"),
    in_place("receive_wait_seconds"),
    in_place("max_message_bytes"),
    in_place("key"),
    in_place("data_key_reuse_seconds"),
    compared(in_place("policy"), Comparing::AsSet),
    in_place("dead_letters"),
    compared(in_place("dead_letter_sources"), Comparing::AsSet),
];
const OUTPUTS: &[&str] = &["arn", "name", "url"];
const ACTIONS: &[&str] = &[
    "sqs:CreateQueue",
    "sqs:DeleteQueue",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ListQueueTags",
    "sqs:SetQueueAttributes",
    "sqs:TagQueue",
    "sqs:UntagQueue",
    "tag:GetResources",
];
const ARNS: &[Arn] = &[("queue", "sqs:{region}:{account}:{name}")];
const FACTS: Facts = Facts {
    holds_data: true,
    // A change takes SQS up to a minute.
    expected: [Duration::from_secs(5), Duration::from_secs(60), Duration::from_secs(60)],
    identified_by: &["name"],
    tag_types: &["sqs"],
    review: &["policy"],
    arns: ARNS,
    rights: super::rights::messages::QUEUES_OF_THE_STACK,
    billing: Billing::ByUse("requests; the first million of a month are free"),
    follows: &[
        (&[Action::Replace], "it gets another URL: who sends to the old one is refused"),
        (&[Action::Delete], "its name is free again after a minute"),
    ],
    ..Facts::of("queue", "an SQS queue", FIELDS, OUTPUTS, ACTIONS)
};

/// The kind.
#[derive(Debug)]
pub struct Queue;

#[async_trait]
impl Kind for Queue {
    type Spec = Spec;
    type Observed = ();
    const FACTS: &'static Facts = &FACTS;

    fn canonical(&self, spec: &mut Spec) -> Result<()> {
        let is_known = |text: &str| !text.contains("${");
        if is_known(&spec.name) && spec.fifo != is_fifo(&spec.name) {
            bail!("the name of a FIFO queue ends with `.fifo`, and no other's does: it is `{}`", spec.name);
        }
        if spec.content_based_deduplication && !spec.fifo {
            bail!("only a FIFO queue has content_based_deduplication");
        }
        if spec.key.is_none() && spec.data_key_reuse_seconds != data_key_reuse_seconds() {
            bail!("data_key_reuse_seconds is of a KMS key: give `key` too");
        }
        if let Some(dead) = &spec.dead_letters
            && is_known(&dead.queue)
            && is_fifo(&dead.queue) != spec.fifo
        {
            bail!("the dead letters of a FIFO queue go to a FIFO queue, and those of another to one that is none");
        }
        spec.policy = spec.policy.take().map(|policy| policy::arranged("policy", policy)).transpose()?;
        Ok(())
    }

    fn loses(&self, live: &Spec, spec: &Spec) -> Vec<String> {
        if spec.retention_seconds >= live.retention_seconds {
            return Vec::new();
        }
        vec![format!("messages in {} that are older than {} seconds are deleted", spec.name, spec.retention_seconds)]
    }

    fn consequences(&self, step: &Step<'_, Spec>) -> Vec<String> {
        let mut said = Vec::new();
        if step.updates("key") {
            said.push("messages that it holds stay encrypted as they were sent".to_owned());
        }
        // FIFO queues hold back what they have by the new delay.
        if step.updates("delay_seconds") && step.spec.is_some_and(|spec| !spec.fifo) {
            said.push("messages that it holds keep the delay that they were sent with".to_owned());
        }
        said
    }

    fn grants(&self, spec: &Spec) -> Vec<Grant> {
        spec.policy.iter().flat_map(|policy| statement::grants(policy, "it")).collect()
    }

    async fn find(&self, context: &Context, wanted: &[Wanted<'_, Spec>]) -> Result<Vec<Found<Spec>>> {
        let tagged: BTreeMap<String, Tags> = tagged::resources(context, "sqs").await?.into_iter().collect();
        let mut names: BTreeSet<&str> = tagged.keys().map(|arn| last_part(arn)).collect();
        // A name with a reference in it is known once that is.
        names.extend(wanted.iter().map(|one| one.spec.name.as_str()).filter(|name| !name.contains("${")));
        let reads = names.into_iter().map(|name| {
            let tags = tagged.get(&arn(context, name));
            let address = each::address(context, FACTS.name, tags, wanted, |spec| spec.name.as_str() == name);
            let read = async move {
                let Some(url) = url_of(context, name).await? else { return Ok(None) };
                let asked = async { Ok(tags_of(context, &url).await?) };
                match tagged::owner(context, FACTS.name, tags, asked).await? {
                    Some((address, tags)) => live(context, name, &url, address, &tags).await,
                    None => Ok(None),
                }
            };
            One { address, id: name.to_owned(), read }
        });
        each(context, FACTS.name, reads).await
    }

    async fn create(&self, context: &Context, address: &Address, spec: &Spec) -> Result<Outcome> {
        if url_of(context, &spec.name).await?.is_none() {
            match make(context, address, spec).await {
                Ok(url) => {
                    shown(context, &url, spec, WRITTEN).await?;
                    return Ok(outcome(context, &spec.name, &url));
                }
                // An apply that was interrupted made it a moment ago.
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(error.into()),
            }
        }
        // SQS takes a call to make what exists for one that it has answered, whoever made that: the tags say.
        let url = known(context, &spec.name).await?;
        let tags = tags_of(context, &url).await?.unwrap_or_default();
        if tags::address(context, "queue", &tags).as_ref() != Some(address) {
            let whose = tags.get(tags::STACK).map(|stack| format!(", but the stack {stack}'s")).unwrap_or_default();
            bail!(
                "the queue {0} is there already and isn't this stack's{whose}; `lakewright adopt {address} {0}` takes \
                 it over, another name leaves it alone",
                spec.name
            );
        }
        settle(context, spec, WRITTEN).await
    }

    async fn update(&self, context: &Context, Delta { spec, changed, .. }: Delta<'_, Spec>) -> Result<Outcome> {
        let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
        settle(context, spec, &changed).await
    }

    async fn delete(&self, context: &Context, live: &Found<Spec>) -> Result<()> {
        let Some(url) = url_of(context, &live.spec.name).await? else { return Ok(()) };
        wait::found(ask(context.aws.sqs().delete_queue().queue_url(&url).send()).await)?;
        let gone = || async { Ok::<_, anyhow::Error>(attributes_of(context, &url).await?.is_none().then_some(())) };
        wait::until(context, SETTLED, &format!("{} still exists", live.address), gone).await
    }

    async fn read(&self, context: &Context, address: &Address, id: &str) -> Result<Option<Found<Spec>>> {
        // A name, an ARN or a URL.
        let name = last_part(id);
        let Some(url) = url_of(context, name).await? else { return Ok(None) };
        let Some(tags) = tags_of(context, &url).await? else { return Ok(None) };
        live(context, name, &url, address.clone(), &tags::claimed(context, address, id, tags)?).await
    }

    async fn tag(&self, context: &Context, outcome: &Outcome, tags: &[(&str, &str)]) -> Result<()> {
        let url = known(context, last_part(&outcome.id)).await?;
        let call = context.aws.sqs().tag_queue().queue_url(url).set_tags(Some(tag_lists::written_map(tags)));
        wait::visible(context, || ask(call.clone().send())).await?;
        Ok(())
    }

    async fn untag(&self, context: &Context, outcome: &Outcome, keys: &[&str]) -> Result<()> {
        let url = known(context, last_part(&outcome.id)).await?;
        let call = context.aws.sqs().untag_queue().queue_url(url);
        ask(call.set_tag_keys(Some(tag_lists::keys(keys))).send()).await?;
        Ok(())
    }
}

fn is_fifo(name: &str) -> bool {
    name.ends_with(".fifo")
}

/// The name in an ARN or a URL.
fn last_part(id: &str) -> &str {
    id.rsplit([':', '/']).next().unwrap_or(id)
}

fn arn(context: &Context, name: &str) -> String {
    context.site().arn("sqs", name)
}

fn outcome(context: &Context, name: &str, url: &str) -> Outcome {
    let arn = arn(context, name);
    tags::outcome(&arn, &[("arn", &arn), ("name", name), ("url", url)])
}

/// The queue with that URL; none if there is no such queue.
async fn live(context: &Context, name: &str, url: &str, address: Address, tags: &Tags) -> Result<Option<Found<Spec>>> {
    let Some(attributes) = attributes_of(context, url).await? else { return Ok(None) };
    let (spec, departures) = attributes::read(name, &attributes)?;
    let arn = arn(context, name);
    let mut found = tags::found(address, tags, &arn, spec, &[("arn", &arn), ("name", name), ("url", url)]);
    found.departures = departures;
    found.is_empty = attributes::is_empty(&attributes)?;
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;

    fn spec(partial: Value) -> Spec {
        serde_json::from_value(Queue.normalise(&partial).expect("a queue")).expect("typed")
    }

    #[test]
    fn what_sqs_refuses_is_refused() {
        let refused = |spec: Value| format!("{:#}", Queue.normalise(&spec).expect_err("refused"));
        assert!(refused(json!({"name": "a b"})).contains("`name` can't be `a b`"));
        assert!(refused(json!({"name": "a.fifo"})).contains("ends with `.fifo`"));
        assert!(refused(json!({"name": "a", "fifo": true})).contains("ends with `.fifo`"));
        assert!(refused(json!({"name": "a", "content_based_deduplication": true})).contains("only a FIFO queue"));
        assert!(refused(json!({"name": "a", "data_key_reuse_seconds": 60})).contains("give `key` too"));
        assert!(refused(json!({"name": "a", "retention_seconds": 59})).contains("retention_seconds"));
        let fifo = json!({"queue": "arn:aws:sqs:eu-north-1:123456789012:b.fifo", "max_receives": 3});
        assert!(refused(json!({"name": "a", "dead_letters": fifo})).contains("go to a FIFO queue"));
        let referred = json!({"queue": "${queue.failed.arn}", "max_receives": 3});
        assert!(Queue.normalise(&json!({"name": "a.fifo", "fifo": true, "dead_letters": referred})).is_ok());
    }

    #[test]
    fn messages_that_grow_too_old_are_lost() {
        let of = |seconds: u32| spec(json!({"name": "orders", "retention_seconds": seconds}));
        let lost = Kind::loses(&Queue, &of(600), &of(60));
        assert_eq!(lost, ["messages in orders that are older than 60 seconds are deleted"]);
        assert!(Kind::loses(&Queue, &of(60), &of(600)).is_empty());
    }

    #[test]
    fn ids_of_all_forms_name_the_queue() {
        for id in ["orders", "arn:aws:sqs:eu-north-1:1:orders", "https://sqs.eu-north-1.amazonaws.com/1/orders"] {
            assert_eq!(last_part(id), "orders");
        }
    }
}
