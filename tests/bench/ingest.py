#!/usr/bin/env python3
"""Ingests one Kafka topic into Iceberg tables, by the stream agent and by its peers, in one run on one machine:

    ingest.py [--messages N] [--commit SECONDS] [ENGINE…]

ENGINE is any of lakewright, spark (Structured Streaming 3.5.0) and connect (Kafka Connect 4.3.1 with Iceberg's sink 1.10.1); all
of them without one. A real Kafka 4.3.1 holds JSON messages of sales; the catalog and the storage are the local account. Each engine
reads a topic of N/4 messages and then one of N, each into a table of its own, which PyIceberg reads back afterwards.

Printed are, for each topic, megabytes of JSON for each second of wall time and of the engine's CPU time (its start included), the peak of
its memory, commits and files; and the steady rate: what the larger topic took more than the smaller one, so without any start.

Needs a built tree (`make build`), the Python packages of the tests, Java 17 and Maven, which fetches the peers once.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import boto3
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pyiceberg.catalog import load_catalog
from pyiceberg.schema import Schema
from pyiceberg.types import BinaryType, DecimalType, IntegerType, LongType, NestedField, StringType, TimestamptzType

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import ports

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lakewright" / "peers"
ACCOUNT, REGION, SECRET, BUCKET = "123456789012", "eu-north-1", "local", "bench"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
    "NO_COLOR": "1", "LAKEWRIGHT_PACE": "local", "LAKEWRIGHT_ACCOUNT_SECRET": SECRET, "AWS_REGION": REGION,
    "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_CONFIG_FILE": "/dev/null",
}
PARTITIONS = 6
SPARK_VERSION = "3.5.0"
PATIENCE = 1800
COLUMNS = [
    ("sale_id", "string", StringType()), ("user_id", "string", StringType()), ("session_id", "string", StringType()),
    ("product_id", "string", StringType()), ("quantity", "int", IntegerType()), ("unit_price", "decimal(10,2)", DecimalType(10, 2)),
    ("amount", "decimal(12,2)", DecimalType(12, 2)), ("currency", "string", StringType()), ("payment_method", "string", StringType()),
    ("channel", "string", StringType()), ("country", "string", StringType()), ("sold_at", "timestamptz", TimestamptzType()),
]
PLACES = [
    ("kafka_topic_id", StringType()), ("kafka_partition", IntegerType()), ("kafka_offset", LongType()),
    ("ingested_at", TimestamptzType()),
]
SPARK = """
import sys
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, from_json
kafka, topic, table, folder, seconds = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
columns = "COLUMNS"
rows = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", kafka).option("subscribe", topic)
        .option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", 1000000).load()
        .select(from_json(col("value").cast("string"), columns).alias("row"), "partition", "offset")
        .select("row.*", col("partition").alias("kafka_partition"), col("offset").alias("kafka_offset")))
query = (rows.writeStream.format("iceberg").outputMode("append").option("checkpointLocation", folder)
         .option("fanout-enabled", "true").trigger(availableNow=True).toTable(table))
query.awaitTermination()
"""
PEERS = {
    "connect": [
        ("org.apache.iceberg", "1.10.1", ["iceberg-kafka-connect", "iceberg-parquet", "iceberg-orc", "iceberg-aws", "iceberg-aws-bundle"]),
        ("org.apache.kafka", "4.3.1", ["connect-runtime", "connect-json"]),
        ("org.apache.hadoop", "3.4.1", ["hadoop-client-api", "hadoop-client-runtime"]),
        ("org.slf4j", "1.7.36", ["slf4j-simple"]),
    ],
    "spark": [("org.apache.spark", SPARK_VERSION, ["spark-sql-kafka-0-10_2.12"])],
}


def fetched(name):
    """The folder of a peer's jars, fetched once."""
    jars = CACHE / name
    if not jars.is_dir():
        # What Spark has itself doesn't come a second time.
        but = "<exclusions><exclusion><groupId>org.apache.hadoop</groupId><artifactId>*</artifactId></exclusion></exclusions>" if name == "spark" else ""
        dependency = lambda group, artifact, version: (
            f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>{but}</dependency>"
        )
        wanted = "".join(dependency(group, one, version) for group, version, artifacts in PEERS[name] for one in artifacts)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "pom.xml").write_text(
                '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>lakewright</groupId>'
                f"<artifactId>{name}</artifactId><version>1</version><packaging>pom</packaging><dependencies>{wanted}</dependencies></project>"
            )
            new = CACHE / f"{name}.new"
            shutil.rmtree(new, ignore_errors=True)
            subprocess.run(
                ["mvn", "-B", "-q", "-f", f"{folder}/pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={new}"],
                check=True,
            )
            new.rename(jars)
    return jars


