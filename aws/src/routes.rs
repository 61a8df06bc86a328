//! The routes of the REST services: operation, method and path.

/// One operation of a REST service.
#[derive(Debug)]
pub struct Route {
    /// The operation.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path; `{name}` stands for a member of the input.
    pub path: &'static str,
}

/// The operations of MSK.
pub static KAFKA: &[Route] = &[
    route("BatchAssociateScramSecret", "POST", "/v1/clusters/{clusterArn}/scram-secrets"),
    route("BatchDisassociateScramSecret", "PATCH", "/v1/clusters/{clusterArn}/scram-secrets"),
    route("CreateCluster", "POST", "/v1/clusters"),
    route("CreateClusterV2", "POST", "/api/v2/clusters"),
    route("CreateConfiguration", "POST", "/v1/configurations"),
    route("CreateTopic", "POST", "/v1/clusters/{clusterArn}/topics"),
    route("DeleteCluster", "DELETE", "/v1/clusters/{clusterArn}"),
    route("DeleteClusterPolicy", "DELETE", "/v1/clusters/{clusterArn}/policy"),
    route("DeleteConfiguration", "DELETE", "/v1/configurations/{arn}"),
    route("DeleteTopic", "DELETE", "/v1/clusters/{clusterArn}/topics/{topicName}"),
    route("DescribeCluster", "GET", "/v1/clusters/{clusterArn}"),
    route("DescribeClusterOperation", "GET", "/v1/operations/{clusterOperationArn}"),
    route("DescribeClusterOperationV2", "GET", "/api/v2/operations/{clusterOperationArn}"),
    route("DescribeClusterV2", "GET", "/api/v2/clusters/{clusterArn}"),
    route("DescribeConfiguration", "GET", "/v1/configurations/{arn}"),
    route("DescribeConfigurationRevision", "GET", "/v1/configurations/{arn}/revisions/{revision}"),
    route("DescribeTopic", "GET", "/v1/clusters/{clusterArn}/topics/{topicName}"),
    route("DescribeTopicPartitions", "GET", "/v1/clusters/{clusterArn}/topics/{topicName}/partitions"),
    route("GetBootstrapBrokers", "GET", "/v1/clusters/{clusterArn}/bootstrap-brokers"),
    route("GetClusterPolicy", "GET", "/v1/clusters/{clusterArn}/policy"),
    route("GetCompatibleKafkaVersions", "GET", "/v1/compatible-kafka-versions"),
    route("ListClusterOperations", "GET", "/v1/clusters/{clusterArn}/operations"),
    route("ListClusterOperationsV2", "GET", "/api/v2/clusters/{clusterArn}/operations"),
    route("ListClusters", "GET", "/v1/clusters"),
    route("ListClustersV2", "GET", "/api/v2/clusters"),
    route("ListConfigurationRevisions", "GET", "/v1/configurations/{arn}/revisions"),
    route("ListConfigurations", "GET", "/v1/configurations"),
    route("ListKafkaVersions", "GET", "/v1/kafka-versions"),
    route("ListNodes", "GET", "/v1/clusters/{clusterArn}/nodes"),
    route("ListScramSecrets", "GET", "/v1/clusters/{clusterArn}/scram-secrets"),
    route("ListTagsForResource", "GET", "/v1/tags/{resourceArn}"),
    route("ListTopics", "GET", "/v1/clusters/{clusterArn}/topics"),
    route("PutClusterPolicy", "PUT", "/v1/clusters/{clusterArn}/policy"),
    route("RebootBroker", "PUT", "/v1/clusters/{clusterArn}/reboot-broker"),
    route("TagResource", "POST", "/v1/tags/{resourceArn}"),
    route("UntagResource", "DELETE", "/v1/tags/{resourceArn}"),
    route("UpdateBrokerCount", "PUT", "/v1/clusters/{clusterArn}/nodes/count"),
    route("UpdateBrokerStorage", "PUT", "/v1/clusters/{clusterArn}/nodes/storage"),
    route("UpdateBrokerType", "PUT", "/v1/clusters/{clusterArn}/nodes/type"),
    route("UpdateClusterConfiguration", "PUT", "/v1/clusters/{clusterArn}/configuration"),
    route("UpdateClusterKafkaVersion", "PUT", "/v1/clusters/{clusterArn}/version"),
    route("UpdateConfiguration", "PUT", "/v1/configurations/{arn}"),
    route("UpdateConnectivity", "PUT", "/v1/clusters/{clusterArn}/connectivity"),
    route("UpdateMonitoring", "PUT", "/v1/clusters/{clusterArn}/monitoring"),
    route("UpdateRebalancing", "PUT", "/v1/clusters/{clusterArn}/rebalancing"),
    route("UpdateSecurity", "PATCH", "/v1/clusters/{clusterArn}/security"),
    route("UpdateStorage", "PUT", "/v1/clusters/{clusterArn}/storage"),
    route("UpdateTopic", "PUT", "/v1/clusters/{clusterArn}/topics/{topicName}"),
];

