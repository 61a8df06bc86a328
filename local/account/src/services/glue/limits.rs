//! The limits of texts in Glue's model, which refuses what breaks one before it looks at anything else
//! (<https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html>).

use serde_json::Value;

use crate::error::AwsError;
use crate::fields::Fields as _;

/// Which characters a text may hold.
#[derive(Clone, Copy)]
enum Holds {
    /// No control characters but tabs.
    OneLine,
    /// Line breaks too.
    Lines,
    /// Everything.
    Anything,
}

/// The texts of a `DatabaseInput`.
pub(super) fn database(input: &Value) -> Result<(), AwsError> {
    text(input, "Description", 2048, Holds::Lines)?;
    text(input, "LocationUri", 1024, Holds::Lines)?;
    parameters(input)
}

/// The texts of a `TableInput`.
pub(super) fn table(input: &Value) -> Result<(), AwsError> {
    text(input, "Description", 2048, Holds::Lines)?;
    parameters(input)?;
    let storage = input.member("StorageDescriptor");
    if let Some(storage) = storage {
        text(storage, "Location", 2056, Holds::Lines)?;
    }
    let columns = storage.map_or(&[][..], |storage| storage.list("Columns"));
    for column in columns.iter().chain(input.list("PartitionKeys")) {
        text(column, "Comment", 255, Holds::OneLine)?;
        text(column, "Type", 131_072, Holds::OneLine)?;
        parameters(column)?;
    }
    Ok(())
}

/// The texts of the `IcebergInput` of a new table, or of the `UpdateIcebergInput` of one that there is.
pub(super) fn iceberg(input: &Value) -> Result<(), AwsError> {
    let created = input.member("CreateIcebergTableInput");
    let updates = input.member("UpdateIcebergTableInput").map_or(&[][..], |update| update.list("Updates"));
    for change in created.into_iter().chain(updates) {
        text(change, "Location", 2056, Holds::Lines)?;
        for field in change.member("Schema").map_or(&[][..], |schema| schema.list("Fields")) {
            text(field, "Name", 255, Holds::OneLine)?;
            text(field, "Doc", 255, Holds::OneLine)?;
        }
    }
    Ok(())
}

/// The names and values of an object's `Parameters`.
fn parameters(input: &Value) -> Result<(), AwsError> {
    for (name, value) in input.member("Parameters").and_then(Value::as_object).into_iter().flatten() {
        if name.is_empty() {
            return Err(refusal("parameters", "Map keys must have length greater than or equal to 1"));
        }
        judge("parameters", name, 255, Holds::OneLine)?;
        judge("parameters", value.as_str().unwrap_or_default(), 512_000, Holds::Anything)?;
    }
    Ok(())
}

fn text(input: &Value, member: &str, most: usize, holds: Holds) -> Result<(), AwsError> {
    input.text(member).map_or(Ok(()), |text| judge(&super::lower_first(member), text, most, holds))
}

fn judge(member: &str, text: &str, most: usize, holds: Holds) -> Result<(), AwsError> {
    if text.chars().count() > most {
        return Err(refusal(member, &format!("Member must have length less than or equal to {most}")));
    }
    let allowed = |character: char| match holds {
        Holds::Anything => true,
        _ if matches!(character, '\r' | '\n') => matches!(holds, Holds::Lines),
        _ => character == '\t' || (character >= ' ' && !matches!(character, '\u{fffe}' | '\u{ffff}')),
    };
    if text.chars().all(allowed) {
        return Ok(());
    }
    Err(refusal(member, "Member must satisfy a regular expression pattern without control characters"))
}

fn refusal(member: &str, constraint: &str) -> AwsError {
    AwsError::new(
        "ValidationException",
        format!("1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_have_255_characters_and_one_line() {
        let column = |comment: String| {
            let columns = json!([{"Name": "city", "Type": "string", "Comment": comment}]);
            table(&json!({"StorageDescriptor": {"Columns": columns}})).is_ok()
        };
        let field = |doc: String| {
            let schema = json!({"Fields": [{"Id": 1, "Name": "city", "Type": "string", "Doc": doc}]});
            let create = iceberg(&json!({"CreateIcebergTableInput": {"Schema": schema.clone()}})).is_ok();
            assert_eq!(create, iceberg(&json!({"UpdateIcebergTableInput": {"Updates": [{"Schema": schema}]}})).is_ok());
            create
        };
        for judged in [&column as &dyn Fn(String) -> bool, &field] {
            assert!(judged("ü".repeat(255)) && judged("a\tb".into()) && judged(String::new()));
            assert!(!judged("d".repeat(256)) && !judged("a\nb".into()) && !judged("a\0b".into()));
        }
    }

    #[test]
    fn descriptions_and_parameters_have_limits_of_their_own() {
        assert!(database(&json!({"Description": "a\nb"})).is_ok());
        assert!(database(&json!({"Description": "d".repeat(2049)})).is_err());
        assert!(database(&json!({"LocationUri": "d".repeat(1025)})).is_err());
        assert!(table(&json!({"Parameters": {"a": "b\n"}})).is_ok());
        for parameters in [json!({"a".repeat(256): "b"}), json!({"": "b"}), json!({"a": "b".repeat(512_001)})] {
            assert!(table(&json!({"Parameters": parameters})).is_err());
        }
    }
}
