//! What a failed call means, whatever the service calls it.

/// What a failed call means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The thing doesn't exist.
    NotFound,
    /// What holds the thing doesn't exist: the bucket of an object.
    HolderNotFound,
    /// The thing exists, without what was asked of it: a bucket without tags, a security group without the rule.
    NotSet,
    /// A thing of that name exists.
    AlreadyExists,
    /// A thing of that name exists, and it is the caller's own.
    OwnedAlready,
    /// A thing of that name exists in another account.
    NameTaken,
    /// Something else uses the thing.
    InUse,
    /// The thing holds something.
    NotEmpty,
    /// A change of the thing is in progress, which may take minutes: no other is accepted until it has ended.
    Busy,
    /// Another request to the same thing was being processed: the same request may succeed a moment later.
    Conflict,
    /// A condition of the request doesn't hold, or somebody changed the thing meanwhile: read it again.
    Precondition,
    /// The thing is in a state that doesn't allow the request.
    WrongState,
    /// Something that the request names was made or allowed a moment ago, and isn't known everywhere. Some services
    /// answer with the same code when it never existed, so that a caller waits for a bounded time only.
    NotYet,
    /// The request is wrong and remains so.
    Invalid,
    /// The caller may not do this.
    Denied,
    /// IAM may allow it, and Lake Formation doesn't grant it.
    NotGranted,
    /// AWS doesn't accept the credentials.
    BadCredentials,
    /// The credentials have expired.
    Expired,
    /// The clock of this machine and that of the service differ too much.
    Skewed,
    /// The request's signature is too old: by this machine's clock or by expired credentials, which EC2 doesn't say.
    Stale,
    /// The account, or the thing, has as many or as much as it may have.
    Quota,
    /// The service asks for fewer requests; this one had no effect.
    Throttled,
    /// The service has a problem that passes.
    Unavailable,
    /// No connection came about: the request was not sent.
    NotConnected,
    /// The request may have been received, and no answer came.
    NoAnswer,
    /// The client's deadline is over: the request was not sent.
    TooLate,
    /// The answer can't be understood.
    BadAnswer,
    /// Region, credentials or endpoint are missing or wrong on this machine.
    Configuration,
    /// Anything else.
    Other,
}

impl Kind {
    /// Whether the same request may succeed within seconds, so that a client sends it again by itself.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Conflict | Self::Throttled | Self::Unavailable | Self::NotConnected | Self::NoAnswer => true,
            Self::NotFound
            | Self::HolderNotFound
            | Self::NotSet
            | Self::AlreadyExists
            | Self::OwnedAlready
            | Self::NameTaken
            | Self::InUse
            | Self::NotEmpty
            | Self::Busy
            | Self::Precondition
            | Self::WrongState
            | Self::NotYet
            | Self::Invalid
            | Self::Denied
            | Self::NotGranted
            | Self::BadCredentials
            | Self::Expired
            | Self::Skewed
            | Self::Stale
            | Self::Quota
            | Self::TooLate
            | Self::BadAnswer
            | Self::Configuration
            | Self::Other => false,
        }
    }

    /// Whether it says nothing of what was asked for: whatever else is asked fails for the same reason.
    pub const fn is_of_all(self) -> bool {
        matches!(
            self,
            Self::BadCredentials | Self::Expired | Self::Skewed | Self::Stale | Self::TooLate | Self::Configuration
        )
    }
}
