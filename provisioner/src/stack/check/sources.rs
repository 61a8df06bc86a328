//! Checks of the shipper's sources on its hosts: what their types don't say.

use lakewright_config::agents::shipper::sources::{name_mistake, unit_mistake};
use lakewright_tail::{Framing, LEAST_RECORD, pattern};

use super::Checker;
use crate::stack::decode::{At, Entry};
use crate::stack::diagnostics::Diagnostic;
use crate::stack::sources::{SourceSection, SourceType};
use crate::stack::units::{Period, Size};

impl Checker<'_> {
    /// Sources can be read, and their names stand in those of indices, objects and files.
    pub(super) fn sources(&mut self) {
        for source in &self.file.agents.shipper.sources {
            if let Some(mistake) = name_mistake(&source.name) {
                let title = format!("`{}` can't be the name of a source", source.name);
                self.push(Diagnostic::new(source.span.clone(), title, mistake));
            }
            if !source.value.r#type.sound {
                continue;
            }
            match source.value.r#type.value {
                SourceType::Files => self.files(source),
                SourceType::Journal => self.journal(source),
            }
            self.bounds(&source.value);
        }
    }

    fn files(&mut self, source: &Entry<SourceSection>) {
        let section = &source.value;
        self.only_with("journal", section.units.first().map(|unit| ("units", unit.span.clone())));
        if section.paths.is_empty() {
            let title = format!("the source `{}` names no file", source.name);
            let diagnostic = Diagnostic::new(source.span.clone(), title, "`paths` is empty");
            self.push(diagnostic.help("write as in `paths = [\"/var/log/nginx/access.log*\"]`"));
        }
        for path in section.paths.iter().chain(&section.exclude).filter(|path| path.sound) {
            if let Err(error) = pattern(path) {
                self.push(Diagnostic::new(path.span.clone(), format!("{error:#}"), "no pattern of absolute paths"));
            }
        }
        let Some(begins) = section.begins.as_ref().filter(|begins| begins.sound) else { return };
        if let Err(error) = Framing::begins(begins) {
            let title = format!("`begins` can't be read: {}", error.root_cause());
            self.push(Diagnostic::new(begins.span.clone(), title, "no regular expression"));
        } else if section.indented.value {
            let title = "`begins` and `indented` both say where a record ends";
            self.push(Diagnostic::new(section.indented.span.clone(), title, "remove one of them"));
        }
    }

    fn journal(&mut self, source: &Entry<SourceSection>) {
        let section = &source.value;
        let first = |list: &[At<String>]| list.first().map(|one| one.span.clone());
        let of_files = [
            first(&section.paths).map(|span| ("paths", span)),
            first(&section.exclude).map(|span| ("exclude", span)),
            section.begins.as_ref().map(|begins| ("begins", begins.span.clone())),
            section.indented.written().then(|| ("indented", section.indented.span.clone())),
            section.quiet.written().then(|| ("quiet", section.quiet.span.clone())),
        ];
        for written in of_files {
            self.only_with("files", written);
        }
        for unit in section.units.iter().filter(|unit| unit.sound) {
            if let Some(mistake) = unit_mistake(unit) {
                let title = format!("`{}` is no unit of systemd", unit.value.escape_default());
                self.push(Diagnostic::new(unit.span.clone(), title, mistake));
            }
        }
    }

    /// A setting of the other type of source.
    fn only_with(&mut self, kind: &str, written: Option<(&str, std::ops::Range<usize>)>) {
        if let Some((name, span)) = written {
            let title = format!("`{name}` has no meaning here");
            self.push(Diagnostic::new(span, title, format!("belongs to `type = \"{kind}\"`")).help("remove it"));
        }
    }

    fn bounds(&mut self, section: &SourceSection) {
        let (quiet, longest) = (&section.quiet, &section.max_record);
        if quiet.sound && !(Period(100)..=Period::seconds(3600)).contains(quiet) {
            let title = "`quiet` is out of range";
            self.push(Diagnostic::new(quiet.span.clone(), title, "must be between 100ms and an hour"));
        }
        let (least, most) = (LEAST_RECORD as u64, 100_000_000);
        if longest.sound && !(Size(least)..=Size(most)).contains(longest) {
            let title = "`max_record` is out of range";
            self.push(Diagnostic::new(longest.span.clone(), title, format!("must be between {least} B and 100 MB")));
        }
        if section.time_field.sound && section.time_field.is_empty() {
            self.push(Diagnostic::new(section.time_field.span.clone(), "`time_field` is empty", "names no member"));
        }
    }
}
