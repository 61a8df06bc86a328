//! As much of SQL as it takes to find the tables that a model reads.

mod columns;

use std::ops::Range;

pub use columns::{Named, columns};

use super::diagnostics::Diagnostic;

/// Where a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// In the raw zone, written `raw.NAME`.
    Raw,
    /// In the warehouse, written `warehouse.NAME`.
    Warehouse,
}

/// A table that a query reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Where the table is.
    pub zone: Zone,
    /// Its name.
    pub table: String,
    /// Where the reference stands in the model's file, in bytes.
    pub span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    Word,
    Symbol,
    Text,
}

#[derive(Debug, Clone)]
struct Token {
    kind: TokenKind,
    span: Range<usize>,
}

/// The tokens of a query: words, symbols of one character and literals; comments and blanks are left out.
fn tokens(text: &str, range: Range<usize>) -> Vec<Token> {
    let bytes = text.as_bytes();
    let end = range.end;
    let mut position = range.start;
    let mut tokens = Vec::new();
    let find = |from: usize, needle: &str| {
        text.get(from..end).and_then(|rest| rest.find(needle)).map_or(end, |found| from + found + needle.len())
    };
    while position < end {
        let start = position;
        let kind = match bytes[position] {
            b'-' if bytes.get(position + 1) == Some(&b'-') => {
                position = find(position, "\n");
                continue;
            }
            b'/' if bytes.get(position + 1) == Some(&b'*') => {
                position = find(position + 2, "*/");
                continue;
            }
            b'\'' => {
                position = find(position + 1, "'");
                TokenKind::Text
            }
            b'`' | b'"' => {
                position = find(position + 1, &text[position..=position]);
                TokenKind::Text
            }
            byte if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => {
                while position < end {
                    let byte = bytes[position];
                    if !(byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80) {
                        break;
                    }
                    position += 1;
                }
                TokenKind::Word
            }
            byte => {
                position += 1;
                if byte.is_ascii_whitespace() {
                    continue;
                }
                TokenKind::Symbol
            }
        };
        tokens.push(Token { kind, span: start..position });
    }
    tokens
}

/// The references `raw.NAME` and `warehouse.NAME` of a query, in their order.
pub fn references(text: &str, body: Range<usize>) -> Vec<Read> {
    let tokens = tokens(text, body);
    let word = |token: &Token| &text[token.span.clone()];
    let mut reads = Vec::new();
    for (index, window) in tokens.windows(3).enumerate() {
        let zone = match word(&window[0]).to_ascii_lowercase().as_str() {
            "raw" => Zone::Raw,
            "warehouse" => Zone::Warehouse,
            _ => continue,
        };
        let after_dot = index > 0 && word(&tokens[index - 1]) == ".";
        let adjacent = window[0].span.end == window[1].span.start && window[1].span.end == window[2].span.start;
        if word(&window[1]) == "." && adjacent && window[2].kind == TokenKind::Word && !after_dot {
            let span = window[0].span.start..window[2].span.end;
            reads.push(Read { zone, table: word(&window[2]).to_owned(), span });
        }
    }
    reads
}

/// What keeps a text from being one SELECT; `what` is the word for it, `model`.
pub fn statement_mistakes(text: &str, body: Range<usize>, what: &str) -> Vec<Diagnostic> {
    let tokens = tokens(text, body.clone());
    let word = |token: &Token| text[token.span.clone()].to_ascii_lowercase();
    let mut list = Vec::new();
    let Some(first) = tokens.first() else {
        return vec![
            Diagnostic::new(
                body.start.saturating_sub(1)..body.start,
                format!("the {what} holds no query"),
                "nothing follows",
            )
            .help("write one SELECT after the comment lines"),
        ];
    };
    if !matches!(word(first).as_str(), "select" | "with") {
        list.push(
            Diagnostic::new(
                first.span.clone(),
                format!("a {what} can't begin with `{}`", &text[first.span.clone()]),
                "",
            )
            .help(format!("a {what} is one SELECT, or WITH … SELECT")),
        );
    }
    if let Some(semicolon) = tokens.iter().find(|token| word(token) == ";") {
        list.push(
            Diagnostic::new(semicolon.span.clone(), format!("a {what} holds one query"), "another one begins here")
                .help(format!("make it a {what} of its own, or a WITH query of this one")),
        );
    }
    list.extend(unfinished(text, &tokens));
    list
}

/// Literals and parentheses that nothing ends.
fn unfinished(text: &str, tokens: &[Token]) -> Vec<Diagnostic> {
    let mut list = Vec::new();
    let mut open: Vec<Range<usize>> = Vec::new();
    for token in tokens {
        let written = &text[token.span.clone()];
        match (token.kind, written) {
            (TokenKind::Symbol, "(") => open.push(token.span.clone()),
            (TokenKind::Symbol, ")") if open.pop().is_none() => {
                list.push(Diagnostic::new(
                    token.span.clone(),
                    "a parenthesis is closed that wasn't opened",
                    "too many",
                ));
            }
            (TokenKind::Text, _)
                if written.len() < 2 || written.as_bytes()[0] != written.as_bytes()[written.len() - 1] =>
            {
                let begin = token.span.start..token.span.start + 1;
                let title = format!("the text that begins with {} has no end", &written[..1]);
                list.push(Diagnostic::new(begin, title, "begins here"));
            }
            _ => {}
        }
    }
    list.extend(open.into_iter().map(|span| Diagnostic::new(span, "a parenthesis is never closed", "opened here")));
    list
}

