//! The sections of a stack file that stand for data: tables, models, search and queries.

use lakewright_config::{Column, ColumnType, Filling, MemberPath, PartitionField, Reading, SortField, raw_columns};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::declare::{choice, section};
use super::decode::{At, Decode, Decoder, Named, Node};
use super::functions::Statement;
use super::tags::Tagged;
use super::units::{Age, Period, Size};
use super::values::{Setting, Whole};

section! {
    /// A table of the raw zone: its Iceberg table, the stream agent's decoder and the producer's events come from it.
    TableSection {
        /// What its rows mean, for the catalog.
        description: At<String> = At::given(""),
        /// The topic whose messages become its rows, one of `[topics]`.
        topic: At<String>,
        /// A table that others made and own, Spark, Athena or PyIceberg for one: `"DATABASE.TABLE"` in the Glue catalog. It is
        /// written to, and neither made, changed, maintained nor deleted. It must have the declared columns, in types that hold
        /// what these do; those of a row's identity (`kafka_topic_id` …) are filled where it has them. Its bucket must let the
        /// hosts' role read and write below `location`. Default: a table of the stack's own.
        existing: Option<At<String>> = None,
        /// With `existing`: where the table's files are, `s3://bucket/prefix`, which is all that the agent may write.
        location: Option<At<String>> = None,
        /// The bucket of its files, one of `[buckets]`.
        bucket: At<String> = At::given("raw"),
        /// The columns in order: a type as Iceberg writes it, or a table with `type`, `required` and `doc`.
        columns: Named<At<ColumnSection>>,
        /// The columns that identify the fact that a row records.
        key: At<Vec<At<String>>>,
        /// What its rows are written to.
        sink: At<Sink> = At::given(Sink::Iceberg),
        /// How files are divided: `COLUMN`, `year(…)`, `month(…)`, `day(…)`, `hour(…)`, `bucket(N, …)` or `truncate(N, …)`.
        partition: Vec<At<PartitionField>> = Vec::new(),
        /// How maintenance sorts the rows of files that it puts together, `["country", "sold_at desc"]`: `COLUMN` or a
        /// transform as in `partition`, then `desc`, `nulls first` or `nulls last` where wanted. Without it, the order that
        /// the table has stays.
        sort: Vec<At<SortField>> = Vec::new(),
        /// Properties of its Iceberg table, over Lakewright's own: `"write.target-file-size-bytes" = 268435456`. Those by
        /// which the stream agent writes stand in docs/topics.md; others are for other engines. One that no longer stands
        /// here keeps its value on the table.
        properties: Named<At<Setting>> = Named(Vec::new()),
        /// How the topic's messages are written.
        format: At<Format> = At::given(Format::Envelope),
        /// The registry of the schemas that messages are written by, with `format = "avro"` or `"debezium"`: the URL of one that
        /// speaks Confluent's REST API, `https://registry.example.com`, or `"glue"` for AWS Glue's of this account and region.
        /// Default: none, so that Debezium's messages are JSON that needs none.
        registry: Option<At<String>> = None,
        /// By which user and password `registry` is asked: one of `[secrets]`, or the ARN of a secret that is there already and
        /// holds `{"username": …, "password": …}`. Default: without.
        registry_secret: Option<At<String>> = None,
        /// The name under which `registry` has the schemas of the messages, which only `check --compat` asks for: agents know a
        /// message's schema by its number. With Glue `"REGISTRY/SCHEMA"`. Default: what serializers take, `TOPIC-value`, and with Glue
        /// the topic's name in `default-registry`.
        registry_subject: Option<At<String>> = None,
        /// With `format = "json"` or `"avro"`: the members that lead to the row's object inside of a message, `payload.after`.
        /// Default: the message itself.
        path: Option<At<MemberPath>> = None,
        /// What of Kafka's record becomes a column beside the declared ones, `["key", "headers", "timestamp"]`: `kafka_key`,
        /// `kafka_key_bytes`, `kafka_headers`, `kafka_timestamp`.
        kafka: Vec<At<KafkaPart>> = Vec::new(),
        /// What becomes of members that no column takes; those that are dropped or kept are counted in
        /// `unknown_members_total`.
        unknown: At<Unknown> = At::given(Unknown::Drop),
        /// With `unknown = "evolve"`: so many columns come from messages at most, 100 without it. What comes beyond them stands in
        /// the column `unknown`.
        max_new_columns: Option<At<Whole<1, 1000>>> = None,
        /// With `format = "json"` or `"avro"`: what becomes of records without a value.
        on_tombstone: At<OnTombstone> = At::given(OnTombstone::Reject),
    }
}

