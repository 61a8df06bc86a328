//! The sections of a stack file that set up agents; what they mean is said by `lakewright_config`.

use lakewright_config::Rate;
use lakewright_config::agents::{shipper, stream};

use super::declare::{choice, section};
use super::decode::{At, Named, defaults};
use super::fields::FieldType;
use super::functions::Statement;
use super::scenario::Scenario;
use super::sources::SourceSection;
use super::transforms::TransformSection;
use super::units::{Period, Size};
use super::values::{Retired, Setting, Share, Whole};

section! {
    /// The settings of the agents.
    Agents {
        /// Simulates the shop.
        producer: Producer = defaults(),
        /// Kafka to Iceberg.
        stream: Stream = defaults(),
        /// Kafka to search and backup.
        shipper: Shipper = defaults(),
        /// Runs the models.
        batch: BatchAgent = defaults(),
        /// Keeps the access control lists of the agents' Kafka users.
        acls: AclsAgent = defaults(),
    }
}

section! {
    /// The producer: a simulated shop with users, sales, an inventory and the users' actions.
    Producer {
        /// How much to send, facts and actions together: `"500/s"`, `"100 MB / 4h"`, `"10 GB / h"`, `"max"`.
        rate: At<Rate> = At::given(Rate::Events(100.0)),
        /// The topic of business facts, one of `[topics]`.
        facts_topic: At<String> = At::given("iceberg_events"),
        /// The topic of user actions, one of `[topics]`.
        actions_topic: At<String> = At::given("es_events"),
        /// Makes runs repeatable. Default: each run is different.
        seed: Option<At<Whole<0, { u64::MAX }>>> = None,
        /// Where the simulated clock starts, RFC 3339: with it and a seed, events are the same to the byte. Default: events
        /// happen when they are due.
        start_time: Option<At<String>> = None,
        /// The share of messages sent twice.
        duplicates: At<Share> = At::given(Share(0.0)),
        /// The share of messages broken on purpose.
        broken: At<Share> = At::given(Share(0.0)),
        /// The application log's file name in the agent's log directory.
        log_file: At<String> = At::given("shop.log"),
        /// The size at which the application log is rotated.
        log_rotate: At<Size> = At::given(Size(64_000_000)),
        /// How many rotated files are kept.
        log_keep: At<Whole<0, 1000>> = At::given(Whole(5)),
        /// How the application log's lines are written.
        log_format: At<LogFormat> = At::given(LogFormat::Text),
        /// The share of requests that fail, each logged with a stack trace.
        log_errors: At<Share> = At::given(Share(0.0)),
        /// The topic that the application log's entries are sent to as well, one of `[topics]`. Default: to none.
        log_topic: Option<At<String>> = None,
        /// What happens beside a steady stream: a sales day, outages, bots, late and repeated messages. By default nothing.
        scenario: Scenario = defaults(),
    }
}

choice! {
    /// How the application log's lines are written.
    LogFormat as lakewright_config::LogFormat {
        /// A line of `name=value` behind time and level; stack traces stand below it.
        Text = "text",
        /// A JSON object on a line.
        Json = "json",
    }
}

section! {
    /// The stream agent.
    Stream {
        /// The consumer group's name before `-cooperative`: agents are members of the group `GROUP-cooperative`. Default:
        /// `STACK-stream`.
        group: Option<At<String>> = None,
        /// How long rows wait at most before they are committed. Each commit writes metadata: seconds are for demonstrations.
        /// Under `lakewright up` they wait two seconds at most.
        commit_interval: At<Period> = At::given(Period::seconds(60)),
        /// How many bytes of messages are collected at most before they are committed.
        commit_size: At<Size> = At::given(Size(128_000_000)),
        /// What becomes of a message that no table takes, or whose row can't be written.
        on_reject: At<OnReject> = At::given(OnReject::DeadLetters),
        /// What happens where Kafka's retention removed messages before they were read.
        on_gap: At<OnGap> = At::given(OnGap::Skip),
        /// Who puts small data files of the raw tables together, lets old snapshots go and deletes what nothing refers to.
        maintenance: At<MaintainedBy> = At::given(MaintainedBy::Off),
        /// How long the agent rests between two rounds of maintenance.
        maintenance_interval: At<Period> = At::given(Period::seconds(600)),
        /// How old a snapshot of a raw table must be before it is let go (Iceberg's `history.expire.max-snapshot-age-ms`).
        /// Default: 1000 commit intervals.
        snapshots_age: Option<At<Period>> = None,
        /// How many snapshots of a raw table are kept, however old (Iceberg's `history.expire.min-snapshots-to-keep`).
        min_snapshots_to_keep: At<Whole<1, 100_000>> = At::given(Whole(1)),
        /// How long a snapshot is kept after a newer one took its place, so that queries which read it come to their end.
        readers_grace: At<Period> = At::given(Period::seconds(3600)),
        /// How old a file that nothing refers to must be before maintenance deletes it: four commit intervals and 15 minutes at
        /// least, for a younger one may be of a commit under way.
        orphans_after: At<Period> = At::given(Period::days(3)),
        /// What the work is done by. Either fills the same tables from where the other one stopped. On Spark no host runs the
        /// agent: take `stream` off the hosts' `agents`.
        engine: At<Engine> = At::given(Engine::Agent),
        /// With `engine = "spark"`: the application on EMR Serverless and the size of the job.
        spark: SparkJob = defaults(),
    }
}

