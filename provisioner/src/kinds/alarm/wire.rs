//! An alarm as CloudWatch takes it and gives it back.

use std::collections::BTreeMap;
use std::num::TryFromIntError;

use anyhow::Result;
use aws_sdk_cloudwatch::operation::put_metric_alarm::PutMetricAlarmInput;
use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmInputBuilder;
use aws_sdk_cloudwatch::types::{
    self, ComparisonOperator, Dimension, MetricAlarm, MetricDataQuery, MetricStat, WarmUpConfiguration,
};
use lakewright_aws::{Error, Needed as _};
use serde_json::Value;

use super::{Calculation, Comparison, Metric, MissingData, Spec, Target};
use crate::kind::Departure;

/// What the value of a calculation is called in the list of metrics.
const RESULT: &str = "result";

/// The input of `PutMetricAlarm`.
pub(super) fn input(spec: &Spec) -> Result<PutMetricAlarmInputBuilder, TryFromIntError> {
    let mut input = PutMetricAlarmInput::builder()
        .alarm_name(&spec.name)
        .alarm_description(&spec.description)
        .comparison_operator(ComparisonOperator::from(spec.comparison.to_string().as_str()))
        .threshold(spec.threshold)
        .evaluation_periods(i32::try_from(spec.evaluation_periods)?)
        .treat_missing_data(spec.missing_data.to_string())
        .actions_enabled(spec.actions_enabled)
        .set_alarm_actions(some(&spec.alarm_actions))
        .set_ok_actions(some(&spec.ok_actions))
        .set_datapoints_to_alarm(spec.datapoints.map(i32::try_from).transpose()?);
    if let Some(minutes) = spec.warm_up_minutes {
        let minutes = i32::try_from(minutes)?;
        let warm_up = WarmUpConfiguration::builder().warm_up_period_duration_in_minutes(minutes);
        input = input.warm_up_configuration(warm_up.build());
    }
    if let Some(metric) = &spec.metric {
        input = input.namespace(&metric.namespace).metric_name(&metric.name).set_dimensions(dimensions(metric));
        input = input.period(i32::try_from(metric.period_seconds)?);
        let statistic = metric.statistic.as_str();
        // A percentile, `p99`.
        input = if statistic.starts_with('p') {
            input.extended_statistic(statistic)
        } else {
            input.statistic(statistic.into())
        };
    }
    if let Some(calculation) = &spec.calculation {
        let result = MetricDataQuery::builder().id(RESULT).expression(&calculation.expression).return_data(true);
        let label = Some(&calculation.label).filter(|label| !label.is_empty());
        input = input.metrics(result.set_label(label.cloned()).build());
        for (id, metric) in &calculation.metrics {
            input = input.metrics(query(id, metric)?);
        }
    }
    Ok(input)
}

/// The input with what else an alarm has: CloudWatch takes an alarm whole, and what no spec says of it stays as somebody made it.
pub(super) fn keeping(input: PutMetricAlarmInputBuilder, live: &MetricAlarm) -> PutMetricAlarmInputBuilder {
    let warms =
        live.warm_up_configuration().and_then(WarmUpConfiguration::only_start_evaluating_after_warm_up_period_ends);
    let mut warm_up = input.get_warm_up_configuration().clone();
    if let Some(own) = &mut warm_up {
        own.only_start_evaluating_after_warm_up_period_ends = warms;
    }
    input
        .set_warm_up_configuration(warm_up)
        .set_evaluation_window(live.evaluation_window.clone())
        .set_action_configuration(live.action_configuration.clone())
}

/// A list, if it isn't empty.
fn some(targets: &[Target]) -> Option<Vec<String>> {
    (!targets.is_empty()).then(|| targets.iter().map(ToString::to_string).collect())
}

fn query(id: &str, metric: &Metric) -> Result<MetricDataQuery, TryFromIntError> {
    let of = types::Metric::builder().namespace(&metric.namespace).metric_name(&metric.name);
    let of = of.set_dimensions(dimensions(metric)).build();
    let stat = MetricStat::builder().metric(of).period(i32::try_from(metric.period_seconds)?);
    let stat = stat.stat(metric.statistic.as_str());
    Ok(MetricDataQuery::builder().id(id).metric_stat(stat.build()).return_data(false).build())
}

fn dimensions(metric: &Metric) -> Option<Vec<Dimension>> {
    let all = metric.dimensions.iter();
    let all: Vec<_> = all.map(|(name, value)| Dimension::builder().name(name).value(value).build()).collect();
    (!all.is_empty()).then_some(all)
}

fn dimensions_of(all: &[Dimension]) -> Result<BTreeMap<String, String>, Error> {
    let part = |part: Option<&str>, member: &str| part.needed("monitoring", member).map(str::to_owned);
    let pair = |one: &Dimension| Ok((part(one.name(), "Dimension.Name")?, part(one.value(), "Dimension.Value")?));
    all.iter().map(pair).collect()
}

