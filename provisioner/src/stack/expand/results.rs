//! Where the results of queries and the logs of jobs go: a bucket of their own, which forgets them.

use super::{Expansion, RESULTS, bucket_address};
use crate::stack::decode::{At, defaults};
use crate::stack::sections::Bucket;
use crate::stack::units::Period;

/// How long they are kept, unless `[buckets.results]` says it.
const KEPT: Period = Period::days(7);

impl Expansion<'_> {
    /// The bucket, where there is something to put into it and the file doesn't declare it.
    pub(super) fn results(&mut self) {
        let file = self.file;
        if file.buckets.get(RESULTS).is_some() || (file.tables.0.is_empty() && file.batch.is_none()) {
            return;
        }
        let section = Bucket {
            // Nothing in it is worth keeping longer than it says.
            versioning: At::given(false),
            expire_after: Some(At::given(KEPT)),
            ..defaults()
        };
        let spec = self.bucket_spec(RESULTS, &section);
        self.add(bucket_address(RESULTS), &spec, &file.stack.span, vec![]);
    }
}
