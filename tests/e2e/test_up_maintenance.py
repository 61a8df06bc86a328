"""Maintenance beside the writers: an `up` whose tables stay small, and lose and repeat nothing by it."""

import json
import os
import time
import urllib.request

import pytest

from account import client
from test_up import RAW, WAREHOUSE, catalog

# Files of a partition of a table's current snapshot.
MOST_FILES = 20
COMPACTED, EXPIRED, DELETED = (
    f"maintenance_{what}_total" for what in ["compacted_files", "expired_snapshots", "deleted_files"]
)


def metrics(up):
    """What the stream agent counts; nothing while it isn't there."""
    try:
        address = (up.data / "hosts" / "ingest" / "stream" / "admin.address").read_text().strip()
        with urllib.request.urlopen(f"http://{address}/status", timeout=10) as answer:
            return json.load(answer)["metrics"]
    except (OSError, ValueError):
        return {}


def files(table):
    """The data files of a table's current snapshot by partition, with their bytes."""
    found = {}
    for task in table.scan().plan_files():
        found.setdefault(str(task.file.partition), []).append(task.file.file_size_in_bytes)
    return found


def sizes(s3, bucket, prefix=""):
    """The bytes of the objects of a bucket that stand there now."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [one["Size"] for page in pages for one in page.get("Contents", [])]


def versions(s3, bucket):
    """How many older versions and delete markers a bucket keeps."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return sum(
        not one.get("IsLatest") or "Size" not in one
        for page in pages for one in page.get("Versions", []) + page.get("DeleteMarkers", [])
    )


def test_tables_stay_small_beside_their_writers(make_up):
    up = make_up()
    text = up.stack.read_text()
    assert 'rate = "500/s"' in text
    # As busy as a machine that runs other tests beside it can be.
    up.stack.write_text(text.replace('rate = "500/s"', 'rate = "100/s"'))
    up.start("--keep", "8s")

    def maintained():
        """The tables of which small files were put together, and old snapshots and their files went."""
        now = metrics(up)
        counted = lambda name: [now.get(f'{what}{{table="{name}"}}', 0) for what in [COMPACTED, EXPIRED, DELETED]]
        return [name for name in RAW if all(counted(name))]

    up.wait("a table is compacted, and its old snapshots and their files go", maintained)
    before = metrics(up)
    tables, s3 = catalog(up.record()["account"]), client(up.record()["account"], "s3")
    most = lambda name: max(map(len, files(tables.load_table(f"shop_raw.{name}")).values()))
    up.wait("no partition of it has many files", lambda: max(map(most, maintained())) <= MOST_FILES)
    up.wait("rows are committed meanwhile", lambda: metrics(up).get("commits_total", 0) > before["commits_total"])
    # Snapshots of seconds, not all that there ever were.
    snapshots = {name: len(tables.load_table(f"shop_raw.{name}").snapshots()) for name in RAW}
    assert max(snapshots.values()) <= 20, snapshots
    # A commit leaves a file of metadata behind, and maintenance what it put together.
    up.wait("older versions go", lambda: versions(s3, "shop-raw-123456789012") < 60 * (len(RAW) + 2))
    from_a_terminal(up)
    an_optimizer_of_glue_takes_over(up)
    assert up.stop() == 0, up.log()
    done = up.run("up", "--plain", "--keep", "8s", "--for", "2s")
    assert done.returncode == 0 and "all exact" in done.stdout, f"{done.stdout}\n{done.stderr[-4000:]}"


