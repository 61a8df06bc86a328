//! The stack file that answers stand for.

use std::fmt::Write as _;

use lakewright_config::agents::Need;

use super::size::Size;
use crate::stack::{Agent, Architecture};

/// How Kafka's clients log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Login {
    /// By their roles on AWS: no password anywhere.
    Iam,
    /// By name and password.
    Scram,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// The stack's name.
    pub name: String,
    /// The region.
    pub region: String,
    /// How many zones: 2 or 3.
    pub zones: usize,
    /// How much of everything.
    pub size: Size,
    /// The agents of its hosts.
    pub agents: Vec<Agent>,
    /// The processors that the agents' program was built for.
    pub processors: Architecture,
    /// How Kafka's clients log in.
    pub login: Login,
    /// Who is notified of alarms.
    pub alarm_email: Option<String>,
    /// How much a month may cost before somebody is notified.
    pub budget: Option<Budget>,
}

/// The limit of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// In US dollars.
    pub monthly_usd: u32,
    /// Who is notified.
    pub email: String,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            name: "lake".to_owned(),
            region: "eu-north-1".to_owned(),
            zones: Size::Standard.zones(),
            size: Size::Standard,
            agents: vec![Agent::Producer, Agent::Stream],
            processors: if cfg!(target_arch = "aarch64") { Architecture::Arm } else { Architecture::X86 },
            login: Login::Iam,
            alarm_email: None,
            budget: None,
        }
    }
}

/// Which keys encrypt what names none.
const ONE_KEY: &str = r#"keys = "one"                   # encrypts everything; "by-class" is one for data, one for logs, one for secrets"#;
const KEYS: &str = r#"keys = "by-class"              # `main` encrypts data, `logs` logs and alarms, `secrets` passwords: a dollar a month each"#;

/// What a stack is for that customers wait for.
const PRODUCTION: &str =
    "environment = \"production\"     # what opens data to everybody in its network can't be allowed by any reason\n";

/// The stack file.
pub fn compose(answers: &Answers) -> String {
    let needs = |need| answers.agents.iter().any(|agent| agent.needs(need));
    // What models read are tables too.
    let tables = needs(Need::Tables) || needs(Need::Models);
    let (name, region) = (&answers.name, &answers.region);
    let keys = if answers.size == Size::Cheapest { ONE_KEY } else { KEYS };
    let environment = if answers.size == Size::Production { PRODUCTION } else { "" };
    let mut out = format!(
        r#"# {name}: a streaming lakehouse in one file.
#
#   lakewright up       runs all of it on this machine, without an AWS account
#   lakewright check    what is allowed and seldom meant
#   lakewright cost     what it costs a month
#   lakewright plan     how your AWS account differs from this file
#   lakewright apply    makes it so
#   lakewright destroy  deletes it; what holds data only when --allow-data-loss names it
#
# What isn't written has its default: `lakewright schema` prints the JSON Schema of this file with all of them, by which
# editors complete it, and `lakewright explain ADDRESS` says what an address of the plan is for.

[stack]
name = "{name}"                # begins the name of everything on AWS
region = "{region}"
{environment}{keys}
log_retention = "30d"          # of the agents' log groups

"#
    );
    network(&mut out, answers);
    kafka(&mut out, answers);
    topics(&mut out, answers.size);
    if tables {
        out.push_str(TABLES);
    }
    if needs(Need::Models) {
        out.push_str(BATCH);
    }
    if tables {
        out.push_str(QUERY);
    }
    if needs(Need::Search) {
        search(&mut out, answers.size);
    }
    if !answers.agents.is_empty() {
        hosts(&mut out, answers);
    }
    watch(&mut out, answers);
    allowed(&mut out, answers);
    out
}

fn network(out: &mut String, answers: &Answers) {
    let zones = zones(&answers.region, answers.zones);
    let _ = writeln!(
        out,
        r"# One VPC with a subnet in each availability zone. Nothing lets anybody in from outside: hosts are reached by Session Manager.
# A VPC that is there already is named by [network.existing].
[network]
zones = [{zones}]"
    );
    if answers.size == Size::Production {
        out.push_str(PRIVATE);
    }
    out.push_str("flow_logs = true               # who talks to whom, in a log group\n\n");
}

