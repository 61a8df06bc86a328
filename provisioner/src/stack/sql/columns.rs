//! The columns that a query names, as far as its text says without understanding all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Token, TokenKind, Zone, tokens};

/// A column that a query names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The table of the raw zone that it is a column of; none where only the engine could know.
    pub table: Option<String>,
    /// Its name.
    pub column: String,
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
}

/// Words that may follow a table and are no name for it.
const FOLLOWING: [&str; 22] = [
    "on",
    "where",
    "group",
    "order",
    "having",
    "limit",
    "offset",
    "fetch",
    "union",
    "except",
    "intersect",
    "join",
    "inner",
    "left",
    "right",
    "full",
    "cross",
    "natural",
    "using",
    "window",
    "tablesample",
    "lateral",
];

/// The columns that a query names: those that stand behind the name of a table of the raw zone, and the single words
/// that are no function and no name that the query gives. Keywords are among the latter.
pub fn columns(text: &str, body: Range<usize>) -> Vec<Named> {
    let tokens = tokens(text, body);
    let query = Query { text, tokens: &tokens };
    let (tables, given) = (query.tables(), query.given());
    let mut named = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.kind != TokenKind::Word || query.word(index + 1) == "(" {
            continue;
        }
        let word = query.word(index);
        let (before, after) = (index.checked_sub(1).map_or(String::new(), |at| query.word(at)), query.word(index + 1));
        let table = match (before.as_str(), after.as_str()) {
            (_, ".") => continue,
            (".", _) => {
                let owner = index.checked_sub(2).map_or(String::new(), |at| query.word(at));
                // `raw.sales` itself is no column.
                let qualified = index.checked_sub(3).is_some_and(|at| query.word(at) == ".");
                match tables.get(&owner) {
                    Some(Some(table)) if !qualified => Some(table.clone()),
                    _ => continue,
                }
            }
            _ if given.contains(&word) => continue,
            _ => None,
        };
        named.push(Named { table, column: word, span: token.span.clone() });
    }
    named
}

struct Query<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

impl Query<'_> {
    /// The token in lower case; empty behind the end.
    fn word(&self, index: usize) -> String {
        self.tokens.get(index).map_or(String::new(), |token| self.text[token.span.clone()].to_ascii_lowercase())
    }

    fn is_name(&self, index: usize) -> bool {
        self.tokens.get(index).is_some_and(|token| token.kind == TokenKind::Word)
            && !FOLLOWING.contains(&self.word(index).as_str())
    }

    /// By the name that stands for it, the table of the raw zone; none for what is something else, or not always the same.
    fn tables(&self) -> BTreeMap<String, Option<String>> {
        let mut tables: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut note = |name: String, table: Option<String>| {
            let known = tables.entry(name).or_insert_with(|| table.clone());
            if *known != table {
                *known = None;
            }
        };
        for index in 0..self.tokens.len() {
            let zone = match self.word(index).as_str() {
                "raw" => Some(Zone::Raw),
                "warehouse" => Some(Zone::Warehouse),
                _ => None,
            };
            // `raw.sales.amount` names a column, not where rows come from.
            let is_table = self.word(index + 1) == "." && self.word(index + 3) != ".";
            if let Some(zone) = zone.filter(|_| is_table) {
                let table = self.word(index + 2);
                let meant = (zone == Zone::Raw).then(|| table.clone());
                let alias = if self.word(index + 3) == "as" { index + 4 } else { index + 3 };
                note(if self.is_name(alias) { self.word(alias) } else { table }, meant);
            }
            // A query in parentheses with a name, before or behind it.
            if self.word(index) == ")" {
                let alias = if self.word(index + 1) == "as" { index + 2 } else { index + 1 };
                if self.is_name(alias) {
                    note(self.word(alias), None);
                }
            }
            if self.is_name(index) && self.word(index + 1) == "as" && self.word(index + 2) == "(" {
                note(self.word(index), None);
            }
        }
        tables
    }

    /// The names that the query itself gives.
    fn given(&self) -> BTreeSet<String> {
        (1..self.tokens.len()).filter(|index| self.word(index - 1) == "as").map(|index| self.word(index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(sql: &str) -> Vec<(String, String)> {
        let named = columns(sql, 0..sql.len()).into_iter();
        named.filter_map(|named| Some((named.table?, named.column))).collect()
    }

    #[test]
    fn columns_behind_a_tables_name_are_told() {
        let sql = "SELECT s.amount, sales.id, raw.sales.x, u.city, v.note, count(*) FROM raw.sales AS s JOIN raw.users u \
                   ON s.user_id = u.id JOIN warehouse.v ON 1 = 1 WHERE s.at > now()";
        let pair = |table: &str, column: &str| (table.to_owned(), column.to_owned());
        assert_eq!(
            owned(sql),
            [
                pair("sales", "amount"),
                pair("users", "city"),
                pair("sales", "user_id"),
                pair("users", "id"),
                pair("sales", "at"),
            ]
        );
        // One name for two things is nobody's.
        assert!(owned("SELECT t.a FROM raw.sales t UNION SELECT t.a FROM (SELECT 1 AS a) AS t").is_empty());
        assert!(owned("WITH users AS (SELECT 1 AS a) SELECT users.a FROM users, raw.users").is_empty());
    }

    #[test]
    fn single_words_are_told_but_not_functions_and_names_that_are_given() {
        let sql = "SELECT city, max(zip) AS top FROM (SELECT * FROM raw.users) AS u ORDER BY top";
        let words: Vec<String> = columns(sql, 0..sql.len()).into_iter().map(|named| named.column).collect();
        assert!(words.contains(&"city".to_owned()) && words.contains(&"zip".to_owned()), "{words:?}");
        assert!(!words.contains(&"top".to_owned()) && !words.contains(&"max".to_owned()), "{words:?}");
    }
}
