//! What people set on what a stack made, beside what its file says: an update of the whole keeps it.

use crate::account::{ACCOUNT, Account, account, kind};
use aws_sdk_budgets::primitives::DateTime;
use aws_sdk_budgets::types::{Budget, TimePeriod};
use aws_sdk_cloudwatchlogs::types::{MetricFilter, MetricTransformation};
use lakewright::kind::Wanted;
use lakewright::resource::Address;
use lakewright::services::Services as _;
use lakewright_aws::ask;
use serde_json::{Value, json};

/// Makes a resource.
async fn make(account: &Account, address: &str, spec: Value) {
    let address: Address = address.parse().unwrap();
    let spec = kind(&address).normalise(&spec).unwrap();
    kind(&address).create(&account.context, &address, &spec).await.unwrap();
}

/// Changes a field of one.
async fn change(account: &Account, address: &str, spec: Value, field: &str) {
    let address: Address = address.parse().unwrap();
    let spec = kind(&address).normalise(&spec).unwrap();
    let wanted = [Wanted { address: &address, spec: &spec }];
    let live = kind(&address).find(&account.context, &wanted).await.unwrap().remove(0);
    assert_ne!(live.spec[field], spec[field], "the test changes nothing");
    kind(&address).update(&account.context, &live, &spec, &[field.to_owned()]).await.unwrap();
    let live = kind(&address).find(&account.context, &wanted).await.unwrap().remove(0);
    assert_eq!(live.spec[field], spec[field]);
}

#[tokio::test]
async fn the_time_of_a_budget_stays() {
    let account = account().await;
    let spec = |usd: f64| json!({"name": "shop", "monthly_usd": usd});
    make(&account, "budget.main", spec(500.0)).await;
    let client = account.context.aws.budgets();
    let described = async || -> Budget {
        ask(client.describe_budget().account_id(ACCOUNT).budget_name("shop").send()).await.unwrap().budget.unwrap()
    };
    let mut by_hand = described().await;
    let (start, end) = (DateTime::from_secs(1_735_689_600), DateTime::from_secs(1_893_456_000));
    by_hand.time_period = Some(TimePeriod::builder().start(start).end(end).build());
    // What AWS counts by itself is no member of what it takes.
    (by_hand.calculated_spend, by_hand.last_updated_time) = (None, None);
    ask(client.update_budget().account_id(ACCOUNT).new_budget(by_hand).send()).await.unwrap();
    change(&account, "budget.main", spec(600.0), "monthly_usd").await;
    let time = described().await.time_period.unwrap();
    assert_eq!((time.start(), time.end()), (Some(&start), Some(&end)));
}

#[tokio::test]
async fn what_a_metric_filter_selects_besides_stays() {
    let account = account().await;
    let group = "/lakewright/shop/stream";
    make(&account, "log_group.stream", json!({"name": group})).await;
    let spec = |pattern: &str| json!({"name": "errors", "log_group": group, "pattern": pattern, "namespace": "shop", "metric": "errors"});
    make(&account, "metric_filter.errors", spec("ERROR")).await;
    let client = account.context.aws.logs();
    let counts = MetricTransformation::builder().metric_name("errors").metric_namespace("shop").metric_value("1");
    let by_hand = client.put_metric_filter().log_group_name(group).filter_name("errors").filter_pattern("ERROR");
    let by_hand = by_hand.metric_transformations(counts.build().unwrap()).apply_on_transformed_logs(true);
    let by_hand = by_hand.field_selection_criteria("@aws.region = \"eu-north-1\"");
    ask(by_hand.emit_system_field_dimensions("@aws.account").send()).await.unwrap();
    change(&account, "metric_filter.errors", spec("FATAL"), "pattern").await;
    let listed = client.describe_metric_filters().log_group_name(group);
    let filters: Vec<MetricFilter> = ask(listed.send()).await.unwrap().metric_filters.unwrap();
    let [filter] = &filters[..] else { panic!("one filter: {filters:?}") };
    assert!(filter.apply_on_transformed_logs());
    assert_eq!(filter.field_selection_criteria(), Some("@aws.region = \"eu-north-1\""));
    assert_eq!(filter.emit_system_field_dimensions(), ["@aws.account"]);
}
