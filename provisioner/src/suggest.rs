//! What may be meant by a misspelt word.

/// The candidate that a misspelt word most likely means; `None` when none is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let near = |candidate: &str, distance: usize| {
        let begun = lower.len() >= 3 && (candidate.starts_with(&lower) || lower.starts_with(candidate));
        begun || distance <= (candidate.len().max(word.len()) / 3).max(1)
    };
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| near(candidate, *distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean" when a candidate is near, else the list of all candidates.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone, plural: &str) -> String {
    if let Some(near) = nearest(word, candidates.clone()) {
        return format!("did you mean `{near}`?");
    }
    let all: Vec<String> = candidates.into_iter().map(|candidate| format!("`{candidate}`")).collect();
    if all.is_empty() { format!("there are no {plural} yet") } else { format!("the {plural} are {}", all.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_are_recognised_and_foreign_ones_not() {
        assert_eq!(nearest("brokrs", ["brokers", "version"]), Some("brokers"));
        assert_eq!(nearest("sale", ["sale_id", "amount"]), Some("sale_id"));
        assert_eq!(nearest("zebra", ["brokers", "version"]), None);
        assert_eq!(suggest("zebra", ["a", "b"], "keys"), "the keys are `a`, `b`");
    }
}
