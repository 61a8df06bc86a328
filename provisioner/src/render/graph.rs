//! A plan as a picture: what refers to what, and what happens to each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use layout::backends::svg::SVGWriter;
use layout::core::base::Orientation;
use layout::core::color::Color;
use layout::core::geometry::Point;
use layout::core::style::StyleAttr;
use layout::std_shapes::shapes::{Arrow, Element, ShapeKind};
use layout::topo::layout::VisualGraph;

use super::markdown::sign;
use crate::plain;
use crate::plan::{Action, Plan};
use crate::resource::Address;

/// Fill and line, as red, green and blue.
type Colours = (u32, u32);

/// What is drawn.
struct Picture {
    /// Each resource with what happens to it; nothing for one that stays.
    nodes: BTreeMap<Address, Option<Action>>,
    /// From what refers to what is referred to, without those that follow from others.
    edges: Vec<(Address, Address)>,
}

fn picture(plan: &Plan, only_changes: bool) -> Picture {
    let mut nodes: BTreeMap<Address, Option<Action>> = BTreeMap::new();
    if !only_changes {
        nodes.extend(plan.needs.keys().map(|address| (address.clone(), None)));
    }
    nodes.extend(plan.steps.iter().map(|step| (step.address.clone(), Some(step.action))));
    let mut needs: BTreeMap<&Address, BTreeSet<&Address>> = BTreeMap::new();
    for (user, targets) in &plan.needs {
        needs.insert(user, targets.iter().collect());
    }
    for step in &plan.steps {
        needs.entry(&step.address).or_default().extend(&step.needs);
    }
    let mut edges = Vec::new();
    for (user, targets) in &needs {
        let by_way_of_others: BTreeSet<&Address> = targets.iter().flat_map(|target| beneath(target, &needs)).collect();
        let direct = targets.iter().filter(|target| !by_way_of_others.contains(*target));
        let shown = direct.filter(|target| nodes.contains_key(user) && nodes.contains_key(target));
        edges.extend(shown.map(|target| ((*user).clone(), (*target).clone())));
    }
    Picture { nodes, edges }
}

/// Everything that an address refers to, at any remove.
fn beneath<'a>(address: &Address, needs: &BTreeMap<&'a Address, BTreeSet<&'a Address>>) -> BTreeSet<&'a Address> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Address> = needs.get(address).into_iter().flatten().copied().collect();
    while let Some(one) = open.pop() {
        if seen.insert(one) {
            open.extend(needs.get(one).into_iter().flatten());
        }
    }
    seen
}

fn colours(action: Option<Action>) -> Colours {
    match action {
        None => (0xf3_f4_f6, 0x9c_a3_af),
        Some(Action::Create) => (0xdc_fc_e7, 0x16_a3_4a),
        Some(Action::Update) => (0xfe_f9_c3, 0xca_8a_04),
        Some(Action::Replace) => (0xfa_e8_ff, 0xa2_1c_af),
        Some(Action::Delete) => (0xfe_e2_e2, 0xdc_26_26),
    }
}

fn label(address: &Address, action: Option<Action>) -> String {
    action.map_or_else(|| address.to_string(), |action| format!("{} {address}", sign(action)))
}

/// The plan in the DOT language of Graphviz.
pub fn dot(plan: &Plan, only_changes: bool) -> String {
    let picture = picture(plan, only_changes);
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n",
        quoted(&plan.stack)
    );
    for (address, action) in &picture.nodes {
        let (fill, line) = colours(*action);
        let (name, label) = (quoted(&address.to_string()), quoted(&label(address, *action)));
        let _ = writeln!(out, "  {name} [label={label}, fillcolor=\"#{fill:06x}\", color=\"#{line:06x}\"];");
    }
    for (user, target) in &picture.edges {
        let _ = writeln!(out, "  {} -> {};", quoted(&user.to_string()), quoted(&target.to_string()));
    }
    out.push_str("}\n");
    out
}

/// The text as a quoted identifier of DOT; within one a backslash begins an escape of labels.
fn quoted(text: &str) -> String {
    format!("\"{}\"", plain::line(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// Pixels that a letter takes, and what a box adds to its text.
const LETTER: f64 = 8.2;
const MARGIN: f64 = 28.0;

/// The plan as an SVG picture.
pub fn svg(plan: &Plan, only_changes: bool) -> String {
    let picture = picture(plan, only_changes);
    let mut graph = VisualGraph::new(Orientation::LeftToRight);
    let mut handles = BTreeMap::new();
    let colour = |rgb: u32| Color::new((rgb << 8) | 0xff);
    for (address, action) in &picture.nodes {
        let text = plain::line(&label(address, *action)).into_owned();
        let (fill, line) = colours(*action);
        let width = LETTER * f64::from(u32::try_from(text.chars().count()).unwrap_or(80)) + MARGIN;
        let style = StyleAttr::new(colour(line), 1, Some(colour(fill)), 6, 14);
        let size = Point::new(width, 34.0);
        let node = Element::create(ShapeKind::new_box(&text), style, Orientation::LeftToRight, size);
        handles.insert(address, graph.add_node(node));
    }
    for (user, target) in &picture.edges {
        graph.add_edge(Arrow::simple(""), handles[user], handles[target]);
    }
    let mut writer = SVGWriter::new();
    graph.do_it(false, false, false, &mut writer);
    // The text is in the browser's own letters, as the rest of what people read there.
    writer.finalize().replace("Times, serif", "sans-serif")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::plan;
    use crate::plan::testing::{desired, kinds, live};

    #[test]
    fn what_follows_from_others_is_left_out() {
        let network = json!({ "cidr": "10.0.0.0/16", "dns": true });
        let stack = desired(&[
            ("network.main", network.clone()),
            ("subnet.a", json!({ "network": "${network.main.id}", "cidr": "10.0.1.0/24", "zone": "a" })),
            ("store.raw", json!({ "name": "r", "size": 1, "uses": ["${subnet.a.arn}", "${network.main.arn}"] })),
        ]);
        let lives = [live("network.main", "network-0000abcd", network.clone(), &network)];
        let plan = plan(kinds(), &stack, &lives).expect("a plan");
        let text = dot(&plan, false);
        assert!(text.contains("\"store.raw\" -> \"subnet.a\"") && text.contains("\"subnet.a\" -> \"network.main\""));
        assert!(!text.contains("\"store.raw\" -> \"network.main\""), "{text}");
        assert!(!dot(&plan, true).contains("[label=\"network.main\""), "{text}");
        let picture = svg(&plan, false);
        assert!(picture.contains("<svg") && picture.contains("+ subnet.a"), "{picture}");
    }
}
