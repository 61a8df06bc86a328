//! `query_string`: Lucene's query line.

use serde_json::Value;
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur};

use super::syntax::{Node, parse};
use super::wanted::{Fuzziness, Wanted, slop};
use super::words::{Fields, everywhere, is_everywhere, names, unless_lenient};
use super::{Boxed, Parsed, Parser, boosted, minimum};
use crate::answer::SearchError;
use crate::members::Members;

/// How the parts of a line are looked for.
#[derive(Debug)]
pub(super) struct Line {
    pub wanted: Wanted,
    /// The share of the scores of all fields but the best.
    pub tie: f32,
    /// The same for words side by side.
    pub phrase_tie: f32,
    /// How many words may stand between those of a phrase, unless it says so.
    pub slop: u32,
    /// How far a word with `~` may be, unless it says so.
    pub fuzziness: Fuzziness,
    /// The zone of times.
    pub zone: Option<String>,
}

impl Parser<'_> {
    pub(super) fn query_string(&self, body: &Value) -> Parsed {
        let mut members = Members::of(body, "query_string")?;
        let boost = members.boost()?;
        let text = members.text("query")?;
        let text = text.ok_or_else(|| SearchError::parsing("[query_string] must be provided with a [query]"))?;
        let mut fields = names(members.take("fields"), "query_string")?;
        fields.extend(members.text("default_field")?);
        let wanted = Wanted::of_line(&mut members, is_everywhere(&fields))?;
        let leading = members.flag("allow_leading_wildcard")?.unwrap_or(true);
        let slop = slop(&mut members, "phrase_slop")?;
        let fuzziness = match members.text("fuzziness")? {
            None => Fuzziness::Auto(3, 6),
            Some(text) => Fuzziness::parse(&text)
                .ok_or_else(|| SearchError::illegal(format!("Invalid fuzziness value: {text}")))?,
        };
        let minimum = members.take("minimum_should_match");
        let zone = members.text("time_zone")?;
        let tie = members.number("tie_breaker")?.map(|tie| tie as f32);
        let phrase_tie = tie.unwrap_or(0.0);
        let tie = match members.text("type")?.as_deref() {
            None | Some("best_fields") => tie.unwrap_or(0.0),
            Some("most_fields") => tie.unwrap_or(1.0),
            Some(other) => {
                return Err(SearchError::parsing(format!(
                    "failed to parse [query_string] query type [{other}]. unknown type."
                )));
            }
        };
        // Nothing here has regular expressions or positions of their own.
        for without in ["enable_position_increments", "max_determinized_states", "rewrite", "fuzzy_rewrite"] {
            members.take(without);
        }
        if members.flag("analyze_wildcard")? == Some(true) {
            return Err(SearchError::parsing("[query_string] query does not support [analyze_wildcard]"));
        }
        let escape = members.flag("escape")?.unwrap_or(false);
        members.end()?;
        let text = if escape { escaped(&text) } else { text };
        let node = parse(&text, wanted.all)?;
        if !leading && has_leading(&node) {
            return Err(SearchError::shard(format!(
                "Failed to parse query [{text}]: '*' or '?' not allowed as first character in WildcardQuery"
            )));
        }
        let fields = self.fields(&if fields.is_empty() { everywhere() } else { fields })?;
        let line = Line { wanted, tie, phrase_tie, slop, fuzziness, zone };
        Ok(boosted(self.top(&node, (&fields, &line), minimum)?, boost))
    }

    /// The whole line: one with nothing but what mustn't fit finds the rest.
    pub(super) fn top(&self, node: &Node, (fields, line): (&Fields, &Line), minimum: Option<&Value>) -> Parsed {
        let Node::Group(clauses) = node else { return self.lower(node, (fields, line)) };
        if let ([(Occur::Should | Occur::Must, only)], None) = (clauses.as_slice(), minimum) {
            return self.lower(only, (fields, line));
        }
        let mut lowered = Vec::with_capacity(clauses.len() + 1);
        for (occur, node) in clauses {
            let parser = if *occur == Occur::MustNot { self.excluding() } else { *self };
            lowered.push((*occur, parser.lower(node, (fields, line))?));
        }
        let should = clauses.iter().filter(|(occur, _)| *occur == Occur::Should).count();
        let minimum = match minimum {
            Some(minimum) => minimum::required(minimum, should)?,
            None => 0,
        };
        if minimum > should {
            return Ok(Box::new(EmptyQuery));
        }
        if !lowered.is_empty() && lowered.iter().all(|(occur, _)| *occur == Occur::MustNot) {
            lowered.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))));
        }
        Ok(Box::new(BooleanQuery::with_minimum_required_clauses(lowered, minimum)))
    }

    fn lower(&self, node: &Node, (fields, line): (&Fields, &Line)) -> Parsed {
        self.spend(1)?;
        match node {
            Node::Group(clauses) => {
                let each = clauses.iter().map(|(occur, node)| {
                    let parser = if *occur == Occur::MustNot { self.excluding() } else { *self };
                    Ok((*occur, parser.lower(node, (fields, line))?))
                });
                let each = each.collect::<Result<Vec<_>, SearchError>>()?;
                Ok(Box::new(BooleanQuery::new(each)))
            }
            Node::Everything => Ok(Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0))),
            Node::Weighted(node, weight) => Ok(boosted(self.lower(node, (fields, line))?, *weight)),
            Node::In(field, node) if field == "_exists_" => match &**node {
                Node::Words(name) => Ok(self.exists(name)),
                Node::Wildcard(name) if name == "*" => Ok(Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0))),
                _ => Err(SearchError::shard("Failed to parse query: [_exists_] takes the name of a field")),
            },
            Node::In(field, node) => {
                let fields = self.fields(std::slice::from_ref(field))?;
                self.lower(node, (&fields, line))
            }
            Node::Words(text) => self.words_in(fields, text, (&line.wanted, line.tie)),
            Node::Phrase(text, slop) => {
                self.phrase_in(fields, text, (slop.unwrap_or(line.slop), line.phrase_tie), line.wanted.lenient)
            }
            Node::Fuzzy(text, changes) => {
                let fuzziness = match changes {
                    None => line.fuzziness,
                    Some(changes) => Fuzziness::parse(changes).ok_or_else(|| {
                        SearchError::shard(format!(
                            "Failed to parse query: [~{changes}] is no number of changes: 0, 1 or 2"
                        ))
                    })?,
                };
                let wanted = Wanted { fuzziness: Some(fuzziness), ..line.wanted.clone() };
                self.words_in(fields, text, (&wanted, line.tie))
            }
            Node::Wildcard(pattern) if pattern == "*" => {
                if fields.is_all {
                    return Ok(Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0)));
                }
                each((fields, line), |field| Ok(self.exists(field)))
            }
            Node::Wildcard(pattern) => each((fields, line), |field| {
                let pattern = if self.is_text(field) { pattern.to_lowercase() } else { pattern.clone() };
                self.wildcard(field, &pattern, false)
            }),
            Node::Range(..) if fields.is_all => {
                Err(SearchError::shard("Failed to parse query: a range needs a field, as in price:[1 TO 2]"))
            }
            Node::Range(from, to) => {
                each((fields, line), |field| self.between(field, (from, to), line.zone.as_deref()))
            }
        }
    }
}

/// What one of the fields finds.
fn each((fields, line): (&Fields, &Line), query: impl Fn(&str) -> Parsed) -> Parsed {
    let found = fields.named.iter().map(|(field, weight)| {
        Ok(boosted(query(field).or_else(|error| unless_lenient(error, line.wanted.lenient))?, *weight))
    });
    let mut found = found.collect::<Result<Vec<Boxed>, SearchError>>()?;
    Ok(if found.len() == 1 {
        found.remove(0)
    } else {
        Box::new(DisjunctionMaxQuery::with_tie_breaker(found, line.tie))
    })
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\+-!():^[]\"{}~*?|&/".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn has_leading(node: &Node) -> bool {
    match node {
        Node::Group(clauses) => clauses.iter().any(|(_, node)| has_leading(node)),
        Node::In(_, node) | Node::Weighted(node, _) => has_leading(node),
        Node::Wildcard(pattern) => pattern != "*" && pattern.starts_with(['*', '?']),
        _ => false,
    }
}
