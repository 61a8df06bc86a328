//! Checks of the Kafka cluster, whoever runs it.

use std::ops::Range;

use lakewright_config::agents::{Agent, Need};
use lakewright_iam::Arn;

use super::Checker;
use crate::kinds::msk_configuration::CLOSING;
use crate::stack::diagnostics::{Diagnostic, suggest};
use crate::stack::kafka::{Authentication, ClusterType, ExistingCluster, Kafka};

/// The brokers' instance types that MSK offers for provisioned clusters.
const BROKERS: [&str; 17] = [
    "kafka.t3.small",
    "kafka.m5.large",
    "kafka.m5.xlarge",
    "kafka.m5.2xlarge",
    "kafka.m5.4xlarge",
    "kafka.m5.8xlarge",
    "kafka.m5.12xlarge",
    "kafka.m5.16xlarge",
    "kafka.m5.24xlarge",
    "kafka.m7g.large",
    "kafka.m7g.xlarge",
    "kafka.m7g.2xlarge",
    "kafka.m7g.4xlarge",
    "kafka.m7g.8xlarge",
    "kafka.m7g.12xlarge",
    "kafka.m7g.16xlarge",
    "kafka.m7g.24xlarge",
];
/// Where MSK doesn't grow storage by itself.
const WITHOUT_SCALING: [&str; 3] = ["ap-northeast-3", "af-south-1", "ap-southeast-5"];
/// The ports of MSK's brokers by way of logging in, within the network and from the internet.
const PORTS: [(Authentication, [u16; 2]); 3] =
    [(Authentication::Iam, [9098, 9198]), (Authentication::Scram, [9096, 9196]), (Authentication::None, [9094, 9194])];

