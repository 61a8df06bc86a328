//! How deep a statement is, known before anything of it is read by recursion.

use anyhow::{Result, ensure};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// How many operators may stand in one another. A chain of them, `a AND b AND …`, is as deep as it is long; planning and
/// running go down all of it on a thread's stack.
const DEEPEST: usize = 1_000;

/// What stands between two parentheses, or all of a statement.
#[derive(Default)]
struct Level {
    /// The operators since the last comma.
    operators: usize,
    /// The depth of the deepest parentheses since then.
    inner: usize,
    /// The depth of the deepest part between two commas.
    deepest: usize,
}

impl Level {
    /// Ends what stands between two commas.
    fn part(&mut self) {
        self.deepest = self.deepest.max(self.operators + self.inner);
        (self.operators, self.inner) = (0, 0);
    }
}

/// Refuses a statement that is too deep.
///
/// # Errors
/// How to write it otherwise.
pub fn check(sql: &str) -> Result<()> {
    ensure!(
        depth(sql) <= DEEPEST,
        "the statement has more than {DEEPEST} operators in one another; write a long chain of ORs as IN (…), or several statements"
    );
    Ok(())
}

/// At least as many as there are levels in the tree of the statement's expressions. What can't be split into tokens has none:
/// the parser says what is wrong with it.
fn depth(sql: &str) -> usize {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
    let mut above: Vec<Level> = Vec::new();
    let mut level = Level::default();
    for token in tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => above.push(std::mem::take(&mut level)),
            Token::RParen | Token::RBracket | Token::RBrace => {
                level.part();
                let depth = level.deepest + 1;
                level = above.pop().unwrap_or_default();
                level.inner = level.inner.max(depth);
            }
            Token::Comma => level.part(),
            token if is_operator(&token) => level.operators += 1,
            _ => {}
        }
    }
    above.push(level);
    // Parentheses that don't close count as if they did.
    above.into_iter().rev().fold(0, |inner, mut level| {
        level.inner = level.inner.max(inner);
        level.part();
        level.deepest + 1
    })
}

/// Whether a token makes a level of its own of what stands beside it.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::BETWEEN
                | Keyword::CASE
                | Keyword::WHEN
                | Keyword::JOIN
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
        ),
        Token::EOF
        | Token::Whitespace(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::Period
        | Token::SemiColon => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_and_parentheses_are_deep_and_lists_are_not() {
        let chain = |word: &str, count: usize| format!("SELECT 1{}", format!(" {word} 1").repeat(count));
        for word in ["+", "AND", "OR", "||", "="] {
            assert!((100..110).contains(&depth(&chain(word, 100))), "{word}");
            assert!(check(&chain(word, 990)).is_ok() && check(&chain(word, 100_000)).is_err(), "{word}");
        }
        assert!(check(&format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(10_000))).is_err());
        assert!(check(&format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000))).is_err());
        assert!(check(&format!("SELECT {}1", "(".repeat(10_000))).is_err(), "what doesn't close");
        assert!(check(&format!("SELECT {}1", "NOT ".repeat(10_000))).is_err());
        let list = format!("SELECT a FROM t WHERE a IN ({}) AND b = 'x AND y'", vec!["1"; 50_000].join(", "));
        assert!(depth(&list) < 10, "{}", depth(&list));
        let sums = vec!["a + b"; 10_000].join(", ");
        assert!(depth(&format!("SELECT {sums} FROM t")) < 10);
    }

    #[test]
    fn the_deepest_part_counts() {
        assert_eq!(depth("SELECT a"), 1);
        assert_eq!(depth("SELECT a + b, (a + b) * (c + (d - 1))"), 6);
        assert_eq!(depth("SELECT 'unclosed"), 1);
    }
}
