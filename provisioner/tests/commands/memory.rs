//! What a stack remembers: signed, known without it as far as records say, and put back when it is lost.

use std::time::Duration;

use crate::place::{ACCOUNT, REGION};
use crate::shop::{FILE, Shop, addresses, left, poison, state_bucket};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use lakewright::kinds;
use lakewright::lease::{self, Waiting};
use lakewright::record::Found;
use lakewright::resource::Address;
use lakewright::services::Services as _;
use lakewright_aws::{ask, ask_all};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

struct Silent;

impl Waiting for Silent {
    fn held(&self, _holder: &str, _until: &str) {}
    fn taken_over(&self, _holder: &str, _why: &str) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_apply_made_is_known_by_what_it_was_about_to_make() {
    let shop = Shop::applied().await;
    shop.write("[resource.sns_topic.x]\nname = \"news\"\n[resource.log_group.y]\nname = \"/lakewright/shop/y\"\n");
    let (topic, group): (Address, Address) = ("sns_topic.x".parse().unwrap(), "log_group.y".parse().unwrap());
    let context = shop.context();
    let lease = lease::take(&context, "apply", &Silent).await.unwrap();
    lease.begin([topic.clone()].into(), true).await.unwrap();
    let under = lease.context(&context).await;
    for (address, spec) in [(&topic, json!({"name": "news"})), (&group, json!({"name": "/lakewright/shop/y"}))] {
        let kind = kinds::named(&address.kind).unwrap();
        kind.create(&under, address, &kind.normalise(&spec).unwrap()).await.unwrap();
    }
    drop(lease);
    lease::unlock(&context).await.unwrap();

    // While nobody can read what the stack remembers, neither is said to be somebody else's.
    let fault = |service: &str, rest: &str| format!("[[fault]]\nservice = \"{service}\"\n{rest}\n");
    shop.place.faults(&fault("s3", "operation = \"GetObject\"\nerror = \"AccessDenied\"\nstatus = 403"));
    let plan = shop.plan(&[], 2).await;
    assert_eq!((&plan["doubt"], &plan["claimed"], &plan["steps"]), (&Value::Null, &json!([]), &json!([])));
    let blocked = addresses(&plan["blocked"]);
    assert!(blocked.contains(&"log_group.y") && blocked.contains(&"sns_topic.x"), "{blocked:?}");
    shop.place.faults("");

    // One of them was to be made, the other was made by nobody knows whom.
    let plan = shop.plan(&[], 2).await;
    assert_eq!((addresses(&plan["claimed"]), &plan["steps"]), (vec!["log_group.y"], &json!([])));
    shop.says(&["apply", "--yes"], 3).await;
    // It is adopted once that is remembered too, and signed: the third signature.
    let rest = "operation = \"Sign\"\nfrom = 3\nerror = \"AccessDeniedException\"\nstatus = 400";
    shop.place.faults(&fault("kms", rest));
    let said = shop.says(&["adopt", "log_group.y", "/lakewright/shop/y", "--yes"], 1).await.err;
    assert!(!said.contains("Adopted") && said.contains(":log-group:/lakewright/shop/y is log_group.y"), "{said}");
    shop.place.faults("");
    shop.says(&["apply", "--yes"], 0).await;
    shop.plan(&[], 0).await;
    // From then on the record says so, and the note is gone.
    assert_eq!(shop.document().await["memory"]["making"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stack_remembers_is_signed_and_can_be_put_back() {
    let shop = Shop::new().await;
    let s3 = shop.place.client().s3_client();
    shop.says(&["apply", "--yes"], 0).await;
    let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    ask(s3.put_bucket_versioning().bucket(state_bucket()).versioning_configuration(versions).send()).await.unwrap();
    let before = shop.document().await;
    shop.write("[resource.log_group.y]\nname = \"/lakewright/shop/y\"\n");
    shop.says(&["apply", "--yes"], 0).await;
    let after = shop.document().await;

    // Somebody else's word for what is the stack's is nobody's.
    let poisoned = poison(&shop.place).await;
    let mut forged = after.clone();
    forged["memory"]["lived"]["sns_topic.x"] = json!({"id": poisoned[4], "serial": 0});
    shop.put_document(&forged).await;
    let plan = shop.plan(&["--drift"], 2).await;
    assert!(plan["doubt"].as_str().unwrap().contains("didn't sign"), "{}", plan["doubt"]);
    assert!(addresses(&plan["claimed"]).contains(&"sns_topic.x"));
    assert_eq!(plan["steps"], json!([]), "records say what is the stack's without it");
    let refused = shop.says(&["recover"], 1).await.err;
    assert!(refused.contains("there is no terminal to ask on"), "{refused}");

    // The versions of the bucket hold the one that was signed last; what is claimed is answered for.
    let lacking = shop.says(&["recover", "--answers", &shop.answers("")], 1).await.err;
    assert!(lacking.contains("\"bucket.x\" = \"payroll-data-x\""), "{lacking}");
    let names = ["bucket.x", "key.x", "role.x", "security_group.x", "sns_topic.x", "vpc.x"];
    // A thing that holds data isn't taken by a mere yes.
    let lines: String = names.iter().map(|name| format!("\"{name}\" = \"no\"\n")).collect();
    let lines = lines.replace("\"bucket.x\" = \"no\"", "\"bucket.x\" = \"yes\"");
    let said = shop.says(&["recover", "--answers", &shop.answers(&lines)], 0).await.err;
    assert!(said.contains("`yes` is no answer for bucket.x, and is taken for `no`"), "{said}");
    let document = shop.document().await;
    assert_eq!(document["memory"]["lived"], after["memory"]["lived"]);
    assert!(document["memory"]["log"][0]["what"].as_str().unwrap().contains("put back"), "{document}");
    let plan = shop.plan(&[], 2).await;
    assert_eq!((&plan["doubt"], addresses(&plan["claimed"])), (&Value::Null, names.to_vec()));

    // An older one that was signed is distinguished from the last one by the records.
    shop.put_document(&before).await;
    let plan = shop.plan(&["--drift"], 2).await;
    assert!(plan["doubt"].as_str().unwrap().contains("is older"), "{}", plan["doubt"]);
    // One that is gone, too.
    shop.place.client().objects().delete(&state_bucket(), "stacks/shop.json").await.unwrap();
    let plan = shop.plan(&["--drift"], 2).await;
    assert!(plan["doubt"].as_str().unwrap().contains("is lost"), "{}", plan["doubt"]);
    assert_eq!(plan["steps"], json!([]));
    shop.says(&["recover", "--answers", &shop.answers(&lines)], 0).await;
    assert_eq!(shop.plan(&[], 2).await["doubt"], Value::Null);
    assert_eq!(left(&shop.place).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_is_told_and_replaced() {
    let shop = Shop::applied().await;
    let kms = shop.place.client().kms();
    let key =
        ask(kms.describe_key().key_id("alias/lakewright/shop").send()).await.unwrap().key_metadata.unwrap().key_id;
    ask(kms.schedule_key_deletion().key_id(&key).pending_window_in_days(7).send()).await.unwrap();
    for words in [&["plan"][..], &["apply", "--yes"]] {
        let said = shop.says(words, 1).await.err;
        assert!(said.contains("alias/lakewright/shop") && said.contains("`lakewright recover`"), "{said}");
    }
    let lacking = shop.says(&["recover", "--answers", &shop.answers("")], 1).await.err;
    assert!(lacking.contains("nothing was changed"), "{lacking}");

    // With the new one nothing is known, and each thing is asked for.
    let lacking = shop.says(&["recover", "--answers", &shop.answers("signing_key = \"new\"\n")], 1).await.err;
    let missing = lacking.lines().filter(|line| line.starts_with("  \""));
    let missing: String = missing.fold("signing_key = \"new\"\n".to_owned(), |all, line| all + line + "\n");
    assert!(missing.contains("\"vpc.main\" = \"vpc-"), "{lacking}");
    shop.says(&["recover", "--answers", &shop.answers(&missing)], 0).await;
    shop.plan(&[], 0).await;
    shop.says(&["destroy", "--yes", "--allow-data-loss", "all"], 0).await;
    let aliases = ask(kms.list_aliases().send()).await.unwrap();
    assert!(aliases.aliases().iter().all(|alias| !alias.alias_name().unwrap().contains("lakewright")), "{aliases:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_verify_or_sign_is_told_so() {
    let shop = Shop::applied().await;
    poison(&shop.place).await;
    let denied = |operation: &str| {
        format!(
            "[[fault]]\nservice = \"kms\"\noperation = \"{operation}\"\nerror = \"AccessDeniedException\"\nstatus = 400\n"
        )
    };
    shop.place.faults(&denied("GetPublicKey"));
    let said = shop.says(&["plan"], 0).await;
    assert!(
        said.err.contains("kms:GetPublicKey") && said.out.contains("nobody here may verify"),
        "{}\n{}",
        said.err,
        said.out
    );
    let plan = shop.plan(&[], 2).await;
    assert_eq!((plan["steps"].clone(), plan["claimed"].as_array().unwrap().len()), (json!([]), 6));

    // Nothing is made by somebody who can't sign it.
    shop.place.faults(&denied("Sign"));
    shop.write("[resource.log_group.y]\nname = \"/lakewright/shop/y\"\n");
    let said = shop.says(&["apply", "--yes"], 1).await.err;
    assert!(said.contains("signs what it makes") && said.contains("kms:Sign"), "{said}");
    let call = shop.place.client().logs().describe_log_groups().log_group_name_prefix("/lakewright/shop/y");
    assert!(ask(call.send()).await.unwrap().log_groups().is_empty());
    // Nor is anything changed.
    std::fs::write(&shop.file, FILE.replace("python3.13", "python3.12")).unwrap();
    let said = shop.says(&["apply", "--yes"], 1).await.err;
    assert!(said.contains("signs what it makes") && said.contains("kms:Sign"), "{said}");
    shop.place.faults("");
    let plan = shop.plan(&["--target", "function.hello"], 2).await;
    assert_eq!(addresses(&plan["steps"]), ["function.hello"]);
    shop.says(&["apply", "--yes"], 3).await;
}

/// A hash of the format before, in which fields had no names.
fn former(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string());
    let bits = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let letter = |i: u32| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(bits >> (27 - 5 * i)) as usize & 31]);
    (0..4).map(letter).collect()
}

/// Leaves a stack as the version before did: hashes by place in tags, addresses in the document, no key. Returns that document
/// and the name of the function's log group, which alone has a record that says something.
async fn as_the_version_before(shop: &Shop) -> (Value, String) {
    let aws = shop.place.client();
    let filter =
        aws_sdk_resourcegroupstagging::types::TagFilter::builder().key("lakewright:stack").values("shop").build();
    let call = aws.tagging().get_resources().tag_filters(filter);
    let found = ask_all(call.into_paginator().items().send()).await.unwrap();
    let arns: Vec<String> =
        found.into_iter().filter_map(|one| one.resource_arn).filter(|arn| !arn.contains(":kms:")).collect();
    for arn in &arns {
        let call = aws.tagging().tag_resources().resource_arn_list(arn).tags("lakewright:applied", "1:aaaa");
        let failed = ask(call.send()).await.unwrap().failed_resources_map.unwrap_or_default();
        assert!(failed.is_empty(), "{failed:?}");
    }
    shop.tag_role("lakewright:applied", "1:aaaa").await;
    let (name, days) = ("/lakewright/shop/hello", json!(14));
    let groups = ask(aws.logs().describe_log_groups().log_group_name_prefix("/lakewright/shop/").send()).await.unwrap();
    let group = groups.log_groups().first().unwrap();
    let (name, days) = (
        group.log_group_name().map_or(name, |name| name).to_owned(),
        group.retention_in_days().map_or(days, |days| json!(days)),
    );
    let hashes = format!("1:{}{}", former(&json!(name)), former(&days));
    let arn = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}");
    ask(aws.logs().tag_resource().resource_arn(&arn).tags("lakewright:applied", hashes).send()).await.unwrap();
    let document = shop.document().await;
    let lived: Vec<&String> = document["memory"]["lived"].as_object().unwrap().keys().collect();
    let former =
        json!({"version": 1, "serial": 7, "nonce": "n", "holder": null, "expires": 0, "intents": {}, "lived": lived});
    shop.put_document(&former).await;
    let kms = aws.kms();
    let key =
        ask(kms.describe_key().key_id("alias/lakewright/shop").send()).await.unwrap().key_metadata.unwrap().key_id;
    ask(kms.delete_alias().alias_name("alias/lakewright/shop").send()).await.unwrap();
    ask(kms.schedule_key_deletion().key_id(key).pending_window_in_days(7).send()).await.unwrap();
    (former, name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_the_version_before_gets_its_records_and_loses_nothing() {
    let shop = Shop::applied().await;
    let aws = shop.place.client();
    let (former, name) = as_the_version_before(&shop).await;
    let said = shop.says(&["plan", "--detailed-exitcode"], 0).await;
    assert!(said.err.contains("records of the former format"), "{}", said.err);
    // What was known to be drift is known to be so still.
    ask(aws.logs().put_retention_policy().log_group_name(&name).retention_in_days(3653).send()).await.unwrap();
    let plan = shop.plan(&["--drift"], 2).await;
    assert_eq!(addresses(&plan["steps"]).len(), 1, "{plan}");
    assert_eq!(plan["steps"][0]["action"], "update");

    // Also by an apply of a part of the stack every thing gets its record.
    shop.says(&["apply", "--yes", "--target", "bucket.*"], 0).await;
    let plan = shop.plan(&["--drift"], 2).await;
    assert_eq!(addresses(&plan["steps"]).len(), 1, "{plan}");
    assert_eq!(plan["steps"][0]["changes"][0]["cause"], "drift");
    shop.says(&["apply", "--drift-only", "--yes"], 0).await;
    let said = shop.says(&["plan", "--detailed-exitcode"], 0).await;
    assert!(!said.err.contains("former format"), "{}", said.err);
    assert_eq!(shop.document().await["version"], 2);

    // From now on nobody's word counts without a signature.
    shop.tag_role("lakewright:applied", "1:aaaa").await;
    shop.put_document(&former).await;
    let plan = shop.plan(&["--drift"], 2).await;
    assert!(plan["doubt"].as_str().unwrap().contains("somebody put it back"), "{}", plan["doubt"]);
    assert_eq!(addresses(&plan["claimed"]), ["role.function-hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_version_before_left_outlives_an_apply_that_is_cut_off() {
    let shop = Shop::applied().await;
    as_the_version_before(&shop).await;
    // The key is made, and nothing is signed with it.
    let refused = "operation = \"Sign\"\nerror = \"AccessDeniedException\"\nstatus = 400\n";
    shop.place.faults(&format!("[[fault]]\nservice = \"kms\"\n{refused}"));
    shop.write("[resource.log_group.y]\nname = \"/lakewright/shop/y\"\n");
    shop.says(&["apply", "--yes"], 1).await;
    shop.place.faults("");
    let context = shop.context();
    assert!(matches!(lease::signer(&context).find().await.unwrap(), Found::Key(_)));

    // The next one is killed as soon as it has signed what it is about to make.
    let lease = lease::take(&context, "apply", &Silent).await.unwrap();
    lease.judged(false).await;
    lease.begin(["log_group.y".parse().unwrap()].into(), true).await.unwrap();
    drop(lease);
    lease::unlock(&context).await.unwrap();
    assert_eq!(shop.document().await["version"], 2);
    shop.write("");
    let said = shop.says(&["plan", "--detailed-exitcode"], 0).await;
    assert!(said.err.contains("records of the former format"), "{}", said.err);

    // One that changes nothing signs all of it, and asks nobody.
    shop.says(&["apply"], 0).await;
    let said = shop.says(&["plan", "--detailed-exitcode"], 0).await;
    assert!(!said.err.contains("former format"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_gone_is_not_waited_for_without_end() {
    let shop = Shop::applied().await;
    // Whoever may write the document may write when it was signed.
    let mut document = shop.document().await;
    document["memory"]["at"] = json!(99_999_999_999_999_u64);
    shop.put_document(&document).await;
    ask(shop.place.client().kms().delete_alias().alias_name("alias/lakewright/shop").send()).await.unwrap();
    let planned = tokio::time::timeout(Duration::from_secs(60), shop.says(&["plan"], 1)).await;
    let said = planned.expect("it ends").err;
    assert!(said.contains("is gone") && said.contains("`lakewright recover`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recovered_where_nothing_was_lost() {
    let shop = Shop::new().await;
    let said = shop.says(&["recover", "--answers", &shop.answers("")], 1).await.err;
    assert!(said.contains("no stack shop is here") && said.contains("nothing was made"), "{said}");
    let aliases = ask(shop.place.client().kms().list_aliases().send()).await.unwrap();
    assert!(aliases.aliases().iter().all(|alias| !alias.alias_name().unwrap().contains("lakewright")), "{aliases:?}");
    let document = shop.place.client().objects().get(&state_bucket(), "stacks/shop.json", None).await;
    assert!(document.is_err(), "no document was written");

    // Without a terminal it is said all the same that all is there.
    shop.says(&["apply", "--yes"], 0).await;
    let said = shop.says(&["recover"], 0).await.err;
    assert!(said.contains("Nothing is lost"), "{said}");
}