impl Checker<'_> {
    pub(super) fn kafka(&mut self) {
        let Some(kafka) = &self.file.kafka else { return };
        self.ways(kafka);
        if let Some(existing) = &kafka.existing {
            self.existing(kafka, existing);
            return;
        }
        let network = &self.file.network;
        if network.zones.sound && network.zone_letters().len() == 1 {
            self.push(
                Diagnostic::new(network.zones_span(), "MSK needs at least two zones", "only one")
                    .help("name two or three zones"),
            );
        }
        if !kafka.r#type.sound {
            return;
        }
        match *kafka.r#type {
            ClusterType::Provisioned => self.provisioned(kafka),
            ClusterType::Serverless => {
                for (name, span) in shaping(kafka) {
                    let title = format!("`{name}` has no use on a serverless cluster");
                    self.push(Diagnostic::new(span, title, "MSK sees to it by itself").help("remove the line"));
                }
            }
        }
    }

    fn provisioned(&mut self, kafka: &Kafka) {
        if kafka.version.sound
            && let Some((label, help)) = version_mistake(&kafka.version)
        {
            let title = format!("Kafka's version can't be `{}`", kafka.version.value);
            self.push(Diagnostic::new(kafka.version.span.clone(), title, label).help(help));
        }
        if kafka.instance_type.sound && !BROKERS.contains(&kafka.instance_type.as_str()) {
            let title = format!("MSK has no brokers of type `{}`", kafka.instance_type.value);
            self.push(Diagnostic::new(kafka.instance_type.span.clone(), title, "no such type").help(suggest(
                &kafka.instance_type,
                BROKERS,
                "types",
            )));
        }
        let zones = self.file.network.zone_letters().len().min(3) as u64;
        if kafka.brokers.sound && zones > 1 && !(**kafka.brokers).is_multiple_of(zones) {
            let title = format!("{} brokers can't be spread over {zones} zones", **kafka.brokers);
            self.push(
                Diagnostic::new(kafka.brokers.span_or(&kafka.span), title, format!("must be a multiple of {zones}"))
                    .help(match **kafka.brokers / zones {
                        0 => format!("write {zones}"),
                        fewer => format!("write {} or {}", fewer * zones, (fewer + 1) * zones),
                    }),
            );
        }
        let setting = kafka.configuration.iter().find(|entry| entry.name == CLOSING);
        if let Some(entry) = setting.filter(|entry| !["true", "false"].contains(&entry.value.0.as_str())) {
            let title = format!("`{CLOSING}` can't be `{}`", entry.value.0);
            self.push(
                Diagnostic::new(entry.value.span.clone(), title, "Kafka takes everything but `true` for `false`").help(
                    "write \"false\" to close the cluster to everybody whom no access control list names, or \"true\"",
                ),
            );
        }
        self.own_key(&kafka.key, &kafka.span);
        self.scaling(kafka);
        if let Some(bucket) = &kafka.log_bucket {
            self.refer("bucket", "buckets", &self.file.buckets, bucket, &kafka.span);
            let section = self.file.buckets.get(bucket);
            if let Some(key) = section.and_then(|section| section.value.key.as_ref()).filter(|_| bucket.sound) {
                let title = format!("the brokers' logs can't be written to the bucket `{}`", bucket.value);
                let label = format!("encrypted by the key `{}`", key.value);
                self.push(
                    Diagnostic::new(bucket.span.clone(), title, label)
                        .help("the service that delivers logs may not use the stack's keys: name a bucket without one"),
                );
            }
        }
    }

    /// What MSK grows by itself.
    fn scaling(&mut self, kafka: &Kafka) {
        let Some(most) = kafka.storage_max_gib.as_ref() else {
            if kafka.storage_target.written() {
                let title = "`storage_target` has no use without `storage_max_gib`";
                self.push(
                    Diagnostic::new(kafka.storage_target.span.clone(), title, "nothing grows")
                        .help("say how far storage may grow, `storage_max_gib = 1000`, or remove the line"),
                );
            }
            return;
        };
        if most.sound && kafka.storage_gib.sound && most.0 <= kafka.storage_gib.0 {
            let title = format!("storage can't grow from {} GiB to {} GiB", kafka.storage_gib.0, most.0);
            self.push(
                Diagnostic::new(most.span.clone(), title, "must be more than `storage_gib`")
                    .help("raise it, or remove the line if storage is not to grow by itself"),
            );
        }
        let region = self.file.stack.region.as_ref().map(|region| region.value.as_str());
        if let Some(region) = region.filter(|region| WITHOUT_SCALING.contains(region)) {
            let title = format!("MSK doesn't grow storage by itself in {region}");
            self.push(Diagnostic::new(most.span.clone(), title, "not offered there").help("remove the line"));
        }
    }

    /// The ways to log in, and the secret that one of them takes.
    fn ways(&mut self, kafka: &Kafka) {
        let written = kafka.authentication.as_ref();
        if written.is_some_and(|ways| !ways.sound) {
            return;
        }
        let place = written.map_or_else(|| kafka.span.clone(), |ways| ways.span.clone());
        let ways = kafka.ways();
        if ways.is_empty() {
            self.push(
                Diagnostic::new(place, "`authentication` names no way to log in", "nobody could")
                    .help("write `authentication = \"iam\"`"),
            );
            return;
        }
        if let Some(twice) = ways.windows(2).find(|pair| pair[0] == pair[1]) {
            let title = format!("`{}` stands here twice", twice[0].word());
            self.push(Diagnostic::new(place.clone(), title, "a way is open once"));
        }
        if ways.len() > 1 && ways.contains(&Authentication::None) {
            let title = "`none` leaves the other ways without a meaning";
            self.push(
                Diagnostic::new(place.clone(), title, "whoever needn't log in won't")
                    .help("write `[\"iam\", \"scram\"]`, or `\"none\"` alone"),
            );
        }
        let serverless = kafka.r#type.sound && kafka.is_serverless();
        if serverless && let Some(other) = ways.iter().find(|way| **way != Authentication::Iam) {
            // What is wrong without a word about the ways is the secret, which implies SCRAM.
            let place = written.map_or_else(
                || kafka.secret.as_ref().map_or(place.clone(), |at| at.span.clone()),
                |at| at.span.clone(),
            );
            let title = format!("clients can't log in to a serverless cluster by `{}`", other.word());
            self.push(
                Diagnostic::new(place, title, "IAM only")
                    .help("remove `secret` and `authentication`, or write `type = \"provisioned\"`"),
            );
            return;
        }
        self.own_users(kafka);
        match (ways.contains(&Authentication::Scram), &kafka.secret) {
            (true, None) if kafka.has_own_users() => {}
            (true, None) => {
                let label = "agents log in by IAM, and nobody by SCRAM";
                let diagnostic = Diagnostic::new(place, "`kafka` lacks `secret`", label);
                self.push(diagnostic.help(
                    "add `secret = \"NAME\"` and a section `[secrets.NAME]`, or write `authentication = \"iam\"`",
                ));
            }
            (true, Some(secret)) => {
                self.refer("secret", "secrets", &self.file.secrets, secret, &kafka.span);
            }
            (false, Some(secret)) => {
                let title = "`secret` has no use without SCRAM";
                self.push(
                    Diagnostic::new(secret.span.clone(), title, "nobody logs in with it")
                        .help("write `authentication = \"scram\"`, or remove the line"),
                );
            }
            (false, None) => {}
        }
    }

    /// The users that agents have of their own, and what only they have.
    fn own_users(&mut self, kafka: &Kafka) {
        let own = kafka.has_own_users();
        let rotation = kafka.rotate_after.as_ref().filter(|at| at.sound);
        let former = kafka.former_secret.as_ref().filter(|at| at.sound);
        if !own {
            let useless = [("former_secret", former.map(|at| &at.span)), ("rotate_after", rotation.map(|at| &at.span))];
            for (name, span) in useless.into_iter().filter_map(|(name, span)| Some((name, span?.clone()))) {
                let title = format!("`{name}` has no use where agents have no users of their own");
                self.push(Diagnostic::new(span, title, "nobody logs in by it").help(
                    "write `authentication = \"scram\"` and remove `secret`, or remove the line; those of [secrets] have \
                     a `rotate_after` too",
                ));
            }
            return;
        }
        let secrets = &self.file.secrets;
        if let Some(former) = former {
            self.refer("secret", "secrets", secrets, former, &kafka.span);
        }
        if kafka.existing.is_some() {
            self.own_key(&kafka.key, &kafka.span);
        }
        for entry in Agent::needing(Need::Kafka).filter_map(|agent| secrets.get(agent.word())) {
            let title = format!("the secret `{}` is the agent's own", entry.name);
            self.push(
                Diagnostic::new(entry.span.clone(), title, "name taken by Lakewright's own")
                    .help("give it another name, and say so in [moved] if it is there already"),
            );
        }
    }

    /// A cluster that isn't the stack's: nothing here shapes it, and its address fits the way that agents log in.
    fn existing(&mut self, kafka: &Kafka, existing: &ExistingCluster) {
        for (name, span) in shaping(kafka) {
            let title = format!("`{name}` is up to whoever the existing cluster belongs to");
            self.push(
                Diagnostic::new(span, title, "not the stack's to say")
                    .help("remove the line, or `[kafka.existing]` for a cluster of the stack's own"),
            );
        }
        let arn = &existing.arn;
        if arn.sound {
            match cluster_arn(arn) {
                None => self.push(
                    Diagnostic::new(
                        arn.span.clone(),
                        format!("`{}` is no ARN of an MSK cluster", arn.value),
                        "can't be found",
                    )
                    .help("write it as MSK shows it: arn:aws:kafka:eu-north-1:123456789012:cluster/NAME/UUID"),
                ),
                Some((region, account)) => {
                    let stack = &self.file.stack;
                    for (what, own, its) in [("region", &stack.region, region), ("account", &stack.account, account)] {
                        if let Some(own) = own.as_ref().filter(|own| own.sound && own.value != its) {
                            let title =
                                format!("the existing cluster is in the {what} {its}, the stack in {}", own.value);
                            self.push(Diagnostic::new(arn.span.clone(), title, format!("another {what}")));
                        }
                    }
                }
            }
        }
        let bootstrap = &existing.bootstrap;
        if !bootstrap.sound {
            return;
        }
        for broker in bootstrap.split(',').map(str::trim) {
            let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains("://"));
            let Some(port) = port.and_then(|(_, port)| port.parse::<u16>().ok()) else {
                let title = format!("`{broker}` is no broker");
                self.push(
                    Diagnostic::new(bootstrap.span.clone(), title, "needs a host and a port")
                        .help("write it as MSK shows it: b-1.NAME.….amazonaws.com:9098,b-2.NAME.….amazonaws.com:9098"),
                );
                return;
            };
            let ways = kafka.ways();
            let belongs = PORTS.iter().find(|(_, ports)| ports.contains(&port)).map(|(way, _)| *way);
            if let (Some(way), Some(first)) = (belongs, ways.first())
                && way != *first
            {
                let title = format!("the agents log in by `{}`, and port {port} takes `{}`", first.word(), way.word());
                let ports = PORTS.iter().find(|(way, _)| way == first).map_or(0, |(_, ports)| ports[0]);
                self.push(
                    Diagnostic::new(bootstrap.span.clone(), title, "another way to log in").help(format!(
                        "name the brokers at port {ports}, or write `authentication = \"{}\"`",
                        way.word()
                    )),
                );
                return;
            }
        }
    }
}

