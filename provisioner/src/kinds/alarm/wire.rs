//! An alarm as CloudWatch takes it and gives it back.

use std::collections::BTreeMap;

use lakewright_aws::{list, text};
use serde_json::{Value, json};

use super::{Calculation, Metric, Spec};
use crate::kinds::wire::{flag, number, texts};

/// What the value of a calculation is called in the list of metrics.
const RESULT: &str = "result";

fn is_plain(statistic: &str) -> bool {
    super::STATISTICS.contains(&statistic)
}

/// The input of `PutMetricAlarm`.
pub(super) fn input(spec: &Spec) -> Value {
    let mut input = json!({
        "AlarmName": spec.name,
        "AlarmDescription": spec.description,
        "ComparisonOperator": spec.comparison,
        "Threshold": spec.threshold,
        "EvaluationPeriods": spec.evaluation_periods,
        "TreatMissingData": spec.missing_data,
        "ActionsEnabled": spec.actions_enabled,
    });
    for (name, actions) in [("AlarmActions", &spec.alarm_actions), ("OKActions", &spec.ok_actions)] {
        if !actions.is_empty() {
            input[name] = json!(actions);
        }
    }
    if let Some(datapoints) = spec.datapoints {
        input["DatapointsToAlarm"] = json!(datapoints);
    }
    if let Some(minutes) = spec.warm_up_minutes {
        input["WarmUpConfiguration"] = json!({"WarmUpPeriodDurationInMinutes": minutes});
    }
    if let Some(metric) = &spec.metric {
        input["Namespace"] = json!(metric.namespace);
        input["MetricName"] = json!(metric.name);
        input["Period"] = json!(metric.period_seconds);
        let statistic = if is_plain(&metric.statistic) { "Statistic" } else { "ExtendedStatistic" };
        input[statistic] = json!(metric.statistic);
        if !metric.dimensions.is_empty() {
            input["Dimensions"] = dimensions(metric);
        }
    }
    if let Some(calculation) = &spec.calculation {
        let mut queries = vec![json!({
            "Id": RESULT, "Expression": calculation.expression, "ReturnData": true,
        })];
        if !calculation.label.is_empty() {
            queries[0]["Label"] = json!(calculation.label);
        }
        queries.extend(calculation.metrics.iter().map(|(id, metric)| {
            let mut of = json!({"Namespace": metric.namespace, "MetricName": metric.name});
            if !metric.dimensions.is_empty() {
                of["Dimensions"] = dimensions(metric);
            }
            let stat = json!({"Metric": of, "Period": metric.period_seconds, "Stat": metric.statistic});
            json!({"Id": id, "MetricStat": stat, "ReturnData": false})
        }));
        input["Metrics"] = json!(queries);
    }
    input
}

