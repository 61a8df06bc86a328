//! The storage and identity kinds against an account: made once, found as meant, changed, gone.

mod secrets;

use std::collections::BTreeMap;

use crate::account::{ACCOUNT, account, changed, kind};
use aws_sdk_kms::types::KeyState;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, CreateBucketConfiguration,
    TransitionDefaultMinimumObjectSize,
};
use lakewright::kind::{APPLIED, Context, Outcome, STACK, Wanted};
use lakewright::kinds;
use lakewright::resource::{Address, Condition};
use lakewright::services::Services as _;
use lakewright_aws::ask;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

#[tokio::test]
async fn keys() {
    let account = account().await;
    let spec = json!({"alias": "shop-data", "description": "the data", "deletion_days": 7});
    let made = account.create("key.data", spec.clone()).await;
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*",
    }});
    let other =
        json!({"alias": "shop-lake", "description": "more", "rotation": false, "policy": policy, "deletion_days": 8});
    account.update("key.data", other.clone()).await;
    account.update("key.data", spec.clone()).await;
    // An alias that somebody else's key has.
    let kms = account.context.aws.kms();
    let foreign = ask(kms.create_key().send()).await.unwrap().key_metadata.unwrap();
    ask(kms.create_alias().alias_name("alias/taken").target_key_id(foreign.key_id()).send()).await.unwrap();
    let message = account.refused("key.other", json!({"alias": "taken"})).await;
    assert!(message.contains("alias taken already names the key"), "{message}");
    account.delete("key.data", &spec).await;
    let described = ask(kms.describe_key().key_id(made.id).send()).await.unwrap();
    assert_eq!(described.key_metadata().unwrap().key_state(), Some(&KeyState::PendingDeletion));
}

/// What somebody did to a key that one call sets right, and what isn't the stack's on it.
#[tokio::test]
async fn keys_that_somebody_disabled_gave_up_or_named() {
    let account = account().await;
    let address: Address = "key.data".parse().unwrap();
    let spec = kind(&address).normalise(&json!({"alias": "shop-data"})).unwrap();
    let made = kind(&address).create(&account.context, &address, &spec).await.unwrap();
    let hashes = lakewright::kind::applied::hashes(kind(&address).fields(), &spec);
    kind(&address).tag(&account.context, &made, &[(APPLIED, &hashes)]).await.unwrap();
    let kms = account.context.aws.kms();
    let key = &made.id;
    let state = async || {
        let answer = ask(kms.describe_key().key_id(key).send()).await.unwrap();
        answer.key_metadata().unwrap().key_state().unwrap().clone()
    };
    let heal = async |given: &str| {
        let live = account.find(&address, &spec).await.unwrap();
        assert_eq!(live.condition, Condition::Ready, "nothing takes its place");
        let departures: Vec<_> = live.departures.iter().map(|one| (one.path.as_str(), one.live.as_str())).collect();
        assert_eq!(departures, [("state", Some(given))]);
        assert_eq!(changed(kind(&address), &live.spec, &spec), [""; 0]);
        kind(&address).update(&account.context, &live, &spec, &["state".to_owned()]).await.unwrap();
    };
    ask(kms.disable_key().key_id(key).send()).await.unwrap();
    heal("Disabled").await;
    assert_eq!(state().await, KeyState::Enabled);
    ask(kms.schedule_key_deletion().key_id(key).pending_window_in_days(7).send()).await.unwrap();
    let live = account.find(&address, &spec).await.unwrap();
    kind(&address).update(&account.context, &live, &spec, &["state".to_owned()]).await.unwrap();
    assert_eq!(state().await, KeyState::Enabled);

    // Another name, which comes before the stack's.
    ask(kms.create_alias().alias_name("alias/a-reporting").target_key_id(key).send()).await.unwrap();
    let live = account.find(&address, &spec).await.unwrap();
    assert_eq!(live.spec["alias"], "shop-data");
    let unwanted = kind(&address).find(&account.context, &[]).await.unwrap().remove(0);
    assert_eq!(
        (&unwanted.spec["alias"], &unwanted.holds),
        (&json!("shop-data"), &vec!["the alias a-reporting".to_owned()])
    );
    ask(kms.delete_alias().alias_name("alias/shop-data").send()).await.unwrap();
    let live = account.find(&address, &spec).await.unwrap();
    let due = changed(kind(&address), &live.spec, &spec);
    assert_eq!((due.as_slice(), &live.spec["alias"]), (&["alias".to_owned()][..], &json!("")));
    kind(&address).update(&account.context, &live, &spec, &due).await.unwrap();
    let aliases = async || -> Vec<String> {
        let answer = ask(kms.list_aliases().key_id(key).send()).await.unwrap();
        answer.aliases().iter().filter_map(|alias| alias.alias_name().map(str::to_owned)).collect()
    };
    assert_eq!(aliases().await, ["alias/a-reporting", "alias/shop-data"]);
    let live = account.find(&address, &spec).await.unwrap();
    kind(&address).delete(&account.context, &live).await.unwrap();
    assert_eq!(aliases().await, ["alias/a-reporting"], "somebody else's name goes with the key, and not before");
    assert!(account.find(&address, &spec).await.is_none());
}

