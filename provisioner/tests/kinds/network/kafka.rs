//! Clusters, their topics and who may use them.

use aws_sdk_applicationautoscaling::types::{
    PolicyType, ScalableDimension, ScalingPolicy, ServiceNamespace, SuspendedState,
};
use aws_sdk_kafka::types::BrokerNodeGroupInfo;
use lakewright::kind::{ADDRESS, Context, Outcome, STACK};
use lakewright::kinds;
use lakewright::resource::Address;
use lakewright::services::Services as _;
use lakewright_aws::ask;
use serde_json::json;

use super::{account, kind, network};

#[tokio::test]
async fn kafka_kinds_live_as_they_are_meant() {
    let account = account("kafka").await;
    let (vpc, subnet) = network(&account).await;
    let second = json!({"vpc": vpc.id, "cidr": "10.0.16.0/20", "zone": "eu-north-1b"});
    let address: Address = "subnet.b".parse().unwrap();
    let second = kind(&address).normalise(&second).unwrap();
    let second = kind(&address).create(&account.context, &address, &second).await.unwrap();
    let group = json!({"vpc": vpc.id, "name": "brokers", "description": "for a test"});
    let group = account.create("security_group.brokers", group).await;
    let key = ask(account.context.aws.kms().create_key().send()).await.unwrap().key_metadata.unwrap().arn.unwrap();

    let settings = |enabled: &str| json!({"name": "shop-main", "properties": {"auto.create.topics.enable": enabled}});
    let configuration = account.create("msk_configuration.main", settings("true")).await;
    account.create_again("msk_configuration.main", settings("true"), &configuration).await;
    account.update("msk_configuration.main", settings("false")).await;

    let mut cluster = json!({
        "name": "shop",
        "kafka_version": "3.9.x",
        "brokers": 2,
        "instance_type": "kafka.t3.small",
        "subnets": [subnet.id, second.id],
        "security_groups": [group.id],
        "storage_gib": 20,
        "configuration": {"arn": configuration.id, "revision": "1"},
        "authentication": {"scram": true},
        "encryption_key": key,
    });
    let made = account.create("cluster.main", cluster.clone()).await;
    account.create_again("cluster.main", cluster.clone(), &made).await;
    assert_eq!(made.outputs["protocol"], "scram");
    cluster["configuration"]["revision"] = json!("2");
    cluster["storage_gib"] = json!(40);
    cluster["monitoring"] = json!("PER_BROKER");
    cluster["authentication"]["iam"] = json!(true);
    account.update("cluster.main", cluster).await;

    let scaling = |most: u32| json!({"cluster": made.id, "max_gib": most});
    let scaled = account.create("storage_scaling.main", scaling(500)).await;
    account.create_again("storage_scaling.main", scaling(500), &scaled).await;
    account.update("storage_scaling.main", scaling(600)).await;
    // One whose cluster is made anew gives its address up to the new cluster's.
    let grows = kinds::named("storage_scaling").unwrap();
    for address in ["storage_scaling.old", "storage_scaling.main"] {
        grows.tag(&account.context, &scaled, &[(ADDRESS, address)]).await.unwrap();
        let found = grows.find(&account.context, &[]).await.unwrap();
        assert_eq!(found.iter().map(|one| one.address.to_string()).collect::<Vec<_>>(), [address]);
    }
    // What somebody said beside it stays, and what they suspended goes on.
    let by_hand = account.context.aws.application_auto_scaling();
    let policy = async || {
        let listed = by_hand.describe_scaling_policies().service_namespace(ServiceNamespace::Kafka);
        ask(listed.send()).await.unwrap().scaling_policies.unwrap().remove(0)
    };
    let ScalingPolicy { policy_name, target_tracking_scaling_policy_configuration: tracking, .. } = policy().await;
    let mut tracking = tracking.unwrap();
    (tracking.scale_out_cooldown, tracking.scale_in_cooldown) = (Some(900), Some(60));
    let dimension = ScalableDimension::KafkaBrokerStorageVolumeSize;
    let put = by_hand.put_scaling_policy().policy_name(policy_name).service_namespace(ServiceNamespace::Kafka);
    let put = put.resource_id(&made.id).scalable_dimension(dimension.clone());
    let put = put.policy_type(PolicyType::TargetTrackingScaling).target_tracking_scaling_policy_configuration(tracking);
    ask(put.send()).await.unwrap();
    let suspended = SuspendedState::builder().dynamic_scaling_out_suspended(true).build();
    let register = by_hand.register_scalable_target().service_namespace(ServiceNamespace::Kafka).resource_id(&made.id);
    ask(register.scalable_dimension(dimension).suspended_state(suspended).send()).await.unwrap();
    let address: Address = "storage_scaling.main".parse().unwrap();
    let departed = async || account.find(&address, &scaling(600)).await.remove(0).departures;
    assert_eq!(departed().await[0].path, "suspended");
    account.update("storage_scaling.main", scaling(700)).await;
    assert_eq!(departed().await, []);
    let kept = policy().await.target_tracking_scaling_policy_configuration.unwrap();
    assert_eq!((kept.scale_out_cooldown, kept.scale_in_cooldown), (Some(900), Some(60)));
    account.delete("storage_scaling.main", scaling(700)).await;

    let serverless = json!({"name": "light", "subnets": [subnet.id, second.id], "security_groups": [group.id]});
    let light = account.create("serverless_cluster.main", serverless.clone()).await;
    account.create_again("serverless_cluster.main", serverless.clone(), &light).await;
    account.delete("serverless_cluster.main", serverless).await;

    let login = "{\"username\":\"app\",\"password\":\"for a test\"}";
    let secret = account.secret("AmazonMSK_shop_app", &key, login).await;
    let association = json!({"cluster": made.id, "secrets": [secret]});
    account.create("scram_association.main", association.clone()).await;
    let missing = json!({"cluster": made.id, "secrets": ["arn:aws:secretsmanager:eu-north-1:123456789012:secret:AmazonMSK_no-abcdef"]});
    let address: Address = "scram_association.main".parse().unwrap();
    let refused = kind(&address).create(&account.context, &address, &missing).await.unwrap_err();
    assert!(format!("{refused:#}").contains("AmazonMSK_no"), "{refused:#}");

    let topic = |partitions: u32, hours: u32| {
        json!({
            "cluster": made.id,
            "name": "iceberg_events",
            "partitions": partitions,
            "replication_factor": 2,
            "configuration": {"retention.ms": (hours * 3_600_000).to_string()},
        })
    };
    let first = account.create("topic.iceberg_events", topic(3, 24)).await;
    account.create_again("topic.iceberg_events", topic(3, 24), &first).await;
    account.update("topic.iceberg_events", topic(6, 48)).await;
    let fewer = kind(&"topic.iceberg_events".parse().unwrap()).normalise(&topic(2, 48)).unwrap();
    let address: Address = "topic.iceberg_events".parse().unwrap();
    let live = account.find(&address, &fewer).await.remove(0);
    let refused = kind(&address).update(&account.context, &live, &fewer, &["partitions".to_owned()]).await.unwrap_err();
    assert!(refused.to_string().contains("can't take partitions away"), "{refused:#}");

    // A cluster that somebody made by hand is taken over by its name or ARN, and by one stack only.
    let brokers = BrokerNodeGroupInfo::builder()
        .set_client_subnets(Some(vec![subnet.id.clone(), second.id.clone()]))
        .instance_type("kafka.t3.small")
        .security_groups(&group.id);
    let by_hand = account.cluster_by_hand(brokers, &key).await;
    let by_hand = by_hand.as_str();

    // The stack's secret on a cluster that no file names any more is found, be it another stack's.
    let stray = account.secret("AmazonMSK_stray", &key, "{}").await;
    let kafka = account.context.aws.kafka();
    ask(kafka.batch_associate_scram_secret().cluster_arn(by_hand).secret_arn_list(&stray).send()).await.unwrap();
    let associations = kinds::named("scram_association").unwrap();
    let elsewhere = async || {
        let mut found = associations.find(&account.context, &[]).await.unwrap();
        found.retain(|live| live.id == by_hand);
        found.pop()
    };
    ask(kafka.tag_resource().resource_arn(by_hand).tags(STACK, "other").send()).await.unwrap();
    assert!(elsewhere().await.is_some());
    ask(kafka.untag_resource().resource_arn(by_hand).tag_keys(STACK).send()).await.unwrap();
    let live = elsewhere().await.unwrap();
    assert_eq!(
        (live.address.to_string().as_str(), &live.spec["secrets"]),
        ("scram_association.by-hand", &json!([stray]))
    );
    associations.delete(&account.context, &live).await.unwrap();
    assert!(elsewhere().await.is_none());

    let address: Address = "cluster.old".parse().unwrap();
    let cluster = kind(&address);
    let named = cluster.read(&account.context, &address, "by-hand").await.unwrap().unwrap();
    let live = cluster.read(&account.context, &address, by_hand).await.unwrap().unwrap();
    assert_eq!((&named.id, &named.spec, &named.outputs), (&live.id, &live.spec, &live.outputs));
    assert_eq!((live.spec["storage_gib"].as_u64(), &live.applied), (Some(20), &None));
    let tags = [(STACK, account.context.stack.as_str()), (ADDRESS, "cluster.old")];
    let outcome = Outcome { id: live.id.clone(), outputs: live.outputs.clone() };
    cluster.tag(&account.context, &outcome, &tags).await.unwrap();
    assert_eq!(account.find(&address, &json!({})).await[0].spec, live.spec);
    let other = Context { stack: "other".to_owned(), ..account.context.clone() };
    let refused = cluster.read(&other, &address, by_hand).await.unwrap_err().to_string();
    assert!(refused.contains("belongs to the stack kafka, as cluster.old"), "{refused}");
    account.delete("cluster.old", json!({})).await;

    account.delete("topic.iceberg_events", topic(6, 48)).await;
    account.delete("scram_association.main", association).await;
    account.delete("cluster.main", json!({})).await;
    account.delete("msk_configuration.main", json!({})).await;
}
