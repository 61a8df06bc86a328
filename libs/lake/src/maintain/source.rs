//! The data files that are rewritten: whether they can be, and their rows.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use arrow_array::RecordBatch;
use bytes::Bytes;
use iceberg::io::FileIO;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::fit::{Fit, Wanted};
use super::plan::Candidate;

/// What is read of a file's end to find its footer.
const TAIL: u64 = 64 * 1024;
/// Bytes of rows, decoded, that are held at once, about.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;
/// Rows of a batch at most.
const BATCH_ROWS: u64 = 8 * 1024;
/// So many files are remembered, 8 bytes each; then it begins anew.
const REMEMBERED: usize = 1024 * 1024;

/// Which files can't be rewritten, from round to round: they aren't opened again while their table's schema is the same.
#[derive(Debug, Clone, Default)]
pub struct Known(Arc<Mutex<HashSet<u64>>>);

impl Known {
    /// Whether a file is known not to fit a schema. That two have the same digest only leaves a file as it is.
    pub(super) fn is_unsuited(&self, path: &str, schema: i32) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest(path, schema))
    }

    pub(super) fn add(&self, path: &str, schema: i32) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(digest(path, schema));
    }
}

fn digest(path: &str, schema: i32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (path, schema).hash(&mut hasher);
    hasher.finish()
}

/// Why a file isn't rewritten.
pub(super) enum Trouble {
    /// What is in it: that stays so.
    Unsuited(String),
    /// It couldn't be read now.
    Unread(anyhow::Error),
}

/// The types are those that Parquet's own schema says, whatever some Arrow schema beside it does.
fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// Looks at a file's footer: whether its rows can become rows of the table exactly.
///
/// # Errors
/// Why not.
pub(super) async fn look(files: &FileIO, file: &Candidate, wanted: &Wanted) -> Result<(), Trouble> {
    let footer = footer(files, file).await?;
    let loaded = ArrowReaderMetadata::try_new(Arc::new(footer), options());
    let loaded = loaded.map_err(|error| Trouble::Unsuited(format!("its schema can't be read: {error}")))?;
    fitting(&loaded, file, wanted).map(drop)
}

fn fitting(loaded: &ArrowReaderMetadata, file: &Candidate, wanted: &Wanted) -> Result<Fit, Trouble> {
    let rows = loaded.metadata().file_metadata().num_rows();
    if u64::try_from(rows).ok() != Some(file.rows) {
        return Err(Trouble::Unsuited(format!("it holds {rows} rows, and the table says {}", file.rows)));
    }
    wanted.fit(loaded.schema()).map_err(Trouble::Unsuited)
}

/// The end of the file is read until its footer is whole.
async fn footer(files: &FileIO, file: &Candidate) -> Result<ParquetMetaData, Trouble> {
    let reader = async { files.new_input(&file.path)?.reader().await }.await;
    let reader = reader.context("open it").map_err(Trouble::Unread)?;
    let mut length = TAIL.min(file.bytes);
    loop {
        let tail = reader.read(file.bytes - length..file.bytes).await;
        let tail = tail.context("read its footer").map_err(Trouble::Unread)?;
        let mut parser = ParquetMetaDataReader::new();
        match parser.try_parse_sized(&tail, file.bytes) {
            Err(ParquetError::NeedMoreData(needed)) if needed as u64 > length && needed as u64 <= file.bytes => {
                length = needed as u64;
            }
            Err(error) => return Err(Trouble::Unsuited(format!("its footer can't be read: {error}"))),
            Ok(()) => {
                return parser.finish().map_err(|error| Trouble::Unsuited(format!("it has no footer: {error}")));
            }
        }
    }
}

/// A file's rows, batch by batch, as rows of the table.
pub(super) struct Rows {
    reader: ParquetRecordBatchReader,
    fit: Fit,
}

impl Rows {
    /// Opens a file. All of its bytes are held until the rows are read: it is a small one.
    ///
    /// # Errors
    /// It can't be read, or doesn't fit.
    pub(super) async fn open(files: &FileIO, file: &Candidate, wanted: &Wanted) -> Result<Self, Trouble> {
        let bytes: Bytes =
            async { files.new_input(&file.path)?.read().await }.await.context("read it").map_err(Trouble::Unread)?;
        let loaded = ArrowReaderMetadata::load(&bytes, options()).map_err(unsuited)?;
        let fit = fitting(&loaded, file, wanted)?;
        let decoded: i64 = loaded.metadata().row_groups().iter().map(RowGroupMetaData::total_byte_size).sum();
        let a_row = u64::try_from(decoded).unwrap_or(0) / file.rows.max(1) + 1;
        let rows = (BATCH_BYTES / a_row).clamp(1, BATCH_ROWS);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, loaded);
        let builder = builder.with_batch_size(usize::try_from(rows).unwrap_or(1));
        Ok(Self { reader: builder.build().map_err(unsuited)?, fit })
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, Trouble>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.reader.next()?;
        Some(rows.and_then(|rows| self.fit.apply(&rows)).map_err(unsuited))
    }
}

fn unsuited(error: impl std::fmt::Display) -> Trouble {
    Trouble::Unsuited(format!("it can't be read: {error}"))
}
