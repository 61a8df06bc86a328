//! CodeBuild: projects, and the roles that they are given.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let action = format!("codebuild:{}", asks.operation());
    let input = asks.input();
    let project = |asks: &Asks<'_, '_>, name: &str| {
        let name = name.rsplit_once("project/").map_or(name, |(_, name)| name);
        asks.arn("codebuild", &format!("project/{name}"))
    };
    match asks.operation() {
        "ListProjects" => asks.plain(&action),
        "CreateProject" | "UpdateProject" => {
            let ask = Ask::on(&action, project(asks, asks.text("name").unwrap_or_default()));
            asks.add(ask.tags(&tags_of(input.list("tags"), "key", "value")));
            match asks.text("serviceRole") {
                Some(role) => asks.pass(role, "codebuild.amazonaws.com"),
                None => Some(()),
            }
        }
        "BatchGetProjects" => {
            for name in input.texts("names") {
                let arn = project(asks, &name);
                asks.on(&action, arn);
            }
            Some(())
        }
        "DeleteProject" => asks.on(&action, project(asks, asks.text("name").unwrap_or_default())),
        "StartBuild" => asks.on(&action, project(asks, asks.text("projectName").unwrap_or_default())),
        _ => None,
    }
}