/// A number of AWS's that is none below zero; absent counts as zero.
fn count(number: Option<i32>) -> Result<u32, TryFromIntError> {
    u32::try_from(number.unwrap_or_default())
}

/// The spec that an alarm was made of. One that was changed outside may watch in another way, as by a band or a query, and
/// lacks members that each of ours has: they are read as empty, which no spec is.
pub(super) fn spec(alarm: &MetricAlarm) -> Result<Spec> {
    let queries = alarm.metrics();
    let statistic = alarm.statistic().map(types::Statistic::as_str).or(alarm.extended_statistic());
    let metric = match queries {
        [] => Some(Metric {
            namespace: alarm.namespace().unwrap_or_default().to_owned(),
            name: alarm.metric_name().unwrap_or_default().to_owned(),
            dimensions: dimensions_of(alarm.dimensions())?,
            statistic: statistic.unwrap_or_default().into(),
            period_seconds: count(alarm.period())?,
        }),
        _ => None,
    };
    let result = queries.iter().find(|query| query.return_data() == Some(true));
    let calculation = result.map(calculation(queries)).transpose()?;
    let comparison = alarm.comparison_operator().and_then(|operator| operator.as_str().parse().ok());
    let evaluation_periods = count(alarm.evaluation_periods())?;
    let datapoints = alarm.datapoints_to_alarm().map(u32::try_from).transpose()?;
    let warm_up = alarm.warm_up_configuration().and_then(WarmUpConfiguration::warm_up_period_duration_in_minutes);
    Ok(Spec {
        name: alarm.alarm_name().needed("monitoring", "MetricAlarm.AlarmName")?.to_owned(),
        description: alarm.alarm_description().unwrap_or_default().to_owned(),
        metric,
        calculation,
        comparison: comparison.unwrap_or(Comparison::Another),
        threshold: alarm.threshold().unwrap_or_default(),
        evaluation_periods,
        datapoints: datapoints.filter(|datapoints| *datapoints != 0 && *datapoints != evaluation_periods),
        // Absent, it is `missing`.
        missing_data: alarm.treat_missing_data().and_then(|word| word.parse().ok()).unwrap_or(MissingData::Missing),
        warm_up_minutes: warm_up.map(u32::try_from).transpose()?.filter(|minutes| *minutes != 0),
        actions_enabled: alarm.actions_enabled().needed("monitoring", "MetricAlarm.ActionsEnabled")?,
        alarm_actions: alarm.alarm_actions().iter().map(|target| target.as_str().into()).collect(),
        ok_actions: alarm.ok_actions().iter().map(|target| target.as_str().into()).collect(),
    })
}

/// What of an alarm is otherwise than in all that are made here: an update leaves these members out, and CloudWatch takes
/// them away.
pub(super) fn departures(alarm: &MetricAlarm) -> Vec<Departure> {
    let unit = alarm.unit().map(types::StandardUnit::as_str);
    // CloudWatch evaluates percentiles of few samples unless the call says not to.
    let few = alarm.evaluate_low_sample_count_percentile().filter(|few| *few != "evaluate");
    let all = [
        Departure::of("insufficient_data_actions", alarm.insufficient_data_actions().to_vec(), Vec::<String>::new()),
        Departure::of("metric.unit", unit, Value::Null),
        Departure::of("evaluate_low_sample_count_percentile", few, Value::Null),
        Departure::of("threshold_metric", alarm.threshold_metric_id(), Value::Null),
    ];
    all.into_iter().flatten().chain(queried_otherwise(alarm)).collect()
}

/// The same of the metrics that it calculates with.
fn queried_otherwise(alarm: &MetricAlarm) -> Vec<Departure> {
    let own = alarm.alarm_arn().and_then(|arn| arn.split(':').nth(4));
    let queries = alarm.metrics().iter().filter_map(|query| Some((query, query.metric_stat()?)));
    let departures = queries.flat_map(|(query, stat)| {
        let path = |name: &str| format!("calculation.metrics.{}.{name}", query.id().unwrap_or_default());
        let elsewhere = query.account_id().filter(|account| Some(*account) != own);
        let unit = stat.unit().map(types::StandardUnit::as_str);
        [Departure::of(path("account"), elsewhere, Value::Null), Departure::of(path("unit"), unit, Value::Null)]
    });
    departures.flatten().collect()
}

/// What the query whose value an alarm watches calculates from the others.
fn calculation(queries: &[MetricDataQuery]) -> impl Fn(&MetricDataQuery) -> Result<Calculation> {
    |result| {
        let metrics = queries.iter().filter_map(|query| Some((query, query.metric_stat()?)));
        Ok(Calculation {
            // An expression is absent where the alarm watches one of its metrics as it is.
            expression: result.expression().unwrap_or_default().to_owned(),
            label: result.label().unwrap_or_default().to_owned(),
            metrics: metrics.map(|(query, stat)| queried(query, stat)).collect::<Result<_>>()?,
        })
    }
}

