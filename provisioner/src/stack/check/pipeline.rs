//! Checks of the pipeline that applies the stack.

use lakewright_iam::Arn;

use super::Checker;
use crate::stack::diagnostics::Diagnostic;

impl Checker<'_> {
    pub(super) fn pipeline(&mut self) {
        let Some(pipeline) = &self.file.pipeline else { return };
        let repository = &pipeline.repository;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let parts: Vec<&str> = repository.split('/').collect();
        if repository.sound && (parts.len() < 2 || parts.iter().any(|part| part.is_empty() || !part.chars().all(plain)))
        {
            let title = format!("`{}` is no repository", **repository);
            self.push(
                Diagnostic::new(repository.span.clone(), title, "not OWNER/NAME")
                    .help("write owner and name as in \"octocat/shop\", without the host"),
            );
        }
        let connection = &pipeline.connection;
        let services = ["codeconnections", "codestar-connections"];
        let is_connection = Arn::parse(connection).is_some_and(|arn| {
            services.contains(&arn.service) && arn.owner().is_some() && arn.resource.starts_with("connection/")
        });
        if connection.sound && !is_connection {
            self.push(
                Diagnostic::new(connection.span.clone(), "this is no connection", "no ARN of a connection").help(
                    "make one in the console under Developer Tools, Settings, Connections, accept it there and copy its ARN",
                ),
            );
        }
        let stack = &pipeline.stack;
        if stack.sound
            && (stack.starts_with('/') || stack.split('/').any(|part| part == "..") || !stack.ends_with(".toml"))
        {
            let title = format!("`{}` is no stack file of a repository", **stack);
            self.push(
                Diagnostic::new(stack.span.clone(), title, "can't be found there")
                    .help("write its path within the repository, as in \"stacks/shop.toml\""),
            );
        }
        if pipeline.branch.sound && (pipeline.branch.is_empty() || pipeline.branch.contains(' ')) {
            let title = format!("`{}` is no branch", *pipeline.branch);
            self.push(Diagnostic::new(pipeline.branch.span.clone(), title, "no such name"));
        }
        let timeout = &pipeline.timeout;
        if timeout.sound && (timeout.0 % 60_000 != 0 || !(5..=2160).contains(&(timeout.0 / 60_000))) {
            let title = format!("a build can't be ended after {}", **timeout);
            self.push(Diagnostic::new(timeout.span.clone(), title, "whole minutes, 5 minutes to 36 hours"));
        }
    }
}
