//! `rename` and `remove`.

use lakewright_config::agents::shipper::transforms::{Remove, Rename};

use super::{Apply, Paths, Verdict};
use crate::event::Event;
use crate::mistake::Mistake;
use crate::path::Path;

/// Gives members other names.
#[derive(Debug)]
pub struct Renaming {
    names: Vec<(Path, Path)>,
}

impl Renaming {
    pub fn new(settings: &Rename) -> Result<Self, Vec<Mistake>> {
        let mut paths = Paths::default();
        let mut names: Vec<(Path, Path)> = Vec::new();
        for (old, new) in &settings.fields {
            let (Some(old_path), Some(new_path)) = (paths.item("fields", old), paths.item("fields", new)) else {
                continue;
            };
            if let Some((other, _)) = names.iter().find(|(_, known)| known.overlaps(&new_path)) {
                let what = format!("`{other}` and `{old}` are given one name, `{new_path}`");
                paths.push(Mistake::new("fields", what, "give each a name of its own").item(old));
            }
            names.push((old_path, new_path));
        }
        if settings.fields.is_empty() {
            paths.push(Mistake::new("fields", "no member is renamed", "name one, as in `{ lvl = \"level\" }`"));
        }
        paths.finish(Some(Self { names }))
    }
}

impl Apply for Renaming {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        let taken: Vec<_> = self.names.iter().map(|(old, _)| event.take(old)).collect();
        let mut failed = None;
        for ((old, new), value) in self.names.iter().zip(taken) {
            let Some(value) = value else { continue };
            if let Err(reason) = event.set(new, value.clone()) {
                // It keeps its name.
                let _ = event.set(old, value);
                failed.get_or_insert(reason);
            }
        }
        failed.map_or(Ok(Verdict::Go), Err)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(self.names.iter().map(|(old, _)| old.clone()).collect())
    }
}

/// Removes members.
#[derive(Debug)]
pub struct Removing {
    fields: Vec<Path>,
}

impl Removing {
    pub fn new(settings: &Remove) -> Result<Self, Vec<Mistake>> {
        let mut paths = Paths::default();
        let fields: Vec<Path> = settings.fields.iter().filter_map(|field| paths.item("fields", field)).collect();
        if settings.fields.is_empty() {
            let fix = "name one; whole events are left out by `type = \"drop\"`";
            paths.push(Mistake::new("fields", "no member is removed", fix));
        }
        paths.finish(Some(Self { fields }))
    }
}

impl Apply for Removing {
    fn apply(&self, event: &mut Event<'_>) -> Result<Verdict, String> {
        for field in &self.fields {
            event.take(field);
        }
        Ok(Verdict::Go)
    }

    fn reads(&self) -> Option<Vec<Path>> {
        Some(self.fields.clone())
    }
}