def tree(pid):
    """A process and all that it started."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        queue += children.get(one, [])
    return found


class Measured:
    """A process whose memory is watched while it runs, with what it started."""

    def __init__(self, command, folder, **more):
        self.log = folder / "log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log, **more)
        self.peak, self.began, self.watching = 0, time.monotonic(), True
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self):
        while self.watching:
            pages = 0
            for pid in tree(self.process.pid):
                try:
                    pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                except (FileNotFoundError, ProcessLookupError):
                    pass
            self.peak = max(self.peak, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            time.sleep(0.1)

    def said(self):
        return self.log.read_text(errors="replace")[-4000:]

    def end(self):
        """Ends it in its own way; its CPU seconds, those of what it started and waited for included."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.waited()

    def waited(self):
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.watching = False
        self.watcher.join()
        return usage.ru_utime + usage.ru_stime


class Bench:
    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        port = ports.row(3)
        self.kafka = f"127.0.0.1:{port}"
        script = ROOT / "tests" / "kafka" / "real-kafka.sh"
        self.stop_kafka = [script, "stop", str(port)]
        subprocess.run([script, "start", str(port)], check=True, stdout=subprocess.DEVNULL, env=os.environ | {"KAFKA_HEAP": "1g"})
        self.account = subprocess.Popen(
            [TARGET / "lakewright-local", "account", "--data", folder / "account", "--permissive", "--until-stdin-closes"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT,
        )
        self.url = json.loads(self.account.stdout.readline())["account"]
        self.catalog = load_catalog("glue", **{
            "type": "glue", "glue.endpoint": self.url, "glue.region": REGION, "glue.access-key-id": ACCOUNT,
            "glue.secret-access-key": SECRET, "s3.endpoint": self.url, "s3.region": REGION, "s3.access-key-id": ACCOUNT,
            "s3.secret-access-key": SECRET,
        })
        s3 = boto3.client("s3", endpoint_url=self.url, region_name=REGION, aws_access_key_id=ACCOUNT, aws_secret_access_key=SECRET)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.catalog.create_namespace("raw")

    def close(self):
        subprocess.run(self.stop_kafka, check=False)
        self.account.stdin.close()
        self.account.wait()

    def send(self, topic, count):
        """Fills a topic; the bytes of its messages."""
        self.make_topic(topic, PARTITIONS)
        chance, size = random.Random(7), 0
        producer = Producer({"bootstrap.servers": self.kafka, "linger.ms": 50, "batch.size": 1_000_000, "queue.buffering.max.kbytes": 65_536})
        for number in range(count):
            message = sale(number, chance)
            size += len(message)
            while True:
                try:
                    producer.produce(topic, message, key=str(number))
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 1000 == 0:
                producer.poll(0)
        producer.flush()
        return size

    def make_topic(self, topic, partitions):
        admin = AdminClient({"bootstrap.servers": self.kafka})
        for made in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            made.result()

    def make_table(self, name, columns):
        fields = [NestedField(number, column, kind, required=False) for number, (column, kind) in enumerate(columns, 1)]
        self.catalog.create_table(f"raw.{name}", Schema(*fields), location=f"s3://{BUCKET}/raw/{name}", properties={"format-version": "2"})

    def rows(self, table):
        """How many rows a table has by its snapshot."""
        snapshot = self.catalog.load_table(f"raw.{table}").current_snapshot()
        return int(snapshot.summary["total-records"]) if snapshot else 0

    def until_read(self, measured, table, count):
        end = time.monotonic() + PATIENCE
        while self.rows(table) < count:
            if measured.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{table} has {self.rows(table)} of {count} rows:\n{measured.said()}")
            time.sleep(0.2)

    def lakewright(self, topic, table, count, folder):
        columns = [(name, kind) for name, _, kind in COLUMNS]
        self.make_table(table, columns + PLACES)
        dead = [("topic", StringType()), ("reason", StringType()), ("payload", BinaryType()), *PLACES]
        self.make_table(f"{table}_dead", dead)
        declared = lambda name, columns: {
            "name": name, "database": "raw", "topic": topic, "location": f"s3://{BUCKET}/raw/{name}", "key": [], "partition": [],
            "columns": columns,
        }
        config = {
            "kafka": {"bootstrap": self.kafka, "security": {"protocol": "plaintext"}}, "group": table,
            "tables": [declared(table, [{"name": name, "type": kind} for name, kind, _ in COLUMNS]) | {"reading": {"format": "json"}}],
            "dead_letters": declared(f"{table}_dead", []) | {"topic": ""},
            "commit_interval_ms": self.options.commit * 1000, "commit_bytes": 64 << 20,
        }
        (folder / "config.json").write_text(json.dumps(config))
        environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": self.url, "STATE_DIRECTORY": str(folder), "LOGS_DIRECTORY": str(folder)}
        measured = Measured([TARGET / "lakewright-agent", "stream", "--config", folder / "config.json"], folder, env=environment)
        self.until_read(measured, table, count)
        wall = time.monotonic() - measured.began
        return wall, measured.end(), measured.peak

    def spark(self, topic, table, count, folder):
        self.make_table(table, [(name, kind) for name, _, kind in COLUMNS] + PLACES[1:3])
        program = folder / "ingest.py"
        kinds = {"timestamptz": "timestamp"}
        program.write_text(SPARK.replace("COLUMNS", ", ".join(f"{name} {kinds.get(kind, kind)}" for name, kind, _ in COLUMNS)))
        jars = ",".join(str(jar) for jar in sorted(fetched("spark").glob("*.jar")) if "scala-library" not in jar.name)
        catalog = "spark.sql.catalog.glue"
        settings = {
            catalog: "org.apache.iceberg.spark.SparkCatalog", f"{catalog}.type": "glue", f"{catalog}.warehouse": f"s3://{BUCKET}/raw",
            f"{catalog}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions", "spark.sql.session.timeZone": "UTC",
        }
        conf = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
        # The script gives its own jars last: these stand on the class path.
        command = [
            ROOT / "tests" / "spark" / "real-spark.sh", "submit", self.url, *conf, "--driver-class-path", jars.replace(",", ":"), program,
            self.kafka, topic, f"glue.raw.{table}", folder / "checkpoint", str(self.options.commit),
        ]
        measured = Measured(command, folder, env=ENVIRONMENT | {"SPARK_VERSION": SPARK_VERSION})
        cpu = measured.waited()
        wall = time.monotonic() - measured.began
        if self.rows(table) != count:
            raise SystemExit(f"{table} has {self.rows(table)} of {count} rows:\n{measured.said()}")
        return wall, cpu, measured.peak

    def connect(self, topic, table, count, folder):
        self.make_table(table, [(name, kind) for name, _, kind in COLUMNS])
        self.make_topic(f"control-{table}", 1)
        converter = "org.apache.kafka.connect.json.JsonConverter"
        properties(folder / "worker.properties", {
            "bootstrap.servers": self.kafka, "key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": converter,
            "value.converter.schemas.enable": "false", "offset.storage.file.filename": folder / "offsets", "listeners": "http://127.0.0.1:0",
            "offset.flush.interval.ms": self.options.commit * 1000, "plugin.discovery": "only_scan",
        })
        catalog = {
            "type": "glue", "io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "glue.endpoint": self.url, "s3.endpoint": self.url,
            "s3.path-style-access": "true", "client.region": REGION, "warehouse": f"s3://{BUCKET}/raw",
        }
        properties(folder / "sink.properties", {
            "name": table, "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector", "tasks.max": 2, "topics": topic,
            "iceberg.tables": f"raw.{table}", "iceberg.control.topic": f"control-{table}",
            "iceberg.control.commit.interval-ms": self.options.commit * 1000,
            "iceberg.kafka.auto.offset.reset": "earliest", "consumer.override.auto.offset.reset": "earliest",
            **{f"iceberg.catalog.{name}": value for name, value in catalog.items()},
        })
        command = [
            "java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{fetched('connect')}/*",
            "org.apache.kafka.connect.cli.ConnectStandalone", folder / "worker.properties", folder / "sink.properties",
        ]
        measured = Measured(command, folder, env=ENVIRONMENT)
        self.until_read(measured, table, count)
        wall = time.monotonic() - measured.began
        return wall, measured.end(), measured.peak

    def judge(self, table, count):
        """Commits and files of a table; fails unless each message is one row."""
        loaded = self.catalog.load_table(f"raw.{table}")
        ids = loaded.scan(selected_fields=("sale_id",)).to_arrow()["sale_id"]
        if not len(ids) == len(ids.unique()) == count:
            print(f"  {table}: {len(ids)} rows, {len(ids.unique())} different ones, {count} messages")
        return len(loaded.snapshots()), len(loaded.inspect.data_files())


def properties(file, values):
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def sale(number, chance):
    bits = chance.getrandbits(64)
    return (
        f'{{"sale_id":"sal-{number:016x}","user_id":"usr-{bits % 3000000:08x}","session_id":"ses-{bits >> 24:012x}",'
        f'"product_id":"prd-{bits % 20000:06}","quantity":{bits % 5 + 1},"unit_price":{bits % 500}.{bits % 90 + 10},'
        f'"amount":{bits % 2500}.{bits % 90 + 10},"currency":"EUR","payment_method":"{("card", "invoice", "paypal", "swish")[bits % 4]}",'
        f'"channel":"web","country":"{("SE", "DE", "FR", "US", "JP", "BR")[bits % 6]}",'
        f'"sold_at":"2026-11-22T20:{number // 6000 % 60:02}:{number // 100 % 60:02}.{bits % 1000000:06}Z"}}'
    ).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=[], help="lakewright, spark or connect")
    parser.add_argument("--messages", type=int, default=2_000_000, metavar="N")
    parser.add_argument("--commit", type=int, default=5, metavar="SECONDS", help="the commit interval")
    options = parser.parse_args()
    engines = options.engines or ["lakewright", "spark", "connect"]
    if unknown := [one for one in engines if one not in ("lakewright", "spark", "connect")]:
        parser.error(f"no engine is called {unknown[0]}; there are lakewright, spark and connect")
    for name in engines:
        if name in PEERS:
            fetched(name)
    if "spark" in engines:
        subprocess.run([ROOT / "tests" / "spark" / "real-spark.sh", "fetch"], check=True, env=os.environ | {"SPARK_VERSION": SPARK_VERSION})
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options)
        try:
            topics = {f"sales-{count}": count for count in (options.messages // 4, options.messages)}
            sizes = {topic: bench.send(topic, count) / 1e6 for topic, count in topics.items()}
            for engine in engines:
                spent = []
                for topic, count in topics.items():
                    table = f"{engine}_{count}"
                    place = Path(folder) / table
                    place.mkdir()
                    wall, cpu, peak = getattr(bench, engine)(topic, table, count, place)
                    commits, files = bench.judge(table, count)
                    size = sizes[topic]
                    spent.append((size, wall, cpu))
                    print(
                        f"{engine:10} {count:>9} messages, {size:5.0f} MB: {size / cpu:6.1f} MB per CPU second, {size / wall:6.1f} MB/s "
                        f"in {wall:5.1f} s, {peak:5.0f} MB at most, {commits} commits, {files} files", flush=True,
                    )
                size, wall, cpu = (after - before for before, after in zip(*spent))
                print(f"{engine:10} steady: {size / cpu:6.1f} MB per CPU second, {size / wall:6.1f} MB/s", flush=True)
        finally:
            bench.close()


if __name__ == "__main__":
    main()
