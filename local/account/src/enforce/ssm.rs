//! Systems Manager: parameters. Those of AWS's own stand in no account.

use super::Asks;
use crate::fields::Fields as _;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let names = match asks.operation() {
        "GetParameter" => asks.input().texts("Name"),
        "GetParameters" => asks.input().texts("Names"),
        "GetParametersByPath" => asks.input().texts("Path"),
        _ => return None,
    };
    for name in names {
        let region = &asks.request.region;
        let name = name.trim_start_matches('/');
        let arn = if name.starts_with("aws/") {
            format!("arn:aws:ssm:{region}::parameter/{name}")
        } else {
            asks.arn("ssm", &format!("parameter/{name}"))
        };
        asks.own("ssm", arn);
    }
    Some(())
}
