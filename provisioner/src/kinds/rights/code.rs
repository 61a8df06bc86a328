//! What runs code: Lambda, CodeBuild, CodePipeline, EMR Serverless, the image that a host is started from, and the shells on it.

use crate::kind::{On, Right, When};

const FUNCTIONS: On = On::Arns(&["lambda:{region}:{account}:function:*"]);
const FUNCTION_READS: &[&str] = &["lambda:GetFunction", "lambda:GetPolicy"];

/// Lambda.
pub(in crate::kinds) const FUNCTIONS_OF_THE_STACK: &[Right] = &[
    Right::new(FUNCTIONS, &[], &["lambda:ListTags"]),
    Right::new(On::Named(&["function"]), &[], FUNCTION_READS),
    Right::new(FUNCTIONS, &[When::Owned], FUNCTION_READS),
    Right::new(On::Named(&["function"]), &[When::Made], &["lambda:CreateFunction", "lambda:TagResource"]),
    Right::new(
        FUNCTIONS,
        &[When::Owned],
        &[
            "lambda:AddPermission",
            "lambda:DeleteFunction",
            "lambda:RemovePermission",
            "lambda:UntagResource",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
        ],
    ),
    Right::new(FUNCTIONS, &[When::Owned, When::Kept], &["lambda:TagResource"]),
];

const PROJECTS: On = On::Arns(&["codebuild:{region}:{account}:project/*"]);

/// CodeBuild.
pub(in crate::kinds) const BUILDS: &[Right] = &[
    Right::new(On::Everything, &[When::Here], &["codebuild:ListProjects"]),
    Right::new(On::Named(&["project"]), &[], &["codebuild:BatchGetProjects"]),
    Right::new(On::Named(&["project"]), &[When::Made], &["codebuild:CreateProject"]),
    Right::new(
        PROJECTS,
        &[When::Owned],
        &["codebuild:BatchGetProjects", "codebuild:DeleteProject", "codebuild:UpdateProject"],
    ),
];

const PIPELINES: On = On::Arns(&["codepipeline:{region}:{account}:*"]);
const CONNECTIONS: On = On::Mentioned(&[("codeconnections", "connection"), ("codestar-connections", "connection")]);

/// CodePipeline.
pub(in crate::kinds) const PIPELINES_OF_THE_STACK: &[Right] = &[
    Right::new(PIPELINES, &[], &["codepipeline:ListTagsForResource"]),
    Right::new(On::Named(&["pipeline"]), &[], &["codepipeline:GetPipeline"]),
    Right::new(On::Named(&["pipeline"]), &[When::Made], &["codepipeline:CreatePipeline", "codepipeline:TagResource"]),
    Right::new(
        PIPELINES,
        &[When::Owned],
        &[
            "codepipeline:DeletePipeline",
            "codepipeline:GetPipeline",
            "codepipeline:UntagResource",
            "codepipeline:UpdatePipeline",
        ],
    ),
    Right::new(PIPELINES, &[When::Owned, When::Kept], &["codepipeline:TagResource"]),
    Right::new(CONNECTIONS, &[], &["codeconnections:PassConnection", "codestar-connections:PassConnection"]),
];

const APPLICATIONS: On = On::Arns(&["emr-serverless:{region}:{account}:/applications/*"]);
const JOB_RUNS: On = On::Arns(&["emr-serverless:{region}:{account}:/applications/*/jobruns/*"]);

/// EMR Serverless, whose applications are known by identifiers only.
pub(in crate::kinds) const SPARK: &[Right] = &[
    Right::new(On::Everything, &[When::Here], &["emr-serverless:ListApplications"]),
    Right::new(On::Everything, &[When::Here, When::Made], &["emr-serverless:CreateApplication"]),
    Right::new(APPLICATIONS, &[], &["emr-serverless:ListTagsForResource"]),
    Right::new(
        APPLICATIONS,
        &[When::Owned],
        &[
            "emr-serverless:DeleteApplication",
            "emr-serverless:GetApplication",
            "emr-serverless:StartApplication",
            "emr-serverless:StopApplication",
            "emr-serverless:UntagResource",
            "emr-serverless:UpdateApplication",
        ],
    ),
    Right::new(APPLICATIONS, &[When::Made, When::Unclaimed], &["emr-serverless:TagResource"]),
    Right::new(APPLICATIONS, &[When::Owned, When::Kept], &["emr-serverless:TagResource"]),
];

/// What runs on its applications. What is asked of both, their tags too, stands with the applications, whose ARNs are the beginning of
/// theirs.
pub(in crate::kinds) const RUNS: &[Right] = &[
    Right::new(APPLICATIONS, &[When::Owned], &["emr-serverless:ListJobRuns"]),
    Right::new(APPLICATIONS, &[When::Owned, When::Made], &["emr-serverless:StartJobRun"]),
    Right::new(JOB_RUNS, &[When::Owned], &["emr-serverless:CancelJobRun", "emr-serverless:GetJobRun"]),
];

const DOCUMENTS: On = On::Arns(&["ssm:{region}:{account}:document/*"]);
const DOCUMENT_READS: &[&str] = &["ssm:DescribeDocument", "ssm:GetDocument"];

/// How shells on hosts run.
pub(in crate::kinds) const SESSIONS: &[Right] = &[
    Right::new(DOCUMENTS, &[], &["ssm:ListTagsForResource"]),
    Right::new(On::Named(&["session document"]), &[], DOCUMENT_READS),
    Right::new(DOCUMENTS, &[When::Owned], DOCUMENT_READS),
    Right::new(On::Named(&["session document"]), &[When::Made], &["ssm:AddTagsToResource", "ssm:CreateDocument"]),
    Right::new(
        DOCUMENTS,
        &[When::Owned],
        &["ssm:DeleteDocument", "ssm:RemoveTagsFromResource", "ssm:UpdateDocument", "ssm:UpdateDocumentDefaultVersion"],
    ),
    Right::new(DOCUMENTS, &[When::Owned, When::Kept], &["ssm:AddTagsToResource"]),
];

/// The images that AWS publishes.
pub(in crate::kinds) const IMAGES: &[Right] =
    &[Right::new(On::Arns(&["ssm:{region}::parameter/aws/service/*"]), &[], &["ssm:GetParameters"])];
