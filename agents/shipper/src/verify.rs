//! Which records the backup has.

use std::collections::BTreeMap;

use anyhow::Result;
use lakewright_aws::Aws;
use lakewright_config::ShipperConfig;
use lakewright_runtime::kafka::spans;
use serde::Serialize;

use crate::backup::{Origin, Record, Shelves};
use crate::kafka::stream;
use crate::source::Fate;
use crate::transforms::Declared;

/// What the backup has of a partition.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The topic's id, hyphenated.
    pub topic_id: String,
    /// The partition.
    pub partition: i32,
    /// Spans of offsets without a gap: the first, and the one after the last.
    pub spans: Vec<(i64, i64)>,
    /// Lines of records that have one already.
    pub repeated: u64,
    /// Spans of the offsets of records that transforms leave out of the index.
    pub left_out: Vec<(i64, i64)>,
}

/// Offsets of a partition, in the order in which they were found.
#[derive(Debug, Default)]
struct Offsets {
    all: Vec<i64>,
    left_out: Vec<i64>,
}

/// What the backup of a shipper has of topics, by reading all of it.
///
/// # Errors
/// An object can't be read.
pub async fn held(config: &ShipperConfig, aws: &Aws) -> Result<Vec<Held>> {
    let aws = aws.of_configured(config.account.as_deref());
    let objects = aws.objects();
    let shelves = Shelves { objects: &objects, bucket: &config.backup_bucket, prefix: &config.backup_prefix };
    let transforms = Declared::new(config)?;
    let mut offsets: BTreeMap<(String, i32), Offsets> = BTreeMap::new();
    for (folder, names) in shelves.list().await? {
        let topic = folder.split('/').next().unwrap_or_default();
        for named in names {
            let take = |record: Record| {
                let Origin::Topic { id, partition } = record.origin.clone() else { return Ok(()) };
                let of = offsets.entry((id.clone(), partition)).or_default();
                of.all.push(record.offset.cast_signed());
                if !transforms.is_empty() {
                    let mut event = record.event(stream(topic, &id, partition));
                    transforms.apply_to(&mut event);
                    if event.fate == Fate::Drop {
                        of.left_out.push(event.place.sequence.cast_signed());
                    }
                }
                Ok(())
            };
            shelves.read(&named, 0, take).await?;
        }
    }
    let held = offsets.into_iter().map(|((topic_id, partition), offsets)| {
        let (spans_of_all, repeated) = spans(offsets.all);
        Held { topic_id, partition, spans: spans_of_all, repeated, left_out: spans(offsets.left_out).0 }
    });
    Ok(held.collect())
}
