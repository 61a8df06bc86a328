"""SQS: queues and their attributes, messages that wait, come again and move away, as boto3 sees them."""

import hashlib
import json
import time

import pytest

from conftest import REGION, Refused

ACCOUNT = "123456789012"


def arn(name):
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


@pytest.fixture(scope="module")
def sqs(account):
    return account.client("sqs")


@pytest.fixture
def queue(sqs, request):
    """The URL of a new queue of the test's own."""
    return make(sqs, request.node.name.split("[")[0])


def make(sqs, name, **attributes):
    name = name[:70] + (".fifo" if "FifoQueue" in attributes else "")
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def attributes(sqs, url, *names):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"]).get("Attributes", {})


def receive(sqs, url, **more):
    return sqs.receive_message(QueueUrl=url, AttributeNames=["All"], **more).get("Messages", [])


def test_a_queue_and_what_it_has_by_default(account, sqs):
    url = sqs.create_queue(QueueName="orders", tags={"team": "data"})["QueueUrl"]
    assert url == f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/orders"
    assert sqs.get_queue_url(QueueName="orders")["QueueUrl"] == url
    found = attributes(sqs, url)
    assert abs(int(found.pop("CreatedTimestamp")) - time.time()) < 60
    assert abs(int(found.pop("LastModifiedTimestamp")) - time.time()) < 60
    assert found == {
        "QueueArn": arn("orders"), "VisibilityTimeout": "30", "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600", "DelaySeconds": "0", "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true", "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
    }  # fmt: skip
    assert attributes(sqs, url, "QueueArn") == {"QueueArn": arn("orders")}
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "data"}
    sqs.tag_queue(QueueUrl=url, Tags={"team": "shop", "cost": "1"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["cost"])
    tagged = account.client("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["sqs"])
    (one,) = tagged["ResourceTagMappingList"]
    assert (one["ResourceARN"], one["Tags"]) == (arn("orders"), [{"Key": "team", "Value": "shop"}])
    sqs.delete_queue(QueueUrl=url)
    with Refused("AWS.SimpleQueueService.NonExistentQueue", 400) as refused:
        sqs.get_queue_url(QueueName="orders")
    assert isinstance(refused.error, sqs.exceptions.QueueDoesNotExist)
    with Refused("AWS.SimpleQueueService.NonExistentQueue"):
        attributes(sqs, url)


def test_another_call_to_make_a_queue_is_answered_when_it_says_the_same(sqs):
    url = make(sqs, "same", DelaySeconds="5")
    assert make(sqs, "same", DelaySeconds="5") == url == make(sqs, "same")
    assert make(sqs, "same", VisibilityTimeout="30") == url, "the default is what it has"
    with Refused("QueueAlreadyExists", 400):
        make(sqs, "same", DelaySeconds="6")
    with Refused("QueueAlreadyExists", 400):
        make(sqs, "same", Policy=json.dumps({"Statement": []}))


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 81, "a.fifo"], ids=repr)
def test_what_no_queue_is_called(sqs, name):
    with Refused("InvalidParameterValue" if name else "MissingParameter", 400):
        sqs.create_queue(QueueName=name)
    with Refused("InvalidParameterValue", 400):
        sqs.create_queue(QueueName="plain", Attributes={"FifoQueue": "true"})


@pytest.mark.parametrize(
    "name, value",
    [
        ("DelaySeconds", "901"),
        ("DelaySeconds", "x"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("VisibilityTimeout", "43201"),
        ("SqsManagedSseEnabled", "yes"),
        ("Policy", "{"),
    ],
)
def test_values_that_no_attribute_has(sqs, name, value):
    url = make(sqs, "values")
    with Refused("InvalidAttributeValue", 400):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: value})


@pytest.mark.parametrize(
    "given",
    [
        {"Colour": "red"},
        {"FifoQueue": "true"},
        {"FifoQueue": "false"},
        {"ContentBasedDeduplication": "true"},
        {"SqsManagedSseEnabled": "true", "KmsMasterKeyId": "alias/shop"},
    ],
    ids=str,
)
def test_attributes_that_no_queue_is_given(sqs, given):
    url = make(sqs, "values")
    with Refused("InvalidAttributeName", 400):
        sqs.set_queue_attributes(QueueUrl=url, Attributes=given)


