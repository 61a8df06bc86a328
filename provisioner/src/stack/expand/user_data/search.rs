//! What the search host runs: Elasticsearch and Kibana, and what gives them a certificate and users.

use std::fmt::Write as _;

use super::{CONVERGE_TIMER, CloudConfig, HostPlan, unit};

const SEARCH: &str = include_str!("../host/search.sh");
const SEARCH_SERVICE: &str = include_str!("../host/search.service");
/// Where the certificate and its key stand, of what Elasticsearch reads.
const TLS: &str = "lakewright";

/// Elasticsearch on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPlan {
    /// Its major version.
    pub version: u64,
    /// Its port.
    pub port: u64,
    /// What the names of the indices begin with.
    pub index: String,
    /// Whether indices are deleted by their age.
    pub deletes: bool,
    /// Who logs in; without it, whoever reaches it does everything.
    pub login: Option<SearchLogins>,
}

/// Who logs in to Elasticsearch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchLogins {
    /// The name by which the host is reached: its certificate's.
    pub name: String,
    /// The key of the object in the bucket `artifacts` in which the certificate's authority stands.
    pub authority: &'static str,
    /// What the names of the secrets begin with.
    pub secrets: String,
    /// The users, as their secrets' names end, each with its role.
    pub users: Vec<(&'static str, &'static str)>,
}

impl CloudConfig {
    pub(super) fn search(&mut self, plan: &HostPlan, search: &SearchPlan) {
        self.repositories += &format!(
            "  elasticsearch:\n    name: Elasticsearch\n    baseurl: https://artifacts.elastic.co/packages/{}.x/yum\n    \
             gpgcheck: true\n    gpgkey: https://artifacts.elastic.co/GPG-KEY-elasticsearch\n    enabled: true\n",
            search.version
        );
        self.packages.extend(["elasticsearch", "kibana"]);
        match &search.login {
            Some(login) => self.with_logins(plan, search, login),
            None => self.open(plan, search),
        }
    }

    /// The security group lets in nobody but the shipper's hosts; Kibana is reached by a Session Manager tunnel.
    fn open(&mut self, plan: &HostPlan, search: &SearchPlan) {
        let elasticsearch = elasticsearch(plan, search, "xpack.security.enabled: false\n");
        let kibana = format!("server.host: 127.0.0.1\nelasticsearch.hosts: [\"http://127.0.0.1:{}\"]\n", search.port);
        self.file("/etc/elasticsearch/elasticsearch.yml", "0644", &elasticsearch, true);
        self.file("/etc/kibana/kibana.yml", "0644", &kibana, true);
        self.commands.push("systemctl enable --now --no-block elasticsearch.service kibana.service".to_owned());
    }

    /// Users stand in files of this host, which the script writes and Elasticsearch reads again when they change: its own
    /// users of index `.security` would outlive a lost password, and making them takes one.
    fn with_logins(&mut self, plan: &HostPlan, search: &SearchPlan, login: &SearchLogins) {
        self.packages.push("openssl");
        let mut security =
            "transport.host: _local_\nxpack.security.enabled: true\nxpack.security.authc.reserved_realm.enabled: false\n"
                .to_owned();
        for side in ["http", "transport"] {
            let _ = write!(
                security,
                "xpack.security.{side}.ssl.enabled: true\nxpack.security.{side}.ssl.key: {TLS}/host.key\n\
                 xpack.security.{side}.ssl.certificate: {TLS}/host.crt\n\
                 xpack.security.{side}.ssl.certificate_authorities: {TLS}/authority.crt\n",
            );
        }
        let elasticsearch = elasticsearch(plan, search, &security);
        let roles = roles(search);
        let kibana = format!(
            "server.host: 127.0.0.1\nserver.ssl.enabled: true\nserver.ssl.key: /etc/kibana/{TLS}/host.key\n\
             server.ssl.certificate: /etc/kibana/{TLS}/host.crt\nelasticsearch.hosts: [\"https://localhost:{}\"]\n\
             elasticsearch.ssl.certificateAuthorities: /etc/kibana/{TLS}/authority.crt\n",
            search.port
        );
        let users: Vec<String> = login.users.iter().map(|(user, role)| format!("{user}:{role}")).collect();
        let settings = format!(
            "ACCOUNT={}\nARTIFACTS={}\nNAME={}\nAUTHORITY={}\nLOGINS={}\nUSERS=\"{}\"\n",
            plan.account,
            plan.artifacts,
            login.name,
            login.authority,
            login.secrets,
            users.join(" ")
        );
        self.file("/etc/elasticsearch/elasticsearch.yml", "0644", &elasticsearch, true);
        self.file("/etc/elasticsearch/roles.yml", "0644", &roles, true);
        self.file("/etc/lakewright-kibana.yml", "0644", &kibana, false);
        self.file("/etc/lakewright-search", "0644", &settings, false);
        self.file("/usr/local/sbin/lakewright-search", "0755", SEARCH, false);
        self.file("/etc/systemd/system/lakewright-search.service", "0644", &unit(plan, SEARCH_SERVICE), false);
        self.file("/etc/systemd/system/lakewright-search.timer", "0644", CONVERGE_TIMER, false);
        // Passwords that the package's installation made for itself open nothing any more.
        self.commands.push(
            "rm -f /etc/elasticsearch/elasticsearch.keystore && /usr/share/elasticsearch/bin/elasticsearch-keystore create"
                .to_owned(),
        );
        self.commands.push("systemctl daemon-reload".to_owned());
        // It starts Elasticsearch and Kibana once they have what they need.
        self.commands.push("systemctl enable --now --no-block lakewright-search.timer".to_owned());
    }
}

