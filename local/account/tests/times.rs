//! The times of AWS: what is pending, not yet known elsewhere or still invisible, and for how long.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod wire;

use lakewright_account::{Config, Delays, Running};
use serde_json::{Value, json};
use wire::Wire;

/// An account whose pace changes from one start to the next, so that no test waits for what it can skip.
struct Place {
    running: Running,
    wire: Wire,
    folder: tempfile::TempDir,
    kafka: Option<String>,
}

impl Place {
    async fn new(delays: Delays, kafka: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = start(&folder, delays, kafka.clone()).await;
        let wire = Wire::new(running.address());
        Self { running, wire, folder, kafka }
    }

    async fn again(self, delays: Delays) -> Self {
        let Self { running, folder, kafka, .. } = self;
        running.shutdown().await;
        let running = start(&folder, delays, kafka.clone()).await;
        let wire = Wire::new(running.address());
        Self { running, wire, folder, kafka }
    }

    async fn ec2(&self, form: &str) -> wire::Answer {
        self.wire.ec2(form).await.unwrap()
    }

    /// A network with two subnets; their ids.
    async fn network(&self) -> (String, Vec<String>) {
        let vpc = self.ec2("Action=CreateVpc&CidrBlock=10.0.0.0/16").await.element("vpcId");
        let mut subnets = Vec::new();
        for (index, zone) in ["a", "b"].into_iter().enumerate() {
            let form = format!(
                "Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.{index}.0/24&AvailabilityZone=eu-north-1{zone}"
            );
            subnets.push(self.ec2(&form).await.element("subnetId"));
        }
        (vpc, subnets)
    }

    async fn kafka(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer =
            self.wire.send("kafka", method, path, &[("content-type", "application/json")], &body).await.unwrap();
        (answer.status, answer.json())
    }

    /// Makes a cluster and returns its ARN, encoded for a path.
    async fn cluster(&self) -> String {
        let (_, subnets) = self.network().await;
        let body = json!({ "clusterName": "events", "provisioned": {
            "brokerNodeGroupInfo": { "clientSubnets": subnets, "instanceType": "kafka.m7g.large" },
            "kafkaVersion": "3.8.x", "numberOfBrokerNodes": 2,
        } });
        let (status, made) = self.kafka("POST", "/api/v2/clusters", &body).await;
        assert_eq!(status, 200, "{made}");
        made["clusterArn"].as_str().unwrap().replace(':', "%3A").replace('/', "%2F")
    }

    async fn state_of(&self, cluster: &str) -> String {
        let (_, described) = self.kafka("GET", &format!("/api/v2/clusters/{cluster}"), &Value::Null).await;
        described["clusterInfo"]["state"].as_str().unwrap_or_default().to_owned()
    }
}

async fn start(folder: &tempfile::TempDir, delays: Delays, kafka: Option<String>) -> Running {
    let config = Config { delays, kafka, ..Config::new(folder.path().join("account")) };
    lakewright_account::serve(config).await.unwrap()
}

/// Twenty minutes in a good second.
const QUICK: Delays = Delays::Scaled(0.001);

#[tokio::test]
async fn a_cluster_is_being_made_for_twenty_minutes() {
    let place = Place::new(Delays::Realistic, None).await;
    let cluster = place.cluster().await;
    assert_eq!(place.state_of(&cluster).await, "CREATING");
    let scaled = Place::new(QUICK, None).await;
    let cluster = scaled.cluster().await;
    assert_eq!(scaled.state_of(&cluster).await, "CREATING");
    wire::until(async || scaled.state_of(&cluster).await == "ACTIVE").await;
}