def test_a_queue_is_encrypted_one_way_at_a_time(sqs, queue):
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"KmsMasterKeyId": "alias/shop"})
    found = attributes(sqs, queue, "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
    key = {"KmsMasterKeyId": "alias/shop", "KmsDataKeyReusePeriodSeconds": "300"}
    assert found == key | {"SqsManagedSseEnabled": "false"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"})
    found = attributes(sqs, queue, "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
    assert found == {"SqsManagedSseEnabled": "true"}


def test_a_message_is_hidden_while_somebody_works_on_it(sqs, queue):
    text = {"DataType": "String", "StringValue": "web"}
    sent = sqs.send_message(QueueUrl=queue, MessageBody="one", MessageAttributes={"from": text})
    assert sent["MD5OfMessageBody"] == hashlib.md5(b"one").hexdigest()
    parts = [b"from", b"String", b"\x01", b"web"]
    whole = b"".join(part if part == b"\x01" else len(part).to_bytes(4, "big") + part for part in parts)
    assert sent["MD5OfMessageAttributes"] == hashlib.md5(whole).hexdigest()
    (message,) = receive(sqs, queue, VisibilityTimeout=1, MessageAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "one")
    assert message["MessageAttributes"] == {"from": text}
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert receive(sqs, queue) == []
    counts = attributes(sqs, queue)
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "1")
    # A receiver that waits gets it as soon as it shows again.
    (again,) = receive(sqs, queue, WaitTimeSeconds=5)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert "MessageAttributes" not in again
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=again["ReceiptHandle"], VisibilityTimeout=0)
    (last,) = receive(sqs, queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=last["ReceiptHandle"])
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=last["ReceiptHandle"])
    assert attributes(sqs, queue)["ApproximateNumberOfMessagesNotVisible"] == "0"
    with Refused("AWS.SimpleQueueService.MessageNotInflight", 400):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=last["ReceiptHandle"], VisibilityTimeout=0)
    with Refused("ReceiptHandleIsInvalid", 404):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="none")


def test_a_message_may_be_delayed_and_too_long(sqs):
    url = make(sqs, "delayed", DelaySeconds="900", MaximumMessageSize="1024")
    sqs.send_message(QueueUrl=url, MessageBody="later")
    sqs.send_message(QueueUrl=url, MessageBody="now", DelaySeconds=0)
    assert [message["Body"] for message in receive(sqs, url, MaxNumberOfMessages=10)] == ["now"]
    assert attributes(sqs, url)["ApproximateNumberOfMessagesDelayed"] == "1"
    with Refused("InvalidParameterValue", 400):
        sqs.send_message(QueueUrl=url, MessageBody="x" * 1025)
    sqs.purge_queue(QueueUrl=url)
    assert attributes(sqs, url)["ApproximateNumberOfMessagesDelayed"] == "0"


def test_dead_letters_move_away(sqs):
    failed = make(sqs, "failed")
    redrive = {"deadLetterTargetArn": arn("failed"), "maxReceiveCount": 2}
    url = make(sqs, "worked", RedrivePolicy=json.dumps(redrive), VisibilityTimeout="0")
    assert json.loads(attributes(sqs, url)["RedrivePolicy"]) == redrive
    assert sqs.list_dead_letter_source_queues(QueueUrl=failed)["queueUrls"] == [url]
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison")["MessageId"]
    for count in ("1", "2"):
        (message,) = receive(sqs, url)
        assert message["Attributes"]["ApproximateReceiveCount"] == count
    assert receive(sqs, url) == []
    (dead,) = receive(sqs, failed)
    assert (dead["MessageId"], dead["Body"]) == (sent, "poison")
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == arn("worked")
    # Where there is no such queue any more, it stays.
    sqs.send_message(QueueUrl=url, MessageBody="other")
    sqs.delete_queue(QueueUrl=failed)
    for _ in range(4):
        assert [message["Body"] for message in receive(sqs, url)] == ["other"]


@pytest.mark.parametrize(
    "redrive",
    [
        {"deadLetterTargetArn": arn("none"), "maxReceiveCount": 2},
        {"deadLetterTargetArn": arn("strict"), "maxReceiveCount": 0},
        {"deadLetterTargetArn": arn("strict")},
        {"deadLetterTargetArn": arn("closed"), "maxReceiveCount": 2},
        {"deadLetterTargetArn": arn("picky"), "maxReceiveCount": 2},
        {"deadLetterTargetArn": arn("ordered.fifo"), "maxReceiveCount": 2},
    ],
    ids=str,
)
def test_where_dead_letters_cant_go(sqs, redrive):
    strict = make(sqs, "strict")
    make(sqs, "closed", RedriveAllowPolicy=json.dumps({"redrivePermission": "denyAll"}))
    allow = {"redrivePermission": "byQueue", "sourceQueueArns": [arn("allowed")]}
    make(sqs, "picky", RedriveAllowPolicy=json.dumps(allow))
    make(sqs, "ordered", FifoQueue="true")
    with Refused("InvalidParameterValue", 400):
        sqs.set_queue_attributes(QueueUrl=strict, Attributes={"RedrivePolicy": json.dumps(redrive)})
    make(sqs, "allowed", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn("picky"), "maxReceiveCount": 2}))


