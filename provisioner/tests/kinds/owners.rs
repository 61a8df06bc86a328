//! Buckets whose names another account has taken, in an account that judges each call by IAM's policies.

use std::collections::BTreeMap;

use crate::account::{ACCOUNT, REGION, account, kind};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, Tag, Tagging};
use lakewright::kind::{ADDRESS, Context, STACK, Wanted};
use lakewright::resource::Address;
use lakewright_aws::{Aws, Put, ask};
use serde_json::json;

const OTHER: &str = "210987654321";
const NAME: &str = "shop-raw-123456789012";

/// Makes a bucket of another account that looks like the stack's and lets its account in.
async fn squat(other: &Aws) {
    let s3 = other.s3_client();
    let place =
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION)).build();
    ask(s3.create_bucket().bucket(NAME).create_bucket_configuration(place).send()).await.unwrap();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let tags = Tagging::builder().tag_set(tag(STACK, "shop")).tag_set(tag(ADDRESS, "bucket.raw")).build().unwrap();
    ask(s3.put_bucket_tagging().bucket(NAME).tagging(tags).send()).await.unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{NAME}"), format!("arn:aws:s3:::{NAME}/*")],
    }]});
    ask(s3.put_bucket_policy().bucket(NAME).policy(policy.to_string()).send()).await.unwrap();
}

#[tokio::test]
async fn a_bucket_whose_name_another_account_took_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let config = lakewright_account::Config { enforce: true, ..lakewright_account::Config::new(folder.path()) };
    let running = lakewright_account::serve(config).await.unwrap();
    let url = format!("http://{}", running.address());
    let trusting = Aws::with_keys(REGION, &url, ACCOUNT, "secret").unwrap();
    squat(&Aws::with_keys(REGION, &url, OTHER, "secret").unwrap()).await;
    // Nothing but the owner distinguishes it from one of the stack's.
    let tags = ask(trusting.s3_client().get_bucket_tagging().bucket(NAME).send()).await.unwrap();
    assert_eq!(tags.tag_set().len(), 2);
    trusting.objects().put(NAME, "rows", "pii".into(), Put::default()).await.unwrap();

    let aws = trusting.of_account(ACCOUNT, BTreeMap::new());
    let context = Context { aws: aws.clone(), ..account().await.context };
    let (address, wrong): (Address, Address) = ("bucket.raw".parse().unwrap(), "object.rows".parse().unwrap());
    let spec = kind(&address).normalise(&json!({"name": NAME})).unwrap();
    let found = kind(&address).find(&context, &[Wanted { address: &address, spec: &spec }]).await;
    let told = format!("{:#}", found.expect_err("not ours"));
    assert!(told.contains(&format!("the bucket {NAME}")) && told.contains("another account"), "{told}");
    let error = kind(&address).create(&context, &address, &spec).await.expect_err("taken").to_string();
    assert!(error.contains(&format!("the bucket name {NAME} belongs to another account")), "{error}");
    let object = kind(&wrong).normalise(&json!({"bucket": NAME, "key": "hosts/a", "content": "x"})).unwrap();
    let error = kind(&wrong).create(&context, &wrong, &object).await.expect_err("not ours");
    assert!(error.downcast_ref::<lakewright_aws::Error>().is_some_and(lakewright_aws::Error::is_denied), "{error:#}");
    assert!(aws.objects().put(NAME, "rows", "pii".into(), Put::default()).await.is_err_and(|error| error.is_denied()));

    // Where the stack names whose it is, it is reached.
    let elsewhere = BTreeMap::from([(NAME.to_owned(), OTHER.to_owned())]);
    let named = trusting.of_account(ACCOUNT, elsewhere);
    named.objects().put(NAME, "rows", "theirs".into(), Put::default()).await.unwrap();
}
