//! Applies on kinds whose resources live in memory.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::intents::Intents;
use crate::kind::Pace;
use crate::plan::testing::{WORLD, World, desired, kinds};
use crate::plan::{self, plan, plan_for};
use crate::resource::{Desired, Part};
use crate::sweep::sweep;

/// One test for all of it: the world is a static.
#[tokio::test]
async fn a_stack_is_made_changed_and_destroyed() {
    let context = context();
    let stack = |cidr: &str| {
        desired(&[
            ("store.raw", json!({ "name": "raw", "size": 1, "uses": ["${wall.web.arn}"] })),
            ("wall.web", json!({ "network": "${network.main.id}", "rules": [] })),
            ("subnet.a", json!({ "network": "${network.main.id}", "cidr": "10.0.1.0/24", "zone": "a" })),
            ("network.main", json!({ "cidr": cidr, "dns": true })),
        ])
    };

    // What needs a thing that failed is named, and independent steps go on.
    *WORLD.lock() = Some(World { broken: vec!["wall.web".parse().expect("an address")], ..World::default() });
    let report = run(&context, &stack("10.0.0.0/16")).await;
    let names = |list: &[(Address, Work)]| list.iter().map(|(address, _)| address.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&report.done), ["network.main", "subnet.a"]);
    assert_eq!(names(&report.not_done), ["store.raw"]);
    assert_eq!(format!("{:#}", report.failed[0].2), "create wall.web: the account has no room for it");

    // Run again it converges, and then there is nothing left to do.
    WORLD.lock().as_mut().expect("a world").broken.clear();
    assert!(run(&context, &stack("10.0.0.0/16")).await.complete());
    assert!(current(&context, &stack("10.0.0.0/16")).await.is_empty());

    // What is as it should be and has no record gets one; an apply that can't write it says so.
    let network: Address = "network.main".parse().expect("an address");
    {
        let mut world = WORLD.lock();
        let world = world.as_mut().expect("a world");
        world.live.get_mut(&network).expect("it exists").applied = None;
        world.untaggable.push(network.clone());
    }
    let report = run(&context, &stack("10.0.0.0/16")).await;
    let failed: Vec<String> = report.failed.iter().map(|(address, _, error)| format!("{address}: {error:#}")).collect();
    assert_eq!(failed, ["network.main: record what was applied to network.main: tags may not be written"]);
    WORLD.lock().as_mut().expect("a world").untaggable.clear();
    assert!(run(&context, &stack("10.0.0.0/16")).await.complete());
    assert!(current(&context, &stack("10.0.0.0/16")).await.is_settled());

    // A replacement takes down what refers to it and puts it back, in an order in which nothing is in use.
    WORLD.lock().as_mut().expect("a world").calls.clear();
    assert!(run(&context, &stack("10.7.0.0/16")).await.failed.is_empty());
    let calls = WORLD.lock().as_ref().expect("a world").calls.clone();
    let verbs: Vec<&str> = calls.iter().map(|call| call.split(" {").next().expect("a verb")).collect();
    let place = |call: &str| verbs.iter().position(|verb| *verb == call).expect(call);
    assert!(place("delete subnet.a") < place("delete network.main"), "{verbs:?}");
    assert!(place("delete network.main") < place("create network.main"), "{verbs:?}");
    assert!(place("create network.main") < place("create wall.web"), "{verbs:?}");
    assert!(current(&context, &stack("10.7.0.0/16")).await.is_empty());

    // After a stop nothing new begins; after destroy nothing exists.
    let live = sweep(kinds(), &context, &stack("10.7.0.0/16")).await.expect("a sweep").live;
    let destroy = plan::Options { destroy: true, ..plan::Options::default() };
    let away = plan_for(kinds(), &stack("10.7.0.0/16"), &live, &destroy).expect("a plan");
    let stopped = CancellationToken::new();
    stopped.cancel();
    let report = apply(kinds(), &context, &away, &Progress::quiet(), &stopped).await;
    assert_eq!((report.done.len(), report.not_done.len(), report.stopped), (0, 4, true));
    assert!(apply(kinds(), &context, &away, &Progress::quiet(), &CancellationToken::new()).await.complete());
    assert!(sweep(kinds(), &context, &stack("10.7.0.0/16")).await.expect("a sweep").live.is_empty());

    tags_are_written_without_any_other_call(&context).await;
}