#[tokio::test]
async fn topics_show_a_minute_late() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = lakewright_kafka::serve(lakewright_kafka::Config::new(folder.path())).await.unwrap();
    let place = Place::new(Delays::None, Some(kafka.address().to_string())).await;
    let cluster = place.cluster().await;
    assert_eq!(place.state_of(&cluster).await, "ACTIVE");
    let place = place.again(Delays::Realistic).await;
    let topics = format!("/v1/clusters/{cluster}/topics");
    let topic = json!({ "topicName": "sales", "partitionCount": 2, "replicationFactor": 1 });
    let (status, made) = place.kafka("POST", &topics, &topic).await;
    assert_eq!(status, 200, "{made}");
    assert_eq!(place.kafka("GET", &topics, &Value::Null).await.1["topics"], json!([]));
    assert_eq!(place.kafka("GET", &format!("{topics}/sales"), &Value::Null).await.0, 404);
    let place = place.again(QUICK).await;
    wire::until(async || place.kafka("GET", &format!("{topics}/sales"), &Value::Null).await.0 == 200).await;
    assert_eq!(place.kafka("GET", &topics, &Value::Null).await.1["topics"][0]["topicName"], "sales");
    place.running.shutdown().await;
    kafka.shutdown().await;
}

#[tokio::test]
async fn an_interface_endpoint_is_pending_first() {
    for (delays, first) in [(Delays::Realistic, "pending"), (Delays::None, "available")] {
        let place = Place::new(delays, None).await;
        let (vpc, subnets) = place.network().await;
        let made = place
            .ec2(&format!(
                "Action=CreateVpcEndpoint&VpcId={vpc}&VpcEndpointType=Interface&ServiceName=com.amazonaws.eu-north-1.glue&SubnetId.1={}&PrivateDnsEnabled=false",
                subnets[0]
            ))
            .await;
        assert_eq!(made.element("state"), first, "{}", made.body);
    }
}

#[tokio::test]
async fn a_new_vpc_is_not_listed_at_once() {
    let place = Place::new(Delays::Realistic, None).await;
    let made = place.ec2("Action=CreateVpc&CidrBlock=10.0.0.0/16").await;
    assert_eq!(made.element("state"), "pending");
    let list = "Action=DescribeVpcs";
    assert!(!place.ec2(list).await.body.contains("<vpcId>"));
    wire::until(async || place.ec2(list).await.body.contains("<state>available</state>")).await;
}

#[tokio::test]
async fn a_change_of_a_hosted_zone_is_pending_first() {
    for (delays, first) in [(Delays::Realistic, "PENDING"), (Delays::None, "INSYNC"), (QUICK, "INSYNC")] {
        let place = Place::new(delays, None).await;
        let (vpc, _) = place.network().await;
        let body = format!(
            "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>shop.internal</Name><VPC><VPCRegion>eu-north-1</VPCRegion><VPCId>{vpc}</VPCId></VPC><CallerReference>one</CallerReference></CreateHostedZoneRequest>"
        );
        let made = place.wire.send("route53", "POST", "/2013-04-01/hostedzone", &[], &body).await.unwrap();
        assert_eq!((made.status, made.element("Status").as_str()), (201, "PENDING"), "{}", made.body);
        let (_, rest) = made.body.split_once("<Id>/change/").unwrap();
        let path = format!("/2013-04-01/change/{}", rest.split('<').next().unwrap());
        let status =
            async || place.wire.send("route53", "GET", &path, &[], "").await.unwrap().element("Status") == first;
        wire::until(status).await;
    }
}

const TRUST: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";

#[tokio::test]
async fn other_services_learn_of_a_role_late() {
    let place = Place::new(Delays::Realistic, None).await;
    let (_, subnets) = place.network().await;
    for form in [
        format!("Action=CreateRole&RoleName=host&AssumeRolePolicyDocument={TRUST}"),
        "Action=CreateInstanceProfile&InstanceProfileName=host".to_owned(),
        "Action=AddRoleToInstanceProfile&InstanceProfileName=host&RoleName=host".to_owned(),
    ] {
        let answer = place.wire.query("iam", &form).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    // IAM itself knows it at once.
    assert_eq!(place.wire.query("iam", "Action=GetRole&RoleName=host").await.unwrap().status, 200);
    let launch = format!(
        "Action=RunInstances&MinCount=1&MaxCount=1&ImageId=ami-12345678&InstanceType=t4g.small&SubnetId={}&IamInstanceProfile.Name=host",
        subnets[0]
    );
    let refused = place.ec2(&launch).await;
    assert_eq!((refused.status, refused.element("Code").as_str()), (400, "InvalidParameterValue"));
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "kms:*", "Resource": "*",
        "Principal": { "AWS": ["arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:role/host"] },
    }] });
    let key = json!({ "Policy": policy.to_string() }).to_string();
    let refused = place.wire.json("kms", "TrentService.CreateKey", &key).await.unwrap();
    assert_eq!(refused.json()["__type"], "MalformedPolicyDocumentException", "{}", refused.body);

    let place = place.again(QUICK).await;
    wire::until(async || place.ec2(&launch).await.status == 200).await;
    let made = place.wire.json("kms", "TrentService.CreateKey", &key).await.unwrap();
    assert_eq!(made.status, 200, "{}", made.body);
}

