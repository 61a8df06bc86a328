//! The sections of a stack file that stand for data: tables, models, search and queries.

use lakewright_config::{ColumnType, PartitionField};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::declare::{choice, section};
use super::decode::{At, Decode, Decoder, Named, Node};
use super::functions::Statement;
use super::tags::Tagged;
use super::units::{Age, Period, Size};
use super::values::Whole;

section! {
    /// A table of the raw zone: its Iceberg table, the stream agent's decoder and the producer's events come from it.
    TableSection {
        /// What its rows mean, for the catalog.
        description: At<String> = At::given(""),
        /// The topic whose messages become its rows, one of `[topics]`.
        topic: At<String>,
        /// The bucket of its files, one of `[buckets]`.
        bucket: At<String> = At::given("raw"),
        /// The columns in order: a type as Iceberg writes it, or a table with `type`, `required` and `doc`.
        columns: Named<At<ColumnSection>>,
        /// The columns that identify the fact that a row records.
        key: At<Vec<At<String>>>,
        /// How files are divided: `COLUMN`, `year(…)`, `month(…)`, `day(…)`, `hour(…)`, `bucket(N, …)` or `truncate(N, …)`.
        partition: Vec<At<PartitionField>> = Vec::new(),
    }
}

section! {
    /// A column written as a table.
    ColumnTable {
        /// Its type: boolean, int, long, float, double, decimal(P,S), date, timestamp, timestamptz, string, binary or
        /// list<TYPE>.
        r#type: At<ColumnType>,
        /// Whether a message without it is refused.
        required: At<bool> = At::given(false),
        /// What it means, for the catalog.
        doc: Option<At<String>> = None,
        /// The name that it had before: the column is renamed and keeps its values. Messages may carry either name while
        /// this line stands.
        was: Option<At<String>> = None,
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
                })
            }
            _ => decoder.wrong_type(node, "a column type or a table with `type`"),
        }
    }

    fn placeholder() -> Self {
        Self { column_type: ColumnType::String, required: false, doc: None, was: None }
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
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
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
