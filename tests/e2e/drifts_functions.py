"""What people change by hand in the stack of functions."""

import io
import zipfile

from drifts import ANY, drift

HELLO = "func-hello"
RAW = "func-raw-123456789012"


@drift("function.hello", "memory_mb", 1024, 256)
def a_functions_memory(aws):
    aws("lambda").update_function_configuration(FunctionName=HELLO, MemorySize=1024)


@drift("function.hello", "environment.DEBUG", "(sensitive)", None)
def a_variable_added(aws):
    client = aws("lambda")
    variables = client.get_function_configuration(FunctionName=HELLO)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=HELLO, Environment={"Variables": variables | {"DEBUG": "1"}})


@drift("function.hello", "log_format", "JSON", "Text")
def a_functions_log_format(aws):
    aws("lambda").update_function_configuration(FunctionName=HELLO, LoggingConfig={"LogFormat": "JSON"})


@drift("function.hello", "code_sha256", ANY, ANY)
def code_from_the_console(aws):
    zip = io.BytesIO()
    with zipfile.ZipFile(zip, "w") as archive:
        archive.writestr("hello.py", "def count(event, context):\n    return 'mine'\n")
    aws("lambda").update_function_code(FunctionName=HELLO, ZipFile=zip.getvalue(), Architectures=["arm64"])


@drift("function.single", "permissions.door", ANY, None)
def a_permission_added(aws):
    aws("lambda").add_permission(
        FunctionName="func-single", StatementId="door", Action="lambda:InvokeFunction", Principal="999999999999"
    )


@drift("function.single", "permissions.upload", None, ANY)
def a_permission_removed(aws):
    aws("lambda").remove_permission(FunctionName="func-single", StatementId="upload")


@drift("function.single", None, None, None)
def a_function_deleted(aws):
    aws("lambda").delete_function(FunctionName="func-single")


@drift("schedule_rule.hello", "schedule", "rate(5 minutes)", "rate(1 hour)")
def a_rule_that_calls_more_often(aws):
    aws("events").put_rule(
        Name=HELLO, ScheduleExpression="rate(5 minutes)", Description="calls the function hello of func"
    )


@drift("schedule_rule.hello", "event_pattern", ANY, None)
def a_rule_that_waits_for_events_too(aws):
    client = aws("events")
    rule = client.describe_rule(Name=HELLO)
    kept = {name: rule[name] for name in ("Name", "ScheduleExpression", "Description")}
    client.put_rule(**kept, EventPattern='{"source": ["mine"]}')


@drift("schedule_rule.hello", "enabled", False, True)
def a_rule_switched_off(aws):
    aws("events").disable_rule(Name=HELLO)


@drift("schedule_rule.hello", "targets.mine", ANY, None)
def a_target_added(aws):
    target = {"Id": "mine", "Arn": "arn:aws:sqs:eu-north-1:123456789012:mine"}
    aws("events").put_targets(Rule=HELLO, Targets=[target])


@drift("schedule_rule.hello", "targets.function", None, ANY)
def a_target_removed(aws):
    aws("events").remove_targets(Rule=HELLO, Ids=["function"])


@drift("function.hello", "permissions.upload", None, ANY)
def s3_shut_out(aws):
    aws("lambda").remove_permission(FunctionName=HELLO, StatementId="upload")


def notifications(aws):
    told = aws("s3").get_bucket_notification_configuration(Bucket=RAW)
    return told.get("LambdaFunctionConfigurations", [])


def notify(aws, configurations):
    aws("s3").put_bucket_notification_configuration(
        Bucket=RAW, NotificationConfiguration={"LambdaFunctionConfigurations": configurations}
    )


@drift("bucket.raw", "notifications.destinations[0]", None, ANY)
def uploads_that_call_nobody(aws):
    notify(aws, [one for one in notifications(aws) if one["Id"] != HELLO])


@drift("bucket.raw", "notifications.destinations[0].prefix", "other/", "in/")
def uploads_of_another_folder(aws):
    other = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "other/"}]}}
    notify(aws, [one | ({"Filter": other} if one["Id"] == HELLO else {}) for one in notifications(aws)])