#[tokio::test]
async fn a_group_is_refused_while_its_profile_is_new() {
    let place = Place::new(Delays::Realistic, None).await;
    let (_, subnets) = place.network().await;
    let template = "Action=CreateLaunchTemplate&LaunchTemplateName=host&LaunchTemplateData.ImageId=ami-12345678&LaunchTemplateData.InstanceType=t4g.small&LaunchTemplateData.IamInstanceProfile.Name=host";
    assert_eq!(place.ec2(template).await.status, 200);
    let profile = "Action=CreateInstanceProfile&InstanceProfileName=host";
    assert_eq!(place.wire.query("iam", profile).await.unwrap().status, 200);
    let group = format!(
        "Action=CreateAutoScalingGroup&AutoScalingGroupName=host&MinSize=1&MaxSize=1&LaunchTemplate.LaunchTemplateName=host&VPCZoneIdentifier={}",
        subnets[0]
    );
    let refused = place.wire.query("autoscaling", &group).await.unwrap();
    assert_eq!((refused.status, refused.element("Code").as_str()), (400, "ValidationError"));
    assert!(refused.body.contains("Invalid IAM Instance Profile name"), "{}", refused.body);
    let place = place.again(QUICK).await;
    wire::until(async || place.wire.query("autoscaling", &group).await.unwrap().status == 200).await;
}

#[tokio::test]
async fn the_tagging_api_goes_on_listing_what_is_gone() {
    for (delays, listed) in [(Delays::Realistic, true), (Delays::None, false)] {
        let place = Place::new(Delays::None, None).await;
        let create = "Action=CreateVpc&CidrBlock=10.0.0.0/16&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
        let vpc = place.ec2(create).await.element("vpcId");
        let place = place.again(delays).await;
        assert_eq!(place.ec2(&format!("Action=DeleteVpc&VpcId={vpc}")).await.status, 200);
        let answer = place.wire.json("tagging", "ResourceGroupsTaggingAPI_20170126.GetResources", "{}").await.unwrap();
        assert_eq!(answer.body.contains(&vpc), listed, "{}", answer.body);
    }
}

#[tokio::test]
async fn the_tagging_api_learns_of_a_key_late() {
    let key = json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }] }).to_string();
    let listed = async |place: &Place| {
        let answer = place.wire.json("tagging", "ResourceGroupsTaggingAPI_20170126.GetResources", "{}").await.unwrap();
        answer.json()["ResourceTagMappingList"].as_array().unwrap().len()
    };
    let place = Place::new(Delays::Realistic, None).await;
    assert_eq!(place.wire.json("kms", "TrentService.CreateKey", &key).await.unwrap().status, 200);
    assert_eq!(listed(&place).await, 0);
    let place = Place::new(QUICK, None).await;
    assert_eq!(place.wire.json("kms", "TrentService.CreateKey", &key).await.unwrap().status, 200);
    wire::until(async || listed(&place).await == 1).await;
}

