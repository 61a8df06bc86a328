//! Measurements whose servers run in processes of their own, so that only what is measured is counted.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Prints the address and waits until standard input closes.
pub fn serve(address: &str) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{address}")?;
    std::io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Starts this program in another role; gives its address.
pub fn role(name: &str) -> Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {name}"))?;
    let mut address = String::new();
    BufReader::new(child.stdout.take().context("its output")?).read_line(&mut address)?;
    Ok((child, address.trim().to_owned()))
}
