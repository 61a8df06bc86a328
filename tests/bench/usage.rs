//! What a process of a benchmark has used.

use anyhow::{Context, Result};

/// User and system time of this process.
pub fn cpu_seconds() -> Result<f64> {
    cpu_seconds_of("self")
}

/// The largest resident size of this process since it began or its mark was cleared, in MB.
pub fn peak_memory() -> Result<u64> {
    peak_memory_of("self")
}

/// User and system time of a process.
pub fn cpu_seconds_of(process: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(')').context("a name")?.1;
    let ticks: Vec<&str> = after_name.split_whitespace().collect();
    Ok((ticks[11].parse::<f64>()? + ticks[12].parse::<f64>()?) / 100.0)
}

/// The largest resident size of a process, in MB.
pub fn peak_memory_of(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("VmHWM")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse::<u64>()? / 1000)
}
