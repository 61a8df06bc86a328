//! The bytes of an open file, or those that a gzip file unpacks to.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read as _, Seek as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

/// What the file system calls a file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileId {
    pub device: u64,
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970, where the file system knows.
    pub born: Option<u64>,
}

impl FileId {
    pub fn of(metadata: &Metadata) -> Self {
        let born = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            born: born.and_then(|time| u64::try_from(time.as_nanos()).ok()),
        }
    }

    /// Device and inode.
    pub fn key(&self) -> Key {
        (self.device, self.inode)
    }

    /// Whether both may be the same file. Numbers of devices change when the machine starts anew; numbers of inodes are given
    /// again when a file is deleted; the two differ in when the file was made.
    pub fn may_be(&self, other: &Self) -> bool {
        let same_birth = match (self.born, other.born) {
            (Some(one), Some(two)) => one == two,
            _ => self.device == other.device,
        };
        self.inode == other.inode && same_birth
    }
}

/// Device and inode.
pub(crate) type Key = (u64, u64);

/// When contents changed last: seconds and nanoseconds.
pub(crate) type Modified = (i64, i64);

pub(crate) fn modified(metadata: &Metadata) -> Modified {
    (metadata.mtime(), metadata.mtime_nsec())
}

/// The bytes of an open file.
#[derive(Debug)]
pub(crate) enum Content {
    Plain(File),
    /// `at` is the place in the unpacked bytes.
    Packed {
        decoder: Box<MultiGzDecoder<BufReader<File>>>,
        at: u64,
    },
}

impl Content {
    /// Opens a file, packed or not, by its first bytes.
    pub fn open(path: &Path) -> io::Result<(Self, Metadata)> {
        let file = OpenOptions::new().read(true).open(path)?;
        let metadata = file.metadata()?;
        let mut magic = [0; 3];
        let length = read_at(&file, &mut magic, 0)?;
        let content = if magic[..length] == [0x1f, 0x8b, 8] {
            Self::Packed { decoder: Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, file))), at: 0 }
        } else {
            Self::Plain(file)
        };
        Ok((content, metadata))
    }

    pub fn is_packed(&self) -> bool {
        matches!(self, Self::Packed { .. })
    }

    pub fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Self::Plain(file) => file.metadata(),
            Self::Packed { decoder, .. } => decoder.get_ref().get_ref().metadata(),
        }
    }

    /// Fills the buffer from an offset of the unpacked bytes on, as far as there are any; how many there were. A gzip file that
    /// isn't whole ends where its bytes end.
    pub fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => read_at(file, buffer, offset),
            Self::Packed { decoder, at } => {
                if offset < *at {
                    restart(decoder)?;
                    *at = 0;
                }
                let mut skipped = vec![0; 64 * 1024];
                while *at < offset {
                    let part = usize::try_from(offset - *at).unwrap_or(usize::MAX).min(skipped.len());
                    match unpack(decoder, &mut skipped[..part])? {
                        0 => return Ok(0),
                        read => *at += read as u64,
                    }
                }
                let read = unpack(decoder, buffer)?;
                *at += read as u64;
                Ok(read)
            }
        }
    }

    /// Forgets where a gzip file ended: it may have grown.
    pub fn begin_anew(&mut self) -> io::Result<()> {
        if let Self::Packed { decoder, at } = self {
            restart(decoder)?;
            *at = 0;
        }
        Ok(())
    }
}

fn restart(decoder: &mut MultiGzDecoder<BufReader<File>>) -> io::Result<()> {
    let mut file = decoder.get_ref().get_ref().try_clone()?;
    file.rewind()?;
    *decoder = MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, file));
    Ok(())
}

fn unpack(decoder: &mut MultiGzDecoder<BufReader<File>>, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match decoder.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(_) if read > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn packed_and_plain_files_read_alike() {
        let folder = tempfile::tempdir().expect("a folder");
        let text: Vec<u8> = (0..200_000_u32).flat_map(|number| format!("{number}\n").into_bytes()).collect();
        let (plain, packed) = (folder.path().join("plain"), folder.path().join("packed"));
        fs::write(&plain, &text).expect("write");
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&text).expect("pack");
        let bytes = encoder.finish().expect("pack");
        fs::write(&packed, &bytes).expect("write");
        for path in [&plain, &packed] {
            let (mut content, _) = Content::open(path).expect("open");
            assert_eq!(content.is_packed(), path == &packed);
            for offset in [0, 700_000, 5, 5, text.len() - 3, text.len(), text.len() + 9, 100] {
                let mut buffer = [0; 50];
                let read = content.read(offset as u64, &mut buffer).expect("read");
                let rest = text.get(offset..).unwrap_or_default();
                assert_eq!(buffer[..read], rest[..rest.len().min(50)], "at {offset}");
            }
        }
        // A part of a gzip file ends where its bytes end; what is none inside is an error.
        fs::write(&packed, &bytes[..bytes.len() / 2]).expect("write");
        let (mut content, _) = Content::open(&packed).expect("open");
        let mut buffer = vec![0; text.len()];
        let read = content.read(0, &mut buffer).expect("read");
        assert!(read > 0 && read < text.len() && buffer[..read] == text[..read]);
        fs::write(&packed, [&bytes[..10], &[0xff; 40]].concat()).expect("write");
        let (mut content, _) = Content::open(&packed).expect("open");
        assert!(content.read(0, &mut buffer).is_err());
    }

    #[test]
    fn a_file_is_known_by_its_birth() {
        let file = FileId { device: 1, inode: 5, born: Some(9) };
        assert!(file.may_be(&FileId { device: 2, ..file }), "devices are numbered anew at a start");
        assert!(!file.may_be(&FileId { born: Some(10), ..file }), "the inode was given again");
        assert!(!file.may_be(&FileId { inode: 6, ..file }));
        let unknown = FileId { born: None, ..file };
        assert!(file.may_be(&unknown) && !file.may_be(&FileId { device: 2, ..unknown }));
    }
}
