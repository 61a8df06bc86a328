#!/usr/bin/env python3
"""Makes the accounts that `tests/e2e/test_upgrade.py` starts from, with the programs of an older version:

    tests/upgrade/make.py FOLDER

where FOLDER holds that version's `lakewright` and `lakewright-local`. Each stack of `stacks/` is applied to an account of its own,
whose data is then kept beside this script.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from kept import HERE, STACKS, agent, documents, pack, records

ACCOUNT, SECRET = "123456789012", "local"


def main():
    programs = Path(sys.argv[1]).resolve()
    version = subprocess.run([programs / "lakewright", "--version"], capture_output=True, text=True, check=True).stdout
    for stack in sorted(STACKS.glob("*.toml")):
        with tempfile.TemporaryDirectory() as folder:
            make(programs, stack, Path(folder))
        kept = HERE / f"{stack.stem}.jsonl"
        print(f"{kept}: {kept.stat().st_size} bytes, by {version.strip()}")


def make(programs, stack, folder):
    """Applies a stack to a new account, and keeps that."""
    data = folder / "local"
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAKEWRIGHT_"))}
    environment = own | {"NO_COLOR": "1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    server = subprocess.Popen(
        [programs / "lakewright-local", "serve", "--data", data],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment | {"LAKEWRIGHT_ACCOUNT_SECRET": SECRET},
    )
    try:
        client = environment | {
            "AWS_ENDPOINT_URL": json.loads(server.stdout.readline())["account"], "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": SECRET, "LAKEWRIGHT_PACE": "local", "LAKEWRIGHT_AGENT": str(agent(folder)),
            "LAKEWRIGHT_PROGRAM": "/bin/true", "XDG_CACHE_HOME": str(folder / "cache"),
        }
        for words in (["apply", stack, "--yes"], ["plan", stack, "--detailed-exitcode"]):
            subprocess.run([programs / "lakewright", *words], env=client, check=True, stdout=subprocess.DEVNULL)
    finally:
        server.terminate()
        server.wait()
    made = records(documents(data / "account" / "state"))
    assert made and all(record.startswith("1:") for record in made), "this version signs its records already"
    pack(data, HERE / f"{stack.stem}.jsonl")


if __name__ == "__main__":
    main()
