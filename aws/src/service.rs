//! The services, each one line of a table.

/// A service that [`crate::Client::call`] speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// EC2.
    Ec2,
    /// EC2 Auto Scaling.
    AutoScaling,
    /// IAM.
    Iam,
    /// Security Token Service.
    Sts,
    /// Key Management Service.
    Kms,
    /// Secrets Manager.
    SecretsManager,
    /// Managed Streaming for Apache Kafka.
    Kafka,
    /// Glue.
    Glue,
    /// Athena.
    Athena,
    /// EMR Serverless.
    EmrServerless,
    /// CloudWatch.
    CloudWatch,
    /// CloudWatch Logs.
    Logs,
    /// Simple Notification Service.
    Sns,
    /// AWS Budgets.
    Budgets,
    /// Systems Manager.
    Ssm,
    /// Resource Groups Tagging.
    Tagging,
    /// Lambda.
    Lambda,
    /// EventBridge.
    Events,
    /// CodeBuild.
    CodeBuild,
    /// CodePipeline.
    CodePipeline,
    /// The Price List.
    Pricing,
    /// Service Quotas.
    ServiceQuotas,
    /// Application Auto Scaling.
    ApplicationAutoScaling,
}

/// How a service is spoken to.
#[derive(Debug)]
pub struct Api {
    /// The name in messages.
    pub name: &'static str,
    /// The first part of the host name.
    pub host: &'static str,
    /// The name in signatures.
    pub signing: &'static str,
    /// What stands behind `AWS_ENDPOINT_URL_`.
    pub variable: &'static str,
    /// The region that signs, where the service has one endpoint for all.
    pub global_region: Option<&'static str>,
    /// The form of requests and answers.
    pub protocol: Protocol,
}

/// The forms of requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// EC2's form, with the API version.
    Ec2(&'static str),
    /// Query, with the API version.
    Query(&'static str),
    /// JSON 1.1, with the prefix of the target header.
    Json(&'static str),
    /// REST with JSON bodies.
    RestJson,
    /// S3's REST with XML bodies.
    S3,
}

const fn regional(name: &'static str, variable: &'static str, protocol: Protocol) -> Api {
    Api { name, host: name, signing: name, variable, global_region: None, protocol }
}

static EC2: Api = regional("ec2", "EC2", Protocol::Ec2("2016-11-15"));
static AUTO_SCALING: Api = regional("autoscaling", "AUTO_SCALING", Protocol::Query("2011-01-01"));
static IAM: Api = Api { global_region: Some("us-east-1"), ..regional("iam", "IAM", Protocol::Query("2010-05-08")) };
static STS: Api = regional("sts", "STS", Protocol::Query("2011-06-15"));
static KMS: Api = regional("kms", "KMS", Protocol::Json("TrentService"));
static SECRETS_MANAGER: Api = regional("secretsmanager", "SECRETS_MANAGER", Protocol::Json("secretsmanager"));
static KAFKA: Api = regional("kafka", "KAFKA", Protocol::RestJson);
static GLUE: Api = regional("glue", "GLUE", Protocol::Json("AWSGlue"));
static ATHENA: Api = regional("athena", "ATHENA", Protocol::Json("AmazonAthena"));
static EMR_SERVERLESS: Api = regional("emr-serverless", "EMR_SERVERLESS", Protocol::RestJson);
// CloudWatch takes JSON and CBOR too; the query protocol is the one that it has always spoken.
static CLOUD_WATCH: Api = regional("monitoring", "CLOUDWATCH", Protocol::Query("2010-08-01"));
static SNS: Api = regional("sns", "SNS", Protocol::Query("2010-03-31"));
static BUDGETS: Api = Api {
    global_region: Some("us-east-1"),
    ..regional("budgets", "BUDGETS", Protocol::Json("AWSBudgetServiceGateway"))
};
static LOGS: Api = regional("logs", "CLOUDWATCH_LOGS", Protocol::Json("Logs_20140328"));
static SSM: Api = regional("ssm", "SSM", Protocol::Json("AmazonSSM"));
static TAGGING: Api =
    regional("tagging", "RESOURCE_GROUPS_TAGGING_API", Protocol::Json("ResourceGroupsTaggingAPI_20170126"));
static LAMBDA: Api = regional("lambda", "LAMBDA", Protocol::RestJson);
static EVENTS: Api = regional("events", "EVENTBRIDGE", Protocol::Json("AWSEvents"));
static CODE_BUILD: Api = regional("codebuild", "CODEBUILD", Protocol::Json("CodeBuild_20161006"));
static CODE_PIPELINE: Api = regional("codepipeline", "CODEPIPELINE", Protocol::Json("CodePipeline_20150709"));

// Prices of all regions are told in a few: this is one of them.
static PRICING: Api = Api {
    host: "api.pricing.us-east-1",
    global_region: Some("us-east-1"),
    ..regional("pricing", "PRICING", Protocol::Json("AWSPriceListService"))
};
static SERVICE_QUOTAS: Api = regional("servicequotas", "SERVICE_QUOTAS", Protocol::Json("ServiceQuotasV20190624"));
static APPLICATION_AUTO_SCALING: Api =
    regional("application-autoscaling", "APPLICATION_AUTO_SCALING", Protocol::Json("AnyScaleFrontendService"));

/// S3 has its own client, [`crate::S3`].
pub static S3: Api = regional("s3", "S3", Protocol::S3);

impl Service {
    /// How it is spoken to.
    pub(crate) fn api(self) -> &'static Api {
        match self {
            Self::Ec2 => &EC2,
            Self::AutoScaling => &AUTO_SCALING,
            Self::Iam => &IAM,
            Self::Sts => &STS,
            Self::Kms => &KMS,
            Self::SecretsManager => &SECRETS_MANAGER,
            Self::Kafka => &KAFKA,
            Self::Glue => &GLUE,
            Self::Athena => &ATHENA,
            Self::EmrServerless => &EMR_SERVERLESS,
            Self::CloudWatch => &CLOUD_WATCH,
            Self::Logs => &LOGS,
            Self::Sns => &SNS,
            Self::Budgets => &BUDGETS,
            Self::Ssm => &SSM,
            Self::Tagging => &TAGGING,
            Self::Lambda => &LAMBDA,
            Self::Events => &EVENTS,
            Self::CodeBuild => &CODE_BUILD,
            Self::CodePipeline => &CODE_PIPELINE,
            Self::Pricing => &PRICING,
            Self::ServiceQuotas => &SERVICE_QUOTAS,
            Self::ApplicationAutoScaling => &APPLICATION_AUTO_SCALING,
        }
    }
}