/// The letters of a region's first zones. In a few regions AWS gives new accounts no zone of one of the first letters.
fn zones(region: &str, number: usize) -> String {
    let letters = match region {
        "ap-northeast-1" => ["a", "c", "d"],
        "ca-central-1" => ["a", "b", "d"],
        _ => ["a", "b", "c"],
    };
    letters[..number].iter().map(|letter| format!("\"{letter}\"")).collect::<Vec<_>>().join(", ")
}

/// The rest of the network's section where nothing shall have a public address.
const PRIVATE: &str = r#"subnets = "private"            # nothing has a public address
nat = "per-zone"               # the way out, billed by the hour: "single" costs a third and hangs on one zone
"#;

fn kafka(out: &mut String, answers: &Answers) {
    let (brokers, size) = (answers.zones, answers.size);
    let (broker, storage) = (size.broker(), size.storage_gib());
    let _ = write!(
        out,
        r#"# MSK. Brokers are billed by the hour, whether they are used or not.
[kafka]
brokers = {brokers}                    # a multiple of the zones
instance_type = "{broker}"
storage_gib = {storage}               # of each broker; it only grows, and storage_max_gib lets MSK grow it by itself
"#
    );
    let login = match answers.login {
        // Each agent is a user of its own, whose password is made by Lakewright and never shown.
        Login::Scram => {
            r#"authentication = "scram"       # a user for each agent, by name and password; "iam" does without passwords
rotate_after = "90d"           # an apply gives them new passwords then; by hand, `lakewright rotate secret.AGENT`
"#
        }
        Login::Iam => {
            "authentication = \"iam\"         # clients log in by their roles, whose policies name the topics that they touch\n"
        }
    };
    let _ = write!(
        out,
        r#"{login}key = "main"                   # encrypts the brokers' disks

# What encrypts data. A deleted key can be restored for deletion_days, 30 unless written.
[keys.main]
description = "data at rest"

"#
    );
}

fn topics(out: &mut String, size: Size) {
    let partitions = size.partitions();
    let _ = write!(
        out,
        r#"# Business facts, {{"table": "sales", "data": {{…}}}}, keyed by the row's key. More partitions can be added, none taken away.
[topics.iceberg_events]
partitions = {partitions}
retention = "7d"

# What visitors do: searches, views, purchases.
[topics.es_events]
partitions = {partitions}
retention = "3d"

"#
    );
}

const TABLES: &str = r#"# The raw zone: what came in, as it came in, as Iceberg tables in this bucket.
[buckets.raw]
key = "main"

# A declaration makes the table and the stream agent's decoder. A column that is added, widened or renamed (`was = "old_name"`)
# changes the table in place; a message that fits no table goes to the table dead_letters, with the reason.
[tables.sales]
description = "one row for each product in a purchase"
topic = "iceberg_events"
key = ["sale_id"]
partition = ["day(sold_at)"]

[tables.sales.columns]
sale_id = "string"
user_id = "string"
product_id = { type = "string", required = true }
quantity = "int"
amount = "decimal(12,2)"
country = { type = "string", doc = "ISO 3166 code" }
sold_at = { type = "timestamptz", required = true }

"#;

const BATCH: &str = r#"# The warehouse: what models/NAME.sql make of the raw zone, on EMR Serverless Spark, which is billed by the second of a run.
[buckets.warehouse]
key = "main"

[batch]
models = "models"
bucket = "warehouse"
every = "1h"

"#;

const QUERY: &str = r#"# Athena, for `lakewright query "SELECT …"`. It bills what a query reads, and ends one that reads more than this.
[query]
scan_limit = "100 GB"

"#;

fn search(out: &mut String, size: Size) {
    let host = size.search_host();
    let _ = write!(
        out,
        r#"# Elasticsearch on a host of the stack, for what the shipper sends there. The data volume, and the index on it, outlives the host.
# It asks for logins, over TLS: people's user is `admin`, whose password is the secret lakewright/STACK/search-admin.
[search]
host = "search"
rotate_after = "90d"           # an apply gives its users new passwords then

[hosts.search]
instance_type = "{host}"
data_volume_gib = 50           # it only grows
key = "main"

# The shipper's backup, as compressed JSON lines.
[buckets.backup]
key = "main"
expire_after = "90d"

"#
    );
}

