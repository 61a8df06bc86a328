//! What cloud-init runs on a host at its first boot: no secrets, and nothing that a new release changes.

use serde_json::json;

use crate::names;

/// What a host's first boot depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlan {
    /// The stack's name.
    pub stack: String,
    /// The host's name in the stack.
    pub host: String,
    /// The region.
    pub region: String,
    /// The artifacts bucket's name.
    pub artifacts: String,
    /// Where the agents' releases for its processors stand in that bucket.
    pub releases: &'static str,
    /// The agents that it runs.
    pub agents: Vec<&'static str>,
    /// Elasticsearch's major version and port, when it runs here.
    pub search: Option<(u64, u64)>,
    /// The name that it gives itself, when it has one.
    pub own_name: Option<OwnName>,
    /// The address of its data volume, when it has one.
    pub volume: Option<String>,
}

/// A DNS name whose A record a host writes at each boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnName {
    /// The zone's id.
    pub zone: String,
    /// The whole name.
    pub name: String,
}

const CONVERGE: &str = include_str!("host/converge.sh");
const CONVERGE_SERVICE: &str = include_str!("host/converge.service");
const CONVERGE_TIMER: &str = include_str!("host/converge.timer");
const AGENT_SERVICE: &str = include_str!("host/agent.service");
const AGENT_UNIT: &str = "/usr/local/lib/lakewright-agent.service";
const VOLUME: &str = include_str!("host/volume.sh");
const VOLUME_SERVICE: &str = include_str!("host/volume.service");
const VOLUME_GROW_SERVICE: &str = include_str!("host/volume-grow.service");
const VOLUME_GROW_TIMER: &str = include_str!("host/volume-grow.timer");
const NAME: &str = include_str!("host/name.sh");
const NAME_SERVICE: &str = include_str!("host/name.service");
const NEEDS_VOLUME: &str = include_str!("host/volume.conf");
const LOGROTATE: &str = "/var/log/lakewright/*/agent.log {
  size 50M
  rotate 3
  copytruncate
  compress
  missingok
  notifempty
  su lakewright lakewright
}
";

/// The cloud-config of a host.
pub fn user_data(plan: &HostPlan) -> String {
    let mut config = CloudConfig::default();
    if let Some(volume) = &plan.volume {
        config.volume(plan, volume);
    }
    if let Some(own) = &plan.own_name {
        config.own_name(plan, own);
    }
    if !plan.agents.is_empty() {
        config.agents(plan);
    }
    if let Some((version, port)) = plan.search {
        config.search(plan, version, port);
    }
    config.text(plan)
}

#[derive(Debug, Default)]
struct CloudConfig {
    repositories: String,
    packages: Vec<&'static str>,
    files: String,
    commands: Vec<String>,
}

impl CloudConfig {
    /// The data volume holds the search index, or what the agents keep; neither starts without it.
    fn volume(&mut self, plan: &HostPlan, volume: &str) {
        let (mount, owner) = match plan.search {
            Some(_) => ("/var/lib/elasticsearch", "elasticsearch:elasticsearch"),
            None => ("/var/lib/lakewright", ""),
        };
        let settings = format!("STACK={}\nADDRESS={volume}\nMOUNT={mount}\nOWNER={owner}\n", plan.stack);
        self.file("/etc/lakewright-volume", "0644", &settings, false);
        self.file("/usr/local/sbin/lakewright-volume", "0755", VOLUME, false);
        let units = "/etc/systemd/system";
        for (name, text) in [
            ("volume.service", VOLUME_SERVICE),
            ("volume-grow.service", VOLUME_GROW_SERVICE),
            ("volume-grow.timer", VOLUME_GROW_TIMER),
        ] {
            let text = text.replace("@REGION@", &plan.region);
            self.file(&format!("{units}/lakewright-{name}"), "0644", &text, false);
        }
        let services: Vec<String> = match plan.search {
            Some(_) => vec!["elasticsearch".to_owned()],
            None => plan.agents.iter().map(|agent| format!("lakewright-{agent}")).collect(),
        };
        for service in services {
            self.file(&format!("{units}/{service}.service.d/volume.conf"), "0644", NEEDS_VOLUME, false);
        }
        self.commands.push("systemctl daemon-reload".to_owned());
        self.commands.push(
            "systemctl enable --now --no-block lakewright-volume.service lakewright-volume-grow.timer".to_owned(),
        );
    }

