//! What time makes due.

use super::*;

/// A network that is as its file says, but for a value of its that has become too old.
fn aged() -> Live {
    let file = network("10.0.0.0/16");
    let mut lives = live("network.main", "network-0000000a", file.clone(), &file);
    lives.departures =
        Departure::of("password", "of 2026-01-01", "another one").map(Departure::by_age).into_iter().collect();
    lives
}

#[test]
fn what_is_too_old_is_a_step_of_its_own_and_no_drift() {
    let stack = &[("network.main", network("10.0.0.0/16"))];
    assert_snapshot!(shown(stack, &[aged()]), @r#"
      ~ network.main  network-0000000a  (rotate: it is too old)
          password: "of 2026-01-01" -> "another one"

    Plan: 1 to rotate.
    "#);
    let plan = plan(kinds(), &desired(stack), &[aged()]).expect("a plan");
    let json = crate::render::json(&plan);
    assert_eq!((&json["steps"][0]["action"], &json["steps"][0]["cause"]), (&json!("rotate"), &json!("time")));
    assert_eq!((&json["summary"]["rotate"], &json["summary"]["update"]), (&json!(1), &json!(0)));

    // Bringing back what moved leaves it for later, and says that not all is as it should be.
    let options = Options { only_drift: true, ..Options::default() };
    let healing = plan_for(kinds(), &desired(stack), &[aged()], &options).expect("a plan");
    assert_eq!((healing.steps.len(), healing.left_out.len(), healing.is_settled()), (0, 1, false));
}

#[test]
fn what_is_too_old_and_changes_otherwise_too_is_one_change() {
    let stack = &[("network.main", json!({ "cidr": "10.0.0.0/16", "dns": false }))];
    assert_snapshot!(shown(stack, &[aged()]), @r#"
      ~ network.main  network-0000000a
          dns: true -> false
          password: "of 2026-01-01" -> "another one"

    Plan: 1 to update.
    "#);
}

#[test]
fn a_saved_plan_does_not_rotate_what_nobody_reviewed() {
    let young = Live { departures: Vec::new(), ..aged() };
    let moved =
        |before: &Live, now: &Live| moved_since(kinds(), std::slice::from_ref(before), std::slice::from_ref(now), &[]);
    assert_eq!(moved(&aged(), &aged()), [""; 0]);
    let said = ["network.main: it was rotated since, or is to be from now on"];
    assert_eq!(moved(&young, &aged()), said);
    assert_eq!(moved(&aged(), &young), said);
}
