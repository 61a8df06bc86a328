//! Systems Manager: parameters, and the documents of sessions. Parameters of AWS's own stand in no account.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    if let Some(done) = of_documents(asks) {
        return Some(done);
    }
    let names = match asks.operation() {
        "GetParameter" => asks.input().texts("Name"),
        "GetParameters" => asks.input().texts("Names"),
        "GetParametersByPath" => asks.input().texts("Path"),
        _ => return None,
    };
    for name in names {
        let region = &asks.request.region;
        let name = name.trim_start_matches('/');
        let arn = if name.starts_with("aws/") {
            format!("arn:aws:ssm:{region}::parameter/{name}")
        } else {
            asks.arn("ssm", &format!("parameter/{name}"))
        };
        asks.own("ssm", arn);
    }
    Some(())
}

/// What documents and their tags ask for; nothing when it is about others.
fn of_documents(asks: &mut Asks<'_, '_>) -> Option<()> {
    let tags = tags_of(asks.input().list("Tags"), "Key", "Value");
    let given = asks.text("Name").or(asks.text("ResourceId")).unwrap_or("*");
    let name = given.rsplit_once(":document/").map_or(given, |(_, name)| name);
    let document = asks.arn("ssm", &format!("document/{name}"));
    match asks.operation() {
        "ListDocuments" => asks.own("ssm", "*"),
        "CreateDocument" => {
            let ask = Ask::on("ssm:CreateDocument", &document).tags(&tags);
            asks.add(ask.key("ssm:DocumentType", asks.text("DocumentType")));
            asks.tag_made("ssm:AddTagsToResource", document, &tags)
        }
        "DeleteDocument"
        | "DescribeDocument"
        | "GetDocument"
        | "ListTagsForResource"
        | "UpdateDocument"
        | "UpdateDocumentDefaultVersion" => asks.own("ssm", document),
        "AddTagsToResource" => asks.with_tags("ssm", document, &tags),
        "RemoveTagsFromResource" => {
            let keys = asks.input().texts("TagKeys");
            asks.add(Ask::on("ssm:RemoveTagsFromResource", document).tag_keys(keys))
        }
        _ => None,
    }
}
