//! The lease in an account: one holder at a time, and only the holder gives it away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::account::account;
use aws_sdk_s3::types::{BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration};
use lakewright::kind::Context;
use lakewright::lease::{self, End, Lease, Waiting};
use lakewright::resource::{Address, Obstacle, Unread};
use lakewright::services::Services as _;
use lakewright_aws::{Error, ErrorKind, Put, ask};
use serde_json::{Value, json};

struct Silent;

impl Waiting for Silent {
    fn held(&self, _holder: &str, _until: &str) {}
    fn taken_over(&self, _holder: &str, _why: &str) {}
}

fn end(lives: &[&Address], answered: bool) -> End {
    let lives: BTreeMap<Address, String> = lives.iter().map(|one| ((*one).clone(), format!("{one}-1"))).collect();
    let none = BTreeSet::new;
    End { lives, made: none(), failed: none(), refused: none(), unread: Vec::new(), answered, complete: false }
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
async fn what_could_not_be_read_is_remembered() {
    let account = account().await;
    let context = &account.context;
    let address = |text: &str| -> Address { text.parse().unwrap() };
    let all = ["vpc.main", "bucket.raw", "topic.gone", "topic.kept", "role.app"].map(address);
    let take = async || -> Lease { lease::take(context, "apply", &Silent).await.unwrap() };
    let first = take().await;
    let records = first.context(context).await.records;
    first.begin(BTreeSet::new(), true).await.unwrap();
    for topic in &all[2..4] {
        records.exists(topic, &format!("{topic}-1"), Some("2:")).await;
    }
    first.release(end(&all.each_ref(), true)).await.unwrap();

    // One was found, one is known to be gone, of the topics nobody could be asked for, and one stands under another address.
    let one = |kind: &str, of: Option<&str>, id: Option<&str>| Unread {
        kind: kind.to_owned(),
        address: of.map(address),
        id: id.map(str::to_owned),
        obstacle: Obstacle::new("it can't be read", "allow it"),
    };
    let unread = vec![
        one("topic", None, None),
        one("vpc", Some("vpc.main"), Some("vpc.main-1")),
        one("role", Some("role.other"), Some("role.app-1")),
    ];
    take().await.release(End { unread, ..end(&[&all[1]], true) }).await.unwrap();
    let memory = lease::look(context).await.unwrap().unwrap().memory;
    assert_eq!(memory.addresses(), BTreeSet::from(all.clone()));
    assert_eq!(memory.applied.len(), 2);

    // What is read again and isn't there is forgotten; of the version before, nothing that couldn't be read is.
    take().await.release(end(&[&all[0]], true)).await.unwrap();
    let document = lease::look(context).await.unwrap().unwrap();
    assert_eq!(document.memory.addresses(), BTreeSet::from([all[0].clone()]));
    assert_eq!(document.memory.applied.len(), 0);
    let mut former = document;
    (former.memory.former, former.memory.lived) = (all.clone().into(), BTreeMap::new());
    let lease = take().await;
    lease.restore(former.memory).await.unwrap();
    let topics = vec![one("topic", None, None)];
    lease.release(End { unread: topics, ..end(&[&all[0]], true) }).await.unwrap();
    let memory = lease::look(context).await.unwrap().unwrap().memory;
    assert_eq!(memory.former, BTreeSet::from([all[0].clone(), all[2].clone(), all[3].clone()]));
}

/// Makes the document say more, as somebody would who may write it.
async fn write(context: &Context, members: &Value) {
    let (bucket, key) = (format!("lakewright-{}-{}", context.account, context.region), "stacks/shop.json");
    let stored = context.aws.objects().get(&bucket, key, None).await.unwrap();
    let mut document: Value = serde_json::from_slice(&stored.body).unwrap();
    document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    context.aws.objects().put(&bucket, key, document.to_string().into(), Put::default()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_noted_in_the_future_is_not_waited_for() {
    let account = account().await;
    let context = &account.context;
    lease::take(context, "apply", &Silent).await.unwrap().give_back().await.unwrap();
    write(context, &json!({"key_noted": 99_999_999_999_999_u64})).await;
    let lease = lease::take(context, "apply", &Silent).await.unwrap();
    let begun = tokio::time::timeout(Duration::from_secs(30), lease.begin(BTreeSet::new(), true)).await;
    begun.expect("it ends").unwrap();
    lease.remove().await.unwrap();
}

#[tokio::test]
async fn the_lease_is_kept_while_its_key_is_made() {
    let account = account().await;
    let context = &account.context;
    let lease = lease::take(context, "apply", &Silent).await.unwrap();
    account.faults("[[fault]]\nservice = \"kms\"\noperation = \"CreateKey\"\nlatency = \"3s\"\n");
    let began = std::time::Instant::now();
    let during = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // What a renewal needs is free.
        lease.context(context).await;
        assert!(began.elapsed() < Duration::from_secs(3), "it waited for the key");
    };
    let (begun, ()) = tokio::join!(lease.begin(BTreeSet::new(), true), during);
    begun.unwrap();

    // Who has lost it sends nothing to KMS either.
    lease::unlock(context).await.unwrap();
    let said = lease.note("first".to_owned()).await.unwrap_err();
    assert!(said.to_string().contains("took the lease"), "{said}");
    let said = lease.note("second".to_owned()).await.unwrap_err();
    let too_late = said.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(|error| error.kind);
    assert_eq!(too_late, Some(ErrorKind::TooLate), "{said:#}");
}

#[tokio::test]
async fn what_was_made_sound_meanwhile_is_not_put_aside() {
    let account = account().await;
    let context = &account.context;
    let lease = lease::take(context, "apply", &Silent).await.unwrap();
    let held = lease::look(context).await.unwrap().unwrap();
    // Somebody found it unreadable, and was asked questions; by now it is sound, and held.
    lease::put_aside_unreadable(context).await.unwrap();
    assert_eq!(lease::look(context).await.unwrap().unwrap(), held);
    drop(lease);

    let bucket = format!("lakewright-{}-{}", context.account, context.aws.region());
    let key = format!("stacks/{}.json", context.stack);
    let objects = context.aws.objects();
    let unreadable = objects.put(&bucket, &key, "{".into(), Put::default()).await.unwrap();
    assert!(!objects.delete_unchanged(&bucket, &key, "\"other\"").await.unwrap());
    assert!(lease::is_unreadable(&lease::look(context).await.unwrap_err()), "{unreadable} stays");
    lease::put_aside_unreadable(context).await.unwrap();
    assert!(lease::look(context).await.unwrap().is_none());
    // Nor is it an error that nothing is there.
    lease::put_aside_unreadable(context).await.unwrap();
}

#[tokio::test]
async fn a_write_of_its_own_whose_answer_was_lost_is_nobody_elses() {
    let account = account().await;
    let context = &account.context;
    let lease = lease::take(context, "apply", &Silent).await.unwrap();
    // The note that the key is about to be made is written, and neither the answer nor a look at it comes.
    let lost = "[[fault]]\nservice = \"s3\"\noperation = \"PutObject\"\nlost = true\ntimes = 1\n";
    let denied = "[[fault]]\nservice = \"s3\"\noperation = \"GetObject\"\nerror = \"AccessDenied\"\nstatus = 403\n";
    account.faults(&format!("{lost}{denied}"));
    lease.begin(BTreeSet::new(), true).await.unwrap_err();
    account.faults("");
    lease.begin(BTreeSet::new(), true).await.unwrap();
    lease.remove().await.unwrap();
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
