//! The lease in an account: one holder at a time, and only the holder gives it away.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod account;

use std::collections::{BTreeMap, BTreeSet};

use account::account;
use aws_sdk_s3::types::{BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration};
use lakewright::kind::Context;
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
    let lives: BTreeMap<Address, String> = lives.iter().map(|one| ((*one).clone(), format!("{one}-1"))).collect();
    End { lives, made: BTreeSet::new(), failed: BTreeSet::new(), answered, complete: false }
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

    // The first one's end neither deletes nor frees the lease of the second one, and sends nothing more after that.
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

#[tokio::test]
async fn a_bucket_that_somebody_else_has_is_said_to_be_theirs() {
    let account = account().await;
    let name = format!("lakewright-{}-{}", account.context.account, account.context.region);
    let theirs = account.elsewhere("999999999999").s3_client();
    let region = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuNorth1).build();
    ask(theirs.create_bucket().bucket(&name).create_bucket_configuration(region).send()).await.unwrap();
    let error = lease::take(&account.context, "apply", &Silent).await.err().unwrap();
    let said = format!("{error:#}");
    assert!(said.contains("belongs to somebody else") && said.contains("`state_bucket` in [stack]"), "{said}");
    // No statement of a policy would help.
    assert!(error.chain().all(|cause| cause.downcast_ref::<Error>().is_none()), "{said}");

    let context = Context { state_bucket: Some("shop-leases".to_owned()), ..account.context.clone() };
    let lease = lease::take(&context, "apply", &Silent).await.unwrap();
    let s3 = context.aws.s3_client();
    let versioning = ask(s3.get_bucket_versioning().bucket("shop-leases").send()).await.unwrap();
    assert_eq!(versioning.status, Some(BucketVersioningStatus::Enabled));
    let policy = ask(s3.get_bucket_policy().bucket("shop-leases").send()).await.unwrap();
    assert!(policy.policy.unwrap().contains("aws:SecureTransport"));
    let closed = ask(s3.get_public_access_block().bucket("shop-leases").send()).await.unwrap();
    assert_eq!(closed.public_access_block_configuration.unwrap().restrict_public_buckets, Some(true));

    // All versions go with the lease, and with them the bucket.
    lease.remove().await.unwrap();
    let gone: Error = context.aws.objects().list("shop-leases", "").await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::HolderNotFound);
}
