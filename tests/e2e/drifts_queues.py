"""What people change by hand in the stack `queues`."""

import json

from drifts import ANY, drift

from account import ACCOUNT, REGION

ORDERS = "queues-orders"


def change(aws, name, **attributes):
    client = aws("sqs")
    client.set_queue_attributes(QueueUrl=client.get_queue_url(QueueName=name)["QueueUrl"], Attributes=attributes)


@drift("queue.orders", "visibility_timeout_seconds", 0, 120)
def messages_that_nobody_hides(aws):
    change(aws, ORDERS, VisibilityTimeout="0")


@drift("queue.orders", "receive_wait_seconds", 0, 20)
def receivers_that_dont_wait(aws):
    change(aws, ORDERS, ReceiveMessageWaitTimeSeconds="0")


@drift("queue.orders", "max_message_bytes", 1_048_576, 262_144)
def longer_messages(aws):
    change(aws, ORDERS, MaximumMessageSize="1048576")


@drift("queue.orders", "key", None, ANY)
def a_queue_without_its_key(aws):
    change(aws, ORDERS, KmsMasterKeyId="", SqsManagedSseEnabled="true")


@drift("queue.orders", "data_key_reuse_seconds", 300, 600)
def data_keys_that_change_sooner(aws):
    change(aws, ORDERS, KmsDataKeyReusePeriodSeconds="300")


@drift("queue.orders", "policy", ANY, None)
def a_queue_opened_to_everybody(aws):
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{ORDERS}"
    opened = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": arn}
    change(aws, ORDERS, Policy=json.dumps({"Version": "2012-10-17", "Statement": [opened]}))


@drift("queue.orders", "dead_letters.max_receives", 1000, 5)
def dead_letters_that_stay_longer(aws):
    target = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queues-failed"
    change(aws, ORDERS, RedrivePolicy=json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": "1000"}))


@drift("queue.orders", "dead_letters", None, ANY)
def dead_letters_that_come_again(aws):
    change(aws, ORDERS, RedrivePolicy="")


@drift("queue.failed", "retention_seconds", 60, 1_209_600)
def messages_that_go_sooner(aws):
    change(aws, "queues-failed", MessageRetentionPeriod="60")


@drift("queue.payments", "dead_letter_sources", None, ANY)
def dead_letters_of_everybody(aws):
    change(aws, "queues-payments.fifo", RedriveAllowPolicy='{"redrivePermission": "allowAll"}')


@drift("queue.payments", "key.managed_by_sqs", False, True)
def a_queue_in_clear(aws):
    change(aws, "queues-payments.fifo", SqsManagedSseEnabled="false")


@drift("queue.payments", "content_based_deduplication", False, True)
def messages_that_need_an_id(aws):
    change(aws, "queues-payments.fifo", ContentBasedDeduplication="false")


@drift("queue.payments", "delay_seconds", 0, 30)
def messages_that_come_at_once(aws):
    change(aws, "queues-payments.fifo", DelaySeconds="0")


@drift("queue.payments", None, None, None)
def a_queue_deleted(aws):
    client = aws("sqs")
    client.delete_queue(QueueUrl=client.get_queue_url(QueueName="queues-payments.fifo")["QueueUrl"])


def put(aws, name, **members):
    aws("ssm").put_parameter(Name=name, Overwrite=True, **members)


@drift("parameter.orders", "value", "https://elsewhere.example", ANY)
def another_queue_that_is_looked_up(aws):
    put(aws, "/queues/orders/url", Value="https://elsewhere.example")


@drift("parameter.orders", "description", "nothing", "Where orders go.")
def a_parameter_described_otherwise(aws):
    client = aws("ssm")
    value = client.get_parameter(Name="/queues/orders/url")["Parameter"]["Value"]
    put(aws, "/queues/orders/url", Value=value, Description="nothing")


@drift("parameter.all", "type", "String", "StringList")
def a_list_that_is_none(aws):
    client = aws("ssm")
    value = client.get_parameter(Name="/queues/all")["Parameter"]["Value"]
    tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId="/queues/all")["TagList"]
    client.delete_parameter(Name="/queues/all")
    client.put_parameter(Name="/queues/all", Type="String", Value=value, Tags=tags)


@drift("parameter.all", None, None, None)
def a_parameter_deleted(aws):
    aws("ssm").delete_parameter(Name="/queues/all")
