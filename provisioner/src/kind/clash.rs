//! Two parts of a spec that AWS holds for one, so that a stack can't have both.

use std::fmt;

/// Two parts of a spec that can't stand beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The path to the first, `ingress[0]`.
    pub first: String,
    /// The path to the second, `ingress[2]`.
    pub second: String,
    /// What they have in common, as what follows the two in a sentence.
    pub why: String,
    /// What to do about it, as an order.
    pub fix: &'static str,
}

impl Clash {
    /// The first two items of a list that are the same, as an error.
    pub fn within<T>(path: &str, items: &[T], same: impl Fn(&T, &T) -> bool, why: &str) -> Result<(), Self> {
        let second = |first: usize| (first + 1..items.len()).find(|second| same(&items[first], &items[*second]));
        match (0..items.len()).find_map(|first| Some((first, second(first)?))) {
            Some((first, second)) => {
                let place = |index: usize| format!("{path}[{index}]");
                let (first, second, fix) = (place(first), place(second), "keep one of them");
                Err(Self { first, second, why: why.to_owned(), fix })
            }
            None => Ok(()),
        }
    }

    /// The same with another way to end it.
    #[must_use]
    pub fn fix(self, fix: &'static str) -> Self {
        Self { fix, ..self }
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` and `{}` {}; {}", self.first, self.second, self.why, self.fix)
    }
}

impl std::error::Error for Clash {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_that_are_the_same_are_named() {
        let clash = Clash::within("rules", &[1, 2, 3, 2, 1], |a, b| a == b, "are one").expect_err("they clash");
        assert_eq!(clash.to_string(), "`rules[0]` and `rules[4]` are one; keep one of them");
        assert_eq!(Clash::within("rules", &[1, 2, 3], |a, b| a == b, "are one"), Ok(()));
    }
}
