//! How often words stand near each other, as Lucene counts it: each place in which they do counts for less the more moves it takes to put
//! them side by side.

use std::collections::HashMap;

/// Where one word of a phrase stands.
#[derive(Debug)]
struct Word<'a> {
    places: &'a [u32],
    /// Which of them it is at.
    at: usize,
    /// Where it stands in the phrase.
    offset: i64,
    /// Which of the words of the phrase it is.
    number: usize,
    /// The same words of the phrase, if there are others, and which of them it is.
    group: Option<(usize, usize)>,
}

impl Word<'_> {
    /// Where the phrase would begin.
    fn place(&self) -> i64 {
        i64::from(self.places[self.at]) - self.offset
    }

    /// Where it stands itself.
    fn own(&self) -> i64 {
        i64::from(self.places[self.at])
    }

    fn order(&self) -> (i64, i64, usize) {
        (self.place(), self.offset, self.number)
    }
}

/// The search for places.
struct Search<'a> {
    words: Vec<Word<'a>>,
    /// The words in the order of where they are; the first is the lowest.
    queue: Vec<usize>,
    groups: Vec<Vec<usize>>,
    end: i64,
}

/// How often words stand near each other: their places, offsets in the phrase and which of them are the same word; at most so many moves.
pub(super) fn frequency(words: &[(&[u32], usize, usize)], slop: u32) -> f32 {
    let Some(mut search) = Search::new(words) else { return 0.0 };
    let mut found = 0.0;
    while let Some(length) = search.next(i64::from(slop)) {
        found += 1.0 / (1.0 + length as f32);
    }
    found
}

impl<'a> Search<'a> {
    /// At the first places; none where there are none.
    fn new(words: &[(&'a [u32], usize, usize)]) -> Option<Self> {
        let mut by_term: HashMap<usize, Vec<usize>> = HashMap::new();
        for (number, (places, _, term)) in words.iter().enumerate() {
            if places.is_empty() {
                return None;
            }
            by_term.entry(*term).or_default().push(number);
        }
        let mut groups: Vec<Vec<usize>> = by_term.into_values().filter(|group| group.len() > 1).collect();
        groups.sort();
        let mut all: Vec<Word<'a>> = words
            .iter()
            .enumerate()
            .map(|(number, (places, offset, _))| Word { places, at: 0, offset: *offset as i64, number, group: None })
            .collect();
        for (place, group) in groups.iter().enumerate() {
            for (index, number) in group.iter().enumerate() {
                // The same word stands in as many places.
                all[*number].at = index;
                all[*number].group = Some((place, index));
                if index >= all[*number].places.len() {
                    return None;
                }
            }
        }
        let end = all.iter().map(Word::place).max()?;
        let mut search = Self { queue: Vec::with_capacity(all.len()), words: all, groups, end };
        for number in 0..search.words.len() {
            search.push(number);
        }
        Some(search)
    }

    fn push(&mut self, number: usize) {
        let own = self.words[number].order();
        let at = self.queue.partition_point(|other| self.words[*other].order() < own);
        self.queue.insert(at, number);
    }

    fn pop(&mut self) -> usize {
        self.queue.remove(0)
    }

    /// Moves a word on; false where it has no other place.
    fn advance(&mut self, number: usize) -> bool {
        let word = &mut self.words[number];
        if word.at + 1 >= word.places.len() {
            return false;
        }
        word.at += 1;
        self.end = self.end.max(word.place());
        true
    }

    /// The moves of the next place, at most so many.
    fn next(&mut self, slop: i64) -> Option<i64> {
        // It has begun with all of them, and ends with one fewer.
        if self.queue.len() < self.words.len() {
            return None;
        }
        let mut number = self.pop();
        let mut length = self.end - self.words[number].place();
        let mut next = self.queue.first().map(|first| self.words[*first].place())?;
        while self.advance(number) {
            if !self.apart(number) {
                break;
            }
            if self.words[number].place() > next {
                self.push(number);
                if length <= slop {
                    return Some(length);
                }
                number = self.pop();
                next = self.queue.first().map(|first| self.words[*first].place())?;
                length = self.end - self.words[number].place();
            } else {
                length = length.min(self.end - self.words[number].place());
            }
        }
        (length <= slop).then_some(length)
    }

    /// Moves the same words on until no two stand in one place; false where one has no other place.
    fn apart(&mut self, number: usize) -> bool {
        let Some((group, first)) = self.words[number].group else { return true };
        let mut moved = Vec::new();
        let mut at = number;
        while let Some(other) = self.collision(group, at) {
            let (one, two) = (&self.words[at], &self.words[other]);
            let is_lower = (one.place(), one.offset) < (two.place(), two.offset);
            at = if is_lower { at } else { other };
            if !self.advance(at) {
                return false;
            }
            if self.words[at].group.is_some_and(|(_, index)| index != first) && !moved.contains(&at) {
                moved.push(at);
            }
        }
        for moved in moved {
            self.queue.retain(|queued| *queued != moved);
            self.push(moved);
        }
        true
    }

    fn collision(&self, group: usize, number: usize) -> Option<usize> {
        let own = self.words[number].own();
        self.groups[group].iter().copied().find(|other| *other != number && self.words[*other].own() == own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_are_counted_as_lucene_counts_them() {
        // The words of the phrase "a b" in a text, and how often they are near.
        for (a, b, slop, wanted) in [
            (vec![0], vec![1], 0, 1.0),
            (vec![0], vec![2], 0, 0.0),
            (vec![0], vec![2], 1, 0.5),
            // The other way round it takes two moves.
            (vec![1], vec![0], 1, 0.0),
            (vec![1], vec![0], 2, 1.0 / 3.0),
            (vec![0, 4], vec![1, 5], 0, 2.0),
            (vec![0, 4], vec![1, 6], 2, 1.5),
        ] {
            let found = frequency(&[(&a, 0, 0), (&b, 1, 1)], slop);
            assert!((found - wanted).abs() < 1e-6, "{a:?} {b:?} ~{slop}: {found}");
        }
    }

    #[test]
    fn a_word_that_is_asked_for_twice_is_there_twice() {
        let places = [3];
        assert!(frequency(&[(&places, 0, 0), (&places, 1, 0)], 5) < 1e-6);
        let places = [3, 5];
        assert!((frequency(&[(&places, 0, 0), (&places, 1, 0)], 1) - 0.5).abs() < 1e-6);
        assert!(frequency(&[(&places, 0, 0), (&places, 1, 0)], 0) < 1e-6);
    }
}
