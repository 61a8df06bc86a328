//! One call of an operation: who calls, where, what, with which input.

use serde_json::Value;

/// The members of inputs that name the main thing, the most telling first.
const RESOURCES: [&str; 40] = [
    "FunctionName",
    "topicName",
    "clusterName",
    "RoleName",
    "InstanceProfileName",
    "PolicyName",
    "PolicyArn",
    "AliasName",
    "SecretId",
    "QueueName",
    "QueueUrl",
    "AutoScalingGroupName",
    "LaunchTemplateName",
    "LaunchTemplateId",
    "logGroupName",
    "jobRunId",
    "applicationId",
    "TableName",
    "TableInput",
    "DatabaseInput",
    "Name",
    "name",
    "DatabaseName",
    "QueryExecutionId",
    "WorkGroup",
    "KeyId",
    "clusterArn",
    "resourceArn",
    "ResourceArn",
    "ResourceId",
    "InstanceId",
    "GroupId",
    "GroupName",
    "SubnetId",
    "RouteTableId",
    "InternetGatewayId",
    "VpcEndpointId",
    "VpcId",
    "CidrBlock",
    "Id",
];

/// A call as a service sees it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The account of the caller, 12 digits.
    pub account: String,
    /// The region of the credential scope.
    pub region: String,
    /// The access key of the caller.
    pub access_key: String,
    /// The operation's name, such as `CreateVpc`.
    pub operation: String,
    /// The input; read it with [`crate::fields::Fields`]. Names are those on the wire.
    pub input: Value,
    /// The id that goes into the answer.
    pub request_id: String,
}

impl Request {
    /// `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE` in the caller's account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }

    /// The main thing that the input names, when that is plain to see.
    pub(crate) fn resource(&self) -> Option<String> {
        let member = RESOURCES.iter().find_map(|name| self.input.get(name))?;
        let text = match member {
            Value::Array(items) => items.first()?.as_str(),
            Value::Object(members) => members.get("Name")?.as_str(),
            scalar => scalar.as_str(),
        };
        text.map(str::to_owned)
    }
}
