"""Updates that take a thing whole: a member that a kind doesn't know must stay as somebody made it, or show in a plan.

`WHOLE` has the operations of which AWS takes away what a request leaves out, and below each the members that no request of the
kinds carries unless it goes back as it was read. `PARTIAL` has those that leave alone what they aren't given. An operation that
stands in neither, or a member that AWS has added since, fails: look up what AWS does with it and say it here.
"""

import re

import pytest

from members import SESSION
from unread import TAGS, table

UPDATES = re.compile("(Put|Update|Set|Modify|Replace|Change|Create[A-Za-z]+Version$)")

REASONS = {
    "kept": "the kind reads it before and sends it back",
    "shown": "what exists departs by it from every spec: a plan shows that as drift before an update takes it away",
    "call": "it says which thing is meant or how the call is made, and nothing of it stays",
    "other": "a thing of this type can't have it, or AWS heeds it in no thing that the kinds make",
    "told": "AWS says it, and takes it from nobody",
}

WHOLE = """
application-autoscaling PutScalingPolicy
    StepScalingPolicyConfiguration PredictiveScalingPolicyConfiguration: other
    TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification: shown
    TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.ResourceLabel: other
athena UpdateNamedQuery
budgets UpdateBudget
    NewBudget.PlannedBudgetLimits NewBudget.AutoAdjustData NewBudget.FilterExpression NewBudget.Metrics: shown
    NewBudget.BillingViewArn: kept
    NewBudget.CalculatedSpend NewBudget.LastUpdatedTime NewBudget.HealthStatus: told
cloudwatch PutMetricAlarm
    InsufficientDataActions Unit EvaluateLowSampleCountPercentile ThresholdMetricId Metrics.MetricStat.Unit Metrics.AccountId: shown
    EvaluationCriteria EvaluationInterval Metrics.Period: shown
    EvaluationWindow ActionConfiguration WarmUpConfiguration.OnlyStartEvaluatingAfterWarmUpPeriodEnds: kept
cloudwatch PutDashboard
codebuild UpdateProject
    source.location source.gitCloneDepth source.gitSubmodulesConfig source.auth source.reportBuildStatus source.buildStatusConfig
        source.insecureSsl source.sourceIdentifier secondarySources sourceVersion secondarySourceVersions: other
    artifacts.location artifacts.path artifacts.namespaceType artifacts.name artifacts.packaging artifacts.overrideArtifactName
        artifacts.encryptionDisabled artifacts.artifactIdentifier artifacts.bucketOwnerAccess secondaryArtifacts: other
    environment.computeConfiguration environment.dockerServer environment.hostKernel logsConfig.s3Logs: kept
    cache queuedTimeoutInMinutes encryptionKey vpcConfig badgeEnabled fileSystemLocations buildBatchConfig
        concurrentBuildLimit autoRetryLimit: call
codepipeline UpdatePipeline
    pipeline.stages.blockers pipeline.stages.onFailure pipeline.stages.onSuccess pipeline.stages.beforeEntry
        pipeline.stages.actions.commands pipeline.stages.actions.outputArtifacts.files pipeline.stages.actions.outputVariables
        pipeline.stages.actions.timeoutInMinutes pipeline.stages.actions.environmentVariables pipeline.variables
        pipeline.triggers: kept
    pipeline.stages.actions.roleArn pipeline.stages.actions.region: shown
    pipeline.artifactStores: other
    pipeline.version: told
ec2 CreateLaunchTemplateVersion
    LaunchTemplateData: kept
    LaunchTemplateData.NetworkInterfaces LaunchTemplateData.KeyName LaunchTemplateData.InstanceMarketOptions
        LaunchTemplateData.BlockDeviceMappings.VirtualName LaunchTemplateData.BlockDeviceMappings.NoDevice: shown
    LaunchTemplateData.SecurityGroups LaunchTemplateData.InstanceRequirements LaunchTemplateData.IamInstanceProfile.Arn: shown
    DryRun VersionDescription ResolveAlias: call
events PutRule
    EventPattern RoleArn: shown
    EventBusName: call
events PutTargets
    Targets: shown
    EventBusName: call
glue UpdateDatabase
    CatalogId: call
glue UpdateTableOptimizer
    TableOptimizerConfiguration.vpcConfiguration
        TableOptimizerConfiguration.orphanFileDeletionConfiguration.icebergConfiguration.location: kept
iam CreatePolicyVersion UpdateAssumeRolePolicy PutRolePermissionsBoundary PutRolePolicy
kafka UpdateConfiguration
kafka UpdateMonitoring
    LoggingInfo.AuthorizerLogs: kept
    LoggingInfo.BrokerLogs.Firehose.DeliveryStream: shown
kms PutKeyPolicy
    BypassPolicyLockoutSafetyCheck: call
logs PutRetentionPolicy PutMetricFilter
route53 ChangeResourceRecordSets
    ChangeBatch.Changes.ResourceRecordSet.HealthCheckId ChangeBatch.Changes.ResourceRecordSet.AliasTarget: shown
    ChangeBatch.Changes.ResourceRecordSet: other
    ChangeBatch.Comment: call
route53 UpdateHostedZoneComment
s3 PutBucketOwnershipControls PutBucketEncryption PutPublicAccessBlock
    ContentMD5 ExpectedBucketOwner: call
s3 PutBucketPolicy
    ContentMD5 ExpectedBucketOwner ConfirmRemoveSelfBucketAccess: call
s3 PutBucketLifecycleConfiguration
    LifecycleConfiguration.Rules: shown
    ExpectedBucketOwner: call
s3 PutBucketLogging
    BucketLoggingStatus.LoggingEnabled: shown
    ContentMD5 ExpectedBucketOwner: call
s3 PutBucketNotificationConfiguration
    ExpectedBucketOwner SkipDestinationValidation: call
s3 PutBucketVersioning
    VersioningConfiguration.MFADelete: other
    ContentMD5 ExpectedBucketOwner MFA: call
ssm UpdateDocument
    Attachments DisplayName VersionName TargetType CloudProviders: other
ssm PutParameter
    KeyId Policies: other
"""

