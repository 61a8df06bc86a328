//! Lucene's query line: `text:lipstick AND user:u1`, `"matte lipstick"~2`, `price:[10 TO 20}`, `+a -b`, `lip*`, `lipstik~1`, `a^2`.

#[cfg(test)]
mod tests;

use tantivy::query::Occur;

use crate::answer::SearchError;

/// How deep parentheses may be.
const DEEPEST: usize = 30;

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Clauses that must, may or mustn't fit.
    Group(Vec<(Occur, Node)>),
    /// Words.
    Words(String),
    /// Words side by side; with so many others between them at most, if that is said.
    Phrase(String, Option<u32>),
    /// A text with `*` and `?`, and `\` before what is meant as it is.
    Wildcard(String),
    /// A word that may be misspelt; by so much, if that is said.
    Fuzzy(String, Option<String>),
    /// From here to there; the sides belong to it or not.
    Range(Option<(String, bool)>, Option<(String, bool)>),
    /// Everything.
    Everything,
    /// The same in one field.
    In(String, Box<Node>),
    /// The same with a weight.
    Weighted(Box<Node>, f32),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    And,
    Or,
    Not,
    Plus,
    Minus,
    Open,
    Close,
    Colon,
    Caret(f32),
    Tilde(Option<String>),
    Quoted(String),
    /// Between brackets or braces: from, to, and whether both belong to it.
    Range(String, String, bool, bool),
    /// `>`, `>=`, `<` or `<=` before a value.
    Beyond(&'static str),
    /// As it is written, with its `\`.
    Term(String),
    Wild(String),
}

/// Reads a line.
///
/// # Errors
/// It isn't written as lines are.
pub(super) fn parse(line: &str, all: bool) -> Result<Node, SearchError> {
    let tokens = tokens(line).map_err(|reason| failed(line, &reason))?;
    let mut reader = Reader { tokens: &tokens, at: 0, all, depth: 0 };
    let node = reader.group().map_err(|reason| failed(line, &reason))?;
    if reader.at < tokens.len() {
        return Err(failed(line, "a \")\" closes nothing"));
    }
    Ok(node)
}

fn failed(line: &str, reason: &str) -> SearchError {
    let shown: String = line.chars().take(200).collect();
    SearchError::shard(format!("Failed to parse query [{shown}]: {reason}"))
}

/// What `\` stands before as it is.
pub(super) fn plain(text: &str) -> String {
    let mut letters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let letters: Vec<char> = line.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let next = letters.get(at + 1).copied();
        at += 1;
        match letter {
            letter if letter.is_whitespace() => {}
            '(' => found.push(Token::Open),
            ')' => found.push(Token::Close),
            ':' => found.push(Token::Colon),
            '+' => found.push(Token::Plus),
            '-' => found.push(Token::Minus),
            '!' => found.push(Token::Not),
            '&' if next == Some('&') => {
                at += 1;
                found.push(Token::And);
            }
            '|' if next == Some('|') => {
                at += 1;
                found.push(Token::Or);
            }
            '^' => {
                let digits = number(&letters[at..]);
                at += digits.len();
                let weight = digits.parse::<f32>().ok().filter(|weight| weight.is_finite());
                let weight = weight.ok_or_else(|| "no number stands behind a ^".to_owned())?;
                found.push(Token::Caret(weight));
            }
            '~' => {
                let digits = number(&letters[at..]);
                at += digits.len();
                found.push(Token::Tilde((!digits.is_empty()).then_some(digits)));
            }
            '"' => {
                let end = closing(&letters, at, '"').ok_or("a quote isn't closed")?;
                found.push(Token::Quoted(letters[at..end].iter().collect()));
                at = end + 1;
            }
            '[' | '{' => {
                let end = (at..letters.len()).find(|at| matches!(letters[*at], ']' | '}'));
                let end = end.ok_or("a range isn't closed")?;
                let text: String = letters[at..end].iter().collect();
                let (from, to) = text.split_once(" TO ").ok_or("a range has no TO")?;
                let bare = |text: &str| text.trim().trim_matches('"').to_owned();
                found.push(Token::Range(bare(from), bare(to), letter == '[', letters[end] == ']'));
                at = end + 1;
            }
            ']' | '}' => return Err(format!("a \"{letter}\" closes nothing")),
            '/' => {
                return Err(
                    "regular expressions aren't known here; put \\ before a / that is meant as it is".to_owned()
                );
            }
            '>' | '<' if found.last() == Some(&Token::Colon) => {
                let with = next == Some('=');
                at += usize::from(with);
                found.push(Token::Beyond(match (letter, with) {
                    ('>', false) => ">",
                    ('>', true) => ">=",
                    ('<', false) => "<",
                    _ => "<=",
                }));
            }
            _ => {
                at -= 1;
                let end = term_end(&letters, at)?;
                let text: String = letters[at..end].iter().collect();
                at = end;
                found.push(match text.as_str() {
                    "AND" => Token::And,
                    "OR" => Token::Or,
                    "NOT" => Token::Not,
                    _ if is_wild(&text) => Token::Wild(text),
                    _ => Token::Term(text),
                });
            }
        }
    }
    Ok(found)
}

