//! `lakewright account`: the AWS account of this machine, alone.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result};

use super::connect::program;
use super::{Global, Outcome};

/// Becomes `lakewright-local account`.
pub fn run(global: &Global, port: u16) -> Result<Outcome> {
    let local = program("lakewright-local")?;
    let error = std::process::Command::new(&local)
        .args(["account", "--port", &port.to_string(), "--data"])
        .arg(&global.data)
        .exec();
    Err(error).with_context(|| format!("start {}", local.display()))
}
