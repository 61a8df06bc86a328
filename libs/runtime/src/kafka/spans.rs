//! Offsets as spans.

/// Spans of offsets without a gap, each as its first and the one after its last, and how many of the offsets stood there already.
pub fn spans(mut offsets: Vec<i64>) -> (Vec<(i64, i64)>, u64) {
    offsets.sort_unstable();
    let (mut spans, mut repeated): (Vec<(i64, i64)>, u64) = (Vec::new(), 0);
    for offset in offsets {
        match spans.last_mut() {
            Some((_, end)) if offset < *end => repeated += 1,
            Some((_, end)) if offset == *end => *end += 1,
            _ => spans.push((offset, offset + 1)),
        }
    }
    (spans, repeated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_spans_and_repeats_are_counted() {
        assert_eq!(spans(vec![7, 1, 2, 2, 3, 9, 8, 1]), (vec![(1, 4), (7, 10)], 2));
        assert_eq!(spans(vec![]), (vec![], 0));
    }
}
