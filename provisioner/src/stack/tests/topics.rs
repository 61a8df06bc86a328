//! Tables of topics whose messages have any shape.

use lakewright_config::{Format, KafkaPart, OnTombstone, Registry, StreamConfig, TimeUnit, Unknown};

use super::{expanded, mistakes, parsed, spec};

const HEAD: &str = r#"[stack]
name = "shop"
region = "eu-north-1"

[network]
cidr = "10.20.0.0/16"

[kafka]

[keys.main]

[topics.orders]

[topics.facts]

[buckets.raw]

[hosts.app]
agents = ["stream"]
"#;

const ORDERS: &str = r#"[tables.orders]
topic = "orders"
format = "json"
path = "payload.after"
kafka = ["key", "headers"]
unknown = "keep"
on_tombstone = "row"
key = ["kafka_key"]
partition = ["bucket(4, kafka_key)"]

[tables.orders.columns]
order_id = { type = "uuid", member = "orderId" }
seen = { type = "timestamptz", unit = "millis" }
address = "struct<street: string, zipCode: fixed(5)>"
labels = "map<string, list<int>>"
"#;

#[test]
fn a_topic_of_any_shape_is_declared() {
    let desired = expanded(&parsed(&format!("{HEAD}{ORDERS}")));
    let columns = spec(&desired, "table.orders")["columns"].as_array().expect("columns").clone();
    let columns: Vec<String> = columns
        .iter()
        .map(|column| {
            format!("{} {}", column["name"].as_str().expect("a name"), column["type"].as_str().expect("a type"))
        })
        .collect();
    assert_eq!(
        columns,
        [
            "order_id uuid",
            "seen timestamptz",
            "address struct<street: string, zipCode: fixed(5)>",
            "labels map<string, list<int>>",
            "kafka_key string",
            "kafka_headers list<struct<key: string, value: binary>>",
            "unknown string",
            "kafka_topic_id string",
            "kafka_partition int",
            "kafka_offset long",
            "ingested_at timestamptz",
        ]
    );
    let content = spec(&desired, "object.app-stream")["content"].as_str().expect("content");
    let stream: StreamConfig = serde_json::from_str(content).expect("stream");
    let reading = &stream.tables[0].reading;
    assert_eq!((reading.format, reading.path.to_string()), (Format::Json, "payload.after".to_owned()));
    assert_eq!(reading.kafka, [KafkaPart::Key, KafkaPart::Headers]);
    assert_eq!((reading.unknown, reading.on_tombstone), (Unknown::Keep, OnTombstone::Row));
    assert_eq!((reading.member("order_id"), reading.unit("seen")), (Some("orderId"), Some(TimeUnit::Millis)));
}

#[test]
fn what_cannot_be_read_so_is_refused_where_it_stands() {
    let more = "[tables.facts]\ntopic = \"facts\"\nkey = [\"id\"]\ncolumns = { id = \"string\" }\n";
    for (from, to, said) in [
        ("format = \"json\"\n", "", "an envelope has its row at `data`"),
        ("topic = \"orders\"", "topic = \"facts\"", "the topic `facts` has another table, `facts`"),
        ("\"headers\"", "\"key\"", "`key` is named twice in `kafka`"),
        ("kafka = [\"key\", \"headers\"]\n", "", "a record without a value says nothing but its key"),
        ("key = [\"kafka_key\"]", "key = [\"order_id\"]", "a record without a value fills no declared column"),
        ("path = \"payload.after\"", "path = \"payload..after\"", "write the members' names with dots between them"),
        ("member = \"orderId\"", "member = \"seen\"", "the columns `seen` and `order_id` take one member"),
        ("member = \"orderId\"", "unit = \"seconds\"", "`order_id` has a `unit`, but holds no time"),
        ("bucket(4, kafka_key)", "order_id", "doesn't fit a column of type uuid"),
        ("key = [\"kafka_key\"]", "key = [\"labels\"]", "`labels` can't be part of a key"),
        ("zipCode: fixed(5)", "street: int", "the member `street` stands there twice"),
        ("labels = ", "unknown = ", "the column `unknown` is Lakewright's own"),
    ] {
        let orders = ORDERS.replace(from, to);
        assert_ne!(orders, ORDERS, "{from}");
        let text = mistakes(&format!("{HEAD}{orders}{more}"), &[]);
        assert!(text.contains(said) && text.contains("--> test.toml:"), "{said}: {text}");
    }
    assert_eq!(mistakes(&format!("{HEAD}{ORDERS}{more}"), &[]), "no mistakes");
}

