//! `simple_query_string`: a line that is never wrong: what makes no sense in it is left out.

use serde_json::Value;
use tantivy::query::Occur;

use super::line::Line;
use super::syntax::{Node, plain};
use super::wanted::{Fuzziness, Wanted};
use super::words::{everywhere, is_everywhere, names};
use super::{Parsed, Parser, boosted};
use crate::answer::SearchError;
use crate::members::Members;

/// How deep parentheses are read.
const DEEPEST: usize = 30;

impl Parser<'_> {
    pub(super) fn simple_query_string(&self, body: &Value) -> Parsed {
        let mut members = Members::of(body, "simple_query_string")?;
        let boost = members.boost()?;
        let text = members.text("query")?;
        let text = text.ok_or_else(|| SearchError::parsing("[simple_query_string] query text missing"))?;
        let fields = names(members.take("fields"), "simple_query_string")?;
        let wanted = Wanted::of_line(&mut members, is_everywhere(&fields))?;
        let flags = members.text("flags")?.unwrap_or_else(|| "ALL".to_owned());
        if flags != "ALL" {
            return Err(SearchError::illegal(format!("[simple_query_string] knows [flags] ALL here, not [{flags}]")));
        }
        let minimum = members.take("minimum_should_match");
        if members.flag("analyze_wildcard")? == Some(true) {
            return Err(SearchError::parsing("[simple_query_string] unsupported field [analyze_wildcard]"));
        }
        members.end()?;
        let fields = self.fields(&if fields.is_empty() { everywhere() } else { fields })?;
        let letters: Vec<char> = text.chars().collect();
        let node = Reader { letters: &letters, at: 0, all: wanted.all, depth: 0 }.group();
        let line = Line { wanted, tie: 1.0, phrase_tie: 0.0, slop: 0, fuzziness: Fuzziness::Exactly(2), zone: None };
        Ok(boosted(self.top(&node, (&fields, &line), minimum)?, boost))
    }
}

struct Reader<'a> {
    letters: &'a [char],
    at: usize,
    all: bool,
    depth: usize,
}

