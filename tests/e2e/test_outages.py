"""A broker that is killed beside three agents with identities, again and again, and away for longer than their sessions.

Nobody gives up its identity, each partition has a reader again, and the tables hold the topic row by row, once
(`docs/decisions/group-membership.md`). `LAKEWRIGHT_SEED=…` repeats a run's outages.
"""

import time

import pytest

from test_faults import broker, kafka
from test_real_kafka import LONG, by_hand, is_read, read_back, seeded, settle

ROUNDS = 12
# Seconds. An agent that held something to commit for longer than its session, 15 s, is fenced by its own ghost.
OUTAGES = [(0, 3), (16, 25), (25, 40)]


@pytest.mark.skipif(not LONG, reason="an outage takes longer than a session; LAKEWRIGHT_LONG=1 runs it")
@pytest.mark.timeout(3600)
def test_nobody_gives_up_its_identity_when_the_broker_comes_back(by_hand, broker):
    seed, chance = seeded()
    topic, url, agents = by_hand("outages")
    agents.start("producer", "producer", "app", url)
    names = ["stream-1", "stream-2", "stream-3"]
    for name in names:
        agents.start(name, "stream", "ingest", url, commit_interval_ms=300)
    of = lambda metric: [agents.gauge(name, metric) or 0 for name in names]
    is_whole = lambda: is_read(broker.address, topic, len(names))
    agents.wait("each partition has a reader", is_whole)
    for number in range(1, ROUNDS + 1):
        # Each length once before any comes twice; some times the broker is killed again before the group is at rest.
        kills = chance.choice([1, 1, 2, 3])
        for kill in range(kills):
            away = chance.uniform(*OUTAGES[(number + kill) % len(OUTAGES)])
            print(f"seed {seed}, {number}: away for {away:.1f} s", flush=True)
            broker.kill()
            time.sleep(away)
            broker.start()
            if kill + 1 < kills:
                time.sleep(chance.uniform(0, 8))
        agents.wait(f"seed {seed}, {number}: each partition has a reader", is_whole)
        before = of("commits_total")
        agents.wait(f"seed {seed}, {number}: all of them commit", lambda: all(now > was for now, was in zip(of("commits_total"), before)))
        assert of("fenced_total") == [0] * len(names), f"seed {seed}, {number}"
    rejoins = of("rejoins_total")
    assert all(rejoins), f"seed {seed}: nobody's ghost was met, so that this shows nothing: {rejoins}"
    settle(agents, names, broker.address, topic)
    print(f"seed {seed}: {rejoins} new clients")
    read_back(url, broker.address, topic)
