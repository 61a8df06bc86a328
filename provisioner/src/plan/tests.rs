//! Plans from stacks and live resources, as people read them.

mod age;
mod drift;
mod moving;
mod tags;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::order::{Work, tasks};
use super::reference::references;
use super::testing::{desired, kinds, live};
use super::*;
use crate::kind::Departure;
use crate::render::{Detail, text};
use crate::resource::Condition;

fn shown(resources: &[(&str, Value)], lives: &[Live]) -> String {
    match plan(kinds(), &desired(resources), lives) {
        Ok(plan) => anstream::adapter::strip_str(&text(&plan, Detail::Short)).to_string(),
        Err(error) => error.to_string(),
    }
}

fn network(cidr: &str) -> Value {
    json!({ "cidr": cidr, "dns": true })
}

fn subnet(network: &str) -> Value {
    json!({ "network": network, "cidr": "10.0.1.0/24", "zone": "a" })
}

/// A live network and a live subnet in it, as last applied.
fn pair() -> Vec<Live> {
    let in_it = subnet("network-0000000a");
    vec![
        live("network.main", "network-0000000a", network("10.0.0.0/16"), &network("10.0.0.0/16")),
        live("subnet.a", "subnet-0000000b", in_it.clone(), &in_it),
    ]
}

#[test]
fn nothing_lives_yet() {
    let policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Resource\":\"${store.raw.arn}\"}]}";
    assert_snapshot!(shown(
        &[
            ("wall.web", json!({ "network": "${network.main.id}", "rules": [{ "port": 443 }], "policy": policy })),
            ("network.main", network("10.0.0.0/16")),
            ("store.raw", json!({ "name": "shop-raw", "size": 100, "uses": null })),
        ],
        &[]
    ), @r#"
      + network.main
          cidr = "10.0.0.0/16"
          dns  = true
      + store.raw
          name = "shop-raw"
          size = 100
      + wall.web
          network = (known after apply)
          rules   = [{"port":443}]
          policy  = (8 lines, 100 bytes)

    Plan: 3 to create.
    "#);
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let stack = [("network.main", network("10.0.0.0/16")), ("subnet.a", subnet("${network.main.id}"))];
    assert_snapshot!(shown(&stack, &pair()), @"No changes: stack shop is as its file says.");
}

#[test]
fn a_replacement_reaches_what_refers_to_it() {
    let stack = [("network.main", network("10.9.0.0/16")), ("subnet.a", subnet("${network.main.id}"))];
    assert_snapshot!(shown(&stack, &pair()), @r#"
      ± network.main  network-0000000a
          used by subnet.a
          cidr: "10.0.0.0/16" -> "10.9.0.0/16"  forces replacement
      ± subnet.a  subnet-0000000b
          network: "network-0000000a" -> (known after apply)  forces replacement

    Plan: 2 to replace.
    "#);
}

#[test]
fn drift_and_a_changed_file_are_told_apart() {
    let file = network("10.0.0.0/16");
    let moved = json!({ "cidr": "10.0.0.0/16", "dns": false });
    let drifted = live("network.main", "network-0000000a", moved.clone(), &file);
    let edited = live("network.main", "network-0000000a", moved.clone(), &moved);
    let stack = [("network.main", file)];
    assert_snapshot!(shown(&stack, &[drifted]), @r"
      ~ network.main  network-0000000a  (changed outside the file)
          dns: false -> true

    Plan: 1 to update.
    ");
    assert_snapshot!(shown(&stack, &[edited]), @r"
      ~ network.main  network-0000000a
          dns: false -> true

    Plan: 1 to update.
    ");
}

#[test]
fn sets_floors_and_what_is_left_to_aws() {
    let file = json!({ "name": "raw", "size": 100, "version": "1", "uses": ["a", "b"] });
    let grown = json!({ "name": "raw", "size": 250, "version": "7", "uses": ["b", "a"] });
    assert_snapshot!(
        shown(&[("store.raw", file.clone())], &[live("store.raw", "raw", grown, &file)]),
        @"No changes: stack shop is as its file says."
    );
    let small = json!({ "name": "raw", "size": 50, "version": "1", "uses": ["a", "x"] });
    assert_snapshot!(shown(&[("store.raw", file.clone())], &[live("store.raw", "raw", small.clone(), &small)]), @r#"
      ~ store.raw
          size: 50 -> 100
          uses[1]: (none) -> "b"
          uses[1]: "x" -> (none)

    Plan: 1 to update.
    "#);
}

#[test]
fn what_never_shrinks_is_blocked_where_the_file_lowers_it() {
    let of_size = |size: u32, uses: &str| json!({ "name": "raw", "size": size, "uses": [uses] });
    let planned = |lives: u32, applied: &Value, wanted: &Value| {
        plan(
            kinds(),
            &desired(&[("store.raw", wanted.clone())]),
            &[live("store.raw", "raw", of_size(lives, "a"), applied)],
        )
        .expect("a plan")
    };
    let lowered = planned(20, &of_size(20, "a"), &of_size(10, "a"));
    assert!(lowered.steps.is_empty() && !lowered.is_settled());
    let blocked = lowered.blocked.first().expect("a blocked step");
    assert_eq!(blocked.obstacle.reason, "AWS never makes it smaller: its size is 20, the stack says 10");
    assert_eq!(blocked.obstacle.fix, "write `size = 20`, or 20 where its section calls it otherwise");
    assert_eq!(blocked.step.as_ref().expect("a step").changes[0].path, "size");
    // What AWS, or somebody, raised is as it was, and stays so when the rest changes.
    let raised = planned(20, &of_size(10, "a"), &of_size(10, "b"));
    assert_eq!((raised.steps.len(), raised.blocked.len()), (1, 0));
    assert!(planned(20, &of_size(10, "a"), &of_size(10, "a")).is_settled());
}

#[test]
fn rules_and_policies_are_shown_by_what_differs() {
    let policy = |action: &str| format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Action\":\"{action}\"}}]}}");
    let before = json!({
        "network": "n", "policy": policy("s3:*"),
        "rules": [{ "port": 80, "from": "a", "to": "b" }, { "port": 22, "from": "c", "to": "d" }],
    });
    let after = json!({
        "network": "n", "policy": policy("s3:GetObject"),
        "rules": [{ "port": 22, "from": "c", "to": "d" }, { "port": 8080, "from": "a", "to": "b" }],
    });
    assert_snapshot!(shown(&[("wall.web", after)], &[live("wall.web", "wall-0000000c", before.clone(), &before)]), @r#"
      ~ wall.web  wall-0000000c
          rules[1].port: 80 -> 8080
          policy:
                "Statement": [
                  {
            -       "Action": "s3:*"
            +       "Action": "s3:GetObject"
                  }
                ]

    Plan: 1 to update.
    "#);
}

#[test]
fn what_left_the_file_is_deleted_and_data_is_named() {
    let mut lives = pair();
    let spec = json!({ "name": "raw", "size": 1 });
    let mut store = live("store.raw", "raw", spec.clone(), &spec);
    store.foreign = vec!["table somebody_elses".to_owned()];
    lives.push(store);
    assert_snapshot!(shown(&[("network.main", network("10.0.0.0/16"))], &lives), @r"
      - store.raw
          loses data: it holds data
      - subnet.a  subnet-0000000b
      ! store.raw: table somebody_elses is not ours and holds data; it stays

    Plan: 2 to delete.
    ");
}

#[test]
fn what_others_have_goes_with_what_contains_it() {
    let mut lives = pair();
    lives[1].foreign = vec!["host somebody_elses".to_owned()];
    let left = [("subnet.a", subnet("network-0000000a"))];
    assert_snapshot!(shown(&left, &lives), @r"
      - network.main  network-0000000a
      ! network.main: host somebody_elses is not ours, holds data, and is lost with it

    Plan: 1 to delete.
    ");
}

#[test]
fn a_plural_means_its_kind() {
    let stack = [("subnet.a", subnet("${networks.main.id}")), ("network.main", network("10.0.0.0/16"))];
    assert_snapshot!(
        shown(&stack, &[]),
        @"subnet.a: ${networks.main.id}: the stack has no `networks.main`; did you mean `network.main`?"
    );
}

#[test]
fn data_loss_is_refused_until_allowed() {
    let spec = |name: &str| json!({ "name": name, "size": 1 });
    let lives = [live("store.a", "a", spec("a"), &spec("a")), live("store.b", "b", spec("b"), &spec("b"))];
    let plan = plan(kinds(), &desired(&[("store.a", spec("other"))]), &lives).expect("a plan");
    let refused = |allowed: &AllowDataLoss| -> Vec<String> {
        plan.refused(allowed).iter().map(|step| step.address.to_string()).collect()
    };
    assert_eq!(refused(&AllowDataLoss::default()), ["store.a", "store.b"]);
    let one = AllowDataLoss { addresses: [Address::new("store", "b")].into(), all: false };
    assert_eq!(refused(&one), ["store.a"]);
    assert!(refused(&AllowDataLoss { all: true, ..AllowDataLoss::default() }).is_empty());
}

#[test]
fn what_keeps_something_from_being_replaced_goes_first() {
    let wall = |network: &str| json!({ "network": "n", "rules": [{ "in": network }] });
    let id = "subnet-0000000b";
    let mut lives = pair();
    lives.push(live("wall.hosts", "wall-0000000c", wall(id), &wall(id)));
    let mut store = live("store.notes", "notes", json!({ "name": "notes", "uses": [id] }), &Value::Null);
    store.holds = vec!["the table a.b".to_owned()];
    lives.push(store);
    let mut moved = subnet("${network.main.id}");
    moved["zone"] = json!("b");
    let stack = [("network.main", network("10.0.0.0/16")), ("subnet.a", moved), ("wall.hosts", wall("${subnet.a.id}"))];
    let plan = plan(kinds(), &desired(&stack), &lives).expect("a plan");
    let step = |name: &str| plan.steps.iter().position(|step| step.address.to_string() == name).expect(name);
    assert_eq!(plan.steps[step("store.notes")].loses, ["it holds data, and with it go the table a.b"]);
    let (subnet, hosts) = (step("subnet.a"), step("wall.hosts"));
    assert_eq!((plan.steps[subnet].action, plan.steps[hosts].action), (Action::Replace, Action::Replace));
    assert_eq!(plan.steps[hosts].note.as_deref(), Some("subnet.a can be replaced only while this is away"));
    let tasks = tasks(&plan);
    let task = |step, work| tasks.iter().position(|task| task.step == step && task.work == work).expect("a task");
    assert!(tasks[task(subnet, Work::Delete)].after.contains(&task(hosts, Work::Delete)));
}

#[test]
fn mistakes_are_told_all_at_once() {
    assert_snapshot!(shown(
        &[
            ("subnet.a", subnet("${network.mian.id}")),
            ("subnet.b", subnet("${network.main.ip}")),
            ("network.main", network("10.0.0.0/16")),
            ("gadget.x", json!({})),
        ],
        &[]
    ), @r"
    gadget.x: `gadget` is no kind of resource
    subnet.a: ${network.mian.id}: the stack has no `network.mian`; did you mean `network.main`?
    subnet.b: ${network.main.ip}: `network.main` has no such output; it has id, arn
    ");
}

#[test]
fn a_circle_is_shown_as_a_path() {
    let wall = |other: &str| json!({ "network": "n", "rules": [other] });
    assert_snapshot!(shown(
        &[("wall.a", wall("${wall.b.id}")), ("wall.b", wall("${wall.c.id}")), ("wall.c", wall("${wall.b.id}"))],
        &[]
    ), @"wall.b: resources refer to each other in a circle: wall.b → wall.c → wall.b");
}

#[test]
fn two_with_one_address_are_an_error() {
    let one = network("10.0.0.0/16");
    let lives =
        [live("network.main", "network-1", one.clone(), &one), live("network.main", "network-2", one.clone(), &one)];
    assert_snapshot!(shown(&[("network.main", one)], &lives), @"network.main exists twice: network-1 and network-2; lakewright can't know which one the stack means, so delete one of them or remove its lakewright:address tag");
}

#[test]
fn what_is_on_its_way_is_waited_for() {
    let mut lives = pair();
    lives[0].condition = Condition::Pending("CREATING".to_owned());
    lives[1].condition = Condition::Failed("no capacity".to_owned());
    let stack = [("network.main", network("10.0.0.0/16")), ("subnet.a", subnet("${network.main.id}"))];
    assert_snapshot!(shown(&stack, &lives), @r"
      ~ network.main  network-0000000a  (changed outside the file; it is CREATING; apply waits until it is ready)
      ± subnet.a  subnet-0000000b  (changed outside the file; AWS gave it up: no capacity)

    Plan: 1 to update, 1 to replace.
    ");
}

#[test]
fn json_has_the_documented_shape() {
    let stack = [("network.main", network("10.9.0.0/16")), ("subnet.a", subnet("${network.main.id}"))];
    let plan = plan(kinds(), &desired(&stack), &pair()[..1]).expect("a plan");
    assert_snapshot!(crate::render::json(&plan), @r#"{"format_version":"1","stack":"shop","steps":[{"address":"network.main","kind":"network","action":"replace","cause":"file","changes":[{"path":"cidr","before":"10.0.0.0/16","after":"10.9.0.0/16","sensitive":false,"forces_replacement":true,"cause":"file"}],"id":"network-0000000a","note":null,"loses_data":[],"consequences":[],"expected_seconds":0,"needed_by":["subnet.a"],"create_first":false},{"address":"subnet.a","kind":"subnet","action":"create","cause":"file","changes":[{"path":"network","before":null,"after":"${network.main.id}","sensitive":false,"forces_replacement":false,"cause":"file"},{"path":"cidr","before":null,"after":"10.0.1.0/24","sensitive":false,"forces_replacement":false,"cause":"file"},{"path":"zone","before":null,"after":"a","sensitive":false,"forces_replacement":false,"cause":"file"}],"id":null,"note":null,"loses_data":[],"consequences":[],"expected_seconds":0,"needed_by":[],"create_first":false}],"blocked":[],"left_out":[],"claimed":[],"doubt":null,"foreign":[],"expected_seconds":0,"summary":{"create":1,"update":0,"replace":1,"delete":0,"rotate":0,"blocked":0}}"#);
}

/// For each resource: which earlier ones it refers to, whether it is desired and exists, and whether both say the same.
fn graphs() -> impl Strategy<Value = Vec<(Vec<prop::sample::Index>, bool, bool, bool)>> {
    let one = (prop::collection::vec(any::<prop::sample::Index>(), 0..3), any::<bool>(), any::<bool>(), any::<bool>());
    prop::collection::vec(one, 1..12)
}

proptest! {
    #[test]
    fn every_plan_can_be_carried_out_in_an_order_that_respects_references(graph in graphs()) {
        let id = |i: usize| format!("network-{i:08x}");
        let (mut resources, mut lives) = (Vec::new(), Vec::new());
        for (i, (targets, wanted, lived, same)) in graph.iter().enumerate() {
            let targets: Vec<usize> = targets.iter().filter(|_| i > 0).map(|index| index.index(i)).collect();
            let dns: Vec<String> =
                targets.iter().filter(|t| graph[**t].1).map(|t| format!("${{network.n{t}.id}}")).collect();
            if *wanted {
                resources.push((format!("network.n{i}"), json!({ "cidr": "new", "dns": dns })));
            }
            if *lived {
                let dns: Vec<String> = targets.iter().filter(|t| graph[**t].2).map(|t| id(*t)).collect();
                let spec = json!({ "cidr": if *same { "new" } else { "old" }, "dns": dns });
                lives.push(live(&format!("network.n{i}"), &id(i), spec.clone(), &spec));
            }
        }
        let resources: Vec<(&str, Value)> = resources.iter().rev().map(|(a, s)| (a.as_str(), s.clone())).collect();
        let stack = desired(&resources);
        let plan = plan(kinds(), &stack, &lives).expect("a plan");
        let tasks = tasks(&plan);
        let mut done: Vec<usize> = Vec::new();
        while done.len() < tasks.len() {
            let ready = (0..tasks.len()).find(|i| !done.contains(i) && tasks[*i].after.is_subset(&done.iter().copied().collect()));
            prop_assert!(ready.is_some(), "tasks wait for each other: {tasks:?}");
            done.extend(ready);
        }
        // Whatever the order of ready tasks, a resource is made after its targets and deleted before them.
        let place = |address: &Address, deleted: bool| {
            let is = |i: &usize| plan.steps[tasks[*i].step].address == *address && (tasks[*i].work == Work::Delete) == deleted;
            done.iter().position(is)
        };
        for resource in &stack.resources {
            for reference in references(&resource.spec) {
                let (user, target) = (&resource.address, &reference.address);
                if let (Some(user), Some(target)) = (place(user, false), place(target, false)) {
                    prop_assert!(target < user);
                }
                if let (Some(user), Some(target)) = (place(user, true), place(target, true)) {
                    prop_assert!(user < target);
                }
            }
        }
    }
}
