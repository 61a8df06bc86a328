//! Tables whose rights Lake Formation gives: which grant is missing when Glue refuses.
//!
//! Rights of IAM alone don't open such a table. Glue's answer doesn't always say so: a table's record does
//! (`IsRegisteredWithLakeFormation`).

use aws_sdk_glue::types;
use lakewright_aws::{Error, ErrorKind};

/// What Lake Formation calls the right to an operation of Glue.
/// Source: <https://docs.aws.amazon.com/lake-formation/latest/dg/lf-permissions-reference.html>
fn right(operation: &str) -> &'static str {
    match operation {
        "GetTable" => "DESCRIBE",
        _ => "ALTER",
    }
}

/// What to do about a refusal by Lake Formation; `None` when it wasn't that. `record` is the table's, where it could be
/// read.
pub(crate) fn missing_grant(
    error: &Error,
    (database, name): (&str, &str),
    record: Option<&types::Table>,
) -> Option<String> {
    let registered = record.is_some_and(types::Table::is_registered_with_lake_formation);
    if !error.is_denied() || !(registered || error.kind == ErrorKind::NotGranted) {
        return None;
    }
    let right = right(&error.operation);
    Some(format!(
        "Lake Formation keeps the table {database}.{name}, and doesn't grant this agent's role {right} on it; an \
         administrator of the lake grants both that are needed: aws lakeformation grant-permissions --principal \
         DataLakePrincipalIdentifier=ROLE_ARN --permissions DESCRIBE ALTER --resource \
         '{{\"Table\":{{\"DatabaseName\":\"{database}\",\"Name\":\"{name}\"}}}}'"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(operation: &str, code: &str, message: &str) -> Error {
        Error::answered("glue", operation, code, message, 400, "")
    }

    fn record(registered: bool) -> types::Table {
        let table = types::Table::builder().name("sales").is_registered_with_lake_formation(registered);
        table.build().unwrap()
    }

    #[test]
    fn the_grant_that_is_missing_is_named() {
        let of = |error: &Error, record: Option<&types::Table>| missing_grant(error, ("lake", "sales"), record);
        let said = "Insufficient Lake Formation permission(s): Required Describe on sales";
        let text = of(&refused("GetTable", "AccessDeniedException", said), None).unwrap();
        assert!(text.contains("doesn't grant this agent's role DESCRIBE on it"), "{text}");
        assert!(text.contains(r#"--resource '{"Table":{"DatabaseName":"lake","Name":"sales"}}'"#), "{text}");
        // The answer says nothing of it, and the record does.
        let denied = refused("UpdateTable", "AccessDeniedException", "User isn't authorized");
        assert!(of(&denied, Some(&record(true))).unwrap().contains("role ALTER on it"));
        // IAM's own refusals, and other errors, stay as they are.
        assert_eq!(of(&denied, Some(&record(false))), None);
        assert_eq!(of(&denied, None), None);
        assert_eq!(of(&refused("UpdateTable", "InvalidInputException", said), Some(&record(true))), None);
    }
}
