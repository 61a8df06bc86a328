//! Reading the backup: each record once, in the order of its stream, whichever version wrote it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lakewright_aws::Objects;
use lakewright_config::agents::shipper::sources::name_mistake;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::backup::place::Named;
use crate::members::Named as OfHost;
use crate::source::{Event, Fate, Header, Place, Stream};

/// The longest line that is read, in bytes: whoever can write to the backup can write a small object that unpacks to more than any host has.
const LONGEST: u64 = 256 << 20;
/// The longest id of a stream, in bytes.
const LONGEST_ID: usize = 480;
/// The largest object that is read, in bytes as it is packed.
const LARGEST: u64 = 1 << 30;

/// Where a record of the backup comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A partition of a topic.
    Topic {
        /// The topic's id, hyphenated.
        id: String,
        /// The partition.
        partition: i32,
    },
    /// A file or the journal of a host.
    Host(OfHost),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic { id, partition } => write!(formatter, "{id}/{partition}"),
            Self::Host(named) => write!(formatter, "{}/{}", named.source, named.stream),
        }
    }
}

/// A record of the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it comes from.
    pub origin: Origin,
    /// Its offset there: Kafka's, or that of its first byte in a file.
    pub offset: u64,
    /// Kafka's time for it in milliseconds since 1970; versions before kept none.
    pub time_ms: Option<i64>,
    /// Its key; versions before kept none.
    pub key: Option<Bytes>,
    /// Its headers; versions before kept none.
    pub headers: Vec<Header>,
    /// Its value.
    pub body: Option<Bytes>,
    /// Why it was none for the index, if the shipper itself found so.
    pub refused: Option<String>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    kafka_topic_id: Option<String>,
    #[serde(default)]
    kafka_partition: Option<i32>,
    #[serde(default)]
    kafka_offset: Option<u64>,
    #[serde(default)]
    log_source: Option<String>,
    #[serde(default)]
    log_stream: String,
    #[serde(default)]
    log_path: String,
    #[serde(default)]
    log_host: String,
    #[serde(default)]
    log_offset: Option<u64>,
    #[serde(default)]
    refused: Option<String>,
    #[serde(default)]
    time_ms: Option<i64>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    key_base64: Option<String>,
    #[serde(default)]
    headers: Vec<(String, Option<HeaderValue>)>,
    #[serde(borrow, default, deserialize_with = "present")]
    record: Option<&'a RawValue>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderValue {
    Text(String),
    Bytes { base64: String },
}

/// A member that is there, `null` too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn unpacked(text: &str) -> Result<Bytes> {
    Ok(Bytes::from(STANDARD.decode(text).context("Base64")?))
}

impl Line<'_> {
    /// Where the record comes from, and its offset there. Whoever can write to the backup has no say in how indices and documents are
    /// called beyond that.
    fn place(&mut self) -> Result<(Origin, u64)> {
        if let Some(id) = self.kafka_topic_id.take() {
            let partition = self.kafka_partition.context("it has no `kafka_partition`")?;
            let offset = self.kafka_offset.context("it has no `kafka_offset`")?;
            return Ok((Origin::Topic { id, partition }, offset));
        }
        let source = self.log_source.take().context("it has neither `kafka_topic_id` nor `log_source`")?;
        let stream = std::mem::take(&mut self.log_stream);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_stream = (1..=LONGEST_ID).contains(&stream.len()) && stream.chars().all(is_plain);
        ensure!(name_mistake(&source).is_none() && is_stream, "it names no source and stream");
        let (path, host) = (std::mem::take(&mut self.log_path), std::mem::take(&mut self.log_host));
        let offset = self.log_offset.context("it has no `log_offset`")?;
        Ok((Origin::Host(OfHost { source, stream, path, host }), offset))
    }
}

impl Record {
    /// The record of a line.
    ///
    /// # Errors
    /// It is no line of the backup.
    pub fn of(line: &[u8]) -> Result<Self> {
        let mut line: Line<'_> = serde_json::from_slice(line).context("it is no line of the backup")?;
        let (origin, offset) = line.place().context("it is no line of the backup")?;
        let header = |(name, value): (String, Option<HeaderValue>)| -> Result<Header> {
            let value = match value {
                None => None,
                Some(HeaderValue::Text(text)) => Some(Bytes::from(text)),
                Some(HeaderValue::Bytes { base64 }) => Some(unpacked(&base64)?),
            };
            Ok(Header { name, value })
        };
        let key = match (line.key, line.key_base64) {
            (Some(key), _) => Some(Bytes::from(key)),
            (None, Some(key)) => Some(unpacked(&key)?),
            (None, None) => None,
        };
        let body = match (line.record, line.text, line.base64) {
            (Some(record), ..) => Some(Bytes::copy_from_slice(record.get().as_bytes())),
            (None, Some(text), _) => Some(Bytes::from(text)),
            (None, None, Some(base64)) => Some(unpacked(&base64)?),
            (None, None, None) => None,
        };
        Ok(Self {
            origin,
            offset,
            time_ms: line.time_ms,
            key,
            headers: line.headers.into_iter().map(header).collect::<Result<_>>()?,
            body,
            refused: line.refused,
        })
    }

    /// The record on its way to an index.
    pub fn event(self, stream: Arc<Stream>) -> Event {
        Event {
            place: Place { stream, sequence: self.offset },
            next: self.offset + 1,
            time_ms: self.time_ms,
            key: None,
            headers: Vec::new(),
            body: self.body,
            fate: Fate::Keep,
            made: None,
        }
    }
}

