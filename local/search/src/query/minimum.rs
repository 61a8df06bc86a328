//! How many of the optional clauses must fit.

use serde_json::Value;

use crate::answer::SearchError;

/// How many of so many clauses `minimum_should_match` asks for: `2`, `-1`, `75%`, `-25%`, `2<75% 9<-3`.
///
/// # Errors
/// It is none of these.
pub fn required(minimum: &Value, clauses: usize) -> Result<usize, SearchError> {
    let text = match minimum {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return Err(wrong(&minimum.to_string())),
    };
    if !text.contains('<') {
        return plain(&text, clauses);
    }
    let mut found = clauses;
    for condition in text.split_whitespace() {
        let (above, then) = condition.split_once('<').ok_or_else(|| wrong(&text))?;
        let above: usize = above.trim().parse().map_err(|_| wrong(&text))?;
        if clauses <= above {
            return Ok(found);
        }
        found = plain(then.trim(), clauses)?;
    }
    Ok(found)
}

fn plain(text: &str, clauses: usize) -> Result<usize, SearchError> {
    let all = clauses as i64;
    let count = match text.strip_suffix('%') {
        Some(percent) => {
            let percent: i64 = percent.parse().map_err(|_| wrong(text))?;
            let share = all.saturating_mul(percent) / 100;
            if percent < 0 { all + share } else { share }
        }
        None => {
            let count: i64 = text.parse().map_err(|_| wrong(text))?;
            if count < 0 { all.saturating_add(count) } else { count }
        }
    };
    Ok(usize::try_from(count).unwrap_or(0))
}

fn wrong(text: &str) -> SearchError {
    SearchError::illegal(format!("failed to parse [minimum_should_match] {text}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_counted_as_lucene_counts() {
        for (minimum, clauses, wanted) in [
            (json!(2), 5, 2),
            (json!(-1), 5, 4),
            (json!("75%"), 5, 3),
            (json!("-25%"), 5, 4),
            (json!("2<75%"), 2, 2),
            (json!("2<75%"), 4, 3),
            (json!("2<-25% 9<-3"), 9, 7),
            (json!("2<-25% 9<-3"), 10, 7),
            (json!(7), 5, 7),
            (json!(-9), 5, 0),
        ] {
            assert_eq!(required(&minimum, clauses).expect("a number"), wanted, "{minimum} of {clauses}");
        }
        for wrong in [json!("many"), json!("%"), json!("a<2"), json!([1]), json!("1.5")] {
            assert_eq!(required(&wrong, 3).expect_err("refused").status, 400, "{wrong}");
        }
    }
}
