//! Files of JSON, a row a line, compressed by gzip.
//!
//! Values are written as the stream agent reads them with `format = "json"`: binary ones as Base64, UUIDs with hyphens, times in ISO
//! 8601, decimals as numbers with all their digits. Nulls are left out.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, LargeBinaryArray, RecordBatch};
use arrow_json::writer::{LineDelimited, NullableEncoder};
use arrow_json::{Encoder, EncoderFactory, EncoderOptions, WriterBuilder};
use arrow_schema::{ArrowError, DataType, FieldRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use iceberg::io::FileIO;
use iceberg::spec::{PartitionKey, PrimitiveType, SchemaRef, TableMetadata, Type};
use iceberg::writer::file_writer::location_generator::LocationGenerator as _;
use uuid::Uuid;

use super::File;
use crate::partition::{Partition, Partitioner};
use crate::path::DataPaths;
use crate::settings::TARGET_FILE_SIZE;

/// What an open file holds besides its bytes: the state of the compression.
const STATE: usize = 320 * 1024;

/// Writes the files of one commit.
pub struct JsonWriter {
    files: FileIO,
    paths: DataPaths,
    partitioner: Partitioner,
    texts: Arc<Texts>,
    open: HashMap<Partition, Open>,
    open_bytes: usize,
    clock: u64,
    done: Vec<File>,
}

/// A partition's open file.
#[derive(Debug)]
struct Open {
    path: String,
    lines: GzEncoder<Vec<u8>>,
    rows: u64,
    /// When it was last written to.
    used: u64,
}

impl Open {
    fn held(&self) -> usize {
        self.lines.get_ref().len() + STATE
    }
}

impl std::fmt::Debug for JsonWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonWriter").field("spec", self.partitioner.spec()).finish_non_exhaustive()
    }
}

impl JsonWriter {
    pub(super) fn new(metadata: &TableMetadata, files: &FileIO, open_bytes: usize) -> anyhow::Result<Self> {
        let schema = metadata.current_schema().clone();
        Ok(Self {
            files: files.clone(),
            paths: DataPaths::new(metadata),
            texts: Arc::new(Texts::of(&schema)),
            partitioner: Partitioner::new(schema, metadata.default_partition_spec().clone())?,
            open: HashMap::new(),
            open_bytes,
            clock: 0,
            done: Vec::new(),
        })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// The batch doesn't fit the schema; a number isn't finite, for JSON has none such; a file can't be written.
    pub async fn write(&mut self, batch: RecordBatch) -> anyhow::Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.clock += 1;
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            finite(field.name(), column)?;
        }
        for (key, rows) in self.partitioner.split(batch)? {
            let partition = Partition(key.data().clone());
            self.add(&key, partition.clone(), &rows)?;
            let full = self.open.get(&partition).is_some_and(|open| open.lines.get_ref().len() >= TARGET_FILE_SIZE);
            if full {
                self.finish(partition).await?;
            }
            while self.held() > self.open_bytes {
                let oldest = self.open.iter().min_by_key(|(_, open)| open.used).map(|(value, _)| value.clone());
                let Some(oldest) = oldest else { break };
                self.finish(oldest).await?;
            }
        }
        Ok(())
    }

    fn add(&mut self, key: &PartitionKey, partition: Partition, rows: &RecordBatch) -> anyhow::Result<()> {
        let (paths, clock) = (&self.paths, self.clock);
        let open = self.open.entry(partition).or_insert_with(|| Open {
            path: paths.generate_location(Some(key), &format!("{}.json.gz", Uuid::new_v4())),
            lines: GzEncoder::new(Vec::new(), Compression::fast()),
            rows: 0,
            used: clock,
        });
        open.used = clock;
        open.rows += rows.num_rows() as u64;
        let texts: Arc<dyn EncoderFactory> = Arc::clone(&self.texts) as _;
        let writer = WriterBuilder::new().with_encoder_factory(texts);
        let mut writer = writer.build::<_, LineDelimited>(&mut open.lines);
        writer.write(rows).and_then(|()| writer.finish()).context("write rows as JSON")
    }

    fn held(&self) -> usize {
        self.open.values().map(Open::held).sum()
    }

    async fn finish(&mut self, partition: Partition) -> anyhow::Result<()> {
        let Some(Open { path, mut lines, rows, .. }) = self.open.remove(&partition) else { return Ok(()) };
        lines.flush()?;
        let bytes = Bytes::from(lines.finish().context("compress a file of JSON")?);
        let size = bytes.len() as u64;
        self.files.new_output(&path)?.write(bytes).await.with_context(|| format!("write {path}"))?;
        self.done.push(File { path, rows, bytes: size });
        Ok(())
    }

    /// Finishes the files.
    pub(super) async fn close(mut self) -> anyhow::Result<Vec<File>> {
        let rest: Vec<Partition> = self.open.keys().cloned().collect();
        for partition in rest {
            self.finish(partition).await?;
        }
        Ok(self.done)
    }
}

