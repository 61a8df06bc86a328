"""Remembers the requests to an account, and holds them against botocore's service models."""

import json
import re
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import botocore.session
import pytest
from botocore.parsers import RpcV2CBORParser
from botocore.validate import ParamValidator

from account import Account

# The name in the credential scope, and botocore's where it is another.
NAMES = {
    "elasticmapreduce-serverless": "emr-serverless", "emr-serverless": "emr-serverless", "tagging": "resourcegroupstaggingapi",
    "servicequotas": "service-quotas", "monitoring": "cloudwatch",
}  # fmt: skip
SESSION = botocore.session.get_session()


class Recorder(ThreadingHTTPServer):
    """Hands requests on to the account and remembers them."""

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.requests = upstream, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", self.headers.get("authorization", ""))
        self.server.requests.append((scope.group(1), self.command, self.path, dict(self.headers.items()), body))
        dropped = {"content-length", "connection", "accept-encoding", "host"}
        headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
        # The host that the client believes to speak to is signed.
        headers["X-Forwarded-Host"] = self.headers["host"]
        request = urllib.request.Request(self.server.upstream + self.path, data=body or None, headers=headers, method=self.command)
        try:
            with urllib.request.urlopen(request) as answer:
                status, found, content = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, found, content = error.code, error.headers, error.read()
        self.send_response_only(status)
        for name, value in found.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        size = found.get("content-length") if self.command == "HEAD" else str(len(content))
        self.send_header("content-length", size or "0")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = handle_one

    def log_message(self, *_):
        pass


@pytest.fixture
def account(tmp_path):
    """An account whose requests are remembered, for tests that import this."""
    account = Account(tmp_path)
    recorder = Recorder(account.url)
    account.environment = account.environment | {"AWS_ENDPOINT_URL": recorder.url}
    account.requests = recorder.requests
    yield account
    recorder.shutdown()
    account.stop()


def check_values(shape, value, where):
    """What botocore's validator leaves out: enumerations, patterns, lengths."""
    problems = []
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, inner in value.items():
            if name in shape.members:
                problems += check_values(shape.members[name], inner, f"{where}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for at, inner in enumerate(value):
            problems += check_values(shape.member, inner, f"{where}[{at}]")
    elif shape.type_name == "map" and isinstance(value, dict):
        for name, inner in value.items():
            problems += check_values(shape.value, inner, f"{where}.{name}")
    elif shape.type_name == "string" and isinstance(value, str):
        if getattr(shape, "enum", None) and value not in shape.enum:
            problems.append(f"{where}: {value!r} is none of {shape.enum[:8]}")
        metadata = shape.metadata
        if "max" in metadata and len(value) > metadata["max"]:
            problems.append(f"{where}: longer than {metadata['max']}")
        if "min" in metadata and len(value) < metadata["min"]:
            problems.append(f"{where}: shorter than {metadata['min']}")
        if "pattern" in metadata:
            try:
                fits = re.search(metadata["pattern"].replace("\\p{L}\\p{Z}\\p{N}", "\\w\\s"), value)
            except re.error:
                fits = True  # a pattern in Java's dialect
            if not fits:
                problems.append(f"{where}: {value[:80]!r} does not fit {metadata['pattern']}")
    return problems


def from_form(shape, form, prefix, ec2, used):
    """The value that a form means under a prefix, by the shape's wire names; keys that it explains go into `used`."""
    if shape.type_name == "structure":
        found = {}
        for name, member in shape.members.items():
            wire = member.serialization.get("queryName") or member.serialization.get("name", name)
            if ec2 and "queryName" not in member.serialization:
                wire = wire[:1].upper() + wire[1:]
            value = from_form(member, form, f"{prefix}.{wire}" if prefix else wire, ec2, used)
            if value is not None:
                found[name] = value
        return found or None
    if shape.type_name == "list":
        flat = ec2 or shape.serialization.get("flattened")
        base = prefix if flat else f"{prefix}.{shape.member.serialization.get('name', 'member')}"
        values, at = [], 1
        while any(key == f"{base}.{at}" or key.startswith(f"{base}.{at}.") for key in form):
            values.append(from_form(shape.member, form, f"{base}.{at}", ec2, used))
            at += 1
        return values or None
    if shape.type_name == "map":
        found, at = {}, 1
        while f"{prefix}.entry.{at}.key" in form:
            used.add(f"{prefix}.entry.{at}.key")
            key = form[f"{prefix}.entry.{at}.key"]
            found[key] = from_form(shape.value, form, f"{prefix}.entry.{at}.value", ec2, used)
            at += 1
        return found or None
    if prefix not in form:
        return None
    used.add(prefix)
    text = form[prefix]
    if shape.type_name == "boolean":
        assert text in ("true", "false"), f"{prefix}={text}"
        return text == "true"
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name in ("double", "float"):
        return float(text)
    return text


def by_member(shape, value):
    """A REST body with members named as the model names them, not as they are on the wire."""
    if shape is not None and shape.type_name == "structure" and isinstance(value, dict):
        located = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        return {located.get(wire, wire): by_member(shape.members.get(located.get(wire)), inner) for wire, inner in value.items()}
    if shape is not None and shape.type_name == "list" and isinstance(value, list):
        return [by_member(shape.member, inner) for inner in value]
    return value


def from_xml(shape, element):
    """The value that an XML element means, by the shape's wire names; members that the shape lacks keep theirs."""
    if shape.type_name == "structure":
        found = {}
        located = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        for inner in element:
            wire = inner.tag.rpartition("}")[2]
            name = located.get(wire)
            found[name or wire] = from_xml(shape.members[name], inner) if name else inner.text
        return found
    if shape.type_name == "list":
        return [from_xml(shape.member, inner) for inner in element]
    text = element.text or ""
    if shape.type_name == "boolean":
        assert text in ("true", "false"), f"{element.tag}={text}"
        return text == "true"
    return int(text) if shape.type_name in ("integer", "long") else text


def from_cbor(body):
    """The value that a CBOR body means, by botocore's own reader."""
    parser = RpcV2CBORParser()
    return parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}


