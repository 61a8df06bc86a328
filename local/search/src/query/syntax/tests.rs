//! Lines, and what they say.

use super::*;

fn words(text: &str) -> Node {
    Node::Words(text.to_owned())
}

fn within(field: &str, node: Node) -> Node {
    Node::In(field.to_owned(), Box::new(node))
}

fn side(text: &str, with: bool) -> Option<(String, bool)> {
    Some((text.to_owned(), with))
}

#[test]
fn lines_are_read_as_lucene_reads_them() {
    use Occur::{Must, MustNot, Should};
    let phrase = |text: &str, slop| Node::Phrase(text.to_owned(), slop);
    for (line, wanted) in [
        (
            "text:lipstick AND user:u1",
            vec![(Must, within("text", words("lipstick"))), (Must, within("user", words("u1")))],
        ),
        ("red lipstick", vec![(Should, words("red lipstick"))]),
        ("a b AND c", vec![(Should, words("a")), (Must, words("b")), (Must, words("c"))]),
        ("a OR b AND c", vec![(Should, words("a")), (Must, words("b")), (Must, words("c"))]),
        ("+a -b !c", vec![(Must, words("a")), (MustNot, words("b")), (MustNot, words("c"))]),
        ("a NOT b", vec![(Should, words("a")), (MustNot, words("b"))]),
        ("\"matte lipstick\"~2^3", vec![(Should, Node::Weighted(Box::new(phrase("matte lipstick", Some(2))), 3.0))]),
        ("price:[10 TO 20}", vec![(Should, within("price", Node::Range(side("10", true), side("20", false))))]),
        ("price:>=-5", vec![(Should, within("price", Node::Range(side("-5", true), None)))]),
        ("at:[2026-01-01 TO *]", vec![(Should, within("at", Node::Range(side("2026-01-01", true), None)))]),
        ("lip* l?p", vec![(Should, Node::Wildcard("lip*".into())), (Should, Node::Wildcard("l?p".into()))]),
        (
            "lipstik~ x~1",
            vec![(Should, Node::Fuzzy("lipstik".into(), None)), (Should, Node::Fuzzy("x".into(), Some("1".into())))],
        ),
        ("*:*", vec![(Should, Node::Everything)]),
        (
            "(a OR b) && c",
            vec![(Must, Node::Group(vec![(Should, words("a")), (Should, words("b"))])), (Must, words("c"))],
        ),
        (r"a\:b \(c\)", vec![(Should, words("a:b (c)"))]),
        ("a-b", vec![(Should, words("a-b"))]),
    ] {
        assert_eq!(parse(line, false).expect(line), Node::Group(wanted), "{line}");
    }
    assert_eq!(parse("a b", true).expect("read"), Node::Group(vec![(Must, words("a b"))]));
    assert_eq!(parse("a OR b", true).expect("read"), Node::Group(vec![(Should, words("a")), (Should, words("b"))]));
}

#[test]
fn what_is_no_line_is_refused() {
    for line in
        ["a AND", "(a", "a)", "\"a", "price:[1 2]", "price:[1 TO 2", "AND a", "a^", ":a", "a\\", "/re/", "+-a", "()"]
    {
        let error = parse(line, false).expect_err(line);
        assert_eq!((error.status, error.kind), (400, "query_shard_exception"), "{line}");
    }
    let deep = "(".repeat(100_000);
    assert!(parse(&deep, false).is_err());
}
