//! `lakewright`: builds and runs a streaming lakehouse from one file.

use std::process::ExitCode;

use clap::Parser as _;
use lakewright::cli::{self, Cli};

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LAKEWRIGHT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    cli::main(Cli::parse())
}
