//! CodePipeline: pipelines, and the role that each is given.

use lakewright_iam::Arn;

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let action = format!("codepipeline:{}", asks.operation());
    let input = asks.input();
    match asks.operation() {
        "ListPipelines" => asks.plain(&action),
        "CreatePipeline" | "UpdatePipeline" => {
            let pipeline = &input["pipeline"];
            let arn = asks.arn("codepipeline", pipeline.text("name").unwrap_or_default());
            let tags = tags_of(input.list("tags"), "key", "value");
            asks.add(Ask::on(&action, &arn).tags(&tags));
            asks.tag_made("codepipeline:TagResource", arn, &tags);
            let actions = pipeline.list("stages").iter().flat_map(|stage| stage.list("actions"));
            for connection in actions.filter_map(|action| action["configuration"].text("ConnectionArn")) {
                let service = Arn::parse(connection).map_or("", |arn| arn.service);
                let ask = Ask::on(&format!("{service}:PassConnection"), connection);
                asks.add(ask.key(&format!("{service}:PassedToService"), Some("codepipeline.amazonaws.com")));
            }
            match pipeline.text("roleArn") {
                Some(role) => asks.pass(role, "codepipeline.amazonaws.com"),
                None => Some(()),
            }
        }
        "GetPipeline" | "DeletePipeline" => {
            asks.on(&action, asks.arn("codepipeline", asks.text("name").unwrap_or_default()))
        }
        "ListTagsForResource" => asks.on(&action, asks.text("resourceArn").unwrap_or("*")),
        "TagResource" => {
            let ask = Ask::on(&action, asks.text("resourceArn").unwrap_or("*"));
            asks.add(ask.tags(&tags_of(input.list("tags"), "key", "value")))
        }
        "UntagResource" => {
            let ask = Ask::on(&action, asks.text("resourceArn").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("tagKeys")))
        }
        _ => None,
    }
}
