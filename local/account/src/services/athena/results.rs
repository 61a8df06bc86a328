//! Results of queries: the CSV file in S3, and the pages that are read from it.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{invalid, query};
use crate::account::Account;
use crate::engine::QueryResult;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::request::Request;
use crate::services::glue::objects;

/// Writes a result as Athena does: every value in quotes, and nothing at all for null.
pub(super) fn csv(result: &QueryResult) -> String {
    let mut text = String::new();
    let names = result.columns.iter().map(|(name, _)| Some(name.as_str()));
    line(&mut text, names);
    for row in &result.rows {
        line(&mut text, row.iter().map(Option::as_deref));
    }
    text
}

fn line<'a>(text: &mut String, values: impl Iterator<Item = Option<&'a str>>) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(',');
        }
        if let Some(value) = value {
            let _ = write!(text, "\"{}\"", value.replace('"', "\"\""));
        }
    }
    text.push('\n');
}

/// Writes the result of a statement that is no query: lines of values between tabs.
pub(super) fn lines(result: &QueryResult) -> String {
    let mut text = String::new();
    for row in &result.rows {
        let values: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or_default()).collect();
        text.push_str(&values.join("\t"));
        text.push('\n');
    }
    text
}

/// Reads what [`csv`] wrote.
fn read_csv(text: &str) -> Vec<Vec<Option<String>>> {
    let (mut rows, mut row, mut value) = (Vec::new(), Vec::new(), None::<String>);
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                value.get_or_insert_default().push('"');
            }
            '"' => {
                quoted = !quoted;
                value.get_or_insert_default();
            }
            ',' if !quoted => row.push(value.take()),
            '\n' if !quoted => {
                row.push(value.take());
                rows.push(std::mem::take(&mut row));
            }
            other => value.get_or_insert_default().push(other),
        }
    }
    rows
}

fn column(name: &str, kind: &str) -> Value {
    let inside = kind.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside);
    let base = match kind.split_once('(') {
        Some((base, rest)) if rest.contains("with time zone") => format!("{base} with time zone"),
        Some((base, _)) => base.to_owned(),
        None => kind.to_owned(),
    };
    let mut numbers = inside.unwrap_or_default().split(',').map(|number| number.trim().parse::<i64>().ok());
    let given = (numbers.next().flatten(), numbers.next().flatten());
    let (precision, scale) = match base.as_str() {
        "decimal" => (given.0.unwrap_or(38), given.1.unwrap_or(0)),
        "varchar" => (given.0.unwrap_or(2_147_483_647), 0),
        "tinyint" => (3, 0),
        "smallint" => (5, 0),
        "integer" => (10, 0),
        "bigint" => (19, 0),
        "float" | "real" | "double" => (17, 0),
        "varbinary" => (1_073_741_824, 0),
        _ if base.starts_with("timestamp") => (given.0.unwrap_or(3), 0),
        _ => (0, 0),
    };
    json!({
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": base,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": base == "varchar" || base == "char",
    })
}

pub(super) async fn get(account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
    let query = account.transact(request, |state| query::named(state, request))?;
    match query["Status"].text("State") {
        Some("SUCCEEDED") => {}
        Some("FAILED" | "CANCELLED") => {
            let reason = query["Status"].text("StateChangeReason").unwrap_or_default();
            return Err(invalid(format!(
                "Query did not finish successfully. Final query state: {}. {reason}",
                query["Status"].text("State").unwrap_or_default()
            )));
        }
        state => {
            let state = state.unwrap_or_default();
            return Err(invalid(format!("Query has not yet finished. Current state: {state}")));
        }
    }
    let limit = request.input.number("MaxResults").unwrap_or(1000);
    if !(1..=1000).contains(&limit) {
        return Err(invalid("MaxResults must be between 1 and 1000"));
    }
    let location = query["ResultConfiguration"].text("OutputLocation").unwrap_or_default();
    let bytes = objects::get(account, request, location).await;
    let bytes = bytes.map_err(|error| invalid(format!("Could not find results: {}", error.message)))?;
    let text = String::from_utf8_lossy(&bytes);
    let rows = if location.ends_with(".csv") {
        read_csv(&text)
    } else {
        text.lines().map(|line| vec![Some(line.to_owned())]).collect()
    };
    let bad_token = || invalid("Invalid NextToken");
    let (rows, next) = page(rows, request.input.text("NextToken"), limit as usize, bad_token)?;
    let datum = |value: Option<String>| value.map_or_else(|| json!({}), |value| json!({ "VarCharValue": value }));
    let rows: Vec<Value> =
        rows.into_iter().map(|row| json!({ "Data": row.into_iter().map(datum).collect::<Vec<_>>() })).collect();
    let columns: Vec<Value> = query
        .list("_columns")
        .iter()
        .map(|pair| column(pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default()))
        .collect();
    let mut answer = json!({
        "UpdateCount": 0,
        "ResultSet": { "Rows": rows, "ResultSetMetadata": { "ColumnInfo": columns } },
    });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::{QueryResult, column, csv, read_csv};

    #[test]
    fn nulls_and_empty_texts_survive_the_file() {
        let rows = vec![vec![Some("a \"b\",\nc".to_owned()), None], vec![Some(String::new()), Some("2".to_owned())]];
        let columns = vec![("x".to_owned(), "varchar".to_owned()), ("y".to_owned(), "bigint".to_owned())];
        let read = read_csv(&csv(&QueryResult { columns, rows: rows.clone(), scanned_bytes: 0 }));
        assert_eq!(read[0], [Some("x".to_owned()), Some("y".to_owned())]);
        assert_eq!(read[1..], rows);
    }

    #[test]
    fn columns_have_base_types() {
        let decimal = column("a", "decimal(12,2)");
        assert_eq!((decimal["Type"].as_str(), decimal["Precision"].as_i64()), (Some("decimal"), Some(12)));
        assert_eq!(decimal["Scale"], 2);
        assert_eq!(column("a", "timestamp(3) with time zone")["Type"], "timestamp with time zone");
    }
}
