//! What others changed, put back without what the file changed.

use super::*;

#[test]
fn what_heals_drift_alone_still_says_what_it_loses() {
    let store = |name: &str, uses: &[&str]| json!({ "name": name, "size": 1, "uses": uses });
    let stack = desired(&[("store.raw", store("new", &[]))]);
    let lives = [live("store.raw", "store-0000000a", store("old", &["theirs"]), &store("old", &[]))];
    let whole = plan(kinds(), &stack, &lives).expect("a plan");
    assert_eq!(whole.steps[0].action, Action::Replace);

    // Without the file's new name it is a change in place, which takes away what somebody added.
    let options = Options { only_drift: true, ..Options::default() };
    let healing = plan_for(kinds(), &stack, &lives, &options).expect("a plan");
    let step = &healing.steps[0];
    assert_eq!((step.action, step.cause), (Action::Update, Cause::Drift));
    assert_eq!(step.loses, ["what used it"]);
    assert_eq!(step.spec.as_ref().map(|spec| &spec["name"]), Some(&json!("old")));
}

#[test]
fn what_no_spec_says_is_drift_and_is_put_back_without_what_the_file_changed() {
    let file = network("10.0.0.0/16");
    let mut lives = live("network.main", "network-0000000a", file.clone(), &file);
    lives.departures = Departure::of("state", "off", "on").into_iter().collect();
    assert_snapshot!(shown(&[("network.main", file)], std::slice::from_ref(&lives)), @r#"
      ~ network.main  network-0000000a  (changed outside the file)
          state: "off" -> "on"

    Plan: 1 to update.
    "#);

    // Within a field that the file changes too.
    lives.departures = Departure::of("dns.lifetime", 5, 60).into_iter().collect();
    let stack = desired(&[("network.main", json!({ "cidr": "10.0.0.0/16", "dns": false }))]);
    let options = Options { only_drift: true, ..Options::default() };
    let healing = plan_for(kinds(), &stack, &[lives], &options).expect("a plan");
    let step = &healing.steps[0];
    let paths: Vec<&str> = step.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!((paths, step.cause), (vec!["dns.lifetime"], Cause::Drift));
    assert_eq!(step.spec.as_ref().map(|spec| &spec["dns"]), Some(&json!(true)));
}

#[test]
fn what_follows_from_a_field_is_no_departure_where_the_field_changes() {
    // Nothing was recorded: whether the file changed or somebody else can't be known.
    let mut lives =
        live("network.main", "network-0000000a", json!({ "cidr": "10.0.0.0/16", "dns": false }), &json!({}));
    lives.applied = None;
    lives.departures = Departure::of("dns.inner", true, false).map(Departure::following).into_iter().collect();
    let only_drift = Options { only_drift: true, ..Options::default() };
    let paths = |dns: bool, options: &Options| -> Vec<String> {
        let stack = desired(&[("network.main", json!({ "cidr": "10.0.0.0/16", "dns": dns }))]);
        let plan = plan_for(kinds(), &stack, std::slice::from_ref(&lives), options).expect("a plan");
        plan.steps.iter().flat_map(|step| &step.changes).map(|change| change.path.clone()).collect()
    };
    assert_eq!(paths(true, &Options::default()), ["dns"]);
    assert_eq!(paths(true, &only_drift), [""; 0], "what protects somebody isn't taken away beside the file");
    assert_eq!(paths(false, &only_drift), ["dns.inner"]);
}

#[test]
fn what_needs_something_that_only_the_file_wants_is_no_healing() {
    let wall = json!({ "network": "network-1", "rules": [] });
    let store = json!({ "name": "raw", "size": 1, "uses": ["${wall.web.arn}"] });
    let stack = desired(&[("wall.web", wall), ("store.raw", store)]);
    let gone = ["store.raw".parse().expect("an address")].into();
    let options = Options { only_drift: true, remembered: gone, ..Options::default() };
    let healing = plan_for(kinds(), &stack, &[], &options).expect("a plan");
    let left_out: Vec<String> = healing.left_out.iter().map(|(address, _)| address.to_string()).collect();
    assert_eq!((healing.steps.len(), left_out), (0, vec!["wall.web".to_owned(), "store.raw".to_owned()]));
}