/// The objects of a backup.
#[derive(Debug)]
pub struct Shelves<'a> {
    /// The objects of S3.
    pub objects: &'a Objects,
    /// The bucket.
    pub bucket: &'a str,
    /// What all names begin with, without a slash at the end.
    pub prefix: &'a str,
}

impl Shelves<'_> {
    /// All objects by stream, each stream's in the order of their first records.
    ///
    /// # Errors
    /// S3 doesn't list them.
    pub async fn list(&self) -> Result<BTreeMap<String, Vec<Named>>> {
        let listed = self.objects.list(self.bucket, &format!("{}/", self.prefix)).await;
        let listed = listed.with_context(|| format!("list the backup s3://{}/{}", self.bucket, self.prefix))?;
        let mut streams: BTreeMap<String, Vec<Named>> = BTreeMap::new();
        for object in listed.iter().filter(|object| object.size <= LARGEST) {
            if let Some(named) = Named::of(self.prefix, &object.key) {
                streams.entry(named.folder.clone()).or_default().push(named);
            }
        }
        for objects in streams.values_mut() {
            objects.sort_by(|one, other| (one.first, one.last, &one.key).cmp(&(other.first, other.last, &other.key)));
        }
        Ok(streams)
    }

    /// Hands on each record of an object from the offset `from` on; the offset after the last one.
    ///
    /// # Errors
    /// The object can't be read, holds something else, or a line that is too long; or it isn't taken on.
    pub async fn read(&self, named: &Named, from: u64, mut take: impl FnMut(Record) -> Result<()>) -> Result<u64> {
        let context = || format!("read the backup s3://{}/{}", self.bucket, named.key);
        let object = self.objects.get(self.bucket, &named.key, None).await.with_context(context)?;
        let decoder = zstd::stream::read::Decoder::new(&object.body[..]).with_context(context)?;
        let mut reader = BufReader::new(decoder);
        let (mut line, mut next) = (Vec::new(), from);
        loop {
            line.clear();
            let length = (&mut reader).take(LONGEST + 1).read_until(b'\n', &mut line).with_context(context)?;
            if length == 0 {
                return Ok(next);
            }
            ensure!(
                line.len() as u64 <= LONGEST,
                "{}: a line is longer than {LONGEST} bytes, which no shipper writes; move the object away",
                context()
            );
            let record = Record::of(line.trim_ascii_end()).with_context(context)?;
            if record.offset >= next {
                next = record.offset + 1;
                take(record).with_context(context)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::line::write_line;
    use crate::source::testing::{event, stream};

    #[test]
    fn what_a_line_holds_is_read_as_it_was() {
        let bodies: [&[u8]; 7] =
            [b"{\"n\": 1.50}", b"null", b" {}\n", b"", b"plain \"text\"", b"\xff\x00", "ä\u{2028}".as_bytes()];
        for body in bodies {
            let mut one = event(&stream(), 41, body);
            one.key = Some(Bytes::from_static(b"\xfe"));
            one.headers = vec![
                Header { name: "a".to_owned(), value: None },
                Header { name: "b".to_owned(), value: Some(Bytes::from_static(b"\xff")) },
                Header { name: "c".to_owned(), value: Some(Bytes::from_static(b"{\"base64\":1}")) },
            ];
            let mut line = Vec::new();
            write_line(&one, &mut line);
            let record = Record::of(line.trim_ascii_end()).expect("a line");
            assert_eq!(record.body.as_deref(), Some(body), "{}", String::from_utf8_lossy(&line));
            assert_eq!((record.key, record.headers, record.time_ms), (one.key, one.headers, one.time_ms));
            assert_eq!((record.origin.to_string(), record.offset), ("t/3".to_owned(), 41));
        }
        let mut gone = event(&stream(), 41, b"");
        gone.body = None;
        let mut line = Vec::new();
        write_line(&gone, &mut line);
        assert_eq!(Record::of(&line).expect("a line").body, None);
    }

    #[test]
    fn lines_of_versions_before_are_read() {
        let json = br#"{"kafka_topic_id":"t","kafka_partition":3,"kafka_offset":41,"record":{"n":1}}"#;
        let record = Record::of(json).expect("a line");
        assert_eq!((record.body.as_deref(), record.time_ms), (Some(&b"{\"n\":1}"[..]), None));
        let other = br#"{"kafka_topic_id":"t","kafka_partition":3,"kafka_offset":42,"base64":"//4="}"#;
        assert_eq!(Record::of(other).expect("a line").body.as_deref(), Some(&b"\xff\xfe"[..]));
        Record::of(b"{\"n\":1}").expect_err("no line");
    }

    #[test]
    fn lines_of_hosts_logs_name_their_source_and_nothing_else() {
        let line = |source: &str, stream: &str| {
            format!(
                r#"{{"log_source":"{source}","log_stream":"{stream}","log_path":"/a","log_host":"h","log_offset":7,"text":"x"}}"#
            )
        };
        let record = Record::of(line("app", "file-ab.1").as_bytes()).expect("a line");
        assert_eq!((record.origin.to_string(), record.offset), ("app/file-ab.1".to_owned(), 7));
        for (source, stream) in [("App", "file-a"), ("app", "a/b"), ("app", "a\"b"), ("../x", "a"), ("app", "")] {
            Record::of(line(source, stream).as_bytes()).expect_err("no line");
        }
    }
}