/// The fields that shape a cluster of the stack's own, as far as they are written, with their places.
fn shaping(kafka: &Kafka) -> Vec<(&'static str, Range<usize>)> {
    let most = kafka.storage_max_gib.as_ref();
    let bucket = kafka.log_bucket.as_ref();
    let places = [
        ("version", Some(&kafka.version.span)),
        ("brokers", Some(&kafka.brokers.span)),
        ("instance_type", Some(&kafka.instance_type.span)),
        ("storage_gib", Some(&kafka.storage_gib.span)),
        ("storage_max_gib", most.map(|at| &at.span)),
        ("storage_target", Some(&kafka.storage_target.span)),
        ("key", (!kafka.has_own_users()).then_some(&kafka.key.span)),
        ("configuration", kafka.configuration.iter().next().map(|entry| &entry.span)),
        ("monitoring", Some(&kafka.monitoring.span)),
        ("jmx_exporter", Some(&kafka.jmx_exporter.span)),
        ("node_exporter", Some(&kafka.node_exporter.span)),
        ("log_bucket", bucket.map(|at| &at.span)),
    ];
    let written = places.into_iter().filter_map(|(name, span)| Some((name, span?.clone())));
    written.filter(|(_, span)| !span.is_empty()).collect()
}

/// Region and account of an MSK cluster's ARN.
fn cluster_arn(arn: &str) -> Option<(&str, &str)> {
    let arn = Arn::parse(arn).filter(|arn| arn.is_of_aws() && arn.service == "kafka" && !arn.region.is_empty())?;
    let parts: Vec<&str> = arn.resource.strip_prefix("cluster/")?.split('/').filter(|part| !part.is_empty()).collect();
    let is_named = parts.len() == 2 && !arn.resource.contains(':');
    Some((arn.region, arn.owner()?)).filter(|_| is_named)
}

