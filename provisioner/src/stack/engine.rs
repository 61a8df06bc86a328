//! Where agents' work is done: on hosts, and the stream agent's on Spark where the file says so; what the job there takes.

use super::agents::{Engine, SparkJob};
use super::hosts::Agent;
use super::sections::File;

impl File {
    /// Whether the stream agent's work is done by Spark.
    pub fn streams_on_spark(&self) -> bool {
        self.agents.stream.engine.value == Engine::Spark
    }

    /// Whether anything runs on EMR Serverless: models, or the stream.
    pub fn uses_emr(&self) -> bool {
        self.batch.is_some() || self.streams_on_spark()
    }

    /// Whether an agent's work is done in the stack: on a host, or the stream agent's by Spark.
    pub fn has(&self, agent: Agent) -> bool {
        let on_hosts = self.hosts.iter().flat_map(|host| &host.value.agents).any(|at| at.value == agent);
        on_hosts || (agent == Agent::Stream && self.streams_on_spark())
    }
}

/// What the stream's job on Spark is started with whatever a file says.
pub(super) const OWN_SETTINGS: [&str; 6] = [
    "spark.executor.instances",
    "spark.dynamicAllocation.enabled",
    "spark.sql.catalog.glue.client.region",
    "spark.emr-serverless.driverEnv.AWS_REGION",
    "spark.executorEnv.AWS_REGION",
    "spark.lakewright.application",
];

/// What workers of EMR Serverless take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    /// Virtual processors.
    pub vcpu: u64,
    /// Memory in GB, Spark's overhead in it.
    pub memory_gb: u64,
    /// Disk in GB.
    pub disk_gb: u64,
}

/// What EMR gives a worker unless a setting says otherwise: 14 GB, and Spark's overhead of a tenth.
/// <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html>
const WORKER: Workers = Workers { vcpu: 4, memory_gb: 14, disk_gb: 20 };
/// The numbers of virtual processors that a worker can have.
const VCPUS: [u64; 5] = [1, 2, 4, 8, 16];

/// The three numbers of a release of EMR, `emr-7.9.0`; nothing of what is none.
pub(super) fn emr_release(label: &str) -> Option<[u32; 3]> {
    let numbers: Result<Vec<u32>, _> = label.strip_prefix("emr-")?.split('.').map(str::parse).collect();
    numbers.ok()?.try_into().ok()
}

impl SparkJob {
    /// A number that one of the job's settings holds, with or without `g`; the default without it, nothing of what is none.
    fn number(&self, setting: &str, default: u64) -> Option<u64> {
        let Some(own) = self.settings.get(setting) else { return Some(default) };
        let text = own.value.0.to_ascii_lowercase();
        text.trim_end_matches("gb").trim_end_matches('g').parse().ok().filter(|number| (1..=2000).contains(number))
    }

    /// The settings that size a driver or an executor, its cores, memory and disk, each with its number; nothing where one holds none
    /// that EMR has.
    pub(super) fn sizes(&self, who: &str) -> [(String, Option<u64>); 3] {
        let settings = [
            (format!("spark.{who}.cores"), WORKER.vcpu),
            (format!("spark.{who}.memory"), WORKER.memory_gb),
            (format!("spark.emr-serverless.{who}.disk"), WORKER.disk_gb),
        ];
        let [mut cores, memory, disk] = settings.map(|(setting, default)| {
            let number = self.number(&setting, default);
            (setting, number)
        });
        cores.1 = cores.1.filter(|vcpu| VCPUS.contains(vcpu));
        [cores, memory, disk]
    }

    /// What a driver or an executor takes; nothing where a setting says what EMR hasn't.
    fn worker(&self, who: &str) -> Option<Workers> {
        let [vcpu, memory_gb, disk_gb] = self.sizes(who).map(|(_, number)| number);
        let memory_gb = memory_gb?;
        Some(Workers { vcpu: vcpu?, memory_gb: memory_gb + memory_gb.div_ceil(10), disk_gb: disk_gb? })
    }

    /// What driver and executors take together.
    pub(super) fn size(&self) -> Workers {
        let driver = self.worker("driver").unwrap_or(WORKER);
        let executor = self.worker("executor").unwrap_or(WORKER);
        let all = |driver: u64, executor: u64| driver + self.executors.0 * executor;
        Workers {
            vcpu: all(driver.vcpu, executor.vcpu),
            memory_gb: all(driver.memory_gb, executor.memory_gb),
            disk_gb: all(driver.disk_gb, executor.disk_gb),
        }
    }
}
