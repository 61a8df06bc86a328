"""The same pipeline on a real Apache Kafka: kill -9, a stale second writer, commits whose answers are lost.

Whatever happens, PyIceberg finds every (topic id, partition, offset) that the log holds exactly once.
"""

import contextlib
import itertools
import json
import os
import random
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

import ports
from account import client, host_keys
from conftest import ENVIRONMENT, PATIENCE, TARGET
from proxy import Proxy
from test_up import FACTS, catalog

SCRIPT = Path(__file__).parents[1] / "kafka" / "real-kafka.sh"
AGENT = TARGET / "debug" / "lakewright-agent"
LONG = os.environ.get("LAKEWRIGHT_LONG") == "1"
# What is made of the topic of actions, and asked of that.
OF_ACTIONS = re.compile(r"^\[(tables\.user_actions|tables\.user_actions\.columns|queries\.(?!best_sellers)\w+)\]\n.*?(?=^\[|^# --)", re.MULTILINE | re.DOTALL)
COLUMNS = ["kafka_topic_id", "kafka_partition", "kafka_offset"]


def seeded():
    seed = int(os.environ.get("LAKEWRIGHT_SEED", random.randrange(10**6)))
    print(f"LAKEWRIGHT_SEED={seed}")
    return seed, random.Random(seed)


@pytest.fixture(scope="module")
def kafka():
    port = ports.row(3)
    try:
        scram = os.environ | {"KAFKA_SCRAM": "1"}
        subprocess.run([SCRIPT, "start", str(port)], check=True, timeout=300, env=scram)
        yield f"127.0.0.1:{port}"
    finally:
        subprocess.run([SCRIPT, "stop", str(port)], check=True, timeout=60)


def own_topics(up, name):
    """Gives a run topics of its own, for the tests share the Kafka, and tables of one of them alone."""
    text, dropped = OF_ACTIONS.subn("", up.stack.read_text())
    assert dropped >= 3 and "user_actions" not in text and "warehouse.searches" not in text
    up.stack.write_text(text.replace("_events", f"_events_{name}"))
    for model in ("searches", "keyword_performance"):
        (up.stack.parent / "models" / f"{model}.sql").unlink()
    return f"iceberg_events_{name}"


@contextlib.contextmanager
def account_of(up, *more):
    """The account alone, on the data that `up` left."""
    command = [TARGET / "debug" / "lakewright-local", "account", "--data", up.data, "--until-stdin-closes", *more]
    account = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(account.stdout.readline())["account"]
    finally:
        account.terminate()
        account.wait()


def read_back(url, kafka, topic):
    """Every record that the log holds is a row of one raw table or a dead letter, once, and nothing else is."""
    ledger = subprocess.run(
        [AGENT, "ledger", "--bootstrap", kafka, "--topic", topic], check=True, capture_output=True, timeout=60
    )
    held = {
        (part["topic_id"], part["partition"], offset)
        for part in json.loads(ledger.stdout)
        for offset in range(part["start"], part["end"])
    }
    tables = catalog(url)
    places = []
    for name in [*FACTS, "dead_letters"]:
        rows = tables.load_table(f"shop_raw.{name}").scan(selected_fields=tuple(COLUMNS)).to_arrow()
        places += zip(*(rows[column].to_pylist() for column in COLUMNS))
    found = set(places)
    print(f"{len(held)} records in the log, {len(places)} rows")
    assert len(held) > 0
    assert sorted(held - found)[:5] == [], f"{len(held - found)} lost"
    assert sorted(found - held)[:5] == [], f"{len(found - held)} that the log doesn't hold"
    assert len(places) == len(found), f"{len(places) - len(found)} repeated"


def test_exactly_once_on_a_real_kafka(make_up, kafka):
    seed, chance = seeded()
    up = make_up(producer="seed = 9\n")
    topic = own_topics(up, "killed")
    up.start("--kafka", kafka)
    up.wait("the first rows", lambda: up.scalar("SELECT count(*) AS n FROM shop_raw.sales") > 0)
    for _ in range(5):
        time.sleep(chance.uniform(0.5, 3))
        streams = [child for child in up.record()["children"] if "stream" in child["name"]]
        if streams:
            with contextlib.suppress(ProcessLookupError):
                os.kill(streams[-1]["pid"], signal.SIGKILL)
    up.kill()
    done = up.run("up", "--plain", "--for", "8s", "--kafka", kafka)
    assert done.returncode == 0, f"seed {seed}:\n{done.stdout}\n{done.stderr[-4000:]}"
    print(done.stdout)
    # Another reader comes to the same: PyIceberg, on the account alone.
    with account_of(up) as url:
        read_back(url, kafka, topic)


