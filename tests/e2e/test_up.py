"""The pipeline from end to end: rows that other tools read, exactness through kills, a clean end."""

import base64
import csv
import io
import json
import os
import random
import signal
import subprocess
import time
import urllib.error
import urllib.request
from decimal import Decimal

import boto3
import pytest
from botocore.exceptions import ClientError
from pyiceberg.catalog import load_catalog

from account import client
from conftest import PERMISSIVE

FACTS = ["users", "sales", "inventory"]
RAW = [*FACTS, "user_actions"]
WAREHOUSE = [*FACTS, "sales_aggregated", "inventory_aggregated", "searches", "keyword_performance"]
BROWSERS = ["Edg/", "SamsungBrowser/", "OPR/", "Firefox/", "Chrome/", "Safari/"]


def catalog(url):
    return load_catalog("glue", **{
        "type": "glue",
        "glue.endpoint": url,
        "glue.region": "eu-north-1",
        "glue.access-key-id": "123456789012",
        "glue.secret-access-key": "local",
        "s3.endpoint": url,
        "s3.region": "eu-north-1",
        "s3.access-key-id": "123456789012",
        "s3.secret-access-key": "local",
    })


def test_other_tools_read_what_runs_and_a_second_plan_is_empty(make_up):
    up = make_up()
    up.start()
    up.wait("the first rows", lambda: up.scalar("SELECT count(*) AS n FROM shop_raw.sales") > 20)
    up.wait("the warehouse", lambda: up.scalar("SELECT count(*) AS n FROM shop.sales_aggregated") > 0)
    tables = catalog(up.record()["account"])
    for name in RAW:
        rows = tables.load_table(f"shop_raw.{name}").scan().to_arrow()
        places = list(zip(*(rows[c].to_pylist() for c in ["kafka_topic_id", "kafka_partition", "kafka_offset"])))
        assert rows.num_rows > 0 and len(set(places)) == rows.num_rows, name
    for name in WAREHOUSE:
        assert tables.load_table(f"shop.{name}").scan().to_arrow().num_rows > 0, name
    dead = tables.load_table("shop_raw.dead_letters").scan().to_arrow()
    assert dead.num_rows > 0 and all(dead["reason"].to_pylist())

    saved = up.run("query", "--local", "--saved", "best_sellers", "--format", "csv", check=0)
    best = list(csv.DictReader(io.StringIO(saved.stdout)))
    revenues = [Decimal(one["revenue"]) for one in best]
    assert 0 < len(best) <= 10 and revenues == sorted(revenues, reverse=True), saved.stdout
    assert all(one["product_id"] and int(one["sold"]) >= int(one["orders"]) > 0 for one in best), saved.stdout

    searches_are_what_the_actions_say(up, tables)
    others_reach_the_account(up)
    if not PERMISSIVE:
        agents_work_as_their_hosts(up)
    the_index_asks_who_somebody_is(up)
    for path in [up.data, *up.data.rglob("*")]:
        try:
            assert path.stat().st_mode & 0o077 == 0, f"others may read {path}"
        except FileNotFoundError:
            pass  # What runs writes and tidies up.

    plan = up.run("plan", "--local", "--detailed-exitcode")
    assert plan.returncode == 0, f"a second plan is not empty:\n{plan.stdout}\n{plan.stderr}"

    up.wait("search", lambda: "lipstick" in up.run("search", "--local", "lipstick, today").stdout)
    up.wait("logs", lambda: up.run("search", "--local", "--log", "application").stdout)
    found = up.run("search", "--local", "--log", "application", "nowhereatall", check=0)
    assert (found.stdout, found.stderr) == ("", "No line of the log `application` matches `nowhereatall`.\n")
    assert up.stop() == 0, up.log()
    assert up.record() is None, "a stopped run leaves no run.json"


