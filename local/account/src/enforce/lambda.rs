//! Lambda: functions, and the role that each is given.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of_object;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let input = asks.input();
    let name = asks.text("FunctionName").unwrap_or_default();
    let name = name.rsplit_once("function:").map_or(name, |(_, name)| name);
    let function = asks.arn("lambda", &format!("function:{name}"));
    let tags = tags_of_object(input, "Tags");
    match asks.operation() {
        "ListFunctions" => asks.own("lambda", "*"),
        "CreateFunction" => {
            asks.with_tags("lambda", &function, &tags);
            asks.tag_made("lambda:TagResource", function, &tags);
            asks.pass(asks.text("Role").unwrap_or_default(), "lambda.amazonaws.com")
        }
        "UpdateFunctionConfiguration" => {
            asks.own("lambda", function);
            match asks.text("Role") {
                Some(role) => asks.pass(role, "lambda.amazonaws.com"),
                None => Some(()),
            }
        }
        "Invoke" => asks.on("lambda:InvokeFunction", function),
        "AddPermission" | "RemovePermission" => {
            let action = format!("lambda:{}", asks.operation());
            asks.add(Ask::on(&action, function).key("lambda:Principal", asks.text("Principal")))
        }
        "GetFunction" | "GetFunctionConfiguration" | "UpdateFunctionCode" | "DeleteFunction" | "GetPolicy" => {
            asks.own("lambda", function)
        }
        "ListTags" => asks.own("lambda", asks.text("Resource").unwrap_or("*")),
        "TagResource" => asks.with_tags("lambda", asks.text("Resource").unwrap_or("*"), &tags),
        "UntagResource" => {
            let ask = Ask::on("lambda:UntagResource", asks.text("Resource").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("tagKeys")))
        }
        _ => None,
    }
}
