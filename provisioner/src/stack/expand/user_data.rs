//! What cloud-init runs on a host at its first boot: no secrets, and nothing that a new release changes.

use serde_json::json;

pub use self::search::{SearchLogins, SearchPlan};
use super::logs::LOG_READER;
use crate::names::{self, HOST_LOGS as LOGS};

mod search;

/// What a host's first boot depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlan {
    /// The stack's name.
    pub stack: String,
    /// The host's name in the stack.
    pub host: String,
    /// The region.
    pub region: String,
    /// The account's twelve digits.
    pub account: String,
    /// The artifacts bucket's name.
    pub artifacts: String,
    /// Where the agents' releases for its processors stand in that bucket.
    pub releases: &'static str,
    /// The agents that it runs.
    pub agents: Vec<&'static str>,
    /// The groups whose files the shipper reads.
    pub read_groups: Vec<String>,
    /// Elasticsearch, when it runs here.
    pub search: Option<SearchPlan>,
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
/// What systemd adds to the shipper's unit.
const READS: &str = "/etc/systemd/system/lakewright-shipper.service.d/logs.conf";
/// What systemd adds to every unit whose name begins with `lakewright-`.
const SANDBOX: &str = include_str!("host/sandbox.conf");
const VOLUME: &str = include_str!("host/volume.sh");
const VOLUME_SERVICE: &str = include_str!("host/volume.service");
const VOLUME_GROW_SERVICE: &str = include_str!("host/volume-grow.service");
const VOLUME_GROW_TIMER: &str = include_str!("host/volume-grow.timer");
const NAME: &str = include_str!("host/name.sh");
const NAME_SERVICE: &str = include_str!("host/name.service");
const NEEDS_VOLUME: &str = include_str!("host/volume.conf");
const LOGROTATE: &str = "/var/log/lakewright/*.log {
  size 50M
  rotate 3
  copytruncate
  compress
  missingok
  notifempty
}
";

