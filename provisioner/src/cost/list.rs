//! AWS's own price list: what is asked of it for each price, and what its answers say.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aws_sdk_pricing::types::{Filter, FilterType};
use lakewright_aws::{Aws, ask_all};
use serde_json::Value;

use super::{Price, Prices};
use crate::services::Services as _;

/// Where AWS's prices are read.
const SOURCE: &str = "https://aws.amazon.com/pricing/ (AWS Price List API)";

/// How a price is found in AWS's list.
struct Listed {
    /// The price's name; `*` stands for a type.
    name: &'static str,
    /// The service's code.
    service: &'static str,
    /// The usage type without the region before it; `*` stands for the type.
    usage: &'static str,
    /// What products must be besides of the region; `*` stands for the type.
    filters: &'static [(&'static str, &'static str)],
}

const HOSTS: &[(&str, &str)] = &[
    ("instanceType", "*"),
    ("operatingSystem", "Linux"),
    ("tenancy", "Shared"),
    ("preInstalledSw", "NA"),
    ("capacitystatus", "Used"),
];

const LISTED: &[Listed] = &[
    Listed { name: "ec2.*.hour", service: "AmazonEC2", usage: "BoxUsage:*", filters: HOSTS },
    Listed {
        name: "ebs.*.gib_month",
        service: "AmazonEC2",
        usage: "EBS:VolumeUsage.*",
        filters: &[("volumeApiName", "*")],
    },
    Listed {
        name: "ebs.*.iops_month",
        service: "AmazonEC2",
        usage: "EBS:VolumeP-IOPS.*",
        filters: &[("volumeApiName", "*")],
    },
    Listed {
        name: "nat_gateway.hour",
        service: "AmazonEC2",
        usage: "NatGateway-Hours",
        filters: &[("productFamily", "NAT Gateway")],
    },
    Listed { name: "vpc_endpoint.interface.hour", service: "AmazonVPC", usage: "VpcEndpoint-Hours", filters: &[] },
    Listed { name: "public_ipv4.hour", service: "AmazonVPC", usage: "PublicIPv4:InUseAddress", filters: &[] },
    Listed { name: "msk.storage.gib_month", service: "AmazonMSK", usage: "Kafka.Storage.GP2", filters: &[] },
    Listed { name: "msk.kafka.*.hour", service: "AmazonMSK", usage: "Kafka.*", filters: &[] },
    Listed { name: "kms.key.month", service: "awskms", usage: "KMS-Keys", filters: &[] },
    Listed {
        name: "secretsmanager.secret.month",
        service: "AWSSecretsManager",
        usage: "AWSSecretsManager-Secrets",
        filters: &[],
    },
    Listed {
        name: "cloudwatch.metric.month",
        service: "AmazonCloudWatch",
        usage: "CW:MetricMonitorUsage",
        filters: &[],
    },
    Listed { name: "cloudwatch.alarm.month", service: "AmazonCloudWatch", usage: "CW:AlarmMonitorUsage", filters: &[] },
];

impl Listed {
    /// The type that a price's name has in place of the star; empty without a star.
    fn kind<'n>(&self, name: &'n str) -> Option<&'n str> {
        match self.name.split_once('*') {
            Some((before, after)) => name.strip_prefix(before)?.strip_suffix(after).filter(|kind| !kind.is_empty()),
            None => (self.name == name).then_some(""),
        }
    }

    /// What products of a region and a type must be, as fields and values.
    fn request(&self, region: &str, kind: &str) -> Request {
        let own = self.filters.iter().map(|(field, value)| (*field, value.replace('*', kind)));
        let filters = std::iter::once(("regionCode", region.to_owned())).chain(own).collect();
        Request { service: self.service, filters }
    }
}

/// What is asked of AWS's list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    /// The service's code.
    service: &'static str,
    /// What products must be: fields and their values.
    filters: Vec<(&'static str, String)>,
}

