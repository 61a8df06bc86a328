//! What becomes of tags: those that the stack gives, and those of others.

use std::collections::BTreeMap;

use super::*;
use crate::kind::applied;
use crate::resource::{Part, Whose};

type Tags = BTreeMap<String, String>;

fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A network that carries its name and these tags, of which the last apply set some.
fn carrying(carried: &[(&str, &str)], set: &[(&str, &str)]) -> Live {
    let file = network("10.0.0.0/16");
    let mut lives = live("network.main", "network-0000000a", file.clone(), &file);
    let mut all = tags(&[("Name", "shop-main")]);
    all.extend(tags(carried));
    lives.tags = Some(all);
    lives.applied = lives.applied.map(|hashes| applied::with_tags(hashes, &tags(set)));
    lives
}

/// A stack that gives the network these tags.
fn giving(given: &[(&str, &str)]) -> Desired {
    let mut stack = desired(&[("network.main", network("10.0.0.0/16"))]);
    stack.resources[0].tags = tags(given);
    stack
}

/// The changes of the plan's only step, if it has one, each with its cause.
fn changes(stack: &Desired, lives: &Live, options: &Options) -> Vec<String> {
    let plan = plan_for(kinds(), stack, std::slice::from_ref(lives), options).expect("a plan");
    assert!(plan.steps.iter().all(|step| step.action == Action::Update), "{:?}", plan.steps);
    let line = |change: &Change| {
        let value = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
        format!("{}: {} -> {} ({})", change.path, value(&change.before), value(&change.after), change.cause.word())
    };
    plan.steps.iter().flat_map(|step| &step.changes).map(line).collect()
}

fn planned(stack: &Desired, lives: &Live) -> Vec<String> {
    changes(stack, lives, &Options::default())
}

#[test]
fn a_tag_of_the_file_is_written_in_place() {
    let stack = [("network.main", network("10.0.0.0/16"))];
    assert_eq!(planned(&giving(&[]), &carrying(&[], &[])), [""; 0]);
    assert_eq!(planned(&giving(&[("team", "data")]), &carrying(&[], &[])), ["tags.team: nothing -> data (file)"]);
    let set = carrying(&[("team", "data")], &[("team", "data")]);
    assert_eq!(planned(&giving(&[("team", "data")]), &set), [""; 0]);
    assert_eq!(planned(&giving(&[("team", "web")]), &set), ["tags.team: data -> web (file)"]);
    assert_eq!(planned(&giving(&[]), &set), ["tags.team: data -> nothing (file)"]);
    // Of a new one they stand in one line.
    let mut new = desired(&stack);
    new.resources[0].tags = tags(&[("team", "data"), ("cost-center", "42")]);
    let plan = plan(kinds(), &new, &[]).expect("a plan");
    let last = plan.steps[0].changes.last().expect("a change");
    assert_eq!((last.path.as_str(), &last.after), ("tags", &json!({ "cost-center": "42", "team": "data" })));
}

#[test]
fn what_somebody_does_to_a_tag_of_the_stacks_is_drift() {
    let stack = giving(&[("team", "data")]);
    let drifted = |carried: &[(&str, &str)]| planned(&stack, &carrying(carried, &[("team", "data")]));
    assert_eq!(drifted(&[("team", "x")]), ["tags.team: x -> data (drift)"]);
    assert_eq!(drifted(&[]), ["tags.team: nothing -> data (drift)"]);
    assert_eq!(drifted(&[("team", "data"), ("Name", "mine")]), ["tags.Name: mine -> shop-main (drift)"]);
    // It heals without what the file alone wants, and records that this isn't done yet.
    let both = giving(&[("team", "data"), ("owner", "me")]);
    let lives = carrying(&[("team", "x"), ("former", "y")], &[("team", "data"), ("former", "y")]);
    let only_drift = Options { only_drift: true, ..Options::default() };
    assert_eq!(changes(&both, &lives, &only_drift), ["tags.team: x -> data (drift)"]);
    let plan = plan_for(kinds(), &both, &[lives], &only_drift).expect("a plan");
    assert_eq!(plan.steps[0].tags, tags(&[("team", "data"), ("former", "y")]));
    assert_eq!(plan.steps[0].carries, tags(&[("Name", "shop-main"), ("team", "data"), ("former", "y")]));
}

