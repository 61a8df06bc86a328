//! Checks of what the sections stand for: the kinds' schemas say which texts AWS takes.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::DeValue;

use crate::kind::Mistake;
use crate::kinds;
use crate::resource::Resource;
use crate::stack::decode::Node;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::{Artifact, Programs, Stack, Target, expand};

/// What AWS would refuse of the resources that a stack's sections stand for, at the values of the file's tree that it
/// comes from, or else at their sections. Single resources are judged where they are written.
pub(in crate::stack) fn check_specs(stack: &Stack, tree: &Node<'_>) -> Vec<Diagnostic> {
    let mut written = Vec::new();
    texts(tree, &mut written);
    let mut pointed = BTreeSet::new();
    let mut list = Vec::new();
    for resource in &expanded(stack) {
        let Some(kind) = kinds::named(&resource.address.kind) else { continue };
        let own = stack.file.resource.get(&resource.address.kind);
        if own.is_some_and(|own| own.value.get(&resource.address.name).is_some()) {
            continue;
        }
        for mistake in kind.mistakes(&resource.spec) {
            let mut places = written.iter().filter(|(text, _)| mistake.text.as_ref() == Some(text));
            // A text that stands in several places is reported at each of them.
            let place = places.clone().find(|(_, span)| !pointed.contains(&span.start)).or_else(|| places.next());
            let section = || resource.span.clone().unwrap_or_else(|| stack.file.stack.span.clone());
            let span = place.map_or_else(section, |(_, span)| span.clone());
            pointed.insert(span.start);
            list.push(diagnostic(resource, &mistake, span));
        }
    }
    list
}

/// The resources of a stack in some account, with some program on its hosts.
fn expanded(stack: &Stack) -> Vec<Resource> {
    let region = stack.file.stack.region.as_ref().map_or("eu-north-1", |region| region.value.as_str());
    let target = Target { account: "0".repeat(12), region: region.to_owned() };
    let program = Artifact { sha256: "0".repeat(64), size: 1, file: None };
    expand(stack, &target, &Programs::everywhere(program)).resources
}

fn diagnostic(resource: &Resource, mistake: &Mistake, span: Range<usize>) -> Diagnostic {
    let Mistake { path, what, fix, .. } = mistake;
    let title = format!("`{}`: `{path}` {what}", resource.address);
    let field = path.split(['.', '[']).next().filter(|field| !field.is_empty());
    let what = field.unwrap_or(&resource.address.kind);
    let diagnostic = Diagnostic::new(span, title, format!("not a valid {what}"));
    match fix {
        Some(fix) => diagnostic.help(fix.clone()),
        None => diagnostic,
    }
}

/// Every text of a tree with its place.
fn texts(node: &Node<'_>, found: &mut Vec<(String, Range<usize>)>) {
    match node.get_ref() {
        DeValue::String(text) => found.push((text.to_string(), node.span())),
        DeValue::Array(items) => items.iter().for_each(|item| texts(item, found)),
        DeValue::Table(members) => members.iter().for_each(|(_, member)| texts(member, found)),
        _ => {}
    }
}
