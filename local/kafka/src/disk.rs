//! Small durable steps on files: replace one whole, frame records with a checksum.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Bytes before a framed record: its length and its checksum.
pub const FRAME: usize = 8;

/// Replaces a file so that a crash leaves the old one or the new one, and returns the new one open.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    sync_directory(path.parent().unwrap_or(Path::new(".")))?;
    Ok(file)
}

/// Makes names in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Appends one record with its length and checksum.
pub fn frame(buffer: &mut Vec<u8>, record: &[u8]) {
    buffer.extend_from_slice(&(record.len() as u32).to_le_bytes());
    buffer.extend_from_slice(&crc32c::crc32c(record).to_le_bytes());
    buffer.extend_from_slice(record);
}

/// The first framed record of some bytes; none when it is torn or corrupt.
pub fn unframe(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let checksum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let record = bytes.get(FRAME..)?.get(..length)?;
    (crc32c::crc32c(record) == checksum).then_some(record)
}