choice! {
    /// What the stream agent's work is done by.
    Engine {
        /// The agent, on the hosts whose `agents` name it.
        Agent = "agent",
        /// A job of Spark Structured Streaming, on an application of EMR Serverless of its own. It reads JSON and Avro of plain
        /// types, and what it would read otherwise than the agent is refused.
        Spark = "spark",
    }
}

section! {
    /// The application on EMR Serverless that does the stream agent's work, and the size of its job. It costs by the second for as
    /// long as the job runs, which is always.
    SparkJob {
        /// The release of EMR: 7.1 or later, with Spark 3.5.
        release: At<String> = At::given("emr-7.9.0"),
        /// How many executors read and write, beside the driver, which commits. Each has four virtual processors and 14 GB of
        /// memory unless `settings` say otherwise. More of them than the topics have partitions idle.
        executors: At<Whole<1, 1000>> = At::given(Whole(2)),
        /// The most virtual processors that driver and executors together may use. Default: what they take.
        max_vcpu: Option<At<Whole<1, 2000>>> = None,
        /// The most memory in GB that all of them together may use. Default: what they take.
        max_memory_gb: Option<At<Whole<2, 8000>>> = None,
        /// The most disk in GB that all of them together may use. Default: what they take, 20 GB each.
        max_disk_gb: Option<At<Whole<20, 40_000>>> = None,
        /// Settings of Spark by name, `"spark.executor.cores" = 8`. Nothing secret: they stand in plans and with the run.
        settings: Named<At<Setting>> = Named(Vec::new()),
        /// What the job's role may do besides what it needs: statements of an IAM policy, each with `Effect`, `Action` and
        /// `Resource`.
        statements: At<Vec<At<Statement>>> = At::given(Vec::new()),
        /// The prefix of the job's logs in the bucket `results`.
        log_prefix: At<String> = At::given("logs/stream"),
    }
}

choice! {
    /// Who maintains the raw tables.
    MaintainedBy {
        /// The stream agent, beside its writing.
        Agent = "agent",
        /// Glue, by optimizers of each table that the stack makes, with a role of their own; Glue bills their runs.
        Glue = "glue",
        /// Somebody else, as Spark's procedures, or nobody.
        Off = "off",
    }
}

choice! {
    /// What becomes of a message that no table takes.
    OnReject as stream::OnReject {
        /// It goes to the table `dead_letters`, with the reason.
        DeadLetters = "dead_letters",
        /// It is counted by its cause and left out.
        Skip = "skip",
        /// Its partition stands still before it until somebody decides; the rest goes on.
        Stop = "stop",
    }
}

choice! {
    /// What happens where messages are gone that nobody has read.
    OnGap as stream::OnGap {
        /// They are counted as lost, and reading goes on behind them.
        Skip = "skip",
        /// The partition stands still until somebody decides; the rest goes on.
        Fail = "fail",
    }
}