choice! {
    /// What the rows of a table are written to.
    Sink as lakewright_config::Sink {
        /// An Iceberg table of the Glue catalog, which Athena, Spark and models read.
        Iceberg = "iceberg",
        /// Parquet files below `raw/TABLE/files` of the bucket. What no manifest in `raw/TABLE/commits` names isn't of the table.
        Parquet = "parquet",
        /// Files of JSON, a row a line, compressed by gzip, with manifests as for Parquet.
        Json = "json",
    }
}

choice! {
    /// How the messages of a topic are written.
    Format as lakewright_config::Format {
        /// JSON that names its table, `{"table": "sales", "data": {…}}`: several tables share the topic.
        Envelope = "envelope",
        /// JSON of any shape: each message of the topic is a row of this one table.
        Json = "json",
        /// Avro by schemas of the `registry`: each message of the topic is a row of this one table.
        Avro = "avro",
        /// Debezium's change events, in JSON or by schemas of the `registry`: each is a row of this one table, with the members
        /// `__op`, `__ts_ms`, `__position` and `__deleted` beside those of the source's row.
        Debezium = "debezium",
    }
}

choice! {
    /// A part of a Kafka record besides its value.
    KafkaPart as lakewright_config::KafkaPart {
        /// Its key as text, in `kafka_key`. A record whose key is no UTF-8 is a reject.
        Key = "key",
        /// Its key as bytes, in `kafka_key_bytes`.
        KeyBytes = "key_bytes",
        /// Its headers in their order, in `kafka_headers`: a list of `key` and `value`, null when there are none.
        Headers = "headers",
        /// The time that the producer or the broker gave it, in `kafka_timestamp`.
        Timestamp = "timestamp",
    }
}

choice! {
    /// What becomes of members that no column takes.
    Unknown as lakewright_config::Unknown {
        /// They are counted and left out.
        Drop = "drop",
        /// The record is a reject, as one with a wrong value is.
        Reject = "reject",
        /// They stand as JSON in the column `unknown`, which is null when there are none.
        Keep = "keep",
        /// They become columns of the Iceberg table by themselves, of types that follow from their values or from their schema. What
        /// can't become one, or doesn't fit it, stands in the column `unknown` as with `keep`, and is counted by cause in
        /// `unevolved_members_total`. The file may declare such a column later, with its type or one that is wider.
        Evolve = "evolve",
    }
}

choice! {
    /// What becomes of records without a value.
    OnTombstone as lakewright_config::OnTombstone {
        /// They are rejects.
        Reject = "reject",
        /// Each is a row whose declared columns are null. It needs `kafka = ["key"]`, and no column may be required.
        Row = "row",
    }
}

choice! {
    /// What numbers count that stand for times.
    TimeUnit as lakewright_config::TimeUnit {
        /// Seconds since 1970, or since midnight for a `time`.
        Seconds = "seconds",
        /// Milliseconds.
        Millis = "millis",
        /// Microseconds.
        Micros = "micros",
    }
}

/// The word that names AWS Glue's schema registry.
pub const GLUE: &str = "glue";

/// The tables of the raw zone, those left out that others made.
pub fn raw_tables(tables: &Named<TableSection>) -> impl Iterator<Item = &str> {
    tables.iter().filter(|table| table.value.existing.is_none()).map(|table| table.name.as_str())
}

impl TableSection {
    /// Whether it is in the Glue catalog.
    pub fn is_in_catalog(&self) -> bool {
        lakewright_config::Sink::from(self.sink.value).is_in_catalog()
    }

