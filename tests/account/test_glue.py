"""Glue: databases, versions of tables, Iceberg tables made by Glue, concurrent commits by PyIceberg."""

import json
import threading

import pytest

HERE = {"LocationConstraint": "eu-north-1"}


@pytest.fixture(scope="module")
def glue(account):
    return account.client("glue")


@pytest.fixture(scope="module")
def bucket(account):
    account.client("s3").create_bucket(Bucket="lake-of-tests", CreateBucketConfiguration=HERE)
    return "lake-of-tests"


@pytest.fixture
def database(glue, request):
    name = "db_" + request.node.name.lower()[:40]
    glue.create_database(DatabaseInput={"Name": name, "Description": "d"}, Tags={"stack": "shop"})
    return name


def field(number, name, kind, required=False, **more):
    return {"Id": number, "Name": name, "Type": kind, "Required": required, **more}


def make(glue, bucket, database, name="sales"):
    location = f"s3://{bucket}/{database}/{name}"
    fields = [
        field(1, "sale_id", "string", Doc="the sale"),
        field(2, "amount", "decimal(12,2)"),
        field(3, "sold_at", "timestamptz"),
        field(4, "places", {"type": "list", "element-id": 5, "element": "string", "element-required": False}),
    ]
    table = {
        "Location": location,
        "Schema": {"Type": "struct", "Fields": fields},
        "PartitionSpec": {"Fields": [{"SourceId": 3, "Transform": "day", "Name": "sold_at_day", "FieldId": 1000}]},
        "WriteOrder": {"OrderId": 0, "Fields": []},
        "Properties": {"write.parquet.compression-codec": "zstd"},
    }
    glue.create_table(
        DatabaseName=database,
        Name=name,
        OpenTableFormatInput={
            "IcebergInput": {"MetadataOperation": "CREATE", "Version": "2", "CreateIcebergTableInput": table}
        },
    )
    return fields, location


def test_databases(glue, database, refused):
    with refused("AlreadyExistsException"):
        glue.create_database(DatabaseInput={"Name": database.upper()})
    arn = f"arn:aws:glue:eu-north-1:123456789012:database/{database}"
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"more": "1"})
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"stack": "shop", "more": "1"}
    glue.create_table(DatabaseName=database, TableInput={"Name": "T", "Parameters": {"a": "1"}})
    assert glue.get_table(DatabaseName=database, Name="t")["Table"]["VersionId"] == "0"
    glue.delete_database(Name=database)
    with refused("EntityNotFoundException"):
        glue.get_table(DatabaseName=database, Name="t")


def test_an_update_names_the_version_that_it_replaces(glue, database, refused):
    glue.create_table(DatabaseName=database, TableInput={"Name": "t", "Parameters": {"n": "0"}})
    update = lambda n, **more: glue.update_table(DatabaseName=database, TableInput={"Name": "t", "Parameters": {"n": n}}, **more)
    update("1", VersionId="0")
    with refused("ConcurrentModificationException"):
        update("2", VersionId="0")
    update("2", VersionId="1", SkipArchive=True)
    update("3")
    table = glue.get_table(DatabaseName=database, Name="t")["Table"]
    assert (table["VersionId"], table["Parameters"]) == ("3", {"n": "3"})
    versions = glue.get_table_versions(DatabaseName=database, TableName="t")["TableVersions"]
    assert [version["VersionId"] for version in versions] == ["3", "2", "0"]
    old = glue.get_table_version(DatabaseName=database, TableName="t", VersionId="0")["TableVersion"]
    assert old["Table"]["Parameters"] == {"n": "0"}
    with refused("EntityNotFoundException"):
        glue.get_table_version(DatabaseName=database, TableName="t", VersionId="1")


def test_texts_have_the_limits_of_glues_model(glue, database, refused):
    def make(description="d", comment="c", parameters=None):
        storage = {"Columns": [{"Name": "a", "Type": "int", "Comment": comment}]}
        table = {"Name": "t", "Description": description, "StorageDescriptor": storage, "Parameters": parameters or {}}
        glue.create_table(DatabaseName=database, TableInput=table)

    wrong = [{"description": "d" * 2049}, {"comment": "d" * 256}, {"comment": "two\nlines"}, {"parameters": {"p" * 256: "1"}}]
    for one in wrong:
        with refused("ValidationException"):
            make(**one)
    with refused("ValidationException"):
        glue.update_database(Name=database, DatabaseInput={"Name": database, "LocationUri": "s" * 1025})
    make(description="d\n" * 1024, comment="ü" * 255, parameters={"p": "1\n"})