/// Reads those prices of a region from AWS's list; also the names of those that it doesn't have.
pub async fn refresh(aws: &Aws, region: &str, names: &[String], today: &str) -> Result<(Prices, Vec<String>)> {
    let mut answers: BTreeMap<Request, Vec<Value>> = BTreeMap::new();
    let (mut prices, mut missing) = (Prices::default(), Vec::new());
    for name in names {
        let known = LISTED.iter().find_map(|listed| Some((listed, listed.kind(name)?)));
        let Some((listed, kind)) = known else {
            missing.push(name.clone());
            continue;
        };
        let request = listed.request(region, kind);
        if !answers.contains_key(&request) {
            let products = products(aws, &request).await.with_context(|| format!("ask for the price {name}"))?;
            answers.insert(request.clone(), products);
        }
        let usage = listed.usage.replace('*', kind);
        match answers[&request].iter().find_map(|product| usd(product, &usage)) {
            Some(usd) => {
                let price = Price { usd, source: SOURCE.to_owned(), read: today.to_owned(), checked: true };
                prices.insert(region, name, price);
            }
            None => missing.push(name.clone()),
        }
    }
    Ok((prices, missing))
}

/// All products that fit a request, each the JSON document that AWS writes of it.
async fn products(aws: &Aws, request: &Request) -> Result<Vec<Value>> {
    let filter = |(field, value): &(&'static str, String)| {
        let filter = Filter::builder().r#type(FilterType::TermMatch).field(*field).value(value);
        filter.build().expect("type, field and value are given")
    };
    let filters = request.filters.iter().map(filter).collect();
    let call = aws.pricing().get_products().service_code(request.service).set_filters(Some(filters));
    let listed = ask_all(call.format_version("aws_v1").max_results(100).into_paginator().items().send()).await?;
    let product = |text: &String| serde_json::from_str(text).context("read a product of AWS's price list");
    listed.iter().map(product).collect()
}

/// The on-demand price of a product if it is the one of that usage: of its first units, where there are steps.
fn usd(product: &Value, usage: &str) -> Option<f64> {
    let own = product["product"]["attributes"]["usagetype"].as_str()?;
    if own != usage && !own.strip_suffix(usage).is_some_and(|region| region.ends_with('-')) {
        return None;
    }
    let terms = product["terms"]["OnDemand"].as_object()?.values();
    let dimensions = terms.filter_map(|term| term["priceDimensions"].as_object()).flat_map(|steps| steps.values());
    let priced = dimensions.filter_map(|step| {
        let usd: f64 = step["pricePerUnit"]["USD"].as_str()?.parse().ok()?;
        let begin: f64 = step["beginRange"].as_str().unwrap_or("0").parse().ok()?;
        (usd > 0.0).then_some((begin, usd))
    });
    priced.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, usd)| usd)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn product(usage: &str, steps: &[(&str, &str)]) -> Value {
        let step = |(begin, usd): &(&str, &str)| {
            (format!("code.{begin}"), json!({"beginRange": begin, "unit": "Hrs", "pricePerUnit": {"USD": usd}}))
        };
        let steps: serde_json::Map<String, Value> = steps.iter().map(step).collect();
        json!({
            "product": {"attributes": {"usagetype": usage}},
            "terms": {"OnDemand": {"code": {"priceDimensions": steps}}},
        })
    }

    #[test]
    fn the_price_of_the_first_units_counts_and_free_ones_do_not() {
        let stepped = product("EUN1-VpcEndpoint-Hours", &[("1000", "0.006"), ("0", "0.011")]);
        assert_eq!(usd(&stepped, "VpcEndpoint-Hours"), Some(0.011));
        assert_eq!(usd(&stepped, "Endpoint-Hours"), None);
        let free_first = product("KMS-Keys", &[("0", "0.0000000000"), ("1", "1.0000000000")]);
        assert_eq!(usd(&free_first, "KMS-Keys"), Some(1.0));
        assert_eq!(usd(&product("BoxUsage:t3.small", &[]), "BoxUsage:t3.small"), None);
    }

    #[test]
    fn names_lead_to_what_is_asked() {
        let listed = |name: &str| LISTED.iter().find_map(|listed| Some((listed.usage, listed.kind(name)?.to_owned())));
        assert_eq!(listed("ec2.m7g.2xlarge.hour"), Some(("BoxUsage:*", "m7g.2xlarge".to_owned())));
        assert_eq!(listed("msk.kafka.t3.small.hour"), Some(("Kafka.*", "t3.small".to_owned())));
        assert_eq!(listed("msk.storage.gib_month"), Some(("Kafka.Storage.GP2", String::new())));
        assert_eq!(listed("something.else"), None);
        let request = LISTED[0].request("eu-north-1", "t3.small");
        assert_eq!(request.service, "AmazonEC2");
        assert_eq!(request.filters.len(), 6);
        assert_eq!(request.filters[0], ("regionCode", "eu-north-1".to_owned()));
        assert_eq!(request.filters[1], ("instanceType", "t3.small".to_owned()));
    }
}