    /// Database and name of the table that others made; `None` of one of the stack's own.
    pub fn existing_table(&self) -> Option<(&str, &str)> {
        self.existing.as_ref()?.value.split_once('.')
    }

    /// Whether its messages are read by Glue's schema registry.
    pub fn is_of_glue(&self) -> bool {
        self.registry.as_ref().is_some_and(|registry| registry.value == GLUE)
    }

    /// The columns that its Iceberg table has after the declared ones.
    pub fn own_columns(&self) -> Vec<Column> {
        self.reading().added().into_iter().chain(raw_columns()).collect()
    }

    /// How messages become its rows, as agents know it.
    pub fn reading(&self) -> Reading {
        Reading {
            format: self.format.value.into(),
            // What it is to agents, the stack's other sections say too.
            registry: None,
            path: self.path.as_ref().map(|path| path.value.clone()).unwrap_or_default(),
            kafka: self.kafka.iter().map(|part| part.value.into()).collect(),
            unknown: self.unknown.value.into(),
            max_new_columns: self.max_new_columns.as_ref().and_then(|most| u32::try_from(most.0).ok()),
            on_tombstone: self.on_tombstone.value.into(),
            columns: self
                .columns
                .iter()
                .filter_map(|column| Some((column.name.clone(), column.value.filling()?)))
                .collect(),
        }
    }
}

impl ColumnSection {
    /// How messages fill it, where that isn't plain.
    fn filling(&self) -> Option<Filling> {
        let member = self.member.as_ref().map(|member| member.value.clone());
        let unit = self.unit.as_ref().map(|unit| unit.value.into());
        (member.is_some() || unit.is_some()).then_some(Filling { member, unit })
    }
}

section! {
    /// A column written as a table.
    ColumnTable {
        /// Its type: boolean, int, long, float, double, decimal(P,S), date, time, timestamp, timestamptz, string, uuid,
        /// fixed(N), binary, list<TYPE>, map<string, TYPE> or struct<NAME: TYPE, NAME: TYPE>.
        r#type: At<ColumnType>,
        /// Whether a message without it is refused.
        required: At<bool> = At::given(false),
        /// What it means, for the catalog.
        doc: Option<At<String>> = None,
        /// The name that it had before: the column is renamed and keeps its values. Messages may carry either name while
        /// this line stands.
        was: Option<At<String>> = None,
        /// The member of a message that holds its values, where that isn't named like the column: `orderId`.
        member: Option<At<String>> = None,
        /// Its times come as numbers that count this since 1970, or since midnight for a `time`; times in lists, maps and
        /// structs too. Default: as text.
        unit: Option<At<TimeUnit>> = None,
    }
}

/// A column: `"decimal(12,2)"` or a [`ColumnTable`].
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSection {
    /// Its type.
    pub column_type: ColumnType,
    /// Whether a message without it is refused.
    pub required: bool,
    /// What it means.
    pub doc: Option<String>,
    /// The name that it had before.
    pub was: Option<At<String>>,
    /// The member of a message that holds its values.
    pub member: Option<At<String>>,
    /// What the numbers count that stand for its times.
    pub unit: Option<At<TimeUnit>>,
}

impl Decode for ColumnSection {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        match node.get_ref() {
            DeValue::String(_) => {
                ColumnType::decode(node, decoder).map(|column_type| Self { column_type, ..Self::placeholder() })
            }
            DeValue::Table(_) => {
                let table = ColumnTable::decode(node, decoder)?;
                table.r#type.sound.then(|| Self {
                    column_type: table.r#type.value,
                    required: table.required.value,
                    doc: table.doc.map(|doc| doc.value),
                    was: table.was,
                    member: table.member,
                    unit: table.unit,
                })
            }
            _ => decoder.wrong_type(node, "a column type or a table with `type`"),
        }
    }

    fn placeholder() -> Self {
        Self { column_type: ColumnType::String, required: false, doc: None, was: None, member: None, unit: None }
    }
}

