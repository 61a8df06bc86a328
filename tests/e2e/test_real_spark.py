"""The models on a real Spark, by the program that EMR Serverless runs: the same tables as this machine's engine makes."""

import json
import re
import subprocess

import pytest

from account import ACCOUNT, client
from conftest import ENVIRONMENT, PROGRAM, ROOT
from test_files import LABELS, LONG, run_model
from test_up import WAREHOUSE, catalog

SPARK = ROOT / "tests" / "spark" / "real-spark.sh"
# No snapshot but the current one is kept.
MAINTENANCE = {"every_ms": 0, "snapshots_age_ms": 0, "min_snapshots": 1, "orphans_age_ms": 86_460_000}


@pytest.fixture
def serve():
    """Runs the account of an `up` that has ended."""
    running = []

    def start(up):
        command = [PROGRAM, "--data", up.data, "account", "--port", "0"]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        running.append(process)
        return process, json.loads(process.stdout.readline())["account"]

    yield start
    for process in running:
        process.kill()
        process.wait()


def spark_models(up, url, folder, maintenance=None):
    """Runs the models into a database of their own, beside the one that this machine's engine fills, and maintains its tables."""
    manifest = json.load(client(url, "s3").get_object(Bucket=f"shop-artifacts-{ACCOUNT}", Key="models/manifest.json")["Body"])
    manifest["database"] = "shop_spark"
    manifest["location"] = manifest["location"].replace("/warehouse", "/spark")
    for model in manifest["models"]:
        model["sql"] = re.sub(r"\bshop\.", "shop_spark.", model["sql"])
    # A row that only right bounds of a file of two row groups let Spark find.
    found = f"SELECT n FROM lake.labels WHERE label = '{LONG}'"
    manifest["models"].append({"name": "found", "materialization": "replace", "sql": found})
    manifest["maintenance"] = maintenance
    (folder / "manifest.json").write_text(json.dumps(manifest))
    program = ROOT / "provisioner" / "src" / "stack" / "run_models.py"
    # What Spark says itself may stand anywhere on standard output.
    results = folder / "results"
    done = subprocess.run(
        [SPARK, "submit", url, program, "--manifest", f"file://{folder}/manifest.json", "--results", results],
        capture_output=True, text=True,
        env=ENVIRONMENT | {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "local"}, timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-6000:]
    told = [json.loads(line) for line in results.read_text().splitlines()]
    models = [model["name"] for model in manifest["models"]]
    assert [one["model"] for one in told if "model" in one] == models
    maintained = [one for one in told if "maintained" in one]
    assert [one["maintained"] for one in maintained] == (models if maintenance else [])
    assert all(one["failed"] == 0 for one in maintained), maintained
    return {one["model"]: one["rows"] for one in told if "model" in one}


def rows(tables, name):
    """A table's rows in an order of their own, and its columns."""
    found = tables.load_table(name).scan().to_arrow()
    # Engines may choose large or plain strings; what they hold is the same.
    plain = [(field.name, str(field.type).replace("large_", "")) for field in found.schema]
    return plain, sorted(map(repr, found.to_pylist()))


def test_spark_makes_the_tables_that_this_machines_engine_makes(make_up, serve, tmp_path):
    up = make_up(producer="seed = 11\n")
    for round in range(2):
        # The second round merges into what the first has made.
        up.run("up", "--plain", "--for", "8s", check=0)
        process, url = serve(up)
        if round == 0:
            client(url, "glue").create_database(DatabaseInput={"Name": "shop_spark"})
            run_model(lambda service: client(url, service), LABELS)
        counted = spark_models(up, url, tmp_path, MAINTENANCE if round else None)
        assert counted["found"] == 1
        tables = catalog(url)
        for name in WAREHOUSE:
            columns, found = rows(tables, f"shop_spark.{name}")
            assert (columns, found) == rows(tables, f"shop.{name}"), name
            assert len(found) == counted[name] > 0, name
            snapshots = tables.load_table(f"shop_spark.{name}").snapshots()
            assert round == 0 or len(snapshots) == 1, f"{name} was maintained, and has {len(snapshots)} snapshots"
        process.terminate()
        process.wait()
