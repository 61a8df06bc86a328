//! How MSK writes a cluster: the inputs of its calls and its descriptions.

use anyhow::{Result, bail};
use aws_sdk_kafka::types::builders::EncryptionInTransitBuilder;
use aws_sdk_kafka::types::{
    BrokerAzDistribution, BrokerLogs, BrokerNodeGroupInfo, BrokerSoftwareInfo, ClientAuthentication, CloudWatchLogs,
    Cluster, ConfigurationInfo, EbsStorageInfo, EncryptionAtRest, EncryptionInTransit, EncryptionInfo,
    EnhancedMonitoring, Firehose, Iam, JmxExporterInfo, LoggingInfo, NodeExporterInfo, OpenMonitoringInfo,
    PrometheusInfo, Provisioned, ProvisionedRequest, S3, Sasl, Scram, StorageInfo, Tls, Unauthenticated,
};
use lakewright_aws::Needed as _;

use super::{Authentication, ClientEncryption, Configuration, Logs, Monitoring, Spec};
use crate::kind::Departure;
use crate::kinds::msk::{self, ways};

impl Spec {
    /// The cluster as its create call takes it.
    pub(super) fn provisioned(&self) -> Result<ProvisionedRequest> {
        let volume = EbsStorageInfo::builder().volume_size(i32::try_from(self.storage_gib)?).build();
        let nodes = BrokerNodeGroupInfo::builder()
            .broker_az_distribution(BrokerAzDistribution::Default)
            .set_client_subnets(Some(self.subnets.iter().map(ToString::to_string).collect()))
            .instance_type(self.instance_type.as_str())
            .set_security_groups(Some(self.security_groups.iter().map(ToString::to_string).collect()))
            .storage_info(StorageInfo::builder().ebs_storage_info(volume).build());
        let transit = self.client_encryption.in_transit().in_cluster(self.broker_encryption);
        let rest = EncryptionAtRest::builder().data_volume_kms_key_id(self.encryption_key.as_str());
        let encryption =
            EncryptionInfo::builder().encryption_at_rest(rest.build()).encryption_in_transit(transit.build());
        let request = ProvisionedRequest::builder()
            .broker_node_group_info(nodes.build())
            .client_authentication(self.authentication.input())
            .encryption_info(encryption.build())
            .enhanced_monitoring(self.monitoring.input())
            .open_monitoring(self.open_monitoring())
            .logging_info(self.logs.input())
            .kafka_version(&self.kafka_version)
            .number_of_broker_nodes(i32::try_from(self.brokers)?)
            .set_configuration_info(self.configuration.as_ref().map(Configuration::input).transpose()?);
        Ok(request.build())
    }

    pub(super) fn open_monitoring(&self) -> OpenMonitoringInfo {
        let prometheus = PrometheusInfo::builder()
            .jmx_exporter(JmxExporterInfo::builder().enabled_in_broker(self.jmx_exporter).build())
            .node_exporter(NodeExporterInfo::builder().enabled_in_broker(self.node_exporter).build());
        OpenMonitoringInfo::builder().prometheus(prometheus.build()).build()
    }
}

impl Configuration {
    pub(super) fn input(&self) -> Result<ConfigurationInfo> {
        let Some(revision) = self.revision.parse::<i64>().ok().filter(|revision| *revision >= 0) else {
            bail!("`{}` is no revision of a configuration; revisions are whole numbers", self.revision)
        };
        Ok(ConfigurationInfo::builder().arn(&self.arn).revision(revision).build())
    }
}

impl Authentication {
    pub(super) fn input(&self) -> ClientAuthentication {
        let sasl = Sasl::builder()
            .scram(Scram::builder().enabled(self.scram).build())
            .iam(Iam::builder().enabled(self.iam).build());
        let tls = Tls::builder()
            .enabled(!self.certificate_authorities.is_empty())
            .set_certificate_authority_arn_list(Some(self.certificate_authorities.clone()));
        ClientAuthentication::builder()
            .sasl(sasl.build())
            .tls(tls.build())
            .unauthenticated(Unauthenticated::builder().enabled(self.unauthenticated).build())
            .build()
    }
}

impl ClientEncryption {
    /// What is allowed between clients and brokers, alone.
    pub(super) fn in_transit(&self) -> EncryptionInTransitBuilder {
        EncryptionInTransit::builder().client_broker(self.to_string().as_str().into())
    }
}

