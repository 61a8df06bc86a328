//! `lakewright`: builds and runs a streaming lakehouse from one file.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use lakewright::cli::{self, Cli};

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LAKEWRIGHT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,aws_config=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    cli::main(Cli::parse())
}
