//! Room in memory for rows on their way to a sink: a bound in bytes, whatever waits for whom.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// The room that all rows on their way share.
#[derive(Debug)]
pub(crate) struct Rooms {
    most: usize,
    taken: Mutex<usize>,
    freed: Condvar,
}

/// A part of it, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    of: Arc<Rooms>,
    bytes: usize,
}

impl Rooms {
    /// Room for so many bytes.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::new(0), freed: Condvar::new() })
    }

    /// Takes room for so many bytes, and waits until it is free. What is larger than all there is waits until nothing else
    /// is there.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Room {
        let mut taken = self.taken.lock();
        while *taken > 0 && *taken + bytes > self.most {
            self.freed.wait(&mut taken);
        }
        *taken += bytes;
        Room { of: Arc::clone(self), bytes }
    }

    /// How many bytes are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        *self.taken.lock()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *self.of.taken.lock() -= self.bytes;
        self.of.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn who_wants_more_than_is_free_waits_until_it_is() {
        let rooms = Rooms::new(100);
        let (first, second) = (rooms.take(60), rooms.take(40));
        assert_eq!(rooms.taken(), 100);
        let (sender, done) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let third = rooms.take(50);
                sender.send(rooms.taken()).expect("somebody listens");
                drop(third);
            });
            drop(second);
            assert!(done.try_recv().is_err(), "40 bytes aren't 50");
            drop(first);
            assert_eq!(done.recv(), Ok(50));
        });
        assert_eq!(rooms.taken(), 0);
    }

    #[test]
    fn what_is_larger_than_all_there_is_comes_alone() {
        let rooms = Rooms::new(100);
        let large = rooms.take(1000);
        assert_eq!(rooms.taken(), 1000);
        drop(large);
        assert_eq!(rooms.taken(), 0);
    }
}
