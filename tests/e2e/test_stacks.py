"""Whole lives of stacks: applied, planned again, changed by others, destroyed; every request held against botocore's models.

Each file of `stacks/` at the top and of the folder beside this one is a case. `drifts_NAME.py` holds what others change in
the stack NAME, and `prepare(aws)` there makes what the stack expects to exist and returns the arguments that name it.
"""

import fnmatch
import importlib
import json
from pathlib import Path

import pytest

from account import ACCOUNT
from conftest import ROOT
from drifts import ANY, DRIFTS
from recorder import account, action_of, judge
from unread import unread

HERE = Path(__file__).parent
STACKS = sorted([*ROOT.glob("stacks/*.toml"), *HERE.glob("stacks/*.toml")])
# The most requests that a plan without changes may take: of these stacks, and of any.
REQUESTS = {"shop": 79, "production": 102}
MOST_REQUESTS = 112


def changes_of(name):
    """What others change in a stack, and what it expects to exist."""
    try:
        module = importlib.import_module(f"drifts_{name.replace('-', '_')}")
    except ModuleNotFoundError:
        return [], lambda _: []
    own = [change for change in DRIFTS if change[0].__module__ == module.__name__]
    return own, getattr(module, "prepare", lambda _: [])


@pytest.mark.parametrize("stack", STACKS, ids=lambda path: path.stem)
def test_a_stack_lives_and_goes(account, stack):
    changes, prepare = changes_of(stack.stem)
    more = prepare(account.client)
    account.run("plan", stack, *more, "--detailed-exitcode", code=2)
    account.run("apply", stack, *more, "--yes", code=0)
    for group in account.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]:
        assert len(group["Instances"]) == group["DesiredCapacity"], group["AutoScalingGroupName"]
    planner = account.planner("plan", stack, *more)
    before = len(account.requests)
    account.run("plan", stack, *more, "--detailed-exitcode", code=0, keys=planner)
    sweep = account.requests[before:]
    requests = len(sweep)
    print(f"a no-op plan of {stack.stem} sends {requests} requests")
    assert requests <= REQUESTS.get(stack.stem, MOST_REQUESTS)

    for change, address, path, was, becomes in changes:
        change(account.client)
        found = account.run("plan", stack, *more, "--drift", "--format", "json", code=0)
        steps = json.loads(found.stdout)["steps"]
        assert [(step["address"], step["cause"]) for step in steps] == [(address, "drift")], change.__name__
        if path is not None:
            lines = {line["path"]: line for line in steps[0]["changes"]}
            assert path in lines, (change.__name__, list(lines))
            for value, told in ((was, lines[path]["before"]), (becomes, lines[path]["after"])):
                assert told is not None if value is ANY else told == value, (change.__name__, lines[path])
        account.run("apply", stack, *more, "--drift-only", "--yes", "--allow-data-loss", "all", code=0)
        account.run("plan", stack, *more, "--detailed-exitcode", code=0)

    account.run("destroy", stack, *more, "--yes", "--allow-data-loss", "all", code=0)
    plan = json.loads(account.run("plan", stack, *more, "--format", "json", code=0).stdout)
    assert {step["action"] for step in plan["steps"]} == {"create"}, "something of the stack outlived destroy"
    judge_requests(account, stack, more, sweep)


def judge_requests(account, stack, more, sweep):
    """Every request is as botocore models it, and covered by the policies of those who apply the stack and were the first to apply
    one; what one writes, the requests of a plan without changes read."""
    policies = {}
    for purpose in ("apply", "setup"):
        words = ["permissions", stack, *more, "--account", ACCOUNT, "--for", purpose]
        policies |= json.loads(account.run(*words, code=0).stdout)
    assert len(policies) <= 10, "a role takes ten policies"
    for name, policy in policies.items():
        assert len(json.dumps(policy, separators=(",", ":"))) <= 6144, f"IAM takes no policy as long as {name}"
    statements = [statement for policy in policies.values() for statement in policy["Statement"]]
    allowed = [pattern for statement in statements if statement["Effect"] == "Allow" for pattern in statement["Action"]]
    problems, judged = {}, set()
    for service, method, path, headers, body in account.requests:
        operation, found = judge(service, method, path, headers, body) if service != "s3" else ("", [])
        action = action_of(service, method, path, operation)
        if not any(fnmatch.fnmatchcase(action, pattern) for pattern in allowed):
            problems.setdefault("lakewright permissions", set()).add(f"lacks {action}")
        # A bucket that doesn't exist yet has no owner to name.
        owner = {name.lower(): value for name, value in headers.items()}.get("x-amz-expected-bucket-owner")
        if service == "s3" and action != "s3:CreateBucket" and owner != ACCOUNT:
            problems.setdefault("bucket owner", set()).add(f"{method} {path} expects {owner}")
        if service == "s3":
            continue
        judged.add((service, operation))
        for problem in found:
            problems.setdefault(f"{service} {operation}", set()).add(problem)
    if lost := unread(account.requests, sweep):
        problems["written and not read"] = lost
    print(f"{len(judged)} operations judged")
    assert not problems, "\n".join(f"{where}: {what}" for where, found in problems.items() for what in found)
