//! Hosts: roles, launch templates, groups, and what they read at boot.

use lakewright_config::agents::Need;

use super::agents::expansion_of;
use super::user_data::{HostPlan, user_data};
use super::{ARTIFACTS, Artifact, Expansion, bucket_address, key_arn};
use crate::kinds::auto_scaling_group::{self, Refreshing};
use crate::kinds::{instance_profile, launch_template, object, release, volume};
use crate::names;
use crate::resource::Address;
use crate::stack::decode::Entry;
use crate::stack::hosts::{Agent, Host, Refresh, VolumeType};
use crate::stack::tables::Architecture;

impl Expansion<'_> {
    pub(super) fn hosts(&mut self) {
        let file = self.file;
        for architecture in [Architecture::X86, Architecture::Arm] {
            let runs = |host: &&Entry<Host>| !host.value.agents.is_empty() && host.value.architecture() == architecture;
            let Some(first) = file.hosts.iter().find(runs) else { continue };
            let program = self.program(architecture);
            let spec = release::Spec {
                bucket: self.bucket(ARTIFACTS).into(),
                architecture: architecture.into(),
                program: release::Program::Agent,
                sha256: program.sha256.into(),
                size: program.size,
                file: program.file,
            };
            self.add(release_of(architecture), &spec, &first.span, vec![bucket_address(ARTIFACTS)]);
        }
        for agent in Agent::all() {
            let mut at = file.hosts.iter().flat_map(|host| &host.value.agents);
            if let Some(at) = at.find(|at| at.value == agent) {
                self.agent_log(agent, &at.span);
            }
        }
        for host in &file.hosts {
            self.within(&host.value.tags);
            self.host(host);
        }
    }

    /// The log group that an agent's log and reports go to.
    pub(super) fn agent_log(&mut self, agent: Agent, place: &std::ops::Range<usize>) {
        let spec = self.log_group(agent.word());
        self.add(Address::new("log_group", agent.word()), &spec, place, vec![]);
    }

    fn host(&mut self, host: &Entry<Host>) {
        let name = host.name.as_str();
        let section = &host.value;
        self.host_role(host);
        let profile = Address::new("instance_profile", name);
        let path = Some(names::identities(self.stack.name()).into());
        let role = Address::new("role", name).output("name");
        let spec = instance_profile::Spec { name: self.named(name).into(), path, role: role.into() };
        self.add(profile, &spec, &host.span, vec![Address::new("role", name)]);

        let mut before = self.agent_objects(host);
        // Hosts need their way to AWS when they boot, and agents stop when what they work on isn't there.
        before.extend(self.ways_out());
        let needed = ["topic", "table", "scram_association"];
        if !section.agents.is_empty() {
            let resources = self.resources.iter().map(|resource| &resource.address);
            before.extend(resources.filter(|address| needed.contains(&address.kind.as_str())).cloned());
            before.push(release_of(section.architecture()));
        }
        if section.data_volume_gib.is_none() {
            self.host_group(host, name, None, &before);
            return;
        }
        for (index, one) in section.groups(name).iter().enumerate() {
            self.data_volume(host, one, index);
            self.host_group(host, one, Some(index), &before);
        }
    }

    /// The launch template and the group of equal hosts, or of the one at an index that has a data volume.
    fn host_group(&mut self, host: &Entry<Host>, name: &str, index: Option<usize>, before: &[Address]) {
        let section = &host.value;
        let template = Address::new("launch_template", name);
        let data_volume = index.map(|_| Address::new("volume", name));
        let spec = launch_template::Spec {
            name: self.named(name).into(),
            image: image(section).into(),
            instance_type: section.instance_type.value.clone().into(),
            instance_profile: Some(Address::new("instance_profile", host.name.as_str()).output("name")),
            security_groups: vec![Address::new("security_group", host.name.as_str()).output("id").into()],
            user_data: user_data(&self.host_plan(host, data_volume.as_ref())),
            volume_size_gib: section.volume_gib.0 as u32,
            volume_type: "gp3".to_owned(),
            volume_device: "/dev/xvda".to_owned(),
            volume_encrypted: true,
            volume_key: section.key.as_ref().map(|key| key_arn(key)).map(Into::into),
            metadata_tokens_required: true,
            // Nothing on a host runs behind another hop.
            metadata_hop_limit: 1,
            detailed_monitoring: false,
        };
        let profile = Address::new("instance_profile", host.name.as_str());
        self.add(template.clone(), &spec, &host.span, vec![profile]);

        let count = if index.is_some() { 1 } else { section.count.0 as u32 };
        let subnets = self.subnets();
        let rolling = *section.refresh == Refresh::Rolling;
        let spec = auto_scaling_group::Spec {
            name: self.named(name),
            launch_template: template.output("id").into(),
            // With the number, a change of the template is one of the group too.
            launch_template_version: if rolling {
                template.output("version").into()
            } else {
                "$Default".to_owned().into()
            },
            subnets: index
                .map_or_else(|| subnets.clone(), |index| vec![subnets[index % subnets.len()].clone()])
                .into_iter()
                .map(Into::into)
                .collect(),
            min_size: count,
            max_size: count,
            desired_capacity: count,
            health_check_grace_seconds: 300,
            refresh: match (rolling, index) {
                (false, _) => Refreshing::Never,
                (true, None) => Refreshing::LaunchFirst,
                (true, Some(_)) => Refreshing::TerminateFirst,
            },
        };
        let before = before.iter().cloned().chain(data_volume).collect();
        self.add(Address::new("auto_scaling_group", name), &spec, &host.span, before);
    }

    fn data_volume(&mut self, host: &Entry<Host>, name: &str, index: usize) {
        let zones = self.file.network.zone_letters();
        let zone = format!("{}{}", self.target.region, zones[index % zones.len()]);
        if let Some(spec) = host.value.data_volume(zone, host.value.key.as_ref().map(|key| key_arn(key))) {
            self.add(Address::new("volume", name), &spec, &host.span, vec![]);
        }
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
            if expansion_of(agent.value).includes_tables() {
                self.after_tables();
            }
            if agent.value.needs(Need::Kafka) {
                self.after_users();
            }
            if agent.value.needs(Need::Search) {
                self.after_search_users();
            }
            addresses.push(Address::new("object", object));
        }
        if !addresses.is_empty() {
            // A host learns from it which release to run, so that a new one needs no new host.
            let address = Address::new("object", format!("{name}-release"));
            let spec = object::Spec {
                bucket: self.bucket(ARTIFACTS).into(),
                key: format!("hosts/{name}/release"),
                content: format!("{}\n", self.program(host.value.architecture()).sha256),
                content_type: "text/plain; charset=utf-8".to_owned(),
            };
            self.add(address.clone(), &spec, &host.span, vec![release_of(host.value.architecture())]);
            addresses.push(address);
        }
        addresses
    }

    /// The agents' program for an architecture; a stack that has none isn't applied, and shown as if there were one.
    pub(super) fn program(&self, architecture: Architecture) -> Artifact {
        self.programs.of(architecture).cloned().unwrap_or_else(Artifact::missing)
    }

    fn host_plan(&self, host: &Entry<Host>, volume: Option<&Address>) -> HostPlan {
        HostPlan {
            stack: self.stack.name().to_owned(),
            host: host.name.clone(),
            region: self.target.region.clone(),
            account: self.target.account.clone(),
            artifacts: self.bucket(ARTIFACTS),
            releases: release::folder(host.value.architecture().into()),
            agents: host.value.agents.iter().map(|agent| agent.word()).collect(),
            read_groups: self.read_groups(host),
            search: self.search_plan(host),
            own_name: self.own_name(host),
            volume: volume.map(ToString::to_string),
        }
    }
}

