"""A shipper between what it reads and where that goes, on the parts of this machine; either end can be away, and it can be killed."""

import datetime
import io
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

import pyarrow
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from account import Account
from conftest import PATIENCE, TARGET
from proxy import Proxy

AGENT = TARGET / "debug" / "lakewright-agent"
TOPIC, PARTITIONS, BUCKET, INDEX = "events", 3, "backup-of-logs", "actions"
# Records of each source in a second, by twenties.
RATE = 400
# Of so many messages one is no JSON.
BROKEN = 50
# After so many lines a log file is rotated.
ROTATED = 1500
DAYS = 3


def time_of(number):
    """A record's time, in one of the last days."""
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=number % DAYS)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Shipping:
    """The account, Kafka and the index, with a proxy before the bucket and another one before the index."""

    def __init__(self, folder):
        self.folder, self.logs = folder, folder / "logs"
        self.logs.mkdir()
        self.account = Account(folder)
        self.index, self.bucket = Proxy(self.account.search), Proxy(self.account.url)
        self.sent, self.written = Counter(), 0
        self.stopping, self.writers = threading.Event(), []
        self.process = None

    def prepare(self, **settings):
        """Makes the bucket, the topic and the shipper's configuration."""
        self.account.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
        admin = AdminClient({"bootstrap.servers": self.account.kafka})
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(30)
        self.producer = Producer({"bootstrap.servers": self.account.kafka, "linger.ms": 5})
        config = {
            "kafka": {"bootstrap": self.account.kafka, "security": {"protocol": "plaintext"}}, "group": "ships", "topics": [TOPIC],
            "search": {"url": self.index.url}, "index": INDEX, "time_field": "at", "backup_bucket": BUCKET, "backup_prefix": "logs",
            "backup_bytes": 200_000, "backup_interval_ms": 1000, "bulk_bytes": 100_000, "bulk_interval_ms": 100,
            "sources": {"app": {"from": {"files": {"paths": [f"{self.logs}/app.log*"]}}, "time_field": "at"}},
        }
        config |= settings
        self.sources = len(config["sources"])
        (self.folder / "shipper.json").write_text(json.dumps(config))

    def start(self, environment=()):
        """Starts the shipper, as a host's service does: under its name, in its folder."""
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        environment = self.account.environment | dict(environment) | {
            "AWS_ENDPOINT_URL": self.bucket.url, "AWS_REGION": "eu-north-1", "STATE_DIRECTORY": str(state), "LOGS_DIRECTORY": str(state),
            "LAKEWRIGHT_INSTANCE": "the-shipper",
        }
        (state / "admin.address").unlink(missing_ok=True)
        with open(self.folder / "shipper.log", "ab") as log:
            self.process = subprocess.Popen(
                [AGENT, "shipper", "--config", self.folder / "shipper.json", "--until-stdin-closes"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment,
            )

    def kill(self):
        assert self.process.poll() is None, f"it ended by itself: {self.process.returncode}\n{self.log()}"
        self.process.kill()
        self.process.wait()

    def log(self):
        return (self.folder / "shipper.log").read_text(errors="replace")[-6000:]

    def metrics(self):
        """What the shipper says of itself; nothing while it says nothing."""
        try:
            address = (self.folder / "state" / "admin.address").read_text()
            with urllib.request.urlopen(f"http://{address}/status", timeout=5) as answer:
                return json.load(answer)["metrics"]
        except (OSError, ValueError):
            return {}

    def checkpoints(self):
        """The positions of pipes from sources of the host, as they are on disk."""
        return {path.name: path.read_bytes() for path in (self.folder / "state").glob("*.checkpoint")}

    def move_on(self):
        """Waits until the pipes of every source to both ends have moved their positions, which they do every five seconds."""
        before = self.checkpoints()
        moved = lambda: sum(before.get(name) != text for name, text in self.checkpoints().items())
        self.wait("positions move", lambda: moved() == 2 * self.sources)

    def write(self, *writers):
        """Lets these write records until `end_writing`."""
        for writer in writers:
            self.writers.append(threading.Thread(target=self.paced, args=(writer,), daemon=True))
            self.writers[-1].start()

    def paced(self, write):
        while not self.stopping.is_set():
            write(20)
            self.stopping.wait(20 / RATE)

    def send(self, count):
        """Sends messages to the topic."""
        for number in range(self.sent.total(), self.sent.total() + count):
            text = json.dumps({"at": time_of(number), "n": number, "text": "lipstick " * 10})
            partition = number % PARTITIONS
            self.producer.produce(TOPIC, text[: -1 if number % BROKEN == 7 else None], key=str(number), partition=partition)
            self.sent[partition] += 1
        assert self.producer.flush(60) == 0

    def append(self, count):
        """Appends lines to the log file, which is renamed when it has enough of them."""
        lines = [json.dumps({"at": time_of(number), "n": number, "text": "mascara " * 10}) for number in range(self.written, self.written + count)]
        with (self.logs / "app.log").open("a") as log:
            log.write("\n".join(lines) + "\n")
        self.written += count
        if self.written % ROTATED == 0:
            (self.logs / "app.log").rename(self.logs / f"app.log.{self.written // ROTATED}")

    def wait(self, what, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"the shipper ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < end, f"not within {PATIENCE} s: {what}\n{self.metrics()}\n{self.log()}"
            time.sleep(0.1)

    def end_writing(self):
        self.stopping.set()
        for writer in self.writers:
            writer.join()

    def settle(self, held):
        """Waits until indices by their pattern hold so many documents and the backup as many lines, and ends the shipper."""
        for pattern, count in held.items():
            self.wait(f"{count} documents in {pattern}", lambda: self.count(pattern) >= count)
        # Each line is counted once, by the object that it stands in.
        lines, known = Counter(), set()

        def backed_up():
            for key in self.objects() - known:
                known.add(key)
                lines[None] += len(self.lines(key))
            return lines.total() >= sum(held.values())

        self.wait("all in the backup", backed_up)
        self.process.terminate()
        assert self.process.wait(timeout=PATIENCE) == 0, self.log()

    def ask(self, path, body=None):
        request = urllib.request.Request(
            f"{self.account.search}/{path}", json.dumps(body or {}).encode(), {"content-type": "application/json"}, method="POST",
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def count(self, pattern):
        try:
            return self.ask(f"{pattern}/_count")["count"]
        except urllib.error.HTTPError as missing:
            assert missing.code == 404
            return 0

    def documents(self, pattern, member):
        """Every document of some indices: its index and what stands in it. Asked for by ranges of a member, for no search shows
        more than 10,000."""
        whole, found, begin = self.count(pattern), [], 0
        while len(found) < whole:
            query = {"size": 10_000, "query": {"range": {member: {"gte": begin, "lt": begin + 2000}}}}
            hits = self.ask(f"{pattern}/_search", query)["hits"]
            assert hits["total"]["value"] == len(hits["hits"]), "a page doesn't hold all"
            found += [(hit["_index"], hit["_source"]) for hit in hits["hits"]]
            begin += 2000
            assert begin < 10_000_000, f"{whole} documents in {pattern}, and {len(found)} of them with `{member}`"
        return found

    def objects(self):
        pages = self.account.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {found["Key"] for page in pages for found in page.get("Contents", [])}

    def lines(self, key):
        """The lines of an object of the backup."""
        body = self.account.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with pyarrow.CompressedInputStream(pyarrow.BufferReader(body), "zstd") as stream:
            return [json.loads(line) for line in io.BytesIO(stream.read())]

    def backup(self):
        return [line for key in sorted(self.objects()) for line in self.lines(key)]

    def close(self):
        self.stopping.set()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.index.close()
        self.bucket.close()
        self.account.stop()


def once(what, found, wanted):
    """Each of what is wanted was found once, and nothing else."""
    counted = Counter(found)
    lost, doubled = wanted - counted.keys(), {place: times for place, times in counted.items() if times > 1}
    others = counted.keys() - wanted
    assert (len(lost), len(doubled), len(others)) == (0, 0, 0), (
        f"{what}: {len(lost)} lost, {len(doubled)} doubled, {len(others)} that nobody wrote: "
        f"{sorted(lost)[:5]} {sorted(doubled)[:5]} {sorted(others)[:5]}"
    )
