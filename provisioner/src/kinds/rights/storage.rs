//! The Glue catalog and Athena.

use crate::kind::{On, Right, When};

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
