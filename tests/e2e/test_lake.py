"""Saved queries, buckets' surroundings and secrets, as people use them."""

import json
import shutil

import pytest

from account import ACCOUNT, Account
from conftest import ROOT

RAW, LOGS = f"lake-raw-{ACCOUNT}", f"lake-logs-{ACCOUNT}"


@pytest.fixture
def lake(tmp_path):
    account = Account(tmp_path)
    shutil.copytree(ROOT / "tests" / "e2e" / "stacks", tmp_path / "lake")
    account.stack = tmp_path / "lake" / "lake.toml"
    account.base = account.stack.read_text()
    yield account
    account.stop()


def change(lake, old, new):
    text = lake.stack.read_text()
    assert old in text, old
    lake.stack.write_text(text.replace(old, new))


def test_a_saved_query_runs_by_its_name_and_others_queries_stay(lake):
    lake.run("apply", lake.stack, "--yes", code=0)
    rows = lake.run("query", "--stack", lake.stack, "--saved", "points", "--format", "json", code=0)
    assert json.loads(rows.stdout) == [{"points": None}]
    assert json.loads(lake.run("query", "--stack", lake.stack, "--saved", "cities", "--format", "json", code=0).stdout) == []
    wrong = lake.run("query", "--stack", lake.stack, "--saved", "point", code=1)
    assert "there are cities, points" in wrong.stderr
    athena = lake.client("athena")
    ids = athena.list_named_queries(WorkGroup="lake")["NamedQueryIds"]
    ours = {query["Name"]: query for query in athena.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]}
    assert ours["cities"]["Database"] == "lake_raw" and "FROM lake_raw.users AS u" in ours["cities"]["QueryString"]
    assert ours["cities"]["Description"] == "How many users live where. [lakewright lake saved_query.cities]"
    # A query of somebody else's, and a copy of ours under another name, description and all.
    theirs = [
        athena.create_named_query(Name="mine", Database="x", QueryString="SELECT 1", WorkGroup="lake")["NamedQueryId"],
        athena.create_named_query(
            Name="copy", Database="x", QueryString="SELECT 1", WorkGroup="lake", Description=ours["cities"]["Description"]
        )["NamedQueryId"],
    ]
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)
    athena.delete_named_query(NamedQueryId=theirs.pop())
    # Renamed in place, and gone with its section.
    change(lake, "[queries.cities]", "[queries.towns]")
    lake.stack.write_text(lake.stack.read_text() + '\n[moved]\nsaved_query.cities = "saved_query.towns"\n')
    lake.run("apply", lake.stack, "--yes", code=0)
    renamed = athena.get_named_query(NamedQueryId=ours["cities"]["NamedQueryId"])["NamedQuery"]
    assert renamed["Name"] == "towns" and renamed["Description"].endswith("[lakewright lake saved_query.towns]")
    lake.stack.write_text(lake.base[: lake.base.index("[queries.cities]")])
    lake.run("apply", lake.stack, "--yes", code=0)
    assert sorted(athena.list_named_queries(WorkGroup="lake")["NamedQueryIds"]) == sorted(theirs)
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)


@pytest.mark.parametrize(
    "old, new, why, place",
    [
        ("SELECT sum(loyalty) AS points FROM users", "SELEC 1", "a saved query can't begin with `SELEC`", "lake.toml"),
        ("FROM users", "FROM user", "there is no table of the raw zone `user`", "lake.toml"),
        ("sum(loyalty)", "sum(loyalty", "a parenthesis is never closed", "lake.toml"),
        ("sum(loyalty) AS points FROM users", "1; SELECT 2", "a saved query holds one query", "lake.toml"),
        ('sql = "SELECT', 'file = "a.sql"\nsql = "SELECT', "must have either `sql` or `file`", "lake.toml"),
        ('file = "queries/cities.sql"', 'file = "queries/none.sql"', "the file `queries/none.sql` can't be read", "lake.toml"),
        ('database = "raw"\nsql', "sql", "query `points` has no warehouse", "lake.toml"),
    ],
)
def test_mistakes_of_saved_queries_are_shown_with_their_place(lake, old, new, why, place):
    change(lake, old, new)
    refused = lake.run("check", lake.stack, code=1)
    assert why in refused.stderr and f"{place}:" in refused.stderr, refused.stderr


