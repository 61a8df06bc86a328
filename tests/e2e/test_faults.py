"""Whatever goes wrong under the stream agents, in any order: at the end the tables hold the topic, row by row, once.

20 faults, drawn from a seed that is printed; 300 with `LAKEWRIGHT_LONG=1`, and then Spark reads the tables too. `LAKEWRIGHT_SEED=…`
repeats a run's order, as far as the machine does.
"""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from confluent_kafka import Producer
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.types import StringType

import ports
from account import ACCOUNT, put_faults
from conftest import ENVIRONMENT
from test_real_kafka import AGENT, FACTS, LONG, SCRIPT, by_hand, is_read, read_back, seeded, settle
from test_real_spark import SPARK
from test_up import catalog

FAULTS = 300 if LONG else 20
# With these a round of maintenance has something to do every time.
MAINTENANCE = {"every_ms": 1000, "snapshots_max_age_ms": 5000, "min_snapshots": 5, "readers_grace_ms": 1000, "orphans_age_ms": 900_000}
POISON = [
    b"", b"{", b"\xff\xfe", b"null", b'{"table":"nobody","data":{}}', b'{"table":"sales"}', b'{"table":"sales","data":{"sale_id":7}}',
    b'{"table":"sales","data":{"sale_id":"s","amount":"much"}}', b'{"table":"users","data":{"user_id":"' + b"u" * 900_000 + b'"}}',
]
READ_BY_SPARK = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
counted = {}
for table in sys.argv[2:]:
    rows = spark.table(f"glue.shop_raw.{table}").select("kafka_topic_id", "kafka_partition", "kafka_offset")
    counted[table] = [rows.count(), rows.distinct().count()]
with open(sys.argv[1], "w") as file:
    json.dump(counted, file)
