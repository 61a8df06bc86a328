//! What of a stack is watched: the one table that alarms and the dashboard are made of.

use super::Expansion;
use crate::kinds::alarm::{Calculation, Comparison, Metric, MissingData};
use crate::resource::Address;
use crate::stack::engine::emr_release;
use crate::stack::watch::Alarms;

/// Something that is watched.
pub(super) struct Watched {
    /// The alarm's name without the stack's.
    pub(super) name: String,
    /// The part of the stack that it belongs to, a row of the dashboard.
    pub(super) row: String,
    /// What is seen.
    pub(super) title: String,
    /// What it means and what to do.
    pub(super) advice: String,
    /// The metric, or
    pub(super) metric: Option<Metric>,
    /// what is calculated from several.
    pub(super) calculation: Option<Calculation>,
    /// How it is compared with the threshold.
    pub(super) comparison: Comparison,
    /// The threshold.
    pub(super) threshold: f64,
    /// For how many periods in a row it must be beyond the threshold.
    pub(super) periods: u32,
    /// What a period without a value counts as.
    pub(super) missing_data: MissingData,
    /// What must live before it.
    pub(super) after: Vec<Address>,
}
/// An alarm is calculated from so many metrics at most.
const METRICS: u64 = 10;

/// A metric of CloudWatch's.
pub(super) fn metric(namespace: &str, name: &str, dimensions: &[(&str, &str)], statistic: &str, period: u32) -> Metric {
    Metric {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        statistic: statistic.into(),
        period_seconds: period,
    }
}

/// Whether EMR's metrics of a release have the application's name beside its id: from 7.10 on, and no others then.
/// <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/app-job-metrics.html>
fn names_applications(release: &str) -> bool {
    emr_release(release).is_some_and(|release| release >= [7, 10, 0])
}

impl Watched {
    /// A metric that is to stay at 0.
    pub(super) fn on(name: String, row: &str, title: &str, advice: String, metric: Metric) -> Self {
        Self {
            name,
            row: row.to_owned(),
            title: title.to_owned(),
            advice,
            metric: Some(metric),
            calculation: None,
            comparison: Comparison::Above,
            threshold: 0.0,
            periods: 1,
            missing_data: MissingData::NotBreaching,
            after: Vec::new(),
        }
    }

    /// With this threshold, and for so many periods.
    pub(super) fn when(self, comparison: Comparison, threshold: f64, periods: u32) -> Self {
        Self { comparison, threshold, periods, ..self }
    }

    /// With this meaning of a period without a value.
    pub(super) fn missing(self, missing_data: MissingData) -> Self {
        Self { missing_data, ..self }
    }
}