impl Monitoring {
    pub(super) fn input(&self) -> EnhancedMonitoring {
        self.to_string().as_str().into()
    }
}

impl Logs {
    pub(super) fn input(&self) -> LoggingInfo {
        let log_group =
            CloudWatchLogs::builder().enabled(self.log_group.is_some()).set_log_group(self.log_group.clone());
        let bucket = S3::builder()
            .enabled(self.bucket.is_some())
            .set_bucket(self.bucket.clone())
            .set_prefix(self.prefix.clone());
        let logs = BrokerLogs::builder()
            .cloud_watch_logs(log_group.build())
            .firehose(Firehose::builder().enabled(false).build())
            .s3(bucket.build());
        LoggingInfo::builder().broker_logs(logs.build()).build()
    }
}

/// The spec that a cluster's description says. What AWS's model calls optional in it may be absent as long as the cluster
/// is being made, or stand for MSK's default.
pub(super) fn read(cluster: &Cluster) -> Result<Spec> {
    let provisioned = cluster.provisioned().needed("kafka", "Cluster.Provisioned")?;
    let nodes = provisioned.broker_node_group_info().needed("kafka", "Provisioned.BrokerNodeGroupInfo")?;
    let brokers = provisioned.number_of_broker_nodes().filter(|number| *number > 0);
    // Express brokers have no volumes.
    let volume = || nodes.storage_info()?.ebs_storage_info()?.volume_size();
    let software = provisioned.current_broker_software_info();
    let encryption = provisioned.encryption_info();
    let transit = || encryption?.encryption_in_transit();
    let key = || encryption?.encryption_at_rest()?.data_volume_kms_key_id();
    let exporters = || provisioned.open_monitoring()?.prometheus();
    let kafka_version = software.and_then(BrokerSoftwareInfo::kafka_version).unwrap_or_default();
    Ok(Spec {
        name: msk::name(cluster)?.into(),
        kafka_version: kafka_version.to_owned(),
        brokers: u32::try_from(brokers.needed("kafka", "Provisioned.NumberOfBrokerNodes")?)?,
        instance_type: nodes
            .instance_type()
            .unwrap_or_default()
            .needed("kafka", "BrokerNodeGroupInfo.InstanceType")?
            .into(),
        subnets: nodes.client_subnets().iter().cloned().map(Into::into).collect(),
        security_groups: nodes.security_groups().iter().cloned().map(Into::into).collect(),
        storage_gib: u32::try_from(volume().unwrap_or_default())?,
        configuration: configuration(provisioned)?,
        authentication: authentication(cluster, provisioned),
        encryption_key: key().unwrap_or_default().into(),
        client_encryption: transit().and_then(|one| one.client_broker()?.as_str().parse().ok()).unwrap_or_default(),
        broker_encryption: transit().and_then(EncryptionInTransit::in_cluster).unwrap_or(true),
        monitoring: provisioned.enhanced_monitoring().and_then(|one| one.as_str().parse().ok()).unwrap_or_default(),
        jmx_exporter: exporters().and_then(|one| one.jmx_exporter()?.enabled_in_broker()).unwrap_or_default(),
        node_exporter: exporters().and_then(|one| one.node_exporter()?.enabled_in_broker()).unwrap_or_default(),
        logs: logs(provisioned),
    })
}

/// What of a cluster is otherwise than in all that are made here.
pub(super) fn departures(cluster: &Cluster) -> Vec<Departure> {
    let logs = cluster.provisioned().and_then(|one| one.logging_info()?.broker_logs());
    let firehose = logs.and_then(|logs| logs.firehose()?.enabled()).unwrap_or_default();
    Departure::of("logs.firehose", firehose, false).into_iter().collect()
}

/// The revision that the brokers run with; none if it is MSK's default settings.
fn configuration(provisioned: &Provisioned) -> Result<Option<Configuration>> {
    let software = provisioned.current_broker_software_info();
    let Some((software, arn)) = software.and_then(|software| Some((software, software.configuration_arn()?))) else {
        return Ok(None);
    };
    if arn.is_empty() {
        return Ok(None);
    }
    let revision = software.configuration_revision().needed("kafka", "BrokerSoftwareInfo.ConfigurationRevision")?;
    Ok(Some(Configuration { arn: arn.to_owned(), revision: revision.to_string() }))
}

