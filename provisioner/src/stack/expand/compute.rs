//! Hosts: roles, launch templates, groups, and what they read at boot.

use super::user_data::{HostPlan, user_data};
use super::{ARTIFACTS, Expansion, bucket_address, key_arn};
use crate::kinds::{auto_scaling_group, instance_profile, launch_template, object, release};
use crate::resource::Address;
use crate::stack::decode::Entry;
use crate::stack::hosts::{Agent, Host};

impl Expansion<'_> {
    pub(super) fn hosts(&mut self) {
        let file = self.file;
        let with_agents = file.hosts.iter().find(|host| !host.value.agents.is_empty());
        if let Some(first) = with_agents {
            let spec = release::Spec {
                bucket: self.bucket(ARTIFACTS),
                sha256: self.agent.sha256.clone(),
                size: self.agent.size,
                file: self.agent.file.clone(),
            };
            self.add(Address::new("release", "agent"), &spec, &first.span, vec![bucket_address(ARTIFACTS)]);
        }
        for agent in [Agent::Producer, Agent::Stream, Agent::Shipper, Agent::Batch] {
            let mut at = file.hosts.iter().flat_map(|host| &host.value.agents);
            if let Some(at) = at.find(|at| at.value == agent) {
                let spec = self.log_group(agent.word());
                self.add(Address::new("log_group", agent.word()), &spec, &at.span, vec![]);
            }
        }
        for host in &file.hosts {
            self.host(host);
        }
    }

    fn host(&mut self, host: &Entry<Host>) {
        let name = host.name.as_str();
        let section = &host.value;
        self.host_role(host);
        let profile = Address::new("instance_profile", name);
        let spec = instance_profile::Spec { name: self.named(name), role: self.named(name) };
        self.add(profile.clone(), &spec, &host.span, vec![Address::new("role", name)]);

        let mut before = self.agent_objects(host);
        let template = Address::new("launch_template", name);
        let spec = launch_template::Spec {
            name: self.named(name),
            image: image(section),
            instance_type: section.instance_type.value.clone(),
            instance_profile: Some(self.named(name)),
            security_groups: vec![Address::new("security_group", name).output("id")],
            user_data: user_data(&self.host_plan(host)),
            volume_gib: section.volume_gib.0 as u32,
            volume_type: "gp3".to_owned(),
            volume_device: "/dev/xvda".to_owned(),
            volume_encrypted: true,
            volume_key: section.key.as_ref().map(|key| key_arn(key)),
            metadata_tokens_required: true,
            metadata_hop_limit: 2,
            detailed_monitoring: false,
        };
        self.add(template.clone(), &spec, &host.span, vec![profile]);

        // Hosts need their way to AWS when they boot, and agents stop when what they work on isn't there.
        before.extend(self.ways_out());
        let needed = ["topic", "table", "scram_association"];
        if !section.agents.is_empty() {
            let resources = self.resources.iter().map(|resource| &resource.address);
            before.extend(resources.filter(|address| needed.contains(&address.kind.as_str())).cloned());
            before.push(Address::new("release", "agent"));
        }
        let count = section.count.0 as u32;
        let spec = auto_scaling_group::Spec {
            name: self.named(name),
            launch_template: template.output("id"),
            launch_template_version: "$Default".to_owned(),
            subnets: self.subnets(),
            min: count,
            max: count,
            desired: count,
            grace_seconds: 300,
        };
        self.add(Address::new("auto_scaling_group", name), &spec, &host.span, before);
    }

    /// Publishes what a host's agents read; returns the objects' addresses.
    fn agent_objects(&mut self, host: &Entry<Host>) -> Vec<Address> {
        let name = host.name.as_str();
        let mut addresses = Vec::new();
        for agent in &host.value.agents {
            let word = agent.word();
            let object = format!("{name}-{word}");
            let content = self.agent_config(agent.value);
            self.object(&object, &format!("hosts/{name}/{word}.json"), content, "application/json", &agent.span);
            if matches!(agent.value, Agent::Producer | Agent::Stream) {
                self.after_tables();
            }
            addresses.push(Address::new("object", object));
        }
        if !addresses.is_empty() {
            // A host learns from it which release to run, so that a new one needs no new host.
            let address = Address::new("object", format!("{name}-release"));
            let spec = object::Spec {
                bucket: self.bucket(ARTIFACTS),
                key: format!("hosts/{name}/release"),
                content: format!("{}\n", self.agent.sha256),
                content_type: "text/plain; charset=utf-8".to_owned(),
            };
            self.add(address.clone(), &spec, &host.span, vec![Address::new("release", "agent")]);
            addresses.push(address);
        }
        addresses
    }

    fn host_plan(&self, host: &Entry<Host>) -> HostPlan {
        let search = self.file.search.as_ref().filter(|search| search.host.value == host.name);
        HostPlan {
            stack: self.stack.name().to_owned(),
            host: host.name.clone(),
            region: self.target.region.clone(),
            artifacts: self.bucket(ARTIFACTS),
            agents: host.value.agents.iter().map(|agent| agent.word()).collect(),
            search: search.map(|search| (search.version.0, search.port.0)),
        }
    }
}

/// The image of a host: the newest Amazon Linux 2023 for its processors, unless it names another.
fn image(host: &Host) -> String {
    if let Some(image) = &host.image {
        return image.value.clone();
    }
    let architecture = if is_graviton(&host.instance_type) { "arm64" } else { "x86_64" };
    format!("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}")
}

/// Whether an instance type has Graviton processors: a `g` right after the generation, as in `m7g`, `c6gn`, `t4g`.
fn is_graviton(instance_type: &str) -> bool {
    let family = instance_type.split('.').next().unwrap_or_default();
    let after =
        family.trim_start_matches(|c: char| c.is_ascii_lowercase()).trim_start_matches(|c: char| c.is_ascii_digit());
    after.starts_with('g') || family == "a1"
}

#[cfg(test)]
mod tests {
    use super::is_graviton;

    #[test]
    fn graviton_is_told_from_the_name() {
        for name in ["m7g.large", "t4g.small", "c6gn.xlarge", "a1.large", "im4gn.large"] {
            assert!(is_graviton(name), "{name}");
        }
        for name in ["t3.small", "g5.xlarge", "m7i.large", "g6.large"] {
            assert!(!is_graviton(name), "{name}");
        }
    }
}
