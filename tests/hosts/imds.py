"""An EC2 instance metadata service that takes tokens only. Usage: imds.py USER_DATA INSTANCE_ID ADDRESS CREDENTIALS, its log on
stdout; CREDENTIALS is where the account gives out those of the host's profile."""

import json
import secrets
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER_DATA, INSTANCE, ADDRESS, CREDENTIALS = open(sys.argv[1], "rb").read(), *sys.argv[2:]
MAC, ROLE = "02:00:00:00:00:01", "test-host"
TOKENS = set()


def credentials():
    with urllib.request.urlopen(CREDENTIALS) as answer:
        found = json.load(answer)
    own = {name: found[name] for name in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")}
    return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2025-01-01T00:00:00Z"} | own)


META_DATA = {
    "ami-id": "ami-0123456789abcdef0",
    "hostname": "ip-10-20-0-10.ec2.internal",
    "iam": {"info": json.dumps({"Code": "Success"}), "security-credentials": {ROLE: credentials}},
    "instance-id": INSTANCE,
    "instance-type": "t3.medium",
    "local-hostname": "ip-10-20-0-10.ec2.internal",
    "local-ipv4": "10.20.0.10",
    "mac": MAC,
    "network": {"interfaces": {"macs": {MAC: {"device-number": "0", "local-ipv4s": "10.20.0.10", "mac": MAC}}}},
    "placement": {"availability-zone": "eu-north-1a", "region": "eu-north-1"},
    "services": {"domain": "amazonaws.com", "partition": "aws"},
}
IDENTITY = json.dumps({"accountId": "123456789012", "region": "eu-north-1", "instanceId": INSTANCE, "architecture": "x86_64"})


def look(path):
    """The text at a path, a folder's as the list of what is in it."""
    found = {"meta-data": META_DATA, "user-data": USER_DATA, "dynamic": {"instance-identity": {"document": IDENTITY}}}
    for part in filter(None, path.split("/")):
        found = found.get(part) if isinstance(found, dict) else None
    if callable(found):
        found = found()
    if isinstance(found, dict):
        return "\n".join(name + "/" * isinstance(inner, dict) for name, inner in found.items())
    return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send(self, status, body=b""):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if status == 200 and self.command == "PUT":
            self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        if self.path != "/latest/api/token" or not self.headers.get("x-aws-ec2-metadata-token-ttl-seconds"):
            return self.send(400)
        token = secrets.token_urlsafe(32)
        TOKENS.add(token)
        self.send(200, token)

    def do_GET(self):
        if self.headers.get("x-aws-ec2-metadata-token") not in TOKENS:
            return self.send(401)
        version, _, path = self.path.split("?")[0].lstrip("/").partition("/")
        if not version:
            return self.send(200, "1.0\n2018-09-24\n2021-03-23\nlatest")
        found = look(path)
        self.send(404) if found is None else self.send(200, found)

    def log_message(self, form, *values):
        print(form % values, flush=True)


ThreadingHTTPServer.allow_reuse_address = True
ThreadingHTTPServer((ADDRESS, 80), Handler).serve_forever()