/// Buckets of which nobody may know whose they are.
#[tokio::test]
async fn a_bucket_whose_tags_may_not_be_read_stops_itself_alone() {
    let account = account().await;
    account.create("bucket.raw", json!({"name": "shop-raw-123456789012"})).await;
    account.create("bucket.other", json!({"name": "shop-other-123456789012"})).await;
    account.faults(
        "[[fault]]\nservice = \"s3\"\noperation = \"GetBucketTagging\"\nerror = \"AccessDenied\"\nstatus = 403\n",
    );
    let address: Address = "bucket.new".parse().unwrap();
    let spec = kind(&address).normalise(&json!({"name": "shop-new-123456789012"})).unwrap();
    let here = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuNorth1).build();
    let made = account.context.aws.s3_client().create_bucket().bucket("shop-new-123456789012");
    ask(made.create_bucket_configuration(here).send()).await.unwrap();
    let reading = lakewright::reading::Reading::of_one_sweep();
    let context = Context { reading: reading.clone(), ..account.context.clone() };
    let found = kind(&address).find(&context, &[Wanted { address: &address, spec: &spec }]).await.unwrap();
    let found: Vec<String> = found.iter().map(|live| live.address.to_string()).collect();
    assert_eq!(found.len(), 2, "what the tagging API returns is found: {found:?}");
    let missed = reading.missed();
    let told: Vec<_> = missed.iter().map(|one| (one.address.as_ref(), one.id.as_deref())).collect();
    assert_eq!(told, [(Some(&address), Some("shop-new-123456789012"))]);
    let why = format!("{:#}", missed[0].error);
    assert!(why.contains("may not read its tags") && why.contains("AccessDenied"), "{why}");
    // Tags that nobody could read aren't written over.
    let outcome = Outcome { id: "shop-raw-123456789012".to_owned(), outputs: BTreeMap::new() };
    kind(&address).tag(&account.context, &outcome, &[(APPLIED, "v1:x")]).await.expect_err("they'd be lost");
}

