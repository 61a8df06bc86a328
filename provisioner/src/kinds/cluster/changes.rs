//! What MSK changes of a cluster, one call for each, and what it never does.

use anyhow::{Result, bail};
use aws_sdk_kafka::types::{
    BrokerEbsVolumeInfo, ClientAuthentication, Cluster, ConfigurationInfo, EncryptionInfo, EnhancedMonitoring,
    LoggingInfo, OpenMonitoringInfo,
};
use lakewright_aws::{Error, ask};

use super::{BrokerType, Configuration, Spec};
use crate::kind::Context;
use crate::resource::Obstacle;
use crate::services::Services as _;

/// The least by which MSK grows a broker's storage, in GiB.
const SMALLEST_GROWTH: u32 = 10;

/// Why MSK wouldn't make a living cluster so, and what to write instead.
pub(super) fn refusal(live: &Spec, spec: &Spec) -> Option<Obstacle> {
    // `3.9.x` is all of 3.9.
    let version = |text: &str| -> Vec<u32> { text.split('.').map_while(|part| part.parse().ok()).collect() };
    let (old, new) = (version(&live.kafka_version), version(&spec.kafka_version));
    let common = old.len().min(new.len());
    if new[..common] < old[..common] {
        return Some(Obstacle::new(
            format!("MSK can't go back from Kafka {} to {}", live.kafka_version, spec.kafka_version),
            format!("write `kafka_version = \"{}\"`, or give the cluster another `name`", live.kafka_version),
        ));
    }
    if spec.brokers < live.brokers {
        return Some(Obstacle::new(
            format!(
                "MSK takes away only brokers that hold no partitions, which a stack can't empty: it has {}, the stack \
                 says {}",
                live.brokers, spec.brokers
            ),
            format!("write `brokers = {}`", live.brokers),
        ));
    }
    if !spec.subnets.is_empty() && !(spec.brokers as usize).is_multiple_of(spec.subnets.len()) {
        let each = spec.brokers as usize / spec.subnets.len() + 1;
        return Some(Obstacle::new(
            format!(
                "MSK puts as many brokers into each of the {} subnets, and {} is no multiple of it",
                spec.subnets.len(),
                spec.brokers
            ),
            format!("write `brokers = {}`", each * spec.subnets.len()),
        ));
    }
    if spec.storage_gib > live.storage_gib && spec.storage_gib - live.storage_gib < SMALLEST_GROWTH {
        return Some(Obstacle::new(
            format!(
                "MSK grows storage by {SMALLEST_GROWTH} GiB at least, and {} is less above {}",
                spec.storage_gib, live.storage_gib
            ),
            format!("write `storage_gib = {}` or more", live.storage_gib + SMALLEST_GROWTH),
        ));
    }
    (live.configuration.is_some() && spec.configuration.is_none()).then(|| {
        Obstacle::new(
            "MSK can't take a configuration away from a cluster",
            "give it one with the settings that you want",
        )
    })
}

/// A change that MSK makes by one call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// Another version of Kafka, and the settings that go with it.
    KafkaVersion(String, Option<ConfigurationInfo>),
    /// Other settings.
    Configuration(ConfigurationInfo),
    /// Brokers of another instance type.
    BrokerType(BrokerType),
    /// So many brokers.
    BrokerCount(i32),
    /// So many GiB of storage for each broker.
    BrokerStorage(i32),
    /// Other ways of logging in, another encryption, or both.
    Security(Option<ClientAuthentication>, Option<EncryptionInfo>),
    /// Other metrics and logs.
    Monitoring(EnhancedMonitoring, OpenMonitoringInfo, LoggingInfo),
}

impl Change {
    /// The change with what it would take away of a cluster: MSK takes the logs whole, and what no spec says of them stays as
    /// somebody made it.
    pub(super) fn keeping(mut self, live: &Cluster) -> Self {
        if let Self::Monitoring(_, _, logs) = &mut self {
            let live = live.provisioned().and_then(|provisioned| provisioned.logging_info());
            logs.authorizer_logs = live.and_then(|logs| logs.authorizer_logs.clone());
        }
        self
    }

    /// Asks MSK for the change of the cluster whose current version is known.
    pub(super) async fn send(self, context: &Context, arn: &str, version: &str) -> Result<(), Error> {
        let kafka = context.aws.kafka();
        match self {
            Self::KafkaVersion(target, configuration) => {
                let call = kafka.update_cluster_kafka_version().cluster_arn(arn).current_version(version);
                let call = call.target_kafka_version(target).set_configuration_info(configuration);
                ask(call.send()).await.map(drop)
            }
            Self::Configuration(configuration) => {
                let call = kafka.update_cluster_configuration().cluster_arn(arn).current_version(version);
                ask(call.configuration_info(configuration).send()).await.map(drop)
            }
            Self::BrokerType(instance_type) => {
                let call = kafka.update_broker_type().cluster_arn(arn).current_version(version);
                ask(call.target_instance_type(instance_type).send()).await.map(drop)
            }
            Self::BrokerCount(count) => {
                let call = kafka.update_broker_count().cluster_arn(arn).current_version(version);
                ask(call.target_number_of_broker_nodes(count).send()).await.map(drop)
            }
            Self::BrokerStorage(gib) => {
                let all = BrokerEbsVolumeInfo::builder().kafka_broker_node_id("All").volume_size_gb(gib).build();
                let call = kafka.update_broker_storage().cluster_arn(arn).current_version(version);
                ask(call.target_broker_ebs_volume_info(all).send()).await.map(drop)
            }
            Self::Security(authentication, encryption) => {
                let call = kafka.update_security().cluster_arn(arn).current_version(version);
                let call = call.set_client_authentication(authentication).set_encryption_info(encryption);
                ask(call.send()).await.map(drop)
            }
            Self::Monitoring(level, open, logs) => {
                let call = kafka.update_monitoring().cluster_arn(arn).current_version(version);
                let call = call.enhanced_monitoring(level).open_monitoring(open).logging_info(logs);
                ask(call.send()).await.map(drop)
            }
        }
    }
}

