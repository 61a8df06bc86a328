"""`lakewright restore` beside a running stack: the index holds nothing twice, a topic all of it, and who gets nothing is told why."""

import base64
import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from urllib.parse import urlsplit

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from conftest import ENVIRONMENT, PATIENCE

TOPIC, AGAIN, KILLED = "es_events", "es_events_again", "es_events_killed"


@pytest.fixture
def up(make_up):
    """The shop, whose backup has many small objects."""
    up = make_up(producer="seed = 3\n")
    text = up.stack.read_text()
    settings = '[agents.shipper]\nbackup_interval = "1s"\nbackup_size = "20 KB"\n'
    assert text.count("[agents.shipper]\n") == text.count('rate = "500/s"') == 1
    up.stack.write_text(text.replace("[agents.shipper]\n", settings).replace('rate = "500/s"', 'rate = "150/s"'))
    up.start()
    return up


def count(up, pattern):
    """How many documents some indices have."""
    url = urlsplit(up.record()["search"])
    request = urllib.request.Request(f"http://{url.hostname}:{url.port}/{pattern}/_count", b"{}", {"content-type": "application/json"})
    if url.username:
        login = f"{url.username}:{url.password}".encode()
        request.add_header("authorization", "Basic " + base64.b64encode(login).decode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["count"]
    except urllib.error.HTTPError as missing:
        assert missing.code == 404
        return 0


def restored(up, *words):
    done = up.run("restore", "--local", "--json", *words, check=0)
    return json.loads(done.stdout)


def restorable(up):
    """How many records the backup has, none while there is no stack yet."""
    done = up.run("restore", "--local", "--json", "--dry-run", "--only", TOPIC)
    return json.loads(done.stdout)["records"] if done.returncode == 0 else 0


def origins(bootstrap, topic, partitions):
    """Where the records of a topic say that they come from."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "restored", "enable.partition.eof": False})
    ends = {}
    for partition in range(partitions):
        ends[partition] = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)[1]
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in ends])
    found, wanted, end = [], sum(ends.values()), time.monotonic() + PATIENCE
    while len(found) < wanted:
        assert time.monotonic() < end, f"{len(found)} of {wanted} records"
        found += [dict(message.headers())["lakewright-origin"].decode() for message in consumer.consume(1000, 1) if not message.error()]
    consumer.close()
    return Counter(found)


def test_a_backup_goes_into_the_index_and_into_a_topic_once_more(up):
    up.wait("documents and their backup", lambda: restorable(up) > 500)
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # What was read at that time and before is backed up within seconds.
    part = ["--only", TOPIC, "--to", until]
    counts = []

    def stands():
        counts.append(restored(up, "--dry-run", *part)["records"])
        return len(counts) > 2 and counts[-1] == counts[-2] == counts[-3]

    up.wait("all of that time is backed up", stands)
    whole = counts[-1]
    assert count(up, "trial-*") == 0

    # Into indices of another name, twice.
    first = restored(up, *part, "--into", "index:trial")
    assert (first["records"], first["new"], first["there"], first["refused"]) == (whole, whole, 0, 0), first
    assert count(up, "trial-*") == whole
    second = restored(up, *part, "--into", "index:trial")
    assert (second["records"], second["new"], second["there"]) == (whole, 0, whole), second
    assert count(up, "trial-*") == whole
    # Into those of the shipper: all of it is there.
    before = up.run("restore", "--local", *part, check=0)
    assert re.search(rf"^{whole} records read, from \d+ objects of the backup: 0 new, {whole} there already[.;]", before.stdout), before.stdout
    assert "Restoring s3://shop-backup-" in before.stderr and "/es_events of es_events to " in before.stderr, before.stderr

    # Into a topic, cut off in the middle.
    kafka = up.record()["kafka"]
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(AGAIN, 3, 1)])[AGAIN].result(30)
    words = ["restore", "--local", *part, "--into", f"topic:{AGAIN}"]
    process = subprocess.Popen(
        up.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    progress = up.data / "restore" / "restore.json"
    up.wait("the first objects", progress.exists)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "interrupted; give the same command again to go on" in said, said
    assert progress.exists()
    rest = restored(up, *words[2:])["records"]
    assert 0 < rest < whole, f"{rest} of {whole}"
    assert not progress.exists()
    sent = origins(kafka, AGAIN, 3)
    assert len(sent) == whole and sent.total() >= whole, (len(sent), sent.total(), whole)

    # Killed in the middle, and begun again at once: what the first one started ends, and nothing is sent twice.
    admin.create_topics([NewTopic(KILLED, 3, 1)])[KILLED].result(30)
    words = ["restore", "--local", *part, "--into", f"topic:{KILLED}"]
    process = subprocess.Popen(
        up.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT
    )
    up.wait("the first objects", progress.exists)
    process.kill()
    process.wait(timeout=60)
    rest = restored(up, *words[2:])["records"]
    assert 0 < rest < whole, f"{rest} of {whole}"
    sent = origins(kafka, KILLED, 3)
    assert len(sent) == sent.total() == whole, (len(sent), sent.total(), whole)

    # Who gets nothing is told why, and what to do.
    for words, why in [
        (["--only", "es_event"], "the backup has nothing of `es_event`: did you mean `es_events`?"),
        (["--into", "topic:es_event"], "Kafka has no topic `es_event`: did you mean `es_events`?"),
        (["--to", "2020-01-01"], "the backup has no record of that time: its objects begin on days from 20"),
        (["--from", "2026-03-02", "--to", "2026-03-01"], "nothing is between --from and --to"),
        (["--prefix", "elsewhere"], "/elsewhere is empty: its first object is written 1 s after the first record"),
        (["--into", f"topic:{TOPIC}"], "there is no terminal to ask on; --yes answers the question"),
    ]:
        done = up.run("restore", "--local", *words, check=1)
        assert why in done.stderr, (words, done.stderr)
    slip = up.run("restore", "--local", "--into", "index:Trial", check=2)
    assert "names of indices are small letters" in slip.stderr
