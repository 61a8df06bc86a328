//! What agents make sure of on a cluster whose topics nobody else can make.

use std::collections::BTreeMap;
use std::time::Duration;

use lakewright_config::{KafkaConnection, KafkaTopic};
use lakewright_runtime::kafka::{client_config, describe, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

fn topic(partitions: u32, settings: &[(&str, &str)]) -> KafkaTopic {
    let configuration: BTreeMap<String, String> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    KafkaTopic { name: "facts".to_owned(), partitions, configuration }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_grown_and_configured_and_left_alone_when_they_are_right() {
    let data = tempfile::tempdir().expect("a directory");
    let kafka = lakewright_kafka::serve(lakewright_kafka::Config::new(data.path())).await.expect("serves");
    let access = client_config(&KafkaConnection::plaintext(kafka.address().to_string())).await.expect("configured");
    let admin: AdminClient<DefaultClientContext> = access.create().expect("an admin client");
    let setting = async |name: &str| {
        let found = admin.describe_configs([&ResourceSpecifier::Topic("facts")], &AdminOptions::new()).await;
        let found = found.expect("answered").remove(0).expect("described");
        found.get(name).and_then(|entry| entry.value.clone()).expect("a value")
    };
    let identity = async || {
        let found = describe(&access, &["facts".to_owned()], Duration::from_secs(10)).await.expect("described");
        let found = &found.topics["facts"];
        (found.id, found.partitions.len())
    };

    // Two agents begin at once.
    let wanted = [topic(2, &[("retention.ms", "3600000")])];
    let (one, other) = tokio::join!(ensure(&access, &wanted), ensure(&access, &wanted));
    one.and(other).expect("made once");
    let (id, partitions) = identity().await;
    assert_eq!(partitions, 2);
    assert_eq!(setting("retention.ms").await, "3600000");

    let settings = [("retention.ms", "7200000"), ("max.message.bytes", "2000000")];
    ensure(&access, &[topic(3, &settings)]).await.expect("changed");
    assert_eq!(identity().await, (id, 3), "it is the same topic");
    assert_eq!(setting("max.message.bytes").await, "2000000");

    // What isn't named stays, and nothing is taken away.
    ensure(&access, &[topic(1, &[("retention.ms", "7200000")])]).await.expect("nothing to do");
    assert_eq!(identity().await, (id, 3));
    assert_eq!(setting("max.message.bytes").await, "2000000");

    let refused = ensure(&access, &[topic(3, &[("cleanup.policy", "compact")])]).await.expect_err("too late");
    assert!(refused.to_string().contains("cleanup.policy=delete"), "{refused:#}");
    let refused = ensure(&access, &[topic(3, &[("max.message.bytes", "many")])]).await.expect_err("no number");
    assert!(format!("{refused:#}").contains("facts"), "{refused:#}");
}
