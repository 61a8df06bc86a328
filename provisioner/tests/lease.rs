//! The lease in an account: one holder at a time, and only the holder gives it away.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod account;

use std::collections::BTreeSet;

use account::account;
use lakewright::lease::{self, End, Lease, Waiting};
use lakewright::resource::Address;
use lakewright::services::Services as _;
use lakewright_aws::{Error, ErrorKind, ask};

struct Silent;

impl Waiting for Silent {
    fn held(&self, _holder: &str, _until: &str) {}
    fn taken_over(&self, _holder: &str, _why: &str) {}
}

fn end(lives: &[&Address], answered: bool) -> End {
    let lives: BTreeSet<Address> = lives.iter().map(|address| (*address).clone()).collect();
    End { lives, made: BTreeSet::new(), answered, complete: false }
}

#[tokio::test]
async fn a_lease_that_was_taken_away_gives_nothing_away() {
    let account = account().await;
    let context = &account.context;
    let take = async || -> Lease { lease::take(context, "apply", &Silent).await.unwrap() };
    let first = take().await;
    let under = first.context(context).await;
    assert_eq!(lease::unlock(context).await.unwrap().unwrap().command, "apply");
    let second = take().await;

    // The first one's end neither deletes nor frees the lease of the second one, and sends nothing more after it is told.
    let said = first.remove().await.unwrap_err();
    assert!(said.to_string().contains("took the lease"), "{said}");
    let refused = ask(under.aws.sts().get_caller_identity().send()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::TooLate);
    let document = lease::look(context).await.unwrap().unwrap();
    assert!(document.held(context.aws.now()).is_some());

    // Tokens are used again by the next one exactly when a call of this one may have taken effect unseen.
    let vpc: Address = "vpc.main".parse().unwrap();
    second.release(end(&[&vpc], false)).await.unwrap();
    let third = take().await;
    assert_eq!(third.context(context).await.nonce, under.nonce);
    third.release(end(&[&vpc], true)).await.unwrap();
    let fourth = take().await;
    assert_ne!(fourth.context(context).await.nonce, under.nonce);

    // What was noted by an apply that did nothing more stays for the next one, and goes with the thing.
    let noted = fourth.context(context).await.intents.begin(&vpc).await.unwrap();
    assert!(noted.is_none());
    fourth.give_back().await.unwrap();
    let fifth = take().await;
    assert!(fifth.context(context).await.intents.begin(&vpc).await.unwrap().is_some());
    let made = End { made: [vpc.clone()].into(), ..end(&[&vpc], true) };
    fifth.release(made).await.unwrap();
    let sixth = take().await;
    assert!(sixth.context(context).await.intents.begin(&vpc).await.unwrap().is_none());

    // The last one takes object and bucket with it.
    sixth.remove().await.unwrap();
    assert!(lease::look(context).await.unwrap().is_none());
    let bucket = format!("lakewright-{}-{}", context.account, context.region);
    let gone: Error = context.aws.objects().list(&bucket, "").await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::HolderNotFound);
}
