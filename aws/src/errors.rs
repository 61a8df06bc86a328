//! What can go wrong with a call, and what each error code means.

use std::fmt;

/// Why a call failed.
#[derive(Debug, Clone)]
pub struct Error {
    /// The service's error code, or one of the codes below.
    pub code: String,
    /// The service's message.
    pub message: String,
    /// The HTTP status; 0 when there was no answer.
    pub status: u16,
    /// The request's id, empty when there was no answer.
    pub request_id: String,
    /// The service's name.
    pub service: &'static str,
    /// The operation's name.
    pub operation: String,
    /// Whether one of the attempts may have taken effect although no answer said so.
    pub lost: bool,
}

/// No connection came about: the request was not sent.
pub const NOT_CONNECTED: &str = "NotConnected";
/// The request may have been received, and no answer came.
pub const NO_ANSWER: &str = "NoAnswer";
/// The client's deadline is over: the request was not sent.
pub const TOO_LATE: &str = "TooLate";
/// The answer can't be understood.
pub const BAD_ANSWER: &str = "BadAnswer";
/// Region, credentials or endpoint are missing or wrong.
pub const CONFIGURATION: &str = "Configuration";

impl Error {
    /// An error of this machine's configuration.
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self {
            code: CONFIGURATION.into(),
            message: message.into(),
            status: 0,
            request_id: String::new(),
            service: "",
            operation: String::new(),
            lost: false,
        }
    }

    /// The service asks for fewer requests; this one had no effect.
    pub fn is_throttled(&self) -> bool {
        matches!(
            self.code.as_str(),
            "Throttling"
                | "ThrottlingException"
                | "ThrottledException"
                | "RequestThrottled"
                | "RequestThrottledException"
                | "RequestLimitExceeded"
                | "TooManyRequestsException"
                | "BandwidthLimitExceeded"
                | "EC2ThrottledException"
                | "PriorRequestNotComplete"
                | "ProvisionedThroughputExceededException"
                | "SlowDown"
        ) || self.status == 429
    }

    /// The thing isn't there.
    pub fn is_not_found(&self) -> bool {
        let code = self.code.as_str();
        code == "NotFound"
            || code.ends_with(".NotFound")
            || code.ends_with("NotFoundException")
            || code.ends_with("NotFoundError")
            || code.starts_with("NoSuch")
            || matches!(code, "ParameterNotFound" | "NotFoundFault" | "NatGatewayNotFound" | "ResourceNotFound")
    }

    /// A thing of that name is there already.
    pub fn is_already_exists(&self) -> bool {
        let code = self.code.as_str();
        code.ends_with("AlreadyExists")
            || code.ends_with("AlreadyExistsException")
            || code.ends_with(".Duplicate")
            || matches!(
                code,
                "BucketAlreadyOwnedByYou"
                    | "ResourceExistsException"
                    | "DuplicateRecordException"
                    | "TopicExistsException"
                    | "InvalidSubnet.Conflict"
                    | "Resource.AlreadyAssociated"
            )
    }

    /// Something else still uses the thing.
    pub fn is_dependency_violation(&self) -> bool {
        matches!(
            self.code.as_str(),
            "DependencyViolation"
                | "DeleteConflict"
                | "DeleteConflictException"
                | "ResourceInUse"
                | "ResourceInUseException"
                | "ResourceInUseFault"
                | "BucketNotEmpty"
                | "VolumeInUse"
                | "ScalingActivityInProgress"
                | "InvalidIPAddress.InUse"
                | "InvalidParameterValue.InUse"
        )
    }

    /// A condition that the request named doesn't hold: somebody was faster.
    pub fn is_precondition_failed(&self) -> bool {
        matches!(
            self.code.as_str(),
            "PreconditionFailed"
                | "ConditionalRequestConflict"
                | "ConcurrentModificationException"
                | "VersionMismatchException"
        )
    }

    /// The caller may not do this.
    pub fn is_denied(&self) -> bool {
        matches!(
            self.code.as_str(),
            "AccessDenied"
                | "AccessDeniedException"
                | "UnauthorizedOperation"
                | "UnauthorizedException"
                | "AuthorizationError"
                | "Forbidden"
                | "ForbiddenException"
        )
    }

    /// The credentials are over and others may be had.
    pub fn is_expired(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired"
        )
    }

    /// This machine's clock and the service's differ too much.
    pub fn is_skewed(&self) -> bool {
        matches!(
            self.code.as_str(),
            "RequestTimeTooSkewed" | "RequestInTheFuture" | "RequestExpired" | "InvalidSignatureException"
        )
    }

    /// The same request may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        self.is_throttled()
            || matches!(self.status, 500 | 502 | 503 | 504)
            || matches!(
                self.code.as_str(),
                NOT_CONNECTED
                    | NO_ANSWER
                    | "RequestTimeout"
                    | "RequestTimeoutException"
                    | "InternalError"
                    | "InternalFailure"
                    | "InternalServiceError"
                    | "InternalServiceException"
                    | "InternalServerError"
                    | "InternalServerException"
                    | "InternalServerErrorException"
                    | "KMSInternalException"
                    | "DependencyTimeoutException"
                    | "OperationAborted"
                    | "ConditionalRequestConflict"
                    | "OperationTimeoutException"
            )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code == CONFIGURATION {
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

    fn of(code: &str, status: u16) -> Error {
        Error { code: code.into(), status, ..Error::configuration("") }
    }

    #[test]
    fn codes_have_one_meaning() {
        for code in ["InvalidVpcID.NotFound", "NoSuchBucket", "EntityNotFoundException", "NoSuchEntity"] {
            assert!(of(code, 400).is_not_found(), "{code}");
            assert!(!of(code, 400).is_retryable(), "{code}");
        }
        for code in ["EntityAlreadyExists", "InvalidGroup.Duplicate", "AlreadyExistsException", "BucketAlreadyExists"] {
            assert!(of(code, 409).is_already_exists(), "{code}");
        }
        assert!(of("RequestLimitExceeded", 503).is_throttled());
        assert!(of("SomethingElse", 503).is_retryable());
        assert!(!of("SomethingElse", 503).is_throttled());
        assert!(!of("AccessDenied", 403).is_retryable());
    }
}
