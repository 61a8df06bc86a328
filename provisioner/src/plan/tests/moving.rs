//! Roles that move under their stack's path, with the profiles and the hosts that work by them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kind::applied;
use crate::kinds;
use crate::plan::order::{Work, tasks};
use crate::plan::{Action, Kinds, Options, Plan, plan_for, replaced, unlike};
use crate::resource::{Address, Desired, Live, Obstacle, Unread};

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
    all[0].observed = json!({ "kept_until": "twelve hours after an apply has moved them to role.app" });
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

/// What an apply left that was killed after it had moved the role, and taken the profile's address from the old one.
fn interrupted() -> Vec<Live> {
    let mut all = lives(BEFORE);
    for old in &mut all[..2] {
        old.address = replaced(old);
    }
    all[0].observed = json!({ "kept_until": "twelve hours after an apply has moved them to role.app" });
    all.push(lives(AFTER).remove(0));
    all
}

/// The addresses after whose making or changing something is deleted.
fn waits(plan: &Plan, gone: &Address) -> Vec<String> {
    let tasks = tasks(plan);
    let address = |index: usize| &plan.steps[tasks[index].step].address;
    let deletes = |index: &usize| tasks[*index].work == Work::Delete && address(*index) == gone;
    let deletion = (0..tasks.len()).find(deletes).expect("it goes");
    tasks[deletion].after.iter().map(|before| address(*before).to_string()).collect()
}

#[test]
fn what_an_interrupted_move_left_goes_when_everything_has_moved_over() {
    let mut all = interrupted();
    let old = all[1].address.clone();
    let plan = planned(&all, true);
    let steps_of = |rest: &[&str]| -> Vec<String> {
        rest.iter().map(|one| (*one).to_owned()).chain([format!("delete {old}")]).collect()
    };
    let making = ["create instance_profile.app", "update launch_template.app", "update auto_scaling_group.app"];
    assert_eq!(steps(&plan), steps_of(&making));
    assert_eq!(waits(&plan, &old), ["instance_profile.app", "launch_template.app", "auto_scaling_group.app"]);

    // Only the group has yet to follow, of a template that is as it should be.
    all.truncate(2);
    all.extend(lives(AFTER));
    all.last_mut().expect("the group").spec["launch_template_version"] = json!("0");
    let plan = planned(&all, true);
    assert_eq!(steps(&plan), steps_of(&["update auto_scaling_group.app"]));
    assert_eq!(waits(&plan, &old), ["auto_scaling_group.app"]);
}

#[test]
fn what_was_left_stays_while_something_may_not_move_over() {
    let all = interrupted();
    for excluded in ["instance_profile.app", "launch_template.app", "auto_scaling_group.app"] {
        let options = Options { move_roles: true, excludes: vec![excluded.to_owned()], ..Options::default() };
        let plan = plan_for(Kinds(kinds::all()), &desired(), &all, &options).expect("a plan");
        assert!(plan.steps.iter().all(|step| step.action != Action::Delete), "{excluded}: {:?}", steps(&plan));
    }
    // The group can't follow where the profile goes that its template names.
    let options =
        Options { move_roles: true, excludes: vec!["auto_scaling_group.app".to_owned()], ..Options::default() };
    let plan = plan_for(Kinds(kinds::all()), &desired(), &lives(BEFORE), &options).expect("a plan");
    assert!(!steps(&plan).contains(&"replace instance_profile.app".to_owned()), "{:?}", steps(&plan));

    // What can't be read blocks what needs it, and what that is to take the place of.
    let role = "role.app".parse().ok();
    let obstacle = Obstacle::new("it can't be read: denied", "allow it");
    let unread = vec![Unread { kind: "role".to_owned(), address: role, id: None, obstacle }];
    let options = Options { move_roles: true, unread, ..Options::default() };
    let plan = plan_for(Kinds(kinds::all()), &desired(), &all[..4], &options).expect("a plan");
    assert_eq!(steps(&plan), [""; 0]);
    assert!(plan.blocked.iter().any(|one| one.address == all[1].address), "{:?}", plan.blocked);

    // A stack that goes waits for nothing.
    let options = Options { destroy: true, ..options };
    let plan = plan_for(Kinds(kinds::all()), &desired(), &all[..4], &options).expect("a plan");
    assert!(steps(&plan).contains(&format!("delete {}", all[1].address)), "{:?}", steps(&plan));
}

/// What is to be noted as left: the identifiers, and the addresses that were given up.
fn leaving(plan: &Plan) -> Vec<(String, String)> {
    plan.leaving.iter().map(|(live, address)| (live.id.clone(), address.to_string())).collect()
}

#[test]
fn a_role_stays_in_the_apply_that_moves_the_last_of_its_users() {
    let mut all = lives(AFTER);
    // Its time is over, by what was noted once, and a profile works by it again.
    let mut old = lives(BEFORE).remove(0);
    old.address = replaced(&old);
    old.observed = json!({ "is_left": true });
    all[1].spec["role"] = json!("shop-app");
    all.push(old.clone());
    let plan = planned(&all, false);
    assert_eq!(steps(&plan), ["update instance_profile.app"]);
    assert_eq!(plan.blocked.iter().map(|one| &one.address).collect::<Vec<_>>(), [&old.address]);
    let leaves = [(old.id.clone(), "role.app".to_owned())];
    assert_eq!(leaving(&plan), leaves, "its time counts anew");

    // It is noted of what moves and of what was moved without a note, and once.
    assert_eq!(leaving(&planned(&lives(BEFORE), true)), leaves);
    assert_eq!(leaving(&planned(&interrupted(), true)), leaves);
    let mut all = lives(AFTER);
    old.observed = json!({ "kept_until": "2026-11-29T17:00:00Z", "is_left": true });
    all.push(old);
    assert!(leaving(&planned(&all, false)).is_empty());
}

#[test]
fn a_step_that_nobody_saw_is_found_although_nothing_moved() {
    let mut all = lives(AFTER);
    let mut old = lives(BEFORE).remove(0);
    old.address = replaced(&old);
    old.observed = json!({ "kept_until": "2026-11-29T17:00:00Z", "is_left": true });
    all.push(old);
    let before = planned(&all, false);
    assert_eq!(unlike(&before, &planned(&all, false)), [""; 0]);
    all.last_mut().expect("the old role").observed = json!({ "is_left": true });
    let address = &before.blocked[0].address;
    let line = format!("{address}: the plan says `delete` now and said `blocked`");
    assert_eq!(unlike(&before, &planned(&all, false)), [line]);
}