"""


class Broker:
    """A real Kafka that can be killed and started again on its data."""

    def __init__(self):
        self.port = ports.row(3)
        self.address = f"127.0.0.1:{self.port}"

    def start(self):
        subprocess.run([SCRIPT, "start", str(self.port)], check=True, timeout=300, stdout=subprocess.DEVNULL)

    def kill(self):
        cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
        with open(f"{cache}/lakewright/kafka/run-{self.port}/pid") as file:
            os.kill(int(file.read()), signal.SIGKILL)


@pytest.fixture(scope="module")
def broker():
    broker = Broker()
    try:
        broker.start()
        yield broker
    finally:
        subprocess.run([SCRIPT, "stop", str(broker.port)], check=True, timeout=60)


@pytest.fixture(scope="module")
def kafka(broker):
    return broker.address


class Disturbance:
    """Everything that can go wrong, and how many agents there are by now."""

    def __init__(self, chance, agents, broker, account, topic):
        self.chance, self.agents, self.broker, self.account, self.topic = chance, agents, broker, account, topic
        self.tables = catalog(account)
        self.started, self.widened, self.poisoned = 0, 0, 0
        self.streams = []
        for _ in range(2):
            self.join()

    def join(self):
        self.started += 1
        name = f"stream-{self.started}"
        self.agents.start(name, "stream", "ingest", self.account, commit_interval_ms=300, maintenance=MAINTENANCE)
        self.streams.append(name)

    def any(self):
        return self.chance.choice(self.streams)

    def killed(self):
        """An agent is killed, and another one takes its place."""
        name = self.any()
        self.agents.signal(name, signal.SIGKILL)
        self.agents.running.pop(name).wait()
        self.streams.remove(name)
        self.join()

    def frozen(self):
        """An agent is stopped, some times for so long that the group goes on without it."""
        name = self.any()
        self.agents.signal(name, signal.SIGSTOP)
        time.sleep(self.chance.choice([0.5, 2, 18]))
        self.agents.signal(name, signal.SIGCONT)

    def broker_restarted(self):
        self.broker.kill()
        time.sleep(self.chance.uniform(0, 3))
        self.broker.start()

    def rebalanced(self):
        """One more agent, or one less."""
        if len(self.streams) < 3:
            return self.join()
        name = self.any()
        # One that has just started ends by a signal.
        self.agents.wait(f"{name} runs", lambda: self.agents.gauge(name, "commits_total") is not None)
        self.streams.remove(name)
        self.agents.stop(name)

    def answers_lost(self):
        lost = self.chance.choice([True, "request"])
        put_faults(self.account, {"operation": "UpdateTable", "times": self.chance.randint(1, 4), "lost": lost})

    def throttled(self):
        put_faults(self.account, {"probability": 0.3, "times": 30, "throttle": True})

    def catalog_is_late(self):
        """Glue answers that it took too long."""
        put_faults(self.account, {"operation": "UpdateTable", "times": 2, "error": "OperationTimeoutException", "status": 400})

    def storage_fails(self):
        put_faults(self.account, {"service": "s3", "probability": 0.2, "times": 20, "error": "InternalError", "status": 500})

    def overtaken(self):
        """Another engine commits to a table; it has no part in the other faults."""
        put_faults(self.account)
        name = self.chance.choice(FACTS)
        for _ in range(20):
            with contextlib.suppress(CommitFailedException):
                with self.tables.load_table(f"shop_raw.{name}").transaction() as change:
                    change.set_properties({"touched": str(time.time())})
                return

    def widened_table(self):
        """Another engine adds a column."""
        put_faults(self.account)
        self.widened += 1
        name = self.chance.choice(FACTS)
        for _ in range(20):
            with contextlib.suppress(CommitFailedException):
                with self.tables.load_table(f"shop_raw.{name}").update_schema() as change:
                    change.add_column(f"extra_{self.widened}", StringType())
                return

    def poison(self):
        producer = Producer({"bootstrap.servers": self.broker.address, "message.timeout.ms": 60_000})
        for number in range(self.chance.choice([1, 20, 400])):
            self.poisoned += 1
            # A large one now and then: all of them would be most of the topic.
            message = POISON[-1] if number % 100 == 99 else self.chance.choice(POISON[:-1])
            producer.produce(self.topic, message, key=str(number))
        assert producer.flush(60) == 0

    def maintained(self):
        """A round of maintenance by hand, beside those of the agents."""
        config = self.agents.up.folder / self.streams[-1] / "config.json"
        environment = ENVIRONMENT | {
            "AWS_REGION": "eu-north-1", "AWS_ENDPOINT_URL": self.account, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "local",
        }
        # What fails of it is said, and nobody's loss.
        subprocess.run([AGENT, "maintain", "--config", config], env=environment, timeout=120, capture_output=True)

    ALL = [
        killed, frozen, broker_restarted, rebalanced, answers_lost, throttled, catalog_is_late, storage_fails, overtaken, widened_table,
        poison, maintained,
    ]


@pytest.mark.timeout(4 * 3600 if LONG else 900)
def test_the_tables_hold_the_topic_row_by_row_whatever_goes_wrong(by_hand, broker, tmp_path):
    seed, chance = seeded()
    topic, url, agents = by_hand("faults")
    agents.start("producer", "producer", "app", url)
    disturbance = Disturbance(chance, agents, broker, url, topic)
    committed = lambda: sum(agents.gauge(name, "commits_total") or 0 for name in disturbance.streams)
    agents.wait("the first commits", lambda: committed() > 0)
    # Each kind once before any comes twice.
    faults = []
    while len(faults) < FAULTS:
        faults += chance.sample(Disturbance.ALL, len(Disturbance.ALL))
    for number, fault in enumerate(faults[:FAULTS], 1):
        print(f"seed {seed}, {number}: {fault.__name__}", flush=True)
        fault(disturbance)
        # The next one comes when something was committed in spite of this one, or beside it.
        if chance.random() < 0.5:
            before = committed()
            agents.wait(f"seed {seed}: commits after {fault.__name__}", lambda: committed() != before)
    put_faults(url)
    # A table that stood for long pauses for up to five minutes.
    calm = lambda: all(agents.gauge(name, "quarantined") == 0 for name in disturbance.streams)
    with contextlib.suppress(AssertionError):
        agents.wait("nothing is in quarantine", calm)
    agents.wait("each partition has a reader", lambda: is_read(broker.address, topic, len(disturbance.streams)))
    # Whatever a broker forgot of its members, none of them has a double.
    assert [agents.gauge(name, "fenced_total") for name in disturbance.streams] == [0] * len(disturbance.streams)
    settle(agents, disturbance.streams, broker.address, topic)
    print(f"seed {seed}: {FAULTS} faults, {disturbance.started} agents, {disturbance.widened} columns added, {disturbance.poisoned} bad messages")
    read_back(url, broker.address, topic)
    if LONG:
        read_by_spark(url, tmp_path)


def read_by_spark(url, folder):
    """Spark finds each row once too, and as many as PyIceberg."""
    tables = [*FACTS, "dead_letters"]
    (folder / "read.py").write_text(READ_BY_SPARK)
    catalog_name = "spark.sql.catalog.glue"
    settings = {
        catalog_name: "org.apache.iceberg.spark.SparkCatalog", f"{catalog_name}.type": "glue", f"{catalog_name}.warehouse": "s3://unused/",
        f"{catalog_name}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
    }
    conf = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    done = subprocess.run(
        [SPARK, "submit", url, *conf, folder / "read.py", folder / "counted.json", *tables], capture_output=True, text=True, timeout=900,
        env=ENVIRONMENT | {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "local"},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-6000:]
    counted = json.loads((folder / "counted.json").read_text())
    found = catalog(url)
    for table in tables:
        rows = found.load_table(f"shop_raw.{table}").scan(selected_fields=("kafka_offset",)).to_arrow().num_rows
        assert counted[table] == [rows, rows], table
