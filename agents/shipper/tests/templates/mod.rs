//! Index templates and policies: what is put, what is left alone, and that no record spoils a day for the others.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use lakewright_config::agents::shipper;
use lakewright_config::agents::shipper::fields::FieldType;
use lakewright_config::{SearchConnection, ShipperConfig};
use lakewright_platform::http::Client;
use lakewright_search::{Product, Running as Server};
use serde_json::{Value, json};

use super::support::ends::Mode;
use super::support::{World, until};

const PATIENCE: Duration = Duration::from_secs(60);
const TEMPLATE: &str = "/_index_template/lakewright-actions";
const PRODUCTS: [Product; 2] = [Product::Elasticsearch, Product::OpenSearch];

/// The search server of this workspace, as a client has it.
struct Search {
    server: Server,
    url: String,
    _data: tempfile::TempDir,
}

impl Search {
    async fn start(product: Product) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let config = lakewright_search::Config { data: data.path().to_owned(), port: 0, logins: None, product };
        let server = lakewright_search::serve(config).await.expect("serves");
        let url = format!("http://{}", server.address());
        Self { server, url, _data: data }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json").body(body).expect("a request");
        let answer = Client::new(&self.url).expect("a client").exchange(request, PATIENCE).await;
        let (status, body) = answer.expect("an answer");
        (status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
    }

    /// How many documents of these indices there are, of those that a query finds.
    async fn count(&self, indices: &str, query: Value) -> u64 {
        let (_, answer) = self.ask(Method::POST, &format!("/{indices}/_count"), json!({ "query": query })).await;
        answer["count"].as_u64().unwrap_or_default()
    }

