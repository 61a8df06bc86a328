//! Roles that move under their stack's path, with the profiles and the hosts that work by them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kind::applied;
use crate::kinds;
use crate::plan::order::{Work, tasks};
use crate::plan::{Action, Kinds, Options, Plan, plan_for, replaced};
use crate::resource::{Address, Desired, Live};

/// A path in IAM, and what names have behind them there.
#[derive(Clone, Copy)]
struct Place(&'static str, &'static str);

const BEFORE: Place = Place("/", "");
const AFTER: Place = Place("/lakewright/shop/", "-2");

fn normal(address: &Address, spec: &Value) -> Value {
    kinds::named(&address.kind).expect("a kind").normalise(spec).expect("a spec")
}

/// The specs of a group of hosts: as the file has them, or as they exist at a place.
fn specs(place: Option<Place>) -> Vec<(&'static str, Value)> {
    let Place(path, suffix) = place.unwrap_or(Place(AFTER.0, ""));
    let name = format!("shop-app{suffix}");
    let or = |lives: Value, reference: &str| if place.is_some() { lives } else { json!(reference) };
    vec![
        ("role.app", json!({ "name": name, "path": path, "trust": { "Statement": [] } })),
        ("instance_profile.app", json!({ "name": name, "path": path, "role": or(json!(name), "${role.app.name}") })),
        (
            "launch_template.app",
            json!({ "name": "shop-app", "image": "ami-0123456789abcdef0", "instance_type": "t3.small",
                "security_groups": ["sg-1"], "instance_profile": or(json!(name), "${instance_profile.app.name}") }),
        ),
        (
            "auto_scaling_group.app",
            json!({ "name": "shop-app", "subnets": ["subnet-1"], "min_size": 1, "max_size": 1, "desired_capacity": 1,
                "refresh": "launch_first", "launch_template": or(json!("lt-1"), "${launch_template.app.id}"),
                "launch_template_version": or(json!("1"), "${launch_template.app.version}") }),
        ),
    ]
}

fn desired() -> Desired {
    let resource = |(address, spec): (&str, Value)| {
        let address: Address = address.parse().expect("an address");
        json!({ "address": address, "spec": normal(&address, &spec) })
    };
    let resources: Vec<Value> = specs(None).into_iter().map(resource).collect();
    serde_json::from_value(json!({ "stack": "shop", "resources": resources })).expect("a stack")
}

/// What exists, as it was last applied.
fn lives(place: Place) -> Vec<Live> {
    let live = |(address, spec): (&str, Value)| {
        let address: Address = address.parse().expect("an address");
        let (spec, kind) = (normal(&address, &spec), kinds::named(&address.kind).expect("a kind"));
        let outputs: BTreeMap<&str, Value> = match address.kind.as_str() {
            "launch_template" => [("id", json!("lt-1")), ("version", json!("1"))].into(),
            _ => [("name", spec["name"].clone())].into(),
        };
        let id = format!("{address} at {}", place.0);
        let applied = applied::hashes(kind.fields(), &spec);
        let live = json!({ "address": address, "id": id, "spec": spec, "outputs": outputs, "applied": applied,
            "condition": "ready" });
        serde_json::from_value(live).expect("a live resource")
    };
    specs(Some(place)).into_iter().map(live).collect()
}

fn planned(lives: &[Live], move_roles: bool) -> Plan {
    let options = Options { move_roles, ..Options::default() };
    plan_for(Kinds(kinds::all()), &desired(), lives, &options).expect("a plan")
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} {}", step.action.word(), step.address)).collect()
}

#[test]
fn a_role_stays_where_it_is_until_it_is_to_move() {
    assert_eq!(steps(&planned(&lives(BEFORE), false)), [""; 0]);
    for move_roles in [false, true] {
        let plan = planned(&lives(AFTER), move_roles);
        assert_eq!((steps(&plan), plan.blocked.len()), (Vec::new(), 0), "it has moved, and has its name since");
    }
}

#[test]
fn what_works_by_a_role_moves_over_before_anything_goes() {
    let plan = planned(&lives(BEFORE), true);
    let all = [
        "replace role.app",
        "replace instance_profile.app",
        "update launch_template.app",
        "update auto_scaling_group.app",
    ];
    assert_eq!(steps(&plan), all);
    for (step, field) in [(0, "name"), (1, "name"), (1, "role"), (2, "instance_profile")] {
        let change = plan.steps[step].changes.iter().find(|change| change.path == field).expect(field);
        assert_eq!((&change.before, &change.after), (&json!("shop-app"), &json!("shop-app-2")), "{field}");
    }
    assert_eq!(plan.steps[0].spec.as_ref().map(|spec| spec["name"].clone()), Some(json!("shop-app-2")));
    assert_eq!(plan.steps[1].spec.as_ref().map(|spec| spec["role"].clone()), Some(json!("${role.app.name}")));
    let tasks = tasks(&plan);
    let done: Vec<(usize, Work)> = tasks.iter().map(|task| (task.step, task.work)).collect();
    let expected = [(0, Work::Create), (1, Work::Create), (1, Work::Delete), (2, Work::Update), (3, Work::Update)];
    assert_eq!(done, expected, "the old role stays");
    let place = |wanted: (usize, Work)| done.iter().position(|one| *one == wanted).expect("a task");
    let waits = |task: (usize, Work), before: (usize, Work)| tasks[place(task)].after.contains(&place(before));
    assert!(waits((1, Work::Create), (0, Work::Create)) && waits((2, Work::Update), (1, Work::Create)));
    // Whoever starts hosts names the new profile before the old one goes.
    assert!(waits((1, Work::Delete), (2, Work::Update)) && waits((1, Work::Delete), (3, Work::Update)));
}

#[test]
fn the_old_role_goes_when_no_session_of_it_can_be_left() {
    let mut all = lives(AFTER);
    let mut old = lives(BEFORE).remove(0);
    old.address = replaced(&old);
    old.observed = json!({ "kept_until": "2026-11-29T17:00:00Z" });
    all.push(old.clone());
    let plan = planned(&all, false);
    assert_eq!((steps(&plan), plan.blocked.len()), (Vec::new(), 1));
    assert_eq!((&plan.blocked[0].address, plan.blocked[0].action()), (&old.address, Some(Action::Delete)));
    assert!(plan.blocked[0].obstacle.reason.contains("until 2026-11-29T17:00:00Z"), "{:?}", plan.blocked[0]);
    all.last_mut().expect("the old role").observed = Value::Null;
    assert_eq!(steps(&planned(&all, false)), [format!("delete {}", old.address)]);
    // A stack that goes takes it along at once.
    let options = Options { destroy: true, ..Options::default() };
    all.last_mut().expect("the old role").observed = old.observed;
    let plan = plan_for(Kinds(kinds::all()), &desired(), &all, &options).expect("a plan");
    assert_eq!((plan.steps.len(), plan.blocked.len()), (5, 0));
}

#[test]
fn a_move_that_was_interrupted_goes_on_beside_what_it_left() {
    let mut all = lives(BEFORE);
    all[0].address = replaced(&all[0]);
    all[0].observed = json!({ "kept_until": "twelve hours after role.app is made" });
    let plan = planned(&all, false);
    let role = plan.steps.iter().find(|step| step.address.to_string() == "role.app").expect("it is made");
    assert_eq!(role.action, Action::Create);
    assert_eq!(role.spec.as_ref().map(|spec| spec["name"].clone()), Some(json!("shop-app-2")), "the name is taken");
    assert!(
        plan.steps.iter().all(|step| step.action != Action::Delete) && plan.blocked.len() == 1,
        "{:?}",
        plan.blocked
    );
}