/// What to say of tables after FROM and JOIN that are of neither zone, as a model must name them.
pub fn unqualified_tables(text: &str, body: Range<usize>) -> Vec<Diagnostic> {
    let of_neither = tables_of_neither_zone(text, &tokens(text, body)).into_iter();
    let diagnostic = |span: Range<usize>| {
        let title = format!("a model can't read `{}`", &text[span.clone()]);
        Diagnostic::new(span, title, "neither of the raw zone nor of the warehouse")
            .help("name a table `raw.NAME` or a model `warehouse.NAME`")
    };
    of_neither.map(diagnostic).collect()
}

/// Tables after FROM and JOIN that are named without a database: their names and places.
pub fn tables_alone(text: &str, body: Range<usize>) -> Vec<(String, Range<usize>)> {
    let spans = tables_of_neither_zone(text, &tokens(text, body)).into_iter();
    let named = spans.map(|span| (text[span.clone()].to_ascii_lowercase(), span));
    named.filter(|(name, _)| !name.contains('.')).collect()
}

/// The places of tables after FROM and JOIN that are of neither zone.
fn tables_of_neither_zone(text: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let word =
        |index: usize| tokens.get(index).map_or(String::new(), |token| text[token.span.clone()].to_ascii_lowercase());
    let named: Vec<String> =
        (0..tokens.len()).filter(|index| word(index + 1) == "as" && word(index + 2) == "(").map(word).collect();
    // Of each open parenthesis: whether a query stands in it, or the arguments of a function, as in `extract(day FROM x)`.
    let mut queries = vec![true];
    let mut list = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match word(index).as_str() {
            "(" => queries.push(matches!(word(index + 1).as_str(), "select" | "with")),
            ")" if queries.len() > 1 => {
                queries.pop();
            }
            "from" | "join" if queries.last() == Some(&true) && !(index > 0 && word(index - 1) == "distinct") => {
                let Some(table) = tokens.get(index + 1).filter(|table| table.kind == TokenKind::Word) else { continue };
                let name = word(index + 1);
                let known = matches!(name.as_str(), "raw" | "warehouse") && word(index + 2) == ".";
                let end = if word(index + 2) == "." { index + 3 } else { index + 1 };
                let end = tokens.get(end).map_or(token.span.end, |token| token.span.end);
                if !known && !named.contains(&name) && !matches!(name.as_str(), "unnest" | "lateral" | "values") {
                    list.push(table.span.start..end.max(table.span.end));
                }
            }
            _ => {}
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(sql: &str) -> Vec<String> {
        let mut mistakes = statement_mistakes(sql, 0..sql.len(), "model");
        mistakes.extend(unqualified_tables(sql, 0..sql.len()));
        mistakes.into_iter().map(|mistake| mistake.title).collect()
    }

    #[test]
    fn queries_on_both_zones_are_fine() {
        for sql in [
            "SELECT 1 FROM raw.sales s JOIN warehouse.users u ON s.a IS NOT DISTINCT FROM u.a",
            "WITH x AS (SELECT extract(day FROM sold_at) FROM raw.sales) SELECT * FROM x, (SELECT 1 FROM x) y",
            "SELECT 'a; b' /* ; */ FROM raw.sales -- ;",
        ] {
            assert_eq!(titles(sql), Vec::<String>::new(), "{sql}");
        }
    }

    #[test]
    fn other_statements_and_tables_are_named() {
        assert_eq!(titles("DELETE FROM raw.sales"), ["a model can't begin with `DELETE`"]);
        assert_eq!(titles("SELECT 1 FROM raw.a; SELECT 2"), ["a model holds one query"]);
        assert_eq!(titles("SELECT 1 FROM sales"), ["a model can't read `sales`"]);
        assert_eq!(titles("SELECT 1 FROM shop_raw.sales s"), ["a model can't read `shop_raw.sales`"]);
        assert_eq!(titles("-- nothing"), ["the model holds no query"]);
    }

    #[test]
    fn what_is_begun_and_not_ended_is_named() {
        assert_eq!(titles("SELECT 'a FROM raw.sales"), ["the text that begins with ' has no end"]);
        assert_eq!(titles("SELECT \"a"), ["the text that begins with \" has no end"]);
        assert_eq!(titles("SELECT (1 FROM raw.sales"), ["a parenthesis is never closed"]);
        assert_eq!(titles("SELECT 1) FROM raw.sales"), ["a parenthesis is closed that wasn't opened"]);
        assert_eq!(titles("SELECT 'it''s', \"a b\" FROM raw.sales"), Vec::<String>::new());
        assert_eq!(tables_alone("SELECT 1 FROM Sales, shop_raw.sales JOIN users ON 1 = 1", 0..52).len(), 2);
    }
}