    /// The host writes its record itself, so that whatever replaces it is found with nobody applying.
    fn own_name(&mut self, plan: &HostPlan, own: &OwnName) {
        self.file("/etc/lakewright-name", "0644", &format!("ZONE={}\nNAME={}\n", own.zone, own.name), false);
        self.file("/usr/local/sbin/lakewright-name", "0755", NAME, false);
        let service = NAME_SERVICE.replace("@REGION@", &plan.region);
        self.file("/etc/systemd/system/lakewright-name.service", "0644", &service, false);
        self.commands.push("systemctl daemon-reload".to_owned());
        self.commands.push("systemctl enable --now --no-block lakewright-name.service".to_owned());
    }

    fn agents(&mut self, plan: &HostPlan) {
        let agents = plan.agents.join(" ");
        let settings = format!(
            "ARTIFACTS={}\nRELEASES={}\nHOST={}\nAGENTS=\"{agents}\"\n",
            plan.artifacts, plan.releases, plan.host
        );
        self.file("/etc/lakewright-host", "0644", &settings, false);
        self.file("/usr/local/sbin/lakewright-converge", "0755", CONVERGE, false);
        let service = CONVERGE_SERVICE.replace("@REGION@", &plan.region);
        self.file("/etc/systemd/system/lakewright-converge.service", "0644", &service, false);
        self.file("/etc/systemd/system/lakewright-converge.timer", "0644", CONVERGE_TIMER, false);
        // One text for every agent: four would leave little of what EC2 takes as user data.
        self.file(AGENT_UNIT, "0644", &agent_unit(plan), false);
        self.file("/etc/logrotate.d/lakewright", "0644", LOGROTATE, false);
        self.file("/etc/lakewright-cloudwatch.json", "0644", &cloudwatch(plan), false);
        self.packages.push("amazon-cloudwatch-agent");
        self.commands.push(format!(
            "for agent in {agents}; do cp {AGENT_UNIT} /etc/systemd/system/lakewright-$agent.service; done"
        ));
        self.commands.push("systemctl daemon-reload".to_owned());
        // Without --no-block systemctl would wait for units that wait for cloud-init.
        self.commands.push("systemctl enable --now --no-block lakewright-converge.timer".to_owned());
        self.commands.push(
            "/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c \
             file:/etc/lakewright-cloudwatch.json"
                .to_owned(),
        );
    }

    fn search(&mut self, plan: &HostPlan, version: u64, port: u64) {
        self.repositories += &format!(
            "  elasticsearch:\n    name: Elasticsearch\n    baseurl: https://artifacts.elastic.co/packages/{version}.x/yum\n    \
             gpgcheck: true\n    gpgkey: https://artifacts.elastic.co/GPG-KEY-elasticsearch\n    enabled: true\n"
        );
        self.packages.extend(["elasticsearch", "kibana"]);
        // The security group lets in nobody but the shipper's hosts; Kibana is reached by a Session Manager tunnel.
        let elasticsearch = format!(
            "cluster.name: {}\nnetwork.host: [_local_, _site_]\nhttp.port: {port}\ndiscovery.type: single-node\n\
             xpack.security.enabled: false\npath.data: /var/lib/elasticsearch\npath.logs: /var/log/elasticsearch\n",
            plan.stack
        );
        let kibana = format!("server.host: 127.0.0.1\nelasticsearch.hosts: [\"http://127.0.0.1:{port}\"]\n");
        self.file("/etc/elasticsearch/elasticsearch.yml", "0644", &elasticsearch, true);
        self.file("/etc/kibana/kibana.yml", "0644", &kibana, true);
        self.commands.push("systemctl enable --now --no-block elasticsearch.service kibana.service".to_owned());
    }

    /// Adds a file; a deferred one is written after the packages are installed.
    fn file(&mut self, path: &str, permissions: &str, content: &str, deferred: bool) {
        self.files += &format!("  - path: {path}\n    permissions: \"{permissions}\"\n");
        if deferred {
            self.files.push_str("    defer: true\n");
        }
        self.files.push_str("    content: |\n");
        for line in content.lines() {
            self.files.push_str(if line.is_empty() { "" } else { "      " });
            self.files.push_str(line);
            self.files.push('\n');
        }
    }

    fn text(&self, plan: &HostPlan) -> String {
        let mut text =
            format!("#cloud-config\n# Host {} of the stack {}, written by Lakewright.\n", plan.host, plan.stack);
        if !plan.agents.is_empty() {
            text.push_str(
                "users:\n  - default\n  - name: lakewright\n    system: true\n    no_create_home: true\n    \
                 shell: /usr/sbin/nologin\n",
            );
        }
        if !self.repositories.is_empty() {
            text += &format!("yum_repos:\n{}", self.repositories);
        }
        if !self.packages.is_empty() {
            text.push_str("packages:\n");
            self.packages.iter().for_each(|package| text.extend(["  - ", package, "\n"]));
        }
        if !self.files.is_empty() {
            text += &format!("write_files:\n{}", self.files);
        }
        if !self.commands.is_empty() {
            text.push_str("runcmd:\n");
            self.commands.iter().for_each(|command| text.extend(["  - ", command, "\n"]));
        }
        text
    }
}