def searches_are_what_the_actions_say(up, tables):
    """Each search of a session that has ended, counted here again; and what is saved to ask about searches gives rows that agree."""
    up.wait("a search that led to a purchase", lambda: up.scalar("SELECT count(*) AS n FROM shop.searches WHERE purchases > 0") > 0)
    place = lambda row: (row["kafka_partition"], row["kafka_offset"])
    actions = sorted(tables.load_table("shop_raw.user_actions").scan().to_arrow().to_pylist(), key=place)
    first = {}
    for row in actions:
        first.setdefault(row["event_id"], row)
    sessions = {}
    for row in sorted(first.values(), key=lambda row: (row["event_time"], *place(row))):
        sessions.setdefault(row["session_id"], []).append(row)
    expected = {}
    for rows in sessions.values():
        counted = None
        if rows[-1]["event_type"] != "logout":
            continue
        for row in rows:
            if row["event_type"] == "search":
                browser = next((name.rstrip("/") for name in BROWSERS if name in row["user_agent"]), "other")
                browser = {"Edg": "Edge", "SamsungBrowser": "Samsung Internet"}.get(browser, browser)
                city, country = row["location"][2:4]
                counted = {"country": country, "city": city, "keywords": row["search_keywords"].strip().lower(), "browser": browser, "searched_at": row["event_time"]}
                counted |= {name: 0 for name in ("views", "carts", "checkouts", "purchases")}
                expected[row["event_id"]] = counted
            step = {"view_product": "views", "add_to_cart": "carts", "checkout": "checkouts", "purchase": "purchases"}.get(row["event_type"])
            if counted and step:
                counted[step] += 1
    assert expected

    def differing():
        found = {row["search_id"]: row for row in tables.load_table("shop.searches").scan().to_arrow().to_pylist()}
        differs = lambda key, counted: key not in found or any(found[key][name] != value for name, value in counted.items())
        return [(found.get(key), counted) for key, counted in expected.items() if differs(key, counted)]

    up.wait("each search of the ended sessions", lambda: not differing())
    ask = lambda name: json.loads(up.run("query", "--local", "--saved", name, "--format", "json", check=0).stdout)
    up.wait("keywords", lambda: ask("top_keywords"))
    top, funnel = ask("top_keywords"), ask("search_funnel")
    counts = [int(row["searches"]) for row in top]
    assert counts == sorted(counts, reverse=True) and all(row["keywords"] for row in top), top
    steps = [int(row["searches"]) for row in funnel]
    assert len(steps) == 5 and steps == sorted(steps, reverse=True) and steps[-1] > 0, funnel
    for name in ("conversion_by_country", "conversion_by_browser"):
        assert all(0 <= float(row["conversion"]) <= 100 for row in ask(name)) and len(ask(name)) > 1, name
    assert all(float(row["more"]) > 0 for row in ask("rising_keywords")), ask("rising_keywords")
    assert all(int(row["without_view"]) > 0 for row in ask("searches_without_view"))
    assert all(int(row["searches"]) > 0 for row in ask("searches_without_purchase"))


def others_reach_the_account(up):
    """By what `env` prints, as a shell takes it, and by no other secret key."""
    said = up.run("env", check=0).stdout
    assert said.startswith("export AWS_ENDPOINT_URL=http://127.0.0.1:") and said.count("\n") == 1, said
    shell = subprocess.run(["bash", "-c", "eval $(cat) && env"], input=said, capture_output=True, text=True, check=True).stdout
    found = dict(line.split("=", 1) for line in shell.splitlines() if line.startswith("AWS_"))
    keys = {
        "endpoint_url": found["AWS_ENDPOINT_URL"], "region_name": found["AWS_REGION"],
        "aws_access_key_id": found["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": found["AWS_SECRET_ACCESS_KEY"],
    }
    assert boto3.client("sts", **keys).get_caller_identity()["Account"] == "123456789012"
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        boto3.client("sts", **keys | {"aws_secret_access_key": "any"}).get_caller_identity()


def agents_work_as_their_hosts(up):
    """What its host's role may not do an agent is refused, and when it may again the agent goes on."""
    iam = client(up.record()["account"], "iam")
    log = up.data / "logs" / "stream-on-ingest.log"
    never = {"Effect": "Deny", "Action": "glue:UpdateTable", "Resource": "*"}
    own = {"RoleName": "shop-ingest", "PolicyName": "never"}
    iam.put_role_policy(**own, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [never]}))
    up.wait("the stream is refused", lambda: "with an explicit deny in an identity-based policy" in log.read_text())
    iam.delete_role_policy(**own)
    rows = "SELECT count(*) AS n FROM shop_raw.sales"
    before = up.scalar(rows)
    up.wait("the stream goes on", lambda: up.scalar(rows) > before)