class Agents:
    """The agents of a stack, each started by hand against an account's address of its own."""

    def __init__(self, up, kafka):
        self.up, self.kafka, self.running, self.environment = up, kafka, {}, {}

    def start(self, name, kind, host, account, **settings):
        folder = self.up.folder / name
        folder.mkdir()
        config = json.loads((self.up.data / "hosts" / host / kind / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | settings))
        environment = ENVIRONMENT | {
            "AWS_REGION": "eu-north-1",
            "AWS_ENDPOINT_URL": account,
            **host_keys(account, f"shop-{host}"),
            "STATE_DIRECTORY": str(folder),
            "LOGS_DIRECTORY": str(folder),
            "LAKEWRIGHT_INSTANCE": name,
        } | ({} if "kafka" in settings else {"LAKEWRIGHT_KAFKA_PLAINTEXT": self.kafka}) | self.environment
        with open(folder / "log", "ab") as log:
            self.running[name] = subprocess.Popen(
                [AGENT, kind, "--config", folder / "config.json", "--until-stdin-closes"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment,
            )

    def log(self, name):
        return (self.up.folder / name / "log").read_text(errors="replace")

    def assignments(self, name):
        """How many partitions the agent had after each time that its group gave it some or took some."""
        moves = re.findall(r"partitions (assigned|revoked) partitions=(\d+)", self.log(name))
        return list(itertools.accumulate(int(count) if what == "assigned" else -int(count) for what, count in moves))

    def gauge(self, name, metric):
        """What the agent says of itself; None while it says nothing."""
        try:
            address = (self.up.folder / name / "admin.address").read_text()
            with urllib.request.urlopen(f"http://{address}/status", timeout=5) as answer:
                return json.load(answer)["metrics"].get(metric)
        except (OSError, ValueError):
            return None

    def signal(self, name, number):
        self.running[name].send_signal(number)

    def stop(self, name):
        self.running[name].terminate()
        assert self.running.pop(name).wait(timeout=PATIENCE) == 0, self.log(name)[-4000:]

    def wait(self, what, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            for name, process in self.running.items():
                assert process.poll() is None, f"{name} ended with {process.returncode}:\n{self.log(name)[-4000:]}"
            assert time.monotonic() < end, f"not within {PATIENCE} s: {what}\n" + "\n".join(
                f"{name}:\n{self.log(name)[-3000:]}" for name in self.running
            )
            time.sleep(0.1)

    def kill(self):
        for process in self.running.values():
            process.kill()
            process.wait()


@pytest.fixture
def by_hand(make_up, kafka):
    """A stack that was made, its account, and its agents to be started by hand."""
    with contextlib.ExitStack() as stack:
        def make(name):
            up = make_up(producer="seed = 11\n")
            topic = own_topics(up, name)
            up.start("--kafka", kafka)
            config = up.data / "hosts" / "ingest" / "stream" / "config.json"
            up.wait("the agents' configurations", lambda: config.exists() and len(up.record()["children"]) > 4)
            assert up.stop() == 0, up.log()
            url = stack.enter_context(account_of(up, "--kafka", kafka))
            agents = Agents(up, kafka)
            stack.callback(agents.kill)
            return topic, url, agents

        yield make


def is_read(kafka, topic, agents):
    """Whether a group of so many members is at rest and reads the whole topic."""
    admin = AdminClient({"bootstrap.servers": kafka})
    partitions = len(admin.list_topics(topic, timeout=10).topics[topic].partitions)
    try:
        names = [group.group_id for group in admin.list_consumer_groups(request_timeout=10).result().valid]
        groups = [group.result() for group in admin.describe_consumer_groups(names, request_timeout=10).values()] if names else []
    except KafkaException:
        return False
    reads = lambda member: sum(one.topic == topic for one in member.assignment.topic_partitions) if member.assignment else 0
    return any(
        group.state == ConsumerGroupState.STABLE and len(group.members) == agents
        and sum(reads(member) for member in group.members) == partitions
        for group in groups
    )


def settle(agents, streams, kafka, topic):
    """Ends the producer, waits until the stream agents have read the log to its end, and ends them."""
    agents.stop("producer")
    # Until Kafka misses a member that is gone, an agent of `up` for one, nobody reads its partitions, and nobody's lag has them.
    agents.wait("each partition has a reader", lambda: is_read(kafka, topic, len(streams)))
    ended = time.monotonic()
    # What an agent knows of the log's end is a second old at most.
    agents.wait("the log is read", lambda: time.monotonic() > ended + 2
                and all(agents.gauge(name, "lag_records") == 0 for name in streams))
    for name in streams:
        agents.stop(name)


def test_a_stale_writer_loses_and_repeats_nothing(by_hand, kafka):
    topic, url, agents = by_hand("stale")
    proxy = Proxy(url)
    try:
        agents.start("producer", "producer", "app", url)
        agents.start("stale", "stream", "ingest", proxy.url, commit_interval_ms=300)
        agents.start("other", "stream", "ingest", url, commit_interval_ms=300)
        both = lambda: agents.assignments("stale")[-1:] == agents.assignments("other")[-1:] == [3]
        commits = lambda: agents.gauge("other", "commits_total") or 0
        # With a commit on its way that hasn't taken effect, with one that has and isn't answered, and with none.
        for executed in [False, True, None]:
            agents.wait("both read three partitions", both)
            assigned, before = len(agents.assignments("stale")), len(agents.assignments("other"))
            hold = None
            if executed is not None:
                hold = proxy.hold_next(executed)
                agents.wait("a commit is on its way", hold.held.is_set)
            agents.signal("stale", signal.SIGSTOP)
            agents.wait("the other one takes all over", lambda: agents.assignments("other")[before:][-1:] == [6])
            reached = commits() + 8
            agents.wait("the other one commits", lambda: commits() >= reached)
            if hold:
                hold.release.set()
                agents.wait("the account has judged the commit", hold.done.is_set)
                # A commit that comes when the table has moved on must be refused.
                assert hold.status == (200 if executed else 400), hold.body
                assert executed or b"ConcurrentModificationException" in hold.body, hold.body
            agents.signal("stale", signal.SIGCONT)
            agents.wait("the stale one is a member again", lambda: agents.assignments("stale")[assigned:][-1:] == [3])
        agents.wait("both read three partitions", both)
        settle(agents, ["stale", "other"], kafka, topic)
    finally:
        proxy.close()
    read_back(url, kafka, topic)


def test_commits_whose_answers_are_lost(by_hand, kafka):
    seed, chance = seeded()
    topic, url, agents = by_hand("lost")
    proxy = Proxy(url, lambda: chance.choices(["pass", "lose", "drop"], [6, 3, 1])[0])
    try:
        agents.start("producer", "producer", "app", url)
        # Two of them, so that each may find the other's commit on top of its own.
        for name in ["one", "two"]:
            agents.start(name, "stream", "ingest", proxy.url, commit_interval_ms=300)
        executed = lambda: sum(status == 200 for status in proxy.lost)
        agents.wait("answers are lost", lambda: executed() >= 20 and proxy.dropped >= 5)
        settle(agents, ["one", "two"], kafka, topic)
    finally:
        proxy.close()
    print(f"seed {seed}: {executed()} commits took effect unanswered, {proxy.dropped} never came")
    read_back(url, kafka, topic)


def test_running_agents_follow_a_rotated_password(by_hand, kafka):
    """The stream takes part with `LAKEWRIGHT_LONG=1`: librdkafka's consumer seldom aborts (`rktp_started`) when its group
    takes partitions away while nobody can log in. systemd starts the agent again then, and nothing does here."""
    topic, url, agents = by_hand("rotated")
    port = int(kafka.rpartition(":")[2])
    certificate = Path(ENVIRONMENT.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lakewright" / "kafka" / f"run-{port}"
    agents.environment = {"SSL_CERT_FILE": str(certificate / "tls.pem")}
    secrets = client(url, "secretsmanager")
    value = lambda password: json.dumps({"username": "shop", "password": password})
    let_in = lambda password: subprocess.run(
        [SCRIPT, "password", str(port), "shop", password], check=True, timeout=60, stdout=subprocess.DEVNULL
    )
    let_in("word-1")
    secret = secrets.create_secret(Name="AmazonMSK_rotated", SecretString=value("word-1"))["ARN"]
    # It is none of the stack's.
    reads = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    for role in ("shop-app", "shop-ingest"):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [reads]})
        client(url, "iam").put_role_policy(RoleName=role, PolicyName="rotated", PolicyDocument=policy)
    connection = {"bootstrap": f"127.0.0.1:{port + 2}", "security": {"protocol": "scram", "secret": secret}}
    agents.start("producer", "producer", "app", url, kafka=connection)
    names = ["producer"]
    if LONG:
        names.append("stream")
        agents.start("stream", "stream", "ingest", url, kafka=connection, commit_interval_ms=300)
    metrics = {"producer": "acknowledged_total", "stream": "commits_total"}
    done = lambda name: agents.gauge(name, metrics[name]) or 0
    agents.wait("all work", lambda: all(done(name) >= 3 for name in names))
    for turn in [1, 2]:
        password = f"word-{turn + 1}"
        secrets.put_secret_value(SecretId=secret, SecretString=value(password))
        let_in(password)
        said = lambda name: agents.log(name).count("holds another password")
        agents.wait("all have heard of it", lambda: all(said(name) == turn for name in names))
        # Whoever logs in now has to know it: the connections last two seconds.
        reached = {name: done(name) + 10 for name in names}
        agents.wait("all work again", lambda: all(done(name) >= reached[name] for name in names))
    for name in names:
        assert "word-" not in agents.log(name), "a password is in the log"
    if LONG:
        settle(agents, names[1:], kafka, topic)
        read_back(url, kafka, topic)
    else:
        agents.stop("producer")