/// What the shipper may do: add documents to its indices, and put the templates that these are made by. A policy deletes them by the rights of
/// who put it, so that with one it needs those as well.
fn roles(search: &SearchPlan) -> String {
    let mut cluster =
        vec!["cluster:monitor/main", "indices:admin/index_template/get", "indices:admin/index_template/put"];
    let mut own = vec!["create_doc", "auto_configure"];
    if search.deletes {
        cluster.extend(["cluster:admin/ilm/get", "cluster:admin/ilm/put"]);
        own.extend(["delete_index", "monitor"]);
    }
    let cluster: String = cluster.iter().map(|action| format!("    - \"{action}\"\n")).collect();
    format!(
        "shipper:\n  cluster:\n{cluster}  indices:\n    - names: [\"{}-*\"]\n      privileges: [{}]\n",
        search.index,
        own.join(", ")
    )
}

/// Elasticsearch's settings, with those lines about who gets in.
fn elasticsearch(plan: &HostPlan, search: &SearchPlan, security: &str) -> String {
    format!(
        "cluster.name: {}\nnetwork.host: [_local_, _site_]\nhttp.port: {}\ndiscovery.type: single-node\n{security}\
         path.data: /var/lib/elasticsearch\npath.logs: /var/log/elasticsearch\n",
        plan.stack, search.port
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::super::user_data;
    use super::*;

    /// A host with the search index alone, on its volume.
    fn alone() -> HostPlan {
        let login = SearchLogins {
            name: "search.shop.internal".into(),
            authority: "search/authority.pem",
            secrets: "lakewright/shop/search-".into(),
            users: vec![("admin", "superuser"), ("shipper", "shipper")],
        };
        let search =
            SearchPlan { version: 8, port: 9200, index: "user-actions".into(), deletes: false, login: Some(login) };
        HostPlan { agents: vec![], search: Some(search), ..plan() }
    }

    #[test]
    fn a_search_host_with_logins_fits_into_what_ec2_takes() {
        let mut plan = alone();
        // The longest names that there are.
        let stack = "s".repeat(24);
        let login = SearchLogins {
            name: format!("search.{stack}.internal"),
            secrets: format!("lakewright/{stack}/search-"),
            ..plan.search.clone().and_then(|search| search.login).expect("a login")
        };
        let search = SearchPlan {
            index: "i".repeat(255),
            deletes: true,
            login: Some(login),
            ..plan.search.clone().expect("search")
        };
        plan = HostPlan { search: Some(search), stack, artifacts: "b".repeat(63), host: "h".repeat(24), ..plan };
        let text = user_data(&plan);
        assert!(text.len() < 16_384, "EC2 takes 16 KiB of user data, this is {}", text.len());
    }

    #[test]
    fn with_logins_everything_is_encrypted_and_starts_when_it_has_what_it_needs() {
        let text = user_data(&alone());
        for line in [
            "xpack.security.enabled: true",
            "xpack.security.http.ssl.enabled: true",
            "xpack.security.transport.ssl.enabled: true",
            "xpack.security.authc.reserved_realm.enabled: false",
            "server.ssl.enabled: true",
            "    - names: [\"user-actions-*\"]",
            "      privileges: [create_doc, auto_configure]",
            "NAME=search.shop.internal",
            "USERS=\"admin:superuser shipper:shipper\"",
        ] {
            assert!(text.contains(&format!("      {line}\n")), "{line}: {text}");
        }
        assert!(!text.contains("http://127.0.0.1:9200") && !text.contains("xpack.security.enabled: false"), "{text}");
        let starts: Vec<&str> =
            text.lines().filter(|line| line.starts_with("  - systemctl") && line.contains("--now")).collect();
        assert!(starts.iter().any(|line| line.ends_with("lakewright-search.timer")), "{starts:?}");
        assert!(!starts.iter().any(|line| line.contains("elasticsearch")), "{starts:?}");
    }

    #[test]
    fn who_deletes_nothing_may_delete_nothing() {
        let plan = alone();
        let kept = plan.search.clone().expect("search");
        let text = roles(&kept);
        assert!(text.contains("    - \"indices:admin/index_template/put\"\n"), "{text}");
        assert!(!text.contains("ilm") && !text.contains("delete"), "{text}");
        let text = roles(&SearchPlan { deletes: true, ..kept });
        assert!(text.contains("    - \"cluster:admin/ilm/put\"\n"), "{text}");
        assert!(text.ends_with("      privileges: [create_doc, auto_configure, delete_index, monitor]\n"), "{text}");
    }

    #[test]
    fn without_logins_it_is_open_and_has_no_script() {
        let plan = alone();
        let search = plan.search.clone().map(|search| SearchPlan { login: None, ..search });
        let text = user_data(&HostPlan { search, ..plan });
        assert!(
            text.contains("      xpack.security.enabled: false\n") && !text.contains("lakewright-search"),
            "{text}"
        );
        assert!(
            text.contains("  - systemctl enable --now --no-block elasticsearch.service kibana.service\n"),
            "{text}"
        );
    }
}
