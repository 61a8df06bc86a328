"""The agents on this machine log in to its Kafka as they would to MSK."""

import json
import ssl

import pytest

import scram
from account import client
from conftest import PATIENCE

ESTABLISHED = "01"


@pytest.fixture
def up(minimal_up):
    """The smallest stack, with a user for each agent."""
    return minimal_up(('secret = "kafka"', 'authentication = "scram"'), ('[secrets.kafka]\nusername = "minimal"\n', ""))


def connections(port):
    """How many connections there are to a port of this machine."""
    with open("/proc/net/tcp") as lines:
        rows = [line.split() for line in list(lines)[1:]]
    return sum(int(row[2].split(":")[1], 16) == port and row[3] == ESTABLISHED for row in rows)


def test_a_stack_with_passwords_comes_out_exact_by_them(up):
    up.start("--for", "10s")
    secrets = lambda: client(up.record()["account"], "secretsmanager")
    up.wait("rows", lambda: up.scalar("SELECT count(*) AS n FROM minimal_raw.sales") > 0)
    port = json.loads((up.data / "ports.json").read_text())["kafka-scram"]
    kafka, ca = f"127.0.0.1:{port}", up.data / "kafka-ca.pem"
    assert connections(port) >= 2, "the agents log in elsewhere"

    held = json.loads(secrets().get_secret_value(SecretId="AmazonMSK_minimal_stream")["SecretString"])
    user, password = held["username"], held["password"]
    assert user == "minimal-stream"
    enter = lambda user, password, **more: scram.log_in(kafka, ca, user, password, **more)
    assert enter(user, password) == scram.OK
    assert enter(user, password, name="sha256") == scram.OK
    assert enter(user, password + "x") == scram.AUTHENTICATION_FAILED
    assert enter("nobody", password) == scram.AUTHENTICATION_FAILED
    assert scram.Client(kafka, ca).ask(scram.METADATA, 1, b"\xff\xff\xff\xff") is None, "nobody has logged in"
    with pytest.raises(ssl.SSLCertVerificationError):
        scram.Client(kafka, None)

    # What was rotated counts from the next login on; who is logged in goes on.
    secrets().put_secret_value(SecretId="AmazonMSK_minimal_stream", SecretString=json.dumps(held | {"password": "R" * 32}))
    assert enter(user, password) == scram.AUTHENTICATION_FAILED
    assert enter(user, "R" * 32) == scram.OK
    # So does what the cluster no longer knows, whatever the secret holds.
    kafka_client = client(up.record()["account"], "kafka")
    cluster = kafka_client.list_clusters_v2()["ClusterInfoList"][0]["ClusterArn"]
    mine = [arn for arn in kafka_client.list_scram_secrets(ClusterArn=cluster)["SecretArnList"] if "minimal_stream" in arn]
    kafka_client.batch_disassociate_scram_secret(ClusterArn=cluster, SecretArnList=mine)
    assert enter(user, "R" * 32) == scram.AUTHENTICATION_FAILED
    kafka_client.batch_associate_scram_secret(ClusterArn=cluster, SecretArnList=mine)
    assert enter(user, "R" * 32) == scram.OK

    assert up.process.wait(timeout=PATIENCE) == 0, up.log()
    assert "exact" in up.log() and "missing" not in up.log(), up.log()
