//! Terms that count as equally rare: what one misspelt word stands for, and one word in several fields.

use std::sync::Arc;

use parking_lot::Mutex;
use tantivy::Term;

use super::statistics::Statistics;

/// Why terms count as equally rare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixing {
    /// They are close to one word: as rare as the most frequent.
    Close,
    /// They are one word in several fields: nearly as rare as where it is most frequent, a little rarer where it is less so.
    Fields,
}

/// How many documents of each index have a term, for each of the terms; none before it is asked for.
type Found = Mutex<Option<Arc<Vec<Vec<u64>>>>>;

/// Terms that count as equally rare.
#[derive(Debug)]
pub struct Blend {
    /// The terms, each with the field whose lengths count.
    terms: Vec<(Term, String)>,
    mixing: Mixing,
    found: Found,
}

impl Blend {
    /// Of terms, each with the field whose lengths count.
    pub fn new(terms: Vec<(Term, String)>, mixing: Mixing) -> Arc<Self> {
        Arc::new(Self { terms, mixing, found: Mutex::default() })
    }

    /// In how many documents of each index the terms count as being.
    pub(super) fn frequencies(&self, statistics: &Statistics) -> tantivy::Result<Arc<Vec<Vec<u64>>>> {
        let mut found = self.found.lock();
        if let Some(known) = &*found {
            return Ok(Arc::clone(known));
        }
        let each = self.terms.iter().map(|(term, _)| statistics.frequencies(term));
        let mut all = each.collect::<tantivy::Result<Vec<_>>>()?;
        let documents = if self.mixing == Mixing::Fields { statistics.documents() } else { Vec::new() };
        let mut lengths = Vec::with_capacity(self.terms.len());
        for (_, field) in &self.terms {
            lengths.push(statistics.lengths(field)?);
        }
        for index in 0..all.first().map_or(0, Vec::len) {
            let mut of_index: Vec<u64> = all.iter().map(|frequencies| frequencies[index]).collect();
            match self.mixing {
                Mixing::Close => {
                    let most = of_index.iter().copied().max().unwrap_or(0);
                    of_index.iter_mut().filter(|found| **found > 0).for_each(|found| *found = most);
                }
                Mixing::Fields => {
                    let shortest = lengths.iter().map(|lengths| lengths[index].total).min().unwrap_or(0);
                    mixed(&mut of_index, documents[index].min(shortest));
                }
            }
            for (frequencies, found) in all.iter_mut().zip(of_index) {
                frequencies[index] = found;
            }
        }
        let all = Arc::new(all);
        *found = Some(Arc::clone(&all));
        Ok(all)
    }
}

/// What Elasticsearch's `BlendedTermQuery` makes of how often one word is in several fields: as often as in that in which it is most
/// frequent, and once more for each step down.
fn mixed(frequencies: &mut [u64], most: u64) {
    let mut order: Vec<usize> = (0..frequencies.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(frequencies[*place]));
    let Some(mut before) = order.first().map(|first| frequencies[*first]) else { return };
    let mut taken = before.min(most);
    for place in order {
        let own = frequencies[place];
        if own == 0 {
            break;
        }
        if before > own {
            taken += 1;
        }
        before = own;
        frequencies[place] = taken.min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_as_nearly_as_frequent_in_each_field() {
        for (own, most, wanted) in [
            ([5, 3, 3], 100, [5, 6, 6]),
            ([1, 7, 0], 100, [8, 7, 0]),
            ([9, 2, 1], 10, [9, 10, 10]),
            ([0, 0, 0], 10, [0, 0, 0]),
        ] {
            let mut frequencies = own;
            mixed(&mut frequencies, most);
            assert_eq!(frequencies, wanted, "{own:?}");
        }
    }
}
