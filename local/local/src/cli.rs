//! The command line of `lakewright-local`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use lakewright_account::Delays;

/// An AWS account, a Kafka log and a search index on this machine.
///
/// Everything listens on 127.0.0.1. When it listens, one line of JSON on standard output says where; it ends cleanly
/// on SIGTERM or Ctrl-C and may be killed at any time.
#[derive(Debug, Parser)]
#[command(name = "lakewright-local", version)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// What `lakewright-local` can run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the account with its SQL engine, the Kafka log and the search index
    Serve {
        #[command(flatten)]
        common: Common,
        /// The account's port; 0 takes the one of last time, or a free one
        #[arg(long, default_value_t = 0)]
        account_port: u16,
        /// The Kafka log's port; 0 takes the one of last time, or a free one
        #[arg(long, default_value_t = 0)]
        kafka_port: u16,
        /// The search index's port; 0 takes the one of last time, or a free one
        #[arg(long, default_value_t = 0)]
        search_port: u16,
        /// Runs a schema registry too, which speaks Confluent's API
        #[arg(long)]
        registry: bool,
        /// The schema registry's port; 0 takes the one of last time, or a free one
        #[arg(long, default_value_t = 0, requires = "registry")]
        registry_port: u16,
        /// A Kafka to use instead of the embedded log
        #[arg(long, value_name = "HOST:PORT")]
        kafka: Option<String>,
        /// Judges what those who log in to the embedded log do by access control lists; what none names is open to everybody, and
        /// who doesn't log in may do everything
        #[arg(long, conflicts_with = "kafka")]
        kafka_acls: bool,
        /// A search cluster to use instead of the embedded index; with a password, by the variable
        #[arg(long, value_name = "URL", env = "LAKEWRIGHT_SEARCH_URL", hide_env_values = true)]
        search: Option<String>,
        /// Lets only those into the embedded index who log in by what the account's secrets hold whose names begin so:
        /// PREFIXadmin does everything, PREFIXshipper adds documents
        #[arg(long, value_name = "PREFIX", conflicts_with = "search")]
        search_logins: Option<String>,
        /// What the names of the indices begin with to which the shipper adds
        #[arg(long, value_name = "INDEX", default_value = "user-actions", requires = "search_logins")]
        search_index: String,
        #[command(flatten)]
        conduct: Conduct,
    },
    /// Runs the account alone, with its SQL engine
    #[command(after_help = EXAMPLE)]
    Account {
        #[command(flatten)]
        common: Common,
        /// The port; 0 takes a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// The Kafka that stands behind MSK clusters
        #[arg(long, value_name = "HOST:PORT")]
        kafka: Option<String>,
        #[command(flatten)]
        conduct: Conduct,
    },
    /// Runs the Kafka log alone
    Kafka {
        #[command(flatten)]
        common: Common,
        /// The port; 0 takes a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Runs the search index alone
    Search {
        #[command(flatten)]
        common: Common,
        /// The port; 0 takes a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

/// What every part needs.
#[derive(Debug, Args)]
pub struct Common {
    /// The folder that the data is kept in; made when missing
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Ends cleanly when standard input closes, so as not to outlive the process that started it
    #[arg(long)]
    pub until_stdin_closes: bool,
}

/// How the account behaves.
#[derive(Debug, Args)]
pub struct Conduct {
    /// Whether resources take the time that they take on AWS: none, realistic, realistic/60 or a factor such as 0.01
    #[arg(long, value_name = "PACE", default_value_t = Delays::None)]
    pub delays: Delays,
    /// Fault rules in TOML: which requests go wrong, and how
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Appends a line of JSON about each request to this file
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// How long a query may run, as in 90s or 5m [default: 30m]
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30m", hide_default_value = true)]
    pub query_time: Duration,
    /// How long what is no longer needed is kept, as in 5m: older versions of objects that a bucket's lifecycle lets go, and
    /// snapshots of the models' tables [default: for ever]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub keep: Option<Duration>,
    /// Lets every call pass, whatever IAM's policies say, by which each is judged otherwise; an account's number as the access key is
    /// its administrator
    #[arg(long)]
    pub permissive: bool,
}

/// The time that a text such as `90s` or `5m` means.
fn duration(text: &str) -> Result<Duration, String> {
    let span = lakewright_config::span(text).filter(|span| !span.is_zero());
    span.ok_or_else(|| format!("`{text}` is no duration; write it as 90s, 5m or 1h30m"))
}

/// What the help of `account` ends with.
const EXAMPLE: &str = "\
Fault rules, for instance: the answer to the second CreateVpc is lost, every fifth request is throttled.

  [[fault]]
  service = \"ec2\"
  operation = \"CreateVpc\"
  from = 2
  times = 1
  lost = true

  [[fault]]
  every = 5
  throttle = true

Requests are held against the secret key that LAKEWRIGHT_ACCOUNT_SECRET holds, else the file `secret` in the data folder; with
neither, any secret key will do. With one, the paths below want it too: -H \"Authorization: Bearer $AWS_SECRET_ACCESS_KEY\".

Examples:
  lakewright-local account --data /tmp/account --port 4566 --faults faults.toml --events events.jsonl
  curl -X PUT --data-binary @faults.toml http://127.0.0.1:4566/_lakewright/faults
  curl 'http://127.0.0.1:4566/_lakewright/events?after=0&wait=2s'";