def test_a_mistake_in_a_querys_file_is_shown_there(lake):
    file = lake.stack.parent / "queries" / "cities.sql"
    file.write_text("SELECT u.town, u.loyalty_points FROM raw.users AS u")
    refused = lake.run("check", lake.stack, code=1).stderr
    assert "table `users` has no column `town`" in refused and "cities.sql:1:10" in refused, refused
    assert "the column `loyalty_points` of `raw.users` is `loyalty` now" in refused


def test_what_a_bucket_was_set_to_is_taken_back_and_what_others_set_stays(lake):
    lake.run("apply", lake.stack, "--yes", code=0)
    s3 = lake.client("s3")
    assert s3.get_bucket_logging(Bucket=RAW)["LoggingEnabled"] == {"TargetBucket": LOGS, "TargetPrefix": "raw/"}
    assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=RAW)
    # Of a bucket that the stack sets none for, nobody asks.
    s3.put_bucket_notification_configuration(Bucket=LOGS, NotificationConfiguration={"EventBridgeConfiguration": {}})
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)
    change(lake, 'access_logs = "logs"\nnotify = true\n', "")
    plan = lake.plan()
    (step,) = [step for step in plan["steps"] if step["address"] == "bucket.raw"]
    assert {line["path"] for line in step["changes"]} == {"access_logs", "notifications"} and step["cause"] == "file"
    lake.run("apply", lake.stack, "--yes", code=0)
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=RAW)
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=RAW)
    assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=LOGS)


@pytest.mark.parametrize(
    "old, new, why",
    [
        ('access_logs = "logs"', 'access_logs = "raw"', "access logs would be logged without end: raw → raw"),
        ('[buckets.logs]', '[buckets.logs]\naccess_logs = "raw"', "access logs would be logged without end"),
        ('[buckets.logs]', '[buckets.logs]\nkey = "main"', "bucket `logs` can't take access logs in"),
        ('access_logs = "logs"', 'access_logs = "log"', "there is no bucket `log`"),
        ('access_logs = "logs"', 'access_logs_prefix = "x"', "has a prefix for access logs and writes none"),
    ],
)
def test_logs_that_lead_nowhere_are_refused(lake, old, new, why):
    change(lake, old, new)
    refused = lake.run("check", lake.stack, code=1).stderr
    assert why in refused and "lake.toml:" in refused, refused


def test_a_secret_gets_a_new_password_and_keeps_the_one_before(lake):
    change(lake, '[keys.main]', '[keys.main]\n\n[secrets.kafka]\nusername = "lake"')
    change(lake, 'authentication = "none"', 'secret = "kafka"')
    lake.run("apply", lake.stack, "--yes", code=0)
    secrets = lake.client("secretsmanager")
    name = {"SecretId": "AmazonMSK_lake_kafka"}
    before = json.loads(secrets.get_secret_value(**name)["SecretString"])
    done = lake.run("rotate", "secret.kafka", lake.stack, "--yes", code=0)
    after = json.loads(secrets.get_secret_value(**name)["SecretString"])
    assert after["username"] == before["username"] == "lake" and len(after["password"]) == 32
    assert after["password"] != before["password"]
    assert json.loads(secrets.get_secret_value(**name, VersionStage="AWSPREVIOUS")["SecretString"]) == before
    for password in (before["password"], after["password"]):
        assert password not in done.stdout + done.stderr
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)
    assert "no terminal" in lake.run("rotate", "secret.kafka", lake.stack, code=1).stderr
    assert "did you mean `secret.kafka`" in lake.run("rotate", "secret.kafks", lake.stack, "--yes", code=1).stderr
    assert "only secrets have" in lake.run("rotate", "bucket.raw", lake.stack, "--yes", code=1).stderr


def test_a_keys_administrators_and_users_stand_in_its_policy(lake):
    role = f"arn:aws:iam::{ACCOUNT}:role/auditor"
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    lake.client("iam").create_role(RoleName="auditor", AssumeRolePolicyDocument=json.dumps(trust))
    change(lake, "[keys.main]", f'[keys.main]\nadministrators = ["{role}"]\nusers = ["{role}"]')
    lake.run("apply", lake.stack, "--yes", code=0)
    lake.run("plan", lake.stack, "--detailed-exitcode", code=0)
    kms = lake.client("kms")
    key = kms.describe_key(KeyId="alias/lake-main")["KeyMetadata"]["KeyId"]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["Account", "Administrators", "Users"]
    assert policy["Statement"][2]["Principal"] == {"AWS": [role]}
    change(lake, f'users = ["{role}"]', 'users = ["nobody"]')
    assert "`nobody` is no ARN of IAM" in lake.run("check", lake.stack, code=1).stderr
