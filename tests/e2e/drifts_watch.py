"""What people change by hand in a stack that is watched."""

from drifts import ANY, drift

from account import ACCOUNT, REGION

ALARM = "watch-stream-lag"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:watch-alarms"
BUDGET = {"AccountId": ACCOUNT, "BudgetName": "watch"}


def put_alarm(aws, name, **changes):
    """Puts an alarm as it is, with changes."""
    client = aws("cloudwatch")
    (alarm,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    known = client.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    client.put_metric_alarm(**{member: value for member, value in alarm.items() if member in known} | changes)


@drift("alarm.stream-lag", "threshold", 7.0, 1200.0)
def an_alarms_threshold(aws):
    put_alarm(aws, ALARM, Threshold=7.0)


@drift("alarm.stream-silent", "actions_enabled", False, True)
def an_alarm_that_tells_no_one(aws):
    aws("cloudwatch").disable_alarm_actions(AlarmNames=["watch-stream-silent"])


@drift("alarm.stream-lag", "metric.unit", "Bytes", None)
def an_alarm_on_a_unit_that_nobody_sends(aws):
    put_alarm(aws, ALARM, Unit="Bytes")


@drift("alarm.kafka-disk-2", "calculation.expression", "MIN(METRICS())", "MAX(METRICS())")
def an_alarms_expression(aws):
    (alarm,) = aws("cloudwatch").describe_alarms(AlarmNames=["watch-kafka-disk-2"])["MetricAlarms"]
    metrics = [query | {"Expression": "MIN(METRICS())"} if "Expression" in query else query for query in alarm["Metrics"]]
    put_alarm(aws, "watch-kafka-disk-2", Metrics=metrics)


@drift("alarm.batch-stale", None, None, None)
def an_alarm_deleted(aws):
    aws("cloudwatch").delete_alarms(AlarmNames=["watch-batch-stale"])


@drift("dashboard.main", "body.widgets[0].properties.markdown", "## mine", ANY)
def a_dashboard_edited(aws):
    client = aws("cloudwatch")
    body = client.get_dashboard(DashboardName="watch")["DashboardBody"]
    client.put_dashboard(DashboardName="watch", DashboardBody=body.replace("## Agent stream", "## mine"))


@drift("dashboard.main", None, None, None)
def a_dashboard_deleted(aws):
    aws("cloudwatch").delete_dashboards(DashboardNames=["watch"])


@drift("sns_topic.alarms", "email[0]", "mine@example.com", None)
def somebody_else_subscribed(aws):
    client = aws("sns")
    arn = client.subscribe(TopicArn=TOPIC, Protocol="email", Endpoint="mine@example.com", ReturnSubscriptionArn=True)
    client.confirm_subscription(TopicArn=TOPIC, Token=arn["SubscriptionArn"].rsplit(":", 1)[1])


@drift("sns_topic.alarms", "policy.Statement[1].Principal.Service[0]", "lambda.amazonaws.com", "cloudwatch.amazonaws.com")
def a_topics_policy(aws):
    client = aws("sns")
    policy = client.get_topic_attributes(TopicArn=TOPIC)["Attributes"]["Policy"]
    policy = policy.replace("cloudwatch.amazonaws.com", "lambda.amazonaws.com")
    client.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=policy)


@drift("sns_topic.hooks", "key", None, ANY)
def a_topics_key(aws):
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:hooks"
    aws("sns").set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue="")


@drift("metric_filter.panics", "pattern", "fatal", "panicked")
def a_filters_pattern(aws):
    client = aws("logs")
    (found,) = client.describe_metric_filters(logGroupName="/lakewright/watch/stream")["metricFilters"]
    known = ("logGroupName", "filterName", "metricTransformations")
    client.put_metric_filter(**{name: found[name] for name in known}, filterPattern="fatal")


@drift("budget.main", "monthly_usd", 5000.0, 500.0)
def a_budget_raised(aws):
    budget = aws("budgets").describe_budget(**BUDGET)["Budget"]
    kept = {name: budget[name] for name in ("BudgetName", "BudgetType", "TimeUnit", "CostFilters")}
    limit = {"BudgetLimit": {"Amount": "5000", "Unit": "USD"}}
    aws("budgets").update_budget(AccountId=ACCOUNT, NewBudget=kept | limit)


@drift("budget.main", "notifications[0]", None, ANY)
def nobody_is_told_what_was_spent(aws):
    client = aws("budgets")
    first = client.describe_notifications_for_budget(**BUDGET)["Notifications"][0]
    first.pop("NotificationState")
    client.delete_notification(**BUDGET, Notification=first)


@drift("budget.main", "cost_types.include_credit", False, True)
def a_budget_that_leaves_credits_out(aws):
    client = aws("budgets")
    budget = client.describe_budget(**BUDGET)["Budget"]
    kept = {name: budget[name] for name in ("BudgetName", "BudgetType", "TimeUnit", "CostFilters", "BudgetLimit")}
    client.update_budget(AccountId=ACCOUNT, NewBudget=kept | {"CostTypes": budget["CostTypes"] | {"IncludeCredit": False}})


@drift("budget.main", "notifications[1].threshold_type", "ABSOLUTE_VALUE", None)
def told_of_dollars_and_not_of_per_cent(aws):
    client = aws("budgets")
    # The one of forecasts: the other was made anew behind it.
    first = client.describe_notifications_for_budget(**BUDGET)["Notifications"][0]
    first.pop("NotificationState")
    told = client.describe_subscribers_for_notification(**BUDGET, Notification=first)["Subscribers"]
    client.delete_notification(**BUDGET, Notification=first)
    client.create_notification(**BUDGET, Notification=first | {"ThresholdType": "ABSOLUTE_VALUE"}, Subscribers=told)
