//! A small stack in an account, things of others that carry its tags, and commands about both.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeSet;

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use lakewright::intents::Intents;
use lakewright::kind::{Context, Pace};
use lakewright::services::Services as _;
use lakewright_aws::{Put, ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::Tag;
use serde_json::Value;

use crate::place::{ACCOUNT, Place, REGION, Said};

pub const FILE: &str = r#"
[stack]
name = "shop"
region = "eu-north-1"
[network]
zones = ["a", "b"]
[buckets.raw]
[functions.hello]
runtime = "python3.13"
handler = "index.handler"
inline = "def handler(e, c):\n    return 1\n"
"#;
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;
const ANYTHING: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
pub const ROLE: &str = "shop-function-hello";

/// A stack in an account, and commands about it.
pub struct Shop {
    /// The account.
    pub place: Place,
    /// The path of the stack file.
    pub file: String,
}

impl Shop {
    /// An applied one.
    pub async fn applied() -> Self {
        let shop = Self::new().await;
        shop.says(&["apply", "--yes"], 0).await;
        shop
    }

    pub async fn new() -> Self {
        let place = Place::new().await;
        let file = place.folder.path().join("shop.toml").display().to_string();
        std::fs::write(&file, FILE).unwrap();
        Self { place, file }
    }

    /// What a command says that ends with that code; its first word is followed by the file.
    pub async fn says(&self, words: &[&str], code: i32) -> Said {
        let words = [&words[..1], &["--stack", &self.file], &words[1..]].concat();
        let said = self.place.run(&words).await;
        assert_eq!(said.code, Some(code), "{words:?}\n{}\n{}", said.out, said.err);
        said
    }

    pub async fn plan(&self, more: &[&str], code: i32) -> Value {
        let said = self.says(&[&["plan", "--detailed-exitcode", "--format", "json"], more].concat(), code).await;
        serde_json::from_str(&said.out).unwrap()
    }

    /// The document beside the lease.
    pub async fn document(&self) -> Value {
        let stored = self.place.client().objects().get(&state_bucket(), "stacks/shop.json", None).await.unwrap();
        serde_json::from_slice(&stored.body).unwrap()
    }

    pub async fn put_document(&self, document: &Value) {
        let body = document.to_string().into();
        self.place.client().objects().put(&state_bucket(), "stacks/shop.json", body, Put::default()).await.unwrap();
    }

    /// The value of a tag of the function's role.
    pub async fn tag_of_role(&self, name: &str) -> Option<String> {
        let role = ask(self.place.client().iam().get_role().role_name(ROLE).send()).await.unwrap().role.unwrap();
        role.tags().iter().find(|tag| tag.key() == name).map(|tag| tag.value().to_owned())
    }

    pub async fn tag_role(&self, name: &str, value: &str) {
        let tag = aws_sdk_iam::types::Tag::builder().key(name).value(value).build().unwrap();
        ask(self.place.client().iam().tag_role().role_name(ROLE).tags(tag).send()).await.unwrap();
    }

    pub async fn open_role(&self) {
        let call = self.place.client().iam().put_role_policy().role_name(ROLE).policy_name("backdoor");
        ask(call.policy_document(ANYTHING).send()).await.unwrap();
    }
}

pub fn state_bucket() -> String {
    format!("lakewright-{ACCOUNT}-{REGION}")
}

pub fn addresses(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap()).collect()
}

