//! What MSK refuses of a cluster that is made or changed.

use serde_json::Value;

use super::{bad_request, configuration, need};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::services::ec2;
use crate::state::State;

/// Kafka versions that a new cluster may ask for.
pub(super) const VERSIONS: [&str; 12] = [
    "2.8.1",
    "3.3.2",
    "3.4.0",
    "3.5.1",
    "3.6.0",
    "3.7.x",
    "3.7.x.kraft",
    "3.8.x",
    "3.8.x.kraft",
    "3.9.x",
    "3.9.x.kraft",
    "4.0.x.kraft",
];
/// Where the account keeps log groups, by name.
const LOG_GROUPS: &str = "logs/group";

/// Refuses ways to log in that can't work with the encryption.
pub(super) fn check_security(provisioned: &Value) -> Result<(), AwsError> {
    let ways = &provisioned["clientAuthentication"];
    let sasl = ["iam", "scram"].iter().any(|way| ways["sasl"][way].flag("enabled") == Some(true));
    if sasl && provisioned["encryptionInfo"]["encryptionInTransit"]["clientBroker"] == "PLAINTEXT" {
        return Err(bad_request("clientBroker", "SASL authentication needs TLS between clients and brokers."));
    }
    Ok(())
}

/// Refuses levels that there aren't, and logs that go nowhere.
pub(super) fn check_monitoring(state: &State<'_>, input: &Value) -> Result<(), AwsError> {
    let levels = ["DEFAULT", "PER_BROKER", "PER_TOPIC_PER_BROKER", "PER_TOPIC_PER_PARTITION"];
    if let Some(level) = input.text("enhancedMonitoring").filter(|level| !levels.contains(level)) {
        return Err(bad_request("enhancedMonitoring", format!("Unsupported enhancedMonitoring [{level}].")));
    }
    if let Some(open) = input.member("openMonitoring") {
        for exporter in ["jmxExporter", "nodeExporter"] {
            let found = &open["prometheus"][exporter];
            if found.is_object() && found.flag("enabledInBroker").is_none() {
                return Err(bad_request(exporter, "enabledInBroker is required."));
            }
        }
    }
    let Some(logging) = input.member("loggingInfo") else { return Ok(()) };
    let logs = logging.member("brokerLogs").ok_or_else(|| bad_request("brokerLogs", "brokerLogs is required."))?;
    for (way, place) in [("cloudWatchLogs", "logGroup"), ("s3", "bucket"), ("firehose", "deliveryStream")] {
        let Some(found) = logs.member(way) else { continue };
        let enabled = found.flag("enabled").ok_or_else(|| bad_request(way, "enabled is required."))?;
        if enabled && found.text(place).is_none_or(str::is_empty) {
            return Err(bad_request(way, format!("{place} is required when {way} is enabled.")));
        }
    }
    let group = logs["cloudWatchLogs"].text("logGroup").filter(|group| state.get(LOG_GROUPS, group).is_none());
    match group {
        Some(group) => Err(bad_request("logGroup", format!("The log group {group} does not exist."))),
        None => Ok(()),
    }
}

pub(super) fn check_version(version: &str) -> Result<(), AwsError> {
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let known = VERSIONS.join(", ");
    Err(bad_request("kafkaVersion", format!("Unsupported KafkaVersion [{version}]. Valid values: [{known}]")))
}

pub(super) fn check_type(instance: &str) -> Result<(), AwsError> {
    let mut parts = instance.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("kafka" | "express"), Some(family), Some(size), None) if !family.is_empty() && !size.is_empty() => Ok(()),
        _ => Err(bad_request("instanceType", format!("Unsupported InstanceType [{instance}]."))),
    }
}

pub(super) fn check_count(count: i64, zones: i64) -> Result<(), AwsError> {
    if !(1..=15).contains(&count) {
        return Err(bad_request("numberOfBrokerNodes", "The number of broker nodes must be between 1 and 15."));
    }
    if count % zones != 0 {
        return Err(bad_request(
            "numberOfBrokerNodes",
            "The number of broker nodes must be a multiple of Availability Zones in the Client Subnets parameter.",
        ));
    }
    Ok(())
}

pub(super) fn check_network(state: &State<'_>, subnets: &[String], groups: &[String]) -> Result<(), AwsError> {
    if !(2..=3).contains(&subnets.len()) {
        return Err(bad_request("clientSubnets", "Specify either two or three client subnets."));
    }
    let mut zones = Vec::new();
    for subnet in subnets {
        let zone = ec2::zone_of(state, subnet);
        let zone = zone.ok_or_else(|| bad_request("clientSubnets", format!("The subnet {subnet} does not exist.")))?;
        if zones.contains(&zone) {
            return Err(bad_request("clientSubnets", "The client subnets must be in different Availability Zones."));
        }
        zones.push(zone);
    }
    match groups.iter().find(|group| !ec2::has_group(state, group)) {
        Some(group) => Err(bad_request("securityGroups", format!("The security group {group} does not exist."))),
        None => Ok(()),
    }
}

pub(super) fn check_configuration(state: &State<'_>, info: &Value) -> Result<(String, i64), AwsError> {
    let arn = need(info, "arn")?;
    let revision = info.number("revision").ok_or_else(|| bad_request("revision", "revision is required."))?;
    if configuration::has_revision(state, arn, revision) {
        return Ok((arn.to_owned(), revision));
    }
    Err(bad_request("configurationInfo", "The configuration or its revision does not exist."))
}
