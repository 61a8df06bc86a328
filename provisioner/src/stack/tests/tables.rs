//! How tables are declared: what agents and the catalog are told, and tables that others made.

use lakewright_config::{DECLARATION, StreamConfig};

use super::{expanded, mistakes, parsed, spec};
use crate::reference::plain;

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

[tables.facts]
topic = "facts"
key = ["id"]
columns = { id = "string", sold_at = "timestamptz", tags = "list<string>" }
sort = ["id", "day(sold_at) desc"]
properties = { "write.target-file-size-bytes" = 1000000, "write.parquet.compression-codec" = "gzip" }
"#;

const ORDERS: &str = r#"[tables.orders]
topic = "orders"
format = "json"
existing = "lake.orders_v2"
location = "s3://others-lake/warehouse/orders"
key = ["id"]
columns = { id = "long" }
"#;

fn stream(text: &str) -> StreamConfig {
    let desired = expanded(&parsed(text));
    serde_json::from_str(spec(&desired, "object.app-stream")["content"].as_str().expect("content")).expect("a config")
}

#[test]
fn the_catalog_says_by_which_declaration_a_table_was_changed() {
    let desired = expanded(&parsed(HEAD));
    let properties = &spec(&desired, "table.facts")["properties"];
    assert_eq!(properties[DECLARATION], stream(HEAD).tables[0].declaration());
    assert_eq!(spec(&desired, "table.dead_letters")["properties"].get(DECLARATION), None);
    // What changes no meaning makes no agent wait.
    let of = |text: &str| spec(&expanded(&parsed(text)), "table.facts")["properties"][DECLARATION].clone();
    assert_eq!(of(&HEAD.replace("sort = [\"id\", \"day(sold_at) desc\"]\n", "")), of(HEAD));
    assert_ne!(of(&HEAD.replace("id = \"string\"", "id = \"string\", more = \"int\"")), of(HEAD));
}

#[test]
fn escapes_are_no_part_of_a_declaration() {
    let columns = "columns = { id = \"string\", home = { type = \"string\", member = \"$${HOME}\" } }\n";
    let orders = "[tables.orders]\ntopic = \"orders\"\nformat = \"json\"\npath = \"$${at}\"\nkey = [\"id\"]\n";
    let desired = expanded(&parsed(&format!("{HEAD}{orders}{columns}")));
    let content = plain(&spec(&desired, "object.app-stream")["content"]).into_owned();
    let told: StreamConfig = serde_json::from_str(content.as_str().expect("content")).expect("a config");
    let orders = told.tables.iter().find(|table| table.name == "orders").expect("the table");
    assert_eq!(orders.reading.member("home"), Some("${HOME}"));
    assert_eq!(spec(&desired, "table.orders")["properties"][DECLARATION], orders.declaration());
}

#[test]
fn a_table_is_sorted_and_written_as_it_is_declared() {
    let facts = spec(&expanded(&parsed(HEAD)), "table.facts").clone();
    assert_eq!(facts["sort"], serde_json::json!(["id", "day(sold_at) desc"]));
    let properties = &facts["properties"];
    assert_eq!(properties["write.target-file-size-bytes"], "1000000");
    assert_eq!(properties["write.parquet.compression-codec"], "gzip");
    for (from, to, said) in [
        ("\"day(sold_at) desc\"", "\"sold desc\"", "table `facts` has no column `sold`"),
        ("\"day(sold_at) desc\"", "\"tags\"", "`tags` doesn't fit a column of type list<string>"),
        ("\"day(sold_at) desc\"", "\"hour(id)\"", "`hour(id)` doesn't fit a column of type string"),
        ("\"day(sold_at) desc\"", "\"id up\"", "is no sort field"),
        ("write.target-file-size-bytes", "lakewright.offsets", "the property `lakewright.offsets` is Lakewright's own"),
    ] {
        let text = HEAD.replace(from, to);
        assert_ne!(text, HEAD, "{from}");
        let text = mistakes(&text, &[]);
        assert!(text.contains(said) && text.contains("--> test.toml:"), "{said}: {text}");
    }
}

#[test]
fn a_table_that_others_made_is_written_to_and_not_owned() {
    let text = format!("{HEAD}{ORDERS}");
    let desired = expanded(&parsed(&text));
    let kinds = desired.resources.iter().map(|resource| resource.address.to_string());
    let tables: Vec<String> = kinds.filter(|address| address.starts_with("table.")).collect();
    assert_eq!(tables, ["table.facts", "table.dead_letters"]);
    let config = stream(&text);
    let orders = config.tables.iter().find(|table| table.name == "orders").expect("a table");
    assert_eq!((orders.database.as_str(), orders.catalog_name()), ("lake", "orders_v2"));
    assert_eq!(orders.location, "s3://others-lake/warehouse/orders");
    let policy = spec(&desired, "role.app")["policies"].to_string();
    for right in [
        "arn:aws:glue:eu-north-1:123456789012:table/lake/orders_v2\"",
        "arn:aws:glue:eu-north-1:123456789012:database/lake\"",
        "arn:aws:s3:::others-lake/warehouse/orders/*\"",
    ] {
        assert!(policy.contains(right), "{right}: {policy}");
    }
    for wrong in ["table/lake/*", "arn:aws:s3:::others-lake/*", "table/shop_raw/orders", "raw/orders"] {
        assert!(!policy.contains(wrong), "{wrong}: {policy}");
    }
    let place = "location = \"s3://others-lake/warehouse/orders\"\n";
    for (from, to, said) in [
        (place, "", "where the files of `lake.orders_v2` are isn't said"),
        (place, "location = \"s3://others-lake\"\n", "`s3://others-lake` is no folder in S3"),
        ("lake.orders_v2", "orders", "`orders` names no table"),
        ("existing = \"lake.orders_v2\"\n", "", "the table `orders` is the stack's own"),
        (
            "key = [\"id\"]",
            "key = [\"id\"]\npartition = [\"id\"]",
            "`partition` of the table `lake.orders_v2` is its owner's",
        ),
        ("key = [\"id\"]", "key = [\"id\"]\nsort = [\"id\"]", "`sort` of the table `lake.orders_v2` is its owner's"),
    ] {
        let orders = ORDERS.replace(from, to);
        assert_ne!(orders, ORDERS, "{from}");
        let text = mistakes(&format!("{HEAD}{orders}"), &[]);
        assert!(text.contains(said) && text.contains("--> test.toml:"), "{said}: {text}");
    }
    assert_eq!(mistakes(&text, &[]), "no mistakes");
    // Models read the raw zone, and this table is in none of the stack's databases.
    let model = "-- materialization: replace\nSELECT count(*) AS n FROM raw.orders\n";
    let batch = "[batch]\n[buckets.warehouse]\n[query]\n";
    let said = mistakes(&format!("{HEAD}{batch}{ORDERS}"), &[("counted", model)]);
    assert!(said.contains("orders") && said.contains("table of the raw zone"), "{said}");
}
