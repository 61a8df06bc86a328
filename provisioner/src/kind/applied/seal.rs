//! Seals: by what a thing without tags is known again, although it wasn't read. One stands before the hashes that are remembered of the thing,
//! `2:SEAL:HASHES`, where whoever knows nothing of seals passes it over as the signature of a record.

use super::{FORMAT, last};

/// The hashes with that seal in the place of the one that they have; without one where there is none.
pub fn with_seal(hashes: &str, seal: Option<&str>) -> String {
    match (seal, hashes.starts_with(FORMAT)) {
        (Some(seal), true) => format!("{FORMAT}{seal}:{}", last(hashes)),
        _ => hashes.to_owned(),
    }
}

/// The seal that stands before the hashes.
pub fn seal(recorded: &str) -> Option<&str> {
    match recorded.strip_prefix(FORMAT)?.split_once(':')? {
        (seal, hashes) if !seal.is_empty() && !hashes.contains(':') => Some(seal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{are_same, carried, is_of_nothing};
    use super::*;
    use crate::kind::Facts;

    #[test]
    fn a_seal_stands_before_the_hashes_and_changes_nothing_of_them() {
        let sealed = with_seal("2:AAaaaaBBbbbb", Some("seal"));
        assert_eq!((sealed.as_str(), seal(&sealed)), ("2:seal:AAaaaaBBbbbb", Some("seal")));
        assert_eq!(with_seal(&sealed, Some("other")), "2:other:AAaaaaBBbbbb");
        assert_eq!(with_seal(&sealed, None), sealed);
        assert!(are_same(Some(&sealed), "2:AAaaaaBBbbbb") && !is_of_nothing(Some(&sealed)));
        let facts = Facts::of("object", "for tests", &[], &[], &[]);
        assert_eq!(carried(&facts, Some(&sealed)), "2:AAaaaaBBbbbb");
        for unsealed in ["2:AAaaaaBBbbbb", "2::AAaaaa", "1:aaaa", "1:seal:aaaa", "2:17:signature:AAaaaa", ""] {
            assert_eq!(seal(unsealed), None, "{unsealed}");
        }
        assert_eq!(with_seal("1:aaaa", Some("seal")), "1:aaaa");
    }
}