/// The operations of EMR Serverless.
pub static EMR_SERVERLESS: &[Route] = &[
    route("CancelJobRun", "DELETE", "/applications/{applicationId}/jobruns/{jobRunId}"),
    route("CreateApplication", "POST", "/applications"),
    route("DeleteApplication", "DELETE", "/applications/{applicationId}"),
    route("GetApplication", "GET", "/applications/{applicationId}"),
    route("GetJobRun", "GET", "/applications/{applicationId}/jobruns/{jobRunId}"),
    route("ListApplications", "GET", "/applications"),
    route("ListJobRunAttempts", "GET", "/applications/{applicationId}/jobruns/{jobRunId}/attempts"),
    route("ListJobRuns", "GET", "/applications/{applicationId}/jobruns"),
    route("ListTagsForResource", "GET", "/tags/{resourceArn}"),
    route("StartApplication", "POST", "/applications/{applicationId}/start"),
    route("StartJobRun", "POST", "/applications/{applicationId}/jobruns"),
    route("StopApplication", "POST", "/applications/{applicationId}/stop"),
    route("TagResource", "POST", "/tags/{resourceArn}"),
    route("UntagResource", "DELETE", "/tags/{resourceArn}"),
    route("UpdateApplication", "PATCH", "/applications/{applicationId}"),
];

/// The operations of Lambda that concern functions, their permissions and tags.
pub static LAMBDA: &[Route] = &[
    route("AddPermission", "POST", "/2015-03-31/functions/{FunctionName}/policy"),
    route("CreateFunction", "POST", "/2015-03-31/functions"),
    route("DeleteFunction", "DELETE", "/2015-03-31/functions/{FunctionName}"),
    route("GetFunction", "GET", "/2015-03-31/functions/{FunctionName}"),
    route("GetFunctionConfiguration", "GET", "/2015-03-31/functions/{FunctionName}/configuration"),
    route("GetPolicy", "GET", "/2015-03-31/functions/{FunctionName}/policy"),
    route("ListFunctions", "GET", "/2015-03-31/functions"),
    route("ListTags", "GET", "/2017-03-31/tags/{Resource}"),
    route("RemovePermission", "DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}"),
    route("TagResource", "POST", "/2017-03-31/tags/{Resource}"),
    route("UntagResource", "DELETE", "/2017-03-31/tags/{Resource}"),
    route("UpdateFunctionCode", "PUT", "/2015-03-31/functions/{FunctionName}/code"),
    route("UpdateFunctionConfiguration", "PUT", "/2015-03-31/functions/{FunctionName}/configuration"),
];

/// The operations of a REST service.
pub fn of(service: &str) -> &'static [Route] {
    match service {
        "kafka" => KAFKA,
        "emr-serverless" => EMR_SERVERLESS,
        "lambda" => LAMBDA,
        _ => &[],
    }
}

const fn route(operation: &'static str, method: &'static str, path: &'static str) -> Route {
    Route { operation, method, path }
}
