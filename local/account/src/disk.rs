//! How the bytes and the names of files become durable.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::Path;

/// The machine's disk, or one of which a test decides what a power cut leaves.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Makes a file's bytes durable.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The machine's disk.
#[derive(Debug)]
pub(crate) struct Machine;

impl Disk for Machine {
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}
