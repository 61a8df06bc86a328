//! What a denied call asks for: the statement of a policy that would allow it.

use lakewright_aws::Error;

use super::action;

/// What would allow what was denied, as a sentence. AWS names action and resource in most of its messages.
pub fn allowing(error: &Error) -> String {
    let after = |marker: &str| {
        let rest = error.message.split_once(marker)?.1;
        let word = rest.split_whitespace().next()?.trim_matches(|c| matches!(c, '"' | '\'' | '`' | '.' | ','));
        (!word.is_empty()).then(|| word.to_owned())
    };
    let action = after("not authorized to perform: ").unwrap_or_else(|| action(&error.service, &error.operation));
    // A statement on everything would give more than was asked for.
    let Some(resource) = after("on resource: ").filter(|resource| resource != "*") else {
        return format!(
            "the credentials may not do {action}; the policies that `lakewright permissions` prints say on what it is needed, and \
             allow it unless another one or the organisation denies it"
        );
    };
    // A statement that denies wins over all that allow.
    if let Some((_, policy)) = error.message.split_once("with an explicit deny in ") {
        let policy = policy.lines().next().unwrap_or_default().trim().trim_end_matches('.');
        return format!(
            "the credentials may not do {action} on {resource}: a statement of {policy} denies it, whatever others allow"
        );
    }
    let statement = serde_json::json!({"Effect": "Allow", "Action": action, "Resource": resource});
    format!(
        "the credentials may not do {action} on {resource}; a policy of theirs with this statement allows it, unless \
         another one or the organisation denies it: {statement}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(service: &str, operation: &str, message: &str) -> Error {
        Error::answered(service, operation, "AccessDeniedException", message, 403, "")
    }

    #[test]
    fn a_denial_names_action_and_resource() {
        let arn = "arn:aws:kms:eu-north-1:1:key/2";
        let message = format!(
            "User: arn:aws:iam::1:user/ci is not authorized to perform: kms:TagResource on resource: {arn} because no \
             identity-based policy allows the kms:TagResource action"
        );
        let said = allowing(&denied("kms", "TagResource", &message));
        assert!(said.contains(&format!(r#""Action":"kms:TagResource","Resource":"{arn}""#)), "{said}");
        let message = format!(
            "User: arn:aws:iam::1:user/ci is not authorized to perform: s3:PutObject on resource: \"{arn}\" with an explicit deny \
             in a resource-based policy"
        );
        let said = allowing(&denied("s3", "PutObject", &message));
        assert!(said.contains("a statement of a resource-based policy denies it") && !said.contains("Allow"), "{said}");
        let said = allowing(&denied("ec2", "CreateVpc", "You are not authorized to perform this operation."));
        assert!(said.contains("ec2:CreateVpc") && said.contains("lakewright permissions"), "{said}");
        assert!(!said.contains("\"*\""), "{said}");
        let said = allowing(&denied("sts", "X", "not authorized to perform: ec2:DescribeVpcs on resource: * because"));
        assert!(said.contains("ec2:DescribeVpcs") && !said.contains('*'), "{said}");
        let said = allowing(&denied("s3", "DeleteBucketLifecycle", "Access Denied"));
        assert!(said.contains("s3:PutLifecycleConfiguration"), "{said}");
    }
}
