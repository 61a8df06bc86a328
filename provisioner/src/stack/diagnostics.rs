//! Mistakes in a stack file and its models, each shown with the lines where it stands.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::layers::locate;

/// A file that a stack was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path as messages show it.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// One mistake: what, where, why and the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The index of the file in [`Diagnostics::sources`]; 0 also for those that the stack file extends, laid end to end.
    pub source: usize,
    /// The place in it, in bytes.
    pub span: Range<usize>,
    /// What is wrong.
    pub title: String,
    /// Why, said at the place itself.
    pub label: String,
    /// How to fix it, one sentence each.
    pub help: Vec<String>,
    /// Where else in the file the same is wrong, and what is said there.
    pub also: Vec<(Range<usize>, String)>,
}

impl Diagnostic {
    /// A mistake in the stack file itself.
    pub fn new(span: Range<usize>, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self { source: 0, span, title: title.into(), label: label.into(), help: Vec::new(), also: Vec::new() }
    }

    /// The same with a fix added.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// The same in another file.
    #[must_use]
    pub fn within(mut self, source: usize) -> Self {
        self.source = source;
        self
    }
}

/// All mistakes of a stack, sorted by place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The files they stand in; the stack file is the first.
    pub sources: Vec<Source>,
    /// The mistakes.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Finds the file of each mistake and sorts them by file and place; the same mistake at several places is one.
    pub fn new(sources: Vec<Source>, mut list: Vec<Diagnostic>) -> Self {
        for mistake in list.iter_mut().filter(|mistake| mistake.source == 0) {
            (mistake.source, mistake.span) = locate(&sources, &mistake.span);
            mistake.also.retain_mut(|(place, _)| {
                let (source, span) = locate(&sources, place);
                *place = span;
                source == mistake.source
            });
        }
        list.sort_by_key(|mistake| (mistake.source, mistake.span.start, mistake.span.end));
        list.dedup();
        Self { sources, list: together(list) }
    }

    /// The text for people, in colour or not: a snippet for each mistake and the count at the end.
    pub fn render(&self, colour: bool) -> String {
        let count = self.list.len();
        let path = self.sources.first().map_or("the stack", |source| source.path.as_str());
        let plural = if count == 1 { "" } else { "s" };
        self.snippets(&Level::ERROR, colour) + &format!("{path}: {count} mistake{plural}\n")
    }

    /// The same of what is no mistake: a snippet for each warning.
    pub fn warnings(&self, colour: bool) -> String {
        self.snippets(&Level::WARNING, colour)
    }

    fn snippets(&self, level: &Level<'static>, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for diagnostic in &self.list {
            let source = &self.sources[diagnostic.source];
            let end = source.text.len();
            let within = |span: &Range<usize>| span.start.min(end)..span.end.clamp(span.start.min(end), end);
            let also = diagnostic
                .also
                .iter()
                .map(|(span, label)| AnnotationKind::Context.span(within(span)).label(label.as_str()));
            let snippet = Snippet::source(source.text.as_str())
                .path(source.path.as_str())
                .annotation(AnnotationKind::Primary.span(within(&diagnostic.span)).label(diagnostic.label.as_str()))
                .annotations(also);
            let mut group: Group<'_> = level.clone().primary_title(diagnostic.title.as_str()).element(snippet);
            for help in &diagnostic.help {
                group = group.element(Level::HELP.message(help.as_str()));
            }
            text.push_str(&renderer.render(&[group]));
            text.push_str("\n\n");
        }
        text
    }
}

/// Puts what is the same mistake at several places of a file into one.
fn together(list: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut out: Vec<Diagnostic> = Vec::new();
    for one in list {
        let same = out.iter_mut().find(|other| {
            (other.source, &other.title, &other.help) == (one.source, &one.title, &one.help) && other.span != one.span
        });
        match same {
            Some(other) => other.also.push((one.span, one.label)),
            None => out.push(one),
        }
    }
    out
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Diagnostics {}

pub use crate::suggest::{nearest, suggest};
