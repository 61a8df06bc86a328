//! Which records a table of files has, read from the files that its commits name.

use std::collections::BTreeMap;
use std::io::BufRead as _;

use anyhow::{Context as _, anyhow};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use lakewright_config::Sink;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;

use super::{File, Manifest, PlainTable};

/// The columns that say which record a row is of.
const COLUMNS: [&str; 3] = ["kafka_topic_id", "kafka_partition", "kafka_offset"];

/// The offsets of records, in the order of the files, by topic id and partition: one stands there as often as it has rows.
pub type Places = BTreeMap<(String, i32), Vec<i64>>;

impl PlainTable {
    /// The records of all rows. Eight bytes are held for each.
    ///
    /// # Errors
    /// S3 can't be reached; a manifest or a file that one names can't be read.
    pub async fn places(&self) -> anyhow::Result<Places> {
        let folder = format!("{}/commits/", self.prefix);
        let mut places = Places::new();
        let mut token = None;
        loop {
            let (page, more) =
                self.objects.list_page(&self.bucket, &folder, token).await.context("list the commits")?;
            for listed in page {
                let object = self.objects.get(&self.bucket, &listed.key, None).await;
                let object = object.with_context(|| format!("read {}", listed.key))?;
                let manifest: Manifest =
                    serde_json::from_slice(&object.body).with_context(|| format!("{} is no manifest", listed.key))?;
                for file in &manifest.files {
                    self.read(file, &mut places).await.with_context(|| format!("read {}", file.path))?;
                }
            }
            token = more;
            if token.is_none() {
                return Ok(places);
            }
        }
    }

    async fn read(&self, file: &File, places: &mut Places) -> anyhow::Result<()> {
        let body = self.files.new_input(&file.path)?.read().await?;
        match self.sink {
            Sink::Json => of_json(&body, places),
            Sink::Parquet | Sink::Iceberg => of_parquet(body, places),
        }
    }
}

#[derive(Deserialize)]
struct Line {
    kafka_topic_id: String,
    kafka_partition: i32,
    kafka_offset: i64,
}

fn of_json(body: &Bytes, places: &mut Places) -> anyhow::Result<()> {
    for line in std::io::BufReader::new(MultiGzDecoder::new(&**body)).lines() {
        let line: Line = serde_json::from_str(&line?)?;
        places.entry((line.kafka_topic_id, line.kafka_partition)).or_default().push(line.kafka_offset);
    }
    Ok(())
}

fn of_parquet(body: Bytes, places: &mut Places) -> anyhow::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(body)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    for rows in builder.with_projection(mask).build()? {
        let rows = rows?;
        let column = |name: &str| rows.column_by_name(name).ok_or_else(|| anyhow!("it has no column `{name}`"));
        let topics = column(COLUMNS[0])?.as_string_opt::<i32>().context("topic ids are texts")?;
        let partitions = column(COLUMNS[1])?.as_primitive_opt::<Int32Type>().context("partitions are ints")?;
        let offsets = column(COLUMNS[2])?.as_primitive_opt::<Int64Type>().context("offsets are longs")?;
        for row in 0..rows.num_rows() {
            let key = (topics.value(row).to_owned(), partitions.value(row));
            places.entry(key).or_default().push(offsets.value(row));
        }
    }
    Ok(())
}
