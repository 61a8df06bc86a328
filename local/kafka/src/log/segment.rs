//! One file of a partition: record batches back to back, with a sparse index in memory.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::batch::{self, HEADER, Header};

/// An index entry stands for at least this many bytes: 24 bytes of memory for 64 KiB on disk.
const INDEX_INTERVAL: u64 = 64 * 1024;
/// Read ahead while scanning.
const SCAN: u64 = 256 * 1024;

/// Where a batch starts.
#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    position: u64,
    /// Greatest timestamp of the segment's batches before this one.
    max_before: i64,
}

/// A file named after the offset of its first record.
#[derive(Debug)]
pub struct Segment {
    /// Offset of the first record.
    pub base: i64,
    /// Offset after the last record.
    pub next: i64,
    /// Bytes of whole batches.
    pub size: u64,
    /// Greatest timestamp, `i64::MIN` when empty.
    pub max_timestamp: i64,
    /// Offset of the first batch that has the greatest timestamp.
    pub max_timestamp_offset: i64,
    file: Arc<File>,
    path: PathBuf,
    index: Vec<Entry>,
    unindexed: u64,
}

impl Segment {
    /// A new empty segment, whose name isn't durable yet.
    pub fn create(directory: &Path, base: i64) -> io::Result<Self> {
        let path = directory.join(format!("{base:020}.log"));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Self::new(path, file, base))
    }

    fn new(path: PathBuf, file: File, base: i64) -> Self {
        Self {
            base,
            next: base,
            size: 0,
            max_timestamp: i64::MIN,
            max_timestamp_offset: base,
            file: Arc::new(file),
            path,
            index: Vec::new(),
            unindexed: 0,
        }
    }

    /// Opens a segment and walks its batches. Whatever follows the `last` file's last whole batch whose checksum is
    /// right is what a crash left of a write that was never answered; it is cut off. `each` batch is given, and of a marker
    /// whether it commits. An older file was whole and flushed
    /// when the next one was begun: it is damaged then, and left as it is.
    pub fn open(path: PathBuf, base: i64, last: bool, mut each: impl FnMut(&Header, Option<bool>)) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut segment = Self::new(path, file, base);
        let mut window = Window::new(segment.file.clone(), length);
        while let Some(header) = window.header(segment.size)? {
            let whole = segment.size + header.size <= length;
            if !whole || header.magic != 2 || header.base_offset != segment.next || header.last_offset_delta < 0 {
                break;
            }
            if last && !batch::is_intact(window.bytes(segment.size, header.size)?, &header) {
                break;
            }
            let commit =
                if header.is_control() { batch::commits(window.bytes(segment.size, header.size)?) } else { None };
            segment.note(&header);
            each(&header, commit);
        }
        if segment.size < length && !last {
            return Err(io::Error::other(format!(
                "{}: damaged at byte {} of {length}, at the record of offset {}; the file is left as it is",
                segment.path.display(),
                segment.size,
                segment.next
            )));
        }
        if segment.size < length {
            tracing::warn!(file = %segment.path.display(), kept = segment.size, cut = length - segment.size, "a torn write was cut off");
            segment.file.set_len(segment.size)?;
        }
        Ok(segment)
    }

    /// Writes a batch at the end. After an error the file is as it was before.
    pub fn append(&mut self, header: &[u8; HEADER], batch: &[u8], placed: &Header) -> io::Result<()> {
        let written = self
            .file
            .write_all_at(header, self.size)
            .and_then(|()| self.file.write_all_at(&batch[HEADER..], self.size + HEADER as u64));
        if let Err(error) = written {
            self.file.set_len(self.size)?;
            return Err(error);
        }
        self.note(placed);
        Ok(())
    }

    fn note(&mut self, header: &Header) {
        if self.index.is_empty() || self.unindexed >= INDEX_INTERVAL {
            self.index.push(Entry { offset: header.base_offset, position: self.size, max_before: self.max_timestamp });
            self.unindexed = 0;
        }
        self.unindexed += header.size;
        self.size += header.size;
        self.next = header.next_offset();
        if header.max_timestamp > self.max_timestamp {
            self.max_timestamp = header.max_timestamp;
            self.max_timestamp_offset = header.next_offset() - 1;
        }
    }

    /// The file, for flushing it without the log's lock.
    pub fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// What reading needs, taken under the log's lock and used without it.
    pub fn reader(&self, offset: i64, limit: u64) -> Reader {
        let at = self.index.partition_point(|entry| entry.offset <= offset).saturating_sub(1);
        Reader { file: self.file.clone(), position: self.index.get(at).map_or(0, |entry| entry.position), limit }
    }

    /// A reader from before the first batch that may hold a record at or after `timestamp`.
    pub fn reader_at_time(&self, timestamp: i64, limit: u64) -> Reader {
        let at = self.index.partition_point(|entry| entry.max_before < timestamp).saturating_sub(1);
        Reader { file: self.file.clone(), position: self.index.get(at).map_or(0, |entry| entry.position), limit }
    }

    /// Removes the file. Readers that have it open can finish.
    pub fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// A place in a segment to read from, up to a limit that is known to be durable.
