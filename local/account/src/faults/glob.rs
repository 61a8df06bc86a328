//! Patterns of operations: `*` stands for any text.

/// Whether `text` fits `pattern`.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        // The first occurrence leaves the most text for what follows.
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in
            [("*", ""), ("*", "x"), ("Create*", "CreateVpc"), ("Create*", "Create"), ("*Vpc", "CreateVpc")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        assert!(fits("*Bucket*ing", "GetBucketVersioning"));
        assert!(fits("C*V*c", "CreateVVpc"));
        for (pattern, text) in
            [("Create", "CreateVpc"), ("Create*", "DeleteVpc"), ("*Vpc", "CreateVpcs"), ("aa*aa", "aaa"), ("", "x")]
        {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
