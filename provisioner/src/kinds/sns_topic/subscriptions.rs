//! Who is subscribed to a topic by mail or HTTPS.

use anyhow::Result;
use aws_sdk_sns::types;
use lakewright_aws::{Error, Needed as _, ask, ask_all};

use super::Spec;
use crate::kind::Context;
use crate::kinds::wait;
use crate::services::Services as _;

/// What a list says in place of the ARN of a subscription that isn't confirmed.
const PENDING: &str = "PendingConfirmation";
/// The protocols of a spec's subscribers.
pub(super) const PROTOCOLS: [&str; 2] = ["email", "https"];

/// Who is subscribed by mail or HTTPS.
pub(super) struct Subscribed {
    protocol: String,
    endpoint: String,
    /// The subscription's ARN; none until it is confirmed.
    pub arn: Option<String>,
}

impl Subscribed {
    /// As [`Spec::subscriptions`] has it.
    pub fn pair(&self) -> (&str, &str) {
        (&self.protocol, &self.endpoint)
    }

    fn read(one: &types::Subscription) -> Result<Self, Error> {
        let arn = one.subscription_arn().needed("sns", "Subscription.SubscriptionArn")?;
        Ok(Self {
            protocol: one.protocol().needed("sns", "Subscription.Protocol")?.to_owned(),
            endpoint: one.endpoint().needed("sns", "Subscription.Endpoint")?.to_owned(),
            arn: Some(arn).filter(|arn| *arn != PENDING).map(str::to_owned),
        })
    }
}

/// Who is subscribed to the topic; none if there is no such topic.
pub(super) async fn subscriptions(context: &Context, arn: &str) -> Result<Option<Vec<Subscribed>>, Error> {
    let call = context.aws.sns().list_subscriptions_by_topic().topic_arn(arn);
    let Some(all) = wait::found(ask_all(call.into_paginator().items().send()).await)? else { return Ok(None) };
    let ours = all.iter().filter(|one| one.protocol().is_some_and(|protocol| PROTOCOLS.contains(&protocol)));
    ours.map(Subscribed::read).collect::<Result<_, _>>().map(Some)
}

/// Subscribes those whom the spec names, and nobody else.
pub(super) async fn subscribe(context: &Context, arn: &str, spec: &Spec) -> Result<()> {
    let living = subscriptions(context, arn).await?.unwrap_or_default();
    let new: Vec<_> = spec.subscriptions().filter(|new| living.iter().all(|one| one.pair() != *new)).collect();
    for (protocol, endpoint) in new {
        let call = context.aws.sns().subscribe().topic_arn(arn).protocol(protocol).endpoint(endpoint);
        let call = call.return_subscription_arn(true);
        wait::visible(context, || ask(call.clone().send())).await?;
    }
    let away = living.iter().filter(|one| spec.subscriptions().all(|wanted| wanted != one.pair()));
    // AWS lets nobody take back what is pending.
    for subscription in away.filter_map(|one| one.arn.as_ref()) {
        wait::found(ask(context.aws.sns().unsubscribe().subscription_arn(subscription).send()).await)?;
    }
    Ok(())
}
