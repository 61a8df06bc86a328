//! `lakewright account`: the AWS account of this machine, alone.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::app::programs::program;
use crate::app::{Global, Outcome};

/// The account and how it behaves.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// The Kafka that stands behind MSK clusters; without it none can be made
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// Whether resources take the time that they take on AWS: none, realistic, realistic/60 or a factor such as 0.01
    #[arg(long, value_name = "PACE")]
    pub delays: Option<String>,
    /// Fault rules in TOML: which requests go wrong, and how (docs/local-account.md)
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Appends a line of JSON about each request to this file
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Lets every call pass, whatever IAM's policies say
    #[arg(long)]
    pub permissive: bool,
}

/// Becomes `lakewright-local account`.
pub fn run(global: &Global, options: &Options) -> Result<Outcome> {
    let local = program("lakewright-local")?;
    let mut command = std::process::Command::new(&local);
    command.args(["account", "--port", &options.port.to_string(), "--data"]).arg(&global.data);
    for (flag, value) in [("--kafka", &options.kafka), ("--delays", &options.delays)] {
        if let Some(value) = value {
            command.args([flag, value]);
        }
    }
    for (flag, file) in [("--faults", &options.faults), ("--events", &options.events)] {
        if let Some(file) = file {
            command.arg(flag).arg(file);
        }
    }
    if options.permissive {
        command.arg("--permissive");
    }
    let error = command.exec();
    Err(error).with_context(|| format!("start {}", local.display()))
}
