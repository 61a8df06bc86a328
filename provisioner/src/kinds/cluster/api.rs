//! How MSK writes a cluster: the inputs of its calls and its descriptions.

use anyhow::{Result, bail};
use lakewright_aws::text;
use serde_json::{Value, json};

use super::{Authentication, Configuration, Logs, Spec};
use crate::kinds::wire::{flag, number, some_text, texts};

/// The least by which MSK grows a broker's storage, in GiB.
const SMALLEST_GROWTH: u32 = 10;

/// Why MSK wouldn't make a living cluster so.
pub(super) fn refusal(live: &Spec, spec: &Spec) -> Option<String> {
    // `3.9.x` is all of 3.9.
    let version = |text: &str| -> Vec<u32> { text.split('.').map_while(|part| part.parse().ok()).collect() };
    let (old, new) = (version(&live.kafka_version), version(&spec.kafka_version));
    let common = old.len().min(new.len());
    if new[..common] < old[..common] {
        return Some(format!(
            "MSK can't go back from Kafka {} to {}; leave the version as it is, or make a cluster of another name",
            live.kafka_version, spec.kafka_version
        ));
    }
    if spec.brokers < live.brokers {
        return Some(format!(
            "MSK takes away only brokers that hold no partitions, which a stack can't empty: it has {}, the stack says \
             {}; leave the number as it is",
            live.brokers, spec.brokers
        ));
    }
    if !spec.subnets.is_empty() && !(spec.brokers as usize).is_multiple_of(spec.subnets.len()) {
        return Some(format!(
            "MSK puts as many brokers into each of the {} subnets, and {} is no multiple of it; choose one",
            spec.subnets.len(),
            spec.brokers
        ));
    }
    if spec.storage_gib > live.storage_gib && spec.storage_gib - live.storage_gib < SMALLEST_GROWTH {
        return Some(format!(
            "MSK grows storage by {SMALLEST_GROWTH} GiB at least, and {} is less above {}; write {} or more",
            spec.storage_gib,
            live.storage_gib,
            live.storage_gib + SMALLEST_GROWTH
        ));
    }
    (live.configuration.is_some() && spec.configuration.is_none()).then(|| {
        "MSK can't take a configuration away from a cluster; give it one with the settings that you want".to_owned()
    })
}

/// The calls that bring the changed fields about, in the order in which they are made.
pub(super) fn changes(spec: &Spec, changed: &[String]) -> Result<Vec<(&'static str, Value)>> {
    let has = |names: &[&str]| changed.iter().any(|field| names.contains(&field.as_str()));
    let mut calls = Vec::new();
    if has(&["kafka_version"]) {
        let mut input = json!({"targetKafkaVersion": spec.kafka_version});
        if let Some(configuration) = &spec.configuration {
            input["configurationInfo"] = configuration.input()?;
        }
        calls.push(("UpdateClusterKafkaVersion", input));
    } else if has(&["configuration"]) {
        let Some(configuration) = &spec.configuration else {
            bail!("MSK can't take a configuration away from a cluster; give it one with the settings that you want");
        };
        calls.push(("UpdateClusterConfiguration", json!({"configurationInfo": configuration.input()?})));
    }
    if has(&["instance_type"]) {
        calls.push(("UpdateBrokerType", json!({"targetInstanceType": spec.instance_type})));
    }
    if has(&["brokers"]) {
        calls.push(("UpdateBrokerCount", json!({"targetNumberOfBrokerNodes": spec.brokers})));
    }
    if has(&["storage_gib"]) {
        let target = json!([{"kafkaBrokerNodeId": "All", "volumeSizeGB": spec.storage_gib}]);
        calls.push(("UpdateBrokerStorage", json!({"targetBrokerEBSVolumeInfo": target})));
    }
    if has(&["authentication", "client_encryption"]) {
        let mut input = json!({});
        if has(&["authentication"]) {
            input["clientAuthentication"] = spec.authentication.input();
        }
        if has(&["client_encryption"]) {
            input["encryptionInfo"] = json!({"encryptionInTransit": {"clientBroker": spec.client_encryption}});
        }
        calls.push(("UpdateSecurity", input));
    }
    if has(&["monitoring", "jmx_exporter", "node_exporter", "logs"]) {
        let input = json!({
            "enhancedMonitoring": spec.monitoring,
            "openMonitoring": spec.open_monitoring(),
            "loggingInfo": spec.logs.input(),
        });
        calls.push(("UpdateMonitoring", input));
    }
    Ok(calls)
}

impl Configuration {
    pub(super) fn input(&self) -> Result<Value> {
        let Ok(revision) = self.revision.parse::<u64>() else {
            bail!("`{}` is no revision of a configuration; revisions are whole numbers", self.revision)
        };
        Ok(json!({"arn": self.arn, "revision": revision}))
    }
}

