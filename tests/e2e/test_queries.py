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
]


def test_both_find_the_same(both):
    local, real = both
    for query in ASKED:
        assert found(local, query) == found(real, query), query
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
        lambda: {"match_phrase": {"name": {"query": text(), "slop": 0}}},
        lambda: {"multi_match": {"query": text(), "fields": ["name", "brand", "tags"], "type": chance.choice(["best_fields", "most_fields"])}},
        lambda: {"query_string": {"query": line(), "fields": ["name"], "default_operator": chance.choice(["and", "or"])}},
        lambda: {"simple_query_string": {"query": line().replace("NOT ", "-").replace(":", " "), "fields": ["name", "tags"]}},
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
            return found(client, query)
        except TransportError as refused:
            return refused.status_code

    differ = []
    for _ in range(DRAWN):
        query = drawn(chance)
        one, other = answer(local, query), answer(real, query)
        if one != other:
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
