"""What people ask a search index, by the clients that they have: the local index answers as OpenSearch and Elasticsearch do.

Every test runs on the local index and on a real OpenSearch. Queries that are drawn are 300, and 20,000 with `LAKEWRIGHT_LONG=1`;
`LAKEWRIGHT_SEED=…` repeats them.
"""

import json
import os
import random
import subprocess

import pytest
from elasticsearch import Elasticsearch as ElasticsearchClient
from opensearchpy import OpenSearch as OpenSearchClient
from opensearchpy import TransportError, helpers

import ports
from conftest import TARGET
from test_real_search import Cluster

LONG = os.environ.get("LAKEWRIGHT_LONG") == "1"
INDEX = "ua-2026.11.28"
DRAWN = 20_000 if LONG else 300
TEXTS = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
TEMPLATE = {
    "index_patterns": ["ua-*"],
    "template": {
        "settings": {"number_of_shards": 1, "number_of_replicas": 0},
        "mappings": {"properties": {"loc": {"type": "geo_point"}, "text": TEXTS, "user": TEXTS}},
    },
}
DOCUMENTS = [
    {
        "user": f"u{i % 3}", "text": "red lipstick in Stockholm" if i % 2 else "blue shoes in Seoul",
        "event_time": f"2026-11-28T10:{i % 60:02}:00Z", "price": i, "loc": {"lat": 59.3, "lon": 18.0},
    }
    for i in range(100)
]
# More kinds of values than those have.
GOODS = [
    {
        "name": name, "brand": brand, "price": round(1.5 * i + 0.25, 2), "stock": i % 7, "sold": i % 3 == 0, "tags": tags,
        "weight": round(0.1 * i + 0.01, 2),
        "at": f"2026-{1 + i % 12:02}-{1 + i % 28:02}T{i % 24:02}:30:00.{i % 10}00Z", "place": place,
    }
    for i, (name, brand, tags, place) in enumerate(
        [
            ("Matte Lipstick", "Lunar", ["red", "matte"], "59.33,18.07"),
            ("Glossy lipstick pen", "Lunar", ["pink"], [126.98, 37.57]),
            ("Lip balm", "Nordic Sun", [], {"lat": 48.85, "lon": 2.35}),
            ("Running shoes", "Fleet", ["blue", "sport"], "35.68,139.69"),
            ("Trail running shoe, blue", "Fleet", ["blue"], "-33.87,151.21"),
            ("Rain coat", "Nordic Sun", ["yellow", "rain"], "64.15,-21.94"),
            ("Coat for the rain and the sun", "Fleet", ["grey"], None),
            ("Phone case 5.5", "Lunar", ["black", "matte"], "40.71,-74.00"),
        ] * 5
    )
]


class Local:
    """The local index in a process of its own."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [TARGET / "debug" / "lakewright-local", "search", "--data", folder, "--until-stdin-closes"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.url = json.loads(self.process.stdout.readline())["search"]

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0


class Real(Cluster):
    """OpenSearch without its security."""

    def __init__(self):
        super().__init__(ports.row(2))
        self.script("start")

    def stop(self):
        self.script("stop")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The local index and OpenSearch, with the documents."""
    servers = [Local(tmp_path_factory.mktemp("search")), Real()]
    clients = [OpenSearchClient(server.url, timeout=60) for server in servers]
    for client in clients:
        put(client)
    yield clients
    for server in servers:
        server.stop()


@pytest.fixture(params=[0, 1], ids=["local", "opensearch"])
def server(request, both):
    return both[request.param]


def put(client):
    client.indices.put_index_template(name="ua", body=TEMPLATE)
    helpers.bulk(client, ({"_index": INDEX, "_id": str(i), **document} for i, document in enumerate(DOCUMENTS)), refresh=True)
    mappings = {"properties": {"place": {"type": "geo_point"}, "price": {"type": "double"}}}
    goods = {"index_patterns": ["goods*"], "template": {"settings": {"number_of_shards": 1, "number_of_replicas": 0}, "mappings": mappings}}
    client.indices.put_index_template(name="goods", body=goods)
    documents = ({key: value for key, value in document.items() if value is not None} for document in GOODS)
    helpers.bulk(client, ({"_index": "goods", "_id": str(i), **document} for i, document in enumerate(documents)), refresh=True)


def hits(client, query, index=INDEX, **body):
    return client.search(index=index, body={"query": query, "size": 200, "track_total_hits": True} | body)["hits"]["hits"]


def found(client, query, index="goods"):
    return sorted(int(hit["_id"]) for hit in hits(client, query, index))


LIPSTICK = [i for i in range(100) if i % 2]


def scores(client, query, index="goods"):
    """The hits' scores by their ids; the hits stand in the order of these."""
    found = [(hit["_id"], hit["_score"]) for hit in hits(client, query, index)]
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True), query
    return dict(found)


def are_alike(one, other):
    """Whether two answers are, but for what a float of 32 bits loses."""
    return one.keys() == other.keys() and all(one[id] == pytest.approx(other[id], rel=2e-5, abs=1e-6) for id in one)


