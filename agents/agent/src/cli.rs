//! The command line of `lakewright-agent`.

use std::net::SocketAddr;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use lakewright_config::agents::Agent;

/// Runs one of the agents that move a stack's data.
///
/// On a host systemd starts them, with the configuration that `lakewright apply` published; on a laptop
/// `lakewright up` does. Every agent ends cleanly on SIGTERM and may be killed at any time: it goes on where it was.
#[derive(Debug, Parser)]
#[command(
    name = "lakewright-agent",
    version,
    after_help = "\
Environment:
  STATE_DIRECTORY, LOGS_DIRECTORY   where state and log files go, as systemd sets them (default: here)
  LAKEWRIGHT_INSTANCE               the agent's name in its consumer group, where its state directory lasts: it keeps its
                                    partitions while it is started again (default: it leaves at each end)
  AWS_REGION, AWS_ENDPOINT_URL, …   as for every AWS tool
  LAKEWRIGHT_KAFKA_PLAINTEXT        HOST:PORT of a Kafka in clear, instead of the configured one
  LAKEWRIGHT_KAFKA_TLS              HOST:PORT of one that asks for TLS and the login that is configured
  LAKEWRIGHT_KAFKA_CA               the file with the authorities by which that one is trusted
  LAKEWRIGHT_REGISTRY_PLAINTEXT     a schema registry on loopback, instead of the configured ones that speak Confluent's API
  LAKEWRIGHT_SEARCH_URL             the search cluster, instead of the configured one
  MIMALLOC_PURGE_DELAY              after how many milliseconds freed memory goes back (the stream agent's default: 0, the shipper's: 50)
  RUST_LOG                          what is logged (default: info)"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `lakewright-agent` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulates the shop and sends its events to Kafka
    Producer(Run),
    /// Writes the events of topics to Iceberg tables or plain files, exactly once
    Stream(Run),
    /// Ships the events of topics to the search cluster and the log backup
    Shipper(Run),
    /// Submits the models to EMR Serverless on a schedule
    Batch {
        #[command(flatten)]
        run: Run,
        /// Runs the models once, waits for the end and exits: 0 when they succeeded
        #[arg(long)]
        once: bool,
    },
    /// Maintains the stream agent's tables once: puts small files together, lets old snapshots go, deletes what nothing
    /// refers to
    Maintain {
        /// The table; without it, all of the configuration's
        table: Option<String>,
        /// The stream agent's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Says what would be done, and does nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Keeps the access control lists of the stack's Kafka users: makes what is missing, verifies, and looks again on a schedule
    Acls {
        #[command(flatten)]
        run: Run,
        /// Sets and verifies the lists once and exits: 0 when all is as it is to be
        #[arg(long, conflicts_with_all = ["dry_run", "verify"])]
        once: bool,
        /// Shows what would be done, does nothing and exits
        #[arg(long, conflicts_with = "verify")]
        dry_run: bool,
        /// Verifies what is there, changes nothing and exits: 0 when all is as it is to be
        #[arg(long, conflicts_with = "prune")]
        verify: bool,
        /// Removes what allows the stack's users anything else; entries of others, and those that deny something, stay
        #[arg(long)]
        prune: bool,
        /// How many seconds the cluster may take each time, until its brokers know every entry
        #[arg(long, default_value_t = 60)]
        timeout: u64,
    },
    /// Maintains the table that the order on the first line of standard input names, as `lakewright maintain` gives it, and prints what
    /// became of it, both as JSON. Ends when standard input closes
    MaintainTable,
    /// Prints which records of Kafka the stream agent's tables of plain files have, as JSON: spans of offsets, and how many rows
    /// are of a record that has one already
    Records {
        /// The stream agent's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Restores what the order on the first line of standard input names, as `lakewright restore` gives it, and prints how far it is and
    /// what became of it, a JSON object a line. Ends cleanly when standard input closes
    RestoreOrder,
    /// Restores records of the shipper's backup into the search index, by the ids that they have anyway, or into a topic, at least once
    Restore {
        /// The shipper's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The first time that is restored, RFC 3339
        #[arg(long, value_name = "TIME")]
        from: DateTime<Utc>,
        /// The time before which all is restored, RFC 3339
        #[arg(long, value_name = "TIME")]
        to: DateTime<Utc>,
        /// The topic that records are sent to, with their keys and headers and where they come from; without it, they go to the index
        #[arg(long, conflicts_with = "into_index")]
        into_topic: Option<String>,
        /// What the names of indices begin with; without it, as the configuration says
        #[arg(long)]
        into_index: Option<String>,
    },
    /// Prints which records of Kafka the shipper's backup has, as JSON: spans of offsets, and how many lines are of a record that has
    /// one already
    BackedUp {
        /// The shipper's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Prints what the log files of the shipper's sources on this host hold, and what the backup has of it, as JSON. Nothing may write to
    /// the files meanwhile
    Logged {
        /// The shipper's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Sends sample messages to the topics of the stream agent's tables, made of what the tables declare
    Samples {
        /// The stream agent's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// A topic; may be given more than once; without it, all of the configuration's
        #[arg(long)]
        topic: Vec<String>,
        /// Messages a second and topic
        #[arg(long, default_value_t = 5.0)]
        rate: f64,
        /// Of the same number come the same messages; without it, others each time
        #[arg(long)]
        seed: Option<u64>,
        /// Ends cleanly when standard input closes, so as not to outlive the process that started it
        #[arg(long)]
        until_stdin_closes: bool,
    },
    /// Checks a configuration and exits: 0 when it is right
    Check {
        /// Whose configuration it is
        #[arg(value_parser = agent())]
        name: Agent,
        /// The configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Prints what each partition of the topics holds, as JSON: topic id, first offset, next offset
    Ledger {
        /// A Kafka broker, in clear: for the Kafka on this machine
        #[arg(long, value_name = "HOST:PORT")]
        bootstrap: String,
        /// A topic; may be given more than once
        #[arg(long, required = true)]
        topic: Vec<String>,
        /// One of the topics, of which records without a value are counted too; may be given more than once
        #[arg(long, value_name = "TOPIC")]
        without_value: Vec<String>,
        /// How many seconds the broker may take to answer
        #[arg(long, default_value_t = 15)]
        timeout: u64,
    },
}

/// What every agent is started with.
#[derive(Debug, Args)]
pub struct Run {
    /// The configuration, JSON
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where /live, /ready, /metrics and /status are served; the address is written to STATE_DIRECTORY/admin.address
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    pub admin: SocketAddr,
    /// Ends cleanly when standard input closes, so as not to outlive the process that started it
    #[arg(long)]
    pub until_stdin_closes: bool,
}

/// Takes the word that stands for an agent.
fn agent() -> impl TypedValueParser<Value = Agent> {
    let choice = |agent: Agent| PossibleValue::new(agent.word()).help(agent.does());
    PossibleValuesParser::new(Agent::all().map(choice)).try_map(|word| word.parse::<Agent>())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use lakewright_config::agents::AGENTS;

    use super::*;

    #[test]
    fn every_agent_has_its_command_and_is_checked() {
        Cli::command().debug_assert();
        for about in AGENTS {
            let parsed = Cli::try_parse_from(["lakewright-agent", about.word, "--config", "agent.json"]);
            assert!(parsed.is_ok(), "`lakewright-agent {}` isn't a command", about.word);
            let line = ["lakewright-agent", "check", about.word, "--config", "agent.json"];
            let checked = Cli::try_parse_from(line).expect("a command line").command;
            assert!(matches!(checked, Command::Check { name, .. } if name == about.agent), "{}", about.word);
        }
        let line = ["lakewright-agent", "check", "streams", "--config", "agent.json"];
        let error = Cli::try_parse_from(line).expect_err("no such agent").to_string();
        assert!(error.contains("producer, stream, shipper, batch, acls"), "{error}");
    }
}
