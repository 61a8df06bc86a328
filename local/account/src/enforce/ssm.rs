//! Systems Manager: parameters, and the documents of sessions. Parameters of AWS's own stand in no account.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let name = asks.text("Name").or(asks.text("ResourceId")).unwrap_or("*");
    let names = match asks.operation() {
        "DescribeParameters" | "ListDocuments" => return asks.own("ssm", "*"),
        "AddTagsToResource" | "ListTagsForResource" | "RemoveTagsFromResource" => {
            let thing = match asks.text("ResourceType") {
                Some("Parameter") => parameter(asks, name),
                _ => document(asks, name),
            };
            return of_tags(asks, thing);
        }
        "PutParameter" => {
            let tags = tags_of(asks.input().list("Tags"), "Key", "Value");
            let parameter = parameter(asks, name);
            let overwrites = asks.input().flag("Overwrite") == Some(true);
            let ask = Ask::on("ssm:PutParameter", &parameter).tags(&tags);
            asks.add(ask.key("ssm:Overwrite", Some(if overwrites { "true" } else { "false" })));
            return asks.tag_made("ssm:AddTagsToResource", parameter, &tags);
        }
        "DeleteParameter" | "GetParameter" => asks.input().texts("Name"),
        "GetParameters" => asks.input().texts("Names"),
        "GetParametersByPath" => asks.input().texts("Path"),
        _ => {
            let document = document(asks, name);
            return of_documents(asks, &document);
        }
    };
    for name in names {
        let parameter = parameter(asks, &name);
        asks.own("ssm", parameter);
    }
    Some(())
}

/// The ARN of a parameter, which has no first `/` of its name's.
fn parameter(asks: &Asks<'_, '_>, name: &str) -> String {
    let name = name.split_once(":parameter/").map_or(name, |(_, name)| name).trim_start_matches('/');
    if name.starts_with("aws/") {
        return format!("arn:aws:ssm:{}::parameter/{name}", asks.request.region);
    }
    asks.arn("ssm", &format!("parameter/{name}"))
}

fn document(asks: &Asks<'_, '_>, name: &str) -> String {
    let name = name.rsplit_once(":document/").map_or(name, |(_, name)| name);
    asks.arn("ssm", &format!("document/{name}"))
}

/// What the tags of something ask for.
fn of_tags(asks: &mut Asks<'_, '_>, thing: String) -> Option<()> {
    match asks.operation() {
        "AddTagsToResource" => {
            let tags = tags_of(asks.input().list("Tags"), "Key", "Value");
            asks.with_tags("ssm", thing, &tags)
        }
        "RemoveTagsFromResource" => {
            let keys = asks.input().texts("TagKeys");
            asks.add(Ask::on("ssm:RemoveTagsFromResource", thing).tag_keys(keys))
        }
        _ => asks.own("ssm", thing),
    }
}

/// What a document asks for.
fn of_documents(asks: &mut Asks<'_, '_>, document: &str) -> Option<()> {
    match asks.operation() {
        "CreateDocument" => {
            let tags = tags_of(asks.input().list("Tags"), "Key", "Value");
            let ask = Ask::on("ssm:CreateDocument", document).tags(&tags);
            asks.add(ask.key("ssm:DocumentType", asks.text("DocumentType")));
            asks.tag_made("ssm:AddTagsToResource", document, &tags)
        }
        "DeleteDocument" | "DescribeDocument" | "GetDocument" | "UpdateDocument" | "UpdateDocumentDefaultVersion" => {
            asks.own("ssm", document)
        }
        _ => None,
    }
}
