//! Small durable steps on files: make them durable, replace one whole, frame records with a checksum.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Bytes before a framed record: its length and its checksum.
pub const FRAME: usize = 8;

/// How files and names become durable: the machine's disk, or one of which a test decides what it keeps.
pub trait Disk: Debug + Send + Sync {
    /// Makes a file's content durable.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// The machine's disk.
#[derive(Debug)]
pub struct Machine;

impl Disk for Machine {
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Why a file wasn't replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The old one stands.
    #[error(transparent)]
    Kept(io::Error),
    /// The new one has the name, but which of them a power cut would leave is unknown.
    #[error(transparent)]
    Unknown(io::Error),
}

impl From<ReplaceError> for io::Error {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::Kept(error) | ReplaceError::Unknown(error) => error,
        }
    }
}

/// Replaces a file so that a crash leaves the old one or the new one, and returns the new one open.
pub fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<File, ReplaceError> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&new)?;
        file.write_all(content)?;
        disk.sync(&file)?;
        std::fs::rename(&new, path)?;
        Ok(file)
    };
    let file = write().map_err(ReplaceError::Kept)?;
    disk.sync_directory(path.parent().unwrap_or(Path::new("."))).map_err(ReplaceError::Unknown)?;
    Ok(file)
}

/// Appends one record with its length and checksum.
pub fn frame(buffer: &mut Vec<u8>, record: &[u8]) {
    buffer.extend_from_slice(&(record.len() as u32).to_le_bytes());
    buffer.extend_from_slice(&crc32c::crc32c(record).to_le_bytes());
    buffer.extend_from_slice(record);
}

/// The first framed record of some bytes; none when it is torn, corrupt or empty. (A power cut may leave zeros, which
/// would be the frame of an empty record.)
pub fn unframe(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let checksum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let record = bytes.get(FRAME..)?.get(..length)?;
    (length > 0 && crc32c::crc32c(record) == checksum).then_some(record)
}
