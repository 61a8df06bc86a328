//! What a table's properties ask of its data files, as Iceberg's Java reads them (`TableProperties`).
//!
//! A value that can't be followed is an error that names the property: files that aren't what the table asks for would
//! be there for good. `docs/decisions/data-files.md` lists the properties.

use std::collections::HashMap;
use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{SchemaRef, TableMetadata};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use crate::metrics::Metrics;

/// The size in bytes at which a data file is closed and another begun, where the table doesn't say. Iceberg's Java has
/// 512 MiB; a file is held in memory until it is put.
pub(crate) const TARGET_FILE_SIZE: usize = 128 * 1024 * 1024;
/// Bytes of a row group: Iceberg's default.
const ROW_GROUP_BYTES: usize = 128 * 1024 * 1024;
/// Bytes of a Bloom filter: Iceberg's default.
const BLOOM_BYTES: usize = 1024 * 1024;
/// How often a Bloom filter may be wrong: Iceberg's default.
const BLOOM_FPP: f64 = 0.01;
/// Statistics are cut by Parquet at so many bytes, where nobody asks for longer ones.
const CUT: usize = 64;

const BLOOM_ENABLED: &str = "write.parquet.bloom-filter-enabled.column.";
const BLOOM_FPP_OF: &str = "write.parquet.bloom-filter-fpp.column.";
const BLOOM_NDV_OF: &str = "write.parquet.bloom-filter-ndv.column.";

/// How a table's data files are written.
#[derive(Debug, Clone)]
pub(crate) struct WriteSettings {
    /// The size in bytes at which a data file is closed.
    pub(crate) target_bytes: usize,
    /// What manifests say of the columns.
    pub(crate) metrics: Metrics,
    row_group_bytes: usize,
    codec: Compression,
    blooms: Vec<Bloom>,
}

/// A column's Bloom filter.
#[derive(Debug, Clone)]
struct Bloom {
    /// The column's field id.
    id: i32,
    fpp: f64,
    /// How many values it is made for.
    values: u64,
}

/// A table's properties.
struct Properties<'a>(&'a HashMap<String, String>);

impl Properties<'_> {
    /// A number greater than 0.
    fn number<T: FromStr + PartialOrd + Default>(&self, name: &str) -> anyhow::Result<Option<T>> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        let number = text.trim().parse::<T>().ok().filter(|number| *number > T::default());
        number.map(Some).ok_or_else(|| anyhow!("the table's property `{name}` is `{text}`; set it to a number above 0"))
    }

    /// What stands behind a prefix, with its value, in a fixed order.
    fn of_columns(&self, prefix: &str) -> Vec<(&str, &str)> {
        let named = self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())));
        let mut named: Vec<_> = named.collect();
        named.sort_unstable();
        named
    }

    fn codec(&self) -> anyhow::Result<Compression> {
        const CODEC: &str = "write.parquet.compression-codec";
        const LEVEL: &str = "write.parquet.compression-level";
        let codec = self.0.get(CODEC).map_or_else(|| "zstd".to_owned(), |codec| codec.to_lowercase());
        let level = || -> anyhow::Result<Option<i32>> {
            let Some(text) = self.0.get(LEVEL) else { return Ok(None) };
            let level = text.trim().parse().ok();
            level.map(Some).ok_or_else(|| anyhow!("the table's property `{LEVEL}` is `{text}`; set it to a number"))
        };
        let wrong = || format!("the table's property `{LEVEL}` is none of {codec}'s levels; set another or remove it");
        let unsigned = |level: i32| u32::try_from(level).with_context(wrong);
        Ok(match codec.as_str() {
            // More costs much time and saves few bytes.
            "zstd" => Compression::ZSTD(ZstdLevel::try_new(level()?.unwrap_or(1)).with_context(wrong)?),
            "gzip" => Compression::GZIP(match level()? {
                None => GzipLevel::default(),
                Some(level) => GzipLevel::try_new(unsigned(level)?).with_context(wrong)?,
            }),
            "brotli" => Compression::BROTLI(match level()? {
                None => BrotliLevel::default(),
                Some(level) => BrotliLevel::try_new(unsigned(level)?).with_context(wrong)?,
            }),
            "snappy" => Compression::SNAPPY,
            "lz4" => Compression::LZ4,
            "lz4_raw" => Compression::LZ4_RAW,
            "uncompressed" => Compression::UNCOMPRESSED,
            other => bail!(
                "the table's property `{CODEC}` is `{other}`, which can't be written; set it to zstd, snappy, gzip, lz4, \
                 lz4_raw, brotli or uncompressed"
            ),
        })
    }

    fn blooms(&self, metadata: &TableMetadata, row_group_bytes: usize) -> anyhow::Result<Vec<Bloom>> {
        let schema = metadata.current_schema();
        let room: usize = self.number("write.parquet.bloom-filter-max-bytes")?.unwrap_or(BLOOM_BYTES);
        let mut blooms = Vec::new();
        for (column, enabled) in self.of_columns(BLOOM_ENABLED) {
            let Some(id) = schema.field_id_by_name(column).filter(|_| enabled.eq_ignore_ascii_case("true")) else {
                continue;
            };
            let name = format!("{BLOOM_FPP_OF}{column}");
            let fpp = self.number(&name)?.unwrap_or(BLOOM_FPP);
            if fpp >= 1.0 {
                bail!("the table's property `{name}` is {fpp}; set it to a share below 1");
            }
            // A filter counts as part of its row group, which must have room for rows beside it.
            let most = values(room.min(row_group_bytes / 8), fpp);
            let values = self.number(&format!("{BLOOM_NDV_OF}{column}"))?.map_or(most, |ndv: u64| ndv.min(most));
            blooms.push(Bloom { id, fpp, values });
        }
        Ok(blooms)
    }
}