def test_what_was_answered_wrongly(server):
    ids = lambda query: sorted(int(hit["_id"]) for hit in hits(server, query))
    assert ids({"match": {"text": {"query": "lipstik", "fuzziness": "AUTO"}}}) == LIPSTICK
    both = [i for i in LIPSTICK if i % 3 == 1]
    assert ids({"query_string": {"query": "text:lipstick AND user:u1"}}) == both and len(both) == 17
    marked = hits(server, {"match": {"text": "lipstick"}}, highlight={"fields": {"text": {}}})
    assert all(hit["highlight"] == {"text": ["red <em>lipstick</em> in Stockholm"]} for hit in marked) and len(marked) == 50
    ordered = hits(server, {"match_all": {}}, sort=[{"user.keyword": "asc"}, {"price": "desc"}], size=4)
    assert [hit["_source"]["price"] for hit in ordered] == [99, 96, 93, 90]
    assert [hit["sort"] for hit in ordered] == [["u0", price] for price in (99, 96, 93, 90)]
    box = {"top_left": {"lat": 60, "lon": 17}, "bottom_right": {"lat": 59, "lon": 19}}
    assert len(ids({"geo_bounding_box": {"loc": box}})) == 100
    assert len(list(helpers.scan(server, index="ua-*", size=10))) == 100
    hours = server.search(
        index=INDEX,
        body={"size": 0, "aggs": {"hours": {"date_histogram": {"field": "event_time", "fixed_interval": "1h"}}}},
    )["aggregations"]["hours"]["buckets"]
    assert hours == [{"key": 1795860000000, "key_as_string": "2026-11-28T10:00:00.000Z", "doc_count": 100}]
    assert all(isinstance(hour["key"], int) for hour in hours)
    assert server.cluster.health()["status"] == "green"


def test_buckets_and_figures(server):
    asked = {
        "indices": {"terms": {"field": "_index"}},
        "last": {"max": {"field": "at"}},
        "brands": {"terms": {"field": "brand.keyword", "size": 2}, "aggs": {"price": {"stats": {"field": "price"}}}},
        "stock": {"range": {"field": "stock", "ranges": [{"to": 3}, {"from": 3}]}},
        "days": {"date_histogram": {"field": "at", "calendar_interval": "day", "min_doc_count": 1}},
    }
    found = server.search(index="goods", body={"size": 0, "aggs": asked})["aggregations"]
    assert found["indices"]["buckets"] == [{"key": "goods", "doc_count": len(GOODS)}]
    assert found["last"]["value_as_string"] == max(document["at"] for document in GOODS)[:23] + "Z"
    brands = [(bucket["key"], bucket["doc_count"], bucket["price"]["count"]) for bucket in found["brands"]["buckets"]]
    assert sorted(brands) == [("Fleet", 15, 15), ("Lunar", 15, 15)] and found["brands"]["sum_other_doc_count"] == 10
    low = sum(document["stock"] < 3 for document in GOODS)
    assert [bucket["doc_count"] for bucket in found["stock"]["buckets"]] == [low, len(GOODS) - low]
    days = {document["at"][:10] for document in GOODS}
    assert [bucket["key_as_string"] for bucket in found["days"]["buckets"]] == [f"{day}T00:00:00.000Z" for day in sorted(days)]