def test_a_fifo_queue_keeps_the_order_of_a_group_and_takes_nothing_twice(sqs):
    url = make(sqs, "ordered", FifoQueue="true")
    assert attributes(sqs, url)["DeduplicationScope"] == "queue"
    with Refused("MissingParameter", 400):
        sqs.send_message(QueueUrl=url, MessageBody="a", MessageDeduplicationId="1")
    with Refused("InvalidParameterValue", 400):
        sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"ContentBasedDeduplication": "true"})
    first = sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g")
    again = sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g")
    assert (first["MessageId"], first["SequenceNumber"]) == (again["MessageId"], again["SequenceNumber"])
    sqs.send_message(QueueUrl=url, MessageBody="b", MessageGroupId="g")
    sqs.send_message(QueueUrl=url, MessageBody="c", MessageGroupId="h")
    (head,) = receive(sqs, url)
    assert (head["Body"], head["Attributes"]["MessageGroupId"]) == ("a", "g")
    # The group waits for its first message; another goes on.
    assert [message["Body"] for message in receive(sqs, url, MaxNumberOfMessages=10)] == ["c"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=head["ReceiptHandle"])
    assert [message["Body"] for message in receive(sqs, url)] == ["b"]


def test_batches_tell_of_each_entry(sqs, queue):
    sent = sqs.send_message_batch(
        QueueUrl=queue,
        Entries=[{"Id": "a", "MessageBody": "1"}, {"Id": "b", "MessageBody": "2", "DelaySeconds": 901}],
    )
    assert [one["Id"] for one in sent["Successful"]] == ["a"]
    assert [(one["Id"], one["SenderFault"]) for one in sent["Failed"]] == [("b", True)]
    (message,) = receive(sqs, queue)
    gone = sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": "x", "ReceiptHandle": message["ReceiptHandle"]}])
    assert gone["Successful"] == [{"Id": "x"}]
    with Refused("AWS.SimpleQueueService.EmptyBatchRequest", 400):
        sqs.delete_message_batch(QueueUrl=queue, Entries=[])
    with Refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400):
        sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "a", "MessageBody": "1"}] * 2)


def test_queues_are_listed_in_pages_and_belong_to_an_account(account, sqs):
    for number in range(5):
        make(sqs, f"page-{number}")
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix="page-", PaginationConfig={"PageSize": 2})
    names = [[url.rsplit("/", 1)[1] for url in page["QueueUrls"]] for page in pages]
    assert names == [["page-0", "page-1"], ["page-2", "page-3"], ["page-4"]]
    other = account.client("sqs", key="210987654321")
    assert other.list_queues().get("QueueUrls", []) == []
    with Refused("AWS.SimpleQueueService.NonExistentQueue"):
        attributes(other, sqs.get_queue_url(QueueName="page-0")["QueueUrl"])


def test_a_bucket_tells_a_queue_that_lets_it(account, sqs):
    s3 = account.client("s3")
    s3.create_bucket(Bucket="told-queue", CreateBucketConfiguration={"LocationConstraint": REGION})
    url = make(sqs, "uploads")
    told = {"QueueConfigurations": [{"QueueArn": arn("uploads"), "Events": ["s3:ObjectCreated:*"]}]}
    with Refused("InvalidArgument", 400):
        s3.put_bucket_notification_configuration(Bucket="told-queue", NotificationConfiguration=told)
    statement = {
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn("uploads"),
    }  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    s3.put_bucket_notification_configuration(Bucket="told-queue", NotificationConfiguration=told)
    found = s3.get_bucket_notification_configuration(Bucket="told-queue")["QueueConfigurations"]
    assert [one["QueueArn"] for one in found] == [arn("uploads")]


def test_messages_outlive_a_restart(account, sqs):
    url = make(sqs, "kept")
    sqs.send_message(QueueUrl=url, MessageBody="still here")
    account.kill()
    account.start()
    client = account.client("sqs")
    assert [message["Body"] for message in receive(client, url)] == ["still here"]
