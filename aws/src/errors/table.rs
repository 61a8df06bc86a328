//! Which code of which service means what.

use super::kind::Kind;

/// Stands for all services, or all operations.
const ANY: &str = "*";

const APPLICATION_AUTO_SCALING: &str = "application-autoscaling";
const ATHENA: &str = "athena";
const AUTO_SCALING: &str = "autoscaling";
const BUDGETS: &str = "budgets";
const CODE_BUILD: &str = "codebuild";
const CODE_PIPELINE: &str = "codepipeline";
const EC2: &str = "ec2";
const EMR_SERVERLESS: &str = "emr-serverless";
const GLUE: &str = "glue";
const IAM: &str = "iam";
const KAFKA: &str = "kafka";
const KMS: &str = "kms";
const LAMBDA: &str = "lambda";
const LOGS: &str = "logs";
const ROUTE53: &str = "route53";
const S3: &str = "s3";
const SECRETS_MANAGER: &str = "secretsmanager";
const SERVICE_QUOTAS: &str = "servicequotas";
const SNS: &str = "sns";
const SQS: &str = "sqs";
const SSM: &str = "ssm";

/// The meaning of codes; the row that names service and operation goes before the one that names the service only, and
/// that one before the one of all services. S3's rows name no operation.
struct Row {
    service: &'static str,
    operation: &'static str,
    codes: &'static [&'static str],
    kind: Kind,
}

const fn all(kind: Kind, codes: &'static [&'static str]) -> Row {
    Row { service: ANY, operation: ANY, codes, kind }
}

const fn of(service: &'static str, kind: Kind, codes: &'static [&'static str]) -> Row {
    Row { service, operation: ANY, codes, kind }
}

const fn when(service: &'static str, operation: &'static str, kind: Kind, codes: &'static [&'static str]) -> Row {
    Row { service, operation, codes, kind }
}

