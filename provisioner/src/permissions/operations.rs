//! The actions of IAM that operations of AWS ask for.

/// Services whose actions begin otherwise than with the service's name.
static PREFIXES: &[(&str, &str)] = &[("monitoring", "cloudwatch"), ("tagging", "tag")];

/// Operations of S3 whose actions have other names. There are no actions that read what HEAD requests read or delete a
/// bucket's settings: S3 asks for those that get objects and put settings.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>
static S3: &[(&str, &str)] = &[
    ("DeleteBucketEncryption", "PutEncryptionConfiguration"),
    ("DeleteBucketLifecycle", "PutLifecycleConfiguration"),
    ("DeleteBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("DeleteBucketTagging", "PutBucketTagging"),
    ("DeleteObjects", "DeleteObject"),
    ("DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("GetBucketEncryption", "GetEncryptionConfiguration"),
    ("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
    ("GetBucketNotificationConfiguration", "GetBucketNotification"),
    ("GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("HeadBucket", "ListBucket"),
    ("HeadObject", "GetObject"),
    ("ListMultipartUploads", "ListBucketMultipartUploads"),
    ("ListObjectVersions", "ListBucketVersions"),
    ("ListObjectsV2", "ListBucket"),
    ("PutBucketEncryption", "PutEncryptionConfiguration"),
    ("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    ("PutBucketNotificationConfiguration", "PutBucketNotification"),
    ("PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
];

/// The same of AWS Budgets, which has one action for all that changes and one for all that reads.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbudgetservice.html>
static BUDGETS: &[(&str, &str)] = &[
    ("CreateBudget", "ModifyBudget"),
    ("CreateNotification", "ModifyBudget"),
    ("DeleteBudget", "ModifyBudget"),
    ("DeleteNotification", "ModifyBudget"),
    ("DescribeBudget", "ViewBudget"),
    ("DescribeBudgets", "ViewBudget"),
    ("DescribeNotificationsForBudget", "ViewBudget"),
    ("DescribeSubscribersForNotification", "ViewBudget"),
    ("UpdateBudget", "ModifyBudget"),
];

/// The action that an operation of a service asks for; what is an action already stays one.
pub fn action(service: &str, operation: &str) -> String {
    let named = |names: &[(&'static str, &'static str)], name: &str| {
        names.iter().find(|(known, _)| *known == name).map(|(_, other)| *other)
    };
    let others = match service {
        "s3" => S3,
        "budgets" => BUDGETS,
        _ => &[],
    };
    let prefix = named(PREFIXES, service).unwrap_or(service);
    format!("{prefix}:{}", named(others, operation).unwrap_or(operation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_lead_to_actions_that_iam_has() {
        // A refused HEAD has no body, and nothing names the action.
        for (service, operation, expected) in [
            ("s3", "HeadObject", "s3:GetObject"),
            ("s3", "ListObjectsV2", "s3:ListBucket"),
            ("s3", "DeleteObjects", "s3:DeleteObject"),
            ("s3", "ListMultipartUploads", "s3:ListBucketMultipartUploads"),
            ("s3", "PutObject", "s3:PutObject"),
            ("s3", "DeleteObjectVersion", "s3:DeleteObjectVersion"),
            ("budgets", "UpdateBudget", "budgets:ModifyBudget"),
            ("budgets", "TagResource", "budgets:TagResource"),
            ("monitoring", "PutMetricAlarm", "cloudwatch:PutMetricAlarm"),
            ("tagging", "GetResources", "tag:GetResources"),
            ("emr-serverless", "CreateApplication", "emr-serverless:CreateApplication"),
        ] {
            assert_eq!(action(service, operation), expected);
        }
    }

    #[test]
    fn actions_of_the_tables_are_those_that_applying_takes() {
        let said = crate::kinds::all().iter().flat_map(|kind| kind.actions());
        let known: Vec<String> = said
            .filter_map(|said| said.split_once(':'))
            .map(|(service, operation)| action(service, operation))
            .collect();
        for (service, names) in [("s3", S3), ("budgets", BUDGETS)] {
            for (operation, _) in names {
                let action = action(service, operation);
                assert!(known.contains(&action), "{service} {operation}: no kind names {action}");
            }
        }
    }

    #[test]
    fn what_an_operation_asks_for_is_no_operation_of_another_name() {
        for names in [S3, BUDGETS] {
            let twice = |action: &str| names.iter().any(|(operation, _)| *operation == action);
            assert!(names.iter().all(|(_, action)| !twice(action)));
        }
    }
}
