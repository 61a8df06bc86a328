"""What a hostile program or web page on the machine may send: each request is refused, and the next one is answered."""

import hashlib
import hmac
import http.client
import os
import select
import socket
import time
from datetime import datetime, timezone
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import REGION, SECRET, Account

HERE = {"LocationConstraint": REGION}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def s3(account):
    account.client("s3").create_bucket(Bucket="hostile", CreateBucketConfiguration=HERE)
    return account.client("s3")


def send(account, method, target, body=b"", **headers):
    """A request as it is written here; its status and the text of its answer."""
    connection = http.client.HTTPConnection(urlsplit(account.url).netloc, timeout=60)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, body, names)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def signed(account, service, method, target, body=b"", secret=SECRET, host=None, **headers):
    """The same with a signature."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    url = account.url if host is None else f"http://{host}"
    request = AWSRequest(method=method, url=url + target, data=body, headers=headers)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials("123456789012", secret), service, REGION).add_auth(request)
    all_headers = dict(request.headers) | ({"Host": host} if host else {})
    return send(account, method, target, body, **{name.replace("-", "_"): value for name, value in all_headers.items()})


def works(account):
    """Whether the account answers the next one who asks."""
    return account.client("sts").get_caller_identity()["Account"] == "123456789012"


def until(what, condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.mark.parametrize("dots", [40, 1_000, 200_000])
def test_names_of_many_parts(account, dots):
    body = ("Action=DescribeVpcs&Version=2016-11-15&" + ".".join("a" * dots) + "=1").encode()
    status, text = signed(account, "ec2", "POST", "/", body, content_type=FORM)
    assert (status, "<Code>MalformedQueryString</Code>" in text) == (400, True), text[:300]
    assert works(account)


@pytest.mark.parametrize("depth", [40, 50_000])
def test_documents_of_many_levels(account, s3, depth):
    body = b"<Tagging>" + b"<a>" * depth + b"</a>" * depth + b"</Tagging>"
    status, text = signed(account, "s3", "PUT", "/hostile?tagging", body)
    assert (status, "<Code>MalformedXML</Code>" in text) == (400, True), text[:300]
    route = b'<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">'
    body = route + b"<a>" * depth + b"</a>" * depth + b"</CreateHostedZoneRequest>"
    assert signed(account, "route53", "POST", "/2013-04-01/hostedzone", body)[0] == 400
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    target = {"x_amz_target": "TrentService.CreateKey", "content_type": "application/x-amz-json-1.1"}
    status, text = signed(account, "kms", "POST", "/", nested, **target)
    assert (status, "SerializationException" in text) == (400, True), text[:300]
    head = {"smithy_protocol": "rpc-v2-cbor", "content_type": "application/cbor"}
    path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms"
    assert signed(account, "monitoring", "POST", path, b"\xa1\x61a" * depth + b"\x01", **head)[0] == 400
    assert works(account)


def test_bodies_that_are_too_long(account, s3):
    body = b"Action=DescribeVpcs&Version=2016-11-15&a=" + b"x" * (11 << 20)
    assert signed(account, "ec2", "POST", "/", body, content_type=FORM)[0] == 413
    assert signed(account, "s3", "PUT", "/hostile?tagging", b"<Tagging>" + b" " * (5 << 20))[0] == 400
    assert works(account)


def test_other_hosts_and_other_pages(account, s3):
    port = urlsplit(account.url).port
    for target in ["/", "/hostile", "/_lakewright/faults"]:
        for host in ["evil.example", f"evil.example:{port}", "127.0.0.1", f"localhost.evil.example:{port}", f"10.0.0.1:{port}"]:
            assert send(account, "GET", target, Host=host)[0] == 421, (target, host)
        for origin in ["http://evil.example", "null", "http://localhost:3000", f"https://127.0.0.1:{port}"]:
            assert send(account, "GET", target, Origin=origin)[0] == 403, (target, origin)
        assert send(account, "GET", target, Sec_Fetch_Site="cross-site")[0] == 403, target
    # What a page may send without asking first, as it once stopped the account.
    simple = "/?X-Amz-Credential=x%2F20260101%2Feu-north-1%2Fec2%2Faws4_request"
    body = ("Action=DescribeVpcs&" + ".".join("a" * 1_000) + "=1").encode()
    assert send(account, "POST", simple, body, Content_Type="text/plain", Origin="http://evil.example")[0] == 403
    status, _ = send(account, "POST", simple, body, Content_Type="text/plain")
    assert 400 <= status < 500
    for host in [f"localhost:{port}", f"[::1]:{port}"]:
        form = b"Action=GetCallerIdentity&Version=2011-06-15"
        status, text = signed(account, "sts", "POST", "/", form, host=host, content_type=FORM)
        assert (status, "<Account>123456789012</Account>" in text) == (200, True), (host, text)
    assert works(account)


def test_a_bucket_in_the_host(account, s3):
    port = urlsplit(account.url).port
    s3.put_object(Bucket="hostile", Key="a b/c", Body=b"by its host")
    for host in [f"hostile.localhost:{port}", f"hostile.s3.localhost:{port}"]:
        assert signed(account, "s3", "GET", "/a%20b/c", host=host) == (200, "by its host")
        assert "<Key>a b/c</Key>" in signed(account, "s3", "GET", "/?list-type=2", host=host)[1]


@pytest.mark.parametrize("service, call, code", [
    ("s3", lambda client: client.list_objects_v2(Bucket="hostile"), "SignatureDoesNotMatch"),
    ("s3", lambda client: client.put_object(Bucket="hostile", Key="k", Body=b"x" * 1_000_000), "SignatureDoesNotMatch"),
    ("s3", lambda client: client.head_bucket(Bucket="hostile"), "403"),
    ("ec2", lambda client: client.describe_vpcs(), "AuthFailure"),
    ("sts", lambda client: client.get_caller_identity(), "SignatureDoesNotMatch"),
    ("iam", lambda client: client.list_roles(), "SignatureDoesNotMatch"),
    ("route53", lambda client: client.list_hosted_zones(), "SignatureDoesNotMatch"),
    ("secretsmanager", lambda client: client.list_secrets(), "InvalidSignatureException"),
    ("kafka", lambda client: client.list_clusters_v2(), "InvalidSignatureException"),
    ("lambda", lambda client: client.list_functions(), "InvalidSignatureException"),
    ("cloudwatch", lambda client: client.describe_alarms(), "InvalidSignatureException"),
])
def test_a_wrong_secret(account, s3, refused, service, call, code):
    call(account.client(service, key="123456789012"))
    client = boto3.client(
        service, endpoint_url=account.url, region_name=REGION, aws_access_key_id="123456789012", aws_secret_access_key="wrong",
    )
    with refused(code, 403):
        call(client)
    assert works(account)


def test_what_is_signed_is_what_is_done(account, s3):
    get = s3.generate_presigned_url("get_object", Params={"Bucket": "hostile", "Key": "signed"})
    s3.put_object(Bucket="hostile", Key="signed", Body=b"mine")
    s3.put_object(Bucket="hostile", Key="other", Body=b"another's")
    target = get.removeprefix(account.url)
    assert send(account, "GET", target) == (200, "mine")
    for other in [target.replace("/signed?", "/other?"), target + "&versionId=null", target.replace("Expires=3600", "Expires=3601")]:
        status, text = send(account, "GET", other)
        assert (status, "<Code>SignatureDoesNotMatch</Code>" in text) == (403, True), text
    assert send(account, "DELETE", target)[0] == 403
    status, text = send(account, "GET", target.replace("Expires=3600", "Expires=604801"))
    assert (status, "AuthorizationHeaderMalformed" in text) == (400, True), text
    # A body that isn't the one that was signed.
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest(method="POST", url=account.url + "/", data=body, headers={"Content-Type": FORM})
    SigV4Auth(Credentials("test", SECRET), "sts", REGION).add_auth(request)
    headers = {name.replace("-", "_"): value for name, value in request.headers.items()}
    assert send(account, "POST", "/", body, **headers)[0] == 200
    assert send(account, "POST", "/", body + b"&a=1", **headers)[0] == 403


def in_chunks(account, chunks, altered=None):
    """Puts an object of signed chunks, one of which may be altered after it was signed."""
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    target = "/hostile/chunks"
    headers = {
        "content-encoding": "aws-chunked", "host": urlsplit(account.url).netloc, "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-date": now, "x-amz-decoded-content-length": str(sum(map(len, chunks))),
    }
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()

    def signature(text):
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"PUT\n{target}\n\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
    last = signature(f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}")
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders={names}, Signature={last}"
    body, nothing = b"", hashlib.sha256(b"").hexdigest()
    for number, chunk in enumerate([*chunks, b""]):
        digest = hashlib.sha256(chunk).hexdigest()
        last = signature(f"AWS4-HMAC-SHA256-PAYLOAD\n{now}\n{scope}\n{last}\n{nothing}\n{digest}")
        sent = chunk[:-1] + b"!" if number == altered else chunk
        body += f"{len(sent):x};chunk-signature={last}\r\n".encode() + sent + b"\r\n"
    return send(account, "PUT", target, body, **{name.replace("-", "_"): value for name, value in headers.items()})


def test_signed_chunks(account, s3):
    chunks = [b"a" * 65_536, b"b" * 65_536, b"the rest"]
    assert in_chunks(account, chunks)[0] == 200
    assert s3.get_object(Bucket="hostile", Key="chunks")["Body"].read() == b"".join(chunks)
    s3.delete_object(Bucket="hostile", Key="chunks")
    for number in range(3):
        status, text = in_chunks(account, chunks, number)
        assert (status, "<Code>SignatureDoesNotMatch</Code>" in text) == (403, True), text
    assert s3.list_objects_v2(Bucket="hostile", Prefix="chunks")["KeyCount"] == 0


def test_temporary_credentials_have_a_secret_of_their_own(account, refused):
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'
    account.client("iam").create_role(RoleName="hostile", AssumeRolePolicyDocument=trust)
    given = account.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/hostile", RoleSessionName="one")["Credentials"]

    def ask(**other):
        keys = {
            "aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        } | other
        return boto3.client("sts", endpoint_url=account.url, region_name=REGION, **keys).get_caller_identity()["Arn"]

    assert ask() == "arn:aws:sts::123456789012:assumed-role/hostile/one"
    with refused("SignatureDoesNotMatch", 403):
        ask(aws_secret_access_key=SECRET)
    for token in ["other", None]:
        with refused("InvalidClientTokenId", 403):
            ask(aws_session_token=token)
    with refused("InvalidClientTokenId", 403):
        ask(aws_access_key_id="ASIAUNKNOWNUNKNOWNAA")


def test_the_accounts_own_paths_want_the_secret(account):
    for method, path in [("GET", "events"), ("GET", "faults"), ("PUT", "faults"), ("POST", "reset")]:
        for bearer in [{}, {"Authorization": "Bearer wrong"}, {"Authorization": SECRET}]:
            assert send(account, method, f"/_lakewright/{path}", **bearer)[0] == 403, (method, path, bearer)
    assert account.control("faults") is not None


def test_more_connections_than_are_taken(account):
    place = urlsplit(account.url)
    held = []
    try:
        refused = None
        while refused is None and len(held) < 700:
            one = socket.create_connection((place.hostname, place.port), timeout=60)
            held.append(one)
            if len(held) > 450:
                # The answer may come later than the next connection.
                answered, _, _ = select.select(held[450:], [], [], 0.01)
                refused = answered[0].recv(1_000) if answered else None
        assert refused and refused.startswith(b"HTTP/1.1 503 "), (len(held), refused)
    finally:
        for one in held:
            one.close()
    # The account learns one by one that the others have gone.
    until("it answers again", lambda: send(account, "GET", "/")[0] == 403)
    assert works(account)


def busy(account):
    """How much of a core the account uses."""
    def used():
        fields = open(f"/proc/{account.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, begun = used(), time.monotonic()
    time.sleep(0.3)
    return (used() - before) / (time.monotonic() - begun)


@pytest.mark.skipif("LAKEWRIGHT_ACCOUNT" in os.environ, reason="this account runs without a SQL engine")
class TestQueries:
    """Queries that would never end, and some that are too deep."""

    ENDLESS = "SELECT count(*) FROM generate_series(1,100000000000)"

    @pytest.fixture(scope="class")
    def quick(self, tmp_path_factory):
        """An account whose queries end soon."""
        class Quick(Account):
            def start(self, *more):
                super().start("--query-time", "4s", *more)

        running = Quick(tmp_path_factory.mktemp("quick"))
        running.client("s3").create_bucket(Bucket="hostile-results", CreateBucketConfiguration=HERE)
        yield running
        running.stop()

    def begin(self, account, sql):
        athena = account.client("athena")
        output = {"OutputLocation": "s3://hostile-results/"}
        return athena, athena.start_query_execution(QueryString=sql, ResultConfiguration=output)["QueryExecutionId"]

    def ended(self, account, sql):
        athena, query = self.begin(account, sql)
        status = {}

        def over():
            status.update(athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"])
            return status["State"] not in ("QUEUED", "RUNNING")

        until("the query ends", over)
        return status["State"], status.get("StateChangeReason", "")

    def test_a_query_ends_when_it_is_stopped(self, quick):
        athena, query = self.begin(quick, self.ENDLESS)
        until("it runs", lambda: busy(quick) > 0.4)
        athena.stop_query_execution(QueryExecutionId=query)
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        assert status["State"] == "CANCELLED"
        until("nothing runs any more", lambda: busy(quick) < 0.2)
        assert self.ended(quick, "SELECT 1") == ("SUCCEEDED", "")

    def test_a_query_ends_at_its_deadline(self, quick):
        state, reason = self.ended(quick, self.ENDLESS)
        assert state == "FAILED" and "Query timeout" in reason, reason
        until("nothing runs any more", lambda: busy(quick) < 0.2)
        assert self.ended(quick, "SELECT 1") == ("SUCCEEDED", "")

    @pytest.mark.parametrize("sql", [
        "SELECT 1" + " + 1" * 60_000, "SELECT 1" + " UNION ALL SELECT 1" * 10_000, "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
        "SELECT " + "NOT " * 60_000 + "true", "SELECT " + "abs(" * 20_000 + "1" + ")" * 20_000, "SELECT " + "-" * 100_000 + "1",
        "SELECT CASE WHEN true THEN " * 5_000 + "1" + " END" * 5_000,
    ])
    def test_statements_of_many_levels(self, quick, sql):
        state, reason = self.ended(quick, sql)
        assert state == "FAILED" and reason, (state, reason)
        assert self.ended(quick, "SELECT 1") == ("SUCCEEDED", "")

    def test_a_long_statement_is_answered(self, quick):
        assert self.ended(quick, "SELECT a" + " + a" * 900 + " FROM (SELECT 1 AS a) AS t") == ("SUCCEEDED", "")
        assert self.ended(quick, "SELECT 1 WHERE 1 IN (" + ", ".join(map(str, range(20_000))) + ")") == ("SUCCEEDED", "")


@pytest.mark.skipif("LAKEWRIGHT_ACCOUNT" in os.environ, reason="only the program keeps its folder")
def test_nobody_else_reads_what_is_kept(account):
    assert account.data.stat().st_mode & 0o777 == 0o700
    for path in account.data.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
