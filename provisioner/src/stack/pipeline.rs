//! The section of a stack file that stands for the pipeline which applies the stack itself.

use super::declare::section;
use super::decode::{At, Named};
use super::tags::Tagged;
use super::units::Period;

section! {
    /// A pipeline that applies this stack: it plans whatever is pushed, waits for somebody's approval and applies that plan.
    Pipeline {
        /// The repository, `owner/name`.
        repository: At<String>,
        /// The branch whose pushes start it.
        branch: At<String> = At::given("main"),
        /// The ARN of the connection to the repository's host, `arn:aws:codeconnections:…`. It is made, and accepted there,
        /// in the console under Developer Tools, Settings, Connections: no call can do that.
        connection: At<String>,
        /// The stack file's path within the repository.
        stack: At<String>,
        /// The shell commands that put `lakewright`, and `lakewright-agent` for a stack with agents, on the path of a build.
        /// Default: a build runs the programs that the stack was last applied with, which it knows by their SHA-256.
        install: Vec<At<String>> = Vec::new(),
        /// After how long a build is ended: whole minutes, 5 minutes to 36 hours.
        timeout: At<Period> = At::given(Period::seconds(7200)),
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}

impl Pipeline {
    /// Whether builds run the programs that the stack publishes.
    pub fn takes_programs(&self) -> bool {
        self.install.is_empty()
    }
}
