"""Who applies the stacks of a test's account: a role with the policies that `lakewright permissions` prints, and no more."""

import functools
import json
import subprocess
from pathlib import Path

import boto3
from botocore.config import Config

from conftest import ENVIRONMENT, PROGRAM, SECRET

# What is typed by those who apply a stack. All else is an administrator's, or of those who read what the stack holds.
APPLYING = {"adopt", "apply", "destroy", "outputs", "plan", "recover", "rotate", "status", "unlock"}
# Options of a command that say what its stack is.
SAYING = {"--region", "--var"}
# The policies that a role takes.
MOST = 10
# As long as AWS lets a session be.
SECONDS = 43_200


def purposes(words):
    """What the policies are for that somebody needs who types these words."""
    taking_over = {"adopt", "recover", "--delete-claimed"} & set(words)
    return ["setup", "apply", *(["adopt"] if taking_over else [])]


def stack_of(words):
    """The stack file that is named, and the options that say what it is."""
    file, more = None, []
    for at, word in enumerate(words):
        if word in SAYING:
            more += words[at : at + 2]
        elif word.endswith(".toml") and words[at - 1] not in SAYING:
            file = word
    return file, tuple(more)


def policies(words, number, folder, wanted=None):
    """The policies for some words, by name; None where they name no stack, or one with mistakes."""
    words = [str(word) for word in words]
    file, more = stack_of(words)
    if file is None:
        return None
    path = Path(folder, file)
    if not path.is_file():
        return None
    # What a stack file extends lies beside it.
    beside = tuple(sorted((one.name, one.read_text()) for one in path.parent.glob("*.toml")))
    found = {}
    for purpose in wanted or purposes(words):
        printed = permissions(path, more, number, purpose, beside)
        if printed is None:
            return None
        found |= printed
    return found


@functools.cache
def permissions(path, more, number, purpose, _beside):
    command = [PROGRAM, "permissions", path, *more, "--account", number, "--for", purpose]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        return None
    return {name: json.dumps(policy, separators=(",", ":")) for name, policy in json.loads(done.stdout).items()}


class Role:
    """A role of an account that its administrator gives policies, and a session of it."""

    def __init__(self, url, number, region, name="deployer"):
        self.name, self.number, self.held = name, number, {}
        self.own, self.before = {}, []
        keys = {"aws_access_key_id": number, "aws_secret_access_key": SECRET}
        client = functools.partial(
            boto3.client, endpoint_url=url, region_name=region, config=Config(retries={"max_attempts": 1}), **keys
        )
        self.iam = client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{number}:root"}, "Action": "sts:AssumeRole"}
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]
        session = {"RoleSessionName": "test", "DurationSeconds": SECONDS}
        self.keys = client("sts").assume_role(RoleArn=made["Arn"], **session)["Credentials"]

    def applies(self, wanted):
        """Gives the role the policies of a stack's file. Those of the file before stay beside them: they allow taking away what has
        left it."""
        if wanted != self.own:
            self.before = [text for text in self.own.values() if text not in wanted.values()]
            self.own = wanted
        beside = self.before[: MOST - len(wanted)]
        self.holds(wanted | {f"before-{at}": text for at, text in enumerate(beside)})

    def holds(self, wanted):
        """Gives the role these policies in the place of those that it has."""
        if wanted == self.held:
            return
        for name in self.held.keys() - {name for name, text in wanted.items() if self.held.get(name) == text}:
            self.iam.detach_role_policy(RoleName=self.name, PolicyArn=self.arn(name))
            self.iam.delete_policy(PolicyArn=self.arn(name))
            del self.held[name]
        for name, text in wanted.items():
            if name not in self.held:
                self.iam.create_policy(PolicyName=name, Path="/tests/", PolicyDocument=text)
                self.iam.attach_role_policy(RoleName=self.name, PolicyArn=self.arn(name))
                self.held[name] = text

    def arn(self, policy):
        return f"arn:aws:iam::{self.number}:policy/tests/{policy}"

    @property
    def environment(self):
        return {
            "AWS_ACCESS_KEY_ID": self.keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": self.keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.keys["SessionToken"],
        }


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
