//! SSM: the public parameters that name machine images, and the documents of Session Manager.

mod documents;

use super::Service;
use crate::account::Account;
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::protocol::Protocol;
use crate::request::Request;
use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Ssm;

#[async_trait]
impl Service for Ssm {
    fn name(&self) -> &'static str {
        "ssm"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("AmazonSSM")
    }

    async fn handle(&self, account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        match request.operation.as_str() {
            "GetParameter" => {
                let missing = |name: &str| AwsError::new("ValidationException", format!("Value null at '{name}'"));
                let name = request.input.need("Name", missing)?;
                let parameter = parameter(request, name);
                parameter
                    .map(|parameter| json!({ "Parameter": parameter }))
                    .ok_or_else(|| AwsError::new("ParameterNotFound", ""))
            }
            "GetParameters" => {
                let names = request.input.texts("Names");
                if names.is_empty() || names.len() > 10 {
                    return Err(AwsError::new(
                        "ValidationException",
                        "Value at 'names' must have between 1 and 10 members",
                    ));
                }
                let (found, unknown): (Vec<String>, Vec<String>) =
                    names.into_iter().partition(|name| image(&request.region, name).is_some());
                let found: Vec<Value> = found.iter().filter_map(|name| parameter(request, name)).collect();
                Ok(json!({ "Parameters": found, "InvalidParameters": unknown }))
            }
            "GetParametersByPath" => {
                let path = request.input.text("Path").unwrap_or_default();
                let names = IMAGES.iter().filter(|name| name.starts_with(path));
                let found: Vec<Value> = names.filter_map(|name| parameter(request, name)).collect();
                Ok(json!({ "Parameters": found }))
            }
            _ => account.transact(request, |state| match request.operation.as_str() {
                "CreateDocument" => documents::create(state, request),
                "UpdateDocument" => documents::update(state, request),
                "UpdateDocumentDefaultVersion" => documents::set_default(state, request),
                "GetDocument" => documents::get(state, request),
                "DescribeDocument" => documents::describe(state, request),
                "DeleteDocument" => documents::delete(state, request),
                "ListDocuments" => documents::list(state, request),
                "AddTagsToResource" => documents::tag(state, request),
                "RemoveTagsFromResource" => documents::untag(state, request),
                "ListTagsForResource" => documents::list_tags(state, request),
                _ => Err(super::unknown_operation(request)),
            }),
        }
    }
}

/// Public parameters whose value is an image id.
const IMAGES: [&str; 10] = [
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-arm64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-x86_64",
    "/aws/service/debian/release/12/latest/amd64",
    "/aws/service/debian/release/12/latest/arm64",
    "/aws/service/debian/release/13/latest/amd64",
    "/aws/service/debian/release/13/latest/arm64",
];

/// The image that a public parameter names in a region; the same one whenever it is asked for.
pub fn image(region: &str, name: &str) -> Option<String> {
    IMAGES.contains(&name).then(|| {
        let digest = hex::encode(Sha256::digest(format!("{region}{name}")));
        format!("ami-0{}", &digest[..16])
    })
}

fn parameter(request: &Request, name: &str) -> Option<Value> {
    // A parameter may be asked for with its version or label behind a colon.
    let plain = name.split(':').next().unwrap_or_default();
    let value = image(&request.region, plain)?;
    Some(json!({
        "Name": plain, "Type": "String", "Value": value, "Version": 1, "DataType": "aws:ec2:image",
        "LastModifiedDate": clock::epoch(1_767_225_600_000),
        "ARN": format!("arn:aws:ssm:{}::parameter{plain}", request.region),
    }))
}
