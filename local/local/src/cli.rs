//! The command line of `lakewright-local`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
        /// A Kafka to use instead of the embedded log
        #[arg(long, value_name = "HOST:PORT")]
        kafka: Option<String>,
        /// A search cluster to use instead of the embedded index
        #[arg(long, value_name = "URL")]
        search: Option<String>,
        /// Whether the account's resources take the time that they take on AWS
        #[arg(long, value_enum, default_value_t = Pace::None)]
        delays: Pace,
    },
    /// Runs the account alone, with its SQL engine
    Account {
        #[command(flatten)]
        common: Common,
        /// The port; 0 takes a free one
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// The Kafka that stands behind MSK clusters
        #[arg(long, value_name = "HOST:PORT")]
        kafka: Option<String>,
        /// Whether resources take the time that they take on AWS
        #[arg(long, value_enum, default_value_t = Pace::None)]
        delays: Pace,
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

/// Whether resources take time.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Pace {
    /// At once.
    None,
    /// As on AWS.
    Realistic,
}
