"""What each text of each kind's spec becomes on AWS: members of botocore's models.

Paths go through a spec: `stages[].name` is of each stage, `targets{}.arn` of each value of a table, `targets{key}` its names.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """A text that becomes members of requests, with what the kind puts before and behind it."""

    members: tuple
    before: str = ""
    behind: str = ""


@dataclass(frozen=True)
class Kept:
    """A text that no member holds as it is."""

    reason: str


def sent(*members, **around):
    """`service Operation Path.to.member`, several times if it becomes several."""
    return Sent(tuple(tuple(member.split()) for member in members), **around)


def metric(statistic, *prefixes):
    """The texts of a metric of an alarm; a statistic stands elsewhere than what it is taken of."""
    alarm = "cloudwatch PutMetricAlarm"
    return {
        "namespace": sent(*(f"{alarm} {prefix}Namespace" for prefix in prefixes)),
        "name": sent(*(f"{alarm} {prefix}MetricName" for prefix in prefixes)),
        "dimensions{key}": sent(*(f"{alarm} {prefix}Dimensions[].Name" for prefix in prefixes)),
        "dimensions{}": sent(*(f"{alarm} {prefix}Dimensions[].Value" for prefix in prefixes)),
        "statistic": sent(f"{alarm} {statistic}"),
    }


def rules(direction):
    """The texts of a security group's rules."""
    permission = f"ec2 AuthorizeSecurityGroup{direction} IpPermissions[]."
    peers = ["IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds"]
    return {
        "protocol": sent(f"{permission}IpProtocol"),
        "cidr": sent(f"{permission}IpRanges[].CidrIp", f"{permission}Ipv6Ranges[].CidrIpv6"),
        "group": sent(f"{permission}UserIdGroupPairs[].GroupId"),
        "prefix_list": sent(f"{permission}PrefixListIds[].PrefixListId"),
        "description": sent(*(f"{permission}{peer}[].Description" for peer in peers)),
    }


def under(path, members):
    return {f"{path}.{name}": member for name, member in members.items()}


CLUSTER = "kafka CreateClusterV2 Provisioned."
SPARK = "emr-serverless StartJobRun jobDriver.sparkSubmit."
CONTENT = "it stands in the JSON that is the document, and no model says what that holds"
TEMPLATE = "ec2 CreateLaunchTemplate LaunchTemplateData."
TRANSFORMATION = "logs PutMetricFilter metricTransformations[]."
PIPELINE = "codepipeline CreatePipeline pipeline."
ACTION = f"{PIPELINE}stages[].actions[]."
TABLE = "glue CreateTable OpenTableFormatInput.IcebergInput.CreateIcebergTableInput."
UPDATE = "glue UpdateTable UpdateOpenTableFormatInput.UpdateIcebergInput.UpdateIcebergTableInput.Updates[]."
OPTIMIZER = "glue CreateTableOptimizer "
COLUMN = "glue CreateTable TableInput.StorageDescriptor.Columns[]."
NOTIFICATION = "s3 PutBucketNotificationConfiguration NotificationConfiguration."
TOLD = ["Topic", "Queue", "LambdaFunction"]
RECORD = "route53 ChangeResourceRecordSets ChangeBatch.Changes[].ResourceRecordSet."
FILTER = [f"{NOTIFICATION}{kind}Configurations[].Filter.Key.FilterRules[].Value" for kind in TOLD]

