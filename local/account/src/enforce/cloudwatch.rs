//! CloudWatch: alarms, dashboards and metrics.

use super::{Ask, Asks};
use crate::fields::Fields as _;
use crate::state::tags_of;

pub(super) fn asks(asks: &mut Asks<'_, '_>) -> Option<()> {
    let action = format!("cloudwatch:{}", asks.operation());
    let input = asks.input();
    let tags = tags_of(input.list("Tags"), "Key", "Value");
    let alarm = |asks: &Asks<'_, '_>, name: &str| asks.arn("cloudwatch", &format!("alarm:{name}"));
    let dashboard =
        |asks: &Asks<'_, '_>, name: &str| format!("arn:aws:cloudwatch::{}:dashboard/{name}", asks.request.account);
    match asks.operation() {
        "ListMetrics" | "GetMetricStatistics" | "GetMetricData" | "ListDashboards" => asks.plain(&action),
        "PutMetricData" => asks.add(Ask::on(&action, "*").key("cloudwatch:namespace", asks.text("Namespace"))),
        "PutMetricAlarm" => {
            let actions = ["AlarmActions", "OKActions", "InsufficientDataActions"];
            let arn = alarm(asks, asks.text("AlarmName").unwrap_or_default());
            let mut ask = Ask::on(&action, &arn).tags(&tags);
            ask.keys.set_all("cloudwatch:AlarmActions", actions.iter().flat_map(|one| input.texts(one)));
            asks.add(ask);
            asks.tag_made("cloudwatch:TagResource", arn, &tags)
        }
        "DescribeAlarms" => {
            let names = input.texts("AlarmNames");
            each(asks, &action, &if names.is_empty() { vec!["*".to_owned()] } else { names }, alarm)
        }
        "DeleteAlarms" | "EnableAlarmActions" | "DisableAlarmActions" => {
            each(asks, &action, &input.texts("AlarmNames"), alarm)
        }
        "SetAlarmState" => asks.on(&action, alarm(asks, asks.text("AlarmName").unwrap_or_default())),
        "PutDashboard" => {
            let arn = dashboard(asks, asks.text("DashboardName").unwrap_or_default());
            asks.add(Ask::on(&action, &arn).tags(&tags));
            asks.tag_made("cloudwatch:TagResource", arn, &tags)
        }
        "GetDashboard" => asks.on(&action, dashboard(asks, asks.text("DashboardName").unwrap_or_default())),
        "DeleteDashboards" => each(asks, &action, &input.texts("DashboardNames"), dashboard),
        "TagResource" => asks.add(Ask::on(&action, asks.text("ResourceARN").unwrap_or("*")).tags(&tags)),
        "UntagResource" => {
            let ask = Ask::on(&action, asks.text("ResourceARN").unwrap_or("*"));
            asks.add(ask.tag_keys(input.texts("TagKeys")))
        }
        "ListTagsForResource" => asks.on(&action, asks.text("ResourceARN").unwrap_or("*")),
        _ => None,
    }
}

fn each(
    asks: &mut Asks<'_, '_>,
    action: &str,
    names: &[String],
    arn: impl Fn(&Asks<'_, '_>, &str) -> String,
) -> Option<()> {
    for name in names {
        let arn = arn(asks, name);
        asks.on(action, arn);
    }
    Some(())
}