/// The unit of an agent, which tells by its own name (`%j`) which one it is.
fn agent_unit(plan: &HostPlan) -> String {
    AGENT_SERVICE.replace("@STACK@", &plan.stack).replace("@REGION@", &plan.region)
}

/// The CloudWatch agent's configuration: each agent's log goes to its log group.
fn cloudwatch(plan: &HostPlan) -> String {
    let files: Vec<_> = plan
        .agents
        .iter()
        .map(|agent| {
            json!({
                "file_path": format!("/var/log/lakewright/{agent}/agent.log"),
                "log_group_name": names::log_group(&plan.stack, agent),
                "log_stream_name": format!("{}-{{instance_id}}", plan.host),
            })
        })
        .collect();
    let config = json!({ "logs": { "logs_collected": { "files": { "collect_list": files } } } });
    serde_json::to_string_pretty(&config).expect("a JSON value is text") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> HostPlan {
        HostPlan {
            stack: "shop".into(),
            host: "app".into(),
            region: "eu-north-1".into(),
            artifacts: "shop-artifacts-123456789012".into(),
            releases: "releases",
            agents: vec!["producer", "batch"],
            search: Some((8, 9200)),
            own_name: Some(OwnName { zone: "${private_zone.search.id}".into(), name: "search.shop.internal".into() }),
            volume: Some("volume.app-0".into()),
        }
    }

    #[test]
    fn user_data_fits_and_leaves_no_placeholder() {
        let text = user_data(&plan());
        assert!(text.starts_with("#cloud-config\n"));
        assert!(text.len() < 16_384, "EC2 takes 16 KiB of user data, this is {}", text.len());
        for placeholder in ["@STACK@", "@REGION@"] {
            assert!(!text.contains(placeholder), "{placeholder}");
        }
        assert!(text.contains(
            "    content: |\n      ARTIFACTS=shop-artifacts-123456789012\n      RELEASES=releases\n      HOST=app\n"
        ));
    }

    #[test]
    fn a_host_with_everything_fits_into_what_ec2_takes() {
        let plan = HostPlan { agents: vec!["producer", "stream", "shipper", "batch"], ..plan() };
        let text = user_data(&plan);
        assert!(text.len() < 16_384, "EC2 takes 16 KiB of user data, this is {}", text.len());
    }

    #[test]
    fn what_needs_the_data_volume_waits_for_it() {
        let text = user_data(&plan());
        assert!(text.contains("MOUNT=/var/lib/elasticsearch\n"), "{text}");
        assert!(text.contains("path: /etc/systemd/system/elasticsearch.service.d/volume.conf\n"));
        let text = user_data(&HostPlan { search: None, ..plan() });
        assert!(text.contains("MOUNT=/var/lib/lakewright\n"), "{text}");
        for agent in ["producer", "batch"] {
            assert!(text.contains(&format!("path: /etc/systemd/system/lakewright-{agent}.service.d/volume.conf\n")));
        }
        let starts = |unit: &str| text.find(&format!("systemctl enable --now --no-block {unit}")).expect("started");
        assert!(starts("lakewright-volume.service") < starts("lakewright-converge.timer"));
        assert!(!user_data(&HostPlan { volume: None, ..plan() }).contains("lakewright-volume"));
    }

    #[test]
    fn a_host_that_has_a_name_writes_it_at_each_boot() {
        let text = user_data(&plan());
        assert!(text.contains("      ZONE=${private_zone.search.id}\n      NAME=search.shop.internal\n"), "{text}");
        assert!(text.contains("path: /etc/systemd/system/lakewright-name.service\n"));
        assert!(text.contains("  - systemctl enable --now --no-block lakewright-name.service\n"));
        assert!(!user_data(&HostPlan { own_name: None, ..plan() }).contains("lakewright-name"));
    }

    #[test]
    fn units_can_start_while_cloud_init_runs() {
        let text = user_data(&plan());
        assert!(!text.contains("cloud-init.target") && !text.contains("cloud-final"));
        let starts = text.lines().filter(|line| line.contains("systemctl enable --now"));
        assert!(starts.clone().count() > 0 && starts.into_iter().all(|line| line.contains("--no-block")));
    }
}
