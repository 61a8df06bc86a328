//! Alarms, the dashboard of the same metrics, and the budget.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Expansion;
use super::watched::Watched;
use crate::kinds::alarm::MissingData;
use crate::kinds::{alarm, budget, dashboard, sns_topic};
use crate::resource::Address;
use crate::stack::watch::Alarms;

/// For how many minutes an alarm waits for the first value of what has only just begun.
const WARM_UP: u32 = 30;
/// A widget's width and height on the dashboard's grid, and how many stand beside each other.
const WIDGET: (usize, usize, usize) = (8, 6, 3);

impl Expansion<'_> {
    /// The alarms on what the file stands for.
    pub(super) fn alarms(&mut self) {
        let file = self.file;
        let Some(section) = &file.alarms else { return };
        self.within(&section.tags);
        let topic = match &section.topic_arn {
            Some(arn) => arn.value.clone(),
            None => {
                let email = section.email.iter().map(|address| address.value.clone()).collect();
                self.publishing_topic("alarms", "cloudwatch.amazonaws.com", email, section.span.clone())
            }
        };
        let watched = self.watched(section);
        for one in &watched {
            let spec = self.alarm(one, &topic);
            self.add(Address::new("alarm", one.name.as_str()), &spec, &section.span, one.after.clone());
        }
        if section.dashboard.value && !watched.is_empty() {
            let spec =
                dashboard::Spec { name: self.stack.name().to_owned().into(), body: self.body(section, &watched) };
            // What is looked for beside the alarms must not outlive them.
            let after = watched.iter().map(|one| Address::new("alarm", one.name.as_str())).collect();
            self.add(Address::new("dashboard", "main"), &spec, &section.dashboard.span_or(&section.span), after);
        }
    }

    /// Adds a topic that a service of AWS publishes to; returns the reference to its ARN.
    fn publishing_topic(
        &mut self,
        name: &str,
        service: &str,
        email: Vec<String>,
        span: std::ops::Range<usize>,
    ) -> String {
        let account = &self.target.account;
        let own = self.named(name);
        let arn = self.arn("sns", &own);
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Account",
                    "Effect": "Allow",
                    "Principal": {"AWS": self.account_arn()},
                    "Action": ["SNS:Publish", "SNS:Subscribe", "SNS:GetTopicAttributes", "SNS:ListSubscriptionsByTopic"],
                    "Resource": [arn],
                },
                {
                    "Sid": "Publisher",
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": "SNS:Publish",
                    "Resource": [arn],
                    "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                },
            ],
        });
        let spec = sns_topic::Spec {
            name: own.into(),
            display_name: String::new(),
            key: self.log_key().map(Into::into),
            policy: Some(policy),
            email: email.into_iter().map(Into::into).collect(),
            https: Vec::new(),
        };
        let address = Address::new("sns_topic", name);
        self.add(address.clone(), &spec, &span, vec![]);
        address.output("arn")
    }

    fn alarm(&self, one: &Watched, topic: &str) -> alarm::Spec {
        alarm::Spec {
            name: self.named(&one.name),
            description: one.advice.clone(),
            metric: one.metric.clone(),
            calculation: one.calculation.clone(),
            comparison: one.comparison,
            threshold: one.threshold,
            evaluation_periods: one.periods,
            datapoints: None,
            missing_data: one.missing_data.clone(),
            warm_up_minutes: (one.missing_data == MissingData::Breaching).then_some(WARM_UP),
            actions_enabled: true,
            alarm_actions: vec![topic.to_owned().into()],
            ok_actions: vec![topic.to_owned().into()],
        }
    }

    /// The dashboard: a row for each part of the stack, in it a picture of what each alarm watches.
    fn body(&self, section: &Alarms, watched: &[Watched]) -> Value {
        let (width, height, columns) = WIDGET;
        let mut widgets = Vec::new();
        let mut y = 0;
        let mut rows: Vec<&str> = Vec::new();
        for one in watched.iter().filter(|one| section.dashboard.value && !one.row.is_empty()) {
            if !rows.contains(&one.row.as_str()) {
                rows.push(&one.row);
            }
        }
        for row in rows {
            widgets.push(json!({
                "type": "text", "x": 0, "y": y, "width": width * columns, "height": 1,
                "properties": {"markdown": format!("## {row}")},
            }));
            y += 1;
            let of_row: Vec<&Watched> = watched.iter().filter(|one| one.row == row).collect();
            for (index, one) in of_row.iter().enumerate() {
                widgets.push(json!({
                    "type": "metric", "x": index % columns * width, "y": y + index / columns * height,
                    "width": width, "height": height, "properties": self.picture(one),
                }));
            }
            y += of_row.len().div_ceil(columns) * height;
        }
        json!({"widgets": widgets})
    }

    fn picture(&self, one: &Watched) -> Value {
        let mut metrics = Vec::new();
        let line = |metric: &alarm::Metric, options: Value| {
            let mut line = vec![json!(metric.namespace), json!(metric.name)];
            line.extend(metric.dimensions.iter().flat_map(|(name, value)| [json!(name), json!(value)]));
            line.push(options);
            Value::Array(line)
        };
        if let Some(metric) = &one.metric {
            let options = json!({"stat": metric.statistic, "period": metric.period_seconds});
            metrics.push(line(metric, options));
        }
        if let Some(calculation) = &one.calculation {
            metrics.push(json!([{"id": "result", "expression": calculation.expression, "label": calculation.label}]));
            for (id, metric) in &calculation.metrics {
                let options = json!({
                    "id": id, "stat": metric.statistic, "period": metric.period_seconds, "visible": false,
                });
                metrics.push(line(metric, options));
            }
        }
        json!({
            "title": one.title, "region": self.target.region, "view": "timeSeries", "metrics": metrics,
            "annotations": {"horizontal": [{"label": "alarm", "value": one.threshold}]},
        })
    }

    /// The budget of what carries the stack's tag. Its topic is for others who want to hear of it.
    pub(super) fn budget(&mut self) {
        let file = self.file;
        let Some(section) = &file.budget else { return };
        self.within(&section.tags);
        let topic = self.publishing_topic("budget", "budgets.amazonaws.com", Vec::new(), section.span.clone());
        let notification = |of: budget::Costs, percent: u64| budget::Notification {
            of,
            above_percent: percent as f64,
            email: section.email.iter().map(|address| address.value.clone()).collect(),
            topic: Some(topic.clone()),
            comparison: None,
            threshold_type: None,
        };
        let tag = format!("user:{}${}", crate::kind::STACK, self.stack.name());
        let spec = budget::Spec {
            name: self.stack.name().to_owned().into(),
            monthly_usd: section.monthly_usd.0 as f64,
            filters: BTreeMap::from([("TagKeyValue".to_owned(), vec![tag])]),
            notifications: vec![
                notification(budget::Costs::Actual, section.actual_percent.0),
                notification(budget::Costs::Forecasted, section.forecast_percent.0),
            ],
        };
        self.add(Address::new("budget", "main"), &spec, &section.span, vec![]);
    }
}
