#!/usr/bin/env python3
"""Measures what docs/performance.md says:

    measure.py plan | slow-plan [STACK] | crowded [COUNT] | large [COUNT] | apply | first-row | producer [HOST:PORT] [SECONDS]

Needs a built tree (`make build`), and Python with boto3, as in tests/requirements.txt, for those between `plan` and `first-row`. CPU seconds are user and system time of the measured process alone.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {"NO_COLOR": "1", "LAKEWRIGHT_PACE": "local"}


def finished(process):
    """Waits; the exit code, CPU seconds and peak memory in MB of the process."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def up(folder, *more):
    command = [TARGET / "lakewright", "--data", folder / "data", "--stack", ROOT / "stacks" / "shop.toml", "up", "--plain", *more]
    log = open(folder / "up.log", "ab")
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT)


def ask(folder, sql):
    command = [TARGET / "lakewright", "--data", folder / "data", "--stack", ROOT / "stacks" / "shop.toml", "query", "--local", "--format", "json", sql]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else []


def until(condition, patience=180):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise SystemExit("it did not come true in time")


def running(folder):
    """Whether everything is applied and the agents run."""
    try:
        return len(json.loads((folder / "data" / "run.json").read_text())["children"]) > 4
    except (FileNotFoundError, json.JSONDecodeError):
        return False


def first_row(folder):
    start = time.monotonic()
    process = up(folder)
    sql = "SELECT count(*) AS n FROM shop_raw.sales"
    until(lambda: (rows := ask(folder, sql)) and int(next(iter(rows[0].values()))) > 0)
    print(f"first committed row after {time.monotonic() - start:.1f} s from the start of `lakewright up`, apply included")
    process.send_signal(signal.SIGINT)
    process.wait()


def plan(folder):
    process = up(folder)
    until(lambda: running(folder))
    for _ in range(5):
        command = [TARGET / "lakewright", "--data", folder / "data", "--stack", ROOT / "stacks" / "shop.toml", "plan", "--local", "--detailed-exitcode"]
        begun = time.monotonic()
        measured = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        code, cpu, memory = finished(measured)
        print(f"no-op plan: exit {code}, {cpu:.2f} CPU s, {memory:.0f} MB, {time.monotonic() - begun:.2f} s")
    process.send_signal(signal.SIGINT)
    process.wait()


def producer(folder, bootstrap, seconds):
    # The apply makes the topics, on the Kafka that is measured.
    process = up(folder, *(["--kafka", bootstrap] if bootstrap else []))
    config = folder / "producer.json"
    until(lambda: running(folder))
    # The configuration that the shop's host gets, at full speed and, when given, on another Kafka.
    published = json.loads(next((folder / "data").rglob("producer/config.json")).read_text())
    process.send_signal(signal.SIGINT)
    process.wait()
    published["rate"] = "max"
    local = None
    if bootstrap is None:
        command = [TARGET / "lakewright-local", "kafka", "--data", folder / "data", "--port", "0"]
        local = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        bootstrap = json.loads(local.stdout.readline())["kafka"]
    published["kafka"] = {"bootstrap": bootstrap, "security": {"protocol": "plaintext"}}
    config.write_text(json.dumps(published))
    environment = ENVIRONMENT | {"STATE_DIRECTORY": str(folder), "LOGS_DIRECTORY": str(folder)}
    agent = subprocess.Popen([TARGET / "lakewright-agent", "producer", "--config", config], stderr=subprocess.DEVNULL, env=environment)
    address = folder / "admin.address"
    until(address.exists)
    time.sleep(seconds)
    metrics = json.loads(urllib.request.urlopen(f"http://{address.read_text().strip()}/status").read())["metrics"]
    agent.send_signal(signal.SIGTERM)
    code, cpu, memory = finished(agent)
    events, size = metrics["events_total"], metrics["bytes_total"]
    print(
        f"producer at max to {bootstrap}: exit {code}, {events:.0f} events, {size / 1e6:.0f} MB in {seconds} s; "
        f"{events / cpu:.0f} events and {size / 1e6 / cpu:.0f} MB per CPU-second, {memory:.0f} MB of memory"
    )
    if local:
        local.terminate()
        local.wait()


def account_of_its_own(what, folder):
    import plans

    shop = ROOT / "stacks" / "shop.toml"
    if what == "apply":
        return plans.applies(TARGET, ROOT, folder, ENVIRONMENT, shop)
    account = plans.Measured(TARGET, ROOT, folder, ENVIRONMENT)
    given = sys.argv[2] if len(sys.argv) > 2 else None
    try:
        if what == "slow-plan":
            plans.slow(account, Path(given).resolve() if given else shop)
        elif what == "crowded":
            plans.crowded(account, shop, int(given or 500))
        else:
            plans.large(account, int(given or 1170))
    finally:
        account.stop()


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    folder = Path(tempfile.mkdtemp(prefix="lakewright-measure-"))
    try:
        if what == "plan":
            plan(folder)
        elif what in ("slow-plan", "crowded", "large", "apply"):
            account_of_its_own(what, folder)
        elif what == "first-row":
            first_row(folder)
        elif what == "producer":
            producer(folder, sys.argv[2] if len(sys.argv) > 2 else None, float(sys.argv[3]) if len(sys.argv) > 3 else 10)
        else:
            raise SystemExit(__doc__)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
