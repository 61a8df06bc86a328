"""What the kinds write, and where a sweep reads it back: a member that is written and never read is one that others change
without a word in any plan.

`TABLE` has the operations that change something, and under them the members that their requests may carry; what is indented
further goes on with the line before:

    A B: reason               why nothing reads them back: a word of REASONS
    A -> Operation.Path       where a sweep reads A, in the same service or as `service:Operation.Path`
    A [B C.D] -> Read.Path    A.B is read at Read.Path.B, A.C.D at Read.Path.C.D; `.` is the request itself
"""

REASONS = {
    "name": "it says which thing is meant, and one under another name is another",
    "tags": "it says whose it is, and the sweep finds it by that",
    "token": "it makes a repeat the same call, or says which version is changed",
    "call": "it says how the call is made, and nothing of it stays",
    "only": "AWS takes no other, or a thing keeps for life what every stack makes",
    "secret": "no plan reads a secret's value",
    "kept": "it goes back as it was read: what no spec says stays as somebody made it",
}

TABLE = """
application-autoscaling RegisterScalableTarget
    ServiceNamespace ResourceId ScalableDimension: name
    . [MinCapacity MaxCapacity] -> DescribeScalableTargets.ScalableTargets
    SuspendedState.DynamicScalingInSuspended SuspendedState.ScheduledScalingSuspended: only
    SuspendedState.DynamicScalingOutSuspended -> DescribeScalableTargets.ScalableTargets.SuspendedState
application-autoscaling PutScalingPolicy
    ServiceNamespace ResourceId ScalableDimension PolicyName PolicyType: name
    TargetTrackingScalingPolicyConfiguration.ScaleInCooldown TargetTrackingScalingPolicyConfiguration.ScaleOutCooldown: kept
    . [TargetTrackingScalingPolicyConfiguration.TargetValue TargetTrackingScalingPolicyConfiguration.DisableScaleIn
        TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.PredefinedMetricType] ->
        DescribeScalingPolicies.ScalingPolicies
athena CreateWorkGroup
    Name: name
    Description -> GetWorkGroup.WorkGroup.Description
    Configuration [BytesScannedCutoffPerQuery EnforceWorkGroupConfiguration EngineVersion.SelectedEngineVersion
        ResultConfiguration.OutputLocation ResultConfiguration.EncryptionConfiguration.EncryptionOption
        ResultConfiguration.EncryptionConfiguration.KmsKey] -> GetWorkGroup.WorkGroup.Configuration
athena UpdateWorkGroup
    WorkGroup: name
    . [Description State] -> GetWorkGroup.WorkGroup
    ConfigurationUpdates [BytesScannedCutoffPerQuery EnforceWorkGroupConfiguration EngineVersion.SelectedEngineVersion] ->
        GetWorkGroup.WorkGroup.Configuration
    ConfigurationUpdates.RemoveBytesScannedCutoffPerQuery -> GetWorkGroup.WorkGroup.Configuration.BytesScannedCutoffPerQuery
    ConfigurationUpdates.ResultConfigurationUpdates [OutputLocation EncryptionConfiguration.EncryptionOption
        EncryptionConfiguration.KmsKey] -> GetWorkGroup.WorkGroup.Configuration.ResultConfiguration
    ConfigurationUpdates.ResultConfigurationUpdates.RemoveEncryptionConfiguration ->
        GetWorkGroup.WorkGroup.Configuration.ResultConfiguration.EncryptionConfiguration
athena CreateNamedQuery UpdateNamedQuery
    NamedQueryId: name
    ClientRequestToken: token
    . [Name Description Database QueryString WorkGroup] -> BatchGetNamedQuery.NamedQueries
autoscaling CreateAutoScalingGroup UpdateAutoScalingGroup
    AutoScalingGroupName: name
    . [MinSize MaxSize DesiredCapacity HealthCheckType HealthCheckGracePeriod LaunchTemplate.LaunchTemplateId
        LaunchTemplate.Version VPCZoneIdentifier] -> DescribeAutoScalingGroups.AutoScalingGroups
budgets CreateBudget
    AccountId Budget.BudgetName: name
    Budget [BudgetLimit.Amount BudgetLimit.Unit BudgetType CostFilters TimeUnit CostTypes.IncludeTax
        CostTypes.IncludeSubscription CostTypes.UseBlended CostTypes.IncludeRefund CostTypes.IncludeCredit
        CostTypes.IncludeUpfront CostTypes.IncludeRecurring CostTypes.IncludeOtherSubscription CostTypes.IncludeSupport
        CostTypes.IncludeDiscount CostTypes.UseAmortized] -> DescribeBudget.Budget
    NotificationsWithSubscribers.Notification [NotificationType ComparisonOperator Threshold ThresholdType] ->
        DescribeNotificationsForBudget.Notifications
    NotificationsWithSubscribers.Subscribers [Address SubscriptionType] -> DescribeSubscribersForNotification.Subscribers
budgets UpdateBudget
    AccountId NewBudget.BudgetName: name
    NewBudget.TimePeriod.Start NewBudget.TimePeriod.End NewBudget.BillingViewArn: kept
    NewBudget [BudgetLimit.Amount BudgetLimit.Unit BudgetType CostFilters TimeUnit CostTypes.IncludeTax
        CostTypes.IncludeSubscription CostTypes.UseBlended CostTypes.IncludeRefund CostTypes.IncludeCredit
        CostTypes.IncludeUpfront CostTypes.IncludeRecurring CostTypes.IncludeOtherSubscription CostTypes.IncludeSupport
        CostTypes.IncludeDiscount CostTypes.UseAmortized] -> DescribeBudget.Budget
budgets CreateNotification
    AccountId BudgetName: name
    Notification [NotificationType ComparisonOperator Threshold ThresholdType] -> DescribeNotificationsForBudget.Notifications
    Subscribers [Address SubscriptionType] -> DescribeSubscribersForNotification.Subscribers
cloudwatch PutMetricAlarm
    AlarmName: name
    . [AlarmDescription ActionsEnabled AlarmActions OKActions ComparisonOperator DatapointsToAlarm EvaluationPeriods Threshold
        TreatMissingData WarmUpConfiguration.WarmUpPeriodDurationInMinutes Namespace MetricName Dimensions.Name Dimensions.Value
        Period Statistic ExtendedStatistic] -> DescribeAlarms.MetricAlarms
    WarmUpConfiguration.OnlyStartEvaluatingAfterWarmUpPeriodEnds: kept
    Metrics [Id Expression Label ReturnData MetricStat.Period MetricStat.Stat MetricStat.Metric.Namespace
        MetricStat.Metric.MetricName MetricStat.Metric.Dimensions.Name MetricStat.Metric.Dimensions.Value] ->
        DescribeAlarms.MetricAlarms.Metrics
cloudwatch PutDashboard
    DashboardName: name
    DashboardBody -> GetDashboard.DashboardBody
codebuild CreateProject UpdateProject
    name: name
    environment.certificate environment.imagePullCredentialsType environment.registryCredential.credential
        environment.registryCredential.credentialProvider environment.fleet.fleetArn logsConfig.cloudWatchLogs.streamName
        logsConfig.s3Logs.status logsConfig.s3Logs.location logsConfig.s3Logs.encryptionDisabled: kept
    . [description serviceRole timeoutInMinutes source.type source.buildspec artifacts.type environment.type environment.image
        environment.computeType environment.privilegedMode environment.environmentVariables.name
        environment.environmentVariables.value environment.environmentVariables.type logsConfig.cloudWatchLogs.status
        logsConfig.cloudWatchLogs.groupName] -> BatchGetProjects.projects
codepipeline CreatePipeline UpdatePipeline
    pipeline.name: name
    pipeline.artifactStore.type pipeline.artifactStore.encryptionKey.type: only
    pipeline [roleArn pipelineType executionMode artifactStore.location artifactStore.encryptionKey.id stages.name
        stages.actions.name stages.actions.runOrder stages.actions.configuration stages.actions.inputArtifacts.name
        stages.actions.outputArtifacts.name stages.actions.actionTypeId.category stages.actions.actionTypeId.owner
        stages.actions.actionTypeId.provider stages.actions.actionTypeId.version stages.actions.namespace]
        -> GetPipeline.pipeline
ec2 AllocateAddress
    Domain: only
    NetworkBorderGroup -> DescribeAddresses.Addresses.NetworkBorderGroup
ec2 AssociateRouteTable
    . [RouteTableId SubnetId] -> DescribeRouteTables.RouteTables.Associations
ec2 ReplaceRouteTableAssociation
    AssociationId: name
    RouteTableId -> DescribeRouteTables.RouteTables.Associations.RouteTableId
ec2 AttachInternetGateway
    InternetGatewayId: name
    VpcId -> DescribeInternetGateways.InternetGateways.Attachments.VpcId
ec2 AuthorizeSecurityGroupEgress
    GroupId: name
    IpPermissions [FromPort ToPort IpProtocol IpRanges.CidrIp IpRanges.Description Ipv6Ranges.CidrIpv6 Ipv6Ranges.Description
        UserIdGroupPairs.GroupId UserIdGroupPairs.Description PrefixListIds.PrefixListId PrefixListIds.Description] ->
        DescribeSecurityGroups.SecurityGroups.IpPermissionsEgress
ec2 AuthorizeSecurityGroupIngress
    GroupId: name
    IpPermissions [FromPort ToPort IpProtocol IpRanges.CidrIp IpRanges.Description Ipv6Ranges.CidrIpv6 Ipv6Ranges.Description
        UserIdGroupPairs.GroupId UserIdGroupPairs.Description PrefixListIds.PrefixListId PrefixListIds.Description] ->
        DescribeSecurityGroups.SecurityGroups.IpPermissions
ec2 CreateFlowLogs
    ClientToken: token
    ResourceType: only
    ResourceIds -> DescribeFlowLogs.FlowLogs.ResourceId
    . [TrafficType LogDestinationType LogDestination LogGroupName DeliverLogsPermissionArn MaxAggregationInterval] ->
        DescribeFlowLogs.FlowLogs
ec2 CreateInternetGateway
ec2 CreateLaunchTemplate CreateLaunchTemplateVersion
    LaunchTemplateName LaunchTemplateId: name
    ClientToken SourceVersion: token
    LaunchTemplateData [ImageId InstanceType IamInstanceProfile.Name SecurityGroupIds UserData Monitoring.Enabled
        MetadataOptions.HttpEndpoint MetadataOptions.HttpTokens MetadataOptions.HttpPutResponseHopLimit
        BlockDeviceMappings.DeviceName BlockDeviceMappings.Ebs.DeleteOnTermination BlockDeviceMappings.Ebs.Encrypted
        BlockDeviceMappings.Ebs.KmsKeyId BlockDeviceMappings.Ebs.VolumeSize BlockDeviceMappings.Ebs.VolumeType
        TagSpecifications.ResourceType TagSpecifications.Tags.Key TagSpecifications.Tags.Value] ->
        DescribeLaunchTemplateVersions.LaunchTemplateVersions.LaunchTemplateData
ec2 ModifyLaunchTemplate
    LaunchTemplateId: name
    DefaultVersion -> DescribeLaunchTemplateVersions.LaunchTemplateVersions.VersionNumber
ec2 CreateNatGateway
    ClientToken: token
    ConnectivityType: only
    SubnetId -> DescribeNatGateways.NatGateways.SubnetId
    AllocationId -> DescribeNatGateways.NatGateways.NatGatewayAddresses.AllocationId
ec2 CreateRoute ReplaceRoute
    RouteTableId: name
    . [DestinationCidrBlock DestinationIpv6CidrBlock GatewayId NatGatewayId NetworkInterfaceId VpcPeeringConnectionId
        TransitGatewayId EgressOnlyInternetGatewayId] -> DescribeRouteTables.RouteTables.Routes
    VpcEndpointId -> DescribeRouteTables.RouteTables.Routes.GatewayId
ec2 CreateRouteTable
    ClientToken: token
    VpcId -> DescribeRouteTables.RouteTables.VpcId
ec2 CreateSecurityGroup
    . [GroupName Description VpcId] -> DescribeSecurityGroups.SecurityGroups
ec2 CreateSubnet
    . [AvailabilityZone CidrBlock VpcId] -> DescribeSubnets.Subnets
ec2 CreateVolume ModifyVolume
    VolumeId: name
    ClientToken: token
    . [AvailabilityZone Encrypted Iops KmsKeyId Size Throughput VolumeType] -> DescribeVolumes.Volumes
ec2 CreateVpc
    CidrBlock -> DescribeVpcs.Vpcs.CidrBlock
ec2 CreateVpcEndpoint ModifyVpcEndpoint
    VpcEndpointId: name
    ClientToken: token
    . [VpcId ServiceName VpcEndpointType RouteTableIds SubnetIds PrivateDnsEnabled PolicyDocument] ->
        DescribeVpcEndpoints.VpcEndpoints
    SecurityGroupIds -> DescribeVpcEndpoints.VpcEndpoints.Groups.GroupId
    AddRouteTableIds -> DescribeVpcEndpoints.VpcEndpoints.RouteTableIds
    RemoveRouteTableIds -> DescribeVpcEndpoints.VpcEndpoints.RouteTableIds
    AddSubnetIds -> DescribeVpcEndpoints.VpcEndpoints.SubnetIds
    RemoveSubnetIds -> DescribeVpcEndpoints.VpcEndpoints.SubnetIds
    AddSecurityGroupIds -> DescribeVpcEndpoints.VpcEndpoints.Groups.GroupId
    RemoveSecurityGroupIds -> DescribeVpcEndpoints.VpcEndpoints.Groups.GroupId
    PrivateDnsEnabled -> DescribeVpcEndpoints.VpcEndpoints.PrivateDnsEnabled
    PolicyDocument -> DescribeVpcEndpoints.VpcEndpoints.PolicyDocument
    ResetPolicy -> DescribeVpcEndpoints.VpcEndpoints.PolicyDocument
ec2 ModifySubnetAttribute
    SubnetId: name
    MapPublicIpOnLaunch.Value -> DescribeSubnets.Subnets.MapPublicIpOnLaunch
ec2 ModifyVpcAttribute
    VpcId: name
    . [EnableDnsHostnames.Value EnableDnsSupport.Value] -> DescribeVpcAttribute
emr-serverless CreateApplication UpdateApplication
    applicationId: name
    clientToken: token
    type: only
    . [name releaseLabel architecture autoStartConfiguration.enabled autoStopConfiguration.enabled
        autoStopConfiguration.idleTimeoutMinutes imageConfiguration.imageUri maximumCapacity.cpu maximumCapacity.disk
        maximumCapacity.memory networkConfiguration.securityGroupIds networkConfiguration.subnetIds] ->
        GetApplication.application
    imageConfiguration -> GetApplication.application.imageConfiguration
emr-serverless StartJobRun
    clientToken: token
    executionRoleArn -> GetJobRun.jobRun.executionRole
    . [applicationId name mode executionTimeoutMinutes retryPolicy.maxFailedAttemptsPerHour
        jobDriver.sparkSubmit.entryPoint jobDriver.sparkSubmit.entryPointArguments
        jobDriver.sparkSubmit.sparkSubmitParameters
        configurationOverrides.monitoringConfiguration.s3MonitoringConfiguration.logUri] -> GetJobRun.jobRun
events PutRule
    Name: name
    . [Description ScheduleExpression State] -> ListRules.Rules
events PutTargets
    Rule: name
    Targets [Id Arn Input RoleArn] -> ListTargetsByRule.Targets
glue CreateDatabase UpdateDatabase
    DatabaseInput.Name Name: name
    DatabaseInput.CreateTableDefaultPermissions.Permissions
        DatabaseInput.CreateTableDefaultPermissions.Principal.DataLakePrincipalIdentifier
        DatabaseInput.TargetDatabase.CatalogId DatabaseInput.TargetDatabase.DatabaseName DatabaseInput.TargetDatabase.Region
        DatabaseInput.FederatedDatabase.Identifier DatabaseInput.FederatedDatabase.ConnectionName
        DatabaseInput.FederatedDatabase.ConnectionType: kept
    DatabaseInput [Description LocationUri Parameters] -> GetDatabases.DatabaseList
glue CreateTable
    DatabaseName TableInput.Name: name
    OpenTableFormatInput.IcebergInput.MetadataOperation: call
    OpenTableFormatInput.IcebergInput.Version: only
    OpenTableFormatInput.IcebergInput.CreateIcebergTableInput [Location Properties Schema.Type Schema.Fields.Id
        Schema.Fields.Name Schema.Fields.Type Schema.Fields.Required Schema.Fields.Doc PartitionSpec.Fields.SourceId
        PartitionSpec.Fields.Name PartitionSpec.Fields.Transform] -> s3:GetObject.Body
glue CreateTableOptimizer UpdateTableOptimizer
    CatalogId DatabaseName TableName Type: name
    TableOptimizerConfiguration.vpcConfiguration.glueConnectionName: kept
    TableOptimizerConfiguration.orphanFileDeletionConfiguration.icebergConfiguration.location: kept
    TableOptimizerConfiguration [roleArn enabled
        compactionConfiguration.icebergConfiguration.strategy
        compactionConfiguration.icebergConfiguration.minInputFiles
        compactionConfiguration.icebergConfiguration.deleteFileThreshold
        retentionConfiguration.icebergConfiguration.snapshotRetentionPeriodInDays
        retentionConfiguration.icebergConfiguration.numberOfSnapshotsToRetain
        retentionConfiguration.icebergConfiguration.cleanExpiredFiles
        retentionConfiguration.icebergConfiguration.runRateInHours
        orphanFileDeletionConfiguration.icebergConfiguration.orphanFileRetentionPeriodInDays
        orphanFileDeletionConfiguration.icebergConfiguration.runRateInHours] ->
        BatchGetTableOptimizer.TableOptimizers.tableOptimizer.configuration
glue UpdateTable
    DatabaseName Name: name
    VersionId: token
    UpdateOpenTableFormatInput.UpdateIcebergInput.UpdateIcebergTableInput.Updates [Location Properties Schema.Type
        Schema.Fields.Id Schema.Fields.Name Schema.Fields.Type Schema.Fields.Required Schema.Fields.Doc
        Schema.Fields.InitialDefault Schema.Fields.WriteDefault Schema.IdentifierFieldIds PartitionSpec.SpecId
        PartitionSpec.Fields.SourceId PartitionSpec.Fields.Name PartitionSpec.Fields.Transform PartitionSpec.Fields.FieldId] ->
        s3:GetObject.Body
iam AddRoleToInstanceProfile
    InstanceProfileName: name
    RoleName -> ListInstanceProfiles.InstanceProfiles.Roles.RoleName
iam AttachRolePolicy
    RoleName: name
    PolicyArn -> GetAccountAuthorizationDetails.RoleDetailList.AttachedManagedPolicies.PolicyArn
iam CreateInstanceProfile
    InstanceProfileName: name
    Path -> ListInstanceProfiles.InstanceProfiles.Path
iam CreateOpenIDConnectProvider AddClientIDToOpenIDConnectProvider
    Url OpenIDConnectProviderArn: name
    ClientIDList -> GetOpenIDConnectProvider.ClientIDList
    ClientID -> GetOpenIDConnectProvider.ClientIDList
iam CreatePolicy CreatePolicyVersion
    PolicyName PolicyArn: name
    SetAsDefault: call
    Path -> GetAccountAuthorizationDetails.Policies.Path
    PolicyDocument -> GetAccountAuthorizationDetails.Policies.PolicyVersionList.Document
iam CreateRole UpdateRole
    RoleName: name
    AssumeRolePolicyDocument -> GetAccountAuthorizationDetails.RoleDetailList.AssumeRolePolicyDocument
    Path -> GetAccountAuthorizationDetails.RoleDetailList.Path
    PermissionsBoundary -> GetAccountAuthorizationDetails.RoleDetailList.PermissionsBoundary.PermissionsBoundaryArn
    . [Description MaxSessionDuration] -> ListRoles.Roles
iam UpdateAssumeRolePolicy
    RoleName: name
    PolicyDocument -> GetAccountAuthorizationDetails.RoleDetailList.AssumeRolePolicyDocument
iam PutRolePermissionsBoundary
    RoleName: name
    PermissionsBoundary -> GetAccountAuthorizationDetails.RoleDetailList.PermissionsBoundary.PermissionsBoundaryArn
iam PutRolePolicy
    RoleName: name
    . [PolicyName PolicyDocument] -> GetAccountAuthorizationDetails.RoleDetailList.RolePolicyList
kafka BatchAssociateScramSecret
    ClusterArn: name
    SecretArnList -> ListScramSecrets.SecretArnList
kafka CreateClusterV2
    ClusterName: name
    Provisioned.BrokerNodeGroupInfo.BrokerAZDistribution Serverless.ClientAuthentication.Sasl.Iam.Enabled: only
    Provisioned [NumberOfBrokerNodes EnhancedMonitoring BrokerNodeGroupInfo.ClientSubnets BrokerNodeGroupInfo.InstanceType
        BrokerNodeGroupInfo.SecurityGroups BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize
        ClientAuthentication.Sasl.Iam.Enabled ClientAuthentication.Sasl.Scram.Enabled ClientAuthentication.Tls.Enabled
        ClientAuthentication.Tls.CertificateAuthorityArnList ClientAuthentication.Unauthenticated.Enabled
        EncryptionInfo.EncryptionAtRest.DataVolumeKMSKeyId EncryptionInfo.EncryptionInTransit.ClientBroker
        EncryptionInfo.EncryptionInTransit.InCluster LoggingInfo.BrokerLogs.CloudWatchLogs.Enabled
        LoggingInfo.BrokerLogs.CloudWatchLogs.LogGroup LoggingInfo.BrokerLogs.Firehose.Enabled LoggingInfo.BrokerLogs.S3.Enabled
        LoggingInfo.BrokerLogs.S3.Bucket LoggingInfo.BrokerLogs.S3.Prefix OpenMonitoring.Prometheus.JmxExporter.EnabledInBroker
        OpenMonitoring.Prometheus.NodeExporter.EnabledInBroker] -> ListClustersV2.ClusterInfoList.Provisioned
    Provisioned.KafkaVersion -> ListClustersV2.ClusterInfoList.Provisioned.CurrentBrokerSoftwareInfo.KafkaVersion
    Provisioned.ConfigurationInfo.Arn -> ListClustersV2.ClusterInfoList.Provisioned.CurrentBrokerSoftwareInfo.ConfigurationArn
    Provisioned.ConfigurationInfo.Revision ->
        ListClustersV2.ClusterInfoList.Provisioned.CurrentBrokerSoftwareInfo.ConfigurationRevision
    Serverless [VpcConfigs.SubnetIds VpcConfigs.SecurityGroupIds] -> ListClustersV2.ClusterInfoList.Serverless
kafka CreateConfiguration UpdateConfiguration
    Name Arn: name
    Description: tags
    ServerProperties -> DescribeConfigurationRevision.ServerProperties
kafka CreateTopic UpdateTopic
    ClusterArn TopicName: name
    . [Configs PartitionCount ReplicationFactor] -> DescribeTopic
kafka UpdateBrokerCount
    ClusterArn: name
    CurrentVersion: token
    TargetNumberOfBrokerNodes -> ListClustersV2.ClusterInfoList.Provisioned.NumberOfBrokerNodes
kafka UpdateBrokerStorage
    ClusterArn TargetBrokerEBSVolumeInfo.KafkaBrokerNodeId: name
    CurrentVersion: token
    TargetBrokerEBSVolumeInfo.VolumeSizeGB ->
        ListClustersV2.ClusterInfoList.Provisioned.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize
kafka UpdateBrokerType
    ClusterArn: name
    CurrentVersion: token
    TargetInstanceType -> ListClustersV2.ClusterInfoList.Provisioned.BrokerNodeGroupInfo.InstanceType
kafka UpdateClusterConfiguration UpdateClusterKafkaVersion
    ClusterArn: name
    CurrentVersion: token
    ConfigurationInfo.Arn -> ListClustersV2.ClusterInfoList.Provisioned.CurrentBrokerSoftwareInfo.ConfigurationArn
    ConfigurationInfo.Revision -> ListClustersV2.ClusterInfoList.Provisioned.CurrentBrokerSoftwareInfo.ConfigurationRevision
    TargetKafkaVersion -> ListClustersV2.ClusterInfoList.Provisioned.CurrentBrokerSoftwareInfo.KafkaVersion
kafka UpdateMonitoring
    ClusterArn: name
    CurrentVersion: token
    . [EnhancedMonitoring OpenMonitoring.Prometheus.JmxExporter.EnabledInBroker
        OpenMonitoring.Prometheus.NodeExporter.EnabledInBroker LoggingInfo.BrokerLogs.CloudWatchLogs.Enabled
        LoggingInfo.BrokerLogs.CloudWatchLogs.LogGroup LoggingInfo.BrokerLogs.Firehose.Enabled LoggingInfo.BrokerLogs.S3.Enabled
        LoggingInfo.BrokerLogs.S3.Bucket LoggingInfo.BrokerLogs.S3.Prefix] -> ListClustersV2.ClusterInfoList.Provisioned
kafka UpdateSecurity
    ClusterArn: name
    CurrentVersion: token
    . [ClientAuthentication.Sasl.Iam.Enabled ClientAuthentication.Sasl.Scram.Enabled ClientAuthentication.Tls.Enabled
        ClientAuthentication.Tls.CertificateAuthorityArnList ClientAuthentication.Unauthenticated.Enabled
        EncryptionInfo.EncryptionInTransit.ClientBroker] -> ListClustersV2.ClusterInfoList.Provisioned
kms CreateKey
    KeySpec KeyUsage: only
    Description -> DescribeKey.KeyMetadata.Description
    Policy -> GetKeyPolicy.Policy
kms CreateAlias
    AliasName: name
    TargetKeyId -> DescribeKey.KeyMetadata.Arn
kms Sign
    KeyId: name
    Message MessageType SigningAlgorithm: call
kms PutKeyPolicy
    KeyId PolicyName: name
    Policy -> GetKeyPolicy.Policy
kms UpdateKeyDescription
    KeyId: name
    Description -> DescribeKey.KeyMetadata.Description
kms CancelKeyDeletion EnableKey
    KeyId -> DescribeKey.KeyMetadata.KeyState
kms EnableKeyRotation DisableKeyRotation
    KeyId -> GetKeyRotationStatus.KeyRotationEnabled
lambda AddPermission
    FunctionName: name
    StatementId -> GetPolicy.Policy
    Action -> GetPolicy.Policy
    Principal -> GetPolicy.Policy
    SourceAccount -> GetPolicy.Policy
    SourceArn -> GetPolicy.Policy
lambda CreateFunction UpdateFunctionConfiguration
    FunctionName: name
    Code.ZipFile -> GetFunction.Configuration.CodeSha256
    . [Architectures Description Environment.Variables Handler LoggingConfig.LogFormat LoggingConfig.LogGroup MemorySize Role
        Runtime Timeout] -> GetFunction.Configuration
lambda UpdateFunctionCode
    FunctionName: name
    ZipFile -> GetFunction.Configuration.CodeSha256
    Architectures -> GetFunction.Configuration.Architectures
logs CreateLogGroup PutRetentionPolicy AssociateKmsKey
    logGroupName: name
    . [retentionInDays kmsKeyId] -> DescribeLogGroups.logGroups
logs PutMetricFilter
    filterName logGroupName: name
    applyOnTransformedLogs fieldSelectionCriteria emitSystemFieldDimensions: kept
    filterPattern -> DescribeMetricFilters.metricFilters.filterPattern
    metricTransformations [metricName metricNamespace metricValue defaultValue dimensions unit] ->
        DescribeMetricFilters.metricFilters.metricTransformations
route53 ChangeResourceRecordSets
    HostedZoneId ChangeBatch.Changes.ResourceRecordSet.Name ChangeBatch.Changes.ResourceRecordSet.Type: name
    ChangeBatch.Changes.Action: call
    ChangeBatch.Changes.ResourceRecordSet [TTL ResourceRecords.Value] -> ListResourceRecordSets.ResourceRecordSets
route53 CreateHostedZone
    CallerReference: token
    HostedZoneConfig.PrivateZone VPC.VPCRegion: only
    . [Name] -> GetHostedZone.HostedZone
    HostedZoneConfig.Comment -> GetHostedZone.HostedZone.Config.Comment
    VPC.VPCId -> GetHostedZone.VPCs.VPCId
route53 UpdateHostedZoneComment
    Id: name
    Comment -> GetHostedZone.HostedZone.Config.Comment
s3 CreateBucket PutBucketOwnershipControls
    Bucket: name
    ChecksumAlgorithm: call
    CreateBucketConfiguration.LocationConstraint: only
    ObjectOwnership -> GetBucketOwnershipControls.OwnershipControls.Rules.ObjectOwnership
    . [OwnershipControls.Rules.ObjectOwnership] -> GetBucketOwnershipControls
s3 PutBucketEncryption
    Bucket: name
    ChecksumAlgorithm: call
    ServerSideEncryptionConfiguration.Rules.BlockedEncryptionTypes.EncryptionType: kept
    . [ServerSideEncryptionConfiguration.Rules.BucketKeyEnabled
        ServerSideEncryptionConfiguration.Rules.ApplyServerSideEncryptionByDefault.SSEAlgorithm
        ServerSideEncryptionConfiguration.Rules.ApplyServerSideEncryptionByDefault.KMSMasterKeyID] -> GetBucketEncryption
s3 PutBucketLifecycleConfiguration
    Bucket: name
    ChecksumAlgorithm: call
    TransitionDefaultMinimumObjectSize: kept
    LifecycleConfiguration [Rules.ID Rules.Status Rules.Filter.Prefix Rules.Expiration.Days
        Rules.Expiration.ExpiredObjectDeleteMarker Rules.NoncurrentVersionExpiration.NoncurrentDays
        Rules.NoncurrentVersionExpiration.NewerNoncurrentVersions Rules.AbortIncompleteMultipartUpload.DaysAfterInitiation
        Rules.Transitions.Days Rules.Transitions.StorageClass] -> GetBucketLifecycleConfiguration
s3 PutBucketLogging
    Bucket: name
    ChecksumAlgorithm: call
    BucketLoggingStatus -> GetBucketLogging.LoggingEnabled
    BucketLoggingStatus [LoggingEnabled.TargetBucket LoggingEnabled.TargetPrefix] -> GetBucketLogging
s3 PutBucketNotificationConfiguration
    Bucket: name
    ChecksumAlgorithm: call
    NotificationConfiguration [EventBridgeConfiguration TopicConfigurations.Id TopicConfigurations.TopicArn
        TopicConfigurations.Events TopicConfigurations.Filter.Key.FilterRules.Name
        TopicConfigurations.Filter.Key.FilterRules.Value QueueConfigurations.Id QueueConfigurations.QueueArn
        QueueConfigurations.Events QueueConfigurations.Filter.Key.FilterRules.Name
        QueueConfigurations.Filter.Key.FilterRules.Value LambdaFunctionConfigurations.Id
        LambdaFunctionConfigurations.LambdaFunctionArn LambdaFunctionConfigurations.Events
        LambdaFunctionConfigurations.Filter.Key.FilterRules.Name LambdaFunctionConfigurations.Filter.Key.FilterRules.Value] ->
        GetBucketNotificationConfiguration
    NotificationConfiguration -> GetBucketNotificationConfiguration.TopicConfigurations
s3 PutBucketPolicy
    Bucket: name
    ChecksumAlgorithm: call
    Policy -> GetBucketPolicy.Policy
s3 PutBucketVersioning
    Bucket: name
    ChecksumAlgorithm: call
    VersioningConfiguration.Status -> GetBucketVersioning.Status
s3 PutObject
    Bucket Key: name
    ContentLength IfMatch IfNoneMatch ChecksumAlgorithm: call
    . [Body ContentType Metadata] -> GetObject
s3 PutPublicAccessBlock
    Bucket: name
    ChecksumAlgorithm: call
    . [PublicAccessBlockConfiguration.BlockPublicAcls PublicAccessBlockConfiguration.BlockPublicPolicy
        PublicAccessBlockConfiguration.IgnorePublicAcls PublicAccessBlockConfiguration.RestrictPublicBuckets] ->
        GetPublicAccessBlock
secretsmanager CreateSecret UpdateSecret PutSecretValue
    Name SecretId: name
    ClientRequestToken: token
    SecretString: secret
    . [Description KmsKeyId] -> ListSecrets.SecretList
sns CreateTopic
    Name: name
sns SetTopicAttributes
    TopicArn: name
    AttributeName -> GetTopicAttributes.Attributes
    AttributeValue -> GetTopicAttributes.Attributes
sns Subscribe
    TopicArn: name
    ReturnSubscriptionArn: call
    . [Protocol Endpoint] -> ListSubscriptionsByTopic.Subscriptions
sqs CreateQueue SetQueueAttributes
    QueueName QueueUrl: name
    Attributes -> GetQueueAttributes.Attributes
ssm CreateDocument UpdateDocument
    Name: name
    DocumentType DocumentFormat: only
    DocumentVersion: call
    Content -> GetDocument.Content
ssm PutParameter
    Name: name
    Overwrite: call
    AllowedPattern DataType: kept
    . [Type Value] -> GetParameter.Parameter
    . [Description Tier] -> DescribeParameters.Parameters
ssm UpdateDocumentDefaultVersion
    Name: name
    DocumentVersion -> GetDocument.DocumentVersion
"""