impl JsonSchema for ColumnSection {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Column".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<ColumnType>();
        let table = generator.subschema_for::<ColumnTable>();
        json_schema!({ "anyOf": [text, table] })
    }
}

choice! {
    /// The processors that models run on.
    Architecture {
        /// Intel and AMD.
        X86 = "x86_64",
        /// Graviton: about a fifth cheaper.
        Arm = "arm64",
    }
}

section! {
    /// The models and the Spark application (EMR Serverless) that runs them.
    Batch {
        /// The folder of the models, one `NAME.sql` each, beside the stack file.
        models: At<String> = At::given("models"),
        /// The bucket of the warehouse's files, one of `[buckets]`.
        bucket: At<String> = At::given("warehouse"),
        /// From the start of one run to the start of the next.
        every: At<Period> = At::given(Period::seconds(3600)),
        /// After how long a run is cancelled.
        timeout: At<Period> = At::given(Period::seconds(1800)),
        /// The EMR release.
        release: At<String> = At::given("emr-7.9.0"),
        /// The processors.
        architecture: At<Architecture> = At::given(Architecture::X86),
        /// The most virtual processors that all workers together may use.
        max_vcpu: At<Whole<1, 2000>> = At::given(Whole(16)),
        /// The most memory in GB that all workers together may use.
        max_memory_gb: At<Whole<2, 8000>> = At::given(Whole(64)),
        /// After how long without a job the application stops, which costs nothing then.
        idle_timeout: At<Period> = At::given(Period::seconds(900)),
        /// The most disk in GB that all workers together may use.
        max_disk_gb: At<Whole<20, 40_000>> = At::given(Whole(200)),
        /// The image of the workers, made from EMR's own: its URI in a private ECR repository, with a tag or a digest.
        /// Default: EMR's image of the release.
        image: Option<At<String>> = None,
        /// What the models' role may do besides what it needs: statements of an IAM policy, each with `Effect`, `Action` and
        /// `Resource`.
        statements: At<Vec<At<Statement>>> = At::given(Vec::new()),
        /// Who puts small files of the warehouse's tables together, lets old snapshots go and deletes what nothing refers to. What is
        /// kept is said in `[agents.stream]`, as for raw tables.
        maintenance: At<WarehouseMaintainedBy> = At::given(WarehouseMaintainedBy::Off),
        /// How long Spark leaves a table alone after it has maintained it.
        maintenance_interval: At<Period> = At::given(Period::days(1)),
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}

choice! {
    /// Who maintains the warehouse's tables.
    WarehouseMaintainedBy {
        /// Spark, by Iceberg's procedures, after the models of a run. A maintenance that fails makes its run fail after its models
        /// succeeded.
        Spark = "spark",
        /// Somebody else, or nobody: `lakewright maintain` does it when it is called.
        Off = "off",
    }
}

section! {
    /// The search cluster: Elasticsearch on a host of this stack.
    Search {
        /// The host that it runs on, one of `[hosts]`.
        host: At<String>,
        /// User actions go to indices `INDEX-YYYY.MM.DD`.
        index: At<String> = At::given("user-actions"),
        /// Its port.
        port: At<Whole<1, 65_535>> = At::given(Whole(9200)),
        /// Elasticsearch's major version, whose package repository the host installs from.
        version: At<Whole<7, 9>> = At::given(Whole(8)),
        /// Whether it asks who somebody is: users with passwords and TLS, for Kibana too. People log in as `admin`, who may do
        /// everything and has the secret `lakewright/STACK/search-admin`, the shipper as one who may add documents. Such a host
        /// runs no agents. In a production stack it can't be switched off.
        login: At<bool> = At::given(true),
        /// After how many whole days an apply gives its users new passwords, `"90d"`: 1 to 3650. Default: never.
        rotate_after: Option<At<Age>> = None,
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}

section! {
    /// The Athena workgroup.
    Query {
        /// The most bytes that one query may scan, at least 10 MB. Default: no limit.
        scan_limit: Option<At<Size>> = None,
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}
