//! Where on this machine the logs are that shippers read on hosts.

use std::path::Path;

use anyhow::{Context as _, Result};
use lakewright_config::ShipperConfig;
use lakewright_config::agents::shipper::sources::Origin;
use serde_json::Value;

use crate::names::HOST_LOGS;

/// Lets a host's shipper read what stands for the host's files in a data folder: `hosts/HOST/AGENT/logs/` for the folder of an
/// agent's log files, `logs/AGENT-on-HOST.log` for what it says, and `hosts/HOST/files/` for any other path. The journal is this
/// machine's own and none of a host: the names of sources that are left out for that are returned.
///
/// # Errors
/// The configuration is none of a shipper, or the data folder has no path of its own.
pub fn read_here(config: &mut Value, data: &Path, host: &str) -> Result<Vec<String>> {
    let mut shipper: ShipperConfig =
        serde_json::from_value(config.clone()).context("read the shipper's configuration")?;
    if shipper.sources.is_empty() {
        return Ok(Vec::new());
    }
    let data = std::path::absolute(data).with_context(|| format!("find the folder {}", data.display()))?;
    let data = escaped(&data.to_string_lossy());
    let mut left_out = Vec::new();
    for (name, source) in &mut shipper.sources {
        match &mut source.from {
            Origin::Files(files) => {
                for path in files.paths.iter_mut().chain(&mut files.exclude) {
                    *path = here(path, &data, host);
                }
            }
            Origin::Journal(_) => left_out.push(name.clone()),
        }
    }
    shipper.sources.retain(|name, _| !left_out.contains(name));
    *config = serde_json::to_value(&shipper).context("write the shipper's configuration")?;
    Ok(left_out)
}

fn here(path: &str, data: &str, host: &str) -> String {
    let of_agents = path.strip_prefix(HOST_LOGS).and_then(|rest| rest.strip_prefix('/'));
    match of_agents.map(|rest| (rest, rest.split_once('/'))) {
        Some((_, Some((agent, file)))) => format!("{data}/hosts/{host}/{agent}/logs/{file}"),
        Some((file, None)) => match file.split_once(".log") {
            Some((agent, end)) => format!("{data}/logs/{agent}-on-{host}.log{end}"),
            None => format!("{data}/logs/{file}"),
        },
        None => format!("{data}/hosts/{host}/files{path}"),
    }
}

/// A path as a pattern that fits no other.
fn escaped(path: &str) -> String {
    path.chars().map(|c| if "?*[]".contains(c) { format!("[{c}]") } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_files_stand_in_the_data_folder() {
        for (path, expected) in [
            ("/var/log/lakewright/producer/shop.log*", "/d/hosts/app/producer/logs/shop.log*"),
            ("/var/log/lakewright/*.log*", "/d/logs/*-on-app.log*"),
            ("/var/log/lakewright/shipper.log*", "/d/logs/shipper-on-app.log*"),
            ("/var/log/nginx/*.log", "/d/hosts/app/files/var/log/nginx/*.log"),
            ("/var/log/lakewrights/x.log", "/d/hosts/app/files/var/log/lakewrights/x.log"),
        ] {
            assert_eq!(here(path, "/d", "app"), expected);
        }
        assert_eq!(escaped("/a[b]"), "/a[[]b[]]");
    }
}
