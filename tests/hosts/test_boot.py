"""A host boots from the user data that a plan makes, on real systemd and cloud-init, and its agents do their work.

Run by `make test-hosts`, as root: it needs systemd-nspawn, and namespaces that not every machine allows.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "e2e")]

from conftest import ENVIRONMENT, PROGRAM, TARGET  # noqa: E402
from host import Host, copied_stack, read_json  # noqa: E402

ACCOUNT, ARTIFACTS = "123456789012", "shop-artifacts-123456789012"
AGENTS = ["producer", "stream", "batch"]
CLIENT = """
import base64, boto3, json, sys
url, service, call, arguments = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
client = boto3.client(service, endpoint_url=url, region_name="eu-north-1", aws_access_key_id="123456789012", aws_secret_access_key="x")
answer = getattr(client, call)(**arguments)
if "Body" in answer:
    answer["Body"] = answer["Body"].read().decode()
answer.pop("ResponseMetadata", None)
print(json.dumps(answer, default=str))
"""


class Far:
    """Calls the account, which only the host's network reaches."""

    def __init__(self, host, url):
        self.host, self.url = host, url

    def __call__(self, service, call, **arguments):
        command = self.host.in_network(sys.executable, "-c", CLIENT, self.url, service, call, json.dumps(arguments))
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def lakewright(self, *words):
        environment = ENVIRONMENT | {
            "AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-north-1",
        }
        command = self.host.in_network(PROGRAM, *words)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def settings(self, agent):
        return json.loads(self("s3", "get_object", Bucket=ARTIFACTS, Key=f"hosts/app/{agent}.json")["Body"])

    def publish(self, agent, settings):
        text = settings if isinstance(settings, str) else json.dumps(settings)
        self("s3", "put_object", Bucket=ARTIFACTS, Key=f"hosts/app/{agent}.json", Body=text)

    def release(self, text=None):
        """The release that hosts run; another one is published and run when it is given."""
        if text is not None:
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            self("s3", "put_object", Bucket=ARTIFACTS, Key=f"releases/{sha256}/lakewright-agent", Body=text)
            self("s3", "put_object", Bucket=ARTIFACTS, Key="hosts/app/release", Body=f"{sha256}\n")
        return self("s3", "get_object", Bucket=ARTIFACTS, Key="hosts/app/release")["Body"]

    def number(self, stack, sql):
        rows = json.loads(self.lakewright("--stack", stack, "query", "--format", "json", sql))
        return [int(value) for value in rows[0].values()]


@pytest.fixture
def host(tmp_path):
    assert os.geteuid() == 0, "a host is booted by root only"
    host = Host(tmp_path)
    yield host
    host.remove()


