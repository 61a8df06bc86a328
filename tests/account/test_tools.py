"""Other people's tools on the local account: pyarrow's S3 file system, PyIceberg with the Glue catalog."""

import threading

import pytest

pyarrow = pytest.importorskip("pyarrow")
REGION = "eu-north-1"


@pytest.fixture(scope="module")
def bucket(account):
    name = "tools-of-others"
    account.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def test_pyarrow_writes_and_reads_parquet(account, bucket):
    import pyarrow.fs
    import pyarrow.parquet

    files = pyarrow.fs.S3FileSystem(
        access_key="test", secret_key="test", region=REGION, endpoint_override=account.url.removeprefix("http://"),
        scheme="http",
    )
    table = pyarrow.table({"n": list(range(200_000)), "s": [f"text {number}" for number in range(200_000)]})
    pyarrow.parquet.write_table(table, f"{bucket}/a/b/t.parquet", filesystem=files)
    assert pyarrow.parquet.read_table(f"{bucket}/a/b/t.parquet", filesystem=files).equals(table)
    listed = files.get_file_info(pyarrow.fs.FileSelector(f"{bucket}/a", recursive=True))
    assert f"{bucket}/a/b/t.parquet" in [info.path for info in listed]
    with files.open_output_stream(f"{bucket}/large") as out:
        for _ in range(3):
            out.write(bytes(6 << 20))
    assert files.get_file_info(f"{bucket}/large").size == 18 << 20
    files.delete_dir(f"{bucket}/a")
    assert files.get_file_info(f"{bucket}/a/b/t.parquet").type == pyarrow.fs.FileType.NotFound


def test_pyiceberg_appends_side_by_side_lose_nothing(account, bucket):
    pytest.importorskip("pyiceberg")
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.exceptions import CommitFailedException

    def catalog():
        return GlueCatalog("local", **{
            "glue.endpoint": account.url, "glue.region": REGION, "glue.access-key-id": "test",
            "glue.secret-access-key": "test", "s3.endpoint": account.url, "s3.region": REGION,
            "s3.access-key-id": "test", "s3.secret-access-key": "test",
        })

    first = catalog()
    first.create_namespace("tools")
    rows = pyarrow.table({"n": pyarrow.array([1, 2, 3], pyarrow.int64())})
    first.create_table("tools.numbers", rows.schema, location=f"s3://{bucket}/numbers")

    def append():
        for _ in range(200):
            try:
                catalog().load_table("tools.numbers").append(rows)
                return
            except CommitFailedException:
                continue

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalog().load_table("tools.numbers").scan().to_arrow().num_rows == 12