/// What is wrong with a version as MSK names them, and the fix.
fn version_mistake(text: &str) -> Option<(&'static str, &'static str)> {
    let kraft = text.ends_with(".kraft");
    match version(text) {
        None => {
            Some(("no version", "write it as MSK names it: \"3.6.0\", \"3.9.x\", \"3.9.x.kraft\", \"4.0.x.kraft\""))
        }
        Some(version) if version < (3, 6) => {
            Some(("too old", "MSK's topic API needs Kafka 3.6 or later: write as in \"3.9.x\""))
        }
        Some(version) if version < (3, 7) && kraft => Some((
            "too old for KRaft",
            "KRaft takes the place of ZooKeeper from Kafka 3.7 on: write as in \"3.9.x.kraft\"",
        )),
        Some(version) if version >= (4, 0) && !kraft => {
            Some(("lacks `.kraft`", "from Kafka 4 on there is no ZooKeeper: write as in \"4.0.x.kraft\""))
        }
        Some(_) => None,
    }
}

/// The first two numbers of a version that MSK could have, `3.9.x`, `3.6.0`, `4.0.x.kraft`.
fn version(text: &str) -> Option<(u32, u32)> {
    let text = text.strip_suffix(".kraft").unwrap_or(text);
    let parts: Vec<&str> = text.split('.').collect();
    let [major, minor, patch] = parts[..] else { return None };
    let patch_fine = patch == "x" || patch.parse::<u32>().is_ok();
    Some((major.parse().ok()?, minor.parse().ok()?)).filter(|_| patch_fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_that_msk_names() {
        for fine in ["3.6.0", "3.7.x.kraft", "3.9.x", "3.9.x.kraft", "4.0.x.kraft"] {
            assert_eq!(version_mistake(fine), None, "{fine}");
        }
        for wrong in ["3.5.1", "latest", "3.9", "3.6.0.kraft", "4.0.x", "4.1.0"] {
            assert!(version_mistake(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn arns_of_clusters_are_told_from_others() {
        let uuid = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f-1";
        let arn = format!("arn:aws:kafka:eu-north-1:123456789012:cluster/shared/{uuid}");
        assert_eq!(cluster_arn(&arn), Some(("eu-north-1", "123456789012")));
        assert_eq!(cluster_arn(&arn.replace("cluster/", "topic/")), None);
        assert_eq!(cluster_arn("arn:aws:kafka:eu-north-1:123456789012:cluster/shared"), None);
    }
}
