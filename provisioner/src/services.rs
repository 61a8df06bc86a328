//! The clients of the services that only the provisioner speaks to, each made when it is first asked for.

use lakewright_aws::{Aws, client};

/// The services, besides S3 and EC2.
pub trait Services {
    /// Application Auto Scaling.
    fn application_auto_scaling(&self) -> aws_sdk_applicationautoscaling::Client;
    /// Athena.
    fn athena(&self) -> aws_sdk_athena::Client;
    /// EC2 Auto Scaling.
    fn auto_scaling(&self) -> aws_sdk_autoscaling::Client;
    /// AWS Budgets.
    fn budgets(&self) -> aws_sdk_budgets::Client;
    /// CloudWatch.
    fn cloud_watch(&self) -> aws_sdk_cloudwatch::Client;
    /// CodeBuild.
    fn code_build(&self) -> aws_sdk_codebuild::Client;
    /// CodePipeline.
    fn code_pipeline(&self) -> aws_sdk_codepipeline::Client;
    /// EMR Serverless.
    fn emr_serverless(&self) -> aws_sdk_emrserverless::Client;
    /// EventBridge.
    fn event_bridge(&self) -> aws_sdk_eventbridge::Client;
    /// Glue.
    fn glue(&self) -> aws_sdk_glue::Client;
    /// IAM.
    fn iam(&self) -> aws_sdk_iam::Client;
    /// Managed Streaming for Apache Kafka.
    fn kafka(&self) -> aws_sdk_kafka::Client;
    /// Key Management Service.
    fn kms(&self) -> aws_sdk_kms::Client;
    /// Lambda.
    fn lambda(&self) -> aws_sdk_lambda::Client;
    /// CloudWatch Logs.
    fn logs(&self) -> aws_sdk_cloudwatchlogs::Client;
    /// The Price List, which two regions of the partition aws answer for all.
    fn pricing(&self) -> aws_sdk_pricing::Client;
    /// Route 53, which has no region.
    fn route53(&self) -> aws_sdk_route53::Client;
    /// Secrets Manager.
    fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client;
    /// Service Quotas.
    fn service_quotas(&self) -> aws_sdk_servicequotas::Client;
    /// Simple Notification Service.
    fn sns(&self) -> aws_sdk_sns::Client;
    /// Simple Queue Service.
    fn sqs(&self) -> aws_sdk_sqs::Client;
    /// Systems Manager.
    fn ssm(&self) -> aws_sdk_ssm::Client;
    /// Security Token Service.
    fn sts(&self) -> aws_sdk_sts::Client;
    /// Resource Groups Tagging.
    fn tagging(&self) -> aws_sdk_resourcegroupstagging::Client;
}

impl Services for Aws {
    fn application_auto_scaling(&self) -> aws_sdk_applicationautoscaling::Client {
        client!(self, "application-autoscaling", aws_sdk_applicationautoscaling)
    }

    fn athena(&self) -> aws_sdk_athena::Client {
        client!(self, "athena", aws_sdk_athena)
    }

    fn auto_scaling(&self) -> aws_sdk_autoscaling::Client {
        client!(self, "autoscaling", aws_sdk_autoscaling)
    }

    fn budgets(&self) -> aws_sdk_budgets::Client {
        client!(self, "budgets", aws_sdk_budgets)
    }

    fn cloud_watch(&self) -> aws_sdk_cloudwatch::Client {
        client!(self, "monitoring", aws_sdk_cloudwatch)
    }

    fn code_build(&self) -> aws_sdk_codebuild::Client {
        client!(self, "codebuild", aws_sdk_codebuild)
    }

    fn code_pipeline(&self) -> aws_sdk_codepipeline::Client {
        client!(self, "codepipeline", aws_sdk_codepipeline)
    }

    fn emr_serverless(&self) -> aws_sdk_emrserverless::Client {
        client!(self, "emr-serverless", aws_sdk_emrserverless)
    }

    fn event_bridge(&self) -> aws_sdk_eventbridge::Client {
        client!(self, "events", aws_sdk_eventbridge)
    }

    fn glue(&self) -> aws_sdk_glue::Client {
        client!(self, "glue", aws_sdk_glue)
    }

    fn iam(&self) -> aws_sdk_iam::Client {
        client!(self, "iam", aws_sdk_iam)
    }

    fn kafka(&self) -> aws_sdk_kafka::Client {
        client!(self, "kafka", aws_sdk_kafka)
    }

    fn kms(&self) -> aws_sdk_kms::Client {
        client!(self, "kms", aws_sdk_kms)
    }

    fn lambda(&self) -> aws_sdk_lambda::Client {
        client!(self, "lambda", aws_sdk_lambda)
    }

    fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        client!(self, "logs", aws_sdk_cloudwatchlogs)
    }

    fn pricing(&self) -> aws_sdk_pricing::Client {
        let region = aws_sdk_pricing::config::Region::new("us-east-1");
        client!(self, "pricing", aws_sdk_pricing, |config| config.region(region))
    }

    fn route53(&self) -> aws_sdk_route53::Client {
        client!(self, "route53", aws_sdk_route53)
    }

    fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        client!(self, "secretsmanager", aws_sdk_secretsmanager)
    }

    fn service_quotas(&self) -> aws_sdk_servicequotas::Client {
        client!(self, "servicequotas", aws_sdk_servicequotas)
    }

    fn sns(&self) -> aws_sdk_sns::Client {
        client!(self, "sns", aws_sdk_sns)
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        client!(self, "sqs", aws_sdk_sqs)
    }

    fn ssm(&self) -> aws_sdk_ssm::Client {
        client!(self, "ssm", aws_sdk_ssm)
    }

    fn sts(&self) -> aws_sdk_sts::Client {
        client!(self, "sts", aws_sdk_sts)
    }

    fn tagging(&self) -> aws_sdk_resourcegroupstagging::Client {
        client!(self, "tagging", aws_sdk_resourcegroupstagging)
    }
}