#[test]
fn tags_of_others_are_left_alone() {
    let stack = giving(&[("team", "data")]);
    let set = [("team", "data"), ("former", "y")];
    let kept = |carried: &[(&str, &str)]| planned(&stack, &carrying(&[carried, &[("team", "data")]].concat(), &set));
    assert_eq!(kept(&[("backup", "daily")]), [""; 0]);
    // A tag of a key that the stack gave once is the stack's only with the value that it gave.
    assert_eq!(kept(&[("former", "theirs")]), [""; 0]);
    assert_eq!(kept(&[("former", "y"), ("backup", "daily")]), ["tags.former: y -> nothing (file)"]);
    // Of what was adopted nothing is known to be the stack's.
    let mut adopted = carrying(&[("former", "y")], &[]);
    adopted.applied = Some("2:7:signature:".to_owned());
    adopted.tags.as_mut().expect("it has tags").insert("Name".to_owned(), "theirs".to_owned());
    assert_eq!(planned(&giving(&[]), &adopted)[..], ["tags.Name: theirs -> shop-main (file)"]);
    // Nor is what a forged record says.
    let mut forged = carrying(&[("former", "y")], &set);
    forged.whose = Whose::Unproven("its record is forged".to_owned());
    assert_eq!(planned(&giving(&[]), &forged), [""; 0]);
}

#[test]
fn what_the_stack_ignores_is_neither_compared_nor_taken_away() {
    let mut stack = giving(&[("team", "data")]);
    stack.ignore_tags = vec!["cost/*".to_owned(), "Na*".to_owned()];
    let set = [("team", "data"), ("cost/center", "42")];
    let carried = [("team", "data"), ("cost/center", "42"), ("Name", "theirs")];
    assert_eq!(planned(&stack, &carrying(&carried, &set)), [""; 0]);
    stack.ignore_tags.clear();
    let both = ["tags.Name: theirs -> shop-main (drift)", "tags.cost/center: 42 -> nothing (file)"];
    assert_eq!(planned(&stack, &carrying(&carried, &set)), both);
    for (pattern, key, fits) in
        [("cost/*", "cost/a", true), ("cost/*", "cost", false), ("*", "", true), ("a*c*", "abcd", true)]
    {
        assert_eq!(is_like(pattern, key), fits, "{pattern} {key}");
    }
}

#[test]
fn a_name_of_the_file_takes_the_place_of_the_stacks() {
    let named = carrying(&[("Name", "front")], &[("Name", "front")]);
    assert_eq!(planned(&giving(&[("Name", "front")]), &named), [""; 0]);
    assert_eq!(planned(&giving(&[]), &named), ["tags.Name: front -> shop-main (file)"]);
    let renamed = carrying(&[("Name", "x")], &[("Name", "front")]);
    assert_eq!(planned(&giving(&[("Name", "front")]), &renamed), ["tags.Name: x -> front (drift)"]);
}

#[test]
fn what_a_resource_started_carries_its_tags_too() {
    let part = |id: &str, carried: &[(&str, &str)]| Part { id: id.to_owned(), tags: tags(carried), given: None };
    let set = [("team", "data"), ("former", "y")];
    let mut lives = carrying(&[("team", "data")], &set);
    lives.parts = vec![
        part("i-1", &[("Name", "shop-main"), ("team", "data"), ("backup", "daily")]),
        part("i-2", &[("Name", "mine"), ("team", "data"), ("former", "y")]),
    ];
    let stack = giving(&[("team", "data")]);
    let found = ["i-2.tags.Name: mine -> shop-main (drift)", "i-2.tags.former: y -> nothing (drift)"];
    assert_eq!(planned(&stack, &lives), found);
    // A host that starts later begins with what its template was made with.
    let mut later = part("vol-1", &[("Name", "shop-main"), ("team", "data"), ("left", "z"), ("backup", "daily")]);
    later.given = Some(applied::with_tags("2:".to_owned(), &tags(&[("left", "z")])));
    let lives_later = Live { parts: vec![later], ..lives.clone() };
    assert_eq!(planned(&stack, &lives_later), ["vol-1.tags.left: z -> nothing (drift)"]);
    // What the resource gets is written on them too, and said once.
    let more = giving(&[("team", "web")]);
    let plan = plan(kinds(), &more, &[lives]).expect("a plan");
    let paths: Vec<&str> = plan.steps[0].changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["tags.team", "i-2.tags.Name", "i-2.tags.former"]);
    assert_eq!(plan.steps[0].set_tags().collect::<Vec<_>>(), [("team", "web")]);
    assert_eq!(plan.steps[0].gone_tags(), ["former"]);
    assert!(plan.steps[0].consequences[0].contains("go on as they are"), "{:?}", plan.steps[0].consequences);
}