#[test]
fn a_table_that_gets_columns_from_messages_says_so_to_agents_and_to_plans() {
    let evolving = ORDERS.replace("unknown = \"keep\"", "unknown = \"evolve\"\nmax_new_columns = 7");
    let desired = expanded(&parsed(&format!("{HEAD}{evolving}")));
    let table = spec(&desired, "table.orders");
    assert_eq!(table["evolves"], true);
    assert!(table["columns"].as_array().expect("columns").iter().any(|column| column["name"] == "unknown"));
    let content = spec(&desired, "object.app-stream")["content"].as_str().expect("content");
    let stream: StreamConfig = serde_json::from_str(content).expect("stream");
    let reading = &stream.tables[0].reading;
    assert_eq!((reading.unknown, reading.most_new_columns()), (Unknown::Evolve, 7));
    assert_eq!(spec(&expanded(&parsed(&format!("{HEAD}{ORDERS}"))), "table.orders").get("evolves"), None);

    let others = "existing = \"sales.orders\"\nlocation = \"s3://company/orders\"";
    for (from, to, said) in [
        ("max_new_columns = 7", "max_new_columns = 0", "`tables.orders.max_new_columns`"),
        ("unknown = \"evolve\"", "unknown = \"keep\"", "`max_new_columns` is for tables that get columns"),
        ("partition = [\"bucket(4, kafka_key)\"]", others, "no column is added to `orders`, which others made"),
        ("partition = [\"bucket(4, kafka_key)\"]", "sink = \"json\"", "`orders` is plain files"),
    ] {
        let orders = evolving.replace(from, to);
        assert_ne!(orders, evolving, "{from}");
        let text = mistakes(&format!("{HEAD}{orders}"), &[]);
        assert!(text.contains(said) && text.contains("--> test.toml:"), "{said}: {text}");
    }
}

#[test]
fn a_table_that_spark_cannot_read_feeds_no_model() {
    let batch = "[batch]\n[buckets.warehouse]\n[query]\n";
    let model = "-- materialization: replace\nSELECT count(*) AS n FROM raw.orders\n";
    let timed = ORDERS.replace("labels = \"map<string, list<int>>\"", "opens = \"list<time>\"");
    let text = mistakes(&format!("{HEAD}{batch}{timed}"), &[("counted", model)]);
    assert!(text.contains("Spark, which runs the models, can't read `raw.orders`"), "{text}");
    let text = mistakes(&format!("{HEAD}{batch}{ORDERS}"), &[("counted", model)]);
    assert!(!text.contains("Spark"), "{text}");
}

const SECURED: &str = r#"[secrets.registry]
username = "lakewright"
[tables.orders]
topic = "orders"
format = "avro"
registry = "https://registry.example.com"
registry_secret = "registry"
key = ["id"]
columns = { id = "long" }
[tables.facts]
topic = "facts"
format = "debezium"
registry = "glue"
key = ["id", "__position"]
columns = { id = "long", __op = "string", __position = "string" }
"#;

#[test]
fn a_registry_is_asked_by_whoever_its_secret_names() {
    let desired = expanded(&parsed(&format!("{HEAD}{SECURED}")));
    let content = spec(&desired, "object.app-stream")["content"].as_str().expect("content");
    let stream: StreamConfig = serde_json::from_str(content).expect("stream");
    let of = |table: usize| (stream.tables[table].reading.format, stream.tables[table].reading.registry.clone());
    let login = Some("${secret.registry.arn}".to_owned());
    let url = "https://registry.example.com".to_owned();
    assert_eq!(of(0), (Format::Avro, Some(Registry::Confluent { url, login })));
    assert_eq!(of(1), (Format::Debezium, Some(Registry::Glue)));
    let policy = spec(&desired, "role.app")["policies"].to_string();
    for right in ["\"glue:GetSchemaVersion\"", "\"${secret.registry.arn}\"", "\"RegistryUserKey0\""] {
        assert!(policy.contains(right), "{right}: {policy}");
    }
}

#[test]
fn a_registry_that_cannot_be_asked_is_refused_where_it_stands() {
    let url = "registry = \"https://registry.example.com\"\n";
    for (from, to, said) in [
        (url, "", "`tables.orders` lacks `registry`"),
        (url, "registry = \"glue\"\n", "`registry_secret` has no use without the URL of a registry"),
        (url, "registry_subject = \"orders\"\n", "`registry_subject` has no use without a `registry`"),
        (url, "registry = \"registry:8081\"\n", "`registry:8081` is no registry"),
        (url, "registry = \"https://me:secret@registry\"\n", "a password doesn't stand in a stack file"),
        (url, "registry = \"http://registry.example.com\"\n", "a password would go in clear"),
        ("\"avro\"", "\"json\"", "JSON is read without schemas"),
        ("registry_secret = \"registry\"", "registry_secret = \"other\"", "there is no secret `other`"),
        ("\"debezium\"", "\"debezium\"\npath = \"after\"", "a change event has its row at `before` or `after`"),
        ("\"debezium\"", "\"debezium\"\non_tombstone = \"row\"", "a change event says itself that a row is deleted"),
    ] {
        let tables = SECURED.replace(from, to);
        assert_ne!(tables, SECURED, "{from}");
        let text = mistakes(&format!("{HEAD}{tables}"), &[]);
        assert!(text.contains(said) && text.contains("--> test.toml:"), "{said}: {text}");
    }
    assert_eq!(mistakes(&format!("{HEAD}{SECURED}"), &[]), "no mistakes");
    let without = SECURED.replace("registry = \"glue\"\n", "");
    assert_eq!(mistakes(&format!("{HEAD}{without}"), &[]), "no mistakes");
}