impl Authentication {
    pub(super) fn input(&self) -> Value {
        let tls = !self.certificate_authorities.is_empty();
        json!({
            "sasl": {"scram": {"enabled": self.scram}, "iam": {"enabled": self.iam}},
            "tls": {"enabled": tls, "certificateAuthorityArnList": self.certificate_authorities},
            "unauthenticated": {"enabled": self.unauthenticated},
        })
    }
}

impl Logs {
    pub(super) fn input(&self) -> Value {
        let mut log_group = json!({"enabled": self.log_group.is_some()});
        if let Some(name) = &self.log_group {
            log_group["logGroup"] = json!(name);
        }
        let mut s3 = json!({"enabled": self.bucket.is_some()});
        for (name, value) in [("bucket", &self.bucket), ("prefix", &self.prefix)] {
            if let Some(value) = value {
                s3[name] = json!(value);
            }
        }
        json!({"brokerLogs": {"cloudWatchLogs": log_group, "firehose": {"enabled": false}, "s3": s3}})
    }
}

impl Spec {
    pub(super) fn open_monitoring(&self) -> Value {
        json!({"prometheus": {
            "jmxExporter": {"enabledInBroker": self.jmx_exporter},
            "nodeExporter": {"enabledInBroker": self.node_exporter},
        }})
    }
}

/// The spec that a cluster's description says.
pub(super) fn read(cluster: &Value) -> Spec {
    let provisioned = &cluster["provisioned"];
    let nodes = &provisioned["brokerNodeGroupInfo"];
    let software = &provisioned["currentBrokerSoftwareInfo"];
    let authentication = &provisioned["clientAuthentication"];
    let encryption = &provisioned["encryptionInfo"];
    let exporters = &provisioned["openMonitoring"]["prometheus"];
    let logs = &provisioned["loggingInfo"]["brokerLogs"];
    let log = |way: &str, name: &str| some_text(&logs[way], name).filter(|_| flag(&logs[way], "enabled"));
    let named = |value: &Value| value.as_str().map(|text| json!(text)).unwrap_or_default();
    let tls = &authentication["tls"];
    let authorities = "certificateAuthorityArnList";
    Spec {
        name: text(cluster, "clusterName").to_owned(),
        kafka_version: text(software, "kafkaVersion").to_owned(),
        brokers: number(provisioned, "numberOfBrokerNodes"),
        instance_type: text(nodes, "instanceType").to_owned(),
        subnets: texts(nodes, "clientSubnets"),
        security_groups: texts(nodes, "securityGroups"),
        storage_gib: number(&nodes["storageInfo"]["ebsStorageInfo"], "volumeSize"),
        configuration: some_text(software, "configurationArn")
            .map(|arn| Configuration { arn, revision: number(software, "configurationRevision").to_string() }),
        authentication: Authentication {
            scram: flag(&authentication["sasl"]["scram"], "enabled"),
            iam: flag(&authentication["sasl"]["iam"], "enabled"),
            certificate_authorities: if flag(tls, "enabled") { texts(tls, authorities) } else { Vec::new() },
            unauthenticated: flag(&authentication["unauthenticated"], "enabled"),
        },
        encryption_key: text(&encryption["encryptionAtRest"], "dataVolumeKMSKeyId").to_owned(),
        client_encryption: serde_json::from_value(named(&encryption["encryptionInTransit"]["clientBroker"]))
            .unwrap_or_default(),
        broker_encryption: flag(&encryption["encryptionInTransit"], "inCluster"),
        monitoring: serde_json::from_value(named(&provisioned["enhancedMonitoring"])).unwrap_or_default(),
        jmx_exporter: flag(&exporters["jmxExporter"], "enabledInBroker"),
        node_exporter: flag(&exporters["nodeExporter"], "enabledInBroker"),
        logs: Logs {
            log_group: log("cloudWatchLogs", "logGroup"),
            bucket: log("s3", "bucket"),
            prefix: log("s3", "prefix"),
        },
    }
}

#[cfg(test)]
mod tests {
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
        let refused = |new: Spec| refusal(&spec("3.9.x", 4, 100), &new).unwrap_or_default();
        assert!(refused(spec("3.8.x", 4, 100)).contains("can't go back from Kafka 3.9.x to 3.8.x"));
        assert_eq!(refused(spec("3.10.x", 4, 100)), "");
        assert_eq!(refused(spec("3.9.0", 4, 100)), "");
        assert!(refused(spec("3.9.x", 2, 100)).contains("hold no partitions"));
        assert!(refused(spec("3.9.x", 5, 100)).contains("no multiple"));
        assert!(refused(spec("3.9.x", 4, 105)).contains("write 110 or more"));
        assert_eq!(refused(spec("3.9.x", 4, 80)), "", "storage is a floor");
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
            changes(&spec, &fields).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(calls(&["kafka_version", "configuration"]), ["UpdateClusterKafkaVersion"]);
        assert_eq!(calls(&["authentication", "client_encryption"]), ["UpdateSecurity"]);
        assert_eq!(
            calls(&["logs", "storage_gib", "monitoring", "brokers"]),
            ["UpdateBrokerCount", "UpdateBrokerStorage", "UpdateMonitoring"]
        );
    }
}
