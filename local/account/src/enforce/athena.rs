//! Athena: everything stands in a workgroup.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let action = format!("athena:{}", asks.operation());
    let input = asks.input();
    let named = |asks: &Asks<'_, '_>, group: &str| asks.arn("athena", &format!("workgroup/{group}"));
    let id = |member: &str| asks.text(member).unwrap_or_default().to_owned();
    let (named_query, execution) = (id("NamedQueryId"), id("QueryExecutionId"));
    match asks.operation() {
        "ListWorkGroups" => asks.plain(&action),
        "CreateWorkGroup" => {
            let arn = named(asks, asks.text("Name").unwrap_or_default());
            let tags = tags_of(input.list("Tags"), "Key", "Value");
            asks.add(Ask::on(&action, &arn).tags(&tags));
            asks.tag_made("athena:TagResource", arn, &tags)
        }
        // What a query reads and writes in S3 and Glue is asked for when it does, in the caller's name.
        "GetWorkGroup"
        | "UpdateWorkGroup"
        | "DeleteWorkGroup"
        | "StartQueryExecution"
        | "CreateNamedQuery"
        | "ListNamedQueries"
        | "ListQueryExecutions" => asks.on(&action, named(asks, asks.text("WorkGroup").unwrap_or("primary"))),
        "GetNamedQuery" | "UpdateNamedQuery" | "DeleteNamedQuery" => {
            groups(asks, &action, "athena/named_query", &[named_query])
        }
        "BatchGetNamedQuery" => groups(asks, &action, "athena/named_query", &input.texts("NamedQueryIds")),
        "GetQueryExecution" | "GetQueryResults" | "StopQueryExecution" => {
            groups(asks, &action, "athena/query", &[execution])
        }
        "BatchGetQueryExecution" => groups(asks, &action, "athena/query", &input.texts("QueryExecutionIds")),
        "TagResource" => {
            let ask = Ask::on(&action, asks.text("ResourceARN").unwrap_or("*"));
            asks.add(ask.tags(&tags_of(input.list("Tags"), "Key", "Value")))
        }
        "UntagResource" => {
            let ask = Ask::on(&action, asks.text("ResourceARN").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("TagKeys")))
        }
        "ListTagsForResource" => asks.on(&action, asks.text("ResourceARN").unwrap_or("*")),
        _ => None,
    }
}

/// An action on the workgroups that some things stand in; what isn't there is looked for in any.
fn groups(asks: &mut Asks<'_, '_>, action: &str, collection: &str, ids: &[String]) -> Option<()> {
    for id in ids {
        let found = asks.state.get(collection, id).and_then(|thing| thing.text("WorkGroup"));
        let arn = asks.arn("athena", &format!("workgroup/{}", found.unwrap_or("*")));
        asks.on(action, arn);
    }
    Some(())
}