/// What a secret holds.
#[tokio::test]
async fn buckets_objects_and_releases() {
    let account = account().await;
    let objects = account.context.aws.objects();
    let bucket = "shop-artifacts-123456789012";
    let tls = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]});
    let plain = json!({"name": bucket});
    let full = json!({
        "name": bucket, "versioning": true, "key": "arn:aws:kms:eu-north-1:123456789012:key/k", "policy": tls,
        "lifecycle": [
            {"id": "unfinished", "abort_uploads_days": 7},
            {"id": "old", "prefix": "logs/", "expire_days": 30, "expire_versions_days": 3, "keep_versions": 5},
            {"id": "cold", "prefix": "raw/", "transitions": [
                {"days": 90, "storage_class": "GLACIER_IR"}, {"days": 30, "storage_class": "STANDARD_IA"},
            ]},
        ],
    });
    account.create("bucket.artifacts", plain.clone()).await;
    account.update("bucket.artifacts", full.clone()).await;
    account.update("bucket.artifacts", plain.clone()).await;
    account.update("bucket.artifacts", full.clone()).await;
    // What somebody said beside the rules stays.
    let s3 = account.context.aws.s3_client();
    let rules = async || ask(s3.get_bucket_lifecycle_configuration().bucket(bucket).send()).await.unwrap();
    let smallest = TransitionDefaultMinimumObjectSize::VariesByStorageClass;
    let by_hand = BucketLifecycleConfiguration::builder().set_rules(rules().await.rules).build().unwrap();
    let by_hand = s3.put_bucket_lifecycle_configuration().bucket(bucket).lifecycle_configuration(by_hand);
    ask(by_hand.transition_default_minimum_object_size(smallest.clone()).send()).await.unwrap();
    let mut later = full.clone();
    later["lifecycle"][0]["abort_uploads_days"] = json!(8);
    account.update("bucket.artifacts", later).await;
    assert_eq!(rules().await.transition_default_minimum_object_size, Some(smallest));
    account.update("bucket.artifacts", full.clone()).await;

    let object = json!({"bucket": bucket, "key": "hosts/h/stream.json", "content": "{\"a\": \"ü\"}\n", "content_type": "application/json"});
    account.create("object.stream", object.clone()).await;
    let mut longer = object.clone();
    longer["content"] = json!("{}");
    account.update("object.stream", longer.clone()).await;
    // What somebody put over it from outside is a difference of content.
    objects.put(bucket, "hosts/h/stream.json", "changed".into(), lakewright_aws::Put::default()).await.unwrap();
    let address: Address = "object.stream".parse().unwrap();
    let wanted = [Wanted { address: &address, spec: &longer }];
    let live = kind(&address).find(&account.context, &wanted).await.unwrap().remove(0);
    assert_eq!(live.spec["content"], "changed");
    let normal = kind(&address).normalise(&longer).unwrap();
    let changed = changed(kind(&address), &live.spec, &normal);
    assert_eq!(changed, ["content", "content_type"]);
    kind(&address).update(&account.context, &live, &normal, &changed).await.unwrap();
    account.delete("object.stream", &longer).await;

    // An object of another stack is neither taken nor overwritten.
    let other = Context { stack: "other".to_owned(), ..account.context.clone() };
    kind(&address).create(&other, &address, &normal).await.unwrap();
    assert!(kind(&address).find(&account.context, &wanted).await.unwrap().is_empty());
    let error = kind(&address).create(&account.context, &address, &normal).await.expect_err("another stack's");
    assert!(error.to_string().contains("isn't this stack's object.stream, but of the stack other"), "{error:#}");
    objects.delete(bucket, "hosts/h/stream.json").await.unwrap();

    // What stands elsewhere in the bucket is found while it is wanted, and what nobody names is no object of the stack's.
    for key in ["notes/a.txt", "releases/notes.txt", "top.txt"] {
        objects.put(bucket, "notes/b.txt", "x".into(), lakewright_aws::Put::default()).await.unwrap();
        let address: Address = "object.notes".parse().unwrap();
        let spec = json!({"bucket": bucket, "key": key, "content": "x"});
        let spec = kind(&address).normalise(&spec).unwrap();
        kind(&address).create(&account.context, &address, &spec).await.unwrap();
        let found = kind(&address).find(&account.context, &[Wanted { address: &address, spec: &spec }]).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|live| live.id.as_str()).collect();
        assert_eq!(ids, [format!("s3://{bucket}/{key}")]);
        kind(&address).delete(&account.context, &found[0]).await.unwrap();
    }

    let folder = tempfile::tempdir().unwrap();
    let release = |content: &str| {
        let file = folder.path().join("lakewright-agent");
        std::fs::write(&file, content).unwrap();
        let sha256 = hex::encode(Sha256::digest(content));
        json!({"bucket": bucket, "sha256": sha256, "size": content.len(), "file": file})
    };
    account.create("release.agent", release("first")).await;
    account.update("release.agent", release("the second")).await;
    account.update("release.agent", release("and the third")).await;
    assert_eq!(objects.list(bucket, "releases/").await.unwrap().len(), 2, "the one before stays");
    account.delete("release.agent", &release("and the third")).await;

    objects.put(bucket, "left/over", "x".into(), lakewright_aws::Put::default()).await.unwrap();
    account.delete("bucket.artifacts", &full).await;
}

#[tokio::test]
async fn roles_and_instance_profiles() {
    let account = account().await;
    let trust = |service: &str| {
        json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole",
        }})
    };
    let allow = |action: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [action], "Resource": "*"}]});
    let iam = account.context.aws.iam();
    let call = iam.create_policy().policy_name("p").policy_document(allow("s3:*").to_string());
    let managed = ask(call.send()).await.unwrap().policy.unwrap().arn.unwrap();
    let spec = json!({"name": "shop-host", "description": "a host", "trust": trust("ec2.amazonaws.com"),
        "policies": {"read": allow("s3:GetObject"), "list": allow("s3:ListBucket")}, "attached_policies": [managed]});
    account.create("role.host", spec.clone()).await;
    // A policy that somebody adds is a difference, and goes with the next apply.
    let call = iam.put_role_policy().role_name("shop-host").policy_name("more");
    ask(call.policy_document(allow("iam:*").to_string()).send()).await.unwrap();
    let other = json!({"name": "shop-host", "description": "a host", "trust": trust("emr-serverless.amazonaws.com"),
        "policies": {"read": allow("s3:PutObject")}});
    account.update("role.host", spec.clone()).await;
    account.update("role.host", other.clone()).await;

    let second = json!({"name": "shop-other", "trust": trust("ec2.amazonaws.com")});
    account.create("role.other", second).await;
    let profile = json!({"name": "shop-host", "role": "shop-host"});
    account.create("instance_profile.host", profile).await;
    let profile = json!({"name": "shop-host", "role": "shop-other"});
    account.update("instance_profile.host", profile.clone()).await;
    account.delete("instance_profile.host", &profile).await;
    account.delete("role.host", &other).await;
    let call = iam.create_role().role_name("theirs");
    ask(call.assume_role_policy_document(trust("ec2.amazonaws.com").to_string()).send()).await.unwrap();
    let message = account.refused("role.host", json!({"name": "theirs", "trust": trust("ec2.amazonaws.com")})).await;
    assert!(message.contains("isn't this stack's"), "{message}");
}