#[derive(Debug)]
pub struct Reader {
    file: Arc<File>,
    position: u64,
    limit: u64,
}

impl Reader {
    /// Whole batches from the one that holds `offset` on and before `until`: at most `max_bytes`, but at least one batch.
    pub fn read(self, offset: i64, until: i64, max_bytes: u64) -> io::Result<Bytes> {
        let mut window = Window::new(self.file, self.limit);
        window.ahead = INDEX_INTERVAL + max_bytes;
        let mut start = self.position;
        let first = loop {
            match window.header(start)? {
                None => return Ok(Bytes::new()),
                Some(header) if header.next_offset() > offset => break header,
                Some(header) => start += header.size,
            }
        };
        let mut end = start + first.size;
        while let Some(header) = window.loaded_header(end) {
            let is_too_much = end + header.size - start > max_bytes || end + header.size > window.loaded_end();
            if is_too_much || header.base_offset >= until {
                break;
            }
            end += header.size;
        }
        window.into_bytes(start, end - start)
    }

    /// Offset and timestamp of the first record at or after `timestamp`.
    pub fn find_time(self, timestamp: i64) -> io::Result<Option<(i64, i64)>> {
        let mut window = Window::new(self.file, self.limit);
        let mut position = self.position;
        while let Some(header) = window.header(position)? {
            if header.max_timestamp >= timestamp
                && let Some(found) = batch::find_time(window.bytes(position, header.size)?, &header, timestamp)
            {
                return Ok(Some(found));
            }
            position += header.size;
        }
        Ok(None)
    }
}

/// A part of a file in memory, moved along as it is read.
struct Window {
    file: Arc<File>,
    limit: u64,
    start: u64,
    ahead: u64,
    buffer: Vec<u8>,
}

impl Window {
    fn new(file: Arc<File>, limit: u64) -> Self {
        Self { file, limit, start: 0, ahead: SCAN, buffer: Vec::new() }
    }

    fn loaded_end(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    fn load(&mut self, position: u64, length: u64) -> io::Result<()> {
        if position < self.start || position + length > self.loaded_end() {
            let wanted = length.max(self.ahead).min(self.limit - position);
            self.buffer = vec![0; wanted as usize];
            self.start = position;
            self.file.read_exact_at(&mut self.buffer, position)?;
        }
        Ok(())
    }

    /// The header at a position; none at the limit.
    fn header(&mut self, position: u64) -> io::Result<Option<Header>> {
        if position + HEADER as u64 > self.limit {
            return Ok(None);
        }
        self.load(position, HEADER as u64)?;
        Ok(self.loaded_header(position))
    }

    fn loaded_header(&self, position: u64) -> Option<Header> {
        let at = usize::try_from(position.checked_sub(self.start)?).ok()?;
        Header::parse(self.buffer.get(at..)?)
    }

    fn bytes(&mut self, position: u64, length: u64) -> io::Result<&[u8]> {
        if position + length > self.limit {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.load(position, length)?;
        let at = (position - self.start) as usize;
        Ok(&self.buffer[at..at + length as usize])
    }

    fn into_bytes(mut self, position: u64, length: u64) -> io::Result<Bytes> {
        self.bytes(position, length)?;
        let at = (position - self.start) as usize;
        Ok(Bytes::from(self.buffer).slice(at..at + length as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_file_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(format!("{:020}.log", 0));
        std::fs::write(&path, [7; 100]).unwrap();
        let error = Segment::open(path.clone(), 0, false, |_, _| ()).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("byte 0 of 100"), "{error}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 100);
        assert_eq!(Segment::open(path.clone(), 0, true, |_, _| ()).unwrap().size, 0);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }
}
