"""The same life against moto, which others wrote: what it takes for AWS is taken for AWS here too."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

import drifts
from account import Account, environment, with_password
from conftest import ROOT

# What moto 5 doesn't serve as AWS does. Left out with each is what needs it.
WITHOUT = [
    "msk_configuration.*",  # no operation of them; without them there is no cluster, no association and no topic
    "table.*",  # CreateTable writes no Iceberg metadata: there are no columns to read
    "emr_application.*",  # TagResource answers 404; the hosts that name the application go with it
]
# Sweeps ask for all kinds, and this is the one list that moto doesn't know.
UNKNOWN = {"/v1/configurations": {"configurations": []}}
# Of what others change, some of each service.
TAKEN = [
    drifts.a_security_group_opened_to_the_world, drifts.a_route_added, drifts.a_networks_names,
    drifts.a_buckets_versioning, drifts.a_lifecycle_rule_added, drifts.a_keys_rotation, drifts.a_key_policy,
    drifts.a_secrets_description, drifts.a_log_groups_retention,
    drifts.a_log_group_deleted, drifts.an_endpoint_deleted,
]


class Front(ThreadingHTTPServer):
    """Hands everything on to moto, and does some things in its place: the list that it doesn't know; bucket policies,
    which it holds against requests without looking at their conditions, so that the demand for TLS refuses everything;
    the tags of a CreateBucket, which it forgets; and the key's id in a ScheduleKeyDeletion, which knows no ARN."""

    daemon_threads = True

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.policies = upstream, {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def hand_on(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, query = urlsplit(self.path).path, urlsplit(self.path).query
        if query.rstrip("=") == "policy":
            return self.policy(path, body)
        if self.command == "GET" and path in UNKNOWN:
            return self.answer(200, {}, json.dumps(UNKNOWN[path]).encode())
        if self.headers.get("x-amz-target", "").endswith(".ScheduleKeyDeletion"):
            body = re.sub(rb'"arn:[^"]*:key/', b'"', body)
        answer = self.ask(self.path, body)
        tags = re.search(rb"<Tags>(.*)</Tags>", body) if self.command == "PUT" and path.strip("/").count("/") == 0 else None
        if tags and answer[0] == 200:
            self.ask(f"{path}?tagging", b"<Tagging><TagSet>" + tags.group(1) + b"</TagSet></Tagging>")
        status, headers, content = answer
        # moto calls this answer by the operation's name, where S3 has the setting's; the SDK reads no other.
        content = content.replace(b"GetBucketVersioningResponse", b"VersioningConfiguration")
        # And it answers null for a work group that isn't there, where Athena refuses.
        if self.headers.get("x-amz-target", "").endswith(".GetWorkGroup") and json.loads(content or b"{}").get("WorkGroup", 0) is None:
            status, content = 400, json.dumps({"__type": "InvalidRequestException", "Message": "WorkGroup is not found."}).encode()
        self.answer(status, headers, content)

    def ask(self, path, body):
        upstream = http.client.HTTPConnection(self.server.upstream)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in {"connection", "content-length"}}
        upstream.request(self.command, path, body=body, headers=kept)
        got = upstream.getresponse()
        answer = got.status, dict(got.getheaders()), got.read()
        upstream.close()
        return answer

    def policy(self, bucket, body):
        kept = self.server.policies
        if self.command == "PUT":
            kept[bucket] = body
        elif self.command == "DELETE":
            kept.pop(bucket, None)
        elif bucket in kept:
            return self.answer(200, {}, kept[bucket])
        else:
            return self.answer(404, {}, b"<Error><Code>NoSuchBucketPolicy</Code><Message>none</Message></Error>")
        return self.answer(204, {}, b"")

    def answer(self, status, headers, content):
        self.send_response_only(status)
        size = next((value for name, value in headers.items() if name.lower() == "content-length"), "0")
        for name, value in headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("content-length", size if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = hand_on

    def log_message(self, *_):
        pass


# moto shows the tags that a launch template was made with, and none that it got since.
MOTO = """
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.server import main

LaunchTemplate.tags = property(lambda template: template.get_tags(), lambda template, tags: None)
main()
"""


class Moto(Account):
    """moto's server, behind its front."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(ROOT / "stacks", folder / "stacks")
        self.stack = folder / "stacks" / "shop.toml"
        with_password(self.stack)
        # moto lists saved queries and doesn't describe them.
        text = self.stack.read_text()
        without = re.sub(r"(?ms)^\[queries\..*?(?=^\[|\Z)", "", text)
        assert without != text
        self.stack.write_text(without)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log = open(folder / "moto.log", "wb")
        self.process = subprocess.Popen(
            [sys.executable, "-c", MOTO, "-H", "127.0.0.1", "-p", str(port)],
            # AWS's own managed policies are loaded only on demand.
            env=os.environ | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}, stdout=self.log, stderr=self.log,
        )
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, (folder / "moto.log").read_text()
                time.sleep(0.1)
        self.front = Front(f"127.0.0.1:{port}")
        self.url = self.front.url
        self.environment = environment(self.url)

    def keys(self, *words):
        """moto judges nobody."""
        return {}

    def shop(self, command, *words, code=None):
        left_out = [word for pattern in WITHOUT for word in ("--exclude", pattern)]
        return self.run(command, self.stack, *left_out, *words, code=code)

    def stop(self):
        self.front.shutdown()
        self.front.server_close()
        super().stop()


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = Moto(tmp_path_factory.mktemp("moto"))
    yield server
    server.stop()


def test_a_life_on_moto(moto):
    done = moto.shop("apply", "--yes", code=0)
    made = done.stderr.count(" created ")
    assert made >= 35, done.stderr
    plan = json.loads(moto.shop("plan", "--format", "json", "--detailed-exitcode", code=0).stdout)
    assert {one["action"] for one in plan["left_out"]} == {"create"}, plan["left_out"]
    # The lease is an object that is written only in place of what was read.
    s3 = moto.client("s3")
    (name,) = [one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"].startswith("lakewright-")]
    lease = json.loads(s3.get_object(Bucket=name, Key="stacks/shop.json")["Body"].read())
    assert lease["holder"] is None and len(lease["memory"]["lived"]) == made

    for change, address, path, _, _ in (drift for drift in drifts.DRIFTS if drift[0] in TAKEN):
        change(moto.client)
        plan = json.loads(moto.shop("plan", "--drift", "--format", "json", code=0).stdout)
        assert len(plan["steps"]) == 1, [(one["address"], one["action"], one["note"], one["changes"]) for one in plan["steps"]]
        (step,) = plan["steps"]
        assert step["address"] == address and (path is None or path in [one["path"] for one in step["changes"]]), step
        moto.shop("apply", "--drift-only", "--yes", code=0)
    moto.shop("plan", "--detailed-exitcode", code=0)
    moto.shop("destroy", "--yes", "--allow-data-loss", "all", code=0)
    plan = json.loads(moto.shop("plan", "--format", "json", code=0).stdout)
    assert {step["action"] for step in plan["steps"]} == {"create"}