/// An error if a number among the values isn't finite.
fn finite(name: &str, column: &dyn Array) -> anyhow::Result<()> {
    let sound = match column.data_type() {
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().flatten().all(f32::is_finite),
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().flatten().all(f64::is_finite),
        // Only what is of this batch: it may be a slice of a larger one.
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            return finite(name, &within(list.value_offsets(), list.values()));
        }
        DataType::Map(..) => {
            let map = column.as_map();
            return finite(name, &within(map.value_offsets(), map.values()));
        }
        DataType::Struct(_) => return column.as_struct().columns().iter().try_for_each(|member| finite(name, member)),
        _ => true,
    };
    if !sound {
        bail!("`{name}` has a number that isn't finite, which JSON can't say");
    }
    Ok(())
}

/// The values between the first and the last offset.
fn within(offsets: &[i32], values: &ArrayRef) -> ArrayRef {
    let (from, to) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    values.slice(from, to - from)
}

/// Writes bytes as texts.
#[derive(Debug)]
struct Texts {
    /// The ids of the columns that hold UUIDs.
    uuids: Vec<String>,
}

/// The key of a field's metadata where Parquet has its id.
const FIELD_ID: &str = "PARQUET:field_id";

impl Texts {
    fn of(schema: &SchemaRef) -> Self {
        let fields = schema.field_id_to_name_map().keys();
        let is_uuid = |id: &&i32| {
            let field = schema.field_by_id(**id);
            field.is_some_and(|field| *field.field_type == Type::Primitive(PrimitiveType::Uuid))
        };
        Self { uuids: fields.filter(is_uuid).map(i32::to_string).collect() }
    }
}

impl EncoderFactory for Texts {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::LargeBinary => Box::new(Base64(array.as_binary::<i64>())),
            DataType::FixedSizeBinary(_) => {
                let values = array.as_fixed_size_binary();
                let id = field.metadata().get(FIELD_ID);
                if id.is_some_and(|id| self.uuids.contains(id)) {
                    Box::new(Uuids(values))
                } else {
                    Box::new(Fixed(values))
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct Base64<'a>(&'a LargeBinaryArray);
struct Fixed<'a>(&'a FixedSizeBinaryArray);
struct Uuids<'a>(&'a FixedSizeBinaryArray);

impl Encoder for Base64<'_> {
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        base64(self.0.value(index), out);
    }
}

impl Encoder for Fixed<'_> {
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        base64(self.0.value(index), out);
    }
}

impl Encoder for Uuids<'_> {
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        let value = Uuid::from_slice(self.0.value(index)).expect("a UUID has 16 bytes");
        _ = write!(out, "\"{}\"", value.hyphenated());
    }
}

fn base64(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(value).as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use arrow_array::ListArray;

    use super::*;

    #[test]
    fn a_row_is_not_to_blame_for_another_of_its_batch() {
        let lists = [Some(vec![Some(f64::NAN)]), Some(vec![Some(1.0), None])];
        let both = ListArray::from_iter_primitive::<Float64Type, _, _>(lists);
        assert!(finite("prices", &both).is_err() && finite("prices", &both.slice(0, 1)).is_err());
        assert!(finite("prices", &both.slice(1, 1)).is_ok());
    }
}