impl Reader<'_> {
    /// What stands to the end or a closing parenthesis. Each operator takes all before it together, as Lucene has it.
    fn group(&mut self) -> Node {
        self.depth += 1;
        let default = if self.all { Occur::Must } else { Occur::Should };
        let mut top: Option<Node> = None;
        let (mut before, mut operator, mut not, mut nested) = (None, None, false, 0);
        while let Some(&letter) = self.letters.get(self.at) {
            self.at += 1;
            let node = match letter {
                '+' | '|' => {
                    if top.is_some() && operator.is_none() {
                        operator = Some(if letter == '+' { Occur::Must } else { Occur::Should });
                    }
                    continue;
                }
                '-' => {
                    not = !not;
                    continue;
                }
                ')' if self.depth > 1 => break,
                ')' => continue,
                letter if letter.is_whitespace() => continue,
                '(' if self.depth > DEEPEST => continue,
                '(' => self.group(),
                '"' => match self.quoted() {
                    Some(node) => node,
                    None => continue,
                },
                _ => self.word(),
            };
            if matches!(&node, Node::Group(clauses) if clauses.is_empty()) {
                continue;
            }
            let node =
                if not { Node::Group(vec![(Occur::MustNot, node), (Occur::Should, Node::Everything)]) } else { node };
            not = false;
            let occur = operator.take().unwrap_or(default);
            top = Some(match top {
                None => node,
                // Deeper than parentheses may be: the operator counts for what it stands in.
                Some(Node::Group(mut clauses)) if nested >= DEEPEST => {
                    clauses.push((occur, node));
                    Node::Group(clauses)
                }
                Some(Node::Group(mut clauses)) if before == Some(occur) => {
                    clauses.push((occur, node));
                    Node::Group(clauses)
                }
                Some(one) => {
                    before = Some(occur);
                    nested += 1;
                    Node::Group(vec![(occur, one), (occur, node)])
                }
            });
        }
        self.depth -= 1;
        match top {
            None => Node::Group(Vec::new()),
            Some(node @ Node::Group(_)) => node,
            Some(node) => Node::Group(vec![(default, node)]),
        }
    }

    fn quoted(&mut self) -> Option<Node> {
        let mut end = self.at;
        while end < self.letters.len() && self.letters[end] != '"' {
            end += if self.letters[end] == '\\' { 2 } else { 1 };
        }
        if end >= self.letters.len() {
            return None;
        }
        let text: String = self.letters[self.at..end].iter().collect();
        self.at = end + 1;
        let slop = self.digits();
        Some(Node::Phrase(plain(&text), slop.and_then(|digits| digits.parse::<u8>().ok()).map(u32::from)))
    }

    /// What stands behind a `~`.
    fn digits(&mut self) -> Option<String> {
        if self.letters.get(self.at) != Some(&'~') {
            return None;
        }
        let digits: String = self.letters[self.at + 1..].iter().take_while(|letter| letter.is_ascii_digit()).collect();
        self.at += 1 + digits.len();
        Some(digits)
    }

    fn word(&mut self) -> Node {
        self.at -= 1;
        let begin = self.at;
        while let Some(&letter) = self.letters.get(self.at) {
            match letter {
                '\\' => self.at += 2,
                letter if letter.is_whitespace() || "\"()|+".contains(letter) => break,
                '~' if self.at > begin => break,
                _ => self.at += 1,
            }
        }
        self.at = self.at.min(self.letters.len());
        let text: String = self.letters[begin..self.at].iter().collect();
        if let Some(digits) = self.digits() {
            let changes = digits.parse::<u32>().map_or(2, |changes| changes.min(2));
            return Node::Fuzzy(plain(&text), Some(changes.to_string()));
        }
        match text.strip_suffix('*') {
            // Only the last character is one.
            Some(begin) if !begin.is_empty() && !begin.ends_with('\\') => {
                let fixed: String = plain(begin)
                    .chars()
                    .flat_map(|letter| match letter {
                        '*' | '?' | '\\' => vec!['\\', letter],
                        other => vec![other],
                    })
                    .collect();
                Node::Wildcard(format!("{fixed}*"))
            }
            _ if text == "*" => Node::Everything,
            _ => Node::Words(plain(&text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, all: bool) -> Vec<(Occur, Node)> {
        let letters: Vec<char> = line.chars().collect();
        match (Reader { letters: &letters, at: 0, all, depth: 0 }).group() {
            Node::Group(clauses) => clauses,
            other => vec![(Occur::Must, other)],
        }
    }

    fn depth(node: &Node) -> usize {
        match node {
            Node::Group(clauses) => 1 + clauses.iter().map(|(_, node)| depth(node)).max().unwrap_or(0),
            _ => 0,
        }
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        use Occur::{Must, MustNot, Should};
        let words = |text: &str| Node::Words(text.to_owned());
        for (line, wanted) in [
            ("a b", vec![(Should, words("a")), (Should, words("b"))]),
            ("a + b", vec![(Must, words("a")), (Must, words("b"))]),
            (
                "a -b",
                vec![
                    (Should, words("a")),
                    (Should, Node::Group(vec![(MustNot, words("b")), (Should, Node::Everything)])),
                ],
            ),
            (
                "a b + c",
                vec![(Must, Node::Group(vec![(Should, words("a")), (Should, words("b"))])), (Must, words("c"))],
            ),
            (
                "\"a b\"~3 c*",
                vec![(Should, Node::Phrase("a b".into(), Some(3))), (Should, Node::Wildcard("c*".into()))],
            ),
            ("lipstik~1", vec![(Should, Node::Fuzzy("lipstik".into(), Some("1".into())))]),
            ("(a | b", vec![(Should, words("a")), (Should, words("b"))]),
            ("\"a", vec![(Should, words("a"))]),
            ("((( ))) +", vec![]),
            ("well-known", vec![(Should, words("well-known"))]),
        ] {
            assert_eq!(read(line, false), wanted, "{line}");
        }
        assert_eq!(read("a b", true), [(Must, words("a")), (Must, words("b"))]);
        assert_eq!(read("a | b", true), [(Should, words("a")), (Should, words("b"))]);
        read(&"(".repeat(100_000), false);
        // Each change of the operator takes all before it together.
        let deep = Node::Group(read(&"a|a+".repeat(10_000), false));
        assert!((DEEPEST..2 * DEEPEST).contains(&depth(&deep)), "{}", depth(&deep));
    }
}
