//! Refusals, with the code that each service has for them.

use super::decide::Denied;
use crate::error::AwsError;

/// The codes and statuses of services that have others than `AccessDeniedException` with 400.
const CODES: [(&str, &str, u16); 12] = [
    ("autoscaling", "AccessDenied", 403),
    ("ec2", "UnauthorizedOperation", 403),
    ("emr-serverless", "AccessDeniedException", 403),
    ("iam", "AccessDenied", 403),
    ("kafka", "AccessDeniedException", 403),
    ("lambda", "AccessDeniedException", 403),
    ("monitoring", "AccessDenied", 403),
    ("route53", "AccessDenied", 403),
    ("s3", "AccessDenied", 403),
    ("sns", "AuthorizationError", 403),
    ("sqs", "AccessDeniedException", 403),
    ("sts", "AccessDenied", 403),
];

/// The refusal of a request.
pub(crate) fn error(service: &str, denied: &Denied) -> AwsError {
    let sentence = denied.request.refusal(&denied.decision);
    match service {
        "ec2" => refusal(service, format!("You are not authorized to perform this operation. {sentence}")),
        // S3 puts the resource in quotes.
        "s3" => {
            let resource = &denied.request.resource;
            let (plain, quoted) = (format!("on resource: {resource}"), format!("on resource: \"{resource}\""));
            refusal(service, sentence.replacen(&plain, &quoted, 1))
        }
        _ => refusal(service, sentence),
    }
}

/// The refusal of an operation for which nobody has said what it asks for.
pub(crate) fn unknown(service: &str, operation: &str) -> AwsError {
    let message = format!(
        "the local account doesn't know which action {operation} of {service} asks for, and refuses it; run it with \
         --permissive to let it pass"
    );
    refusal(service, message)
}

fn refusal(service: &str, message: String) -> AwsError {
    let known = CODES.iter().find(|(name, ..)| *name == service);
    let (code, status) = known.map_or(("AccessDeniedException", 400), |(_, code, status)| (*code, *status));
    let error = AwsError::new(code, message).status(status);
    // Clients of SQS know errors by the codes of the query protocol.
    let query_code = (service == "sqs").then(|| "AccessDenied".to_owned());
    AwsError { query_code, ..error }
}
