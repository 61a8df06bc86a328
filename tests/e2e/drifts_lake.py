"""What people change by hand around the catalog."""

from drifts import ANY, drift, lake


def query(aws, name):
    client = aws("athena")
    ids = client.list_named_queries(WorkGroup="lake")["NamedQueryIds"]
    queries = client.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]
    (one,) = [query for query in queries if query["Name"] == name]
    return one


@drift("saved_query.points", "sql", "SELECT 1", ANY)
def a_saved_query_rewritten(aws):
    one = query(aws, "points")
    aws("athena").update_named_query(
        NamedQueryId=one["NamedQueryId"], Name="points", Description=one["Description"], QueryString="SELECT 1"
    )


@drift("saved_query.cities", None, None, None)
def a_saved_query_deleted(aws):
    aws("athena").delete_named_query(NamedQueryId=query(aws, "cities")["NamedQueryId"])


@drift("table.users", "columns[loyalty].name", "loyalty_points", "loyalty")
def a_column_renamed(aws):
    with lake(aws, "lake_raw.users").update_schema() as schema:
        schema.rename_column("loyalty", "loyalty_points")
