"""An apply that is killed, or that the network fails, at any request: the next one goes on, and nothing is doubled or lost.

`LAKEWRIGHT_LONG=1` tries every request; otherwise a sample, drawn with `LAKEWRIGHT_SEED`, and those that matter most."""

import json
import os
import random
import re
import threading
import time
from collections import Counter

import pytest

from crash_account import Server

LONG = os.environ.get("LAKEWRIGHT_LONG") == "1"
SEED = int(os.environ.get("LAKEWRIGHT_SEED") or 7)
# Made with nothing that protects a repeat, or with much that hangs on them; the first PutObject is the lease's.
ALWAYS = [
    "CreateVpc", "CreateInternetGateway", "CreateKey", "CreateBucket", "CreateClusterV2", "CreateRole", "CreateSecret",
    "CreateAutoScalingGroup", "PutObject",
]


class Undisturbed:
    """What an apply and a destroy that nothing disturbs come to."""

    def __init__(self, server):
        account = server.account()
        self.empty = account.settled()
        line = server.line()
        account.apply()
        self.creating = changes(server.events(line))
        assert account.must("plan", "--detailed-exitcode")
        self.complete = account.settled()
        assert all(self.complete.values()), self.complete
        line = server.line()
        account.destroy()
        self.deleting = changes(server.events(line))
        assert account.settled() == self.empty, "the stack outlived its destroy"


def changes(events):
    """The requests that change something: for each its operation, and which one of that operation it was."""
    numbers, found = Counter(), []
    for event in events:
        if event["mutation"] is not None and event["phase"] == "end":
            numbers[event["operation"]] += 1
            found.append((event["operation"], numbers[event["operation"]]))
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("crash"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def undisturbed(server):
    return Undisturbed(server)


def difference(found, wanted):
    return {name: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]}


def samples(requests, size, salt):
    """Requests to hit: all in the long run, else a sample of different operations. It is drawn by operation because the
    order of requests, and so the one that has a number, differs from run to run."""
    chosen = sorted(requests)
    if not LONG:
        chance = random.Random(SEED + salt)
        operations = sorted({operation for operation, _ in requests})
        operations = chance.sample(operations, min(size, len(operations)))
        chosen = [chance.choice([request for request in chosen if request[0] == operation]) for operation in operations]
    return [{"operation": operation, "from": n} for operation, n in chosen]


def faults(effect, requests, size, salt):
    """Rules that hit one request each."""
    hit = samples(requests, size, salt)
    always = [{"operation": operation, "from": 1} for operation in ALWAYS]
    always.append({"operation": "CreateBucket", "from": 2})
    # Half of the named ones for each of the two effects, in turn, unless there is time for all.
    return [rule | effect for rule in hit + (always if LONG else always[salt % 2 :: 2])]


class Cases:
    """Runs cases one after another and names all that failed."""

    def __init__(self):
        self.wrong, self.count = [], 0

    def run(self, name, case):
        self.count += 1
        try:
            case()
        except AssertionError as error:
            self.wrong.append(f"{name}: {error}")

    def end(self):
        assert not self.wrong, f"{len(self.wrong)} of {self.count}:\n" + "\n".join(self.wrong)


def goes_on(account, undisturbed):
    """Another apply completes the stack, and it is the one that would have been."""
    account.apply()
    account.must("plan", "--detailed-exitcode")
    assert not (wrong := difference(account.settled(), undisturbed.complete)), wrong


@pytest.mark.parametrize("salt, hang", [(0, True), (1, "request")], ids=["done", "not done"])
def test_an_apply_killed_at_any_request_is_resumed(server, undisturbed, salt, hang):
    cases, hit = Cases(), set()
    for rule in faults({"hang": hang}, undisturbed.creating, 16, salt):
        account = server.account()

        def case():
            hit.add(account.kill_at(rule, "apply", "--yes"))
            goes_on(account, undisturbed)

        cases.run(rule, case)
    cases.end()
    assert len(hit - {None}) > 10, hit


@pytest.mark.parametrize("salt, lost", [(0, True), (1, "request")], ids=["answer", "request"])
def test_an_apply_survives_what_the_network_loses(server, undisturbed, salt, lost):
    cases, first = Cases(), []
    for rule in faults({"lost": lost, "times": 1}, undisturbed.creating, 10, salt):
        account = server.account()

        def case():
            server.faults(rule)
            code, said = account.run("apply", "--yes")
            server.faults()
            first.append(code)
            assert code in (0, 1), said
            if code == 0:
                account.must("plan", "--detailed-exitcode")
                assert not (wrong := difference(account.settled(), undisturbed.complete)), wrong
            goes_on(account, undisturbed)

        cases.run(rule, case)
    cases.end()
    # A lost answer or request is nothing that an apply has to end with.
    assert first.count(0) > len(first) // 2, first


def test_an_apply_killed_again_and_again_comes_to_its_end(server, undisturbed):
    account = server.account()
    killed = 0
    chance = random.Random(SEED)
    for _ in range(40):
        rule = {"mutating": True, "from": chance.randint(2, 30), "hang": chance.choice([True, "request"])}
        if account.kill_at(rule, "apply", "--yes") is None:
            break
        killed += 1
    assert killed > 3
    goes_on(account, undisturbed)