WITHIN = {"aggs": {"price": {"stats": {"field": "price"}}, "brands": {"terms": {"field": "brand.keyword"}}}}
AGGREGATED = [
    {"terms": {"field": "brand.keyword"}, **WITHIN},
    {"terms": {"field": "tags.keyword", "size": 3}},
    {"terms": {"field": "tags.keyword", "order": {"_key": "asc"}, "missing": "none"}},
    {"terms": {"field": "tags.keyword", "order": [{"price": "desc"}, {"_key": "desc"}]}, "aggs": {"price": {"avg": {"field": "price"}}}},
    {"terms": {"field": "tags.keyword", "order": [{"_count": "desc"}, {"price": "asc"}]}, "aggs": {"price": {"avg": {"field": "price"}}}},
    {"terms": {"field": "brand.keyword", "order": {"price.max": "asc"}}, "aggs": {"price": {"stats": {"field": "price"}}}},
    {"terms": {"field": "tags.keyword", "include": ["red", "blue"]}},
    {"terms": {"field": "tags.keyword", "exclude": ["red", "blue"], "min_doc_count": 10}},
    {"terms": {"field": "stock", "order": {"_count": "asc"}}},
    {"terms": {"field": "sold"}, **WITHIN},
    {"terms": {"field": "weight", "size": 4, "order": {"_key": "desc"}}},
    {"terms": {"field": "at", "size": 3, "order": {"_key": "asc"}}},
    {"terms": {"field": "nothing"}},
    *({"date_histogram": {"field": "at", "calendar_interval": interval}, **WITHIN} for interval in ["week", "month", "quarter", "year", "1M", "1q"]),
    *(
        {"date_histogram": {"field": "at", "calendar_interval": interval, "time_zone": zone, "min_doc_count": 1}}
        for interval in ["hour", "day", "week", "month", "quarter", "year"]
        for zone in ["Europe/Stockholm", "America/New_York", "+05:30", "Asia/Seoul"]
    ),
    {"date_histogram": {"field": "at", "fixed_interval": "36h", "time_zone": "+09:00", "min_doc_count": 1}},
    {"date_histogram": {"field": "at", "fixed_interval": "30d", "offset": "+6h"}},
    {"date_histogram": {"field": "at", "calendar_interval": "month", "offset": "-1d", "format": "yyyy-MM-dd HH:mm"}},
    {"date_histogram": {"field": "at", "calendar_interval": "month", "format": "MM/yyyy", "keyed": True, "time_zone": "Asia/Seoul"}},
    {"date_histogram": {"field": "at", "calendar_interval": "quarter", "order": {"_key": "desc"}}},
    {"date_histogram": {"field": "at", "calendar_interval": "quarter", "order": {"_count": "desc"}}},
    {
        "date_histogram": {
            "field": "at", "calendar_interval": "month", "format": "yyyy-MM-dd",
            "extended_bounds": {"min": "2025-11-15", "max": "2027-02-03"},
        },
    },
    {"date_histogram": {"field": "at", "calendar_interval": "month", "hard_bounds": {"min": "2026-03-01", "max": "2026-06-01"}}},
    {"date_histogram": {"field": "nothing", "calendar_interval": "month"}},
    {"histogram": {"field": "price", "interval": 7}},
    {"histogram": {"field": "price", "interval": 2.5, "offset": 0.5, "min_doc_count": 2}, **WITHIN},
    {"histogram": {"field": "stock", "interval": 2, "extended_bounds": {"min": -3, "max": 11}, "keyed": True}},
    {"histogram": {"field": "stock", "interval": 2, "hard_bounds": {"min": 1, "max": 5}}},
    {"histogram": {"field": "stock", "interval": 1, "order": {"_count": "desc"}}},
    {"range": {"field": "stock", "ranges": [{"from": 3}, {"to": 3}, {"from": 1, "to": 5}]}, **WITHIN},
    {"range": {"field": "price", "keyed": True, "ranges": [{"key": "cheap", "to": 20}, {"from": 40.5}]}},
    {"date_range": {"field": "at", "ranges": [{"to": "2026-04-01"}, {"from": "2026-04-01", "to": "2026-04-01||+3M"}]}},
    {"date_range": {"field": "at", "format": "yyyy-MM", "time_zone": "+01:00", "ranges": [{"from": "2026-03", "key": "later"}]}},
    {"range": {"field": "at", "ranges": [{"from": "2026-05-05"}]}},
    {"filters": {"filters": {"coats": {"match": {"name": "coat"}}, "red": {"term": {"tags.keyword": "red"}}}}, **WITHIN},
    {"filters": {"filters": [{"match": {"name": "coat"}}, {"range": {"price": {"lt": 10}}}], "other_bucket": True}},
    {"filters": {"other_bucket_key": "rest", "filters": {"sold": {"term": {"sold": True}}}}},
    {"filter": {"match": {"name": "shoes"}}, **WITHIN},
    {"terms": {"field": "brand.keyword"}, "aggs": {"coats": {"filters": {"filters": {"coat": {"match": {"name": "coat"}}}}}}},
    {"missing": {"field": "tags.keyword"}},
    {"missing": {"field": "stock"}},
    *({kind: {"field": field}} for kind in ["stats", "sum", "avg", "min", "max", "value_count"] for field in ["price", "stock", "at", "weight"]),
    {"extended_stats": {"field": "price"}},
    {"extended_stats": {"field": "stock", "sigma": 3}},
    {"min": {"field": "at", "format": "yyyy-MM-dd"}},
    {"stats": {"field": "nothing"}},
    {"avg": {"field": "nothing", "missing": 4}},
    {"cardinality": {"field": "tags.keyword"}},
    {"cardinality": {"field": "at"}},
    {"value_count": {"field": "tags.keyword"}},
    {"sum": {"field": "stock"}, "meta": {"unit": "pieces"}},
]


