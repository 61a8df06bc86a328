//! Service Quotas: how much of a thing an account may have. Every account here has AWS's defaults.

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::protocol::Protocol;
use crate::request::Request;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Quotas;

/// A quota: service, code, name, value, whether it can be raised.
struct Quota(&'static str, &'static str, &'static str, f64, bool);

const QUOTAS: [Quota; 10] = [
    Quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5.0, true),
    Quota("ec2", "L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5.0, true),
    Quota("vpc", "L-F678F1CE", "VPCs per Region", 5.0, true),
    Quota("vpc", "L-A4707A72", "Internet gateways per Region", 5.0, true),
    Quota("vpc", "L-407747CB", "Subnets per VPC", 200.0, true),
    Quota("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5.0, true),
    Quota("vpc", "L-E79EC296", "VPC security groups per Region", 2500.0, true),
    Quota("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60.0, true),
    Quota("vpc", "L-2AFB9258", "Security groups per network interface", 5.0, true),
    Quota("emr-serverless", "L-D05C8A75", "Max concurrent vCPUs per account", 16.0, true),
];

/// Names of services for people.
const SERVICES: [(&str, &str); 4] = [
    ("ec2", "Amazon Elastic Compute Cloud (Amazon EC2)"),
    ("vpc", "Amazon Virtual Private Cloud (Amazon VPC)"),
    ("kafka", "Amazon Managed Streaming for Kafka (MSK)"),
    ("emr-serverless", "Amazon EMR Serverless"),
];

#[async_trait]
impl Service for Quotas {
    fn name(&self) -> &'static str {
        "servicequotas"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("ServiceQuotasV20190624")
    }

    async fn handle(&self, _account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        match request.operation.as_str() {
            "GetServiceQuota" | "GetAWSDefaultServiceQuota" => {
                let service = request.input.need("ServiceCode", missing)?;
                let code = request.input.need("QuotaCode", missing)?;
                let found = QUOTAS.iter().find(|quota| quota.0 == service && quota.1 == code);
                found.map(|quota| json!({"Quota": shown(request, quota)})).ok_or_else(no_such)
            }
            "ListServiceQuotas" | "ListAWSDefaultServiceQuotas" => list(request),
            _ => Err(super::unknown_operation(request)),
        }
    }
}

fn missing(name: &str) -> AwsError {
    AwsError::new("IllegalArgumentException", format!("{name} is required"))
}

fn no_such() -> AwsError {
    AwsError::new("NoSuchResourceException", "The request failed because the specified quota or service does not exist")
}

fn list(request: &Request) -> Result<Value, AwsError> {
    let service = request.input.need("ServiceCode", missing)?;
    if !SERVICES.iter().any(|(code, _)| *code == service) {
        return Err(no_such());
    }
    let most = request.input.number("MaxResults").unwrap_or(100);
    if !(1..=100).contains(&most) {
        return Err(AwsError::new("IllegalArgumentException", "MaxResults must be between 1 and 100"));
    }
    let own: Vec<Value> = QUOTAS.iter().filter(|quota| quota.0 == service).map(|quota| shown(request, quota)).collect();
    let wrong = || AwsError::new("InvalidPaginationTokenException", "Invalid NextToken");
    let (page, next) = pages::page(own, request.input.text("NextToken"), most as usize, wrong)?;
    let mut answer = json!({"Quotas": page});
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn shown(request: &Request, quota: &Quota) -> Value {
    let Quota(service, code, name, value, adjustable) = quota;
    let service_name = SERVICES.iter().find(|(code, _)| code == service).map(|(_, name)| *name);
    json!({
        "ServiceCode": service,
        "ServiceName": service_name,
        "QuotaArn": format!("arn:aws:servicequotas:{}:{}:{service}/{code}", request.region, request.account),
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": adjustable,
        "GlobalQuota": false,
        "QuotaAppliedAtLevel": "ACCOUNT",
    })
}
