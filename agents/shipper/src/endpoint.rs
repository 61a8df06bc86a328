//! Where the search cluster is.

use anyhow::{Context as _, Result, bail};
use lakewright_aws::{Client, Service, list, text};
use lakewright_config::SearchConnection;
use lakewright_runtime::Agent;
use lakewright_runtime::retry::Backoff;
use serde_json::json;

/// The URL in the environment, which wins over the configuration.
pub fn from_environment() -> Option<String> {
    std::env::var("LAKEWRIGHT_SEARCH_URL").ok().filter(|url| !url.is_empty())
}

/// The cluster's URL; a host that is not running yet is waited for.
pub async fn find(aws: &Client, search: &SearchConnection, agent: &Agent) -> Result<String> {
    if let Some(url) = from_environment().or_else(|| search.url.clone()) {
        return Ok(url);
    }
    let host = search.host.as_deref().context("`search` names neither a `url` nor a `host`")?;
    let mut backoff = Backoff::default();
    loop {
        match address(aws, host).await {
            Ok(Some(address)) => return Ok(format!("http://{address}:{}", search.port)),
            Ok(None) => agent.health.error(format!("no instance of {host} is running yet")),
            Err(error) => agent.health.error(format!("{error:#}")),
        }
        if !backoff.wait(&agent.shutdown).await {
            bail!("told to stop before an instance of {host} was found");
        }
    }
}

/// The private address of a running instance of the auto-scaling group.
async fn address(aws: &Client, host: &str) -> Result<Option<String>> {
    let input = json!({ "Filter": [
        { "Name": "tag:aws:autoscaling:groupName", "Value": [host] },
        { "Name": "instance-state-name", "Value": ["running"] },
    ] });
    let answer =
        aws.call(Service::Ec2, "DescribeInstances", input).await.with_context(|| format!("look for {host}"))?;
    let found = list(&answer, "reservationSet")
        .iter()
        .flat_map(|reservation| list(reservation, "instancesSet"))
        .map(|instance| text(instance, "privateIpAddress").to_owned())
        .find(|address| !address.is_empty());
    Ok(found)
}
