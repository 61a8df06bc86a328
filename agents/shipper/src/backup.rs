//! The backup: objects of fixed ranges of offsets, whose names and contents don't depend on where a crash fell.
//!
//! A range's object is written again as the range fills, each time on the condition that it is the one that was seen:
//! another shipper's lines are taken in, never overwritten.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use lakewright_aws::{ErrorKind, Objects, Put};
use serde::Deserialize;

/// How often a range is put again after somebody else wrote it.
const ATTEMPTS: usize = 5;
/// zstd's level: logs shrink to about a tenth, at hundreds of MB/s.
const LEVEL: i32 = 3;
/// The most that an object may unpack to, in bytes. Whoever can write to the backup can write a small object that unpacks to
/// more than any host has.
const LARGEST: u64 = 1 << 30;

/// Where the ranges of one partition go.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The objects of S3.
    pub objects: Objects,
    /// The bucket.
    pub bucket: String,
    /// `PREFIX/TOPIC/TOPIC_ID/PARTITION`: a topic made again begins at offset 0 anew, with other records.
    pub prefix: String,
    /// How many offsets a range has.
    pub records: i64,
}

/// The range that is being filled.
#[derive(Debug, Default)]
pub struct Range {
    first: i64,
    lines: BTreeMap<i64, Vec<u8>>,
    etag: Option<String>,
    dirty: bool,
}

#[derive(Deserialize)]
struct Line {
    kafka_offset: i64,
}

impl Shelf {
    /// The range that an offset belongs to, with the lines before it that are backed up already.
    pub async fn open(&self, offset: i64) -> Result<Range> {
        let mut range = self.begin(offset);
        if offset > range.first {
            self.take_in(&mut range).await?;
        }
        Ok(range)
    }

    /// The empty range that an offset belongs to.
    fn begin(&self, offset: i64) -> Range {
        Range { first: offset - offset.rem_euclid(self.records), ..Range::default() }
    }

    /// Whether an offset belongs to a range.
    pub fn holds(&self, range: &Range, offset: i64) -> bool {
        (range.first..self.end(range)).contains(&offset)
    }

    /// The offset behind a range's last.
    fn end(&self, range: &Range) -> i64 {
        range.first + self.records
    }

    /// The object's key: the range's first and last offset, in twenty digits so that they sort.
    fn key(&self, range: &Range) -> String {
        format!("{}/{:020}-{:020}.jsonl.zst", self.prefix, range.first, self.end(range) - 1)
    }

    /// Writes a range's object if there is anything new in it; whether there was.
    pub async fn put(&self, range: &mut Range) -> Result<bool> {
        if !range.dirty {
            return Ok(false);
        }
        let key = self.key(range);
        for _ in 0..ATTEMPTS {
            let text: Vec<u8> = range.lines.values().flatten().copied().collect();
            let packed = zstd::bulk::compress(&text, LEVEL).context("compress the backup")?;
            let options = Put {
                content_type: Some("application/zstd".to_owned()),
                if_none_match: range.etag.is_none(),
                if_match: range.etag.clone(),
                ..Put::default()
            };
            match self.objects.put(&self.bucket, &key, Bytes::from(packed), options).await {
                Ok(etag) => {
                    range.etag = Some(etag);
                    range.dirty = false;
                    return Ok(true);
                }
                // Our own put whose answer was lost, or another shipper's: what is there is kept.
                Err(error) if error.is_precondition_failed() || error.is_not_found() => self.take_in(range).await?,
                Err(error) => {
                    return Err(error).with_context(|| format!("write the backup s3://{}/{key}", self.bucket));
                }
            }
        }
        bail!("the backup s3://{}/{key} was written by another shipper at each of {ATTEMPTS} attempts", self.bucket)
    }

    /// Takes the lines of the range's object in.
    async fn take_in(&self, range: &mut Range) -> Result<()> {
        let key = self.key(range);
        let object = match self.objects.get(&self.bucket, &key, None).await {
            Ok(object) => object,
            Err(error) if error.kind == ErrorKind::NotFound => {
                range.etag = None;
                return Ok(());
            }
            Err(error) => return Err(error).with_context(|| format!("read the backup s3://{}/{key}", self.bucket)),
        };
        let text =
            unpacked(&object.body, LARGEST).with_context(|| format!("unpack the backup s3://{}/{key}", self.bucket))?;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let place: Line = serde_json::from_slice(line)
                .with_context(|| format!("the backup s3://{}/{key} has a line without kafka_offset", self.bucket))?;
            range.lines.entry(place.kafka_offset).or_insert_with(|| line.to_vec());
        }
        range.etag = Some(object.etag);
        Ok(())
    }
}

impl Range {
    /// Adds a record's line.
    pub fn add(&mut self, offset: i64, line: Vec<u8>) {
        // A line is made of the record alone: one that is there already is the same.
        self.lines.entry(offset).or_insert_with(|| {
            self.dirty = true;
            line
        });
    }
}

/// What a packed object holds.
///
/// # Errors
/// It isn't packed, or holds more than it may.
fn unpacked(packed: &[u8], most: u64) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    zstd::stream::read::Decoder::new(packed)?.take(most + 1).read_to_end(&mut text)?;
    ensure!(
        text.len() as u64 <= most,
        "it holds more than {most} bytes, which no shipper writes; move the object away"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_unpacks_to_too_much_is_refused() {
        let packed = |size: usize| zstd::bulk::compress(&vec![b'a'; size], LEVEL).expect("packed");
        assert_eq!(unpacked(&packed(1_000), 1_000).expect("it fits").len(), 1_000);
        let bomb = packed(50_000_000);
        assert!(bomb.len() < 10_000, "{}", bomb.len());
        assert!(unpacked(&bomb, 1_000).expect_err("too much").to_string().contains("more than 1000 bytes"));
        unpacked(b"not packed", 1_000).expect_err("not packed");
    }
}