#[test]
fn tags_that_aws_shows_late_are_neither_compared_nor_recorded() {
    let mut late = carrying(&[("team", "x")], &[("team", "data")]);
    late.tags = None;
    for given in [&[("team", "web")][..], &[]] {
        let plan = plan(kinds(), &giving(given), std::slice::from_ref(&late)).expect("a plan");
        assert!(plan.is_empty() && plan.unchanged[0].record.is_none(), "{given:?}");
    }
}

#[test]
fn a_saved_plan_says_which_tags_of_the_stacks_have_moved() {
    let set = [("team", "data")];
    let before = carrying(&[("team", "data"), ("backup", "daily")], &set);
    let lines = |carried: &[(&str, &str)]| {
        let now = carrying(carried, &set);
        moved_since(kinds(), std::slice::from_ref(&before), &[now], &[])
    };
    assert_eq!(lines(&[("team", "data"), ("backup", "never")]), [""; 0]);
    assert_eq!(lines(&[("team", "x")]), ["network.main.tags.team: was \"data\", is \"x\""]);
}

/// A resource of a kind that there is, as its file says.
fn real(address: &str, id: &str, spec: &Value) -> Live {
    let address: Address = address.parse().expect("an address");
    let kind = crate::kinds::named(&address.kind).expect("a kind");
    let spec = kind.normalise(spec).expect("a spec");
    let outputs =
        kind.outputs().iter().map(|name| ((*name).to_owned(), (if *name == "version" { "1" } else { id }).to_owned()));
    Live {
        outputs: outputs.collect(),
        applied: Some(applied::hashes(kind.fields(), &spec)),
        tags: Some(tags(&[("Name", "shop-app")])),
        address,
        spec,
        ..live("network.main", id, json!({}), &json!({}))
    }
}

#[test]
fn a_tag_refreshes_no_host() {
    let template =
        json!({ "name": "shop-app", "image": "ami-0ab1", "instance_type": "t3.small", "security_groups": [] });
    let group = |template: &str, version: &str| {
        json!({ "name": "shop-app", "launch_template": template, "launch_template_version": version, "subnets": [],
                "min_size": 1, "max_size": 1, "desired_capacity": 1, "refresh": "launch_first" })
    };
    let lives = [
        real("launch_template.app", "lt-1", &template),
        real("auto_scaling_group.app", "shop-app", &group("lt-1", "1")),
    ];
    let file = group("${launch_template.app.id}", "${launch_template.app.version}");
    let mut stack = desired(&[("launch_template.app", template), ("auto_scaling_group.app", file)]);
    let all = Kinds(crate::kinds::all());
    assert!(plan(all, &stack, &lives).expect("a plan").is_empty());
    stack.resources.iter_mut().for_each(|resource| resource.tags = tags(&[("team", "data")]));
    let plan = plan(all, &stack, &lives).expect("a plan");
    assert_eq!(plan.steps.len(), 2);
    for step in &plan.steps {
        let paths: Vec<&str> = step.changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!((paths, step.action), (vec!["tags.team"], Action::Update), "{}", step.address);
        assert!(step.is_of_tags() && step.consequences.is_empty(), "{}: {:?}", step.address, step.consequences);
    }
}
