//! What can go wrong with a call, and what it means to the caller.

mod kind;
mod table;

use std::fmt;

pub use kind::Kind;

/// Why a call failed.
#[derive(Debug, Clone)]
pub struct Error {
    /// What it means: the only member that a program decides by. The others are for people.
    pub kind: Kind,
    /// The service's error code, or a word of this crate's when the service gave none.
    pub code: String,
    /// The service's message.
    pub message: String,
    /// The HTTP status; 0 when there was no answer.
    pub status: u16,
    /// The request's id, empty when there was no answer.
    pub request_id: Box<str>,
    /// The service's name.
    pub service: String,
    /// The operation's name.
    pub operation: String,
    /// Whether one of the attempts may have taken effect although no answer said so.
    pub lost: bool,
}

/// What an error of a service means. `service` is its name in lower case, as in `ec2` or `emr-serverless`, and `code` its
/// error code without namespace, empty if it gave none.
pub fn classify(service: &str, operation: &str, code: &str, message: &str, status: u16) -> Kind {
    let code = if code.is_empty() { code_of(status) } else { code };
    table::look_up(service, operation, code, message).unwrap_or(match status {
        429 => Kind::Throttled,
        500 | 502 | 503 | 504 => Kind::Unavailable,
        _ => Kind::Other,
    })
}

/// The code that stands for a status whose answer has none, as answers to HEAD requests.
fn code_of(status: u16) -> &'static str {
    match status {
        403 => "AccessDenied",
        404 => "NotFound",
        412 => "PreconditionFailed",
        429 => "TooManyRequestsException",
        _ => "",
    }
}

impl Error {
    /// An error that the service answered; an empty code gets one by the status.
    pub fn answered(service: &str, operation: &str, code: &str, message: &str, status: u16, request_id: &str) -> Self {
        let kind = classify(service, operation, code, message, status);
        let code = match (code, code_of(status)) {
            ("", "") => format!("Http{status}"),
            ("", other) => other.to_owned(),
            (code, _) => code.to_owned(),
        };
        Self {
            status,
            request_id: request_id.into(),
            ..Self::local(kind, &code, service, operation, message.to_owned())
        }
    }