impl Expansion<'_> {
    /// Everything that is watched, of what the stack has.
    pub(super) fn watched(&self, section: &Alarms) -> Vec<Watched> {
        let mut all = self.watched_agents(section);
        all.extend(self.watched_kafka(section));
        all.extend(self.watched_batch());
        all.extend(self.watched_hosts());
        all.extend(self.watched_functions());
        all
    }

    fn watched_kafka(&self, section: &Alarms) -> Vec<Watched> {
        // A serverless cluster has no brokers to watch, and one that isn't the stack's is watched by those whose it is.
        let own = self.file.kafka.as_ref().filter(|kafka| kafka.existing.is_none() && !kafka.is_serverless());
        let Some(kafka) = own else { return Vec::new() };
        let name = self.stack.name();
        let row = "Kafka";
        let brokers: Vec<u64> = (1..=kafka.brokers.0).collect();
        let of_cluster = |metric_name: &str, statistic: &str| {
            metric("AWS/Kafka", metric_name, &[("Cluster Name", name)], statistic, 60)
        };
        let mut all = vec![
            Watched::on(
                "kafka-controller".to_owned(),
                row,
                "active controllers",
                "The cluster has no active controller: no partition can change its leader. AWS repairs it; watch the \
                 cluster's state in the MSK console, and open a support case if it lasts."
                    .to_owned(),
                of_cluster("ActiveControllerCount", "Maximum"),
            )
            .when(Comparison::Below, 1.0, 5)
            .missing(MissingData::Missing),
            Watched::on(
                "kafka-offline-partitions".to_owned(),
                row,
                "partitions without a leader",
                "Partitions have no leader and can be neither written nor read: more brokers are down than they have \
                 copies. Look at the brokers' states in the MSK console."
                    .to_owned(),
                of_cluster("OfflinePartitionsCount", "Maximum"),
            )
            .when(Comparison::Above, 0.0, 5)
            .missing(MissingData::Missing),
        ];
        // These are reported by each broker; an alarm takes the worst of ten.
        for (index, some) in brokers.chunks(METRICS as usize).enumerate() {
            let suffix = if index == 0 { String::new() } else { format!("-{}", index + 1) };
            let worst = |metric_name: &str, label: &str| Calculation {
                expression: "MAX(METRICS())".to_owned(),
                label: label.to_owned(),
                metrics: some
                    .iter()
                    .map(|broker| {
                        let id = broker.to_string();
                        let dimensions = [("Broker ID", id.as_str()), ("Cluster Name", name)];
                        (format!("broker{broker}"), metric("AWS/Kafka", metric_name, &dimensions, "Maximum", 300))
                    })
                    .collect(),
            };
            let worst_of = |one: Watched, calculation: Calculation| {
                Watched { metric: None, calculation: Some(calculation), ..one }.missing(MissingData::Missing)
            };
            let any = || metric("AWS/Kafka", "", &[], "Maximum", 300);
            let disk = Watched::on(
                format!("kafka-disk{suffix}"),
                row,
                "percent of the fullest disk",
                format!(
                    "A broker's disk is more than {} % full; a full one stops. Raise `kafka.storage_gib` (MSK only grows it, and \
                     not again for six hours), or lower the topics' `retention`.",
                    section.disk_percent.0
                ),
                any(),
            );
            let disk = disk.when(Comparison::Above, section.disk_percent.0 as f64, 1);
            all.push(worst_of(disk, worst("KafkaDataLogsDiskUsed", "fullest disk")));
            let replicas = Watched::on(
                format!("kafka-under-replicated{suffix}"),
                row,
                "partitions with too few copies",
                "Partitions have fewer copies in sync than they should for a quarter of an hour: a broker is down, \
                 or too slow. After patching by AWS this passes; if it lasts, take bigger brokers."
                    .to_owned(),
                any(),
            );
            all.push(worst_of(
                replicas.when(Comparison::Above, 0.0, 3),
                worst("UnderReplicatedPartitions", "most on a broker"),
            ));
        }
        for one in &mut all {
            one.after.push(Address::new("cluster", "main"));
        }
        all
    }

    fn watched_batch(&self) -> Vec<Watched> {
        let Some(batch) = &self.file.batch else { return Vec::new() };
        let main = Address::new("emr_application", "main");
        let (id, name) = (main.output("id"), main.output("name"));
        let mut dimensions = vec![("ApplicationId", id.as_str())];
        if names_applications(&batch.release) {
            dimensions.push(("ApplicationName", name.as_str()));
        }
        let advice = "A Spark job of the application has failed. Its log is on S3 under the artifacts bucket's log prefix; \
                      `aws emr-serverless list-job-runs` names the run and its reason.";
        let failed = metric("AWS/EMRServerless", "FailedJobs", &dimensions, "Sum", 300);
        vec![Watched::on("emr-failed-jobs".to_owned(), "Batch", "failed Spark jobs", advice.to_owned(), failed).when(
            Comparison::AtLeast,
            1.0,
            1,
        )]
    }

    fn watched_hosts(&self) -> Vec<Watched> {
        let hosts = self.file.hosts.iter().filter(|host| host.value.count.0 > 0);
        hosts
            .flat_map(|host| host.value.groups(&host.name))
            .map(|of| {
                let group = self.named(&of);
                let advice = format!(
                    "A host of the group {group} fails EC2's status checks. The group replaces it within minutes; if that \
                     happens again and again, look at the group's activities and at AWS's health dashboard."
                );
                let failed = metric("AWS/EC2", "StatusCheckFailed", &[("AutoScalingGroupName", &group)], "Maximum", 60);
                let (name, title) = (format!("host-{of}-failed"), format!("failed checks of {of}"));
                let one = Watched::on(name, "Hosts", &title, advice, failed).when(Comparison::AtLeast, 1.0, 5).missing(MissingData::Missing);
                Watched { after: vec![Address::new("auto_scaling_group", of)], ..one }
            })
            .collect()
    }

    fn watched_functions(&self) -> Vec<Watched> {
        let functions = self.file.functions.iter();
        functions
            .map(|function| {
                let name = self.named(&function.name);
                let advice = format!(
                    "The function {name} has failed. What it says stands in its log group; an event that keeps failing is \
                     tried twice more by AWS and then lost."
                );
                let failed = metric("AWS/Lambda", "Errors", &[("FunctionName", &name)], "Sum", 300);
                let title = format!("errors of {}", function.name);
                let one = Watched::on(format!("function-{}-errors", function.name), "Functions", &title, advice, failed);
                let after = vec![Address::new("function", function.name.as_str())];
                Watched { after, ..one.when(Comparison::AtLeast, 1.0, 1) }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::names_applications;

    #[test]
    fn metrics_name_applications_from_the_release_on_that_does() {
        let of = |releases: [&'static str; 3]| releases.map(names_applications);
        assert_eq!(of(["emr-7.9.0", "emr-6.15.0", "emr-7.1.0"]), [false; 3]);
        assert_eq!(of(["emr-7.10.0", "emr-7.12.0", "emr-8.0.0"]), [true; 3]);
    }
}
