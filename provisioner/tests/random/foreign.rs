//! What others have in the account, which no apply may touch.

use std::collections::BTreeMap;

use lakewright_aws::{Put, Service, list, text};
use serde_json::{Value, json};

use super::{Network, REGION, World};

impl World {
    /// Makes a topic of somebody else's on the stack's cluster; it stays for as long as the cluster does.
    pub(super) async fn foreign_topic(&mut self, cluster: Option<String>) {
        if let Some(cluster) = &cluster
            && self.topic_on.as_ref() == Some(cluster)
        {
            let topics = self.aws(Service::Kafka, "ListTopics", json!({"clusterArn": cluster})).await;
            let found = list(&topics, "topics").iter().any(|topic| text(topic, "topicName") == "another");
            assert!(found, "seed {}: another's topic is gone: {:#?}", self.seed, self.history);
        } else if let Some(cluster) = &cluster {
            let topic = json!({
                "clusterArn": cluster, "topicName": "another", "partitionCount": 1, "replicationFactor": 1,
            });
            self.aws(Service::Kafka, "CreateTopic", topic).await;
        }
        self.topic_on = cluster;
    }

    /// Makes what belongs to others: nobody's, and another stack's under addresses that this one has too.
    pub(super) async fn make_foreign(&self) {
        let tags = json!([{"Key": "lakewright:stack", "Value": "another"}, {"Key": "lakewright:address", "Value": "vpc.main"}]);
        let specification = json!([{"ResourceType": "vpc", "Tag": tags}]);
        self.aws(Service::Ec2, "CreateVpc", json!({"CidrBlock": "10.20.0.0/16", "TagSpecification": specification}))
            .await;
        self.aws(Service::Ec2, "CreateVpc", json!({"CidrBlock": "10.20.0.0/16"})).await;
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
        let role = json!({"RoleName": "random", "AssumeRolePolicyDocument": trust.to_string()});
        self.aws(Service::Iam, "CreateRole", role).await;
        let tags = json!([{"TagKey": "lakewright:stack", "TagValue": "another"}, {"TagKey": "lakewright:address", "TagValue": "key.main"}]);
        self.aws(Service::Kms, "CreateKey", json!({"Tags": tags})).await;
        self.aws(Service::Kms, "CreateKey", json!({"Description": "nobody's"})).await;
        let secret =
            json!({"Name": "AmazonMSK_random_other", "SecretString": "{}", "ClientRequestToken": "a".repeat(32)});
        self.aws(Service::SecretsManager, "CreateSecret", secret).await;
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        );
        self.s3("PUT", "random-foreign", "", place).await;
        let s3 = self.context().aws.s3();
        s3.put("random-foreign", "raw/rows", "rows".into(), Put::default()).await.unwrap();
    }

    /// Makes a network with a subnet in each zone, for stacks that make none of their own.
    pub(super) async fn make_network(&self) -> Network {
        let made = self.aws(Service::Ec2, "CreateVpc", json!({"CidrBlock": "10.9.0.0/16"})).await;
        let vpc = text(&made["vpc"], "vpcId").to_owned();
        let names = json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": true}});
        self.aws(Service::Ec2, "ModifyVpcAttribute", names).await;
        let mut subnets = Vec::new();
        for (at, zone) in ["a", "b", "c"].into_iter().enumerate() {
            let input = json!({
                "VpcId": vpc, "CidrBlock": format!("10.9.{at}.0/24"), "AvailabilityZone": format!("{REGION}{zone}"),
            });
            let made = self.aws(Service::Ec2, "CreateSubnet", input).await;
            subnets.push(text(&made["subnet"], "subnetId").to_owned());
        }
        Network { vpc, subnets }
    }

    /// All that belongs to others, as AWS tells it.
    pub(super) async fn read_foreign(&self) -> BTreeMap<&'static str, Value> {
        let mut found = BTreeMap::new();
        let not_ours = |one: &&Value| !one.to_string().contains("\"random\"");
        let vpcs = self.aws(Service::Ec2, "DescribeVpcs", json!({})).await;
        found.insert("VPCs", list(&vpcs, "vpcSet").iter().filter(not_ours).cloned().collect());
        found.insert("role", self.aws(Service::Iam, "GetRole", json!({"RoleName": "random"})).await);
        let mut keys = Vec::new();
        for key in list(&self.aws(Service::Kms, "ListKeys", json!({})).await, "Keys") {
            let id = json!({"KeyId": key["KeyId"]});
            let tags = self.aws(Service::Kms, "ListResourceTags", id.clone()).await;
            let key = self.aws(Service::Kms, "DescribeKey", id).await;
            if text(&key["KeyMetadata"], "KeyState") == "Enabled" && not_ours(&&tags) {
                keys.push(json!([key, tags]));
            }
        }
        found.insert("keys", keys.into());
        let secret = json!({"SecretId": "AmazonMSK_random_other"});
        found.insert("secret", self.aws(Service::SecretsManager, "DescribeSecret", secret).await);
        let object = self.context().aws.s3().get("random-foreign", "raw/rows", None).await.unwrap();
        found.insert("object", json!([object.etag, String::from_utf8(object.body.to_vec()).unwrap()]));
        found.insert("bucket", self.s3("GET", "random-foreign", "versions", String::new()).await.into());
        found
    }
}
