//! Rights on buckets with their content. Nobody but their owner has their names, which all accounts share.

use crate::kind::{On, Right, When};

const BUCKETS: On = On::Named(&["bucket"]);
/// What a plan reads and an apply writes: what hosts and jobs fetch, and the metadata of tables. The artifacts bucket keeps it also
/// when nothing in the file says so any more.
const OBJECTS: On = On::Named(&["metadata", "object", "published"]);
const ARTIFACTS: On = On::Arns(&[
    "s3:::{artifacts}/hosts/*",
    "s3:::{artifacts}/jobs/*",
    "s3:::{artifacts}/models/*",
    "s3:::{artifacts}/releases/*",
]);

/// What a stack may do with its buckets and their content.
pub(super) const RIGHTS: &[Right] = &[
    Right::new(
        BUCKETS,
        &[],
        &[
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:DeleteBucketPolicy",
            "s3:GetBucketLogging",
            "s3:GetBucketNotification",
            "s3:GetBucketOwnershipControls",
            "s3:GetBucketPolicy",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketTagging",
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
            "s3:GetLifecycleConfiguration",
            "s3:ListBucket",
            "s3:ListBucketMultipartUploads",
            "s3:ListBucketVersions",
            "s3:PutBucketLogging",
            "s3:PutBucketNotification",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutBucketVersioning",
            "s3:PutEncryptionConfiguration",
            "s3:PutLifecycleConfiguration",
            "s3:TagResource",
            "s3:UntagResource",
        ],
    ),
    Right::new(OBJECTS, &[When::OfAccount], &["s3:GetObject", "s3:PutObject"]),
    Right::new(ARTIFACTS, &[When::OfAccount], &["s3:GetObject", "s3:PutObject"]),
    Right::new(
        On::Named(&["content"]),
        &[When::OfAccount],
        &["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"],
    ),
    Right::new(OBJECTS, &[When::OfAccount], &["s3:DeleteObject"]),
];