# What isn't given stays; of an object on S3 nothing of the one before does, which is what a new version of code is.
PARTIAL = """
athena UpdateWorkGroup
autoscaling UpdateAutoScalingGroup
ec2 ModifyLaunchTemplate ModifySubnetAttribute ModifyVolume ModifyVpcAttribute ModifyVpcEndpoint
ec2 ReplaceRoute ReplaceRouteTableAssociation
emr-serverless UpdateApplication
glue UpdateTable
iam UpdateRole
kafka UpdateBrokerCount UpdateBrokerStorage UpdateBrokerType UpdateClusterConfiguration UpdateClusterKafkaVersion UpdateSecurity
kafka UpdateTopic
kms UpdateKeyDescription
lambda UpdateFunctionCode UpdateFunctionConfiguration
s3 PutObject
secretsmanager PutSecretValue UpdateSecret
sns SetTopicAttributes
sqs SetQueueAttributes
ssm UpdateDocumentDefaultVersion
"""


def whole():
    """Operations to the members that their requests leave out, each with its reason."""
    found, members = {}, {}
    for line in re.sub(r"\n {8}", " ", WHOLE.strip()).splitlines():
        if not line.startswith(" "):
            service, *operations = line.split()
            members = {}
            found |= {(service, operation): members for operation in operations}
            continue
        names, _, reason = line.strip().rpartition(": ")
        assert reason in REASONS, f"{line.strip()}: {reason} is no word of REASONS"
        members.update(dict.fromkeys(names.split(), reason))
    return found


def partial():
    """The operations that leave alone what they aren't given."""
    lines = (line.split() for line in PARTIAL.strip().splitlines())
    return {(service, operation) for service, *operations in lines for operation in operations}


def left_out(shape, written, at=""):
    """The paths of the outermost members of which requests carry nothing."""
    for name, member in shape.members.items():
        path = f"{at}.{name}" if at else name
        within = any(one.startswith(f"{path}.") for one in written)
        while member.type_name == "list":
            member = member.member
        if within and member.type_name == "structure":
            yield from left_out(member, written, path)
        elif not within and path not in written:
            yield path


def has(shape, path):
    """Whether an input has a member."""
    for name in path:
        while shape.type_name == "list":
            shape = shape.member
        if name not in getattr(shape, "members", {}):
            return False
        shape = shape.members[name]
    return True


def updates():
    """The operations by which kinds change what exists."""
    return sorted(one for one in table() if UPDATES.match(one[1]) and not TAGS.match(one[1]))


@pytest.mark.parametrize("operation", updates(), ids=" ".join)
def test_an_update_takes_nothing_away_unseen(operation):
    service, name = operation
    assert (operation in whole()) != (operation in partial()), "say in WHOLE or in PARTIAL what AWS does with what it isn't given"
    if operation in partial():
        return
    shape = SESSION.get_service_model(service).operation_model(name).input_shape
    known = whole()[operation]
    assert all(has(shape, path.split(".")) for path in known), f"{name} takes not all of {list(known)}"
    said = lambda path: any(path == one or path.startswith(f"{one}.") for one in known)
    unsaid = [path for path in left_out(shape, set(table()[operation])) if not said(path) and not re.match(r"[tT]ags\b", path)]
    assert not unsaid, f"{service} {name} takes these away: keep what exists, or have it shown as a departure, and say so in WHOLE"


def test_the_tables_name_operations_that_kinds_use():
    assert whole().keys() | partial() == set(updates())