/// Whether a text has a `*` or `?` that isn't meant as it is.
pub(super) fn is_wild(text: &str) -> bool {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => _ = letters.next(),
            '*' | '?' => return true,
            _ => {}
        }
    }
    false
}

fn number(letters: &[char]) -> String {
    letters.iter().take_while(|letter| letter.is_ascii_digit() || **letter == '.').collect()
}

fn closing(letters: &[char], from: usize, mark: char) -> Option<usize> {
    let mut at = from;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            letter if letter == mark => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn term_end(letters: &[char], from: usize) -> Result<usize, String> {
    let mut at = from;
    while at < letters.len() {
        match letters[at] {
            '\\' if at + 1 >= letters.len() => return Err("nothing stands behind the last \\".to_owned()),
            '\\' => at += 2,
            letter if letter.is_whitespace() || "\"()[]{}^~:".contains(letter) => break,
            _ => at += 1,
        }
    }
    Ok(at)
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// Whether words without an operator between them must all fit.
    all: bool,
    depth: usize,
}

impl Reader<'_> {
    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Clauses to the end or a closing parenthesis. What an operator means to its neighbours is what it means to Lucene.
    fn group(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("parentheses are deeper than {DEEPEST}"));
        }
        let mut clauses: Vec<(Occur, Node)> = Vec::new();
        while self.token().is_some_and(|token| *token != Token::Close) {
            if let Some(words) = self.several_words() {
                let occur = if self.all { Occur::Must } else { Occur::Should };
                clauses.push((occur, words));
                continue;
            }
            let conjunction = match self.token() {
                Some(Token::And) => Some(Occur::Must),
                Some(Token::Or) => Some(Occur::Should),
                _ => None,
            };
            if conjunction.is_some() {
                if clauses.is_empty() {
                    return Err("an operator stands at the beginning".to_owned());
                }
                self.at += 1;
            }
            let modifier = match self.token() {
                Some(Token::Plus) => Some(Occur::Must),
                Some(Token::Minus | Token::Not) => Some(Occur::MustNot),
                _ => None,
            };
            self.at += usize::from(modifier.is_some());
            let node = self.clause()?;
            if let Some((before, _)) = clauses.last_mut()
                && *before != Occur::MustNot
                && let Some(occur) = conjunction
                && (occur == Occur::Must || self.all)
            {
                *before = occur;
            }
            let occur = match (modifier, conjunction) {
                (Some(Occur::MustNot), _) => Occur::MustNot,
                // What OR introduces is optional where all else must fit, whatever stands before it.
                (_, Some(Occur::Should)) if self.all => Occur::Should,
                (Some(Occur::Must), _) | (_, Some(Occur::Must)) => Occur::Must,
                _ if self.all => Occur::Must,
                _ => Occur::Should,
            };
            clauses.push((occur, node));
        }
        self.depth -= 1;
        Ok(Node::Group(clauses))
    }

    /// Two words or more without anything between them are one text.
    fn several_words(&mut self) -> Option<Node> {
        let bound = |token: Option<&Token>| {
            matches!(token, Some(Token::Colon | Token::Tilde(_) | Token::Caret(_) | Token::And | Token::Or))
        };
        let mut words = Vec::new();
        let mut at = self.at;
        while let Some(Token::Term(text)) = self.tokens.get(at)
            && !bound(self.tokens.get(at + 1))
        {
            words.push(plain(text));
            at += 1;
        }
        if words.len() < 2 {
            return None;
        }
        self.at = at;
        Some(Node::Words(words.join(" ")))
    }

    fn clause(&mut self) -> Result<Node, String> {
        if let (Some(Token::Term(field) | Token::Wild(field)), Some(Token::Colon)) =
            (self.token(), self.tokens.get(self.at + 1))
        {
            let field = plain(field);
            self.at += 2;
            if field == "*" {
                return match self.token() {
                    Some(Token::Wild(text)) if text == "*" => {
                        self.at += 1;
                        Ok(Node::Everything)
                    }
                    _ => self.weighted_term(),
                };
            }
            return Ok(Node::In(field, Box::new(self.weighted_term()?)));
        }
        self.weighted_term()
    }

    fn weighted_term(&mut self) -> Result<Node, String> {
        let node = self.term()?;
        let Some(Token::Caret(weight)) = self.token() else { return Ok(node) };
        let weight = *weight;
        self.at += 1;
        Ok(Node::Weighted(Box::new(node), weight))
    }

    fn term(&mut self) -> Result<Node, String> {
        let token = self.token().cloned().ok_or("something is missing at the end")?;
        self.at += 1;
        match token {
            Token::Open => {
                if self.token() == Some(&Token::Close) {
                    return Err("a pair of parentheses is empty".to_owned());
                }
                let group = self.group()?;
                if self.token() != Some(&Token::Close) {
                    return Err("a \"(\" isn't closed".to_owned());
                }
                self.at += 1;
                Ok(group)
            }
            Token::Quoted(text) => {
                let slop = match self.tilde() {
                    None => None,
                    Some(digits) => {
                        let slop = digits.and_then(|digits| digits.parse::<f32>().ok()).filter(|slop| *slop < 256.0);
                        Some(slop.ok_or("no number up to 255 stands behind the ~ of a phrase")? as u32)
                    }
                };
                Ok(Node::Phrase(plain(&text), slop))
            }
            Token::Range(from, to, with_from, with_to) => {
                let side = |text: String, with| (text != "*").then(|| (plain(&text), with));
                Ok(Node::Range(side(from, with_from), side(to, with_to)))
            }
            Token::Beyond(sign) => {
                let value = match self.token().cloned() {
                    Some(Token::Term(text) | Token::Quoted(text)) => plain(&text),
                    // A number below zero.
                    Some(Token::Minus) => match self.tokens.get(self.at + 1) {
                        Some(Token::Term(text)) => {
                            let text = format!("-{}", plain(text));
                            self.at += 1;
                            text
                        }
                        _ => return Err(format!("no value stands behind {sign}")),
                    },
                    _ => return Err(format!("no value stands behind {sign}")),
                };
                self.at += 1;
                let side = Some((value, sign.ends_with('=')));
                Ok(if sign.starts_with('>') { Node::Range(side, None) } else { Node::Range(None, side) })
            }
            Token::Wild(text) => Ok(Node::Wildcard(text)),
            Token::Term(text) => {
                let text = plain(&text);
                match self.tilde() {
                    Some(changes) => Ok(Node::Fuzzy(text, changes)),
                    None => Ok(Node::Words(text)),
                }
            }
            Token::Close => Err("a \")\" closes nothing".to_owned()),
            Token::Colon => Err("no field stands before a \":\"".to_owned()),
            Token::Caret(_) | Token::Tilde(_) => Err("nothing stands before a ^ or ~".to_owned()),
            Token::And | Token::Or | Token::Not | Token::Plus | Token::Minus => {
                Err("two operators stand side by side".to_owned())
            }
        }
    }

    #[expect(clippy::option_option, reason = "no ~, or one without a number")]
    fn tilde(&mut self) -> Option<Option<String>> {
        let Some(Token::Tilde(digits)) = self.token() else { return None };
        let digits = digits.clone();
        self.at += 1;
        Some(digits)
    }
}
