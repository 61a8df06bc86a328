//! The section of a stack file that stands for the pipeline that applies it.

use super::declare::{choice, section};
use super::decode::{At, Named};
use super::tags::Tagged;

choice! {
    /// Who runs the pipeline and vouches for it.
    Provider {
        /// GitHub Actions.
        Github = "github",
    }
}

impl Provider {
    /// Where its tokens come from, as roles name it.
    pub(super) fn host(self) -> &'static str {
        match self {
            Self::Github => "token.actions.githubusercontent.com",
        }
    }
}

section! {
    /// The pipeline that applies the stack: a role that it assumes by a token of its own, without keys that are kept.
    Ci {
        /// Who runs it.
        provider: At<Provider> = At::given(Provider::Github),
        /// The repository, `owner/name`.
        repository: At<String>,
        /// The branch whose runs may apply.
        branch: At<String> = At::given("main"),
        /// The deployment environment whose runs may apply, in place of a branch: GitHub holds them against the environment's
        /// rules first, and names it alone in the token. Default: the branch decides.
        environment: Option<At<String>> = None,
        /// Whether the account has the provider already, made by another stack or by hand: it is used as it is then. An account
        /// has one of each address.
        existing: At<bool> = At::given(false),
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}
