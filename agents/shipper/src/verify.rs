//! Which records the backup has.

use std::collections::BTreeMap;

use anyhow::Result;
use lakewright_aws::Aws;
use lakewright_config::ShipperConfig;
use lakewright_runtime::kafka::spans;
use serde::Serialize;

use crate::backup::Shelves;

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
}

/// What the backup of a shipper has, by reading all of it.
///
/// # Errors
/// An object can't be read.
pub async fn held(config: &ShipperConfig, aws: &Aws) -> Result<Vec<Held>> {
    let aws = match &config.account {
        Some(account) => aws.of_account(account, BTreeMap::new()),
        None => aws.clone(),
    };
    let objects = aws.objects();
    let shelves = Shelves { objects: &objects, bucket: &config.backup_bucket, prefix: &config.backup_prefix };
    let mut offsets: BTreeMap<(String, i32), Vec<i64>> = BTreeMap::new();
    for named in shelves.list().await?.into_values().flatten() {
        let take = |record: crate::backup::Record| {
            offsets.entry((record.topic_id, record.partition)).or_default().push(record.offset.cast_signed());
            Ok(())
        };
        shelves.read(&named, 0, take).await?;
    }
    let held = offsets.into_iter().map(|((topic_id, partition), offsets)| {
        let (spans, repeated) = spans(offsets);
        Held { topic_id, partition, spans, repeated }
    });
    Ok(held.collect())
}
