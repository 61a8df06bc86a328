"""A lake of this machine for a real Spark: an account and a Kafka, tables, and their writers, started by hand."""

import functools
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform
from pyiceberg.types import (
    BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType, LongType, NestedField, StringType,
    TimestampType, TimestamptzType, TimeType, UUIDType,
)

from account import ACCOUNT, REGION, client
from conftest import ENVIRONMENT, ROOT, SECRET, TARGET
from test_real_kafka import AGENT, COLUMNS
from test_up import catalog

SPARK = ROOT / "tests" / "spark" / "real-spark.sh"
CACHE = Path(ENVIRONMENT.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lakewright" / "spark"
CASES = json.loads((ROOT / "agents" / "stream" / "cases" / "messages.json").read_text())
BUCKET = "lake"
# Spark may start while everything else of a long run does too.
PATIENCE = 600
KEYS = {"AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET}
TYPES = {
    "boolean": BooleanType(), "int": IntegerType(), "long": LongType(), "float": FloatType(), "double": DoubleType(), "date": DateType(),
    "time": TimeType(), "timestamp": TimestampType(), "timestamptz": TimestamptzType(), "string": StringType(), "uuid": UUIDType(),
    "binary": BinaryType(),
}
PLACES = [("kafka_topic_id", "string"), ("kafka_partition", "int"), ("kafka_offset", "long"), ("ingested_at", "timestamptz")]
LETTERS = [("topic", "string"), ("reason", "string"), ("payload", "binary")]
# How facts are divided, so that files fall into several partitions.
SPECS = {"sales": [(4, DayTransform())], "users": [(1, BucketTransform(4))]}
SEED = int(os.environ.get("LAKEWRIGHT_SEED", random.randrange(10**6)))


@functools.cache
def older_sdk():
    return subprocess.run([SPARK, "sdk"], check=True, capture_output=True, text=True, env=ENVIRONMENT).stdout.strip()


def iceberg_type(text):
    name, *numbers = re.split(r"[(,)]", text)
    whole = [int(number) for number in numbers if number]
    return DecimalType(*whole) if name == "decimal" else FixedType(*whole) if name == "fixed" else TYPES[name]


def declared(name, database, topic="", columns=(), **more):
    return {
        "name": name, "database": database, "topic": topic, "location": f"s3://{BUCKET}/{database}/{name}", "columns": list(columns),
        "key": [], "partition": [],
    } | more


class Lake:
    """This machine's Kafka, and its account with a bucket."""

    def __init__(self, folder):
        self.folder = folder
        command = [TARGET / "debug" / "lakewright-local", "serve", "--data", folder / "local", "--registry", "--permissive", "--until-stdin-closes"]
        environment = ENVIRONMENT | {"LAKEWRIGHT_ACCOUNT_SECRET": SECRET}
        self.account = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        served = json.loads(self.account.stdout.readline())
        self.url, self.kafka, self.registry = served["account"], served["kafka"], served["registry"]
        self.admin = AdminClient({"bootstrap.servers": self.kafka})
        client(self.url, "s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.tables = catalog(self.url)
        self.running = {}

    def close(self):
        for process in self.running.values():
            process.kill()
            process.wait()
        self.account.terminate()
        self.account.wait()

    def topic(self, name, partitions=3):
        self.admin.create_topics([NewTopic(name, partitions, 1)])[name].result()

    def table(self, table, columns, spec=()):
        """The table, as an apply makes it; by a field of a partition spec its files are divided."""
        fields = [
            NestedField(id, name, iceberg_type(kind), required=name.startswith("kafka_")) for id, (name, kind) in enumerate(columns, 1)
        ]
        name = f"{table['database']}.{table['name']}"
        spec = PartitionSpec(*(PartitionField(source, 1000 + at, transform, f"p{at}") for at, (source, transform) in enumerate(spec)))
        properties = {"format-version": "2"}
        if table["name"] in CASES["declarations"] and table["topic"] == next(one["topic"] for one in CASES["tables"] if one["name"] == table["name"]):
            # As an apply says it: a writer whose configuration says otherwise leaves the table alone.
            properties["lakewright.declaration"] = CASES["declarations"][table["name"]]
        self.tables.create_table(name, Schema(*fields), location=table["location"], partition_spec=spec, properties=properties)

    def make(self, database, tables, specs=None):
        """A database with these tables and dead letters; the configuration of their writer."""
        self.tables.create_namespace(database)
        for table in tables:
            columns = [(column["name"], column["type"]) for column in table["columns"]]
            self.table(table, columns + PLACES, (specs or {}).get(table["name"], ()))
        dead = declared("dead_letters", database)
        self.table(dead, LETTERS + PLACES)
        return {
            "kafka": {"bootstrap": self.kafka, "security": {"protocol": "plaintext"}}, "group": database, "tables": tables,
            "dead_letters": dead, "commit_interval_ms": 1000, "commit_bytes": 64 << 20,
        }

    def configure(self, name, config):
        """Writes the configuration whole or not at all, as S3 does."""
        (self.folder / name / "new.json").write_text(json.dumps(config))
        (self.folder / name / "new.json").rename(self.folder / name / "config.json")

    def start(self, name, command, config, scheme="", **more):
        folder = self.folder / name
        folder.mkdir()
        self.configure(name, config)
        environment = ENVIRONMENT | KEYS | {"STATE_DIRECTORY": str(folder), "LOGS_DIRECTORY": str(folder)}
        environment |= {"LAKEWRIGHT_REGISTRY_PLAINTEXT": self.registry} | more
        with open(folder / "log", "ab") as log:
            self.running[name] = subprocess.Popen(
                [*command, "--config", f"{scheme}{folder}/config.json"], cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment,
            )

    def agent(self, name, config, url=None):
        self.start(name, [AGENT, "stream"], config, AWS_ENDPOINT_URL=url or self.url)

    def spark(self, name, config, *more, glue=None):
        """The job; `glue` is where it finds the catalog, when that isn't where everything else is."""
        job = CACHE / "stream-job"
        settings = {
            "spark.sql.catalog.glue.glue.endpoint": glue or self.url,
            # As on EMR, whose SDK stands before what the job brings.
            "spark.driver.extraClassPath": f"{older_sdk()}/*",
            # Tests run for so short that the second compiler's work is lost.
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
        }
        conf = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
        program = [*conf, "--class", "lakewright.stream.Main", job / "lakewright-stream.jar"]
        command = [SPARK, "submit", self.url, *program, *more]
        self.start(name, command, config, "file://", SPARK_JARS="none", AWS_ENDPOINT_URL=self.url)

    def log(self, name):
        return (self.folder / name / "log").read_text(errors="replace")

    def wait(self, what, condition, patience=PATIENCE):
        end = time.monotonic() + patience
        while not condition():
            for name, process in self.running.items():
                assert process.poll() is None, f"{name} ended with {process.returncode}:\n{self.log(name)[-6000:]}"
            assert time.monotonic() < end, f"not in time: {what}\n" + "\n".join(f"{name}:\n{self.log(name)[-3000:]}" for name in self.running)
            time.sleep(0.2)

    def read_all(self, name, config):
        """Spark reads what is there, and ends."""
        self.spark(name, config, "--until-read")
        assert self.running.pop(name).wait(timeout=PATIENCE) == 0, self.log(name)[-8000:]

    def stop(self, name, kill=False):
        process = self.running.pop(name)
        process.kill() if kill else process.terminate()
        process.wait(timeout=PATIENCE)

    def freeze(self, name):
        """Stops a writer whose commit is held back: it asks for it no second time."""
        self.running[name].send_signal(signal.SIGSTOP)

    def thaw(self, name, hold):
        """Lets a commit go that is held back, which must be refused by now, and then its writer."""
        hold.release.set()
        self.wait("the account has judged the commit", hold.done.is_set)
        assert hold.status == 400 and b"ConcurrentModificationException" in hold.body, hold.body
        self.running[name].send_signal(signal.SIGCONT)

    def ledger(self, config):
        """The dead letters' map: what is settled."""
        table = self.tables.load_table(f"{config['dead_letters']['database']}.dead_letters")
        return json.loads(table.properties.get("lakewright.offsets", "{}"))

    def held(self, topic):
        """Every place that the log holds."""
        done = subprocess.run([AGENT, "ledger", "--bootstrap", self.kafka, "--topic", topic], check=True, capture_output=True, timeout=60)
        return [(part["topic_id"], part["partition"], part["start"], part["end"]) for part in json.loads(done.stdout)]

    def is_settled(self, config, topic):
        ids = {key.split("/")[1]: partitions for key, partitions in self.ledger(config).items()}
        return all(ids.get(id, {}).get(str(partition), start) == end for id, partition, start, end in self.held(topic))

    def rows(self, config, table):
        found = self.tables.load_table(f"{config['dead_letters']['database']}.{table}").scan().to_arrow().to_pylist()
        return sorted(found, key=lambda row: (row["kafka_topic_id"], row["kafka_partition"], row["kafka_offset"]))

    def judge(self, config, topic):
        """Every record that the log holds is a row of one table or a dead letter, once, and nothing else is."""
        held = {(id, partition, offset) for id, partition, start, end in self.held(topic) for offset in range(start, end)}
        names = [table["name"] for table in config["tables"]] + ["dead_letters"]
        places = [tuple(row[column] for column in COLUMNS) for name in names for row in self.rows(config, name)]
        print(f"{len(held)} records in the log, {len(places)} rows")
        assert len(held) > 0
        assert sorted(held - set(places))[:5] == [], f"{len(held - set(places))} lost"
        assert sorted(set(places) - held)[:5] == [], "rows of nothing that the log holds"
        assert len(places) == len(set(places)), f"{len(places) - len(set(places))} repeated"

    def writers(self, config, table):
        """How Iceberg's history names the engines of a table's commits, the oldest first."""
        snapshots = self.tables.load_table(f"{config['dead_letters']['database']}.{table}").snapshots()
        # Iceberg's Java names itself in each summary.
        by_java = lambda one: "iceberg-version" in one.summary.additional_properties
        return ["spark" if by_java(one) else "agent" for one in sorted(snapshots, key=lambda one: one.sequence_number)]


def messages(start, count):
    """Facts of the cases' topic: rows of both tables, and some that are none."""
    chance = random.Random(SEED + start)
    for number in range(start, start + count):
        sale = {"sale_id": f"s{number}", "quantity": number % 7, "amount": f"{number}.50", "sold_at": f"2026-03-{number % 9 + 1:02}T08:30:00Z"}
        user = {"user_id": f"u{number}", "name": "é" * (number % 3)}
        table, data = ("sales", sale) if number % 3 else ("users", user)
        text = json.dumps({"table": table, "data": data})
        yield text[: chance.randrange(len(text))] if chance.random() < 0.05 else text


class Stream:
    """Sends facts without end, and says when a stretch of them is there."""

    def __init__(self, lake, topic, sent=0):
        self.producer = Producer({"bootstrap.servers": lake.kafka, "enable.idempotence": True})
        self.topic, self.sent, self.over = topic, sent, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.05):
            self.send(20)

    def send(self, count):
        for text in messages(self.sent, count):
            self.producer.produce(self.topic, text.encode(), key=str(self.sent % 50))
            self.sent += 1
        self.producer.flush()

    def end(self):
        self.over.set()
        self.thread.join()


def facts(lake, name, topic):
    """The tables of facts in a database of their own, divided so that files fall into several partitions."""
    tables = [table | {"database": name, "topic": topic, "location": f"s3://{BUCKET}/{name}/{table['name']}"}
              for table in CASES["tables"] if table["topic"] == "facts"]
    return lake.make(name, tables, SPECS)
