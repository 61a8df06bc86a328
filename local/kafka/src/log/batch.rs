//! The record batch on the wire and on disk: its header, its checksum and its records' timestamps.

use bytes::Bytes;

/// Bytes of a batch before its records (magic 2).
pub const HEADER: usize = 61;
/// Bytes before the part that the length field counts.
const PREFIX: usize = 12;
/// Where the checksummed part starts.
const CHECKED: usize = 21;
const COMPRESSION: i16 = 0b0000_0111;
const LOG_APPEND_TIME: i16 = 0b0000_1000;
const TRANSACTIONAL: i16 = 0b0001_0000;
const CONTROL: i16 = 0b0010_0000;

/// The fields of a batch header that the log needs.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes of the whole batch.
    pub size: u64,
    /// Leader epoch in which it was stored.
    pub leader_epoch: i32,
    /// Version of the format; only 2 is stored.
    pub magic: i8,
    /// CRC-32C of everything from the attributes on.
    pub checksum: u32,
    /// Compression, timestamp type, transactional and control flags.
    pub attributes: i16,
    /// Offset of the last record less the first one's.
    pub last_offset_delta: i32,
    /// Timestamp of the first record, ms.
    pub base_timestamp: i64,
    /// Greatest timestamp of the records, ms.
    pub max_timestamp: i64,
    /// Idempotent producer, -1 without.
    pub producer_id: i64,
    /// Epoch of the producer.
    pub producer_epoch: i16,
    /// Sequence of the first record.
    pub base_sequence: i32,
    /// Number of records.
    pub records: i32,
}

impl Header {
    /// The header at the start of `bytes`; none when there are too few bytes or the size is impossible.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER>()?;
        let length = i32::from_be_bytes(field(bytes, 8));
        let size = u64::try_from(length).ok()? + PREFIX as u64;
        (size >= HEADER as u64).then_some(Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            size,
            leader_epoch: i32::from_be_bytes(field(bytes, 12)),
            magic: bytes[16] as i8,
            checksum: u32::from_be_bytes(field(bytes, 17)),
            attributes: i16::from_be_bytes(field(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)),
            producer_id: i64::from_be_bytes(field(bytes, 43)),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            records: i32::from_be_bytes(field(bytes, 57)),
        })
    }

    /// Offset after the last record.
    pub fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta) + 1
    }

    /// Sequence of the last record; sequences wrap around after `i32::MAX`.
    pub fn last_sequence(&self) -> i32 {
        add_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch is a marker of the log's own, not a producer's.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether the records are stored as they are, without compression.
    pub fn is_plain(&self) -> bool {
        self.attributes & COMPRESSION == 0
    }
}

/// The sequence `delta` after `sequence`, which wraps around to 0 after `i32::MAX`.
pub fn add_sequence(sequence: i32, delta: i32) -> i32 {
    sequence.wrapping_add(delta) & i32::MAX
}

/// Whether the checksum of a whole batch is right.
pub fn is_intact(batch: &[u8], header: &Header) -> bool {
    crc32c::crc32c(&batch[CHECKED..]) == header.checksum
}

/// The header's bytes with the offset that the log gives; outside the checksum.
pub fn place(batch: &Bytes, base_offset: i64, leader_epoch: i32) -> [u8; HEADER] {
    let mut header = field::<HEADER>(batch, 0);
    header[0..8].copy_from_slice(&base_offset.to_be_bytes());
    header[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
    header
}

/// The batch with the log's own time instead of the producer's, checksum renewed.
pub fn stamp(batch: &[u8], now: i64) -> Bytes {
    let mut batch = batch.to_vec();
    let attributes = i16::from_be_bytes(field(&batch, 21)) | LOG_APPEND_TIME;
    batch[21..23].copy_from_slice(&attributes.to_be_bytes());
    batch[35..43].copy_from_slice(&now.to_be_bytes());
    let checksum = crc32c::crc32c(&batch[CHECKED..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
    batch.into()
}

/// Offset and timestamp of the first record at or after `timestamp`. Compressed records aren't opened: the
/// answer is then the batch's first record, so that a reader may see earlier records but misses none.
pub fn find_time(batch: &[u8], header: &Header, timestamp: i64) -> Option<(i64, i64)> {
    if header.max_timestamp < timestamp {
        return None;
    }
    if header.attributes & LOG_APPEND_TIME != 0 {
        return Some((header.base_offset, header.max_timestamp));
    }
    if !header.is_plain() {
        return Some((header.base_offset, header.base_timestamp));
    }
    let mut rest = batch.get(HEADER..)?;
    while !rest.is_empty() {
        let length = usize::try_from(varint(&mut rest)?).ok()?;
        let mut record = rest.get(..length)?;
        rest = &rest[length..];
        record = record.get(1..)?;
        let time = header.base_timestamp + varint(&mut record)?;
        let delta = varint(&mut record)?;
        if time >= timestamp {
            return Some((header.base_offset + delta, time));
        }
    }
    None
}

/// The marker that ends a producer's transaction: a batch of one record whose key is the marker's version and kind, and
/// whose value a version and the coordinator's epoch.
pub fn marker(producer_id: i64, producer_epoch: i16, commit: bool, now: i64) -> Bytes {
    // Length, attributes, timestamp and offset deltas; key; value; no headers. Lengths are zigzag varints.
    let record = [32, 0, 0, 0, 8, 0, 0, 0, u8::from(commit), 12, 0, 0, 0, 0, 0, 0, 0];
    let mut batch = vec![0; HEADER];
    batch.extend_from_slice(&record);
    let length = (batch.len() - PREFIX) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[16] = 2;
    batch[21..23].copy_from_slice(&(TRANSACTIONAL | CONTROL).to_be_bytes());
    batch[27..35].copy_from_slice(&now.to_be_bytes());
    batch[35..43].copy_from_slice(&now.to_be_bytes());
    batch[43..51].copy_from_slice(&producer_id.to_be_bytes());
    batch[51..53].copy_from_slice(&producer_epoch.to_be_bytes());
    batch[53..57].copy_from_slice(&(-1i32).to_be_bytes());
    batch[57..61].copy_from_slice(&1i32.to_be_bytes());
    let checksum = crc32c::crc32c(&batch[CHECKED..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
    batch.into()
}

/// Whether a marker commits; none when it is of another kind.
pub fn commits(batch: &[u8]) -> Option<bool> {
    let mut rest = batch.get(HEADER..)?;
    varint(&mut rest)?;
    rest = rest.get(1..)?;
    for _timestamp_and_offset in 0..2 {
        varint(&mut rest)?;
    }
    let length = usize::try_from(varint(&mut rest)?).ok()?;
    let key = rest.get(..length)?;
    match i16::from_be_bytes(*key.get(2..)?.first_chunk()?) {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("the header is whole")
}
