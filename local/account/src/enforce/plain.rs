//! Price List and Service Quotas, which have little to name.

use super::Asks;

pub(super) fn pricing(asks: &mut Asks<'_, '_>) -> Option<()> {
    match asks.operation() {
        "GetProducts" => asks.own("pricing", "*"),
        _ => None,
    }
}

pub(super) fn quotas(asks: &mut Asks<'_, '_>) -> Option<()> {
    match asks.operation() {
        "GetServiceQuota" => {
            let (service, code) = (asks.text("ServiceCode").unwrap_or("*"), asks.text("QuotaCode").unwrap_or("*"));
            let arn = asks.arn("servicequotas", &format!("{service}/{code}"));
            asks.own("servicequotas", arn)
        }
        "GetAWSDefaultServiceQuota" | "ListServiceQuotas" | "ListAWSDefaultServiceQuotas" => {
            asks.own("servicequotas", "*")
        }
        _ => None,
    }
}
