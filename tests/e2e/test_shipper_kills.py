"""Kill -9 of the shipper at random moments while the index and the bucket are away in turn: at the end both hold each record once.

4 kills; 50 with `LAKEWRIGHT_LONG=1`. `LAKEWRIGHT_SEED=…` repeats a run's moments, as far as the machine does.
"""

import time
from collections import Counter

import pytest

from shipping import BROKEN, DAYS, INDEX, Shipping, once
from test_real_kafka import LONG, seeded

KILLS = 50 if LONG else 4
# Which end is away, and how.
OUTAGES = [("index", "refuse"), ("bucket", "503"), ("index", "lose"), ("bucket", "refuse"), ("index", "503"), ("bucket", "lose")]


@pytest.mark.timeout(1800 if LONG else 300)
def test_each_record_stands_once_in_index_and_backup_whatever_is_killed_or_away(tmp_path):
    seed, chance = seeded()
    began = time.monotonic()
    shipping = Shipping(tmp_path)
    try:
        shipping.prepare()
        shipping.start()
        shipping.write(shipping.send, shipping.append)
        shipping.wait("the first documents", lambda: shipping.count(f"{INDEX}-*") > 0)
        spoiled = Counter()
        for number in range(KILLS):
            end, how = OUTAGES[number % len(OUTAGES)]
            print(f"seed {seed}, {number + 1}: the {end} is away: {how}", flush=True)
            proxy = getattr(shipping, end)
            before = proxy.spoiled
            # Of three lives one is long enough that the next goes on from where it was.
            if number % 3 == 1:
                shipping.move_on()
            time.sleep(chance.uniform(0, 1.5))
            proxy.behave(how)
            time.sleep(chance.uniform(0, 1))
            shipping.kill()
            shipping.start()
            time.sleep(chance.uniform(0.3, 1.5))
            proxy.behave(None)
            spoiled[end, how] += proxy.spoiled - before
        shipping.end_writing()
        days, rejected = f"{INDEX}-2*", f"{INDEX}-rejected"
        shipping.settle({f"{days},{rejected}": shipping.sent.total(), f"{INDEX}-app-2*": shipping.written})
        exact(shipping, days, rejected)
        seconds = time.monotonic() - began
        print(f"seed {seed}: {KILLS} kills in {seconds:.0f} s, {shipping.sent.total()} messages, {shipping.written} lines; {dict(spoiled)}")
    finally:
        shipping.close()
    # Whoever finds nobody that listens isn't counted.
    assert all(count > 0 for (_, how), count in spoiled.items() if how != "refuse"), spoiled


def exact(shipping, days, rejected):
    """Index and backup hold each message and each line once, and those of a day in its index."""
    places = {(partition, offset) for partition, count in shipping.sent.items() for offset in range(count)}
    numbers = set(range(shipping.written))
    of_day = shipping.documents(days, "kafka_offset")
    refused = shipping.documents(rejected, "kafka_offset")
    place = lambda record: (record["kafka_partition"], record["kafka_offset"])
    once("the topic's documents", [place(source) for _, source in of_day + refused], places)
    assert len(refused) == sum(number % BROKEN == 7 for number in range(shipping.sent.total()))
    of_files = shipping.documents(f"{INDEX}-app-2*", "n")
    once("the files' documents", [source["n"] for _, source in of_files], numbers)
    assert all(index.endswith(source["at"][:10].replace("-", ".")) for index, source in of_day + of_files)
    assert len({index for index, _ in of_day + of_files}) == 2 * DAYS
    lines = shipping.backup()
    once("the topic's lines", [place(line) for line in lines if "kafka_offset" in line], places)
    once("the files' lines", [line["record"]["n"] for line in lines if "kafka_offset" not in line], numbers)
