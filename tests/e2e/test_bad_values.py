"""Whatever value a stack gives to a field: the plan refuses it with its place, or AWS takes all that an apply makes of it.

Each line of the stacks that assigns a value is tried with values that somebody may write by mistake. What the plan lets
pass is applied: no request may be refused, nor break a pattern, a length or an enumeration of botocore's models.
`LAKEWRIGHT_LONG=1` tries all of them, otherwise a sample, drawn with `LAKEWRIGHT_SEED`.
"""

import os
import random
import re
import shutil

import pytest

from account import Account
from conftest import ROOT
from recorder import Recorder, judge
from test_stacks import HERE, changes_of

LONG = os.environ.get("LAKEWRIGHT_LONG") == "1"
SEED = int(os.environ.get("LAKEWRIGHT_SEED") or 7)
SAMPLE = 40
STACKS = [ROOT / "stacks" / "shop.toml", ROOT / "stacks" / "production.toml", *sorted(HERE.glob("stacks/*.toml"))]

ASSIGNMENT = re.compile(r'^(\s*"?[\w.-]+"?\s*=\s*)(.+?)(\s*#.*)?$')
SECTION = re.compile(r"^\[([\w.-]+)\.([\w-]+)\]$")
TEXTS = ["", "x" * 300, "Upper_Case", "-a", "a b", "a..b", "ümlaut", "a/b", "a'b", "$a", "0"]
NUMBERS = [0, -1, 1, 7, 1_000_000, 10**12]
NAMES = ["x" * 70, "x" * 40, "Upper", "a_b", "a-b", "9a"]


def values(written):
    """What somebody may write in place of a value."""
    if re.fullmatch(r'"[^"]*"', written):
        inner = written[1:-1]
        found = [f'"{text}"' for text in TEXTS]
        if re.fullmatch(r"\d+(ms|s|m|h|d)", inner):
            found += ['"0s"', '"1s"', '"99999d"', '"90s"']
        if re.fullmatch(r"[\d.]+/\d+", inner):
            found += ['"10.0.0.0/8"', '"10.0.0.0/29"', '"10.0.0.1/24"', '"256.0.0.0/16"']
        return [*found, "7", "[]"]
    if re.fullmatch(r"-?\d[\d_]*", written):
        return [*map(str, NUMBERS), '"7"']
    if written in ("true", "false"):
        return [{"true": "false", "false": "true"}[written], '"true"']
    if re.fullmatch(r"\[.*\]", written):
        elements = re.findall(r'"[^"]*"', written)
        return ["[]", '[""]', '["none of them"]', *([f"[{elements[0]}, {elements[0]}]", f"[{elements[0]}]"] if elements else [])]
    return []


def cases():
    for stack in STACKS:
        lines = stack.read_text().splitlines()
        for at, line in enumerate(lines):
            if match := ASSIGNMENT.match(line):
                for value in values(match[2]):
                    if value != match[2]:
                        yield stack, at, match[1] + value
            elif match := SECTION.match(line):
                for name in NAMES:
                    yield stack, at, f"[{match[1]}.{name}]"


ALL = list(cases())
DRAWN = ALL if LONG else random.Random(SEED).sample(ALL, SAMPLE)


@pytest.fixture
def account(tmp_path):
    account = Account(tmp_path)
    yield account
    account.stop()


@pytest.mark.parametrize(("stack", "at", "line"), DRAWN, ids=lambda value: getattr(value, "stem", None) or str(value)[:60])
def test_what_aws_refuses_is_refused_by_the_plan(account, stack, at, line):
    lines = stack.read_text().splitlines()
    print(f"line {at + 1} of {stack.name}: {lines[at]!r} becomes {line!r}")
    lines[at] = line
    # A copy of the folder: models and code are named relative to the stack.
    written = account.folder / "copy" / stack.name
    shutil.copytree(stack.parent, written.parent)
    written.write_text("\n".join(lines) + "\n")
    more = changes_of(stack.stem)[1](account.client)
    plan = account.run("plan", written, *more)
    said = plan.stdout + plan.stderr
    assert "panicked at" not in plan.stderr and "bug in lakewright" not in plan.stderr, said
    if plan.returncode == 1:
        assert re.search(r"--> .+:\d+:\d+", plan.stderr), f"no place:\n{plan.stderr}"
        return
    assert plan.returncode in (0, 2), said
    recorder = Recorder(account.url)
    account.environment = account.environment | {"AWS_ENDPOINT_URL": recorder.url}
    try:
        done = account.run("apply", written, *more, "--yes", "--allow-data-loss", "all")
        if "does not exist" in done.stderr:
            return  # What is named instead of the stack's own may be somebody else's: whether it is there, the account says.
        assert done.returncode == 0, f"the plan let pass what the account refuses:\n{done.stderr[-3000:]}"
        problems = set()
        for service, method, path, headers, body in recorder.requests:
            problems.update(judge(service, method, path, headers, body)[1] if service != "s3" else [])
        assert not problems, "the plan let pass what AWS's models refuse:\n" + "\n".join(sorted(problems))
    finally:
        recorder.shutdown()
