//! Topics that were deleted and made again under their name.

use std::collections::BTreeMap;

use lakewright_runtime::kafka::TopicIdentity;

/// Whether the topics are still those that they were at the start.
#[derive(Debug, PartialEq, Eq)]
pub enum Topics {
    /// All are.
    Same,
    /// One is another; the sentence says which.
    Other(String),
}

/// Which of the topics has another id now.
pub fn compare(before: &BTreeMap<String, String>, now: &BTreeMap<String, TopicIdentity>) -> Topics {
    for (topic, id) in before {
        let found = now.get(topic).map(|identity| identity.id.to_string());
        if let Some(found) = found.filter(|found| found != id) {
            return Topics::Other(format!(
                "the topic {topic} was deleted and made again (its id was {id} and is {found}), so that its offsets name \
                 other records; what was read of the old one is settled, and the new one is shipped from its begin"
            ));
        }
    }
    Topics::Same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_made_again_is_another() {
        let id = |text: &str| TopicIdentity { id: text.parse().expect("an id"), partitions: vec![0] };
        let (old, new) = ("6f1f8b0e-0000-4000-8000-000000000001", "6f1f8b0e-0000-4000-8000-000000000002");
        let before = BTreeMap::from([("events".to_owned(), old.to_owned())]);
        let now = |text| BTreeMap::from([("events".to_owned(), id(text))]);
        assert_eq!(compare(&before, &now(old)), Topics::Same);
        let Topics::Other(sentence) = compare(&before, &now(new)) else { panic!("another topic passed") };
        assert!(sentence.contains(old) && sentence.contains(new), "{sentence}");
    }
}