fn authentication(cluster: &Cluster, provisioned: &Provisioned) -> Authentication {
    let tls = provisioned.client_authentication().and_then(ClientAuthentication::tls);
    let authorities = tls.filter(|_| ways::certificates(cluster)).map(Tls::certificate_authority_arn_list);
    Authentication {
        scram: ways::scram(cluster),
        iam: ways::iam(cluster),
        certificate_authorities: authorities.unwrap_or_default().to_vec(),
        unauthenticated: ways::unauthenticated(cluster),
    }
}

fn logs(provisioned: &Provisioned) -> Logs {
    let logs = provisioned.logging_info().and_then(LoggingInfo::broker_logs);
    let log_group = logs.and_then(BrokerLogs::cloud_watch_logs).filter(|one| one.enabled() == Some(true));
    let s3 = logs.and_then(BrokerLogs::s3).filter(|one| one.enabled() == Some(true));
    let said = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Logs {
        log_group: said(log_group.and_then(CloudWatchLogs::log_group)),
        bucket: said(s3.and_then(S3::bucket)),
        prefix: said(s3.and_then(S3::prefix)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What MSK describes once it has made a cluster as asked.
    fn made(spec: &Spec) -> Cluster {
        let asked = spec.provisioned().expect("it fits");
        let configuration = asked.configuration_info();
        let software = BrokerSoftwareInfo::builder()
            .kafka_version(&spec.kafka_version)
            .set_configuration_arn(configuration.and_then(|one| one.arn.clone()))
            .set_configuration_revision(configuration.and_then(ConfigurationInfo::revision));
        let described = Provisioned::builder()
            .set_broker_node_group_info(asked.broker_node_group_info)
            .set_client_authentication(asked.client_authentication)
            .set_encryption_info(asked.encryption_info)
            .set_enhanced_monitoring(asked.enhanced_monitoring)
            .set_open_monitoring(asked.open_monitoring)
            .set_logging_info(asked.logging_info)
            .set_number_of_broker_nodes(asked.number_of_broker_nodes)
            .current_broker_software_info(software.build());
        Cluster::builder().cluster_name(spec.name.as_str()).provisioned(described.build()).build()
    }

    #[test]
    fn what_is_asked_is_what_is_read() {
        let plain = json!({
            "name": "shop", "kafka_version": "3.9.x", "brokers": 2, "instance_type": "kafka.m7g.large",
            "subnets": ["subnet-1", "subnet-2"], "security_groups": ["sg-1"], "storage_gib": 100,
            "authentication": {"scram": true}, "encryption_key": "arn:k",
        });
        let mut full = plain.clone();
        for (name, value) in [
            ("configuration", json!({"arn": "arn:c", "revision": "2"})),
            ("authentication", json!({"iam": true, "certificate_authorities": ["arn:ca"], "unauthenticated": true})),
            ("client_encryption", json!("TLS_PLAINTEXT")),
            ("broker_encryption", json!(false)),
            ("monitoring", json!("PER_TOPIC_PER_PARTITION")),
            ("jmx_exporter", json!(true)),
            ("logs", json!({"log_group": "brokers", "bucket": "logs", "prefix": "msk/"})),
        ] {
            full[name] = value;
        }
        for spec in [plain, full] {
            let spec: Spec = serde_json::from_value(spec).expect("a spec");
            assert_eq!(read(&made(&spec)).expect("all that is needed is there"), spec);
        }
    }

    #[test]
    fn what_a_cluster_must_say_is_missed_by_name() {
        let cluster = Cluster::builder().cluster_name("shop").provisioned(Provisioned::builder().build()).build();
        let error = read(&cluster).expect_err("it has no brokers").to_string();
        assert!(error.contains("Provisioned.BrokerNodeGroupInfo"), "{error}");
    }

    #[test]
    fn revisions_are_whole_numbers() {
        let configuration = |revision: &str| Configuration { arn: "arn:c".to_owned(), revision: revision.to_owned() };
        assert_eq!(configuration("3").input().expect("a number").revision(), Some(3));
        for revision in ["", "-1", "1.5", "latest"] {
            assert!(configuration(revision).input().is_err(), "{revision}");
        }
    }
}
