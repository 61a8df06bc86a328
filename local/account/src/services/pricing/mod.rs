//! The Price List: a few products of each service, in AWS's own shape. What they cost here is no more than an example.

use super::Service;
use crate::account::Account;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::pages;
use crate::protocol::Protocol;
use crate::request::Request;
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The service.
#[derive(Debug)]
pub struct Pricing;

/// A product that every region has.
struct Product {
    service: &'static str,
    family: &'static str,
    /// The usage type without the region's prefix.
    usage: &'static str,
    unit: &'static str,
    usd: &'static str,
    attributes: &'static [(&'static str, &'static str)],
}

/// The regions that have a list: name, the list's name of the place, what usage types begin with.
const REGIONS: [(&str, &str, &str); 3] = [
    ("us-east-1", "US East (N. Virginia)", ""),
    ("eu-north-1", "EU (Stockholm)", "EUN1-"),
    ("eu-west-1", "EU (Ireland)", "EU-"),
];

const fn host(usage: &'static str, usd: &'static str, attributes: &'static [(&'static str, &'static str)]) -> Product {
    Product { service: "AmazonEC2", family: "Compute Instance", usage, unit: "Hrs", usd, attributes }
}

const PRODUCTS: &[Product] = &[
    host(
        "BoxUsage:t3.small",
        "0.0217000000",
        &[
            ("instanceType", "t3.small"),
            ("operatingSystem", "Linux"),
            ("tenancy", "Shared"),
            ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"),
        ],
    ),
    host(
        "BoxUsage:t3.small",
        "0.0401000000",
        &[
            ("instanceType", "t3.small"),
            ("operatingSystem", "Windows"),
            ("tenancy", "Shared"),
            ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"),
        ],
    ),
    host(
        "BoxUsage:m7g.large",
        "0.0871000000",
        &[
            ("instanceType", "m7g.large"),
            ("operatingSystem", "Linux"),
            ("tenancy", "Shared"),
            ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"),
        ],
    ),
    Product {
        service: "AmazonEC2",
        family: "Storage",
        usage: "EBS:VolumeUsage.gp3",
        unit: "GB-Mo",
        usd: "0.0837000000",
        attributes: &[("volumeApiName", "gp3"), ("volumeType", "General Purpose")],
    },
    Product {
        service: "AmazonEC2",
        family: "NAT Gateway",
        usage: "NatGateway-Hours",
        unit: "Hrs",
        usd: "0.0470000000",
        attributes: &[("group", "NGW:NatGateway")],
    },
    Product {
        service: "AmazonVPC",
        family: "VpcEndpoint",
        usage: "VpcEndpoint-Hours",
        unit: "Hrs",
        usd: "0.0120000000",
        attributes: &[("endpointType", "PrivateLink")],
    },
    Product {
        service: "AmazonMSK",
        family: "Managed Streaming for Apache Kafka (MSK)",
        usage: "Kafka.m7g.large",
        unit: "Hrs",
        usd: "0.2170000000",
        attributes: &[("computeFamily", "m7g.large"), ("operation", "RunBroker")],
    },
    Product {
        service: "AmazonMSK",
        family: "Managed Streaming for Apache Kafka (MSK)",
        usage: "Kafka.Storage.GP2",
        unit: "GB-Mo",
        usd: "0.1050000000",
        attributes: &[("storageFamily", "GP2"), ("operation", "RunVolume")],
    },
    Product {
        service: "AmazonCloudWatch",
        family: "Alarm",
        usage: "CW:AlarmMonitorUsage",
        unit: "Alarms",
        usd: "0.1000000000",
        attributes: &[("alarmType", "Standard")],
    },
    Product {
        service: "awskms",
        family: "Encryption Key",
        usage: "KMS-Keys",
        unit: "Keys",
        usd: "1.0000000000",
        attributes: &[],
    },
    Product {
        service: "AWSSecretsManager",
        family: "Secret",
        usage: "AWSSecretsManager-Secrets",
        unit: "Secrets",
        usd: "0.4000000000",
        attributes: &[],
    },
];

