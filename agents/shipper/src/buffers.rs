//! Large buffers that are used again: what is allocated and freed for each batch costs as much as what is done with it.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Of a buffer that is filled to less than one part in so many the bytes are copied.
const FEW: usize = 8;

/// Buffers of one use: records of batches, or requests. Clones are the same.
#[derive(Debug, Clone)]
pub struct Buffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    /// A larger buffer than this, in bytes, isn't kept.
    largest: usize,
    /// So many are kept.
    most: usize,
}

/// What comes back when nobody reads it any more.
struct Lent {
    bytes: Vec<u8>,
    of: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.of.give_back(std::mem::take(&mut self.bytes));
    }
}

impl Buffers {
    /// Keeps so many buffers of that size at most, in bytes.
    pub fn new(most: usize, largest: usize) -> Self {
        Self { free: Arc::default(), largest, most }
    }

    /// An empty buffer with room for so many bytes.
    pub fn take(&self, bytes: usize) -> Vec<u8> {
        let mut buffer = self.free.lock().pop().unwrap_or_default();
        buffer.reserve(bytes);
        buffer
    }

    /// Shares a buffer's bytes; it comes back when the last share of them is dropped. Few bytes in a large buffer are copied,
    /// so that it comes back at once.
    pub fn share(&self, bytes: Vec<u8>) -> Bytes {
        if bytes.len() < bytes.capacity() / FEW {
            let copied = Bytes::copy_from_slice(&bytes);
            self.give_back(bytes);
            return copied;
        }
        Bytes::from_owner(Lent { bytes, of: self.clone() })
    }

    /// Takes a buffer back.
    pub fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut free = self.free.lock();
        if buffer.capacity() > 0 && buffer.capacity() <= self.largest && free.len() < self.most {
            free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_the_last_share_of_it_is_gone() {
        let buffers = Buffers::new(1, 4096);
        let mut buffer = buffers.take(10);
        buffer.extend_from_slice(b"some bytes");
        let place = buffer.as_ptr();
        let shared = buffers.share(buffer);
        let part = shared.slice(5..);
        drop(shared);
        assert_eq!((&part[..], buffers.free.lock().len()), (&b"bytes"[..], 0));
        drop(part);
        let again = buffers.take(10);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn few_bytes_keep_no_large_buffer() {
        let buffers = Buffers::new(1, 4096);
        let mut buffer = buffers.take(1000);
        buffer.extend_from_slice(b"some bytes");
        let shared = buffers.share(buffer);
        assert_eq!((&shared[..], buffers.free.lock().len()), (&b"some bytes"[..], 1));
    }

    #[test]
    fn what_is_too_large_or_too_many_is_freed() {
        let buffers = Buffers::new(1, 4096);
        drop(buffers.share(vec![0; 5000]));
        assert!(buffers.free.lock().is_empty());
        buffers.give_back(Vec::with_capacity(10));
        buffers.give_back(Vec::with_capacity(10));
        assert_eq!(buffers.free.lock().len(), 1);
    }
}