def content(model, shape, body):
    """The members that the body of a REST request holds."""
    if not body:
        return {}
    if model.metadata["protocol"] == "rest-xml":
        return from_xml(shape, ElementTree.fromstring(body))
    return by_member(shape, json.loads(body))


def rest_input(model, path, body, method):
    """The operation and its input of a REST request, by the model's URI templates."""
    parts = urlsplit(path)
    for name in model.operation_names:
        operation = model.operation_model(name)
        template = operation.http["requestUri"].split("?")[0]
        if operation.http["method"] != method:
            continue
        # A slash at the end means nothing to Route 53, the one service whose model has it.
        pattern = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", template.rstrip("/"))
        match = re.fullmatch(pattern, parts.path.rstrip("/"))
        if not match:
            continue
        shape = operation.input_shape
        members = shape.members if shape else {}
        value = content(model, shape, body)
        located = {member.serialization.get("name", name): name for name, member in members.items()}
        for wire, text in [*match.groupdict().items(), *parse_qsl(parts.query)]:
            name = located.get(wire, wire)
            member, text = members.get(name), unquote(text)
            if member is not None and member.type_name == "list":
                value.setdefault(name, []).append(text)
            else:
                value[name] = int(text) if member is not None and member.type_name in ("integer", "long") else text
        return operation, value
    raise AssertionError(f"no operation for {method} {path}")


def understood(service, method, path, headers, body):
    """The operation of a request, its input as the model names it, and what the model doesn't explain."""
    model = SESSION.get_service_model(NAMES.get(service, service))
    # Some services take more than one protocol: the request says which.
    sent = {name.lower(): value for name, value in headers.items()}
    form = sent.get("content-type", "").startswith("application/x-www-form-urlencoded")
    protocol = "json" if "x-amz-target" in sent else model.metadata["protocol"]
    protocol = "query" if form and protocol != "ec2" else protocol
    if protocol in ("query", "ec2"):
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        operation = model.operation_model(form.pop("Action"))
        form.pop("Version")
        used = set()
        value = from_form(operation.input_shape, form, "", protocol == "ec2", used) if operation.input_shape else {}
        return operation, value or {}, [f"unknown parameter {key}" for key in form.keys() - used]
    if sent.get("smithy-protocol") == "rpc-v2-cbor":
        return model.operation_model(path.rsplit("/", 1)[-1]), from_cbor(body), []
    if protocol == "json":
        return model.operation_model(sent["x-amz-target"].split(".")[-1]), json.loads(body or b"{}"), []
    return *rest_input(model, path, body, method), []


