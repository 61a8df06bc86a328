//! S3, the Glue catalog and Athena.

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

/// Buckets with their content. Nobody but their owner has their names, which all accounts share.
pub(in crate::kinds) const BUCKETS_OF_THE_STACK: &[Right] = &[
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

const CATALOG: On = On::Arns(&["glue:{region}:{account}:catalog"]);
/// The two databases of every stack, also when they have left the file.
const DATABASES: On = On::Arns(&[
    "glue:{region}:{account}:database/{database}",
    "glue:{region}:{account}:database/{database}_raw",
    "glue:{region}:{account}:table/{database}/*",
    "glue:{region}:{account}:table/{database}_raw/*",
    "glue:{region}:{account}:userDefinedFunction/{database}/*",
    "glue:{region}:{account}:userDefinedFunction/{database}_raw/*",
]);
const DATABASE: &[&str] =
    &["glue:CreateDatabase", "glue:DeleteDatabase", "glue:TagResource", "glue:UntagResource", "glue:UpdateDatabase"];
const TABLE: &[&str] = &[
    "glue:CreateTable",
    "glue:CreateTableOptimizer",
    "glue:DeleteTable",
    "glue:DeleteTableOptimizer",
    "glue:UpdateTable",
    "glue:UpdateTableOptimizer",
];
const TABLE_READS: &[&str] =
    &["glue:BatchGetTableOptimizer", "glue:GetTable", "glue:GetTableOptimizer", "glue:GetTables"];

/// The catalog. Every call is asked about the catalog itself too.
pub(in crate::kinds) const TABLES: &[Right] = &[
    Right::new(CATALOG, &[], DATABASE),
    Right::new(CATALOG, &[], TABLE),
    Right::new(CATALOG, &[], TABLE_READS),
    Right::new(CATALOG, &[], &["glue:GetDatabase", "glue:GetDatabases"]),
    Right::new(
        On::Arns(&["glue:{region}:{account}:database/*"]),
        &[],
        &["glue:GetDatabase", "glue:GetDatabases", "glue:GetTags"],
    ),
    Right::new(DATABASES, &[], DATABASE),
    Right::new(DATABASES, &[], TABLE),
    Right::new(DATABASES, &[], TABLE_READS),
    Right::new(On::Named(&["database"]), &[], DATABASE),
    Right::new(On::Named(&["database", "table"]), &[], TABLE),
    Right::new(On::Named(&["database", "read"]), &[], TABLE_READS),
];

const WORKGROUPS: On = On::Arns(&["athena:{region}:{account}:workgroup/*"]);
const QUERIES: &[&str] = &[
    "athena:BatchGetNamedQuery",
    "athena:CreateNamedQuery",
    "athena:DeleteNamedQuery",
    "athena:GetNamedQuery",
    "athena:ListNamedQueries",
    "athena:UpdateNamedQuery",
];

/// Athena.
pub(in crate::kinds) const QUERIES_OF_THE_STACK: &[Right] = &[
    Right::new(WORKGROUPS, &[], &["athena:ListTagsForResource"]),
    Right::new(On::Named(&["workgroup"]), &[], &["athena:GetWorkGroup"]),
    Right::new(On::Named(&["workgroup"]), &[When::Made], &["athena:CreateWorkGroup", "athena:TagResource"]),
    Right::new(
        WORKGROUPS,
        &[When::Owned],
        &["athena:DeleteWorkGroup", "athena:GetWorkGroup", "athena:UntagResource", "athena:UpdateWorkGroup"],
    ),
    Right::new(WORKGROUPS, &[When::Owned], QUERIES),
    Right::new(On::Named(&["asked", "workgroup"]), &[], QUERIES),
    Right::new(WORKGROUPS, &[When::Owned, When::Kept], &["athena:TagResource"]),
];