async fn tags_are_written_without_any_other_call(context: &Context) {
    let tags = |tags: &[(&str, &str)]| -> BTreeMap<String, String> {
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let stack = |given: &[(&str, &str)]| {
        let mut stack = desired(&[("network.main", json!({ "cidr": "10.0.0.0/16", "dns": true }))]);
        stack.resources[0].tags = tags(given);
        stack
    };
    let address: Address = "network.main".parse().expect("an address");
    let look = || WORLD.lock().as_ref().expect("a world").live[&address].clone();
    assert!(run(context, &stack(&[])).await.complete());
    let carried = tags(&[("Name", "shop-main"), ("backup", "daily")]);
    {
        let mut world = WORLD.lock();
        let one = world.as_mut().expect("a world").live.get_mut(&address).expect("it exists");
        one.tags = Some(carried.clone());
        one.parts = vec![Part { id: "i-1".to_owned(), tags: carried.clone(), given: None }];
    }
    WORLD.lock().as_mut().expect("a world").calls.clear();

    let many: Vec<(String, String)> = (0..45).map(|number| (format!("tag-{number}"), number.to_string())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    for given in [&[("team", "data"), ("owner", "me")][..], &[("team", "web")], &many, &[]] {
        assert!(run(context, &stack(given)).await.complete());
        let mut all = carried.clone();
        all.extend(tags(given));
        let found = look();
        assert_eq!((found.tags.as_ref(), &found.parts[0].tags), (Some(&all), &all));
        assert!(current(context, &stack(given)).await.is_empty(), "{given:?}");
    }
    assert_eq!(WORLD.lock().as_ref().expect("a world").calls, [""; 0], "nothing is updated, and nothing made");
}

/// What is said of a creation for which something stands in the way.
fn hint(kind: &str, spec: &serde_json::Value) -> String {
    let kind = crate::kinds::named(kind).expect("a kind");
    let error = lakewright_aws::Error::answered("glue", "CreateTable", "AlreadyExistsException", "", 400, "");
    format!("{:#}", taken(error.into(), kind, &Address::new(kind.name(), "one"), spec))
}

#[test]
fn what_stands_in_the_way_is_adopted_by_what_identifies_it() {
    let (named, aliased) = (json!({ "name": "raw" }), json!({ "alias": "data" }));
    assert!(hint("bucket", &named).contains("`lakewright adopt bucket.one raw`"), "{}", hint("bucket", &named));
    assert!(hint("key", &aliased).contains("`lakewright adopt key.one data`"));
    // A name within something else, and none at all.
    assert!(hint("topic", &named).contains("`lakewright adopt topic.one ID`"));
    assert!(hint("subnet", &json!({})).contains("`lakewright adopt subnet.one ID`"));
}

fn context() -> Context {
    Context {
        aws: lakewright_aws::Aws::with_keys("eu-north-1", "http://127.0.0.1:1", "key", "secret").expect("a client"),
        stack: "shop".to_owned(),
        account: "123456789012".to_owned(),
        caller: "arn:aws:iam::123456789012:root".to_owned(),
        region: "eu-north-1".to_owned(),
        state_bucket: None,
        nonce: "n".to_owned(),
        pace: Pace { poll: Duration::from_millis(1), settles: Duration::from_millis(20), ..Pace::LOCAL },
        clock: crate::kind::Clock::default(),
        reading: Reading::default(),
        intents: Intents::default(),
        waiting: crate::kind::Waiting::default(),
        records: crate::record::Records::default(),
        tags: crate::reading::Tags::new(),
    }
}

async fn current(context: &Context, stack: &Desired) -> Plan {
    let live = sweep(kinds(), context, stack).await.expect("a sweep").live;
    plan(kinds(), stack, &live).expect("a plan")
}

async fn run(context: &Context, stack: &Desired) -> Report {
    let plan = current(context, stack).await;
    apply(kinds(), context, &plan, &Progress::quiet(), &CancellationToken::new()).await
}
