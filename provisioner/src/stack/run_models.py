"""Runs a stack's models on Spark: each SELECT becomes an Iceberg table of the warehouse, in the order of the manifest."""

import argparse
import contextlib
import json
import sys
import time
from datetime import datetime, timezone
from typing import TextIO

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import lit

try:
    from pyspark.errors import AnalysisException
except ImportError:
    from pyspark.sql.utils import AnalysisException

CATALOG = "glue"
UTC = timezone.utc
# When the maintenance of a table began last, in milliseconds since 1970: a property of the table.
MAINTAINED = "lakewright.maintained-ms"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", required=True, help="the models: s3://BUCKET/models/manifest.json or a file")
    parser.add_argument("--model", action="append", default=[], help="run this model only; may be given again")
    parser.add_argument("--conf", action="append", default=[], metavar="KEY=VALUE", help="a setting of Spark")
    parser.add_argument("--results", metavar="FILE", help="write a line for each model to this file, not to standard output")
    return parser.parse_args()


def session(settings: list[str]) -> SparkSession:
    """The Spark session; Iceberg's jars come with the job's submission."""
    catalog = f"spark.sql.catalog.{CATALOG}"
    conf = {
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.type": "glue",
        f"{catalog}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "spark.sql.defaultCatalog": CATALOG,
        # A day is a day in UTC, on every engine that runs these models.
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.adaptive.enabled": "true",
    }
    conf.update(setting.split("=", 1) for setting in settings)
    builder = SparkSession.builder.appName("lakewright-models")
    for key, value in conf.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def quote(*names: str) -> str:
    return ".".join(f"`{name}`" for name in names)


def ensure_table(spark: SparkSession, table: str, location: str, rows: DataFrame) -> None:
    """Creates the table with the query's columns, or adds the columns that it lacks."""
    if not spark.catalog.tableExists(table.replace("`", "")):
        (
            spark.createDataFrame([], rows.schema)
            .writeTo(table)
            .using("iceberg")
            .tableProperty("format-version", "2")
            .tableProperty("location", location)
            .tableProperty("write.parquet.compression-codec", "zstd")
            .tableProperty("write.metadata.delete-after-commit.enabled", "true")
            .create()
        )
        return
    known = {column.lower() for column in spark.table(table).columns}
    added = [field for field in rows.schema if field.name.lower() not in known]
    if added:
        columns = ", ".join(f"{quote(field.name)} {field.dataType.simpleString()}" for field in added)
        spark.sql(f"ALTER TABLE {table} ADD COLUMNS ({columns})")