section! {
    /// The shipper.
    Shipper {
        /// The consumer group of the index; the backup is read by the group `GROUP-backup`. Default: `STACK-shipper`.
        group: Option<At<String>> = None,
        /// The topics that it reads, each one of `[topics]`.
        topics: Vec<At<String>> = vec![At::given("es_events")],
        /// The member of a record that holds its time, RFC 3339.
        time_field: At<String> = At::given("event_time"),
        /// The bucket of the backup, one of `[buckets]`.
        backup_bucket: At<String> = At::given("backup"),
        /// The prefix in it.
        backup_prefix: At<String> = At::given("events"),
        /// A backup object is full at this size, before it is compressed.
        backup_size: At<Size> = At::given(Size(shipper::backup_bytes())),
        /// A backup object is written so long after its first record at the latest.
        backup_interval: At<Period> = At::given(Period(shipper::backup_interval_ms())),
        /// Has no effect any more: objects end by `backup_size` and `backup_interval`.
        backup_records: Retired = Retired,
        /// A bulk request is sent at this size at the latest.
        bulk_size: At<Size> = At::given(Size(5_000_000)),
        /// A bulk request is sent after this time at the latest.
        bulk_interval: At<Period> = At::given(Period::seconds(1)),
        /// Whether bulk requests are compressed: less traffic for more of the processor's time.
        gzip: At<bool> = At::given(false),
        /// How many days before today have an index of their own. Records of days before these, as of a wrong clock, go to the index
        /// `INDEX-outside`.
        days_back: At<Whole<0, 36_500>> = At::given(Whole(u64::from(shipper::days_back()))),
        /// How many days after today have one.
        days_ahead: At<Whole<0, 36_500>> = At::given(Whole(u64::from(shipper::days_ahead()))),
        /// A longer record goes to the dead letters' file on the host, in pieces, and not to the index; the backup has it whole.
        max_record: At<Size> = At::given(Size(shipper::max_record())),
        /// The types of members of the topics' records in the index, by name or by path: `status = "long"`, `"user.id" = "keyword"`.
        /// Those of the others follow from what comes first, an object's members are found by their paths, and no record is
        /// refused for its types. Indices of days that are there keep the types that they have.
        fields: Named<At<FieldType>> = Named(Vec::new()),
        /// How many days an index of a day is kept after it was made; the search cluster deletes it then, and the backup stays.
        /// Default: until somebody deletes it.
        keep_days: Option<At<Whole<1, 36_500>>> = None,
        /// What is done to records on their way, in this order; `lakewright transform test` tries it.
        transforms: Vec<TransformSection> = Vec::new(),
        /// Log files and the journal of the hosts that run it, by name: `[agents.shipper.sources.nginx]`.
        sources: Named<SourceSection> = Named(Vec::new()),
        /// Whether it also ships, of the hosts that run it, the producer's application log as the source `application`, and what the other
        /// agents there say as the source `agents`. A section of such a name takes the place of the one that is meant here.
        own_logs: At<bool> = At::given(true),
    }
}

section! {
    /// The batch submitter; when it runs the models stands in `[batch]`.
    BatchAgent {
        /// The prefix of Spark's logs in the bucket `results`.
        log_prefix: At<String> = At::given("logs/batch"),
    }
}

section! {
    /// The agent that keeps the access control lists of the agents' Kafka users, where each has its own
    /// (`authentication = "scram"` without `secret`). It makes what is missing and verifies: after that, and not before, a plan
    /// lets `"allow.everyone.if.no.acl.found" = "false"` in `[kafka.configuration]` close the cluster to everybody else.
    AclsAgent {
        /// How often it looks whether the lists are still as they are to be: a second to an hour.
        verify_every: At<Period> = At::given(Period::seconds(600)),
        /// Whether it removes what the lists allow these users beside what they do. Entries of others stay.
        prune: At<bool> = At::given(false),
        /// Users who aren't the stack's agents, by the name that they log in with.
        users: Named<AclUser> = Named(Vec::new()),
    }
}

section! {
    /// What a Kafka user who isn't an agent of the stack may do.
    AclUser {
        /// The topics that it writes: sections of `[topics]`, or else names on the cluster.
        writes: Vec<At<String>> = Vec::new(),
        /// The topics that it reads.
        reads: Vec<At<String>> = Vec::new(),
        /// The consumer groups that it is a member of.
        groups: Vec<At<String>> = Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents::AGENTS;

    use super::Agents;

    #[test]
    fn every_agent_has_its_section() {
        let schema = schemars::schema_for!(Agents);
        let sections = schema.get("properties").and_then(|properties| properties.as_object()).expect("an object");
        let sections: Vec<String> = sections.keys().map(|name| format!("agents.{name}")).collect();
        assert_eq!(sections, AGENTS.iter().map(|about| about.section).collect::<Vec<_>>());
    }
}