/// The calls that bring the changed fields about, in the order in which they are made.
pub(super) fn changes(spec: &Spec, changed: &[String]) -> Result<Vec<Change>> {
    let has = |names: &[&str]| changed.iter().any(|field| names.contains(&field.as_str()));
    let mut calls = Vec::new();
    if has(&["kafka_version"]) {
        let configuration = spec.configuration.as_ref().map(Configuration::input).transpose()?;
        calls.push(Change::KafkaVersion(spec.kafka_version.clone(), configuration));
    } else if has(&["configuration"]) {
        let Some(configuration) = &spec.configuration else {
            bail!("MSK can't take a configuration away from a cluster; give it one with the settings that you want");
        };
        calls.push(Change::Configuration(configuration.input()?));
    }
    if has(&["instance_type"]) {
        calls.push(Change::BrokerType(spec.instance_type.clone()));
    }
    if has(&["brokers"]) {
        calls.push(Change::BrokerCount(i32::try_from(spec.brokers)?));
    }
    if has(&["storage_gib"]) {
        calls.push(Change::BrokerStorage(i32::try_from(spec.storage_gib)?));
    }
    if has(&["authentication", "client_encryption"]) {
        let authentication = has(&["authentication"]).then(|| spec.authentication.input());
        let encryption =
            || EncryptionInfo::builder().encryption_in_transit(spec.client_encryption.in_transit().build());
        calls.push(Change::Security(authentication, has(&["client_encryption"]).then(|| encryption().build())));
    }
    if has(&["monitoring", "jmx_exporter", "node_exporter", "logs"]) {
        calls.push(Change::Monitoring(spec.monitoring.input(), spec.open_monitoring(), spec.logs.input()));
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use aws_sdk_kafka::types::{AuthorizerLogs, Provisioned};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_msk_never_does_is_refused() {
        let spec = |version: &str, brokers: u32, storage: u32| -> Spec {
            serde_json::from_value(json!({
                "name": "shop", "kafka_version": version, "brokers": brokers, "instance_type": "kafka.m7g.large",
                "subnets": ["subnet-1", "subnet-2"], "security_groups": [], "storage_gib": storage,
                "authentication": {"scram": true}, "encryption_key": "arn:k",
            }))
            .unwrap()
        };
        let refused = |new: Spec| {
            let obstacle = refusal(&spec("3.9.x", 4, 100), &new);
            obstacle.map(|one| format!("{}; {}", one.reason, one.fix)).unwrap_or_default()
        };
        assert!(refused(spec("3.8.x", 4, 100)).contains("can't go back from Kafka 3.9.x to 3.8.x"));
        assert_eq!(refused(spec("3.10.x", 4, 100)), "");
        assert_eq!(refused(spec("3.9.0", 4, 100)), "");
        assert!(refused(spec("3.9.x", 2, 100)).contains("hold no partitions"));
        assert!(refused(spec("3.9.x", 5, 100)).contains("no multiple"));
        assert!(refused(spec("3.9.x", 5, 100)).contains("write `brokers = 6`"));
        assert!(refused(spec("3.9.x", 4, 105)).contains("write `storage_gib = 110` or more"));
        assert_eq!(refused(spec("3.9.x", 4, 80)), "", "storage is a floor");
    }

    #[test]
    fn other_logs_of_a_cluster_stay() {
        let authorizer = AuthorizerLogs::builder().build();
        let logs = LoggingInfo::builder().authorizer_logs(authorizer.clone()).build();
        let provisioned = Provisioned::builder().logging_info(logs).build();
        let live = Cluster::builder().provisioned(provisioned).build();
        let open = OpenMonitoringInfo::builder().build();
        let change = Change::Monitoring(EnhancedMonitoring::Default, open, LoggingInfo::builder().build());
        let Change::Monitoring(_, _, logs) = change.keeping(&live) else { panic!("another change") };
        assert_eq!(logs.authorizer_logs, Some(authorizer));
    }

    #[test]
    fn each_change_is_one_call() {
        let spec: Spec = serde_json::from_value(json!({
            "name": "shop", "kafka_version": "3.9.x", "brokers": 4, "instance_type": "kafka.m7g.large", "subnets": [],
            "security_groups": [], "storage_gib": 40, "configuration": {"arn": "arn:c", "revision": "2"},
            "authentication": {"scram": true}, "encryption_key": "arn:k",
        }))
        .unwrap();
        let calls = |fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
            changes(&spec, &fields).unwrap()
        };
        let configuration = ConfigurationInfo::builder().arn("arn:c").revision(2).build();
        let version = Change::KafkaVersion("3.9.x".to_owned(), Some(configuration.clone()));
        assert_eq!(calls(&["kafka_version", "configuration"]), [version]);
        assert_eq!(calls(&["configuration"]), [Change::Configuration(configuration)]);
        let both = calls(&["authentication", "client_encryption"]);
        assert!(matches!(both[..], [Change::Security(Some(_), Some(_))]), "{both:?}");
        let one = calls(&["authentication"]);
        assert!(matches!(one[..], [Change::Security(Some(_), None)]), "{one:?}");
        let several = calls(&["logs", "storage_gib", "monitoring", "brokers"]);
        assert!(
            matches!(several[..], [Change::BrokerCount(4), Change::BrokerStorage(40), Change::Monitoring(..)]),
            "{several:?}"
        );
    }
}