def judge(service, method, path, headers, body):
    operation, value, extra = understood(service, method, path, headers, body)
    shape = operation.input_shape
    if shape is None:
        return operation.name, extra
    report = ParamValidator().validate(value, shape)
    problems = [report.generate_report()] if report.has_errors() else []
    return operation.name, problems + check_values(shape, value, operation.name) + extra


# The permissions behind requests to AWS Budgets, which has one for all that changes and one for all that reads.
BUDGETS = {"Create": "ModifyBudget", "Update": "ModifyBudget", "Delete": "ModifyBudget", "Describe": "ViewBudget"}

# The permissions behind requests to S3 whose names are others than the operations'.
S3_ACTIONS = {
    ("GET", "encryption"): "GetEncryptionConfiguration", ("PUT", "encryption"): "PutEncryptionConfiguration",
    ("GET", "lifecycle"): "GetLifecycleConfiguration", ("PUT", "lifecycle"): "PutLifecycleConfiguration",
    ("GET", "publicAccessBlock"): "GetBucketPublicAccessBlock", ("PUT", "publicAccessBlock"): "PutBucketPublicAccessBlock",
    ("GET", "policy"): "GetBucketPolicy", ("PUT", "policy"): "PutBucketPolicy",
    ("GET", "tagging"): "GetBucketTagging", ("PUT", "tagging"): "PutBucketTagging",
    ("GET", "versioning"): "GetBucketVersioning", ("PUT", "versioning"): "PutBucketVersioning",
    ("GET", "ownershipControls"): "GetBucketOwnershipControls", ("PUT", "ownershipControls"): "PutBucketOwnershipControls",
    ("GET", "logging"): "GetBucketLogging", ("PUT", "logging"): "PutBucketLogging",
    ("GET", "notification"): "GetBucketNotification", ("PUT", "notification"): "PutBucketNotification",
    ("GET", "versions"): "ListBucketVersions", ("GET", "uploads"): "ListBucketMultipartUploads",
    ("GET", "list-type"): "ListBucket", ("POST", "delete"): "DeleteObjectVersion",
    ("DELETE", "encryption"): "PutEncryptionConfiguration", ("DELETE", "lifecycle"): "PutLifecycleConfiguration",
    ("DELETE", "ownershipControls"): "PutBucketOwnershipControls", ("DELETE", "policy"): "DeleteBucketPolicy",
    ("DELETE", "publicAccessBlock"): "PutBucketPublicAccessBlock", ("DELETE", "tagging"): "PutBucketTagging",
}  # fmt: skip


def action_of(service, method, path, operation):
    if service == "budgets":
        verb = re.match("[A-Z][a-z]+", operation).group()
        return f"budgets:{BUDGETS.get(verb, operation)}"
    if service != "s3":
        return f"{NAMES.get(service, service).replace('resourcegroupstaggingapi', 'tag').replace('service-quotas', 'servicequotas')}:{operation}"
    parts = urlsplit(path)
    # The SDK names the operation of some requests in `x-id`, which S3 ignores.
    settings = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if name != "x-id"]
    if method == "DELETE" and "versionId" in settings:
        return "s3:DeleteObjectVersion"
    if settings:
        return f"s3:{S3_ACTIONS[method, settings[0]]}"
    bucket, _, key = parts.path.strip("/").partition("/")
    if method == "HEAD" and not key:
        return "s3:ListBucket"
    what = "Object" if key else "Bucket"
    return "s3:" + {"PUT": "Put" if key else "Create", "GET": "Get", "HEAD": "Get", "DELETE": "Delete"}[method] + what