def the_index_asks_who_somebody_is(up):
    """By the stack's own users; the shipper, who adds documents alone, takes a rotated password up while it runs."""
    scheme, rest = up.record()["search"].split("://")
    (user, password), host = rest.split("@")[0].split(":"), rest.split("@")[1]
    secrets = client(up.record()["account"], "secretsmanager")
    name = "lakewright/shop/search-shipper"
    shipper = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])

    def ask(given):
        request = urllib.request.Request(f"{scheme}://{host}/user-actions-*/_count")
        if given:
            request.add_header("authorization", "Basic " + base64.b64encode(":".join(given).encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["count"]
        except urllib.error.HTTPError as refused:
            return refused.code

    assert user == "admin" and ask((user, password)) not in (401, 403)
    assert [ask(None), ask(("admin", "wrong")), ask((shipper["username"], shipper["password"]))] == [401, 401, 403]
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps(shipper | {"password": "R" * 32}))
    assert ask((shipper["username"], shipper["password"])) == 401
    before = ask((user, password))
    up.wait("the shipper goes on with the new password", lambda: ask((user, password)) > before)


def test_a_data_folder_that_somebody_else_made_leads_nowhere(make_up):
    up = make_up()
    precious = up.folder / "precious"
    precious.write_text("mine")
    (up.data / "up.lock").symlink_to(precious)
    done = up.run("up", "--plain", "--for", "2s")
    assert done.returncode == 1 and "up.lock is a link" in done.stderr, done.stderr
    (up.data / "up.lock").unlink()
    (up.data / "secret").chmod(0o644)
    done = up.run("up", "--plain", "--for", "2s")
    assert done.returncode == 1 and "can be read by others" in done.stderr, done.stderr
    assert precious.read_text() == "mine"


def test_kills_at_random_moments_lose_and_repeat_nothing(make_up):
    seed = int(os.environ.get("LAKEWRIGHT_SEED", random.randrange(10**6)))
    print(f"LAKEWRIGHT_SEED={seed}")
    chance = random.Random(seed)
    up = make_up(producer="seed = 7\n")
    up.start()
    up.wait("the first rows", lambda: up.scalar("SELECT count(*) AS n FROM shop_raw.sales") > 0)
    for _ in range(int(os.environ.get("LAKEWRIGHT_KILLS", "6"))):
        time.sleep(chance.uniform(0.5, 4))
        children = (up.record() or {"children": []})["children"]
        agents = [child for child in children if not child["name"].startswith("lakewright-local")]
        if agents:
            try:
                os.kill(chance.choice(agents)["pid"], signal.SIGKILL)
            except ProcessLookupError:
                pass
    # Everything at once, twice, and on from there.
    for _ in range(2):
        time.sleep(chance.uniform(0.5, 4))
        up.kill()
        up.start()
        up.wait("the start", lambda: up.record() is not None)
    time.sleep(chance.uniform(1, 4))
    up.kill()
    done = up.run("up", "--plain", "--for", "8s")
    assert done.returncode == 0, f"seed {seed}:\n{done.stdout}\n{done.stderr[-4000:]}"
    print(done.stdout)


def test_two_runs_side_by_side(make_up):
    one, two = make_up("one"), make_up("two")
    one.start("--for", "12s")
    two.start("--for", "12s")
    assert one.process.wait(timeout=300) == 0, one.log()
    assert two.process.wait(timeout=300) == 0, two.log()


def test_a_second_up_on_the_same_data_is_refused(make_up):
    up = make_up()
    up.start()
    up.wait("the agents", lambda: len((up.record() or {"children": []})["children"]) > 4)
    again = up.run("up", "--plain", "--for", "2s")
    assert again.returncode == 1 and str(up.data) in again.stderr, again.stderr
    assert up.stop() == 0, up.log()
