"""Runs `lakewright` as a user would, in a folder of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What tests in several folders share.
sys.path.insert(0, str(ROOT / "tests"))
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAM = str(TARGET / "debug" / "lakewright")
PATIENCE = 120
# What access keys sign with in every account that a test starts.
SECRET = "local"
# `LAKEWRIGHT_ACCOUNT_PERMISSIVE=1` lets every call pass, to be compared with.
PERMISSIVE = os.environ.get("LAKEWRIGHT_ACCOUNT_PERMISSIVE") == "1"
# How accounts behave; so does `up`.
CONDUCT = ["--permissive"] if PERMISSIVE else []

# Nothing of the machine's own AWS settings may reach the tests. Their accounts are on this machine.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("AWS_")
} | {"NO_COLOR": "1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "LAKEWRIGHT_PACE": "local",
    # What a pipeline's builds would run: no test builds anything with it, and it is small.
    "LAKEWRIGHT_PROGRAM": "/bin/true",
    # What Spark would run, likewise.
    "LAKEWRIGHT_STREAM_JOB": "/bin/true",
}


class Up:
    """One `lakewright up` with its data folder."""

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack
        self.data = folder / "data"
        # `up` makes a secret key where there is none; this one is known to all of a test's clients.
        self.data.mkdir(mode=0o700)
        secret = self.data / "secret"
        secret.touch(mode=0o600)
        secret.write_text(SECRET)
        self.process = None

    def command(self, *words):
        conduct = CONDUCT if words[0] == "up" else []
        return [PROGRAM, "--data", str(self.data), "--stack", str(self.stack), *words, *conduct]

    def start(self, *more):
        self.output = open(self.folder / "up.log", "ab")
        self.process = subprocess.Popen(
            self.command("up", "--plain", *more),
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, env=ENVIRONMENT, start_new_session=True,
        )

    def log(self):
        return (self.folder / "up.log").read_text(errors="replace")[-6000:]

    def run(self, *words, check=None):
        done = subprocess.run(
            self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=ENVIRONMENT, timeout=300
        )
        if check is not None:
            assert done.returncode == check, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def record(self):
        try:
            return json.loads((self.data / "run.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def scalar(self, sql):
        """The single number that a query gives; 0 while its tables are not there yet."""
        done = self.run("query", "--local", "--format", "json", sql)
        if done.returncode != 0:
            return 0
        rows = json.loads(done.stdout)
        return int(next(iter(rows[0].values()))) if rows else 0

    def wait(self, what, condition):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self.process.poll() is None, f"up ended with {self.process.returncode}:\n{self.log()}"
            if condition():
                return
            time.sleep(0.3)
        raise AssertionError(f"{what} did not come true within {PATIENCE} s:\n{self.log()}")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=PATIENCE)

    def kill(self):
        """A kill -9 of everything, as when the machine loses power."""
        record = self.record() or {"children": []}
        for pid in [self.process.pid, *(child["pid"] for child in record["children"])]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


@pytest.fixture
def minimal_up(tmp_path):
    """Makes a run of the smallest stack with some of its lines changed; it is ended with the test."""
    made = []

    def make(*changes):
        shutil.copytree(ROOT / "stacks", tmp_path / "stacks")
        stack = tmp_path / "stacks" / "minimal.toml"
        text = stack.read_text()
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        stack.write_text(text)
        made.append(Up(tmp_path, stack))
        return made[-1]

    yield make
    for up in made:
        if up.process and up.process.poll() is None:
            up.kill()


@pytest.fixture
def make_up(tmp_path):
    """Makes runs of the shop whose producer repeats and breaks some messages; they are ended with the test."""
    made = []

    def make(name="one", producer=""):
        folder = tmp_path / name
        shutil.copytree(ROOT / "stacks", folder / "stacks")
        stack = folder / "stacks" / "shop.toml"
        text = stack.read_text()
        assert "[agents.producer]" in text
        text = text.replace("[agents.producer]", f"[agents.producer]\nduplicates = 0.02\nbroken = 0.02\n{producer}")
        stack.write_text(text)
        made.append(Up(folder, stack))
        return made[-1]

    yield make
    for up in made:
        if up.process and up.process.poll() is None:
            up.kill()