/// For how many values a Bloom filter of at most so many bytes may be made: it gets the next power of two of bytes
/// (parquet, `Sbbf::new_with_ndv_fpp`, solved for the number of values).
fn values(bytes: usize, fpp: f64) -> u64 {
    let bytes = 1_u64 << bytes.max(32).ilog2();
    (bytes as f64 * -(1.0 - fpp.powf(1.0 / 8.0)).ln()) as u64
}

impl WriteSettings {
    /// Those of a table.
    ///
    /// # Errors
    /// A property can't be followed.
    pub(crate) fn of(metadata: &TableMetadata) -> anyhow::Result<Self> {
        let properties = Properties(metadata.properties());
        let row_group_bytes = properties.number("write.parquet.row-group-size-bytes")?.unwrap_or(ROW_GROUP_BYTES);
        Ok(Self {
            target_bytes: properties.number("write.target-file-size-bytes")?.unwrap_or(TARGET_FILE_SIZE),
            metrics: Metrics::of(metadata),
            row_group_bytes,
            codec: properties.codec()?,
            blooms: properties.blooms(metadata, row_group_bytes)?,
        })
    }

    /// The same for Parquet's writer, with at most so many rows in a row group and without dictionaries for some columns.
    ///
    /// # Errors
    /// The schema has no form in Parquet.
    pub(crate) fn parquet(&self, schema: &SchemaRef, rows: usize, plain: &[&str]) -> anyhow::Result<WriterProperties> {
        let longest = self.metrics.longest_bounds();
        let mut properties = WriterProperties::builder()
            .set_compression(self.codec)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // A character has four bytes at most.
            .set_statistics_truncate_length(longest.map(|length| length.saturating_mul(4).max(CUT)))
            .set_max_row_group_bytes(Some(self.row_group_bytes))
            .set_max_row_group_row_count(Some(rows));
        for column in plain {
            properties = properties.set_column_dictionary_enabled((*column).into(), false);
        }
        if self.blooms.is_empty() {
            return Ok(properties.build());
        }
        let arrow = schema_to_arrow_schema(schema)?;
        let columns = ArrowSchemaConverter::new().convert(&arrow).context("the table's schema in Parquet")?;
        for Bloom { id, fpp, values } in &self.blooms {
            let Some(path) = path(&columns, *id) else { continue };
            properties = properties
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), *fpp)
                .set_column_bloom_filter_ndv(path, *values);
        }
        Ok(properties.build())
    }
}

/// Where a field's values stand; `None` for one that has none of its own.
fn path(columns: &SchemaDescriptor, id: i32) -> Option<ColumnPath> {
    let is_meant = |info: &parquet::schema::types::BasicTypeInfo| info.has_id() && info.id() == id;
    let column = columns.columns().iter().find(|column| is_meant(column.self_type().get_basic_info()))?;
    Some(column.path().clone())
}