/// The address of the agents' release for an architecture.
pub(super) fn release_of(architecture: Architecture) -> Address {
    Address::new("release", if architecture == Architecture::Arm { "agent-arm64" } else { "agent" })
}

impl From<Architecture> for release::Architecture {
    fn from(architecture: Architecture) -> Self {
        match architecture {
            Architecture::X86 => Self::X86,
            Architecture::Arm => Self::Arm64,
        }
    }
}

impl From<VolumeType> for volume::Type {
    fn from(kind: VolumeType) -> Self {
        match kind {
            VolumeType::Gp3 => Self::Gp3,
            VolumeType::Io2 => Self::Io2,
            VolumeType::St1 => Self::St1,
        }
    }
}

impl Host {
    /// The processors that its instance type has.
    pub fn architecture(&self) -> Architecture {
        if is_graviton(&self.instance_type) { Architecture::Arm } else { Architecture::X86 }
    }

    /// The data volume of one of the hosts, if they have any.
    pub(in crate::stack) fn data_volume(&self, zone: String, key: Option<String>) -> Option<volume::Spec> {
        let gib = self.data_volume_gib.as_ref()?;
        Some(volume::Spec {
            zone: zone.into(),
            size_gib: gib.0 as u32,
            kind: (*self.data_volume_type).into(),
            iops: self.data_volume_iops.as_ref().map(|iops| iops.0 as u32),
            throughput: self.data_volume_throughput.as_ref().map(|throughput| throughput.0 as u32),
            encrypted: true,
            key: key.map(Into::into),
        })
    }
}

/// The image of a host: the newest Amazon Linux 2023 for its processors, unless it names another.
fn image(host: &Host) -> String {
    if let Some(image) = &host.image {
        return image.value.clone();
    }
    let architecture = host.architecture().word();
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