/// The cloud-config of a host.
pub fn user_data(plan: &HostPlan) -> String {
    let mut config = CloudConfig::default();
    let has_units = plan.volume.is_some() || plan.own_name.is_some() || plan.search.is_some();
    if has_units || !plan.agents.is_empty() {
        config.file("/etc/systemd/system/lakewright-.service.d/sandbox.conf", "0644", SANDBOX, false);
    }
    if let Some(volume) = &plan.volume {
        config.volume(plan, volume);
    }
    if let Some(own) = &plan.own_name {
        config.own_name(plan, own);
    }
    if !plan.agents.is_empty() {
        config.agents(plan);
    }
    if let Some(search) = &plan.search {
        config.search(plan, search);
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
        let (mount, owner) = match &plan.search {
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
            let text = unit(plan, text);
            self.file(&format!("{units}/lakewright-{name}"), "0644", &text, false);
        }
        let services: Vec<String> = match &plan.search {
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
        self.file("/etc/systemd/system/lakewright-name.service", "0644", &unit(plan, NAME_SERVICE), false);
        self.commands.push("systemctl daemon-reload".to_owned());
        self.commands.push("systemctl enable --now --no-block lakewright-name.service".to_owned());
    }

    fn agents(&mut self, plan: &HostPlan) {
        let agents = plan.agents.join(" ");
        let settings = format!(
            "ACCOUNT={}\nARTIFACTS={}\nRELEASES={}\nHOST={}\nAGENTS=\"{agents}\"\n",
            plan.account, plan.artifacts, plan.releases, plan.host
        );
        self.file("/etc/lakewright-host", "0644", &settings, false);
        self.file("/usr/local/sbin/lakewright-converge", "0755", CONVERGE, false);
        self.file("/etc/systemd/system/lakewright-converge.service", "0644", &unit(plan, CONVERGE_SERVICE), false);
        self.file("/etc/systemd/system/lakewright-converge.timer", "0644", CONVERGE_TIMER, false);
        // One text for every agent: four would leave little of what EC2 takes as user data.
        self.file(AGENT_UNIT, "0644", &unit(plan, AGENT_SERVICE), false);
        if !plan.read_groups.is_empty() {
            let reads = format!("[Service]\nSupplementaryGroups={}\n", plan.read_groups.join(" "));
            self.file(READS, "0644", &reads, false);
        }
        self.file("/etc/logrotate.d/lakewright", "0644", LOGROTATE, false);
        self.file("/etc/lakewright-cloudwatch.json", "0644", &cloudwatch(plan), false);
        self.packages.push("amazon-cloudwatch-agent");
        // A user for each agent: none reads or acts as another.
        let users: Vec<String> = plan.agents.iter().map(|agent| format!("lakewright-{agent}")).collect();
        self.commands.push(format!(
            "for user in {LOG_READER} {}; do id -u $user >/dev/null 2>&1 || useradd --system --user-group \
             --no-create-home --shell /usr/sbin/nologin $user; done",
            users.join(" ")
        ));
        self.commands.push(format!("install -d -m 0755 /etc/lakewright {LOGS}"));
        self.commands.push(format!(
            "for agent in {agents}; do install -m 0640 -g {LOG_READER} /dev/null {LOGS}/$agent.log; \
             cp {AGENT_UNIT} /etc/systemd/system/lakewright-$agent.service; done"
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

    /// Adds a file; a deferred one is written after the packages are installed.
    fn file(&mut self, path: &str, permissions: &str, content: &str, deferred: bool) {
        self.files += &format!("  - path: {path}\n    permissions: \"{permissions}\"\n");
        if deferred {
            self.files.push_str("    defer: true\n");
        }
        self.files.push_str("    content: |\n");
        // What it says to those who change it stays here: EC2 takes little user data.
        let is_comment = |line: &&str| line.trim_start().starts_with('#') && !line.starts_with("#!");
        for line in content.lines().filter(|line| !is_comment(line)) {
            self.files.push_str(if line.is_empty() { "" } else { "      " });
            self.files.push_str(line);
            self.files.push('\n');
        }
    }

    fn text(&self, plan: &HostPlan) -> String {
        let mut text =
            format!("#cloud-config\n# Host {} of the stack {}, written by Lakewright.\n", plan.host, plan.stack);
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

/// A unit of this stack and region.
fn unit(plan: &HostPlan, text: &str) -> String {
    text.replace("@STACK@", &plan.stack).replace("@REGION@", &plan.region)
}

/// The CloudWatch agent's configuration: each agent's log goes to its log group.
fn cloudwatch(plan: &HostPlan) -> String {
    let files: Vec<_> = plan
        .agents
        .iter()
        .map(|agent| {
            json!({
                "file_path": format!("{LOGS}/{agent}.log"),
                "log_group_name": names::log_group(&plan.stack, agent),
                "log_stream_name": format!("{}-{{instance_id}}", plan.host),
            })
        })
        .collect();
    let config = json!({
        "agent": { "run_as_user": LOG_READER },
        "logs": { "logs_collected": { "files": { "collect_list": files } } },
    });
    config.to_string() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn plan() -> HostPlan {
        HostPlan {
            stack: "shop".into(),
            host: "app".into(),
            region: "eu-north-1".into(),
            account: "123456789012".into(),
            artifacts: "shop-artifacts-123456789012".into(),
            releases: "releases",
            agents: vec!["producer", "batch"],
            read_groups: Vec::new(),
            search: Some(SearchPlan {
                version: 8,
                port: 9200,
                index: "user-actions".into(),
                deletes: false,
                login: None,
            }),
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
            "    content: |\n      ACCOUNT=123456789012\n      ARTIFACTS=shop-artifacts-123456789012\n      RELEASES=releases\n"
        ));
    }

    #[test]
    fn a_host_with_everything_fits_into_what_ec2_takes() {
        let groups =
            ["cwagent", "lakewright-producer", "lakewright-stream", "lakewright-batch", "systemd-journal", "adm"];
        let agents = vec!["producer", "stream", "shipper", "batch"];
        let plan = HostPlan { agents, read_groups: groups.map(str::to_owned).to_vec(), ..plan() };
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
    fn root_opens_nothing_where_an_agent_may_put_a_link() {
        let unit = AGENT_SERVICE.replace("%j", "stream");
        let values = |name: &str| -> Vec<&str> {
            unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
        };
        let own: Vec<String> = [("StateDirectory", "/var/lib"), ("LogsDirectory", "/var/log")]
            .into_iter()
            .flat_map(|(name, below)| values(name).into_iter().map(move |folder| format!("{below}/{folder}/")))
            .collect();
        assert_eq!(own.len(), 2, "{own:?}");
        let opened = ["StandardInput", "StandardOutput", "StandardError"].into_iter().flat_map(values);
        let opened: Vec<&str> = opened.filter_map(|value| value.split_once(':').map(|(_, path)| path)).collect();
        assert_eq!(opened, ["/var/log/lakewright/stream.log"]);
        for path in &opened {
            assert!(!own.iter().any(|folder| path.starts_with(folder)), "{path}");
        }
        // It is made beforehand, for the user who reads it, and that user is no root.
        let text = user_data(&HostPlan { agents: vec!["stream"], ..plan() });
        assert!(text.contains("install -m 0640 -g cwagent /dev/null /var/log/lakewright/$agent.log"), "{text}");
        assert!(
            text.contains(r#""run_as_user":"cwagent""#) && text.contains(&format!(r#""file_path":"{}""#, opened[0]))
        );
    }

    #[test]
    fn each_agent_is_a_user_of_its_own() {
        let text = user_data(&plan());
        assert!(text.contains("for user in cwagent lakewright-producer lakewright-batch; do"), "{text}");
        assert!(text.contains("      User=lakewright-%j\n"), "{text}");
    }

    #[test]
    fn an_agent_has_a_name_in_its_group_that_no_other_hosts_has() {
        assert!(user_data(&plan()).contains("      Environment=LAKEWRIGHT_INSTANCE=%H-%m\n"));
    }

    #[test]
    fn the_shipper_reads_the_logs_of_groups_and_no_other_agent_does() {
        let plan = HostPlan { read_groups: vec!["cwagent".into(), "adm".into()], ..plan() };
        let text = user_data(&plan);
        let file = format!("path: {READS}\n    permissions: \"0644\"\n    content: |\n      [Service]\n");
        assert!(text.contains(&format!("{file}      SupplementaryGroups=cwagent adm\n")), "{text}");
        assert_eq!(text.matches("SupplementaryGroups").count(), 1);
    }

    #[test]
    fn user_data_holds_no_comment_but_what_says_whose_it_is() {
        let comments = |text: &str| text.lines().filter(|line| line.trim_start().starts_with('#')).count();
        // The head, whose it is, and a shell for each of three scripts.
        assert_eq!(comments(&user_data(&plan())), 5);
    }

    #[test]
    fn units_can_start_while_cloud_init_runs() {
        let text = user_data(&plan());
        assert!(!text.contains("cloud-init.target") && !text.contains("cloud-final"));
        let starts = text.lines().filter(|line| line.contains("systemctl enable --now"));
        assert!(starts.clone().count() > 0 && starts.into_iter().all(|line| line.contains("--no-block")));
    }
}