static ROWS: &[Row] = &[
    all(Kind::NotFound, &["NotFound", "NotFoundFault", "ResourceNotFound"]),
    all(Kind::AlreadyExists, &["ResourceExistsException"]),
    all(Kind::InUse, &["ResourceInUse", "ResourceInUseException", "ResourceInUseFault"]),
    all(Kind::Precondition, &["PreconditionFailed", "ConcurrentModificationException", "VersionMismatchException"]),
    all(
        Kind::Invalid,
        &[
            "InvalidArgument",
            "InvalidInput",
            "InvalidInputException",
            "InvalidParameter",
            "InvalidParameterCombination",
            "InvalidParameterException",
            "InvalidParameterValue",
            "InvalidParameterValueException",
            "InvalidRequest",
            "InvalidRequestException",
            "InvalidStructureException",
            "MalformedXML",
            "MissingParameter",
            "ValidationError",
            "ValidationException",
        ],
    ),
    all(
        Kind::Denied,
        &[
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
            "Forbidden",
            "ForbiddenException",
            "UnauthorizedException",
            "UnauthorizedOperation",
        ],
    ),
    all(
        Kind::BadCredentials,
        &[
            "AuthFailure",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ],
    ),
    all(Kind::Expired, &["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"]),
    all(Kind::Skewed, &["InvalidSignatureException", "RequestInTheFuture", "RequestTimeTooSkewed"]),
    all(Kind::Stale, &["RequestExpired"]),
    // AWS's SDKs count `LimitExceededException` among the throttling codes. The services here answer with it when a
    // quota is used up, which no repetition changes.
    all(Kind::Quota, &["LimitExceeded", "LimitExceededException", "ServiceQuotaExceededException"]),
    all(
        Kind::Throttled,
        &[
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "Throttled",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ],
    ),
    all(
        Kind::Unavailable,
        &[
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServerErrorException",
            "InternalServerException",
            "InternalServiceError",
            "InternalServiceException",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
    ),
    of(APPLICATION_AUTO_SCALING, Kind::Conflict, &["ConcurrentUpdateException"]),
    // Athena says of what doesn't exist that the request is invalid. These requests hold nothing but its name.
    when(ATHENA, "GetNamedQuery", Kind::NotFound, &["InvalidRequestException"]),
    when(ATHENA, "GetWorkGroup", Kind::NotFound, &["InvalidRequestException"]),
    when(ATHENA, "ListNamedQueries", Kind::NotFound, &["InvalidRequestException"]),
    when(ATHENA, "ListTagsForResource", Kind::NotFound, &["InvalidRequestException"]),
    of(AUTO_SCALING, Kind::AlreadyExists, &["AlreadyExistsFault"]),
    of(
        AUTO_SCALING,
        Kind::Busy,
        &[
            "InstanceRefreshInProgress",
            "InstanceRefreshInProgressFault",
            "ScalingActivityInProgress",
            "ScalingActivityInProgressFault",
        ],
    ),
    of(AUTO_SCALING, Kind::Conflict, &["ResourceContention", "ResourceContentionFault"]),
    // The call checks template, profile and image, of which it may not know yet.
    when(AUTO_SCALING, "CreateAutoScalingGroup", Kind::NotYet, &["ValidationError"]),
    of(BUDGETS, Kind::AlreadyExists, &["DuplicateRecordException"]),
    of(CODE_PIPELINE, Kind::AlreadyExists, &["PipelineNameInUseException"]),
    of(EC2, Kind::NotFound, &["NatGatewayNotFound"]),
    of(EC2, Kind::NotSet, &["InvalidPermission.NotFound"]),
    of(EC2, Kind::AlreadyExists, &["InvalidSubnet.Conflict", "Resource.AlreadyAssociated"]),
    of(
        EC2,
        Kind::InUse,
        &["DependencyViolation", "InvalidIPAddress.InUse", "InvalidParameterValue.InUse", "VolumeInUse"],
    ),
    of(EC2, Kind::Busy, &["IncorrectModificationState"]),
    of(EC2, Kind::WrongState, &["IncorrectInstanceState", "IncorrectState"]),
    of(EC2, Kind::Quota, &["VolumeModificationRateExceeded"]),
    // EC2 has no other code for a role that it doesn't know yet.
    when(EC2, "CreateFlowLogs", Kind::NotYet, &["InvalidParameter"]),
    // Nor for a profile that was just made.
    when(EC2, "ReplaceIamInstanceProfileAssociation", Kind::NotYet, &["InvalidParameterValue"]),
    // Jobs haven't ended yet.
    when(EMR_SERVERLESS, "StopApplication", Kind::WrongState, &["ValidationException"]),
    // It is over, or on its way there.
    when(EMR_SERVERLESS, "CancelJobRun", Kind::WrongState, &["ValidationException"]),
    of(EMR_SERVERLESS, Kind::WrongState, &["ConflictException"]),
    of(GLUE, Kind::Unavailable, &["OperationTimeoutException"]),
    of(IAM, Kind::InUse, &["DeleteConflict", "DeleteConflictException"]),
    of(IAM, Kind::Conflict, &["ConcurrentModification"]),
    // A principal that was just made, or a policy that is wrong.
    of(IAM, Kind::NotYet, &["MalformedPolicyDocument", "MalformedPolicyDocumentException"]),
    of(KAFKA, Kind::NotFound, &["UnknownTopicOrPartitionException"]),
    of(KAFKA, Kind::AlreadyExists, &["TopicExistsException"]),
    when(KAFKA, "CreateClusterV2", Kind::AlreadyExists, &["ConflictException"]),
    when(KAFKA, "CreateConfiguration", Kind::AlreadyExists, &["ConflictException"]),
    of(KAFKA, Kind::Busy, &["ConflictException", "ReassignmentInProgressException"]),
    of(KMS, Kind::WrongState, &["DisabledException", "KMSInvalidStateException"]),
    // The key is of another kind: it encrypts, and was to sign.
    of(KMS, Kind::Invalid, &["InvalidKeyUsageException", "UnsupportedOperationException"]),
    of(KMS, Kind::NotYet, &["MalformedPolicyDocumentException"]),
    of(KMS, Kind::Unavailable, &["DependencyTimeoutException", "KMSInternalException", "KeyUnavailableException"]),
    when(LAMBDA, "CreateFunction", Kind::AlreadyExists, &["ResourceConflictException"]),
    // `AddPermission` has this code for a statement of that id too.
    of(LAMBDA, Kind::Busy, &["ResourceConflictException"]),
    of(LOGS, Kind::Conflict, &["OperationAbortedException"]),
    // The VPC has a zone of that name.
    of(ROUTE53, Kind::AlreadyExists, &["ConflictingDomainExists"]),
    of(ROUTE53, Kind::NotEmpty, &["HostedZoneNotEmpty"]),
    of(S3, Kind::HolderNotFound, &["NoSuchBucket"]),
    of(
        S3,
        Kind::NotSet,
        &[
            "NoSuchBucketPolicy",
            "NoSuchLifecycleConfiguration",
            "NoSuchPublicAccessBlockConfiguration",
            "NoSuchTagSet",
            "OwnershipControlsNotFoundError",
            "ServerSideEncryptionConfigurationNotFoundError",
        ],
    ),
    of(S3, Kind::OwnedAlready, &["BucketAlreadyOwnedByYou"]),
    of(S3, Kind::NameTaken, &["BucketAlreadyExists"]),
    of(S3, Kind::NotEmpty, &["BucketNotEmpty"]),
    of(S3, Kind::Conflict, &["ConditionalRequestConflict", "OperationAborted"]),
    // A principal that was just made, or a policy that is wrong.
    of(S3, Kind::NotYet, &["MalformedPolicy"]),
    // The secret waits for its deletion, or another service manages it.
    of(SECRETS_MANAGER, Kind::WrongState, &["InvalidRequestException"]),
    of(SERVICE_QUOTAS, Kind::Quota, &["QuotaExceededException"]),
    of(SNS, Kind::Conflict, &["ConcurrentAccess"]),
    of(SNS, Kind::Throttled, &["KMSThrottling"]),
    // Each error has two codes: the one that SQS's query protocol had, which it still sends in a header, and its name.
    of(SQS, Kind::NotFound, &["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"]),
    of(SQS, Kind::AlreadyExists, &["QueueNameExists"]),
    // The queue of that name is being deleted, which takes a minute.
    of(SQS, Kind::Busy, &["AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"]),
    of(SQS, Kind::Invalid, &["InvalidAttributeName", "InvalidAttributeValue"]),
    of(SSM, Kind::NotFound, &["InvalidDocument", "InvalidDocumentVersion", "InvalidResourceId", "ParameterNotFound"]),
    // A version of the document says the same.
    of(SSM, Kind::AlreadyExists, &["DuplicateDocumentContent"]),
    of(SSM, Kind::Conflict, &["TooManyUpdates"]),
];

/// How a code that no row names may be made.
enum Form {
    Starts(&'static str),
    Ends(&'static str),
}

/// What such codes mean in all services; the first that fits.
static FORMS: &[(Form, Kind)] = &[
    (Form::Ends(".NotFound"), Kind::NotFound),
    (Form::Ends("NotFoundException"), Kind::NotFound),
    (Form::Ends("NotFoundError"), Kind::NotFound),
    (Form::Starts("NoSuch"), Kind::NotFound),
    (Form::Ends("AlreadyExists"), Kind::AlreadyExists),
    (Form::Ends("AlreadyExistsException"), Kind::AlreadyExists),
    (Form::Ends(".Duplicate"), Kind::AlreadyExists),
    // `VpcLimitExceeded`, `ResourceNumberLimitExceededException`, `CreationLimitExceededException`, …
    (Form::Ends("LimitExceeded"), Kind::Quota),
    (Form::Ends("LimitExceededException"), Kind::Quota),
];

/// A refusal that has no code of its own: only its message says what it is.
struct ByMessage {
    service: &'static str,
    code: &'static str,
    fragment: &'static str,
    kind: Kind,
}

static BY_MESSAGE: &[ByMessage] = &[
    // A role takes effect some seconds after it was made ("Changes that I make are not always immediately visible" in
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html). CodeBuild's answer until then is in
    // https://docs.aws.amazon.com/codebuild/latest/userguide/troubleshooting.html and
    // https://github.com/hashicorp/terraform-provider-aws/issues/4233.
    ByMessage {
        service: CODE_BUILD,
        code: "InvalidInputException",
        fragment: "not authorized to perform: sts:AssumeRole",
        kind: Kind::NotYet,
    },
    // The same of CodePipeline: https://github.com/hashicorp/terraform-provider-aws/issues/13103 and
    // https://github.com/hashicorp/terraform/issues/19264.
    ByMessage {
        service: CODE_PIPELINE,
        code: "InvalidStructureException",
        fragment: "not authorized to perform AssumeRole",
        kind: Kind::NotYet,
    },
    // What of the Data Catalog's things Lake Formation keeps, it grants:
    // https://docs.aws.amazon.com/lake-formation/latest/dg/lf-permissions-troubleshooting.html.
    ByMessage {
        service: GLUE,
        code: "AccessDeniedException",
        fragment: "Lake Formation permission",
        kind: Kind::NotGranted,
    },
    // The same of Lambda: https://github.com/aws/aws-sdk-js/issues/4408.
    ByMessage {
        service: LAMBDA,
        code: "InvalidParameterValueException",
        fragment: "cannot be assumed by Lambda",
        kind: Kind::NotYet,
    },
    // A key's policy takes effect some seconds after it was written; CloudWatch Logs asks it at once. The message is in
    // https://github.com/hashicorp/terraform-provider-aws/issues/29282.
    ByMessage {
        service: LOGS,
        code: "AccessDeniedException",
        fragment: "The specified KMS key does not exist or is not allowed to be used",
        kind: Kind::NotYet,
    },
    // S3 asks the destination whether it may send there, and a permission that was just given may be unknown there:
    // https://aws.amazon.com/premiumsupport/knowledge-center/unable-validate-circular-dependency-cloudformation/.
    ByMessage {
        service: S3,
        code: "InvalidArgument",
        fragment: "Unable to validate the following destination configurations",
        kind: Kind::NotYet,
    },
    // A principal that was just made may be unknown to SQS:
    // https://github.com/hashicorp/terraform-provider-aws/pull/35861.
    ByMessage {
        service: SQS,
        code: "InvalidAttributeValue",
        fragment: "Invalid value for the parameter Policy",
        kind: Kind::NotYet,
    },
    // So may a queue: https://github.com/serverless/serverless/issues/5215.
    ByMessage {
        service: SQS,
        code: "InvalidParameterValue",
        fragment: "Dead letter target does not exist",
        kind: Kind::NotYet,
    },
];

/// What a code means, when a table says so.
pub(super) fn look_up(service: &str, operation: &str, code: &str, message: &str) -> Option<Kind> {
    let is_meant = |row: &&ByMessage| row.service == service && row.code == code && message.contains(row.fragment);
    if let Some(row) = BY_MESSAGE.iter().find(is_meant) {
        return Some(row.kind);
    }
    let named = |service: &str, operation: &str| {
        let row = |row: &&Row| row.service == service && row.operation == operation && row.codes.contains(&code);
        ROWS.iter().find(row).map(|row| row.kind)
    };
    let formed = || {
        let fits = |(form, _): &&(Form, Kind)| match form {
            Form::Starts(start) => code.starts_with(start),
            Form::Ends(end) => code.ends_with(end),
        };
        FORMS.iter().find(fits).map(|(_, kind)| *kind)
    };
    named(service, operation).or_else(|| named(service, ANY)).or_else(|| named(ANY, ANY)).or_else(formed)
}

#[cfg(test)]
mod tests;