fn hosts(out: &mut String, answers: &Answers) {
    let words: Vec<String> = answers.agents.iter().map(|agent| format!("\"{}\"", agent.word())).collect();
    let (host, words) = (answers.size.host(answers.processors), words.join(", "));
    let _ = write!(
        out,
        r#"# One that dies is replaced, and starts its agents at boot. What it may do on AWS is derived from its agents.
[hosts.app]
instance_type = "{host}"
agents = [{words}]
key = "main"

"#
    );
    if answers.agents.contains(&Agent::Producer) {
        out.push_str(
            r#"# How much the simulated shop sends: also "100 MB / 4h", or "max". Take it out when your own events come in.
[agents.producer]
rate = "100/s"

"#,
        );
    }
}

fn watch(out: &mut String, answers: &Answers) {
    match &answers.alarm_email {
        Some(email) => {
            let _ = write!(
                out,
                r#"# Alarms on brokers, agents and data, with a dashboard. AWS asks the address to confirm.
[alarms]
email = ["{email}"]

"#
            );
        }
        None => {
            let then = if answers.size == Size::Production { "" } else { "; then take [allow.no-alarms] out" };
            let _ = write!(
                out,
                r#"# Nobody is notified when a disk fills up or an agent falls silent. These lines change that{then}.
# [alarms]
# email = ["you@example.com"]

"#
            );
        }
    }
    match &answers.budget {
        Some(Budget { monthly_usd, email }) => {
            let _ = write!(
                out,
                r#"# Somebody is notified at 80 % of it, and when the month will come to more. It counts what carries the tag lakewright:stack, once
# that is activated as a cost allocation tag in AWS's billing console.
[budget]
monthly_usd = {monthly_usd}
email = ["{email}"]

"#
            );
        }
        None => out.push_str(
            r#"# What a month may cost before somebody is notified:
# [budget]
# monthly_usd = 1000
# email = ["you@example.com"]

"#,
        ),
    }
}

/// The rules of `lakewright check` that the answers break on purpose.
fn allowed(out: &mut String, answers: &Answers) {
    out.push_str(
        r#"# Rules of `lakewright check` that are broken on purpose, each with the reason.
[allow.bucket-without-key]
"bucket.artifacts" = "it holds configurations and programs, no data"
"#,
    );
    // What a production stack is for somebody to decide is found until it is decided.
    let is_production = answers.size == Size::Production;
    if answers.alarm_email.is_none() && !is_production {
        out.push_str("\n[allow.no-alarms]\n\"cluster.main\" = \"nobody is on call for it\"\n");
    }
    if answers.zones < 3 {
        out.push_str("\n[allow.cluster-two-zones]\n\"cluster.main\" = \"two zones cost less than three\"\n");
    }
    if answers.login == Login::Scram {
        out.push_str("\n[allow.cluster-without-acls]\n\"cluster.main\" = \"agents may use each other's topics\"\n");
    }
    if is_production {
        out.push_str(
            "\n# `lakewright check` finds what nobody but you can say, until [stack] says it:\n\
             #   permissions_boundary = \"policy/…\"    of what `lakewright permissions --boundary` prints: no role may do more\n\
             #   deployers = [\"role/…\"]              who applies this: nobody else writes what hosts run\n",
        );
        return;
    }
    let role = if answers.agents.is_empty() { "flow-logs" } else { "app" };
    out.push_str(
        "\n# Better: `permissions_boundary` in [stack], of what `lakewright permissions --boundary` prints.\n",
    );
    let _ = writeln!(out, "[allow.role-without-boundary]\n\"role.{role}\" = \"who applies it may make any role\"");
    if !answers.agents.is_empty() {
        out.push_str(
            "\n# Better than this line: `deployers = [\"role/YOURS\"]` in [stack], and nobody else writes what hosts run.\n\
             [allow.code-prefixes-open]\n\"bucket.artifacts\" = \"IAM alone says who writes to it\"\n",
        );
    }
}