fn dimensions(metric: &Metric) -> Value {
    metric.dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

fn dimensions_of(value: &Value) -> BTreeMap<String, String> {
    let all = list(value, "Dimensions").iter();
    all.map(|one| (text(one, "Name").to_owned(), text(one, "Value").to_owned())).collect()
}

fn double(value: &Value, name: &str) -> f64 {
    value[name].as_f64().or_else(|| value[name].as_str()?.parse().ok()).unwrap_or_default()
}

/// The spec that an alarm was made of.
pub(super) fn spec(alarm: &Value) -> Spec {
    let queries = list(alarm, "Metrics");
    let metric = queries.is_empty().then(|| Metric {
        namespace: text(alarm, "Namespace").to_owned(),
        name: text(alarm, "MetricName").to_owned(),
        dimensions: dimensions_of(alarm),
        statistic: [text(alarm, "Statistic"), text(alarm, "ExtendedStatistic")].concat(),
        period_seconds: number(alarm, "Period"),
    });
    let result = queries.iter().find(|query| flag(query, "ReturnData"));
    let calculation = result.map(|result| Calculation {
        expression: text(result, "Expression").to_owned(),
        label: text(result, "Label").to_owned(),
        metrics: queries.iter().filter(|query| query.get("MetricStat").is_some()).map(queried).collect(),
    });
    let evaluation_periods = number(alarm, "EvaluationPeriods");
    let datapoints = Some(number(alarm, "DatapointsToAlarm"));
    let missing = text(alarm, "TreatMissingData");
    let minutes = number(&alarm["WarmUpConfiguration"], "WarmUpPeriodDurationInMinutes");
    Spec {
        name: text(alarm, "AlarmName").to_owned(),
        description: text(alarm, "AlarmDescription").to_owned(),
        metric,
        calculation,
        comparison: text(alarm, "ComparisonOperator").to_owned(),
        threshold: double(alarm, "Threshold"),
        evaluation_periods,
        datapoints: datapoints.filter(|datapoints| *datapoints != 0 && *datapoints != evaluation_periods),
        missing_data: if missing.is_empty() { super::missing() } else { missing.to_owned() },
        warm_up_minutes: Some(minutes).filter(|minutes| *minutes != 0),
        actions_enabled: flag(alarm, "ActionsEnabled"),
        alarm_actions: texts(alarm, "AlarmActions"),
        ok_actions: texts(alarm, "OKActions"),
    }
}

fn queried(query: &Value) -> (String, Metric) {
    let (stat, of) = (&query["MetricStat"], &query["MetricStat"]["Metric"]);
    let metric = Metric {
        namespace: text(of, "Namespace").to_owned(),
        name: text(of, "MetricName").to_owned(),
        dimensions: dimensions_of(of),
        statistic: text(stat, "Stat").to_owned(),
        period_seconds: number(stat, "Period"),
    };
    (text(query, "Id").to_owned(), metric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind as _;
    use crate::kinds::alarm::Alarm;
    use crate::kinds::spec::typed;

    fn round_trip(spec: &Value) {
        let spec: Spec = typed(&Alarm.normalise(spec).expect("a spec")).expect("typed");
        let mut alarm = input(&spec);
        // As the query protocol brings it: every scalar is text.
        for member in ["Threshold", "EvaluationPeriods", "ActionsEnabled"] {
            alarm[member] = json!(alarm[member].to_string());
        }
        assert_eq!(super::spec(&alarm), spec);
    }

    #[test]
    fn alarms_come_back_as_they_were_written() {
        let metric = json!({"namespace": "AWS/Kafka", "name": "CpuUser", "dimensions": {"Cluster Name": "shop"}});
        let mut alarm = json!({
            "name": "a", "metric": metric, "comparison": "GreaterThanThreshold", "threshold": 80, "evaluation_periods": 5,
            "datapoints": 3, "warm_up_minutes": 15, "alarm_actions": ["arn:aws:sns:eu-north-1:1:t"],
        });
        round_trip(&alarm);
        alarm["metric"]["statistic"] = json!("p99");
        round_trip(&alarm);
        alarm["metric"] = Value::Null;
        alarm["calculation"] = json!({"expression": "a + b", "label": "both", "metrics": {"a": metric, "b": metric}});
        round_trip(&alarm);
    }

    #[test]
    fn what_cloudwatch_refuses_is_refused() {
        let metric = json!({"namespace": "N", "name": "M"});
        let with = |name: &str, given: Value| {
            let mut spec = json!({"name": "a", "metric": metric, "comparison": "LessThanThreshold", "threshold": 1.5});
            spec[name] = given;
            Alarm.normalise(&spec)
        };
        assert!(with("missing_data", json!("breaching")).is_ok());
        for (name, given) in [
            ("name", json!("")),
            ("comparison", json!("Less")),
            ("missing_data", json!("none")),
            ("metric", json!({"namespace": "N", "name": "M", "period_seconds": 45})),
            ("metric", json!({"namespace": "N", "name": "M", "statistic": "Median"})),
            ("evaluation_periods", json!(1441)),
            ("datapoints", json!(2)),
            ("calculation", json!({"expression": "a", "metrics": {"a": metric}})),
            ("warm_up_minutes", json!(2881)),
        ] {
            assert!(with(name, given.clone()).is_err(), "{name} = {given}");
        }
    }
}