#[tokio::test]
async fn a_deleted_key_stays_pending() {
    let place = Place::new(Delays::Realistic, None).await;
    let made = place.wire.json("kms", "TrentService.CreateKey", "{}").await.unwrap().json();
    let id = json!({ "KeyId": made["KeyMetadata"]["KeyId"], "PendingWindowInDays": 7 }).to_string();
    assert_eq!(place.wire.json("kms", "TrentService.ScheduleKeyDeletion", &id).await.unwrap().status, 200);
    let described = place.wire.json("kms", "TrentService.DescribeKey", &id).await.unwrap().json();
    assert_eq!(described["KeyMetadata"]["KeyState"], "PendingDeletion");
    let rename = json!({ "KeyId": made["KeyMetadata"]["KeyId"], "Description": "x" }).to_string();
    let refused = place.wire.json("kms", "TrentService.UpdateKeyDescription", &rename).await.unwrap();
    assert_eq!(refused.json()["__type"], "KMSInvalidStateException", "{}", refused.body);
}

#[tokio::test]
async fn a_deleted_secret_keeps_its_name() {
    let place = Place::new(Delays::Realistic, None).await;
    let call = async |operation: &str, input: Value| {
        place.wire.json("secretsmanager", &format!("secretsmanager.{operation}"), &input.to_string()).await.unwrap()
    };
    let secret = json!({ "Name": "password", "SecretString": "x" });
    assert_eq!(call("CreateSecret", secret.clone()).await.status, 200);
    assert_eq!(call("DeleteSecret", json!({ "SecretId": "password" })).await.status, 200);
    let refused = call("CreateSecret", secret).await;
    assert_eq!(refused.json()["__type"], "InvalidRequestException", "{}", refused.body);
    assert_eq!(call("RestoreSecret", json!({ "SecretId": "password" })).await.status, 200);
    assert_eq!(call("GetSecretValue", json!({ "SecretId": "password" })).await.json()["SecretString"], "x");
}

#[tokio::test]
async fn nat_gateways_and_endpoints_take_their_time_and_hold_on_meanwhile() {
    let place = Place::new(Delays::None, None).await;
    let (vpc, subnets) = place.network().await;
    place.ec2(&format!("Action=ModifyVpcAttribute&VpcId={vpc}&EnableDnsHostnames.Value=true")).await;
    let gateway = place.ec2("Action=CreateInternetGateway").await.element("internetGatewayId");
    place.ec2(&format!("Action=AttachInternetGateway&InternetGatewayId={gateway}&VpcId={vpc}")).await;
    let address = place.ec2("Action=AllocateAddress").await.element("allocationId");
    let nat = format!("Action=CreateNatGateway&SubnetId={}&AllocationId={address}", subnets[0]);
    let nat = place.ec2(&nat).await.element("natGatewayId");
    let look = format!("Action=DescribeNatGateways&NatGatewayId.1={nat}");
    assert_eq!(place.ec2(&look).await.element("state"), "available");
    let endpoint = format!(
        "Action=CreateVpcEndpoint&VpcId={vpc}&ServiceName=com.amazonaws.eu-north-1.glue&VpcEndpointType=Interface\
         &SubnetId.1={}",
        subnets[1]
    );
    let endpoint = place.ec2(&endpoint).await.element("vpcEndpointId");

    let place = place.again(Delays::Realistic).await;
    place.ec2(&format!("Action=DeleteNatGateway&NatGatewayId={nat}")).await;
    // New things show a moment late.
    wire::until(async || place.ec2(&look).await.body.contains("<state>deleting</state>")).await;
    let release = place.ec2(&format!("Action=ReleaseAddress&AllocationId={address}")).await;
    assert_eq!(release.element("Code"), "InvalidIPAddress.InUse");
    place.ec2(&format!("Action=DeleteVpcEndpoints&VpcEndpointId.1={endpoint}")).await;
    let look = format!("Action=DescribeVpcEndpoints&VpcEndpointId.1={endpoint}");
    wire::until(async || place.ec2(&look).await.body.contains("<state>deleting</state>")).await;
    for subnet in &subnets {
        let refused = place.ec2(&format!("Action=DeleteSubnet&SubnetId={subnet}")).await;
        assert_eq!(refused.element("Code"), "DependencyViolation");
    }
    let inner = place.ec2(&format!("Action=CreateNatGateway&SubnetId={}&ConnectivityType=private", subnets[0])).await;
    assert_eq!(inner.element("state"), "pending");
}