fn queried(query: &MetricDataQuery, stat: &MetricStat) -> Result<(String, Metric)> {
    let of = stat.metric().needed("monitoring", "MetricStat.Metric")?;
    let metric = Metric {
        namespace: of.namespace().needed("monitoring", "Metric.Namespace")?.to_owned(),
        name: of.metric_name().needed("monitoring", "Metric.MetricName")?.to_owned(),
        dimensions: dimensions_of(of.dimensions())?,
        statistic: stat.stat().needed("monitoring", "MetricStat.Stat")?.into(),
        period_seconds: count(stat.period())?,
    };
    Ok((query.id().needed("monitoring", "MetricDataQuery.Id")?.to_owned(), metric))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;
    use crate::kinds::alarm::Alarm;

    fn round_trip(spec: &Value) {
        let spec = Spec::deserialize(Alarm.normalise(spec).expect("a spec")).expect("typed");
        let put = input(&spec).expect("numbers fit").build().expect("an input");
        let alarm = MetricAlarm::builder()
            .set_alarm_name(put.alarm_name)
            .set_alarm_description(put.alarm_description)
            .set_actions_enabled(put.actions_enabled)
            .set_ok_actions(put.ok_actions)
            .set_alarm_actions(put.alarm_actions)
            .set_metric_name(put.metric_name)
            .set_namespace(put.namespace)
            .set_statistic(put.statistic)
            .set_extended_statistic(put.extended_statistic)
            .set_dimensions(put.dimensions)
            .set_period(put.period)
            .set_evaluation_periods(put.evaluation_periods)
            .set_datapoints_to_alarm(put.datapoints_to_alarm)
            .set_threshold(put.threshold)
            .set_comparison_operator(put.comparison_operator)
            .set_treat_missing_data(put.treat_missing_data)
            .set_metrics(put.metrics)
            .set_warm_up_configuration(put.warm_up_configuration);
        assert_eq!(super::spec(&alarm.build()).expect("readable"), spec);
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
    fn what_somebody_set_beside_a_spec_stays_or_shows() {
        let metric = json!({"namespace": "N", "name": "M"});
        let spec = json!({"name": "a", "calculation": {"expression": "a", "metrics": {"a": metric, "b": metric}},
            "comparison": "LessThanThreshold", "threshold": 1, "warm_up_minutes": 15});
        let spec = Spec::deserialize(Alarm.normalise(&spec).expect("a spec")).expect("typed");
        let warm_up = WarmUpConfiguration::builder().only_start_evaluating_after_warm_up_period_ends(true).build();
        let window =
            types::EvaluationWindow::WallClockWindow(types::WallClockWindow::builder().timezone("UTC").build());
        let actions = types::ActionConfiguration::builder().build();
        let stat = MetricStat::builder().unit(types::StandardUnit::Bytes).build();
        let query = |id: &str, account: &str| {
            MetricDataQuery::builder().id(id).account_id(account).metric_stat(stat.clone()).build()
        };
        let live = MetricAlarm::builder()
            .alarm_arn("arn:aws:cloudwatch:eu-north-1:123456789012:alarm:a")
            .warm_up_configuration(warm_up)
            .evaluation_window(window.clone())
            .action_configuration(actions.clone())
            .metrics(query("a", "123456789012"))
            .metrics(query("b", "210987654321"))
            .build();
        let put = keeping(input(&spec).expect("numbers fit"), &live).build().expect("an input");
        let warm_up = put.warm_up_configuration().expect("one of ours");
        assert_eq!(warm_up.warm_up_period_duration_in_minutes(), Some(15));
        assert_eq!(warm_up.only_start_evaluating_after_warm_up_period_ends(), Some(true));
        assert_eq!((put.evaluation_window, put.action_configuration), (Some(window), Some(actions)));
        let paths: Vec<String> = departures(&live).into_iter().map(|one| one.path).collect();
        let of = |path: &str| format!("calculation.metrics.{path}");
        assert_eq!(paths, [of("a.unit"), of("b.account"), of("b.unit")]);
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
            ("comparison", json!("")),
            ("missing_data", json!("none")),
            ("metric", json!({"namespace": "N", "name": "M", "period_seconds": 45})),
            ("metric", json!({"namespace": "N", "name": "M", "statistic": "Median"})),
            ("metric", json!({"namespace": "N", "name": "M", "statistic": "p100.5"})),
            ("evaluation_periods", json!(0)),
            ("evaluation_periods", json!(1441)),
            ("datapoints", json!(0)),
            ("datapoints", json!(2)),
            ("calculation", json!({"expression": "a", "metrics": {"a": metric}})),
            ("warm_up_minutes", json!(2881)),
        ] {
            assert!(with(name, given.clone()).is_err(), "{name} = {given}");
        }
    }
}
