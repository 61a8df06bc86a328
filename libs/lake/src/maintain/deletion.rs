//! Deleting files that nothing refers to.

use futures::{StreamExt as _, stream};
use iceberg::io::FileIO;
use lakewright_config::maintenance::Deleted;

/// Files that are deleted at the same time.
const AT_ONCE: usize = 16;

/// Deletes files, given with their bytes; with `dry_run` only counts them. One that can't be deleted is left to the
/// removal of orphans.
pub(super) async fn delete(files: &FileIO, paths: Vec<(String, u64)>, dry_run: bool) -> Deleted {
    let deletions = stream::iter(paths).map(|(path, bytes)| async move {
        if dry_run {
            return Deleted { files: 1, bytes, failed: 0 };
        }
        match files.delete(&path).await {
            Ok(()) => Deleted { files: 1, bytes, failed: 0 },
            Err(error) => {
                tracing::warn!(path, %error, "a file that nothing refers to is left over");
                Deleted { failed: 1, ..Deleted::default() }
            }
        }
    });
    let mut all = Deleted::default();
    let mut deletions = std::pin::pin!(deletions.buffer_unordered(AT_ONCE));
    while let Some(one) = deletions.next().await {
        all.add(one);
    }
    all
}
