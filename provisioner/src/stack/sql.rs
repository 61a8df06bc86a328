//! As much of SQL as it takes to find the tables that a model reads.

use std::ops::Range;

use super::diagnostics::Diagnostic;
use super::models::Read;

/// Where a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// In the raw zone, written `raw.NAME`.
    Raw,
    /// In the warehouse, written `warehouse.NAME`.
    Warehouse,
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

/// What keeps a model from being one SELECT on tables of the two zones.
pub fn statement_mistakes(text: &str, body: Range<usize>) -> Vec<Diagnostic> {
    let tokens = tokens(text, body.clone());
    let word = |token: &Token| text[token.span.clone()].to_ascii_lowercase();
    let mut list = Vec::new();
    let Some(first) = tokens.first() else {
        return vec![
            Diagnostic::new(body.start.saturating_sub(1)..body.start, "the model holds no query", "nothing follows")
                .help("write one SELECT after the comment lines"),
        ];
    };
    if !matches!(word(first).as_str(), "select" | "with") {
        list.push(
            Diagnostic::new(
                first.span.clone(),
                format!("a model can't begin with `{}`", &text[first.span.clone()]),
                "",
            )
            .help("a model is one SELECT, or WITH … SELECT: Lakewright writes its rows to the table"),
        );
    }
    if let Some(semicolon) = tokens.iter().find(|token| word(token) == ";") {
        list.push(
            Diagnostic::new(semicolon.span.clone(), "a model holds one query", "another one begins here")
                .help("make it a model of its own, or a WITH query of this one"),
        );
    }
    list.extend(unqualified_tables(text, &tokens));
    list
}

/// Tables after FROM and JOIN that are of neither zone.
fn unqualified_tables(text: &str, tokens: &[Token]) -> Vec<Diagnostic> {
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
                    let span = table.span.start..end.max(table.span.end);
                    let title = format!("a model can't read `{}`", &text[span.clone()]);
                    list.push(
                        Diagnostic::new(span, title, "neither of the raw zone nor of the warehouse")
                            .help("name a table `raw.NAME` or a model `warehouse.NAME`"),
                    );
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
        statement_mistakes(sql, 0..sql.len()).into_iter().map(|mistake| mistake.title).collect()
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
}
