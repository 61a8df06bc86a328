//! The stack file that answers stand for.

use std::fmt::Write as _;

use crate::stack::Agent;

/// How much of everything a stack gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As little as works: to try it out.
    Cheapest,
    /// What a team begins with.
    Standard,
    /// What customers wait for.
    Production,
}

impl Size {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cheapest, Self::Standard, Self::Production];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cheapest => "cheapest",
            Self::Standard => "standard",
            Self::Production => "production",
        }
    }

    /// The size of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.word() == word)
    }

    fn broker(self) -> &'static str {
        match self {
            Self::Cheapest => "kafka.t3.small",
            Self::Standard => "kafka.m7g.large",
            Self::Production => "kafka.m7g.xlarge",
        }
    }

    fn storage_gib(self) -> u32 {
        match self {
            Self::Cheapest => 20,
            Self::Standard => 100,
            Self::Production => 500,
        }
    }

    fn host(self) -> &'static str {
        match self {
            Self::Cheapest => "t3.small",
            Self::Standard => "t3.medium",
            Self::Production => "m7g.large",
        }
    }

    fn search_host(self) -> &'static str {
        if self == Self::Cheapest { "t3.medium" } else { "m7i.large" }
    }

    fn partitions(self) -> u32 {
        match self {
            Self::Cheapest => 2,
            Self::Standard => 6,
            Self::Production => 12,
        }
    }
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
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            name: "lake".to_owned(),
            region: "eu-north-1".to_owned(),
            zones: 3,
            size: Size::Standard,
            agents: vec![Agent::Producer, Agent::Stream],
        }
    }
}

/// The rest of the network's section where nothing shall have a public address.
const PRIVATE: &str = "subnets = \"private\"            # nothing has a public address
nat = \"per-zone\"               # the way out, billed by the hour: \"single\" costs a third and hangs on one zone
flow_logs = true               # who talks to whom, in a log group
";

/// The stack file.
pub fn compose(answers: &Answers) -> String {
    let Answers { name, region, zones, size, agents } = answers;
    let runs = |agent| agents.contains(&agent);
    let letters = ["\"a\"", "\"b\"", "\"c\""][..*zones].join(", ");
    let mut out = format!(
        "# {name}: a streaming lakehouse in one file.\n#\n#   lakewright up       runs all of it on this machine, without an \
         AWS account\n#   lakewright cost     what it costs a month\n#   lakewright plan     how your AWS account differs from \
         this file\n#   lakewright apply    makes it so\n#\n# `lakewright schema` prints the JSON Schema of this file, by which \
         editors complete it.\n\n[stack]\nname = \"{name}\"\nregion = \"{region}\"\n\n# One VPC with a subnet in each zone. Nothing \
         lets anybody in from outside.\n[network]\nzones = [{letters}]\n{private}\n# MSK. Brokers are billed by the hour, whether they \
         are used or not.\n[kafka]\nbrokers = {zones}                     # a multiple of the zones\ninstance_type = \
         \"{broker}\"\nstorage_gib = {storage}               # of each broker; it only grows\nauthentication = \"scram\"        \
         # name and password over TLS\nsecret = \"kafka\"\nkey = \"main\"\n\n[keys.main]\ndescription = \"data at \
         rest\"\n\n# The password is made by Lakewright, stands in Secrets Manager and is never shown.\n[secrets.kafka]\nusername \
         = \"{name}\"\n\n",
        private = if *size == Size::Production { PRIVATE } else { "" },
        broker = size.broker(),
        storage = size.storage_gib(),
    );
    topics(&mut out, *size);
    if runs(Agent::Stream) || runs(Agent::Batch) {
        tables(&mut out);
    }
    if runs(Agent::Batch) {
        out.push_str(
            "# What models/NAME.sql make of the raw zone, on EMR Serverless Spark: billed by the second of a run.\n\
             [buckets.warehouse]\nkey = \"main\"\n\n[batch]\nmodels = \"models\"\nbucket = \"warehouse\"\nevery = \"1h\"\n\n",
        );
    }
    if runs(Agent::Shipper) {
        let _ = write!(
            out,
            "# Elasticsearch on a host of the stack, for what the shipper sends there.\n[search]\nhost = \
             \"search\"\n\n[hosts.search]\ninstance_type = \"{}\"\nvolume_gib = 50\nkey = \"main\"\n\n# The shipper's backup, as \
             compressed JSON lines.\n[buckets.backup]\nkey = \"main\"\nexpire_after = \"90d\"\n\n",
            size.search_host()
        );
    }
    if !agents.is_empty() {
        let words: Vec<String> = agents.iter().map(|agent| format!("\"{}\"", agent.word())).collect();
        let _ = write!(
            out,
            "# One that dies is replaced, and starts its agents at boot.\n[hosts.app]\ninstance_type = \"{}\"\nagents = \
             [{}]\nkey = \"main\"\n\n",
            size.host(),
            words.join(", ")
        );
    }
    if runs(Agent::Producer) {
        out.push_str("# How much the simulated shop sends: also \"100 MB / 4h\", or \"max\".\n[agents.producer]\nrate = \"100/s\"\n\n");
    }
    allowed(&mut out, *zones);
    out
}

fn topics(out: &mut String, size: Size) {
    let partitions = size.partitions();
    let _ = write!(
        out,
        "# Business facts, {{\"table\": \"sales\", \"data\": {{…}}}}.\n[topics.iceberg_events]\npartitions = {partitions}\nretention \
         = \"7d\"\n\n# What visitors do.\n[topics.es_events]\npartitions = {partitions}\nretention = \"3d\"\n\n"
    );
}

fn tables(out: &mut String) {
    out.push_str(
        "# The raw zone: what came in, as it came in. A declaration makes the Iceberg table and the stream agent's decoder.\n\
         [buckets.raw]\nkey = \"main\"\n\n[tables.sales]\ndescription = \"one row for each product in a purchase\"\ntopic = \
         \"iceberg_events\"\nkey = [\"sale_id\"]\npartition = [\"day(sold_at)\"]\n\n[tables.sales.columns]\nsale_id = \
         \"string\"\nuser_id = \"string\"\nproduct_id = { type = \"string\", required = true }\nquantity = \"int\"\namount = \
         \"decimal(12,2)\"\ncountry = { type = \"string\", doc = \"ISO 3166 code\" }\nsold_at = { type = \"timestamptz\", required \
         = true }\n\n",
    );
}

/// The rules of `lakewright check` that the answers break on purpose.
fn allowed(out: &mut String, zones: usize) {
    out.push_str(
        "# Rules of `lakewright check` that are broken on purpose, each with the reason.\n[allow.bucket-without-key]\n\
         \"bucket.artifacts\" = \"it holds configurations and programs, no data\"\n",
    );
    out.push_str(
        "\n[allow.no-alarms]\n\"cluster.main\" = \"nobody is on call for it: a section [alarms] changes that\"\n",
    );
    if zones < 3 {
        out.push_str("\n[allow.cluster-two-zones]\n\"cluster.main\" = \"two zones cost less than three\"\n");
    }
}
