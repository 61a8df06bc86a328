//! Looking through folders: which files there are, which were renamed, which are gone.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::MatchOptions;

use crate::carrier::Carrier;
use crate::content::{Content, FileId, Key};
use crate::files::{Batch, Files};
use crate::notice::Notice;
use crate::record::Moment;
use crate::stream::is_rotated;

/// How paths fit globs: as a shell does it, with files whose names begin with a dot.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
/// How many files of a folder are tried when one is looked for that was renamed or copied.
const TRIED: usize = 1000;

impl Files {
    /// Looks through the folders.
    pub(crate) fn scan(&mut self, now: Moment) {
        self.scans += 1;
        self.unreadable.retain(|path| fs::symlink_metadata(path).is_ok());
        for (path, metadata) in self.list() {
            self.see(path, &metadata, now);
        }
        for key in self.carriers.keys().copied().collect::<Vec<_>>() {
            if self.carriers[&key].scan != self.scans {
                self.miss(key, now);
            }
        }
        // The files that the globs name come first; they are identified between two scans.
        if self.scans > 1 {
            self.hunt(now);
        }
    }

    /// The files that fit the globs.
    fn list(&mut self) -> Vec<(PathBuf, Metadata)> {
        let (mut files, mut shut) = (Vec::new(), HashSet::new());
        for pattern in self.settings.globs.clone() {
            let Ok(paths) = glob::glob_with(pattern.as_str(), MATCHING) else { continue };
            for path in paths {
                let path = match path {
                    Ok(path) => path,
                    Err(error) => {
                        if !self.shut.contains(error.path()) {
                            let (path, error) = (error.path().to_owned(), error.error().to_string());
                            self.notice(Notice::Unreadable { path, error });
                        }
                        shut.insert(error.path().to_owned());
                        continue;
                    }
                };
                if self.settings.exclude.iter().any(|exclude| exclude.matches_path_with(&path, MATCHING)) {
                    continue;
                }
                match fs::metadata(&path) {
                    Ok(metadata) if metadata.is_file() => files.push((path, metadata)),
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        self.notice_unreadable(&path, &error);
                    }
                    _ => {}
                }
            }
        }
        self.shut = shut;
        files
    }

    /// Takes note of a file that stands at a path.
    fn see(&mut self, path: PathBuf, metadata: &Metadata, now: Moment) {
        let id = FileId::of(metadata);
        let key = id.key();
        let scan = self.scans;
        if self.carriers.get(&key).is_some_and(|carrier| !carrier.id.may_be(&id)) {
            // Its inode was given again.
            self.retire(key, now);
        }
        if let Some(carrier) = self.carriers.get_mut(&key) {
            // One that has several names keeps the first.
            if carrier.scan == scan {
                return;
            }
            carrier.scan = scan;
            carrier.deleted = false;
            carrier.failed = false;
            carrier.see(metadata);
            if *carrier.path != *path {
                carrier.moved = true;
                carrier.path = path.into();
            }
            if carrier.is_new() {
                self.queue(key, false);
            }
            return;
        }
        let carrier = Carrier::new(path.into(), metadata, scan);
        let is_known = self.knows(&carrier);
        self.carriers.insert(key, carrier);
        // Files find their own streams before copies of them are looked at.
        self.queue(key, is_known);
    }

    /// Looks where a file is that the globs don't find any more.
    fn miss(&mut self, key: Key, now: Moment) {
        let (path, id) = (Arc::clone(&self.carriers[&key].path), self.carriers[&key].id);
        let is_it = |metadata: &Metadata| FileId::of(metadata).key() == key && FileId::of(metadata).may_be(&id);
        let there =
            fs::metadata(&path).ok().filter(|metadata| is_it(metadata)).map(|metadata| (path.to_path_buf(), metadata));
        let found = match there {
            Some(there) => Some(there),
            None if self.carriers[&key].deleted => None,
            None => beside(&path, |entry| entry.ino() == key.1).into_iter().find_map(|path| {
                fs::metadata(&path).ok().filter(|metadata| is_it(metadata)).map(|found| (path, found))
            }),
        };
        let Some(carrier) = self.carriers.get_mut(&key) else { return };
        if let Some((path, metadata)) = found {
            carrier.moved |= *carrier.path != *path;
            carrier.path = path.into();
            carrier.failed = false;
            carrier.see(&metadata);
            if carrier.is_new() {
                self.queue(key, false);
            }
            return;
        }
        carrier.deleted = true;
        let is_empty = carrier.stream.is_none() && (carrier.size == 0 || carrier.packed);
        if carrier.content.is_none() || is_empty {
            self.retire(key, now);
        }
    }

    /// Looks beside files that are gone for those that hold their rest: copies, and files that were renamed or packed while nothing
    /// was read.
    fn hunt(&mut self, now: Moment) {
        let hunted: Vec<PathBuf> = self
            .streams
            .values()
            .filter(|stream| stream.hunted.is_some_and(|until| now.instant < until))
            .map(|stream| PathBuf::from(&stream.entry.path))
            .collect();
        let mut tried = HashSet::new();
        for path in hunted {
            for found in beside(&path, |entry| is_rotated(&path, &entry.path())) {
                if tried.insert(found.clone()) {
                    self.try_file(&found, now);
                }
            }
        }
    }

    /// Follows a file if it holds the rest of one that is gone.
    fn try_file(&mut self, path: &Path, now: Moment) {
        let Ok(metadata) = fs::metadata(path) else { return };
        let key = (metadata.dev(), metadata.ino());
        if !metadata.is_file() || self.carriers.contains_key(&key) {
            return;
        }
        let Ok((content, metadata)) = Content::open(path) else { return };
        if FileId::of(&metadata).key() != key {
            return;
        }
        let mut carrier = Carrier::new(path.into(), &metadata, self.scans);
        carrier.packed = content.is_packed();
        carrier.content = Some(content);
        carrier.moved = true;
        self.carriers.insert(key, carrier);
        if self.adopt_from(key, now).unwrap_or(false) {
            self.queue(key, false);
        } else {
            self.carriers.remove(&key);
        }
    }

    /// Asks the files that are open whether they grew, and queues those that have something to do.
    pub(crate) fn look(&mut self) {
        let mut waiting = Vec::new();
        for (key, carrier) in &mut self.carriers {
            if let Some(Ok(metadata)) = carrier.content.as_ref().map(Content::metadata) {
                carrier.see(&metadata);
            }
            let stream = carrier.stream.map(|stream| &self.streams[&stream]);
            let has_open = stream.is_some_and(|stream| stream.framer.has_open() || stream.parked.is_some());
            let has_no_stream = stream.is_none() && (carrier.held.is_some() || carrier.is_rotated());
            let may_read = carrier.is_new() && !carrier.failed;
            if may_read || has_open || has_no_stream || carrier.deleted {
                waiting.push(*key);
            }
        }
        for key in waiting {
            self.queue(key, false);
        }
    }

    /// Ends the search for the rest of files that are gone: what was read of a last record is given, what wasn't read is lost.
    pub(crate) fn end_hunts(&mut self, now: Moment, batch: &mut Batch) {
        let is_over = |hunted: Option<std::time::Instant>| hunted.is_some_and(|until| now.instant >= until);
        let over: Vec<u64> =
            self.streams.iter().filter(|(_, stream)| is_over(stream.hunted)).map(|(key, _)| *key).collect();
        for key in over {
            let stream = self.stream(key);
            stream.hunted = None;
            stream.entry.gone = Some(now.unix);
            let mut frames = Vec::new();
            stream.framer.finish(true, &mut frames);
            let path = PathBuf::from(&stream.entry.path);
            let bytes = stream.entry.size.saturating_sub(stream.framer.end());
            if bytes > 0 {
                stream.entry.size = stream.framer.end();
                self.notice(Notice::Lost { path, bytes });
            }
            self.give(key, frames, batch);
            self.change();
        }
    }
}

/// The files of a path's folder that fit, a bounded number of them.
fn beside(path: &Path, fits: impl Fn(&fs::DirEntry) -> bool) -> Vec<PathBuf> {
    let Some(folder) = path.parent() else { return Vec::new() };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let fitting = entries.filter_map(Result::ok).filter(|entry| fits(entry));
    fitting.take(TRIED).map(|entry| entry.path()).collect()
}
