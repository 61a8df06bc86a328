//! What a plan leaves as it is, although something should be done to it or nobody knows whether: why, what to do about it,
//! and what has to wait for it.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::{Action, Change, Kinds, Options, Plan, Step, order};
use crate::resource::{Address, Desired, Live, Obstacle, Unread};

/// A resource that nothing is done to.
#[derive(Debug, Clone)]
pub struct Blocked {
    /// The resource.
    pub address: Address,
    /// What should be done to it; none where that can't be known.
    pub step: Option<Box<Step>>,
    /// Why it isn't done, and what to do about it.
    pub obstacle: Obstacle,
    /// Its identifier on AWS, as far as it is known.
    pub id: Option<String>,
    /// Whether it exists, or lived when it could be read.
    pub lives: bool,
    /// The blocked resource that it has to wait for; none for one that is blocked by itself.
    pub by: Option<Address>,
}

impl Blocked {
    /// A step that can't be done.
    pub fn of(step: Step, obstacle: Obstacle) -> Self {
        Self {
            address: step.address.clone(),
            obstacle,
            id: step.live.as_ref().map(|live| live.id.clone()),
            lives: step.live.is_some(),
            by: None,
            step: Some(Box::new(step)),
        }
    }

    /// What can't be read at an address. Whether it exists is known of what has an identifier, and of what lived before.
    pub fn unread(address: &Address, unread: &Unread, lived: bool) -> Self {
        Self {
            address: address.clone(),
            step: None,
            obstacle: unread.obstacle.clone(),
            id: unread.id.clone(),
            lives: lived || unread.address.is_some() && unread.id.is_some(),
            by: None,
        }
    }

    /// What should happen to it, as far as that is known.
    pub fn action(&self) -> Option<Action> {
        self.step.as_ref().map(|step| step.action)
    }
}

/// What can't be read, by address: what has one, and whatever else of the kind the stack left or wants, and isn't found.
pub(super) fn unread<'a>(
    graph: &Graph<'_>,
    desired: &Desired,
    live: &[Live],
    options: &'a Options,
) -> BTreeMap<Address, &'a Unread> {
    let lives: BTreeSet<&Address> = live.iter().map(|live| &live.address).collect();
    let now = |address: &Address| {
        let renamed = desired.moved.iter().find(|moved| moved.from == *address).map(|moved| &moved.to);
        renamed.unwrap_or(address).clone()
    };
    let mut found = BTreeMap::new();
    for unread in &options.unread {
        match &unread.address {
            Some(address) => drop(found.insert(now(address), unread)),
            None => {
                // What the stack wants was looked for under its own name, unless nothing of the kind could be.
                let is_all = unread.id.is_none();
                let known = graph.needs.keys().filter(|_| is_all).chain(&options.remembered);
                let known = known.filter(|one| one.kind == unread.kind).map(&now);
                let known = known.filter(|one| is_all || !graph.needs.contains_key(one));
                for address in known {
                    found.entry(address).or_insert(unread);
                }
            }
        }
    }
    found.retain(|address, _| !lives.contains(address));
    found
}

/// Blocks every step that can't be done while what is blocked stays as it is: what needs that, and the end of what that
/// needs, or of a part of it, or of what it has yet to take the place of or to move off.
pub(super) fn spread(kinds: Kinds<'_>, plan: &mut Plan, graph: &Graph<'_>) {
    let mut open: Vec<usize> = (0..plan.blocked.len()).collect();
    while let Some(index) = open.pop() {
        let blocked = &plan.blocked[index];
        let own = blocked.step.as_ref().map(|step| &step.needs).or_else(|| graph.needs.get(&blocked.address));
        let needs = own.cloned().unwrap_or_default();
        let (address, live) = (blocked.address.clone(), blocked.step.as_ref().and_then(|step| step.live.clone()));
        for step in std::mem::take(&mut plan.steps) {
            let waits = step.action != Action::Delete && step.needs.contains(&address);
            let moves = !plan.destroys && order::waits_for_move(&graph.needs, &step, &address);
            if waits || moves || held(kinds, &step, &needs, live.as_ref()) {
                let reason = match (waits, moves) {
                    (true, _) => format!("it needs {address}"),
                    (false, true) => format!("{address} is to work without it first"),
                    (false, false) => format!("{address} needs it"),
                };
                let obstacle = Obstacle::new(
                    format!("{reason}, to which nothing is done"),
                    format!("look what is said of {address}"),
                );
                open.push(plan.blocked.len());
                plan.blocked.push(Blocked { by: Some(address.clone()), ..Blocked::of(step, obstacle) });
            } else {
                plan.steps.push(step);
            }
        }
    }
    plan.blocked.sort_by(|a, b| (a.by.is_some(), &a.address).cmp(&(b.by.is_some(), &b.address)));
}