def test_tables_come_in_pages(glue, database):
    for number in range(7):
        glue.create_table(DatabaseName=database, TableInput={"Name": f"t{number}"})
    pages = list(glue.get_paginator("get_tables").paginate(DatabaseName=database, PaginationConfig={"PageSize": 3}))
    assert [len(page["TableList"]) for page in pages] == [3, 3, 1]
    assert len(glue.get_tables(DatabaseName=database, Expression="t[0-9]|t1")["TableList"]) == 1


def test_glue_makes_and_evolves_an_iceberg_table(account, glue, bucket, database, refused):
    fields, location = make(glue, bucket, database)
    table = glue.get_table(DatabaseName=database, Name="sales")["Table"]
    assert table["Parameters"]["table_type"] == "ICEBERG" and table["TableType"] == "EXTERNAL_TABLE"
    kinds = [column["Type"] for column in table["StorageDescriptor"]["Columns"]]
    assert kinds == ["string", "decimal(12,2)", "timestamp", "array<string>"]
    assert table["StorageDescriptor"]["Columns"][0]["Parameters"]["iceberg.field.id"] == "1"
    assert table["StorageDescriptor"]["Columns"][0]["Comment"] == "the sale"
    file = table["Parameters"]["metadata_location"]
    metadata = json.load(account.client("s3").get_object(Bucket=bucket, Key=file.split("/", 3)[3])["Body"])
    assert metadata["format-version"] == 2 and metadata["last-column-id"] == 5
    assert metadata["partition-specs"][0]["fields"][0]["transform"] == "day"
    with refused("AlreadyExistsException"):
        make(glue, bucket, database)

    def evolve(fields, **more):
        updates = [{"Schema": {"Fields": fields}, "Location": location, **more}]
        glue.update_table(
            DatabaseName=database,
            Name="sales",
            UpdateOpenTableFormatInput={"UpdateIcebergInput": {"UpdateIcebergTableInput": {"Updates": updates}}},
        )

    wider = [*fields[:1], field(2, "amount", "decimal(14,2)"), *fields[2:], field(6, "channel", "string")]
    evolve(wider, Properties={"owner": "shop"})
    with refused("InvalidInputException"):
        evolve([*wider[:1], field(2, "amount", "string"), *wider[2:]])
    with refused("InvalidInputException"):
        evolve([*wider, field(7, "must", "string", required=True)])
    for comment in ["d" * 256, "two\nlines"]:
        with refused("ValidationException"):
            evolve([*wider, field(7, "city", "string", Doc=comment)])
    table = glue.get_table(DatabaseName=database, Name="sales")["Table"]
    assert table["VersionId"] == "1" and table["Parameters"]["previous_metadata_location"] == file
    assert [column["Name"] for column in table["StorageDescriptor"]["Columns"]][-1] == "channel"
    loaded = catalog(account).load_table((database, "sales"))
    assert loaded.schema().find_field("amount").field_type.precision == 14
    assert loaded.properties["owner"] == "shop" and loaded.properties["write.parquet.compression-codec"] == "zstd"
    assert len(loaded.metadata.metadata_log) == 1


def test_eight_concurrent_appends_all_survive(account, glue, bucket, database):
    import pyarrow
    from pyiceberg.exceptions import CommitFailedException

    make(glue, bucket, database)
    schema = pyarrow.schema([
        ("sale_id", pyarrow.string()),
        ("amount", pyarrow.decimal128(12, 2)),
        ("sold_at", pyarrow.timestamp("us", tz="UTC")),
        ("places", pyarrow.list_(pyarrow.string())),
    ])
    failures = []

    def append(number):
        rows = [{"sale_id": f"{number}-{n}", "amount": None, "sold_at": n * 86_400_000_000, "places": ["x"]} for n in range(3)]
        batch = pyarrow.Table.from_pylist(rows, schema=schema)
        own = catalog(account)
        for _ in range(60):
            try:
                return own.load_table((database, "sales")).append(batch)
            except CommitFailedException:
                continue
            except Exception as error:
                return failures.append(error)
        failures.append(f"writer {number} never came through")

    writers = [threading.Thread(target=append, args=(number,)) for number in range(8)]
    [writer.start() for writer in writers]
    [writer.join() for writer in writers]
    assert not failures
    rows = catalog(account).load_table((database, "sales")).scan().to_arrow()["sale_id"].to_pylist()
    assert sorted(rows) == sorted(f"{number}-{n}" for number in range(8) for n in range(3))


