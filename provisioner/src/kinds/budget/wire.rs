//! A budget and its notifications as AWS Budgets takes them and gives them back.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_budgets::types::{
    self, BudgetType, ComparisonOperator, CostTypes, Spend, Subscriber, SubscriptionType, ThresholdType, TimeUnit,
};

use super::{Notification, Spec};
use crate::kind::Departure;

#[expect(deprecated, reason = "AWS takes the filters of old as before, and no others of a budget that has them")]
pub(super) fn budget(spec: &Spec) -> types::Budget {
    let limit = Spend::builder().amount(spec.monthly_usd.to_string()).unit("USD");
    let filters = spec.filters.iter().map(|(key, values)| (key.clone(), values.clone())).collect();
    let budget = types::Budget::builder()
        .budget_name(spec.name.as_str())
        .budget_type(BudgetType::Cost)
        .time_unit(TimeUnit::Monthly)
        .budget_limit(limit.build().expect("amount and unit are given"))
        .cost_types(cost_types())
        .set_cost_filters(Some(filters));
    budget.build().expect("name, type and unit are given")
}

/// Which costs count: as AWS Budgets counts them by default.
fn cost_types() -> CostTypes {
    let all = CostTypes::builder().include_tax(true).include_subscription(true).include_refund(true);
    let all = all.include_credit(true).include_upfront(true).include_recurring(true).include_support(true);
    let all = all.include_other_subscription(true).include_discount(true);
    all.use_blended(false).use_amortized(false).build()
}

pub(super) fn notification(one: &Notification) -> types::Notification {
    let notification = types::Notification::builder()
        .notification_type((&one.of).into())
        .comparison_operator(one.comparison.as_deref().map_or(ComparisonOperator::GreaterThan, Into::into))
        .threshold(one.above_percent)
        .threshold_type(one.threshold_type.as_deref().map_or(ThresholdType::Percentage, Into::into));
    notification.build().expect("type, comparison and threshold are given")
}

pub(super) fn subscribers(one: &Notification) -> Vec<Subscriber> {
    let subscriber = |(kind, address): (SubscriptionType, &String)| {
        Subscriber::builder().subscription_type(kind).address(address).build().expect("type and address are given")
    };
    let mails = one.email.iter().map(|address| (SubscriptionType::Email, address));
    mails.chain(one.topic.iter().map(|arn| (SubscriptionType::Sns, arn))).map(subscriber).collect()
}

#[expect(deprecated, reason = "AWS gives the filters of old back to whoever doesn't ask for expressions")]
pub(super) fn filters(budget: &types::Budget) -> BTreeMap<String, Vec<String>> {
    let filters = budget.cost_filters().into_iter().flatten();
    filters.map(|(key, values)| (key.clone(), values.clone())).collect()
}

/// What of a budget is otherwise than in all that are made here. What AWS leaves out counts as it does by default.
#[expect(deprecated, reason = "AWS has a new form of them only for budgets with expressions")]
pub(super) fn departures(budget: &types::Budget) -> Vec<Departure> {
    let parts = |types: &CostTypes| {
        [
            ("include_tax", types.include_tax()),
            ("include_subscription", types.include_subscription()),
            ("use_blended", types.use_blended()),
            ("include_refund", types.include_refund()),
            ("include_credit", types.include_credit()),
            ("include_upfront", types.include_upfront()),
            ("include_recurring", types.include_recurring()),
            ("include_other_subscription", types.include_other_subscription()),
            ("include_support", types.include_support()),
            ("include_discount", types.include_discount()),
            ("use_amortized", types.use_amortized()),
        ]
    };
    let meant = cost_types();
    let live = parts(budget.cost_types().unwrap_or(&meant));
    let costs = live
        .into_iter()
        .zip(parts(&meant))
        .map(|((name, live), (_, meant))| Departure::of(format!("cost_types.{name}"), live.or(meant), meant));
    let (kind, unit) = (BudgetType::Cost, TimeUnit::Monthly);
    let others = [
        Departure::of("budget_type", budget.budget_type().as_str(), kind.as_str()),
        Departure::of("time_unit", budget.time_unit().as_str(), unit.as_str()),
        Departure::of("monthly_usd.unit", budget.budget_limit().map_or("USD", Spend::unit), "USD"),
    ];
    others.into_iter().chain(costs).flatten().collect()
}

/// A notification as AWS Budgets gives it back, with its subscribers.
pub(super) fn of_wire(one: &types::Notification, email: BTreeSet<String>, topics: BTreeSet<String>) -> Notification {
    let comparison = Some(one.comparison_operator()).filter(|one| **one != ComparisonOperator::GreaterThan);
    // Left out, it is a percentage.
    let threshold_type = one.threshold_type().filter(|one| **one != ThresholdType::Percentage);
    Notification {
        of: one.notification_type().into(),
        above_percent: one.threshold(),
        email,
        topic: topics.into_iter().next(),
        comparison: comparison.map(ToString::to_string),
        threshold_type: threshold_type.map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_budgets::types::NotificationType;
    use serde_json::json;

    use super::*;
    use crate::kind::AnyKind as _;
    use crate::kinds::budget::Budget;

    #[test]
    fn amounts_are_written_as_aws_takes_them() {
        let spec = Budget.normalise(&json!({"name": "shop", "monthly_usd": 500})).expect("a spec");
        let spec = serde_json::from_value(spec).expect("typed");
        assert_eq!(budget(&spec).budget_limit().map(Spend::amount), Some("500"));
    }

    #[test]
    fn a_notification_of_another_sort_differs_from_every_spec_and_is_named_as_it_is() {
        let spec = json!({"name": "shop", "monthly_usd": 500,
            "notifications": [{"of": "ACTUAL", "above_percent": 80.0, "email": ["a@b.c"]}]});
        let spec: Spec = serde_json::from_value(Budget.normalise(&spec).expect("a spec")).expect("typed");
        let ours = notification(&spec.notifications[0]);
        let back = |one: &types::Notification| of_wire(one, BTreeSet::from(["a@b.c".to_owned()]), BTreeSet::new());
        assert_eq!(back(&ours), spec.notifications[0]);
        let (mut absolute, mut less, mut later) = (ours.clone(), ours.clone(), ours);
        absolute.threshold_type = Some(ThresholdType::AbsoluteValue);
        less.comparison_operator = ComparisonOperator::LessThan;
        later.notification_type = NotificationType::from("PREDICTED");
        for other in [absolute, less, later] {
            let read = back(&other);
            assert_ne!(read, spec.notifications[0]);
            assert_eq!(notification(&read), other);
        }
    }

    #[test]
    #[expect(deprecated, reason = "as where they are read")]
    fn what_no_spec_says_of_a_budget_departs_from_all_that_are_made() {
        let spec = Budget.normalise(&json!({"name": "shop", "monthly_usd": 500})).expect("a spec");
        let mut made = budget(&serde_json::from_value(spec).expect("typed"));
        assert_eq!(departures(&made), []);
        made.time_unit = TimeUnit::Daily;
        made.cost_types = Some(CostTypes::builder().include_credit(false).build());
        let paths: Vec<String> = departures(&made).into_iter().map(|departure| departure.path).collect();
        assert_eq!(paths, ["time_unit", "cost_types.include_credit"]);
    }
}