/// Whether a step takes away what something that stays as it is needs, by its file or as it exists.
fn held(kinds: Kinds<'_>, step: &Step, needs: &BTreeSet<Address>, user: Option<&Live>) -> bool {
    let goes = matches!(step.action, Action::Delete | Action::Replace);
    let is_mentioned = || match (user, &step.live) {
        (Some(user), Some(live)) => order::mentioned(user, std::slice::from_ref(live)).contains(&step.address),
        _ => false,
    };
    goes && (needs.contains(&step.address) || is_mentioned())
        || ends_a_part(kinds, step) && needs.contains(&step.address)
}

/// Whether a step takes away or renames a part of something that exists, by whose name others know it.
fn ends_a_part(kinds: Kinds<'_>, step: &Step) -> bool {
    let parts = kinds.get(&step.address.kind).map(|kind| kind.facts().parts).unwrap_or_default();
    let ends = |change: &Change| {
        let goes = change.after.is_null() && change.path.ends_with(']');
        parts.contains(&change.field()) && (goes || change.path.ends_with("].name"))
    };
    step.action == Action::Update && step.changes.iter().any(ends)
}

/// Keeps of what is blocked the targeted, with what that waits for, and drops the excluded with what waits for it.
pub(super) fn narrow(plan: &mut Plan, targeted: &dyn Fn(&Address) -> bool, excluded: &dyn Fn(&Address) -> bool) {
    let before: BTreeMap<Address, Option<Address>> =
        plan.blocked.iter().map(|one| (one.address.clone(), one.by.clone())).collect();
    let chain = |address: &Address| {
        let mut all = vec![address.clone()];
        while let Some(Some(next)) = all.last().and_then(|last| before.get(last))
            && !all.contains(next)
        {
            all.push(next.clone());
        }
        all
    };
    let wanted: BTreeSet<Address> = before.keys().filter(|address| targeted(address)).flat_map(&chain).collect();
    for blocked in std::mem::take(&mut plan.blocked) {
        if wanted.contains(&blocked.address) && !chain(&blocked.address).iter().any(excluded) {
            plan.blocked.push(blocked);
        } else if let Some(action) = blocked.action() {
            plan.left_out.push((blocked.address, action));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{desired, kinds, live};
    use super::super::{plan, plan_for};
    use super::*;
    use crate::render::{Detail, text};
    use crate::resource::Moved;

    fn network(dns: &Value) -> Value {
        json!({ "cidr": "10.0.0.0/16", "dns": dns })
    }

    fn subnet(network: &str) -> Value {
        json!({ "network": network, "cidr": "10.0.1.0/24", "zone": "a" })
    }

    fn unread(address: Option<&str>, id: Option<&str>) -> Unread {
        let address: Option<Address> = address.map(|address| address.parse().expect("an address"));
        let kind = address.as_ref().map_or("network", |address| address.kind.as_str()).to_owned();
        let obstacle = Obstacle::new("it can't be read: denied", "allow it");
        Unread { kind, address, id: id.map(str::to_owned), obstacle }
    }

    fn planned(stack: &Desired, lives: &[Live], unread: Vec<Unread>, remembered: &[&str]) -> Plan {
        let remembered = remembered.iter().map(|address| address.parse().expect("an address")).collect();
        plan_for(kinds(), stack, lives, &Options { remembered, unread, ..Options::default() }).expect("a plan")
    }

    fn blocked(plan: &Plan) -> Vec<(String, Option<String>)> {
        let told = |one: &Blocked| (one.address.to_string(), one.by.as_ref().map(ToString::to_string));
        plan.blocked.iter().map(told).collect()
    }

    fn steps(plan: &Plan) -> Vec<String> {
        plan.steps.iter().map(|step| format!("{} {}", step.action.word(), step.address)).collect()
    }

    #[test]
    fn what_a_kind_refuses_blocks_its_own_step_and_what_needs_that() {
        let lives = [live("network.main", "network-1", network(&json!("for life")), &network(&json!("for life")))];
        let wall = json!({ "network": "${network.main.id}", "rules": [] });
        let stack = desired(&[
            ("network.main", network(&json!(true))),
            ("wall.web", wall),
            ("store.raw", json!({ "name": "raw", "size": 1, "uses": null })),
        ]);
        let plan = plan(kinds(), &stack, &lives).expect("a refusal stops no plan");
        assert_eq!(steps(&plan), ["create store.raw"]);
        let by = Some("network.main".to_owned());
        assert_eq!(blocked(&plan), [("network.main".to_owned(), None), ("wall.web".to_owned(), by)]);
        assert!(!plan.is_settled());
        let shown = anstream::adapter::strip_str(&text(&plan, Detail::Short)).to_string();
        assert!(shown.contains("! network.main  network-1  blocked: a network keeps its names\n"), "{shown}");
        assert!(shown.contains("to do: write `dns = \"for life\"`\n"), "{shown}");
        assert!(shown.contains("! wall.web  blocked: it needs network.main"), "{shown}");
    }

    #[test]
    fn what_stays_as_it_is_keeps_the_parts_that_it_names() {
        // Settings that name the ports of a wall, and stay as they are because the network does.
        let wall = |ports: &[u32]| {
            let rules: Vec<Value> = ports.iter().map(|port| json!({ "name": port.to_string() })).collect();
            json!({ "network": null, "rules": rules, "policy": null })
        };
        let settings = |size: u32| json!({ "name": "settings", "size": size, "uses": null });
        let names = network(&json!("for life"));
        let lives = [
            live("network.main", "network-1", names.clone(), &names),
            live("wall.web", "wall-1", wall(&[22, 443]), &wall(&[22, 443])),
            live("store.settings", "store-1", settings(1), &settings(1)),
        ];
        let planned = |ports: &[u32], blocks: bool| {
            let dns = if blocks { json!(true) } else { json!("for life") };
            let mut stack =
                desired(&[("network.main", network(&dns)), ("wall.web", wall(ports)), ("store.settings", settings(2))]);
            stack.resources[2].after =
                ["network.main", "wall.web"].map(|one| one.parse::<Address>().expect(one)).into();
            let plan = plan(kinds(), &stack, &lives).expect("a plan");
            (steps(&plan), blocked(&plan))
        };
        let by = |one: &str| Some(one.to_owned());
        let (network, wall, settings) = ("network.main".to_owned(), "wall.web".to_owned(), "store.settings".to_owned());
        let held = (settings.clone(), by("network.main"));
        // What is only added goes on.
        let added = (vec!["update wall.web".to_owned()], vec![(network.clone(), None), held.clone()]);
        assert_eq!(planned(&[22, 443, 8443], true), added);
        let all = vec![(network, None), held, (wall, by("store.settings"))];
        assert_eq!(planned(&[443], true), (Vec::new(), all));
        let free = vec!["update wall.web".to_owned(), "update store.settings".to_owned()];
        assert_eq!(planned(&[443], false), (free, Vec::new()));
    }

    #[test]
    fn what_cannot_be_read_is_left_alone_with_what_needs_it() {
        let stack = desired(&[
            ("network.main", network(&json!(true))),
            ("subnet.a", subnet("${network.main.id}")),
            ("store.raw", json!({ "name": "raw", "size": 1, "uses": null })),
        ]);
        let plan = planned(&stack, &[], vec![unread(Some("network.main"), Some("network-1"))], &[]);
        assert_eq!(steps(&plan), ["create store.raw"]);
        assert_eq!(blocked(&plan)[1], ("subnet.a".to_owned(), Some("network.main".to_owned())));
        assert!(plan.blocked[0].lives && plan.blocked[0].step.is_none());
    }

    #[test]
    fn what_cannot_be_read_has_the_name_that_the_file_gives_it_now() {
        let mut stack = desired(&[("network.new", network(&json!(true)))]);
        let [from, to] = ["network.old", "network.new"].map(|one| one.parse::<Address>().expect(one));
        stack.moved = vec![Moved { from, to, span: None }];
        let plan = planned(&stack, &[], vec![unread(Some("network.old"), Some("network-1"))], &[]);
        assert_eq!((steps(&plan), blocked(&plan)), (Vec::new(), vec![("network.new".to_owned(), None)]));
    }

    #[test]
    fn a_part_is_no_whole_where_something_else_cannot_be_read() {
        let stack = desired(&[("network.main", network(&json!(true)))]);
        let file = json!({ "name": "raw", "size": 1, "uses": null });
        let lives = [live("store.raw", "store-1", file.clone(), &file)];
        let unread = vec![unread(Some("network.main"), Some("network-1"))];
        let targets = vec!["store.raw".to_owned()];
        let options = Options { destroy: true, targets, unread, ..Options::default() };
        let plan = plan_for(kinds(), &stack, &lives, &options).expect("a plan");
        assert_eq!((steps(&plan), plan.blocked.len()), (vec!["delete store.raw".to_owned()], 0));
        assert!(plan.left_out.is_empty() && !crate::apply::is_whole(&plan));
    }

    #[test]
    fn a_destroy_names_what_it_cannot_read_and_deletes_the_rest() {
        let file = network(&json!(true));
        let lives = [live("network.main", "network-1", file.clone(), &file)];
        let plan = planned(&desired(&[]), &lives, vec![unread(Some("store.raw"), Some("shop-raw"))], &[]);
        assert_eq!(steps(&plan), ["delete network.main"]);
        assert_eq!(blocked(&plan), [("store.raw".to_owned(), None)]);
        assert_eq!(plan.blocked[0].id.as_deref(), Some("shop-raw"));
    }

    #[test]
    fn nothing_is_made_of_a_kind_that_cannot_be_read_at_all() {
        let stack = desired(&[("network.main", network(&json!(true)))]);
        let plan = planned(&stack, &[], vec![unread(None, None)], &["network.old", "store.raw"]);
        let all: Vec<String> = blocked(&plan).into_iter().map(|(address, _)| address).collect();
        assert_eq!((steps(&plan), all), (Vec::new(), vec!["network.main".to_owned(), "network.old".to_owned()]));
        // One thing of which nobody can say whose it is may be what left the file; what is wanted was looked for.
        let plan = planned(&stack, &[], vec![unread(None, Some("network-9"))], &["network.old"]);
        assert_eq!(steps(&plan), ["create network.main"]);
        assert_eq!(blocked(&plan), [("network.old".to_owned(), None)]);
    }
}