    async fn wait_for(&self, documents: u64) {
        let begun = std::time::Instant::now();
        while self.count("actions-*", json!({ "match_all": {} })).await < documents {
            assert!(begun.elapsed() < Duration::from_secs(120), "it has fewer than {documents} documents");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn on(search: &Search, world: &World) -> ShipperConfig {
    ShipperConfig { search: SearchConnection::open(&search.url), ..world.config() }
}

/// Records that spoiled a day: a member of several types, in whatever order, and more members than an index takes.
fn spoilers() -> Vec<String> {
    let now = chrono::Utc::now().to_rfc3339();
    let many: serde_json::Map<String, Value> = (0..1000).map(|number| (format!("m{number}"), json!(number))).collect();
    let mut values = vec![
        json!({ "x": 1, "o": { "a": { "b": "deep" } } }),
        json!({ "x": "many", "o": "flat" }),
        json!({ "x": { "y": "inner" }, "o": 7 }),
        json!({ "x": [1, { "y": "of an array" }], "status": { "code": 1 } }),
        json!({ "x": true, "status": "none", "yes": true }),
        json!({ "yes": "perhaps", "when": "2026-01-02T03:04:05Z", "http.method": "GET" }),
        json!({ "yes": 5, "when": "soon", "http": { "method": "PUT" }, "status": 200 }),
        Value::Object(many),
        json!({ "place": "59.33,18.06", "status": 404 }),
        json!({ "place": "nowhere", "nested": [[{ "a": 1 }], 5, null] }),
    ];
    for value in &mut values {
        value["event_time"] = json!(now);
    }
    values.iter().map(Value::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_spoils_a_day() {
    for product in PRODUCTS {
        let search = Search::start(product).await;
        let mut world = World::new().await;
        let transforms = json!([{ "type": "parse_json" }, { "type": "geo_point", "field": "place", "into": "home" }]);
        let config = ShipperConfig {
            transforms: serde_json::from_value(transforms).expect("transforms"),
            fields: BTreeMap::from([("status".to_owned(), FieldType::Long)]),
            ..on(&search, &world)
        };
        let sent = spoilers();
        world.send_these(&sent).await;
        let running = world.start_with(config);
        search.wait_for(sent.len() as u64).await;
        let day = format!("actions-{}", chrono::Utc::now().format("%Y.%m.%d"));
        assert_eq!(
            search.count(&day, json!({ "match_all": {} })).await,
            sent.len() as u64,
            "{product:?}: all are in the day's"
        );
        assert_eq!(running.value(&shipper::REJECTED), 0);
        // Whatever its type, a value is found: as a whole, by an object's path, or by the path of the flattened record.
        let any = |one: Value, other: Value| json!({ "bool": { "should": [{ "term": one }, { "term": other }] } });
        let mut queries = vec![
            (json!({ "term": { "status": 404 } }), 1),
            (json!({ "range": { "status": { "gte": 200 } } }), 2),
            (json!({ "term": { "flattened.m999": 999 } }), 1),
            (json!({ "term": { "http.method": "GET" } }), 1),
            (json!({ "range": { "kafka_offset": { "gte": 0 } } }), sent.len() as u64),
        ];
        // OpenSearch takes an object for a malformed value, so that nothing in it is found.
        if product == Product::Elasticsearch {
            queries.extend([
                (any(json!({ "o.a.b": "deep" }), json!({ "flattened.o.a.b": "deep" })), 1),
                (any(json!({ "x.y": "inner" }), json!({ "flattened.x.y": "inner" })), 1),
                (any(json!({ "x.keyword": "many" }), json!({ "flattened.x": "many" })), 1),
            ]);
        }
        for (query, found) in queries {
            assert_eq!(search.count(&day, query.clone()).await, found, "{product:?}: {query}");
        }
        let (_, mapping) = search.ask(Method::GET, &format!("/{day}/_mapping"), Value::Null).await;
        let properties = &mapping[&day]["mappings"]["properties"];
        let object = if product == Product::Elasticsearch { "flattened" } else { "flat_object" };
        for (member, kind) in [("home", "geo_point"), ("status", "long"), ("event_time", "date"), ("flattened", object)]
        {
            assert_eq!(properties[member]["type"], kind, "{product:?}: {member} of {mapping}");
        }
        assert!(
            properties.as_object().expect("an object").len() < 50,
            "{product:?}: no record adds a thousand members"
        );
        until("no error is left", || running.agent.health.last_error().is_none()).await;
        running.stop().await.expect("ended well");
        search.server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_a_dead_letter_fits() {
    let search = Search::start(Product::Elasticsearch).await;
    let mut world = World::new().await;
    world.send_these(&["no object".to_owned(), "\u{0}".to_owned(), r#"{"n":1}"#.to_owned()]).await;
    let running = world.start_with(on(&search, &world));
    search.wait_for(3).await;
    assert_eq!(search.count("actions-rejected", json!({ "match": { "payload": "object" } })).await, 1);
    assert_eq!(running.value(&shipper::REFUSED), 0);
    running.stop().await.expect("ended well");
    search.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_somebody_else_made_is_left_alone_and_shown() {
    let search = Search::start(Product::Elasticsearch).await;
    let mut world = World::new().await;
    let foreign = json!({ "index_patterns": ["actions-*"], "priority": 1 });
    assert_eq!(search.ask(Method::PUT, TEMPLATE, foreign.clone()).await.0, 200);
    world.send(10).await;
    let running = world.start_with(on(&search, &world));
    search.wait_for(10).await;
    until("it is shown", || {
        running.agent.health.last_error().is_some_and(|error| error.contains("lakewright-actions is somebody else's"))
    })
    .await;
    let (_, found) = search.ask(Method::GET, TEMPLATE, Value::Null).await;
    assert_eq!(found["index_templates"][0]["index_template"], foreign);
    running.stop().await.expect("ended well");
    search.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_shown_and_documents_go_on() {
    for (path, status) in [("/_index_template/", 403), ("/_index_template/", 400), ("/_index_template/", 500)] {
        let mut world = World::new().await;
        *world.ends.refuses.lock() = Some((path, status));
        world.send(20).await;
        let running = world.start();
        until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
        let shown = || running.agent.health.last_error().is_some_and(|error| error.contains("you may not"));
        until("it is shown", shown).await;
        assert!(world.ends.templates.lock().is_empty());
        running.stop().await.expect("ended well");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_away_gets_its_templates_again() {
    let mut world = World::new().await;
    world.send(20).await;
    let running = world.start();
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    // As one whose data are lost.
    world.ends.templates.lock().clear();
    world.ends.set(Mode::Away);
    world.send(20).await;
    until("it is away", || running.agent.health.last_error().is_some()).await;
    world.ends.set(Mode::Takes);
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    assert_eq!(world.ends.templates.lock().len(), 3, "before the first document");
    until("no error is left", || running.agent.health.last_error().is_none()).await;
    running.stop().await.expect("ended well");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_agent_wins_and_an_older_one_never() {
    let mut world = World::new().await;
    let of_status = |world: &World| {
        world.ends.templates.lock()[TEMPLATE]["template"]["mappings"]["properties"]["status"]["type"].clone()
    };
    for (kind, word) in [(FieldType::Long, "long"), (FieldType::Keyword, "keyword")] {
        let fields = BTreeMap::from([("status".to_owned(), kind)]);
        world.send(10).await;
        let running = world.start_with(ShipperConfig { fields, ..world.config() });
        until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
        assert_eq!(of_status(&world), word);
        running.stop().await.expect("ended well");
    }
    let newer = {
        let mut templates = world.ends.templates.lock();
        let newer = templates.get_mut(TEMPLATE).expect("a template");
        newer["version"] = json!(99);
        newer.clone()
    };
    world.send(10).await;
    let running = world.start();
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    assert_eq!(world.ends.templates.lock()[TEMPLATE], newer);
    assert_eq!(running.agent.health.last_error(), None, "that is nothing wrong");
    running.stop().await.expect("ended well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_deletes_days_after_so_many_of_them() {
    for (product, policy) in PRODUCTS.into_iter().zip(["/_ilm/policy/", "/_plugins/_ism/policies/"]) {
        let search = Search::start(product).await;
        let mut world = World::new().await;
        let path = format!("{policy}lakewright-actions");
        for (days, sent) in [(Some(30), 10), (Some(7), 20), (None, 30)] {
            world.send(10).await;
            let running = world.start_with(ShipperConfig { keep_days: days, ..on(&search, &world) });
            search.wait_for(sent).await;
            let (status, found) = search.ask(Method::GET, &path, Value::Null).await;
            let (_, template) = search.ask(Method::GET, TEMPLATE, Value::Null).await;
            let bound =
                &template["index_templates"][0]["index_template"]["template"]["settings"]["index.lifecycle.name"];
            match (product, days) {
                (Product::Elasticsearch, Some(days)) => {
                    let age = &found["lakewright-actions"]["policy"]["phases"]["delete"]["min_age"];
                    assert_eq!((age, bound), (&json!(format!("{days}d")), &json!("lakewright-actions")));
                }
                // Days that are bound to it go by it still.
                (Product::Elasticsearch, None) => assert_eq!((status, bound), (200, &Value::Null)),
                (Product::OpenSearch, Some(days)) => {
                    let policy = &found["policy"];
                    let age = &policy["states"][0]["transitions"][0]["conditions"]["min_index_age"];
                    assert_eq!(age, &json!(format!("{days}d")));
                    let patterns = json!(["actions-2*.*.*", "actions-*-2*.*.*"]);
                    assert_eq!(
                        policy["ism_template"][0]["index_patterns"], patterns,
                        "neither other days nor dead letters"
                    );
                }
                // It chooses indices by itself.
                (Product::OpenSearch, None) => assert_eq!(status, 404),
            }
            assert_eq!(running.agent.health.last_error(), None);
            running.stop().await.expect("ended well");
        }
        search.server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_somebody_elses_is_left_alone_and_one_that_cannot_be_stops_nothing() {
    let mut world = World::new().await;
    let path = "/_ilm/policy/lakewright-actions";
    let foreign = json!({ "policy": { "phases": { "delete": { "min_age": "1d", "actions": { "delete": {} } } } } });
    let config = || ShipperConfig { keep_days: Some(30), ..world.config() };
    world.ends.templates.lock().insert(path.to_owned(), foreign.clone());
    let (first, second) = (config(), config());
    world.send(10).await;
    let running = world.start_with(first);
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    let shown = |part: &str| running.agent.health.last_error().is_some_and(|error| error.contains(part));
    until("it is shown", || shown("the policy lakewright-actions is somebody else's")).await;
    assert_eq!(world.ends.templates.lock()[path], foreign);
    let settings = world.ends.templates.lock()[TEMPLATE]["template"]["settings"].clone();
    assert!(
        settings.get("index.lifecycle.name").is_none(),
        "nothing is deleted by what nobody here has read: {settings}"
    );
    running.stop().await.expect("ended well");

    *world.ends.refuses.lock() = Some(("/_ilm/", 400));
    world.send(10).await;
    let running = world.start_with(second);
    until("all is indexed", || world.ends.documents.lock().len() as u64 == world.sent).await;
    let shown = |part: &str| running.agent.health.last_error().is_some_and(|error| error.contains(part));
    until("it is shown", || shown("`keep_days` has no effect on actions")).await;
    running.stop().await.expect("ended well");
}