#[async_trait]
impl Service for Pricing {
    fn name(&self) -> &'static str {
        "pricing"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Json("AWSPriceListService")
    }

    async fn handle(&self, _account: &Arc<Account>, request: &Request) -> Result<Value, AwsError> {
        match request.operation.as_str() {
            "GetProducts" => products(&request.input),
            _ => Err(super::unknown_operation(request)),
        }
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

fn products(input: &Value) -> Result<Value, AwsError> {
    let missing = |name: &str| invalid(format!("{name} is required"));
    let service = input.need("ServiceCode", missing)?;
    if !PRODUCTS.iter().any(|product| product.service == service) {
        return Err(invalid(format!("Invalid ServiceCode: {service}")));
    }
    let format = input.text("FormatVersion").unwrap_or("aws_v1");
    if format != "aws_v1" {
        return Err(invalid("FormatVersion must be aws_v1"));
    }
    let most = input.number("MaxResults").unwrap_or(100);
    if !(1..=100).contains(&most) {
        return Err(invalid("MaxResults must be between 1 and 100"));
    }
    let filters: Vec<(&str, &str, &str)> = input
        .list("Filters")
        .iter()
        .map(|filter| {
            Ok((filter.need("Type", missing)?, filter.need("Field", missing)?, filter.need("Value", missing)?))
        })
        .collect::<Result<_, AwsError>>()?;
    if let Some((kind, ..)) = filters.iter().find(|(kind, ..)| *kind != "TERM_MATCH" && *kind != "EQUALS") {
        return Err(invalid(format!("the local account has no filters of type {kind}")));
    }
    let all = REGIONS.iter().flat_map(|region| PRODUCTS.iter().map(move |product| (region, product)));
    let own = all.filter(|(_, product)| product.service == service);
    let found: Vec<String> = own
        .map(|(region, product)| (attributes(region, product), product))
        .filter(|(attributes, product)| {
            filters.iter().all(|(_, field, value)| match *field {
                "productFamily" => product.family.eq_ignore_ascii_case(value),
                field => attributes.text(field).is_some_and(|own| own.eq_ignore_ascii_case(value)),
            })
        })
        .map(|(attributes, product)| listed(attributes, product).to_string())
        .collect();
    let wrong = || AwsError::new("InvalidNextTokenException", "Invalid NextToken");
    let (page, next) = pages::page(found, input.text("NextToken"), most as usize, wrong)?;
    let mut answer = json!({"FormatVersion": "aws_v1", "PriceList": page});
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn attributes(region: &(&str, &str, &str), product: &Product) -> Value {
    let (name, place, prefix) = region;
    let mut attributes: Map<String, Value> =
        product.attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    for (key, value) in [
        ("servicecode", product.service.to_owned()),
        ("regionCode", (*name).to_owned()),
        ("location", (*place).to_owned()),
        ("locationType", "AWS Region".to_owned()),
        ("usagetype", format!("{prefix}{}", product.usage)),
    ] {
        attributes.insert(key.to_owned(), json!(value));
    }
    Value::Object(attributes)
}

/// A product with its on-demand price, as the list holds it.
fn listed(attributes: Value, product: &Product) -> Value {
    let sku = hex::encode_upper(&Sha256::digest(attributes.to_string())[..8]);
    let term = format!("{sku}.JRTCKXETXF");
    let rate = format!("{term}.6YS6EN2CT7");
    let usage = attributes.text("usagetype").unwrap_or_default();
    json!({
        "serviceCode": product.service,
        "version": "20260101000000",
        "publicationDate": "2026-01-01T00:00:00Z",
        "terms": {"OnDemand": {&term: {
            "sku": sku,
            "offerTermCode": "JRTCKXETXF",
            "effectiveDate": "2026-01-01T00:00:00Z",
            "termAttributes": {},
            "priceDimensions": {&rate: {
                "rateCode": rate,
                "unit": product.unit,
                "beginRange": "0",
                "endRange": "Inf",
                "appliesTo": [],
                "description": format!("${} per {} of {usage}", product.usd, product.unit),
                "pricePerUnit": {"USD": product.usd},
            }},
        }}},
        "product": {"sku": sku, "productFamily": product.family, "attributes": attributes},
    })
}