def merge(spark: SparkSession, table: str, key: list[str], rows: DataFrame) -> None:
    """A row replaces the one with its key; rows that are there already are left as they are."""
    rows.createOrReplaceTempView("lakewright_rows")
    same_key = " AND ".join(f"t.{quote(column)} = s.{quote(column)}" for column in key)
    others = [column for column in rows.columns if column not in key]
    same_row = " AND ".join(f"t.{quote(column)} <=> s.{quote(column)}" for column in others) or "true"
    spark.sql(
        f"MERGE INTO {table} t USING lakewright_rows s ON {same_key} "
        f"WHEN MATCHED AND NOT ({same_row}) THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )


def run(spark: SparkSession, manifest: dict, model: dict, results: TextIO) -> None:
    started = time.monotonic()
    table = quote(CATALOG, manifest["database"], model["name"])
    rows = spark.sql(model["sql"])
    ensure_table(spark, table, f"{manifest['location']}/{model['name']}", rows)
    materialization = model["materialization"]
    if materialization == "merge":
        merge(spark, table, model["key"], rows)
    elif materialization == "append":
        rows.writeTo(table).append()
    elif materialization == "replace":
        rows.writeTo(table).overwrite(lit(True))
    else:
        raise ValueError(f"unknown materialization {materialization}")
    snapshot = spark.sql(f"SELECT summary FROM {table}.snapshots ORDER BY committed_at DESC LIMIT 1").first()
    total = snapshot["summary"].get("total-records") if snapshot else None
    seconds = round(time.monotonic() - started, 3)
    print(json.dumps({"model": model["name"], "rows": int(total or 0), "seconds": seconds}), file=results, flush=True)


def call(spark: SparkSession, procedure: str, arguments: str) -> dict:
    """Calls one of Iceberg's procedures; its result is one row, or none of a table that holds nothing."""
    row = spark.sql(f"CALL {CATALOG}.system.{procedure}({arguments})").first()
    return row.asDict() if row else {}


def remove_orphans(spark: SparkSession, table: str, older_than: str) -> dict:
    arguments = f"table => '{table}', older_than => {older_than}"
    try:
        # By the table's own file access, which lists a prefix at once. Older releases of Iceberg don't know the argument.
        spark.sql(f"CALL {CATALOG}.system.remove_orphan_files({arguments}, prefix_listing => true)").count()
    except AnalysisException as error:
        if "prefix_listing" not in str(error):
            raise
        spark.sql(f"CALL {CATALOG}.system.remove_orphan_files({arguments})").count()
    return {}


def maintain(spark: SparkSession, database: str, name: str, settings: dict, results: TextIO) -> list[str]:
    """Maintains a table by Iceberg's procedures if that is due, and returns what failed. What fails keeps nothing else from being done."""
    now = int(time.time() * 1000)
    quoted, table = quote(CATALOG, database, name), f"{database}.{name}"
    properties = {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {quoted}").collect()}
    if now - int(properties.get(MAINTAINED, 0)) < settings["every_ms"]:
        return []
    started = time.monotonic()
    # First, so that what fails, or takes the run's whole time, isn't tried again by each run.
    spark.sql(f"ALTER TABLE {quoted} SET TBLPROPERTIES ('{MAINTAINED}' = '{now}')")
    before = lambda age: f"TIMESTAMP '{datetime.fromtimestamp((now - age) / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}'"
    done, failed = {}, []
    for procedure, work in [
        ("rewrite_data_files", lambda: call(
            spark, "rewrite_data_files", f"table => '{table}', options => map('partial-progress.enabled', 'true')"
        )),
        ("rewrite_manifests", lambda: call(spark, "rewrite_manifests", f"table => '{table}'")),
        ("expire_snapshots", lambda: call(
            spark, "expire_snapshots",
            f"table => '{table}', older_than => {before(settings['snapshots_age_ms'])}, retain_last => {settings['min_snapshots']}",
        )),
        ("remove_orphan_files", lambda: remove_orphans(spark, table, before(settings["orphans_age_ms"]))),
    ]:
        try:
            done |= work()
        except Exception as error:
            failed.append(f"{procedure} of {table}: {error}")
    seconds = round(time.monotonic() - started, 3)
    print(json.dumps({"maintained": name, "done": done, "failed": len(failed), "seconds": seconds}), file=results, flush=True)
    return failed


def main() -> int:
    given = arguments()
    spark = session(given.conf)
    text = spark.read.text(given.manifest, wholetext=True).first()["value"]
    manifest = json.loads(text)
    names = [model["name"] for model in manifest["models"]]
    unknown = sorted(set(given.model) - set(names))
    if unknown:
        print(f"the manifest holds no model {', '.join(unknown)}; it holds {', '.join(names)}", file=sys.stderr)
        return 2
    chosen = [model for model in manifest["models"] if not given.model or model["name"] in given.model]
    # Spark's own output may come between the lines on standard output, or before one's beginning.
    with open(given.results, "w") if given.results else contextlib.nullcontext(sys.stdout) as results:
        for model in chosen:
            try:
                run(spark, manifest, model, results)
            except Exception as error:
                # The models after it read what it should have made, so the run ends here.
                print(f"model {model['name']} failed: {error}", file=sys.stderr)
                return 1
        failed = []
        if settings := manifest.get("maintenance"):
            for model in chosen:
                try:
                    failed += maintain(spark, manifest["database"], model["name"], settings, results)
                except Exception as error:
                    failed.append(f"maintenance of {model['name']}: {error}")
    for reason in failed:
        print(f"the models are done, but their tables aren't maintained: {reason}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