def from_a_terminal(up):
    """`lakewright maintain` beside the agent that maintains: what it would do, what it does, and what it is asked wrongly."""
    planned = json.loads(up.run("maintain", "--local", "shop_raw.sales", "--dry-run", "--json", check=0).stdout)
    assert [one["table"] for one in planned] == ["shop_raw.sales"], planned
    report = planned[0]["outcome"]["maintained"]
    assert report["failures"] == [] and report["compacted"]["files_before"] > 0 and report["table"] == "shop_raw.sales", planned
    done = up.run("maintain", "--local")
    # Writers that are faster each time leave it for the next round.
    assert done.returncode == 0 or "another writer changed" in done.stdout, done.stdout + done.stderr
    for table in [*(f"shop_raw.{name}" for name in [*RAW, "dead_letters"]), *(f"shop.{name}" for name in WAREHOUSE)]:
        assert f"\n{table} " in done.stdout and f" {table}" in done.stderr, done.stdout + done.stderr
    typo = up.run("maintain", "--local", "dead_leters", check=1)
    assert "did you mean `dead_letters`?" in typo.stderr, typo.stderr
    unclear = up.run("maintain", "--local", "sales", check=1)
    assert "say `shop_raw.sales` or `shop.sales`" in unclear.stderr, unclear.stderr


def an_optimizer_of_glue_takes_over(up):
    """One that somebody switches on: the agent leaves the table to it, and says so."""
    users = {"CatalogId": "123456789012", "DatabaseName": "shop_raw", "TableName": "users", "Type": "compaction"}
    optimizer = {"roleArn": "arn:aws:iam::123456789012:role/theirs", "enabled": True}
    glue = client(up.record()["account"], "glue")
    glue.create_table_optimizer(**users, TableOptimizerConfiguration=optimizer)
    left = lambda name: metrics(up).get(f'maintenance_by_glue{{table="{name}"}}')
    up.wait("the agent leaves the table to Glue", lambda: left("users") == 1)
    assert left("sales") == 0
    assert "it is left to them" in (up.data / "logs" / "stream-on-ingest.log").read_text()
    said = up.run("maintain", "--local", "shop_raw.users", check=0).stdout
    assert "by Glue" in said and "left to Glue's optimizers: compaction" in said, said
    glue.update_table_optimizer(**users, TableOptimizerConfiguration=optimizer | {"enabled": False})
    up.wait("the agent maintains it again", lambda: left("users") == 0)


@pytest.mark.skipif(os.environ.get("LAKEWRIGHT_LONG") != "1", reason="takes an hour: LAKEWRIGHT_LONG=1")
@pytest.mark.timeout(6000)
def test_after_an_hour_the_data_folder_holds_little_but_what_is_needed(make_up):
    up = make_up()
    up.start()
    up.wait("the warehouse", lambda: up.scalar("SELECT count(*) AS n FROM shop.sales_aggregated") > 0)
    end = time.monotonic() + float(os.environ.get("LAKEWRIGHT_LONG_SECONDS", "3600"))
    while time.monotonic() < end:
        assert up.process.poll() is None, up.log()
        time.sleep(5)
    size = lambda folder: sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    account = up.record()["account"]
    tables, s3 = catalog(account), client(account, "s3")
    current, most = 0, {}
    databases = {"shop_raw": [name for _, name in tables.list_tables("shop_raw")], "shop": WAREHOUSE}
    for database, names in databases.items():
        for name in names:
            partitions = files(tables.load_table(f"{database}.{name}"))
            current += sum(map(sum, partitions.values()))
            most[f"{database}.{name}"] = max(map(len, partitions.values()), default=0)
    parts = {
        "segments": size(up.data / "kafka"), "files of current snapshots": current, "index": size(up.data / "search"),
        "backup": sum(sizes(s3, "shop-backup-123456789012")),
    }
    folder = size(up.data)
    by_folder = {path.name: size(path) for path in up.data.iterdir() if path.is_dir()}
    print(f"data folder {folder}, {by_folder}; needed {sum(parts.values())}, {parts}; files a partition {most}")
    assert folder <= 1.5 * sum(parts.values()), (folder, parts)
    assert max(most.values()) <= MOST_FILES, most
    assert up.stop() == 0, up.log()
    done = up.run("up", "--plain", "--for", "8s")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