def test_a_destroy_killed_at_any_request_is_resumed(server, undisturbed):
    cases = Cases()
    for at, request in enumerate(samples(undisturbed.deleting, 8, 2)):
        account = server.account()

        def case():
            account.apply()
            rule = request | {"hang": [True, "request"][at % 2]}
            account.kill_at(rule, "destroy", "--yes", "--allow-data-loss", "all")
            account.destroy()
            assert not (wrong := difference(account.settled(), undisturbed.empty)), wrong
            # Names that wait for their deletion, and tokens that were used, stand in nobody's way.
            goes_on(account, undisturbed)

        cases.run(request, case)
    cases.end()


def document(account):
    return json.load(account.call("s3", "get_object", **account.lease())["Body"])


def foreign(account, lasts):
    """Lets somebody on another host hold the lease for that many seconds."""
    found = document(account)
    found["serial"] += 1
    found["expires"] = int((time.time() + lasts) * 1000)
    process = {"space": "another boot, another namespace", "pid": 1, "started": 1}
    found["holder"] = {
        "id": "0", "user": "somebody", "host": "elsewhere", "command": "apply", "since": found["expires"] - 5000,
        "process": process,
    }
    account.call("s3", "put_object", **account.lease(), Body=json.dumps(found).encode())


def test_two_applies_never_run_at_once(server, undisturbed):
    account = server.account()
    line = server.line()
    server.faults({"operation": "CreateVpc", "times": 1, "latency": "1500ms"})
    first = account.start("apply", "--yes")
    while not any(event["fault"] == "latency" for event in server.events(line, "200ms")):
        assert first.poll() is None
    second = account.start("apply", "--yes")
    codes = [process.wait(timeout=60) for process in (first, second)]
    said = [process.log.read_text() for process in (first, second)]
    server.faults()
    assert codes == [0, 0], said
    assert re.search(r"Waiting: tester@\S+ \(apply, process \d+", said[1]), said[1]
    assert "No changes" in said[1], said[1]
    assert not (wrong := difference(account.settled(), undisturbed.complete)), wrong


def test_the_lease_of_a_killed_apply_is_taken_over_at_once(server, undisturbed):
    account = server.account()
    assert account.kill_at({"operation": "CreateVpc", "hang": True}, "apply", "--yes") == "CreateVpc"
    began = time.monotonic()
    said = account.apply()
    assert "its process has ended" in said, said
    assert time.monotonic() - began < 10
    assert not (wrong := difference(account.settled(), undisturbed.complete)), wrong


def test_another_hosts_lease_is_waited_for(server):
    account = server.account()
    account.apply()
    foreign(account, 3)
    began = time.monotonic()
    said = account.apply()
    assert 2 < time.monotonic() - began < 15
    assert "Waiting: somebody@elsewhere" in said and "it expired at" in said, said

    # One that is renewed is not waited for: its holder is named.
    foreign(account, 2)
    line = server.line()
    renewing = threading.Timer(1, foreign, (account, 60))
    renewing.start()
    said = account.must("apply", "--yes", code=1)
    renewing.join()
    assert "somebody@elsewhere" in said and "lakewright unlock" in said, said
    assert len(changes(server.events(line))) == 1, "something besides the renewal was changed"

    said = account.must("unlock", "--yes")
    assert "Taken from somebody@elsewhere" in said, said
    began = time.monotonic()
    account.apply()
    assert time.monotonic() - began < 2
    assert "Nobody holds" in account.must("unlock", "--yes")


def overtaken(server, account, rule, undisturbed):
    """Takes the lease away from an apply that a rule holds up, and sees that it sends nothing more once it knows."""
    line = server.line()
    server.faults(rule | {"times": 1})
    apply = account.start("apply", "--yes")
    while not any(event["fault"] == "latency" for event in server.events(line, "200ms")):
        assert apply.poll() is None
    account.must("unlock", "--yes")
    code, said = apply.wait(timeout=90), apply.log.read_text()
    server.faults()
    assert code == 1 and "lease" in said, said
    events = [event for event in server.events(line) if event["phase"] == "end"]
    refused = [at for at, event in enumerate(events) if event["operation"] == "PutObject" and event["status"] == 412]
    assert refused, "the apply never met the other's write"
    # What was under way when it learned of it may still end; nothing begins.
    later = sum(event["mutation"] is not None for event in events[refused[0] + 1 :])
    assert later <= 24, events[refused[0] :]
    last = max(event["n"] for event in events if event["mutation"] is not None)
    time.sleep(1)
    assert not [event for event in server.events(line) if event["mutation"] is not None and event["n"] > last]
    goes_on(account, undisturbed)
    return events, refused[0]


def test_an_apply_whose_lease_is_taken_away_stops(server, undisturbed):
    # The second PutObject is a note of what is about to be made: the apply meets the other's write at once.
    rule = {"operation": "PutObject", "from": 2, "latency": "1s"}
    account = server.account()
    _, _ = overtaken(server, account, rule, undisturbed)


@pytest.mark.skipif(not LONG, reason="waits for a renewal; LAKEWRIGHT_LONG=1")
def test_an_apply_whose_lease_is_taken_away_stops_at_its_next_renewal(server, undisturbed):
    rule = {"operation": "CreateClusterV2", "latency": "28s"}
    account = server.account()
    events, refused = overtaken(server, account, rule, undisturbed)
    # That it wants to give the lease back is refused, too.
    later = [event for event in events[refused + 1 :] if event["mutation"] is not None and event["status"] < 400]
    later = [event["operation"] for event in later]
    assert set(later) <= {"CreateClusterV2"}, later