def rounded(value):
    """An answer whose numbers are as sums in another order have them."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_both_aggregate_alike(both):
    differ = []
    for asked in AGGREGATED:
        for query in [{"match_all": {}}, {"match": {"name": "coat shoes"}}, {"match_none": {}}]:
            body = {"size": 0, "query": query, "aggs": {"a": asked}}
            local, real = (client.search(index="goods", body=body)["aggregations"]["a"] for client in both)
            # What a sum of times is called is of no use, and each server writes it in its own way.
            if rounded(local) != rounded(real):
                differ.append((asked, query, local, real))
    shown = "\n".join("\n  ".join(json.dumps(part) for part in one) for one in differ[:10])
    assert not differ, f"{len(differ)} differ\n{shown}"


def test_percentiles_are_near(both):
    local, real = (
        client.search(index="goods", body={"size": 0, "aggs": {name: {"percentiles": {"field": name}} for name in ["price", "at"]}})
        for client in both
    )
    prices = sorted(document["price"] for document in GOODS)
    for name, width in [("price", prices[-1] - prices[0]), ("at", 366 * 86_400_000)]:
        one, other = local["aggregations"][name]["values"], real["aggregations"][name]["values"]
        assert one.keys() == other.keys()
        for percent in (percent for percent in one if not percent.endswith("string")):
            assert one[percent] == pytest.approx(other[percent], abs=width / 10), (name, percent)


def test_documents_are_deleted_by_a_query(server):
    documents = ({"_index": "ua-gone", "_id": str(i), **document} for i, document in enumerate(DOCUMENTS))
    helpers.bulk(server, documents, refresh=True)
    deleted = server.delete_by_query(index="ua-gone", body={"query": {"match": {"user": "u1"}}}, refresh=True)
    assert (deleted["deleted"], deleted["failures"], server.count(index="ua-gone")["count"]) == (33, [], 67)
    # An index that asks for a copy has none on a single node.
    server.indices.create(index="alone")
    assert server.cluster.health()["status"] == "yellow"
    server.indices.delete(index="ua-gone,alone")
    assert server.cluster.health()["status"] == "green"


REFUSED = {
    "a query": {"query": {"fuzzyish": {"text": "x"}}},
    "a query's member": {"query": {"match": {"text": {"query": "x", "fuzzyness": "AUTO"}}}},
    "a search's member": {"query": {"match_all": {}}, "highlights": {}},
    "a sort's member": {"sort": [{"price": {"odrer": "asc"}}]},
    "a sort by words": {"sort": ["text"]},
    "a field that doesn't exist": {"sort": ["nothing"]},
    "an aggregation": {"aggs": {"a": {"sums": {"field": "price"}}}},
    "an aggregation's member": {"aggs": {"a": {"terms": {"field": "price", "szie": 3}}}},
    "an aggregation of words": {"aggs": {"a": {"terms": {"field": "text"}}}},
    "a line": {"query": {"query_string": {"query": "text:(red"}}},
    "a range's bound": {"query": {"range": {"event_time": {"gte": "yesterday"}}}},
    "a number": {"query": {"term": {"price": "cheap"}}},
    "a box upside down": {"query": {"geo_bounding_box": {"loc": {"top": 1, "bottom": 2, "left": 0, "right": 1}}}},
    "places of what is none": {"query": {"geo_distance": {"distance": "1km", "price": "1,1"}}},
    "two fields": {"query": {"match": {"text": "a", "user": "b"}}},
    "too many hits": {"size": 10_001},
    "a size": {"size": -1},
    "an aggregation that nobody needs so large": {"aggs": {"a": {"top_hits": {"size": 100_000}}}},
    "a slop": {"query": {"match_phrase": {"text": {"query": "a b", "slop": -1}}}},
    "a zone": {"query": {"range": {"event_time": {"gte": "2026-01-01", "time_zone": "+€a"}}}},
    "a fuzziness": {"query": {"match": {"text": {"query": "x", "fuzziness": "sometimes"}}}},
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_nobody_knows_is_refused(server, what):
    with pytest.raises(TransportError) as refused:
        server.search(index=INDEX, body=REFUSED[what])
    assert refused.value.status_code == 400, refused.value
    assert server.count(index=INDEX)["count"] == 100


def test_pages_follow_one_another(server):
    sort = [{"stock": "desc"}, {"at": "asc"}]
    page, all_pages = {"size": 7, "sort": sort, "query": {"match_all": {}}}, []
    while there := server.search(index="goods", body=page)["hits"]["hits"]:
        all_pages += there
        page["search_after"] = there[-1]["sort"]
    whole = server.search(index="goods", body={"size": 100, "sort": sort})["hits"]["hits"]
    assert [hit["_id"] for hit in all_pages] == [hit["_id"] for hit in whole] and len(whole) == len(GOODS)
    # A point in time doesn't see what comes later.
    point = server.create_pit(index="goods", params={"keep_alive": "1m"})["pit_id"]
    server.index(index="goods", id="late", body={"stock": 3}, refresh=True)
    body = {"size": 100, "sort": [{"stock": "asc"}], "pit": {"id": point, "keep_alive": "1m"}}
    assert len(server.search(body=body)["hits"]["hits"]) == len(GOODS)
    assert len(server.search(index="goods", body={"size": 100})["hits"]["hits"]) == len(GOODS) + 1
    server.delete_pit(body={"pit_id": [point]})
    server.delete(index="goods", id="late", refresh=True)
    with pytest.raises(TransportError) as gone:
        server.search(body=body)
    assert gone.value.status_code == 404


def refused(call, *arguments, **named):
    """The status and the type of the error of a call."""
    with pytest.raises(TransportError) as error:
        call(*arguments, **named)
    return error.value.status_code, error.value.error


def test_documents_are_changed_by_who_has_seen_them(server):
    stamp = lambda answer: (answer["_version"], answer["_seq_no"], answer["_primary_term"])
    put = lambda id, **said: server.index(index="ua-seen", id=id, body={"n": 1}, **said)
    assert (stamp(put("1")), stamp(put("1")), stamp(put("2"))) == ((1, 0, 1), (2, 1, 1), (1, 2, 1))
    assert stamp(server.get(index="ua-seen", id="1")) == (2, 1, 1)
    conflict = (409, "version_conflict_engine_exception")
    assert refused(put, "1", if_seq_no=0, if_primary_term=1) == conflict
    assert refused(put, "9", if_seq_no=0, if_primary_term=1) == conflict
    assert refused(put, "1", op_type="create") == conflict
    assert refused(put, "1", if_seq_no=1)[0] == 400
    assert stamp(put("1", if_seq_no=1, if_primary_term=1)) == (3, 3, 1)
    assert refused(server.delete, index="ua-seen", id="1", if_seq_no=1, if_primary_term=1) == conflict
    assert stamp(server.delete(index="ua-seen", id="1", if_seq_no=3, if_primary_term=1)) == (4, 4, 1)
    # How often it was changed is remembered for a while.
    assert stamp(put("1")) == (5, 5, 1)
    action = lambda kind, id, **said: {kind: {"_index": "ua-seen", "_id": id, **said}}
    lines = [
        action("index", "2", if_seq_no=2, if_primary_term=1), {"n": 2}, action("index", "2", if_seq_no=2, if_primary_term=1), {"n": 3},
        action("delete", "2", if_seq_no=6, if_primary_term=1), action("create", "3"), {"n": 3}, action("create", "3"), {"n": 4},
    ]
    answer = server.bulk(body=lines, refresh=True)
    items = [next(iter(item.values())) for item in answer["items"]]
    assert [item["status"] for item in items] == [200, 409, 200, 201, 409] and answer["errors"]
    assert [stamp(item) for item in items if "error" not in item] == [(2, 6, 1), (3, 7, 1), (1, 8, 1)]
    assert {item["error"]["type"] for item in items if "error" in item} == {"version_conflict_engine_exception"}
    found = server.search(index="ua-seen", body={"version": True, "seq_no_primary_term": True, "sort": [{"n": "asc"}]})
    assert [(hit["_id"], *stamp(hit)) for hit in found["hits"]["hits"]] == [("1", 5, 5, 1), ("3", 1, 8, 1)]
    server.indices.delete(index="ua-seen")


def test_indices_have_other_names(server):
    named = server.indices
    for index in ["ua-one", "ua-two"]:
        server.index(index=index, id="1", body={"text": f"red {index}"}, refresh=True)
    assert named.put_alias(index="ua-one", name="red")["acknowledged"]
    assert [hit["_index"] for hit in hits(server, {"match": {"text": "red"}}, "red")] == ["ua-one"]
    # What is sent to a name goes to its only index.
    assert server.index(index="red", id="2", body={"text": "red too"}, refresh=True)["_index"] == "ua-one"
    assert server.get(index="red", id="2")["_index"] == "ua-one" and server.count(index="red")["count"] == 2
    named.update_aliases(body={"actions": [{"add": {"indices": ["ua-two"], "alias": "red"}}, {"add": {"index": "ua-one", "alias": "single"}}]})
    assert server.count(index="red")["count"] == 3 and server.count(index="re*")["count"] == 3
    assert refused(server.index, index="red", id="3", body={})[0] == 400
    assert refused(server.get, index="red", id="1")[0] == 400
    named.put_alias(index="ua-two", name="red", body={"is_write_index": True})
    assert server.bulk(body=[{"index": {"_index": "red", "_id": "4"}}, {"text": "red four"}], refresh=True)["items"][0]["index"]["_index"] == "ua-two"
    assert named.get_alias(index="ua-one") == {"ua-one": {"aliases": {"red": {}, "single": {}}}}
    assert named.get_alias(name="red") == {
        "ua-one": {"aliases": {"red": {}}}, "ua-two": {"aliases": {"red": {"is_write_index": True}}},
    }
    assert named.exists_alias(name="red") and not named.exists_alias(name="blue")
    assert refused(named.get_alias, name="blue")[0] == 404
    half = {"actions": [{"remove": {"index": "ua-one", "alias": "single"}}, {"remove": {"index": "ua-two", "alias": "single", "must_exist": True}}]}
    assert refused(named.update_aliases, body=half)[0] == 404 and named.exists_alias(name="single")
    assert refused(named.put_alias, index="ua-one", name="ua-two") == (400, "invalid_alias_name_exception")
    assert refused(named.create, index="red")[0] == 400
    assert refused(named.delete, index="red")[0] == 400
    assert refused(named.put_alias, index="nothing", name="x")[0] == 404
    named.delete_alias(index="ua-one", name="red")
    assert server.count(index="red")["count"] == 2
    named.delete(index="ua-one,ua-two")
    assert refused(server.count, index="red")[0] == 404


def test_indices_get_fields(server):
    kinds = lambda index: {name: kind["type"] for name, kind in server.indices.get_mapping(index=index)[index]["mappings"]["properties"].items()}
    said = {
        "settings": {"number_of_replicas": 0}, "aliases": {"more": {}},
        "mappings": {"properties": {"code": {"type": "keyword"}, "n": {"type": "double"}}},
    }
    server.indices.create(index="fields", body=said)
    assert kinds("fields") == {"code": "keyword", "n": "double"} and server.count(index="more")["count"] == 0
    fields = {"properties": {"at": {"type": "date"}, "code": {"type": "keyword"}, "whole": {"type": "text"}}}
    assert server.indices.put_mapping(index="fields", body=fields)["acknowledged"]
    server.index(index="fields", id="1", body={"code": "A b", "n": 1, "whole": "A b", "at": "2026-01-01T00:00:00Z"}, refresh=True)
    assert kinds("fields") == {"code": "keyword", "n": "double", "at": "date", "whole": "text"}
    assert found(server, {"term": {"code": "A b"}}, "fields") == [1] and found(server, {"match": {"code": "a"}}, "fields") == []
    assert found(server, {"match": {"whole": "a"}}, "fields") == [1] and found(server, {"term": {"whole.keyword": "A b"}}, "fields") == []
    assert refused(server.indices.put_mapping, index="fields", body={"properties": {"n": {"type": "keyword"}}}) == (400, "illegal_argument_exception")
    assert refused(server.indices.put_mapping, index="fields", body={"properties": {"x": {"type": "nothing"}}})[0] == 400
    assert refused(server.indices.create, index="wrong", body={"mapings": {}})[0] == 400
    server.indices.put_mapping(index="fields", body={"dynamic": False})
    server.index(index="fields", id="2", body={"new": 5}, refresh=True)
    assert "new" not in kinds("fields") and found(server, {"term": {"new": 5}}, "fields") == []
    server.indices.delete(index="fields")


def test_addresses_are_numbers(server):
    server.indices.create(index="ips", body={"settings": {"number_of_replicas": 0}, "mappings": {"properties": {"ip": {"type": "ip"}}}})
    for id, ip in enumerate(["10.0.0.9", "10.0.0.11", "10.1.0.1", "9.9.9.9", "2001:db8::1"]):
        server.index(index="ips", id=id, body={"ip": ip})
    server.indices.refresh(index="ips")
    for query, wanted in [
        ({"range": {"ip": {"gte": "10.0.0.9", "lt": "10.1.0.0"}}}, [0, 1]),
        ({"term": {"ip": "10.0.0.0/8"}}, [0, 1, 2]),
        ({"term": {"ip": "2001:0db8:0:0:0:0:0:1"}}, [4]),
        ({"range": {"ip": {"gt": "10.0.0.9", "lte": "10.0.0.11"}}}, [1]),
    ]:
        assert found(server, query, "ips") == wanted, query
    server.indices.delete(index="ips")


def test_places_are_sorted_by_their_distance(both):
    for options in [{"order": "asc"}, {"order": "desc", "unit": "km"}, {"unit": "mi", "mode": "max"}]:
        for place in ["59.3,18.1", [[18.1, 59.3], [126.9, 37.5]]]:
            sort = [{"_geo_distance": {"place": place, **options}}, {"price": "asc"}]
            pages = [hits(client, {"match_all": {}}, "goods", sort=sort) for client in both]
            local, real = ([(hit["_id"], hit["sort"][0]) for hit in page] for page in pages)
            assert [id for id, _ in local] == [id for id, _ in real]
            for (_, one), (_, other) in zip(local, real):
                assert one == other if other == "Infinity" else one == pytest.approx(other, rel=1e-4), options
            # A page goes on where the one before it ends.
            rest = hits(both[0], {"match_all": {}}, "goods", sort=sort, search_after=pages[0][20]["sort"])
            assert [hit["_id"] for hit in rest] == [id for id, _ in local[21:]]


def test_hits_say_which_named_queries_find_them(both):
    query = {"bool": {
        "must": {"match": {"name": {"query": "lipstick coat", "_name": "words"}}},
        "should": [{"term": {"sold": {"value": True, "_name": "sold"}}}, {"range": {"price": {"gte": 20, "_name": "dear"}}}],
        "filter": {"bool": {"should": [{"terms": {"tags.keyword": ["red", "grey"], "_name": "colours"}}, {"match_all": {}}], "_name": "all"}},
        "must_not": {"exists": {"field": "nothing", "_name": "none"}},
    }}
    local, real = ({hit["_id"]: sorted(hit["matched_queries"]) for hit in hits(client, query, "goods")} for client in both)
    assert local == real and {"all", "words", "colours", "dear"} <= {name for names in local.values() for name in names}


# What a client of each kind asks for, with the documents of GOODS that are right.
ASKED = [
    {"match_phrase": {"name": "running shoes"}},
    {"match_phrase": {"name": {"query": "coat rain", "slop": 3}}},
    {"match": {"name": {"query": "rain coat sun", "minimum_should_match": "75%"}}},
    {"match": {"name": {"query": "rain coat", "operator": "and"}}},
    {"multi_match": {"query": "rain coat", "fields": ["name^2", "brand"], "operator": "and"}},
    {"multi_match": {"query": "lunar lipstick", "fields": ["name", "brand"], "type": "cross_fields", "operator": "and"}},
    {"query_string": {"query": "(lipstick OR shoes) AND NOT brand:lunar"}},
    {"query_string": {"query": "name:lip* -balm"}},
    {"query_string": {"query": "price:[10 TO 20} AND stock:>=2", "default_operator": "and"}},
    {"query_string": {"query": "\"running shoe\"", "default_field": "name"}},
    {"query_string": {"query": "lipstik~1 brand:\"Nordic Sun\"", "fields": ["name"]}},
    {"query_string": {"query": "at:[2026-03 TO 2026-04]"}},
    {"simple_query_string": {"query": "running +shoe -trail", "fields": ["name"]}},
    {"simple_query_string": {"query": "(rain", "fields": ["name"]}},
    {"prefix": {"brand.keyword": "Nor"}},
    {"prefix": {"name": {"value": "LIP", "case_insensitive": True}}},
    {"wildcard": {"brand.keyword": {"value": "*unar"}}},
    {"wildcard": {"name": "c?at"}},
    {"term": {"sold": True}},
    {"term": {"at": "2026-05-05"}},
    {"terms": {"tags.keyword": ["matte", "sport"]}},
    {"range": {"at": {"gte": "2026-02-01", "lt": "2026-05", "time_zone": "+02:00"}}},
    {"range": {"at": {"gte": "01/06/2026", "lte": "30/06/2026", "format": "dd/MM/yyyy"}}},
    {"range": {"at": {"gte": "2026-06-01||+1M/M"}}},
    {"range": {"price": {"gt": 9.25, "lte": 21.25}}},
    {"range": {"stock": {"gt": 1.5, "lt": 4}}},
    {"term": {"weight": 0.11}},
    {"range": {"weight": {"gte": 0.31, "lte": 0.41}}},
    {"range": {"weight": {"gt": 0.31, "lt": 0.51}}},
    {"range": {"name": {"gte": "lip", "lt": "pen"}}},
    {"range": {"brand.keyword": {"gt": "Fleet"}}},
    {"exists": {"field": "brand.keyword"}},
    {"exists": {"field": "place"}},
    {"exists": {"field": "tags"}},
    {"ids": {"values": ["3", "77"]}},
    {"geo_distance": {"distance": "1500km", "place": {"lat": 52.5, "lon": 13.4}}},
    {"geo_bounding_box": {"place": {"top_left": "70,130", "bottom_right": "-40,-60"}}},
    {"bool": {
        "should": [{"match": {"name": "coat"}}, {"term": {"sold": False}}, {"range": {"stock": {"gte": 5}}}],
        "minimum_should_match": 2,
    }},
    {"bool": {"must_not": {"match": {"name": "shoes"}}}},
    {"constant_score": {"filter": {"term": {"brand.keyword": "Fleet"}}}},
    {"constant_score": {"filter": {"match": {"name": "coat"}}, "boost": 3.5}},
    {"match": {"name": "rain"}},
    {"match": {"name": {"query": "rain coat", "boost": 2}}},
    {"match": {"tags": "blue matte"}},
    {"match": {"name": {"query": "coad shoos", "fuzziness": "AUTO"}}},
    {"match": {"brand.keyword": {"query": "Lunr", "fuzziness": 1}}},
    {"term": {"tags.keyword": {"value": "matte", "boost": 3}}},
    {"term": {"name": "coat"}},
    {"term": {"stock": 3}},
    {"match_phrase": {"name": {"query": "the sun", "slop": 2}}},
    {"match_phrase": {"name": {"query": "the the", "slop": 6}}},
    {"match_phrase": {"name": {"query": "coat sun rain", "slop": 9}}},
    {"multi_match": {"query": "lunar lipstick blue", "fields": ["name^3", "brand", "tags"], "tie_breaker": 0.3}},
    {"multi_match": {"query": "lunar lipstick blue", "fields": ["name^3", "brand", "tags"], "type": "most_fields"}},
    {"multi_match": {"query": "lunar blue rain", "fields": ["name^2", "brand", "tags"], "type": "cross_fields"}},
    {"multi_match": {"query": "Fleet", "fields": ["name", "brand.keyword"], "type": "cross_fields"}},
    {"multi_match": {"query": "Fleet", "fields": ["na*", "bra*"]}},
    {"multi_match": {"query": "rain coat", "fields": ["name", "tags"], "type": "phrase", "tie_breaker": 0.5}},
    {"multi_match": {"query": "lunar"}},
    {"query_string": {"query": "Fleet coat"}},
    {"query_string": {"query": "lunar AND \"phone case\""}},
    {"query_string": {"query": "name:coat^4 tags:blue brand.keyword:Fleet"}},
    {"query_string": {"query": "coat* shoos~1 \"rain coat\"~3", "fields": ["name^2", "tags"]}},
    {"simple_query_string": {"query": "coat | lip* | \"rain coat\" | shoos~1", "fields": ["name^2", "tags"]}},
    {"simple_query_string": {"query": "matte"}},
    {"bool": {
        "must": [{"match": {"name": "coat"}}], "filter": [{"term": {"tags.keyword": "rain"}}],
        "should": [{"match": {"brand": "sun"}}, {"range": {"price": {"gt": 20}}}], "boost": 2,
    }},
    {"bool": {"filter": [{"match": {"name": "coat"}}]}},
]


def test_both_find_the_same(both):
    local, real = both
    for query in ASKED:
        one, other = scores(local, query), scores(real, query)
        assert are_alike(one, other), f"{json.dumps(query)}\n  local {one}\n  real  {other}"
    assert [query for query in ASKED if not found(real, query)] == []


def drawn(chance, depth=0):
    """A query that both know."""
    words = ["lipstick", "lip", "shoes", "shoe", "running", "rain", "coat", "blue", "sun", "matte", "5.5", "case", "liptsick", "rainy"]
    text = lambda: " ".join(chance.choices(words, k=chance.randint(1, 3)))
    number = lambda: round(chance.uniform(-1, 60), chance.randint(0, 2))
    day = lambda: f"2026-{chance.randint(1, 12):02}" + chance.choice(["", f"-{chance.randint(1, 28):02}"])
    field = lambda: chance.choice(["name", "brand", "tags"])

    def line():
        parts = []
        for _ in range(chance.randint(1, 4)):
            word = chance.choice(words)
            part = chance.choice([
                word, f"{word}~1", f"{word[:3]}*", f'"{text()}"', f"{field()}:{word}", f"stock:>{chance.randint(0, 6)}",
                f"price:[{chance.randint(0, 20)} TO {chance.randint(20, 60)}}}", f"({word} OR {chance.choice(words)})",
            ])
            parts += [chance.choice(["", "+", "-", "NOT "]) + part, chance.choice(["", "AND", "OR"])]
        return " ".join(part for part in parts[:-1] if part)

    def bounds(value):
        low, high = sorted([value(), value()])
        return {chance.choice(["gt", "gte"]): low, chance.choice(["lt", "lte"]): high}

    simple = [
        lambda: {"match": {field(): {"query": text(), "operator": chance.choice(["and", "or"])}}},
        lambda: {"match": {field(): {"query": text(), "minimum_should_match": chance.choice([1, 2, "50%", "-1", "1<75%"])}}},
        lambda: {"match": {"name": {"query": text(), "fuzziness": chance.choice(["AUTO", 1, 2]), "prefix_length": chance.randint(0, 2)}}},
        lambda: {"match_phrase": {"name": {"query": text(), "slop": chance.choice([0, 0, 1, 3, 8])}}},
        lambda: {"multi_match": {"query": text(), "fields": ["name", "brand", "tags"], "type": chance.choice(["best_fields", "most_fields", "cross_fields"])}},
        lambda: {"query_string": {"query": line(), "fields": ["name"], "default_operator": chance.choice(["and", "or"])}},
        lambda: {"simple_query_string": {"query": line().replace("NOT ", "-").replace(":", " "), "fields": ["name", "tags"]}},
        lambda: {"multi_match": {"query": text(), "fields": ["name^2", "brand.keyword", "tags^0.5"], "tie_breaker": round(chance.random(), 2)}},
        lambda: {"constant_score": {"filter": {"match": {field(): text()}}, "boost": chance.randint(1, 5)}},
        lambda: {"term": {"sold": chance.choice([True, False])}},
        lambda: {"term": {"stock": chance.randint(-1, 8)}},
        lambda: {"term": {"brand.keyword": chance.choice(["Lunar", "Fleet", "lunar"])}},
        lambda: {"terms": {"tags.keyword": chance.choices(["red", "blue", "matte", "none"], k=2)}},
        lambda: {"range": {chance.choice(["price", "stock"]): bounds(number)}},
        lambda: {"range": {"at": bounds(day)}},
        lambda: {"prefix": {chance.choice(["name", "brand.keyword"]): chance.choice(["Lu", "li", "ru", "x"])}},
        lambda: {"wildcard": {chance.choice(["name", "brand.keyword"]): chance.choice(["l*", "*n", "?u*", "s*e?"])}},
        lambda: {"exists": {"field": chance.choice(["place", "tags", "name", "nothing"])}},
        lambda: {"geo_distance": {"distance": f"{chance.randint(1, 9000)}km", "place": f"{chance.uniform(-60, 70):.2f},{chance.uniform(-180, 180):.2f}"}},
    ]
    if depth < 3 and chance.random() < 0.4:
        clauses = lambda: [drawn(chance, depth + 1) for _ in range(chance.randint(1, 3))]
        body = {name: clauses() for name in chance.sample(["must", "should", "filter", "must_not"], chance.randint(1, 3))}
        if "should" in body and chance.random() < 0.5:
            body["minimum_should_match"] = chance.choice([1, 2, "50%", -1])
        return {"bool": body}
    return chance.choice(simple)()


@pytest.mark.timeout(3600 if LONG else 600)
def test_both_find_the_same_whatever_is_asked(both):
    seed = int(os.environ.get("LAKEWRIGHT_SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    local, real = both

    def answer(client, query):
        try:
            return scores(client, query)
        except TransportError as refused:
            return refused.status_code

    differ = []
    for _ in range(DRAWN):
        query = drawn(chance)
        one, other = answer(local, query), answer(real, query)
        if one != other and not (isinstance(one, dict) and isinstance(other, dict) and are_alike(one, other)):
            differ.append((query, one, other))
    shown = "\n".join(f"{json.dumps(query)}\n  local {one}\n  real  {other}" for query, one, other in differ[:10])
    assert not differ, f"LAKEWRIGHT_SEED={seed}: {len(differ)} of {DRAWN} differ\n{shown}"


def test_the_client_of_elasticsearch_talks_to_it(tmp_path):
    server = Local(tmp_path)
    try:
        client = ElasticsearchClient(server.url)
        assert client.info()["version"]["number"].startswith("8.")
        client.index(index="a", id="1", document={"text": "red lipstick"}, refresh=True)
        answer = client.search(index="a", query={"match": {"text": "lipstick"}}, highlight={"fields": {"text": {}}})
        assert answer["hits"]["hits"][0]["highlight"] == {"text": ["red <em>lipstick</em>"]}
        point = client.open_point_in_time(index="a", keep_alive="1m")["id"]
        assert client.search(pit={"id": point}, query={"match_all": {}})["hits"]["total"]["value"] == 1
        client.close_point_in_time(id=point)
        tokens = client.indices.analyze(text="Matte Lipstick, 3.5 g")["tokens"]
        assert [token["token"] for token in tokens] == ["matte", "lipstick", "3.5", "g"]
    finally:
        server.stop()