def catalog(account):
    from pyiceberg.catalog.glue import GlueCatalog

    common = {"region": "eu-north-1", "access-key-id": "test", "secret-access-key": "test"}
    settings = {f"{kind}.{name}": value for kind in ("glue", "s3") for name, value in common.items()}
    return GlueCatalog("glue", **settings, **{"glue.endpoint": account.url, "s3.endpoint": account.url})


ROLE = "arn:aws:iam::123456789012:role/optimizers"


def test_optimizers_are_kept_with_their_table(glue, bucket, database, refused):
    make(glue, bucket, database)
    one = {"CatalogId": "123456789012", "DatabaseName": database, "TableName": "sales"}
    retention = {"icebergConfiguration": {"snapshotRetentionPeriodInDays": 3, "numberOfSnapshotsToRetain": 2}}
    given = {"roleArn": ROLE, "enabled": True, "retentionConfiguration": retention}
    with refused("EntityNotFoundException"):
        glue.get_table_optimizer(**one, Type="retention")
    glue.create_table_optimizer(**one, Type="retention", TableOptimizerConfiguration=given)
    with refused("AlreadyExistsException"):
        glue.create_table_optimizer(**one, Type="retention", TableOptimizerConfiguration=given)
    found = glue.get_table_optimizer(**one, Type="retention")
    assert found["TableOptimizer"]["configuration"] == given and found["TableOptimizer"]["type"] == "retention"
    glue.update_table_optimizer(**one, Type="retention", TableOptimizerConfiguration=given | {"enabled": False})
    with refused("EntityNotFoundException"):
        glue.update_table_optimizer(**one, Type="compaction", TableOptimizerConfiguration={"roleArn": ROLE, "enabled": True})
    entry = {"catalogId": "123456789012", "databaseName": database, "tableName": "sales"}
    batch = glue.batch_get_table_optimizer(Entries=[entry | {"type": kind} for kind in ["retention", "compaction"]])
    (kept,), (lacking,) = batch["TableOptimizers"], batch["Failures"]
    assert kept["tableOptimizer"]["configuration"]["enabled"] is False and kept["tableName"] == "sales"
    assert (lacking["type"], lacking["error"]["ErrorCode"]) == ("compaction", "EntityNotFoundException")
    glue.delete_table_optimizer(**one, Type="retention")
    with refused("EntityNotFoundException"):
        glue.delete_table_optimizer(**one, Type="retention")
    # They go with their table.
    glue.create_table_optimizer(**one, Type="retention", TableOptimizerConfiguration=given)
    glue.delete_table(DatabaseName=database, Name="sales")
    with refused("EntityNotFoundException"):
        glue.get_table_optimizer(**one, Type="retention")
    make(glue, bucket, database)
    with refused("EntityNotFoundException"):
        glue.get_table_optimizer(**one, Type="retention")


def test_optimizers_that_glue_refuses(glue, bucket, database, refused):
    make(glue, bucket, database)
    one = {"CatalogId": "123456789012", "DatabaseName": database, "TableName": "sales"}
    for kind, more, code in [
        ("vacuum", {}, "ValidationException"),
        ("compaction", {"roleArn": "arn:aws:iam::123456789012:user/anna"}, "InvalidInputException"),
        ("compaction", {"retentionConfiguration": {"icebergConfiguration": {}}}, "InvalidInputException"),
        ("compaction", {"compactionConfiguration": {"icebergConfiguration": {"strategy": "heap"}}}, "ValidationException"),
        ("retention", {"retentionConfiguration": {"icebergConfiguration": {"runRateInHours": 2}}}, "InvalidInputException"),
    ]:
        given = {"roleArn": ROLE, "enabled": True} | more
        with refused(code):
            glue.create_table_optimizer(**one, Type=kind, TableOptimizerConfiguration=given)