def test_a_host_boots_works_and_comes_back(host, tmp_path):
    stack = copied_stack(ROOT, tmp_path, {
        'agents = ["producer", "shipper", "batch"]': 'agents = ["producer", "stream", "batch"]',
        'instance_type = "m7i.large"\nagents = ["stream"]': 'instance_type = "m7i.large"',
    })
    log = open(tmp_path / "local.log", "wb")
    local = host.start(TARGET / "debug" / "lakewright-local", "serve", "--data", tmp_path / "local", stdout=subprocess.PIPE, stderr=log)
    served = read_json(local)
    far = Far(host, served["account"])
    far.lakewright("apply", stack, "--yes")
    # The Kafka of this machine speaks in clear.
    for agent in ("producer", "stream"):
        settings = far.settings(agent)
        settings["kafka"] = {"bootstrap": served["kafka"], "security": {"protocol": "plaintext"}}
        far.publish(agent, settings)

    template = far("ec2", "describe_launch_template_versions", LaunchTemplateName="shop-app", Versions=["$Latest"])
    data = base64.b64decode(template["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"])
    profile = f"account={ACCOUNT}&profile=shop-app&instance=i-0123456789abcdef0"
    host.prepare(data, {"AWS_ENDPOINT_URL": served["account"]}, f"{served['account']}/_lakewright/credentials?{profile}")
    host.boot()
    # What cloud-init thinks of the user data, and whether every step of it went well.
    host.text("cloud-init", "schema", "--system")
    result = json.loads(host.text("cat", "/run/cloud-init/result.json"))
    assert result["v1"]["errors"] == [], host.told()

    def active():
        for agent in AGENTS:
            host.wait(f"the agent {agent}", "systemctl", "is-active", "--quiet", f"lakewright-{agent}.service")

    def more_rows(before):
        """Waits until the raw zone holds more rows than before, each once."""
        while True:
            rows, places = far.number(
                stack,
                "SELECT count(*) AS rows, count(DISTINCT concat(kafka_topic_id, '/', kafka_partition, '/', kafka_offset)) AS places "
                "FROM shop_raw.users",
            )
            assert rows == places
            if rows > before:
                return rows
            host.wait("the host", "true")

    def process(agent):
        return host.text("systemctl", "show", "--property", "MainPID", "--value", f"lakewright-{agent}.service")

    active()
    rows = more_rows(0)
    assert "fetch-config" in host.text("cat", "/var/log/cloudwatch-agent-ctl")

    # An agent that is killed comes back.
    old = process("stream")
    host.text("kill", "-9", old)
    host.wait("another process", "sh", "-c", f"p=$(systemctl show -p MainPID --value lakewright-stream.service); [ $p != 0 ] && [ $p != {old} ]")
    rows = more_rows(rows)

    # Published settings arrive; those that the agent refuses do not, and it goes on.
    settings = far.settings("producer")
    far.publish("producer", settings | {"rate": "77/s"})
    host.text("systemctl", "start", "lakewright-converge.service")
    assert json.loads(host.text("cat", "/etc/lakewright/producer.json"))["rate"] == "77/s"
    active()
    kept = process("producer")
    far.publish("producer", settings | {"rate": "a lot"})
    assert host.run("systemctl", "start", "lakewright-converge.service").returncode != 0
    assert json.loads(host.text("cat", "/etc/lakewright/producer.json"))["rate"] == "77/s"
    assert process("producer") == kept
    far.publish("producer", settings)
    host.text("systemctl", "start", "lakewright-converge.service")

    # What is fetched runs as the agent's user from its first instruction on; one that ends at once isn't started for ever.
    release = far.release()
    far.release('#!/bin/sh\necho "asked as $(id -un)"\n[ "$1" = check ]\n')
    far.publish("producer", settings | {"rate": "78/s"})
    host.text("systemctl", "start", "lakewright-converge.service")
    said = host.text("journalctl", "--no-pager", "--output", "cat", "--unit", "lakewright-converge.service")
    assert "asked as lakewright-producer" in said and "asked as root" not in said
    host.wait("the end of the starts", "systemctl", "is-failed", "--quiet", "lakewright-producer.service")
    far("s3", "put_object", Bucket=ARTIFACTS, Key="hosts/app/release", Body=release)
    far.publish("producer", settings)
    host.text("systemctl", "start", "lakewright-converge.service")
    active()

    # What an agent says goes where only root writes: a link of the agent's leads nobody anywhere.
    host.text("sh", "-c", "echo mine >/etc/canary")
    links = "ln -sfn /etc/canary /var/log/lakewright/producer.log; ln -sfn /etc/canary /var/log/lakewright/producer/agent.log"
    user = ["--reuid", "lakewright-producer", "--regid", "lakewright-producer", "--clear-groups"]
    assert host.run("setpriv", *user, "sh", "-c", links).returncode == 0
    host.text("systemctl", "restart", "lakewright-producer.service")
    active()
    assert host.text("cat", "/etc/canary") == "mine"
    assert host.text("stat", "--format", "%F %a %U %G", "/var/log/lakewright/producer.log") == "regular file 640 root cwagent"

    # A restart in order, and a power cut.
    host.reboot()
    active()
    rows = more_rows(rows)
    host.power_cut()
    active()
    more_rows(rows)

    # Nobody but root and the agents reads what they are set up with, and no unit is open to attack.
    assert host.text("stat", "--format", "%a %U %G", "/etc/lakewright/producer.json") == "640 root lakewright-producer"
    for unit, most in (("producer", 12), ("converge", 25)):
        host.text("systemd-analyze", "security", "--no-pager", f"--threshold={most}", f"lakewright-{unit}.service")