    /// Region, credentials or endpoint of this machine are missing or wrong: the message is the whole text.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::local(Kind::Configuration, "Configuration", "", "", message.into())
    }

    /// No connection came about: the request was not sent.
    pub fn not_connected(service: &str, operation: &str, message: impl Into<String>) -> Self {
        Self::local(Kind::NotConnected, "NotConnected", service, operation, message.into())
    }

    /// The request may have been received, and no answer came: `lost` is set.
    pub fn no_answer(service: &str, operation: &str, message: impl Into<String>) -> Self {
        Self { lost: true, ..Self::local(Kind::NoAnswer, "NoAnswer", service, operation, message.into()) }
    }

    /// The client's deadline is over: the request was not sent.
    pub fn too_late(service: &str, operation: &str) -> Self {
        let message = "the time for it is over: nothing more is sent".to_owned();
        Self::local(Kind::TooLate, "TooLate", service, operation, message)
    }

    /// The answer, of that status, can't be understood: `lost` is set, for the request was received.
    pub fn bad_answer(service: &str, operation: &str, status: u16, reason: impl fmt::Display) -> Self {
        let message = format!("the answer can't be read: {reason}");
        Self { status, lost: true, ..Self::local(Kind::BadAnswer, "BadAnswer", service, operation, message) }
    }

    /// The answer lacks a member that is needed, named as in AWS's API reference: `Vpc.VpcId`.
    pub fn missing(service: &str, member: &str) -> Self {
        Self::bad_answer(service, "", 0, format!("it lacks {member}"))
    }

    fn local(kind: Kind, code: &str, service: &str, operation: &str, message: String) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            message,
            status: 0,
            request_id: Box::default(),
            service: service.to_owned(),
            operation: operation.to_owned(),
            lost: false,
        }
    }

    /// The thing, or what was asked of it, isn't there.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, Kind::NotFound | Kind::HolderNotFound | Kind::NotSet)
    }

    /// A thing of that name is there already, whoever it belongs to.
    pub fn is_already_exists(&self) -> bool {
        matches!(self.kind, Kind::AlreadyExists | Kind::OwnedAlready | Kind::NameTaken)
    }

    /// Something else still uses the thing, or is in it.
    pub fn is_dependency_violation(&self) -> bool {
        matches!(self.kind, Kind::InUse | Kind::NotEmpty)
    }

    /// The thing is being changed, and takes no other change until that has ended.
    pub fn is_busy(&self) -> bool {
        matches!(self.kind, Kind::Busy | Kind::Conflict)
    }

    /// A condition that the request named doesn't hold: somebody was faster.
    pub fn is_precondition_failed(&self) -> bool {
        matches!(self.kind, Kind::Precondition | Kind::Conflict)
    }

    /// The caller may not do this.
    pub fn is_denied(&self) -> bool {
        matches!(self.kind, Kind::Denied | Kind::NotGranted)
    }

    /// Whatever else is asked fails for the same reason: the credentials, the clock, the deadline, the configuration.
    pub fn is_of_all(&self) -> bool {
        self.kind.is_of_all()
    }

    /// The same request may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::Configuration {
            return f.write_str(&self.message);
        }
        write!(f, "{} {}: {}", self.service, self.operation, self.code)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if !self.request_id.is_empty() {
            write!(f, " (request {})", self.request_id)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(service: &str, code: &str, status: u16) -> Error {
        Error::answered(service, "Op", code, "", status, "")
    }

    #[test]
    fn kinds_answer_the_questions_of_callers() {
        for (service, code) in [
            ("ec2", "InvalidVpcID.NotFound"),
            ("s3", "NoSuchBucket"),
            ("s3", "NoSuchTagSet"),
            ("glue", "EntityNotFoundException"),
            ("iam", "NoSuchEntity"),
        ] {
            let error = of(service, code, 400);
            assert!(error.is_not_found() && !error.is_retryable(), "{code}");
        }
        for (service, code) in [
            ("iam", "EntityAlreadyExists"),
            ("ec2", "InvalidGroup.Duplicate"),
            ("glue", "AlreadyExistsException"),
            ("s3", "BucketAlreadyExists"),
            ("s3", "BucketAlreadyOwnedByYou"),
        ] {
            assert!(of(service, code, 409).is_already_exists(), "{code}");
        }
        assert!(of("ec2", "DependencyViolation", 400).is_dependency_violation());
        assert!(of("s3", "BucketNotEmpty", 409).is_dependency_violation());
        let conflict = of("s3", "ConditionalRequestConflict", 409);
        assert!(conflict.is_precondition_failed() && conflict.is_retryable());
        assert!(!of("glue", "ConcurrentModificationException", 400).is_retryable());
        // EC2 answers so to expired credentials and to a wrong clock.
        assert_eq!(of("ec2", "RequestExpired", 400).kind, Kind::Stale);
    }

    #[test]
    fn a_status_counts_only_for_a_code_without_meaning() {
        assert_eq!(of("ec2", "RequestLimitExceeded", 503).kind, Kind::Throttled);
        assert_eq!(of("ec2", "SomethingElse", 429).kind, Kind::Throttled);
        assert_eq!(of("ec2", "SomethingElse", 503).kind, Kind::Unavailable);
        assert_eq!(of("ec2", "SomethingElse", 501).kind, Kind::Other);
        assert_eq!(of("ec2", "SomethingElse", 403).kind, Kind::Other);
        assert_eq!(of("kms", "AccessDenied", 500).kind, Kind::Denied);
    }

    #[test]
    fn a_quota_is_no_throttling() {
        for (service, code) in
            [("kms", "LimitExceededException"), ("iam", "LimitExceeded"), ("ec2", "VpcLimitExceeded")]
        {
            let error = of(service, code, 400);
            assert!(error.kind == Kind::Quota && !error.is_retryable(), "{code}");
        }
    }

    #[test]
    fn an_answer_without_a_code_gets_one_by_its_status() {
        let head = of("s3", "", 404);
        assert_eq!((head.kind, head.code.as_str()), (Kind::NotFound, "NotFound"));
        assert_eq!((of("s3", "", 403).kind, of("s3", "", 412).kind), (Kind::Denied, Kind::Precondition));
        let other = of("s3", "", 418);
        assert_eq!((other.kind, other.code.as_str()), (Kind::Other, "Http418"));
        assert_eq!(of("s3", "", 503).kind, Kind::Unavailable);
    }

    #[test]
    fn an_operation_decides_what_one_code_means() {
        let kind = |service, operation, code| classify(service, operation, code, "", 400);
        assert_eq!(kind("athena", "GetWorkGroup", "InvalidRequestException"), Kind::NotFound);
        assert_eq!(kind("athena", "CreateWorkGroup", "InvalidRequestException"), Kind::Invalid);
        assert_eq!(kind("secretsmanager", "CreateSecret", "InvalidRequestException"), Kind::WrongState);
        assert_eq!(kind("kafka", "CreateClusterV2", "ConflictException"), Kind::AlreadyExists);
        assert_eq!(kind("kafka", "UpdateBrokerType", "ConflictException"), Kind::Busy);
        assert_eq!(kind("lambda", "CreateFunction", "ResourceConflictException"), Kind::AlreadyExists);
        assert_eq!(kind("lambda", "UpdateFunctionCode", "ResourceConflictException"), Kind::Busy);
    }

    #[test]
    fn errors_of_this_machine_say_whether_the_request_may_have_arrived() {
        let (connected, answer) = (Error::not_connected("kms", "Op", "no"), Error::no_answer("kms", "Op", "no"));
        assert!(!connected.lost && connected.is_retryable(), "{connected:?}");
        assert!(answer.lost && answer.is_retryable(), "{answer:?}");
        assert!(!Error::too_late("kms", "Op").is_retryable());
        let bad = Error::bad_answer("kms", "Op", 200, "no JSON");
        assert!(bad.lost && !bad.is_retryable(), "{bad:?}");
        assert_eq!(bad.to_string(), "kms Op: BadAnswer: the answer can't be read: no JSON");
        assert_eq!(Error::configuration("no region").to_string(), "no region");
    }
}
