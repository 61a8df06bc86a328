//! What unit tests of kinds share.

use std::time::Duration;

use lakewright_aws::Aws;

use crate::intents::Intents;
use crate::kind::{Clock, Context, Pace, Waiting};

/// A context of the stack `shop` whose client reaches nothing.
pub(super) fn context() -> Context {
    Context {
        aws: Aws::with_keys("eu-central-1", "http://127.0.0.1:9", "test", "test").expect("a client"),
        stack: "shop".into(),
        account: "123456789012".into(),
        caller: "arn:aws:iam::123456789012:root".into(),
        region: "eu-central-1".into(),
        state_bucket: None,
        nonce: "nonce".into(),
        pace: Pace { poll: Duration::from_millis(10), settles: Duration::from_millis(10), ..Pace::LOCAL },
        clock: Clock::default(),
        reading: crate::reading::Reading::default(),
        intents: Intents::default(),
        waiting: Waiting::default(),
        records: crate::record::Records::default(),
        tags: crate::reading::Tags::new(),
    }
}
