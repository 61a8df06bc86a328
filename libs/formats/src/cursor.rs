//! Avro's binary primitives, read from a message.

use crate::reject::Wrong;

type Read<T> = Result<T, Wrong>;

/// A position in a message.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    fn end<T>(&self, what: &str) -> Read<T> {
        Err(Wrong::data(format!("the message of {} bytes ends within {what}", self.length)))
    }

    /// A zigzag number of at most ten bytes.
    #[inline]
    pub(crate) fn long(&mut self) -> Read<i64> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte holds the last bit.
            if index == 9 && *byte > 1 {
                return Err(Wrong::data("a number has more than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        self.end("a number")
    }

    /// A zigzag number of 32 bits.
    #[inline]
    pub(crate) fn int(&mut self) -> Read<i32> {
        let value = self.long()?;
        i32::try_from(value).map_err(|_| Wrong::data(format!("{value} is no 32-bit integer")))
    }

    #[inline]
    pub(crate) fn boolean(&mut self) -> Read<bool> {
        match self.take(1, "a boolean")?[0] {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Wrong::data(format!("{other} is no boolean"))),
        }
    }

    #[inline]
    pub(crate) fn float(&mut self) -> Read<f32> {
        Ok(f32::from_le_bytes(self.array("a float")?))
    }

    #[inline]
    pub(crate) fn double(&mut self) -> Read<f64> {
        Ok(f64::from_le_bytes(self.array("a double")?))
    }

    fn array<const N: usize>(&mut self, what: &str) -> Read<[u8; N]> {
        let Some((head, rest)) = self.rest.split_first_chunk() else { return self.end(what) };
        self.rest = rest;
        Ok(*head)
    }

    /// So many bytes.
    #[inline]
    pub(crate) fn take(&mut self, count: usize, what: &str) -> Read<&'a [u8]> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else { return self.end(what) };
        self.rest = rest;
        Ok(head)
    }

    /// Bytes after their length.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(count) if count <= self.rest.len() => self.take(count, "bytes"),
            _ => Err(Wrong::data(format!("a length of {length} with {} bytes left", self.rest.len()))),
        }
    }

    /// Text after its length.
    #[inline]
    pub(crate) fn string(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|error| Wrong::data(format!("a string isn't UTF-8: {error}")))
    }

    /// The head of a block of an array or map: how many items, 0 at the end, and where the block must end, as bytes left
    /// then, if the data says it.
    #[inline]
    pub(crate) fn block(&mut self) -> Read<(u64, Option<usize>)> {
        let count = self.long()?;
        if count >= 0 {
            return Ok((count.unsigned_abs(), None));
        }
        let size = self.long()?;
        let end = usize::try_from(size).ok().and_then(|size| self.rest.len().checked_sub(size));
        let end =
            end.ok_or_else(|| Wrong::data(format!("a block of {size} bytes with {} bytes left", self.rest.len())))?;
        Ok((count.unsigned_abs(), Some(end)))
    }
}