TEXTS = {
    "alarm": {
        "name": sent("cloudwatch PutMetricAlarm AlarmName"),
        "description": sent("cloudwatch PutMetricAlarm AlarmDescription"),
        "calculation.expression": sent("cloudwatch PutMetricAlarm Metrics[].Expression"),
        "calculation.label": sent("cloudwatch PutMetricAlarm Metrics[].Label"),
        "calculation.metrics{key}": sent("cloudwatch PutMetricAlarm Metrics[].Id"),
        "alarm_actions[]": sent("cloudwatch PutMetricAlarm AlarmActions[]"),
        "ok_actions[]": sent("cloudwatch PutMetricAlarm OKActions[]"),
        **under("metric", metric("ExtendedStatistic", "")),
        **under("calculation.metrics{}", metric("Metrics[].MetricStat.Stat", "Metrics[].MetricStat.Metric.")),
    },
    "auto_scaling_group": {
        "name": sent("autoscaling CreateAutoScalingGroup AutoScalingGroupName"),
        "launch_template": sent("autoscaling CreateAutoScalingGroup LaunchTemplate.LaunchTemplateId"),
        "launch_template_version": sent("autoscaling CreateAutoScalingGroup LaunchTemplate.Version"),
        "subnets[]": sent("autoscaling CreateAutoScalingGroup VPCZoneIdentifier"),
    },
    "bucket": {
        "name": sent("s3 CreateBucket Bucket"),
        "key": sent(
            "s3 PutBucketEncryption ServerSideEncryptionConfiguration.Rules[].ApplyServerSideEncryptionByDefault.KMSMasterKeyID"
        ),
        "lifecycle[].id": sent("s3 PutBucketLifecycleConfiguration LifecycleConfiguration.Rules[].ID"),
        "lifecycle[].prefix": sent("s3 PutBucketLifecycleConfiguration LifecycleConfiguration.Rules[].Filter.Prefix"),
        "access_logs.bucket": sent("s3 PutBucketLogging BucketLoggingStatus.LoggingEnabled.TargetBucket"),
        "access_logs.prefix": sent("s3 PutBucketLogging BucketLoggingStatus.LoggingEnabled.TargetPrefix"),
        "notifications.destinations[].id": sent(*(f"{NOTIFICATION}{kind}Configurations[].Id" for kind in TOLD)),
        "notifications.destinations[].arn": sent(
            f"{NOTIFICATION}TopicConfigurations[].TopicArn",
            f"{NOTIFICATION}QueueConfigurations[].QueueArn",
            f"{NOTIFICATION}LambdaFunctionConfigurations[].LambdaFunctionArn",
        ),
        "notifications.destinations[].events[]": sent(*(f"{NOTIFICATION}{kind}Configurations[].Events[]" for kind in TOLD)),
        "notifications.destinations[].prefix": sent(*FILTER),
        "notifications.destinations[].suffix": sent(*FILTER),
    },
    "budget": {
        "name": sent("budgets CreateBudget Budget.BudgetName"),
        "filters{key}": sent("budgets CreateBudget Budget.CostFilters{key}"),
        "filters{}[]": sent("budgets CreateBudget Budget.CostFilters{}[]"),
        "notifications[].email[]": sent("budgets CreateBudget NotificationsWithSubscribers[].Subscribers[].Address"),
        "notifications[].topic": sent("budgets CreateBudget NotificationsWithSubscribers[].Subscribers[].Address"),
    },
    "build_project": {
        "name": sent("codebuild CreateProject name"),
        "description": sent("codebuild CreateProject description"),
        "role": sent("codebuild CreateProject serviceRole"),
        "buildspec": sent("codebuild CreateProject source.buildspec"),
        "image": sent("codebuild CreateProject environment.image"),
        "environment{key}": sent("codebuild CreateProject environment.environmentVariables[].name"),
        "environment{}": sent("codebuild CreateProject environment.environmentVariables[].value"),
        "log_group": sent("codebuild CreateProject logsConfig.cloudWatchLogs.groupName"),
    },
    "cluster": {
        "name": sent("kafka CreateClusterV2 ClusterName"),
        "kafka_version": sent(f"{CLUSTER}KafkaVersion"),
        "instance_type": sent(f"{CLUSTER}BrokerNodeGroupInfo.InstanceType"),
        "subnets[]": sent(f"{CLUSTER}BrokerNodeGroupInfo.ClientSubnets[]"),
        "security_groups[]": sent(f"{CLUSTER}BrokerNodeGroupInfo.SecurityGroups[]"),
        "configuration.arn": sent(f"{CLUSTER}ConfigurationInfo.Arn"),
        "configuration.revision": Kept("it is sent as a number"),
        "authentication.certificate_authorities[]": sent(f"{CLUSTER}ClientAuthentication.Tls.CertificateAuthorityArnList[]"),
        "encryption_key": sent(f"{CLUSTER}EncryptionInfo.EncryptionAtRest.DataVolumeKMSKeyId"),
        "logs.log_group": sent(f"{CLUSTER}LoggingInfo.BrokerLogs.CloudWatchLogs.LogGroup"),
        "logs.bucket": sent(f"{CLUSTER}LoggingInfo.BrokerLogs.S3.Bucket"),
        "logs.prefix": sent(f"{CLUSTER}LoggingInfo.BrokerLogs.S3.Prefix"),
    },
    "dashboard": {"name": sent("cloudwatch PutDashboard DashboardName")},
    "database": {
        "name": sent("glue CreateDatabase DatabaseInput.Name", "glue CreateTable DatabaseName"),
        "description": sent("glue CreateDatabase DatabaseInput.Description"),
        "location": sent("glue CreateDatabase DatabaseInput.LocationUri"),
    },
    "elastic_ip": {"network_border_group": sent("ec2 AllocateAddress NetworkBorderGroup")},
    "emr_application": {
        "name": sent("emr-serverless CreateApplication name"),
        "release_label": sent("emr-serverless CreateApplication releaseLabel"),
        "subnets[]": sent("emr-serverless CreateApplication networkConfiguration.subnetIds[]"),
        "security_groups[]": sent("emr-serverless CreateApplication networkConfiguration.securityGroupIds[]"),
        "image": sent("emr-serverless CreateApplication imageConfiguration.imageUri"),
    },
    "flow_log": {
        "vpc": sent("ec2 CreateFlowLogs ResourceIds[]"),
        "log_group": sent("ec2 CreateFlowLogs LogGroupName"),
        "role": sent("ec2 CreateFlowLogs DeliverLogsPermissionArn"),
        "bucket": sent("ec2 CreateFlowLogs LogDestination"),
    },
    "function": {
        "name": sent("lambda CreateFunction FunctionName"),
        "description": sent("lambda CreateFunction Description"),
        "source": Kept("a place on this machine"),
        "inline": Kept("it goes up in a zip"),
        "code_sha256": Kept("it is compared with what Lambda calculates"),
        "handler": sent("lambda CreateFunction Handler"),
        "role": sent("lambda CreateFunction Role"),
        "environment{key}": sent("lambda CreateFunction Environment.Variables{key}"),
        "environment{}": sent("lambda CreateFunction Environment.Variables{}"),
        "log_group": sent("lambda CreateFunction LoggingConfig.LogGroup"),
        "permissions{key}": sent("lambda AddPermission StatementId"),
        "permissions{}.principal": sent("lambda AddPermission Principal"),
        "permissions{}.action": sent("lambda AddPermission Action"),
        "permissions{}.source_arn": sent("lambda AddPermission SourceArn"),
        "permissions{}.source_account": sent("lambda AddPermission SourceAccount"),
    },
    "instance_profile": {
        "name": sent("iam CreateInstanceProfile InstanceProfileName"),
        "path": sent("iam CreateInstanceProfile Path"),
        "role": sent("iam AddRoleToInstanceProfile RoleName"),
    },
    "internet_gateway": {"vpc": sent("ec2 AttachInternetGateway VpcId")},
    "job_run": {
        "application": sent("emr-serverless StartJobRun applicationId"),
        "name": sent("emr-serverless StartJobRun name"),
        "execution_role": sent("emr-serverless StartJobRun executionRoleArn"),
        "entry_point": sent(f"{SPARK}entryPoint"),
        "arguments[]": sent(f"{SPARK}entryPointArguments[]"),
        "spark_parameters": Kept("none are sent for an empty text"),
        "log_location": sent(
            "emr-serverless StartJobRun configurationOverrides.monitoringConfiguration.s3MonitoringConfiguration.logUri"
        ),
    },
    "key": {
        "alias": sent("kms CreateAlias AliasName", "kms UpdateAlias AliasName", before="alias/"),
        "description": sent("kms CreateKey Description", "kms UpdateKeyDescription Description"),
    },
    "launch_template": {
        "name": sent("ec2 CreateLaunchTemplate LaunchTemplateName"),
        "image": sent(f"{TEMPLATE}ImageId"),
        "instance_type": Kept("botocore's list of instance types is never whole"),
        "instance_profile": sent(f"{TEMPLATE}IamInstanceProfile.Name"),
        "security_groups[]": sent(f"{TEMPLATE}SecurityGroupIds[]"),
        "user_data": Kept("it is sent in Base64"),
        "volume_device": sent(f"{TEMPLATE}BlockDeviceMappings[].DeviceName"),
        "volume_key": sent(f"{TEMPLATE}BlockDeviceMappings[].Ebs.KmsKeyId"),
    },
    "log_group": {
        "name": sent("logs CreateLogGroup logGroupName"),
        "key": sent("logs CreateLogGroup kmsKeyId", "logs AssociateKmsKey kmsKeyId"),
    },
    "managed_policy": {"name": sent("iam CreatePolicy PolicyName")},
    "metric_filter": {
        "name": sent("logs PutMetricFilter filterName"),
        "log_group": sent("logs PutMetricFilter logGroupName"),
        "pattern": sent("logs PutMetricFilter filterPattern"),
        "namespace": sent(f"{TRANSFORMATION}metricNamespace"),
        "metric": sent(f"{TRANSFORMATION}metricName"),
        "value": sent(f"{TRANSFORMATION}metricValue"),
        "dimensions{key}": sent(f"{TRANSFORMATION}dimensions{{key}}"),
        "dimensions{}": sent(f"{TRANSFORMATION}dimensions{{}}"),
    },
    "msk_configuration": {
        "name": sent("kafka CreateConfiguration Name"),
        "properties{key}": Kept("a line of the server.properties"),
        "properties{}": Kept("a line of the server.properties"),
    },
    "nat_gateway": {
        "subnet": sent("ec2 CreateNatGateway SubnetId"),
        "address": sent("ec2 CreateNatGateway AllocationId"),
    },
    "object": {
        "bucket": sent("s3 PutObject Bucket"),
        "key": sent("s3 PutObject Key"),
        "content": Kept("the object's bytes"),
        "content_type": sent("s3 PutObject ContentType"),
    },
    "oidc_provider": {
        "url": sent("iam CreateOpenIDConnectProvider Url"),
        "client_ids[]": sent(
            "iam CreateOpenIDConnectProvider ClientIDList[]", "iam AddClientIDToOpenIDConnectProvider ClientID"
        ),
    },
    "parameter": {
        "name": sent("ssm PutParameter Name"),
        "value": sent("ssm PutParameter Value"),
        "description": sent("ssm PutParameter Description"),
    },
    "pipeline": {
        "name": sent(f"{PIPELINE}name"),
        "role": sent(f"{PIPELINE}roleArn"),
        "bucket": sent(f"{PIPELINE}artifactStore.location"),
        "key": sent(f"{PIPELINE}artifactStore.encryptionKey.id"),
        "stages[].name": sent(f"{PIPELINE}stages[].name"),
        "stages[].actions[].name": sent(f"{ACTION}name"),
        "stages[].actions[].provider": sent(f"{ACTION}actionTypeId.provider"),
        "stages[].actions[].version": sent(f"{ACTION}actionTypeId.version"),
        "stages[].actions[].configuration{key}": sent(f"{ACTION}configuration{{key}}"),
        "stages[].actions[].configuration{}": sent(f"{ACTION}configuration{{}}"),
        "stages[].actions[].inputs[]": sent(f"{ACTION}inputArtifacts[].name"),
        "stages[].actions[].outputs[]": sent(f"{ACTION}outputArtifacts[].name"),
        "stages[].actions[].namespace": sent(f"{ACTION}namespace"),
    },
    "private_zone": {
        "name": sent("route53 CreateHostedZone Name"),
        "vpc": sent("route53 CreateHostedZone VPC.VPCId"),
        "comment": sent("route53 CreateHostedZone HostedZoneConfig.Comment", "route53 UpdateHostedZoneComment Comment"),
        "host_records[]": sent("route53 ChangeTagsForResource AddTags[].Value"),
    },
    "queue": {
        "name": sent("sqs CreateQueue QueueName"),
        "key": sent("sqs CreateQueue Attributes{}"),
        "dead_letters.queue": Kept("a part of an attribute that is JSON"),
        "dead_letter_sources[]": Kept("a part of an attribute that is JSON"),
    },
    "record": {
        "zone": sent("route53 ChangeResourceRecordSets HostedZoneId"),
        "name": sent(f"{RECORD}Name"),
        "values[]": sent(f"{RECORD}ResourceRecords[].Value"),
    },
    "release": {
        "bucket": sent("s3 PutObject Bucket"),
        "sha256": sent("s3 PutObject Metadata{}"),
        "file": Kept("a place on this machine"),
    },
    "role": {
        "name": sent("iam CreateRole RoleName"),
        "path": sent("iam CreateRole Path"),
        "description": sent("iam CreateRole Description", "iam UpdateRole Description"),
        "policies{key}": sent("iam PutRolePolicy PolicyName"),
        "attached_policies[]": sent("iam AttachRolePolicy PolicyArn"),
        "permissions_boundary": sent(
            "iam CreateRole PermissionsBoundary", "iam PutRolePermissionsBoundary PermissionsBoundary"
        ),
    },
    "route_table": {
        "vpc": sent("ec2 CreateRouteTable VpcId"),
        "routes[].destination": sent("ec2 CreateRoute DestinationCidrBlock", "ec2 CreateRoute DestinationIpv6CidrBlock"),
        "routes[].target": sent("ec2 CreateRoute GatewayId", "ec2 CreateRoute NatGatewayId"),
        "subnets[]": sent("ec2 AssociateRouteTable SubnetId"),
    },
    "saved_query": {
        "name": sent("athena CreateNamedQuery Name"),
        # Behind it stands whose query it is, 128 characters at most.
        "description": sent("athena CreateNamedQuery Description", behind="~" * 128),
        "workgroup": sent("athena CreateNamedQuery WorkGroup"),
        "database": sent("athena CreateNamedQuery Database"),
        "sql": sent("athena CreateNamedQuery QueryString"),
    },
    "schedule_rule": {
        "name": sent("events PutRule Name"),
        "description": sent("events PutRule Description"),
        "schedule": sent("events PutRule ScheduleExpression"),
        "targets{key}": sent("events PutTargets Targets[].Id"),
        "targets{}.arn": sent("events PutTargets Targets[].Arn"),
        "targets{}.input": sent("events PutTargets Targets[].Input"),
        "targets{}.role": sent("events PutTargets Targets[].RoleArn"),
    },
    "scram_association": {
        "cluster": sent("kafka BatchAssociateScramSecret ClusterArn"),
        "secrets[]": sent("kafka BatchAssociateScramSecret SecretArnList[]"),
    },
    "secret": {
        "name": sent("secretsmanager CreateSecret Name"),
        "description": sent("secretsmanager CreateSecret Description"),
        "username": sent("secretsmanager CreateSecret Tags[].Value"),
        "key": sent("secretsmanager CreateSecret KmsKeyId"),
    },
    "security_group": {
        "vpc": sent("ec2 CreateSecurityGroup VpcId"),
        "name": sent("ec2 CreateSecurityGroup GroupName"),
        "description": sent("ec2 CreateSecurityGroup Description"),
        **under("ingress[]", rules("Ingress")),
        **under("egress[]", rules("Egress")),
    },
    "serverless_cluster": {
        "name": sent("kafka CreateClusterV2 ClusterName"),
        "subnets[]": sent("kafka CreateClusterV2 Serverless.VpcConfigs[].SubnetIds[]"),
        "security_groups[]": sent("kafka CreateClusterV2 Serverless.VpcConfigs[].SecurityGroupIds[]"),
    },
    "session_document": {
        "name": sent("ssm CreateDocument Name", "ssm UpdateDocument Name"),
        "description": Kept(CONTENT),
        "key": Kept(CONTENT),
        "log_group": Kept(CONTENT),
        "run_as": Kept(CONTENT),
    },
    "sns_topic": {
        "name": sent("sns CreateTopic Name"),
        "display_name": sent("sns CreateTopic Attributes{}"),
        "key": sent("sns CreateTopic Attributes{}"),
        "email[]": sent("sns Subscribe Endpoint"),
        "https[]": sent("sns Subscribe Endpoint"),
    },
    "storage_scaling": {"cluster": sent("application-autoscaling RegisterScalableTarget ResourceId")},
    "subnet": {
        "vpc": sent("ec2 CreateSubnet VpcId"),
        "cidr": sent("ec2 CreateSubnet CidrBlock"),
        "zone": sent("ec2 CreateSubnet AvailabilityZone"),
    },
    "table": {
        "database": sent("glue CreateTable DatabaseName"),
        "name": sent("glue CreateTable Name"),
        "location": sent(f"{TABLE}Location"),
        # Glue makes columns of its own of them.
        "columns[].name": sent(f"{TABLE}Schema.Fields[].Name", f"{UPDATE}Schema.Fields[].Name", f"{COLUMN}Name"),
        "columns[].type": Kept("a grammar of its own"),
        "columns[].doc": sent(f"{TABLE}Schema.Fields[].Doc", f"{UPDATE}Schema.Fields[].Doc", f"{COLUMN}Comment"),
        "columns[].was": sent(f"{TABLE}Schema.Fields[].Name", f"{COLUMN}Name"),
        "partition[]": Kept("a grammar of its own"),
        "sort[]": Kept("a grammar of its own"),
        "properties{key}": sent(f"{TABLE}Properties{{key}}", f"{UPDATE}Properties{{key}}"),
        "properties{}": sent(f"{TABLE}Properties{{}}", f"{UPDATE}Properties{{}}"),
        "renames{key}": sent(f"{TABLE}Schema.Fields[].Name", f"{COLUMN}Name"),
        "renames{}": sent(f"{TABLE}Schema.Fields[].Name", f"{COLUMN}Name"),
    },
    "table_optimizer": {
        "database": sent(f"{OPTIMIZER}DatabaseName"),
        "table": sent(f"{OPTIMIZER}TableName"),
        "role": sent(f"{OPTIMIZER}TableOptimizerConfiguration.roleArn"),
    },
    "topic": {
        "cluster": sent("kafka CreateTopic ClusterArn"),
        "name": sent("kafka CreateTopic TopicName"),
        "configuration{key}": Kept("they are sent in Base64"),
        "configuration{}": Kept("they are sent in Base64"),
    },
    "volume": {
        "zone": sent("ec2 CreateVolume AvailabilityZone"),
        "key": sent("ec2 CreateVolume KmsKeyId"),
    },
    "vpc": {"cidr": sent("ec2 CreateVpc CidrBlock")},
    "vpc_endpoint": {
        "vpc": sent("ec2 CreateVpcEndpoint VpcId"),
        "service": sent("ec2 CreateVpcEndpoint ServiceName", before="com.amazonaws.eu-north-1."),
        "route_tables[]": sent("ec2 CreateVpcEndpoint RouteTableIds[]"),
        "subnets[]": sent("ec2 CreateVpcEndpoint SubnetIds[]"),
        "security_groups[]": sent("ec2 CreateVpcEndpoint SecurityGroupIds[]"),
    },
    "workgroup": {
        "name": sent("athena CreateWorkGroup Name"),
        "description": sent("athena CreateWorkGroup Description"),
        "output_location": sent("athena CreateWorkGroup Configuration.ResultConfiguration.OutputLocation"),
        "key": sent("athena CreateWorkGroup Configuration.ResultConfiguration.EncryptionConfiguration.KmsKey"),
    },
}
