//! What others have in the account, which no apply may touch.

use std::collections::BTreeMap;

use aws_sdk_kms::types::KeyState;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use lakewright::services::Services as _;
use lakewright_aws::{Put, ask, ask_all};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{AttributeBooleanValue, ResourceType, Tag, TagSpecification};
use serde_json::json;

use super::{Network, REGION, World};

/// The tags of another stack's network, at an address that this stack has too.
const ANOTHER: [(&str, &str); 2] = [("lakewright:stack", "another"), ("lakewright:address", "vpc.main")];

/// The addresses that tags of others state, in the stack's own name: nothing of the stack's stands there.
pub(super) const CLAIMED: [&str; 5] =
    ["bucket.claimed", "key.claimed", "log_group.claimed", "role.claimed", "vpc.claimed"];

/// The tags of the stack at an address, written by somebody else.
fn claiming(address: &str) -> [(&str, &str); 2] {
    [("lakewright:stack", "random"), ("lakewright:address", address)]
}

impl World {
    /// Makes what others have and call the stack's.
    async fn make_claimed(&self, trust: &str) {
        let aws = self.context().aws;
        self.make_vpc(Some("vpc.claimed")).await;
        let tags = claiming("role.claimed")
            .map(|(key, value)| aws_sdk_iam::types::Tag::builder().key(key).value(value).build().unwrap());
        let call = aws.iam().create_role().role_name("claimed").assume_role_policy_document(trust);
        ask(call.set_tags(Some(tags.into())).send()).await.unwrap();
        let tags = claiming("key.claimed")
            .map(|(key, value)| aws_sdk_kms::types::Tag::builder().tag_key(key).tag_value(value).build().unwrap());
        ask(aws.kms().create_key().set_tags(Some(tags.into())).send()).await.unwrap();
        let tags = claiming("log_group.claimed").map(|(key, value)| (key.to_owned(), value.to_owned()));
        let call = aws.logs().create_log_group().log_group_name("/lakewright/random/claimed");
        ask(call.set_tags(Some(tags.into())).send()).await.unwrap();
        let transformation = aws_sdk_cloudwatchlogs::types::MetricTransformation::builder();
        let transformation = transformation.metric_name("n").metric_namespace("s").metric_value("1").build().unwrap();
        let call = aws
            .logs()
            .put_metric_filter()
            .log_group_name("/lakewright/random/claimed")
            .filter_name("claimed")
            .filter_pattern("");
        ask(call.metric_transformations(transformation).send()).await.unwrap();
        let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION));
        let call = aws.s3_client().create_bucket().bucket("random-claimed");
        ask(call.create_bucket_configuration(place.build()).send()).await.unwrap();
        let tags = claiming("bucket.claimed")
            .map(|(key, value)| aws_sdk_s3::types::Tag::builder().key(key).value(value).build().unwrap());
        let tags = aws_sdk_s3::types::Tagging::builder().set_tag_set(Some(tags.into())).build().unwrap();
        ask(aws.s3_client().put_bucket_tagging().bucket("random-claimed").tagging(tags).send()).await.unwrap();
        let metadata = [("lakewright-stack", "random"), ("lakewright-address", "object.claimed")];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let put = Put { metadata, ..Put::default() };
        aws.objects().put("random-claimed", "hosts/claimed", "rows".into(), put).await.unwrap();
    }

    /// Makes a VPC of somebody else's, with tags that call it the stack's if an address is given.
    pub(super) async fn make_vpc(&self, address: Option<&str>) -> String {
        let call = self.context().aws.ec2().create_vpc().cidr_block("10.20.0.0/16");
        let tags = address.into_iter().flat_map(claiming);
        let tags: Vec<Tag> = tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let tags = TagSpecification::builder().resource_type(ResourceType::Vpc).set_tags(Some(tags)).build();
        let call = if address.is_some() { call.tag_specifications(tags) } else { call };
        ask(call.send()).await.unwrap().vpc.unwrap().vpc_id.unwrap()
    }

    /// Makes a topic of somebody else's on the stack's cluster; it stays for as long as the cluster does.
    pub(super) async fn foreign_topic(&mut self, cluster: Option<String>) {
        let kafka = self.context().aws.kafka();
        if let Some(cluster) = &cluster
            && self.topic_on.as_ref() == Some(cluster)
        {
            let call = kafka.list_topics().cluster_arn(cluster);
            let topics = ask_all(call.into_paginator().items().send()).await.unwrap();
            let found = topics.iter().any(|topic| topic.topic_name() == Some("another"));
            assert!(found, "seed {}: another's topic is gone: {:#?}", self.seed, self.history);
        } else if let Some(cluster) = &cluster {
            let call = kafka.create_topic().cluster_arn(cluster).topic_name("another");
            ask(call.partition_count(1).replication_factor(1).send()).await.unwrap();
        }
        self.topic_on = cluster;
    }

    /// Makes what belongs to others: nobody's, and another stack's under addresses that this one has too.
    pub(super) async fn make_foreign(&self) {
        let aws = self.context().aws;
        let tags = ANOTHER.map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags = TagSpecification::builder().resource_type(ResourceType::Vpc).set_tags(Some(tags.into())).build();
        let call = aws.ec2().create_vpc().cidr_block("10.20.0.0/16");
        ask(call.tag_specifications(tags).send()).await.unwrap();
        self.make_vpc(None).await;
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
        let call = aws.iam().create_role().role_name("random");
        ask(call.assume_role_policy_document(trust.to_string()).send()).await.unwrap();
        self.make_claimed(&trust.to_string()).await;
        let tag =
            |key: &str, value: &str| aws_sdk_kms::types::Tag::builder().tag_key(key).tag_value(value).build().unwrap();
        let call = aws.kms().create_key().tags(tag("lakewright:stack", "another"));
        ask(call.tags(tag("lakewright:address", "key.main")).send()).await.unwrap();
        ask(aws.kms().create_key().description("nobody's").send()).await.unwrap();
        let call = aws.secrets_manager().create_secret().name("AmazonMSK_random_other");
        ask(call.secret_string("{}").client_request_token("a".repeat(32)).send()).await.unwrap();
        let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION));
        let call = aws.s3_client().create_bucket().bucket("random-foreign");
        ask(call.create_bucket_configuration(place.build()).send()).await.unwrap();
        aws.objects().put("random-foreign", "raw/rows", "rows".into(), Put::default()).await.unwrap();
    }

    /// Makes a network with a subnet in each zone, for stacks that make none of their own.
    pub(super) async fn make_network(&self) -> Network {
        let ec2 = self.context().aws.ec2();
        let made = ask(ec2.create_vpc().cidr_block("10.9.0.0/16").send()).await.unwrap();
        let vpc = made.vpc.unwrap().vpc_id.unwrap();
        let names = AttributeBooleanValue::builder().value(true).build();
        ask(ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(names).send()).await.unwrap();
        let mut subnets = Vec::new();
        for (at, zone) in ["a", "b", "c"].into_iter().enumerate() {
            let call = ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.9.{at}.0/24"));
            let made = ask(call.availability_zone(format!("{REGION}{zone}")).send()).await.unwrap();
            subnets.push(made.subnet.unwrap().subnet_id.unwrap());
        }
        Network { vpc, subnets }
    }

    /// All that belongs to others, as AWS describes it, in words that can be compared.
    pub(super) async fn read_foreign(&self) -> BTreeMap<&'static str, String> {
        let aws = self.context().aws;
        let mut found = BTreeMap::new();
        let mut vpcs = ask_all(aws.ec2().describe_vpcs().into_paginator().items().send()).await.unwrap();
        let claims = |tag: &Tag| tag.value().is_some_and(|value| value.ends_with(".claimed"));
        vpcs.retain(|vpc| vpc.tags().iter().all(|tag| tag.value() != Some("random")) || vpc.tags().iter().any(claims));
        found.insert("VPCs", format!("{vpcs:#?}"));
        let role = ask(aws.iam().get_role().role_name("random").send()).await.unwrap().role;
        found.insert("role", format!("{role:#?}"));
        let role = ask(aws.iam().get_role().role_name("claimed").send()).await.unwrap().role;
        found.insert("claimed role", format!("{role:#?}"));
        let filters = ask(aws.logs().describe_metric_filters().log_group_name("/lakewright/random/claimed").send())
            .await
            .unwrap();
        found.insert("claimed log group", format!("{:#?}", filters.metric_filters()));
        let object = aws.objects().get("random-claimed", "hosts/claimed", None).await.unwrap();
        found.insert("claimed object", format!("{} {:?} {:?}", object.etag, object.body, object.metadata));
        let mut keys = Vec::new();
        for key in ask_all(aws.kms().list_keys().into_paginator().items().send()).await.unwrap() {
            let id = key.key_id.unwrap();
            let tags = ask(aws.kms().list_resource_tags().key_id(&id).send()).await.unwrap().tags.unwrap_or_default();
            let key = ask(aws.kms().describe_key().key_id(&id).send()).await.unwrap().key_metadata.unwrap();
            let is_others = tags.iter().all(|tag| tag.tag_value() != "random")
                || tags.iter().any(|tag| tag.tag_value() == "key.claimed");
            if key.key_state == Some(KeyState::Enabled) && is_others {
                keys.push((key, tags));
            }
        }
        found.insert("keys", format!("{keys:#?}"));
        let call = aws.secrets_manager().describe_secret().secret_id("AmazonMSK_random_other");
        let secret = ask(call.send()).await.unwrap();
        let versions: Option<BTreeMap<_, _>> = secret.version_ids_to_stages().map(|versions| versions.iter().collect());
        let said = (secret.arn(), secret.description(), secret.kms_key_id(), secret.tags(), versions);
        let times = (secret.created_date(), secret.last_changed_date(), secret.deleted_date());
        found.insert("secret", format!("{said:#?} {times:#?}"));
        let object = aws.objects().get("random-foreign", "raw/rows", None).await.unwrap();
        found.insert("object", format!("{} {:?}", object.etag, object.body));
        let bucket = ask(aws.s3_client().list_object_versions().bucket("random-foreign").send()).await.unwrap();
        found.insert("bucket", format!("{:#?} {:#?}", bucket.versions(), bucket.delete_markers()));
        found
    }
}
