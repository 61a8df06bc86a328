//! `lakewright account`: the AWS account of this machine, alone.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use super::connect::program;
use super::{Global, Outcome};

/// Becomes `lakewright-local account`.
pub fn run(global: &Global, port: u16, kafka: Option<&str>) -> Result<Outcome> {
    let local = program("lakewright-local")?;
    let mut command = std::process::Command::new(&local);
    command.args(["account", "--port", &port.to_string(), "--data"]).arg(&global.data);
    if let Some(kafka) = kafka {
        command.args(["--kafka", kafka]);
    }
    let error = command.exec();
    Err(error).with_context(|| format!("start {}", local.display()))
}
