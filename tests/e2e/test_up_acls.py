"""A stack whose agent `acls` keeps the access control lists of the other agents' users, on this machine."""

import json
import os
import signal

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBindingFilter, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType,
)

from account import client
from conftest import PATIENCE

CLOSED = '[kafka.configuration]\n"allow.everyone.if.no.acl.found" = "false"\n\n[keys.main]'


@pytest.fixture
def up(minimal_up):
    """The smallest stack, with a user for each agent and an agent that keeps their lists."""
    return minimal_up(
        ('secret = "kafka"', 'authentication = "scram"'),
        ('[secrets.kafka]\nusername = "minimal"\n', '[agents.acls]\nverify_every = "1s"\n\n'
         '[agents.acls.users.analyst]\nreads = ["iceberg_events"]\ngroups = ["analysts"]\n'),
        ('agents = ["producer", "stream"]', 'agents = ["producer", "stream", "acls"]'),
    )


def entries(admin):
    """All entries as `PRINCIPAL OPERATION KIND NAME`."""
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    found = admin.describe_acls(everything).result(30)
    return {f"{acl.principal} {acl.operation.name} {acl.restype.name} {acl.name}" for acl in found}


def reading(kafka, ca, secret):
    """What comes of reading the topic of facts as the user whom a secret holds."""
    consumer = Consumer({
        "bootstrap.servers": kafka, "security.protocol": "sasl_ssl", "ssl.ca.location": str(ca),
        "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": secret["username"], "sasl.password": secret["password"],
        "group.id": "on-no-list", "enable.auto.commit": False,
    })
    try:
        consumer.assign([TopicPartition("iceberg_events", 0, 0)])
        message = consumer.poll(30)
        assert message is not None, "Kafka doesn't answer"
        return message.error() and message.error().code()
    except KafkaException as error:
        return error.args[0].code()
    finally:
        consumer.close()


def test_each_user_may_do_what_its_agent_does_and_a_plan_closes_the_cluster_when_that_is_verified(up):
    up.start("--for", "20s")
    up.wait("rows", lambda: up.scalar("SELECT count(*) AS n FROM minimal_raw.sales") > 0)
    record = up.record()
    secrets = client(record["account"], "secretsmanager")
    own = "AmazonMSK_minimal_acls"
    tag = lambda: {one["Key"]: one["Value"] for one in secrets.describe_secret(SecretId=own)["Tags"]}.get("lakewright:acls", "")
    up.wait("verified lists", lambda: tag().startswith("verified "))
    ports = json.loads((up.data / "ports.json").read_text())
    clear, guarded = f"127.0.0.1:{ports['kafka']}", f"127.0.0.1:{ports['kafka-scram']}"
    admin = AdminClient({"bootstrap.servers": clear})
    assert entries(admin) == {
        "User:minimal-acls ALTER BROKER kafka-cluster",
        "User:minimal-producer WRITE TOPIC iceberg_events",
        "User:minimal-producer WRITE TOPIC es_events",
        "User:minimal-stream READ TOPIC iceberg_events",
        "User:minimal-stream READ GROUP minimal-stream-cooperative",
        "User:minimal-stream READ GROUP minimal-stream",
        "User:analyst READ TOPIC iceberg_events",
        "User:analyst READ GROUP analysts",
    }
    held = lambda agent: json.loads(secrets.get_secret_value(SecretId=f"AmazonMSK_minimal_{agent}")["SecretString"])
    ca = up.data / "kafka-ca.pem"
    assert reading(guarded, ca, held("stream")) is None
    assert reading(guarded, ca, held("producer")) == KafkaError.TOPIC_AUTHORIZATION_FAILED

    # Closing the cluster is a step of the plan now, and is blocked while the lists aren't known to be right.
    open_text = up.stack.read_text()
    up.stack.write_text(open_text.replace("[keys.main]", CLOSED))
    plan = lambda: json.loads(up.run("plan", "--local", "--format", "json").stdout)
    place = "msk_configuration.main"
    assert place in [step["address"] for step in plan()["steps"]]
    agent = next(child["pid"] for child in record["children"] if child["name"] == "acls on app")
    os.kill(agent, signal.SIGSTOP)
    try:
        secrets.tag_resource(SecretId=own, Tags=[{"Key": "lakewright:acls", "Value": "unverified 2026-11-30T09:00:00Z"}])
        blocked = {one["address"]: one["reason"] for one in plan()["blocked"]}
    finally:
        os.kill(agent, signal.SIGCONT)
    assert "couldn't read them, since 2026-11-30T09:00:00Z" in blocked[place], blocked
    # Entries that somebody removed come back.
    removed = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, "User:minimal-stream", None, AclOperation.ANY, AclPermissionType.ANY
    )
    for deleted in admin.delete_acls([removed]).values():
        deleted.result(30)
    up.wait("the removed entries", lambda: "User:minimal-stream READ TOPIC iceberg_events" in entries(admin))

    assert up.process.wait(timeout=PATIENCE) == 0, up.log()
    assert "exact" in up.log() and "missing" not in up.log(), up.log()