#[tokio::test]
async fn log_groups() {
    let account = account().await;
    let spec = json!({"name": "/lakewright/shop/stream"});
    account.create("log_group.stream", spec.clone()).await;
    let spec = json!({"name": "/lakewright/shop/stream", "retention_days": 7});
    account.update("log_group.stream", spec.clone()).await;
    account.delete("log_group.stream", &spec).await;
}

#[tokio::test]
async fn filters_of_one_name_are_told_apart_by_their_log_groups() {
    let account = account().await;
    let filters = kinds::named("metric_filter").unwrap();
    let spec = |group: &str| {
        let spec =
            json!({"name": "errors", "log_group": group, "pattern": "ERROR", "namespace": "Shop", "metric": "Errors"});
        filters.normalise(&spec).unwrap()
    };
    let mut specs = Vec::new();
    for group in ["stream", "shipper"] {
        let name = format!("/lakewright/shop/{group}");
        account.create(&format!("log_group.{group}"), json!({"name": name})).await;
        let address = Address::new("metric_filter", group);
        filters.create(&account.context, &address, &spec(&name)).await.unwrap();
        specs.push((address, spec(&format!("${{log_group.{group}.name}}"))));
    }
    let group_of = |spec: &Value| spec["log_group"].as_str().unwrap_or_default().to_owned();
    let found = async |specs: &[(Address, Value)]| {
        let wanted: Vec<Wanted<'_>> = specs.iter().map(|(address, spec)| Wanted { address, spec }).collect();
        let found = filters.find(&account.context, &wanted).await.unwrap();
        let mut found: Vec<String> =
            found.iter().map(|live| format!("{} of {}", live.address.name, group_of(&live.spec))).collect();
        found.sort();
        found
    };
    assert_eq!(found(&specs).await, ["shipper of /lakewright/shop/shipper", "stream of /lakewright/shop/stream"]);
    // One left the file; and then the other's log group is called otherwise there.
    specs.truncate(1);
    let one = ["shipper-errors of /lakewright/shop/shipper", "stream of /lakewright/shop/stream"];
    assert_eq!(found(&specs).await, one);
    specs[0].1 = spec("${log_group.renamed.name}");
    assert_eq!(found(&specs).await.len(), 2);
    let call = account.context.aws.logs().delete_metric_filter().log_group_name("/lakewright/shop/shipper");
    ask(call.filter_name("errors").send()).await.unwrap();
    assert_eq!(found(&specs).await, ["stream of /lakewright/shop/stream"]);
}

#[tokio::test]
async fn a_provider_that_is_still_trusted_is_let_go_and_not_deleted() {
    let account = account().await;
    let provider: Address = "oidc_provider.github".parse().unwrap();
    let role: Address = "role.ci".parse().unwrap();
    let spec = kind(&provider).normalise(&json!({"url": "https://token.actions.githubusercontent.com"})).unwrap();
    let make = async || {
        let made = kind(&provider).create(&account.context, &provider, &spec).await.unwrap();
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Federated": [made.id]}, "Action": "sts:AssumeRoleWithWebIdentity",
        }]});
        account.create("role.ci", json!({"name": "shop-ci", "trust": trust})).await;
        (made.id, json!({"name": "shop-ci", "trust": trust}))
    };
    let (arn, ci) = make().await;
    let live = account.find(&provider, &spec).await.unwrap();
    kind(&provider).delete(&account.context, &live).await.unwrap();
    // It is nobody's from then on: the stack doesn't find it again.
    let iam = account.context.aws.iam();
    let look = |arn: &str| iam.get_open_id_connect_provider().open_id_connect_provider_arn(arn);
    let left = ask(look(&arn).send()).await.unwrap();
    assert!(left.tags().iter().all(|tag| tag.key() != STACK), "{left:?}");
    assert!(kind(&provider).find(&account.context, &[]).await.unwrap().is_empty());
    // With the last role that trusts it, it goes.
    account.delete("role.ci", &ci).await;
    ask(iam.delete_open_id_connect_provider().open_id_connect_provider_arn(arn).send()).await.unwrap();
    let (arn, ci) = make().await;
    let live = account.find(&provider, &spec).await.unwrap();
    let role = account.find(&role, &ci).await.unwrap();
    kind(&role.address).delete(&account.context, &role).await.unwrap();
    kind(&provider).delete(&account.context, &live).await.unwrap();
    let error = ask(look(&arn).send()).await.expect_err("it is gone");
    assert!(error.is_not_found(), "{error}");
}