/// A team's own things, to which somebody gave the stack's tags; their identifiers.
pub async fn poison(place: &Place) -> Vec<String> {
    let aws = place.client();
    let claims = |address: &str| [("lakewright:stack", "shop".to_owned()), ("lakewright:address", address.to_owned())];
    let ec2 = aws.ec2();
    let vpc = ask(ec2.create_vpc().cidr_block("10.99.0.0/16").send()).await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let call = ec2.create_security_group().group_name("payroll-db").description("payroll").vpc_id(&vpc);
    let group = ask(call.send()).await.unwrap().group_id.unwrap();
    for (id, address) in [(&vpc, "vpc.x"), (&group, "security_group.x")] {
        let tags = claims(address).map(|(key, value)| Tag::builder().key(key).value(value).build());
        ask(ec2.create_tags().resources(id).set_tags(Some(tags.into())).send()).await.unwrap();
    }
    let call = aws.iam().create_role().role_name("payroll-admin").assume_role_policy_document(TRUST);
    let role = ask(call.send()).await.unwrap().role.unwrap().arn;
    let tags =
        claims("role.x").map(|(key, value)| aws_sdk_iam::types::Tag::builder().key(key).value(value).build().unwrap());
    ask(aws.iam().tag_role().role_name("payroll-admin").set_tags(Some(tags.into())).send()).await.unwrap();
    let key =
        ask(aws.kms().create_key().description("payroll key").send()).await.unwrap().key_metadata.unwrap().arn.unwrap();
    let tags = claims("key.x")
        .map(|(key, value)| aws_sdk_kms::types::Tag::builder().tag_key(key).tag_value(value).build().unwrap());
    ask(aws.kms().tag_resource().key_id(&key).set_tags(Some(tags.into())).send()).await.unwrap();
    let topic = ask(aws.sns().create_topic().name("payroll-alarms").send()).await.unwrap().topic_arn.unwrap();
    let tags = claims("sns_topic.x")
        .map(|(key, value)| aws_sdk_sns::types::Tag::builder().key(key).value(value).build().unwrap());
    ask(aws.sns().tag_resource().resource_arn(&topic).set_tags(Some(tags.into())).send()).await.unwrap();
    let region =
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION)).build();
    let s3 = aws.s3_client();
    ask(s3.create_bucket().bucket("payroll-data-x").create_bucket_configuration(region).send()).await.unwrap();
    aws.objects().put("payroll-data-x", "a", "x".into(), Put::default()).await.unwrap();
    let tags =
        claims("bucket.x").map(|(key, value)| aws_sdk_s3::types::Tag::builder().key(key).value(value).build().unwrap());
    let tags = aws_sdk_s3::types::Tagging::builder().set_tag_set(Some(tags.into())).build().unwrap();
    ask(s3.put_bucket_tagging().bucket("payroll-data-x").tagging(tags).send()).await.unwrap();
    vec!["payroll-data-x".to_owned(), key, role, group, topic, vpc]
}

/// Which of the team's things exist still.
pub async fn left(place: &Place) -> BTreeSet<&'static str> {
    let aws = place.client();
    let mut left = BTreeSet::new();
    let vpcs = ask(aws.ec2().describe_vpcs().send()).await.unwrap();
    left.extend(vpcs.vpcs().iter().any(|vpc| vpc.cidr_block() == Some("10.99.0.0/16")).then_some("vpc"));
    let groups = ask(aws.ec2().describe_security_groups().send()).await.unwrap();
    left.extend(
        groups.security_groups().iter().any(|one| one.group_name() == Some("payroll-db")).then_some("security_group"),
    );
    left.extend(ask(aws.iam().get_role().role_name("payroll-admin").send()).await.is_ok().then_some("role"));
    let topics = ask(aws.sns().list_topics().send()).await.unwrap();
    left.extend(
        topics.topics().iter().any(|one| one.topic_arn().unwrap().ends_with("payroll-alarms")).then_some("sns_topic"),
    );
    left.extend(aws.objects().get("payroll-data-x", "a", None).await.is_ok().then_some("bucket"));
    for key in ask_all(aws.kms().list_keys().into_paginator().items().send()).await.unwrap() {
        let key = ask(aws.kms().describe_key().key_id(key.key_id.unwrap()).send()).await.unwrap().key_metadata.unwrap();
        left.extend((key.description() == Some("payroll key") && key.deletion_date().is_none()).then_some("key"));
    }
    left
}

impl Shop {
    /// What the library works with.
    pub fn context(&self) -> Context {
        Context {
            aws: self.place.client(),
            stack: "shop".to_owned(),
            account: ACCOUNT.to_owned(),
            caller: format!("arn:aws:iam::{ACCOUNT}:root"),
            region: REGION.to_owned(),
            state_bucket: None,
            nonce: "nonce".to_owned(),
            pace: Pace::LOCAL,
            clock: lakewright::kind::Clock::default(),
            reading: lakewright::reading::Reading::default(),
            intents: Intents::default(),
            waiting: lakewright::kind::Waiting::default(),
            records: lakewright::record::Records::default(),
            tags: lakewright::reading::Tags::new(),
        }
    }

    pub fn write(&self, more: &str) {
        std::fs::write(&self.file, format!("{FILE}{more}")).unwrap();
    }

    pub fn answers(&self, lines: &str) -> String {
        let path = self.place.folder.path().join("answers.toml").display().to_string();
        std::fs::write(&path, lines).unwrap();
        path
    }
}
