"""CloudWatch alarms and dashboards, SNS, metric filters and budgets, as boto3 and the query protocol see them."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import REGION, Refused

ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:page"
ALARM = {
    "AlarmName": "shop-silent", "Namespace": "Lakewright", "MetricName": "Heartbeat", "Statistic": "Sum", "Period": 60,
    "EvaluationPeriods": 5, "Threshold": 1, "ComparisonOperator": "LessThanThreshold", "TreatMissingData": "ignore",
    "Dimensions": [{"Name": "Agent", "Value": "stream"}], "AlarmActions": [TOPIC],
}  # fmt: skip


@pytest.fixture(scope="module")
def cloudwatch(account):
    return account.client("cloudwatch")


def query(account, service, **form):
    """A call by the query protocol, which boto3 no longer speaks to CloudWatch."""
    body = urllib.parse.urlencode(form)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", account.url, data=body, headers=headers)
    SigV4Auth(Credentials("test", "test"), service, REGION).add_auth(request)
    sent = urllib.request.Request(account.url, body.encode(), dict(request.headers))
    try:
        return urllib.request.urlopen(sent).read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def test_an_alarm_comes_back_as_it_was_put(account, cloudwatch):
    cloudwatch.put_metric_alarm(**ALARM, Tags=[{"Key": "team", "Value": "data"}])
    (alarm,) = cloudwatch.describe_alarms(AlarmNamePrefix="shop-")["MetricAlarms"]
    assert {name: alarm[name] for name in ALARM} == ALARM
    assert alarm["StateValue"] == "INSUFFICIENT_DATA"
    assert alarm["StateUpdatedTimestamp"].year > 2000
    arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:shop-silent"
    assert alarm["AlarmArn"] == arn
    # A second put changes the alarm and leaves its tags.
    cloudwatch.put_metric_alarm(**ALARM | {"Threshold": 2.5}, Tags=[{"Key": "team", "Value": "other"}])
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=["shop-silent"])["MetricAlarms"]
    assert alarm["Threshold"] == 2.5
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "data"}]
    tagged = account.client("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["cloudwatch:alarm"])
    assert [one["ResourceARN"] for one in tagged["ResourceTagMappingList"]] == [arn]
    answer = query(account, "monitoring", Action="DescribeAlarms", Version="2010-08-01", AlarmNamePrefix="shop-")
    assert "<AlarmName>shop-silent</AlarmName>" in answer and "<Threshold>2.5</Threshold>" in answer
    cloudwatch.set_alarm_state(AlarmName="shop-silent", StateValue="ALARM", StateReason="a test")
    assert cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"][0]["StateReason"] == "a test"
    cloudwatch.delete_alarms(AlarmNames=["shop-silent"])
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []
    with Refused("ResourceNotFoundException", 404):
        cloudwatch.list_tags_for_resource(ResourceARN=arn)


@pytest.mark.parametrize(
    "change",
    [
        {"Period": 45},
        {"Statistic": None},
        {"ExtendedStatistic": "p99"},
        {"EvaluationPeriods": 1441},
        {"DatapointsToAlarm": 6},
        {"TreatMissingData": "never"},
        {"AlarmActions": ["page"]},
        {"Threshold": None},
        {"Metrics": [{"Id": "a", "Expression": "1"}]},
    ],
    ids=str,
)
def test_what_no_alarm_can_be(cloudwatch, change):
    with Refused("ValidationError", 400):
        cloudwatch.put_metric_alarm(**{name: value for name, value in (ALARM | change).items() if value is not None})


def test_an_alarm_calculated_from_metrics(cloudwatch):
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 300, "Stat": "Sum"}
    metrics = [
        {"Id": "share", "Expression": "100 * a / b", "ReturnData": True},
        {"Id": "a", "MetricStat": stat, "ReturnData": False},
        {"Id": "b", "MetricStat": stat, "ReturnData": False},
    ]
    put = {"AlarmName": "share", "ComparisonOperator": "GreaterThanThreshold", "Threshold": 1, "EvaluationPeriods": 3}
    cloudwatch.put_metric_alarm(**put, Metrics=metrics)
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=["share"])["MetricAlarms"]
    assert alarm["Metrics"] == metrics
    metrics[1]["ReturnData"] = True
    with Refused("ValidationError"):
        cloudwatch.put_metric_alarm(**put, Metrics=metrics)
    cloudwatch.delete_alarms(AlarmNames=["share"])


def test_alarms_come_in_pages(cloudwatch):
    for number in range(7):
        cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": f"page-{number}"})
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix="page-", PaginationConfig={"PageSize": 3})
    names = [[alarm["AlarmName"] for alarm in page["MetricAlarms"]] for page in pages]
    assert [len(page) for page in names] == [3, 3, 1]
    cloudwatch.delete_alarms(AlarmNames=[name for page in names for name in page])


def test_dashboards_have_no_region(account, cloudwatch):
    body = json.dumps({"widgets": [{"type": "text", "width": 24, "properties": {"markdown": "# shop"}}]})
    cloudwatch.put_dashboard(DashboardName="shop", DashboardBody=body, Tags=[{"Key": "team", "Value": "data"}])
    elsewhere = account.client("cloudwatch", region="us-west-2")
    found = elsewhere.get_dashboard(DashboardName="shop")
    assert found["DashboardBody"] == body
    assert found["DashboardArn"] == f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/shop"
    (entry,) = cloudwatch.list_dashboards(DashboardNamePrefix="sh")["DashboardEntries"]
    assert entry["Size"] == len(body) and entry["LastModified"].year > 2000
    tags = elsewhere.list_tags_for_resource(ResourceARN=found["DashboardArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "data"}]
    tagging = account.client("resourcegroupstaggingapi")
    assert tagging.get_resources(ResourceTypeFilters=["cloudwatch:dashboard"])["ResourceTagMappingList"] == []
    for wrong in ("{", "{}", '{"widgets": [{"type": "metric", "properties": {"metrics": [["N", "M"]]}}]}'):
        with Refused("InvalidParameterInput", 400):
            cloudwatch.put_dashboard(DashboardName="wrong", DashboardBody=wrong)
    cloudwatch.delete_dashboards(DashboardNames=["shop"])
    with Refused("ResourceNotFound", 404):
        cloudwatch.get_dashboard(DashboardName="shop")


def test_a_topic_and_those_who_hear_of_it(account):
    sns = account.client("sns")
    tags = [{"Key": "team", "Value": "data"}]
    arn = sns.create_topic(Name="page", Tags=tags)["TopicArn"]
    assert arn == TOPIC == sns.create_topic(Name="page", Tags=tags)["TopicArn"]
    with Refused("InvalidParameter", 400):
        sns.create_topic(Name="page", Tags=[{"Key": "team", "Value": "other"}])
    with Refused("InvalidParameter", 400):
        sns.create_topic(Name="a page")
    subscribed = sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="ops@example.com", ReturnSubscriptionArn=True)
    assert sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="ops@example.com")["SubscriptionArn"] == "pending confirmation"
    with Refused("InvalidParameter"):
        sns.subscribe(TopicArn=arn, Protocol="https", Endpoint="http://example.com")
    (one,) = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    assert (one["SubscriptionArn"], one["Endpoint"]) == ("PendingConfirmation", "ops@example.com")
    with Refused("InvalidParameter"):
        sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["SubscriptionsPending"] == "1"
    sns.confirm_subscription(TopicArn=arn, Token=subscribed["SubscriptionArn"].rsplit(":", 1)[1])
    (one,) = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    assert one["SubscriptionArn"] == subscribed["SubscriptionArn"]
    sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []

    with Refused("InvalidParameter"):
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue="{}")
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="Shop")
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["DisplayName"] == "Shop" and json.loads(attributes["Policy"])["Id"] == "__default_policy_ID"
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == tags
    tagging = account.client("resourcegroupstaggingapi")
    assert [one["ResourceARN"] for one in tagging.get_resources(ResourceTypeFilters=["sns"])["ResourceTagMappingList"]] == [arn]
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    with Refused("NotFound", 404):
        sns.get_topic_attributes(TopicArn=arn)
    with Refused("ResourceNotFound", 404):
        sns.list_tags_for_resource(ResourceArn=arn)


def test_metric_filters_belong_to_their_group(account):
    logs = account.client("logs")
    logs.create_log_group(logGroupName="/shop/stream")
    transformation = {"metricName": "Errors", "metricNamespace": "Shop", "metricValue": "1", "unit": "Count"}
    put = {"logGroupName": "/shop/stream", "filterName": "errors", "filterPattern": '{ $.level = "ERROR" }'}
    logs.put_metric_filter(**put, metricTransformations=[transformation])
    (found,) = logs.describe_metric_filters(logGroupName="/shop/stream")["metricFilters"]
    assert found["metricTransformations"] == [transformation] and found["filterPattern"] == put["filterPattern"]
    assert logs.describe_metric_filters(metricName="Errors", metricNamespace="Shop")["metricFilters"] == [found]
    assert logs.describe_log_groups()["logGroups"][0]["metricFilterCount"] == 1
    with Refused("ResourceNotFoundException"):
        logs.put_metric_filter(**put | {"logGroupName": "/none"}, metricTransformations=[transformation])
    for wrong in (
        {"filterPattern": "{ $.level"},
        {"metricTransformations": [transformation | {"metricValue": "many"}]},
        {"metricTransformations": [transformation | {"dimensions": {"A": "$.a"}, "defaultValue": 0}]},
    ):
        with Refused("InvalidParameterException"):
            logs.put_metric_filter(**put | {"metricTransformations": [transformation]} | wrong)
    for number in range(99):
        logs.put_metric_filter(**put | {"filterName": f"f{number}"}, metricTransformations=[transformation])
    with Refused("LimitExceededException"):
        logs.put_metric_filter(**put | {"filterName": "one more"}, metricTransformations=[transformation])
    assert len(logs.describe_metric_filters(logGroupName="/shop/stream", limit=50)["metricFilters"]) == 50
    logs.delete_metric_filter(logGroupName="/shop/stream", filterName="errors")
    with Refused("ResourceNotFoundException"):
        logs.delete_metric_filter(logGroupName="/shop/stream", filterName="errors")
    logs.delete_log_group(logGroupName="/shop/stream")
    assert logs.describe_metric_filters()["metricFilters"] == []


def test_a_budget_with_its_notifications(account):
    budgets = account.client("budgets")
    own = {"AccountId": ACCOUNT, "BudgetName": "shop"}
    budget = {
        "BudgetName": "shop", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": {"Amount": "500", "Unit": "USD"},
        "CostFilters": {"TagKeyValue": ["user:lakewright:stack$shop"]},
    }  # fmt: skip
    spent = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0, "ThresholdType": "PERCENTAGE"}
    mail = {"SubscriptionType": "EMAIL", "Address": "ops@example.com"}
    create = {"AccountId": ACCOUNT, "Budget": budget, "ResourceTags": [{"Key": "team", "Value": "data"}]}
    with Refused("AccessDeniedException"):
        budgets.create_budget(**create | {"AccountId": "999999999999"})
    with Refused("InvalidParameterException"):
        budgets.create_budget(**create | {"Budget": budget | {"BudgetLimit": {"Amount": "0", "Unit": "USD"}}})
    budgets.create_budget(**create, NotificationsWithSubscribers=[{"Notification": spent, "Subscribers": [mail]}])
    with Refused("DuplicateRecordException"):
        budgets.create_budget(**create)
    found = budgets.describe_budget(**own)["Budget"]
    assert found["BudgetLimit"] == {"Amount": "500.0", "Unit": "USD"} and found["CostFilters"] == budget["CostFilters"]
    assert found["TimePeriod"]["Start"].day == 1 and found["CostTypes"]["IncludeTax"]
    (notification,) = budgets.describe_notifications_for_budget(**own)["Notifications"]
    assert notification == spent | {"NotificationState": "OK"}
    assert budgets.describe_subscribers_for_notification(**own, Notification=spent)["Subscribers"] == [mail]
    forecast = spent | {"NotificationType": "FORECASTED", "Threshold": 100.0}
    budgets.create_notification(**own, Notification=forecast, Subscribers=[mail])
    with Refused("DuplicateRecordException"):
        budgets.create_notification(**own, Notification=forecast, Subscribers=[mail])
    budgets.delete_subscriber(**own, Notification=forecast, Subscriber=mail)
    assert len(budgets.describe_notifications_for_budget(**own)["Notifications"]) == 1
    arn = f"arn:aws:budgets::{ACCOUNT}:budget/shop"
    assert budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"] == [{"Key": "team", "Value": "data"}]
    budgets.update_budget(AccountId=ACCOUNT, NewBudget=budget | {"BudgetLimit": {"Amount": "700.5", "Unit": "USD"}})
    assert account.client("budgets", region="us-west-2").describe_budgets(AccountId=ACCOUNT)["Budgets"][0]["BudgetLimit"]["Amount"] == "700.5"
    budgets.delete_budget(**own)
    with Refused("NotFoundException"):
        budgets.describe_budget(**own)


def test_cbor_is_spoken_to_those_who_speak_it(account):
    import botocore.session
    from botocore.parsers import create_parser
    from botocore.serialize import create_serializer

    model = botocore.session.get_session().get_service_model("cloudwatch")

    def call(operation, **arguments):
        operation = model.operation_model(operation)
        sent = create_serializer("smithy-rpc-v2-cbor").serialize_to_request(arguments, operation)
        url = account.url + sent["url_path"]
        request = AWSRequest("POST", url, data=sent["body"], headers=sent["headers"])
        SigV4Auth(Credentials("test", "test"), "monitoring", REGION).add_auth(request)
        try:
            answer = urllib.request.urlopen(urllib.request.Request(url, bytes(sent["body"]), dict(request.headers)))
        except urllib.error.HTTPError as error:
            answer = error
        found = {"status_code": answer.status, "headers": answer.headers, "body": answer.read()}
        return create_parser("smithy-rpc-v2-cbor").parse(found, operation.output_shape)

    call("PutMetricAlarm", **ALARM | {"AlarmName": "cbor", "Threshold": 2.5})
    (alarm,) = call("DescribeAlarms", AlarmNames=["cbor"])["MetricAlarms"]
    assert alarm["Threshold"] == 2.5 and alarm["Period"] == 60 and alarm["StateUpdatedTimestamp"].year > 2000
    refused = call("PutMetricAlarm", **ALARM | {"Period": 45})
    assert refused["Error"]["Code"] == "ValidationError" and "Period" in refused["Error"]["Message"]
    call("DeleteAlarms", AlarmNames=["cbor"])


def test_log_events_become_metrics_that_alarms_judge(account, cloudwatch):
    logs = account.client("logs")
    logs.create_log_group(logGroupName="/shop/agent")
    logs.create_log_stream(logGroupName="/shop/agent", logStreamName="one")
    transformation = {"metricName": "Errors", "metricNamespace": "Shop", "metricValue": "1"}
    logs.put_metric_filter(
        logGroupName="/shop/agent", filterName="errors", filterPattern='{ $.level = "ERROR" }',
        metricTransformations=[transformation],
    )  # fmt: skip
    now = int(time.time())
    minute = now - now % 60

    def say(at, **line):
        event = {"timestamp": at * 1000, "message": json.dumps(line)}
        logs.put_log_events(logGroupName="/shop/agent", logStreamName="one", logEvents=[event])

    def report(at, beats):
        directive = {"Namespace": "Lakewright", "Dimensions": [["Agent"]], "Metrics": [{"Name": "Heartbeat", "Unit": "Count"}]}
        say(at, _aws={"Timestamp": at * 1000, "CloudWatchMetrics": [directive]}, Agent="stream", Heartbeat=beats)

    silent = ALARM | {"EvaluationPeriods": 2, "AlarmName": "judged", "TreatMissingData": "breaching"}
    late = silent | {"AlarmName": "warming", "WarmUpConfiguration": {"WarmUpPeriodDurationInMinutes": 30}}
    errors = ALARM | {
        "AlarmName": "errors", "Namespace": "Shop", "MetricName": "Errors", "Dimensions": [], "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
    }  # fmt: skip
    for alarm in (silent, late, errors):
        cloudwatch.put_metric_alarm(**alarm)

    def states():
        alarms = cloudwatch.describe_alarms(AlarmNames=["judged", "warming", "errors"])["MetricAlarms"]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}

    assert states() == {"judged": "ALARM", "warming": "INSUFFICIENT_DATA", "errors": "OK"}
    report(minute - 60, [1, 1])
    for level in ("ERROR", "INFO", "ERROR"):
        say(minute - 60, level=level)
    asked = {"StartTime": minute - 600, "EndTime": minute + 60, "Period": 60}
    beats = {"Namespace": "Lakewright", "MetricName": "Heartbeat", "Dimensions": [{"Name": "Agent", "Value": "stream"}]}
    (point,) = cloudwatch.get_metric_statistics(**beats, **asked, Statistics=["Sum", "SampleCount", "Maximum"])["Datapoints"]
    assert (point["Sum"], point["SampleCount"], point["Maximum"]) == (2, 2, 1)
    assert point["Timestamp"].timestamp() == minute - 60
    query = {"Id": "e", "MetricStat": {"Metric": {"Namespace": "Shop", "MetricName": "Errors"}, "Period": 60, "Stat": "Sum"}}
    times = {"StartTime": minute - 600, "EndTime": minute + 60}
    (result,) = cloudwatch.get_metric_data(MetricDataQueries=[query], **times)["MetricDataResults"]
    assert result["Values"] == [2.0]
    assert cloudwatch.list_metrics(Namespace="Lakewright")["Metrics"] == [beats]
    # The minute may have turned meanwhile: what was reported is then of the minute before, still within the two.
    assert states()["judged"] == "OK" and states()["warming"] == "OK"
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": "Errors", "Value": 5, "Timestamp": minute - 60}])
    (result,) = cloudwatch.get_metric_data(MetricDataQueries=[query], **times)["MetricDataResults"]
    assert result["Values"] == [7.0]
    with Refused("InvalidParameterValue"):
        cloudwatch.put_metric_data(Namespace="AWS/Kafka", MetricData=[{"MetricName": "M", "Value": 1}])
    cloudwatch.delete_alarms(AlarmNames=["judged", "warming", "errors"])


def test_calculated_alarms_are_judged(cloudwatch):
    def stat(name, **dimensions):
        metric = {"Namespace": "Shares", "MetricName": name}
        metric["Dimensions"] = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        return {"Metric": metric, "Period": 60, "Stat": "Sum"}

    share = [
        {"Id": "result", "Expression": "IF(records + dead > 0, 100 * dead / (records + dead), 0)", "ReturnData": True},
        {"Id": "records", "MetricStat": stat("Records"), "ReturnData": False},
        {"Id": "dead", "MetricStat": stat("Dead"), "ReturnData": False},
    ]
    worst = [
        {"Id": "result", "Expression": "MAX(METRICS())", "ReturnData": True},
        {"Id": "a", "MetricStat": stat("Disk", Broker="1"), "ReturnData": False},
        {"Id": "b", "MetricStat": stat("Disk", Broker="2"), "ReturnData": False},
    ]
    strange = [{"Id": "result", "Expression": "ANOMALY_DETECTION_BAND(records)", "ReturnData": True}, share[1]]
    put = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 5, "EvaluationPeriods": 5, "DatapointsToAlarm": 1}
    # Of one minute, whether another begins meanwhile or not.
    now = int(time.time()) // 60 * 60
    for name, metrics in (("share", share), ("worst", worst), ("strange", strange)):
        cloudwatch.put_metric_alarm(AlarmName=name, Metrics=metrics, **put)

    def states():
        alarms = cloudwatch.describe_alarms(AlarmNames=["share", "worst", "strange"])["MetricAlarms"]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}

    def tell(minutes_ago, **values):
        at = now - 60 * minutes_ago
        data = [{"MetricName": name, "Timestamp": at, "Value": value} for name, value in values.items()]
        cloudwatch.put_metric_data(Namespace="Shares", MetricData=data)

    nothing = dict.fromkeys(("share", "worst", "strange"), "INSUFFICIENT_DATA")
    assert states() == nothing
    # A value of one of them alone gives no share.
    tell(2, Dead=50)
    assert states() == nothing
    tell(2, Records=4950)
    assert states()["share"] == "OK"
    tell(1, Dead=10, Records=90)
    disks = [("1", 1), ("2", 90)]
    data = [
        {"MetricName": "Disk", "Dimensions": [{"Name": "Broker", "Value": broker}], "Timestamp": now - 60, "Value": used}
        for broker, used in disks
    ]
    cloudwatch.put_metric_data(Namespace="Shares", MetricData=data)
    assert states() == {"share": "ALARM", "worst": "ALARM", "strange": "INSUFFICIENT_DATA"}
    cloudwatch.delete_alarms(AlarmNames=["share", "worst", "strange"])
