"""The line of `lakewright search`: how it is understood, what is found, and in which order. On the index of this machine, and with
`LAKEWRIGHT_LONG=1` on a real OpenSearch too.

`test_better_ordered_than_words_alone` is where the figures of docs/search-line.md come from; `-s` shows them.
"""

import datetime
import json
import math
import os
import random
import shutil
import subprocess
import urllib.request

import pytest

import ports
from conftest import ENVIRONMENT, PROGRAM, ROOT, TARGET
from test_real_search import Cluster

LONG = os.environ.get("LAKEWRIGHT_LONG") == "1"

LINES = ROOT / "provisioner" / "src" / "lookup" / "lines"
KNOWN = json.loads((LINES / "known.json").read_text())
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0, tzinfo=None)
BROWSERS = {
    "Chrome": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Safari": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Edge": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "Samsung Internet": "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    "Opera": "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 OPR/124.0.0.0",
}
# In the order of `countries` of the known values, and theirs.
CITIES = {
    "SE": ["Stockholm", "Gothenburg", "Malmö", "Uppsala"], "NO": ["Oslo", "Bergen"], "DK": ["Copenhagen", "Aarhus"],
    "FI": ["Helsinki", "Tampere"], "IS": ["Reykjavik"], "DE": ["Berlin", "Hamburg", "Munich", "Cologne", "Frankfurt"],
    "GB": ["London", "Manchester", "Edinburgh"], "IE": ["Dublin"], "FR": ["Paris", "Lyon", "Marseille"],
    "NL": ["Amsterdam", "Rotterdam"], "BE": ["Brussels"], "AT": ["Vienna"], "CH": ["Zurich", "Geneva"], "ES": ["Madrid", "Barcelona"],
    "PT": ["Lisbon"], "IT": ["Rome", "Milan"], "PL": ["Warsaw", "Krakow"], "CZ": ["Prague"], "HU": ["Budapest"], "EE": ["Tallinn"],
    "LV": ["Riga"], "LT": ["Vilnius"], "GR": ["Athens"], "US": ["New York", "Chicago", "Los Angeles"], "CA": ["Toronto"],
    "AU": ["Sydney"], "JP": ["Tokyo"], "SG": ["Singapore"], "KR": ["Seoul"],
}
COUNTRY = {city: country for country, cities in CITIES.items() for city in cities}
TEXT = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
# What the shipper's template makes of members that nobody declared.
TEMPLATE = {
    "index_patterns": ["user-actions-2*", "visits-2*", "ordered-2*"],
    "template": {
        "settings": {"number_of_shards": 1, "number_of_replicas": 0},
        "mappings": {
            "dynamic_templates": [{"string": {"match_mapping_type": "string", "mapping": TEXT}}],
            "properties": {"event_time": {"type": "date"}},
        },
    },
}
# How a line was looked for before it was understood.
WORDS = [
    "search_keywords^3", "product_name^2", "event_type", "location", "category", "brand", "user_id", "user_agent", "ip_address",
]


class Local:
    """The index of this machine, in a process of its own."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [TARGET / "debug" / "lakewright-local", "search", "--data", folder / "data", "--until-stdin-closes"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.url = json.loads(self.process.stdout.readline())["search"]

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0


class Real(Cluster):
    """OpenSearch without its security."""

    def __init__(self, _folder):
        super().__init__(ports.row(2))
        self.script("start")

    def stop(self):
        self.script("stop")


class Index:
    """An index, and the command that asks it."""

    def __init__(self, url, folder):
        self.url, self.folder = url, folder
        self.ask("PUT", "/_index_template/actions", TEMPLATE)

    def ask(self, method, path, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def put(self, index, documents):
        lines = []
        for at, document in enumerate(documents):
            lines += [json.dumps({"index": {"_index": f"{index}-2026.11.28", "_id": f"{index}-{at}"}}), json.dumps(document)]
        answer = self.ask("POST", "/_bulk?refresh=true", ("\n".join(lines) + "\n").encode(), "application/x-ndjson")
        assert not answer["errors"], answer

    def search(self, *words, check=0):
        done = subprocess.run(
            [PROGRAM, "search", "--url", self.url, *words], cwd=self.folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == check, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    def document(self, *words):
        return json.loads(self.search("--format", "json", *words).stdout)


def action(event_type, time, city="Stockholm", browser="Chrome", product=None, keywords=None, **more):
    place = ["59.3293", "18.0686", city, COUNTRY[city], "Europe/Stockholm"]
    found = {
        "event_type": event_type, "event_time": time.isoformat() + "Z", "user_id": "u-1", "user_agent": BROWSERS[browser],
        "location": place, "ip_address": "81.224.1.1", **more,
    }
    if product:
        found["product_name"] = product
    if keywords:
        found["search_keywords"] = keywords
    return found


HOUR = datetime.timedelta(hours=1)
SEPTEMBER = datetime.datetime(2023, 9, 12, 10)
ACTIONS = [
    action("search", SEPTEMBER, keywords="matte lipstick stockholm"),
    action("view_product", SEPTEMBER, product="matte lipstick", category="beauty"),
    action("view_product", SEPTEMBER, browser="Edge", product="matte lipstick", category="beauty"),
    action("purchase", SEPTEMBER, city="Oslo", product="matte lipstick", category="beauty"),
    action("purchase", SEPTEMBER + 40 * 24 * HOUR, product="matte lipstick", category="beauty"),
    action("purchase", NOW - HOUR, city="Tokyo", browser="Firefox", product="running shoes", category="sports", user_id="u-2"),
    action("return", NOW - 5 * 24 * HOUR, city="Seoul", browser="Safari", product="running shoes", category="sports"),
    action("login", NOW - 60 * 24 * HOUR, city="Berlin", browser="Samsung Internet", user_id="u-3"),
]


@pytest.fixture(scope="module", params=[Local, Real] if LONG else [Local])
def index(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("line")
    server = request.param(folder)
    try:
        index = Index(server.url, folder)
        index.put("user-actions", ACTIONS)
        yield index
    finally:
        server.stop()


def stack_of(index, name):
    """A stack whose indices have that name."""
    stack, models = index.folder / f"{name}.toml", index.folder / "models"
    if not models.exists():
        shutil.copytree(ROOT / "stacks" / "models", models)
    text = (ROOT / "stacks" / "shop.toml").read_text()
    assert 'index = "user-actions"' in text
    stack.write_text(text.replace('index = "user-actions"', f'index = "{name}"'))
    return str(stack)


def ids(document):
    return sorted(int(hit["id"].rsplit("-", 1)[1]) for hit in document["hits"])


def test_a_line_is_understood_and_said(index):
    done = index.search("Chrome,", "Lipstick,", "Stockholm,", "2023-09")
    assert done.stderr.startswith("Looking for Chrome (browser), Lipstick (product), Stockholm (place), September 2023\n"), done.stderr
    assert "2 of 2 hits" in done.stderr
    hits, facets = done.stdout.split("\n\n")
    assert len(hits.splitlines()) == 2 and all("lipstick" in hit and "Stockholm, SE" in hit for hit in hits.splitlines()), hits
    assert "matte lipstick" in hits and "\x1b" not in hits
    assert facets.splitlines() == [
        "browser   Chrome 2", "product   matte lipstick 1", "place     Stockholm 2", "action    search 1, view_product 1",
    ]
    assert ids(index.document("returns from Seoul")) == [6]
    assert ids(index.document("Rückgaben aus Südkorea")) == [6]
    assert ids(index.document("東京で購入")) == [5]
    assert ids(index.document("lipstick -purchases")) == [0, 1, 2]
    assert ids(index.document("Oslo, Tokyo")) == [3, 5]
    assert ids(index.document("user_id:u-3")) == [7]
    assert ids(index.document('"lipstick stockholm"')) == [0]
    assert ids(index.document("edge or samsung internet")) == [2, 7]


def test_what_was_found_is_bold_where_colours_are(index):
    colours = {name: value for name, value in ENVIRONMENT.items() if name != "NO_COLOR"} | {"CLICOLOR_FORCE": "1"}
    done = subprocess.run(
        [PROGRAM, "search", "--url", index.url, "lipsticks oslo"], cwd=index.folder, env=colours, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )
    assert "matte \x1b[1mlipstick\x1b[0m" in done.stdout and "\x1b[1mOslo\x1b[0m, NO" in done.stdout, done.stdout


def test_slips_are_mended_and_said(index):
    done = index.search("stokholm lipstik", "--explain")
    assert "Looking for stokholm → Stockholm (place), lipstik → lipstick (product)\n" in done.stderr, done.stderr
    assert "city          Stockholm  (typed `stokholm`; taken for a slip: stokholm)\n" in done.stdout, done.stdout
    start = done.stdout.index("{\n")
    query, end = json.JSONDecoder().raw_decode(done.stdout[start:])
    assert "Stockholm" in json.dumps(query["bool"]["filter"]) and "lipstick" in json.dumps(query["bool"]["must"]), query
    hits = done.stdout[start + end:].strip().split("\n\n")[0].splitlines()
    assert len(hits) == 4 and all("lipstick" in hit for hit in hits), hits
    # Words that nobody knows are found with slips too.
    words = index.document("gecko")
    assert words["understood"]["sentence"] == "gecko (words)" and words["total"] == len(ACTIONS), words["understood"]


def test_times_bound_what_is_found(index):
    assert ids(index.document("--since", "2h", "running shoes")) == [5]
    assert ids(index.document("--since", "7d", "running shoe")) == [5, 6]
    assert ids(index.document("--since", "2023-10-01", "lipstick")) == [4]
    assert ids(index.document("lipstick between 2023-10-01 and 2023-10-31")) == [4]
    assert ids(index.document("last 7 days")) == [5, 6]
    wrong = index.search("--since", "2j", "lipstick", check=1)
    assert "`--since 2j` is no time: write a length as in 30min, 2h, 7d or 2w" in wrong.stderr, wrong.stderr
    wrong = index.search("evnt_type:search", check=1)
    assert "no user action has a field `evnt_type`: did you mean `event_type:search`?" in wrong.stderr, wrong.stderr


def test_programs_get_one_document(index):
    document = index.document("lipstick", "stokholm", "--limit", "3")
    assert document["total"] == 4 and len(document["hits"]) == 3
    document = index.document("lipstick", "stokholm")
    search = next(hit for hit in document["hits"] if hit["id"] == "user-actions-0")
    assert search["highlight"]["search_keywords"] == ["matte <em>lipstick</em> stockholm"] and search["source"] == ACTIONS[0]
    assert [(part["kind"], part["value"], part["corrected"]) for part in document["understood"]["parts"]] == [
        ("product", "lipstick", []), ("city", "Stockholm", ["stokholm"]),
    ]
    assert document["facets"]["browser"] == [{"value": "Chrome", "count": 3}, {"value": "Edge", "count": 1}]
    none = index.search("unicorn", "slippers")
    assert none.stdout == "" and "No user action matches `unicorn slippers`." in none.stderr, none.stderr
    assert index.document("unicorn slippers")["hits"] == []


def test_the_stack_says_which_indices(index):
    stack = stack_of(index, "visits")
    index.put("visits", [action("login", SEPTEMBER, city="Riga")])
    assert ids(index.document("--stack", stack, "Riga")) == [0]
    assert ids(index.document("Riga")) == []


def test_members_that_are_keywords_are_found_too(index):
    keyword = {"type": "keyword"}
    names = ["event_type", "location", "product_name", "category"]
    template = {
        "index_patterns": ["exact-2*"], "priority": 10,
        "template": {"mappings": {"properties": {"event_time": {"type": "date"}} | {name: keyword for name in names}}},
    }
    index.ask("PUT", "/_index_template/exact", template)
    stack = stack_of(index, "exact")
    index.put("exact", [action("purchase", SEPTEMBER, city="Riga", product="vase"), action("purchase", SEPTEMBER, city="Oslo")])
    assert ids(index.document("--stack", stack, "bought in Riga")) == [0]


# ---------------------------------------------------------------------------------------------------------------- In which order


def labelled():
    """Lines with what they mean, where that is known values and times that don't hang on today."""
    for name in ["development.tsv", "held_out.tsv"]:
        for entry in (LINES / name).read_text().splitlines():
            _, line, labels = entry.split("\t")
            parts = [label.split("=", 1) for label in labels.split("; ")]
            fields = {"browser", "product", "brand", "category", "city", "country", "action", "time"}
            timed = any(kind == "time" for kind, _ in parts)
            if all(kind in fields for kind, _ in parts) and ("2023" in line or not timed) and len({kind for kind, _ in parts}) == len(parts):
                yield line, dict(parts)


def holds(document, kind, value):
    if kind == "browser":
        return document["user_agent"] == BROWSERS[value]
    if kind == "product":
        return value in document.get("product_name", "") or value in document.get("search_keywords", "")
    if kind == "brand":
        return document.get("brand") == value or value.lower() in document.get("search_keywords", "").split()
    if kind == "category":
        return document.get("category") == value
    if kind == "city":
        return document["location"][2] == value
    if kind == "country":
        return document["location"][3] == value
    if kind == "action":
        return document["event_type"] == value
    begin, end = value.split("..")
    return (not begin or document["event_time"] >= begin) and (not end or document["event_time"] < end)


def drawn(chance, parts):
    """An action that fits all parts."""
    day = datetime.datetime(2023, 1, 1) + datetime.timedelta(days=chance.randrange(290), seconds=chance.randrange(86_400))
    if "time" in parts:
        begin, end = (datetime.datetime.fromisoformat(part) if part else None for part in parts["time"].split(".."))
        begin = begin or end - datetime.timedelta(days=20)
        end = end or begin + datetime.timedelta(days=20)
        day = begin + (end - begin) * chance.random() * 0.999
    city = parts.get("city") or chance.choice(CITIES[parts["country"]] if "country" in parts else KNOWN["cities"])
    kind = parts.get("action") or chance.choice(KNOWN["actions"])
    products = [name for name in KNOWN["products"] if parts.get("product", "") in name]
    product, brand = chance.choice(products), parts.get("brand") or chance.choice(KNOWN["brands"])
    more = {"category": parts.get("category") or chance.choice(KNOWN["categories"])} if kind != "search" or "category" in parts else {}
    if kind == "search":
        words = {0: product, 1: f"{brand.lower()} {product}", 2: f"{product} {city.lower()}"}[chance.randrange(3)]
        return action(kind, day.replace(microsecond=0), city, parts.get("browser") or chance.choice(list(BROWSERS)), keywords=words,
                      **({"brand": brand} if "brand" in parts else {}), **more)
    return action(kind, day.replace(microsecond=0), city, parts.get("browser") or chance.choice(list(BROWSERS)), product, brand=brand, **more)


def gain(document, parts):
    """All parts, all but one, or less."""
    fit = sum(holds(document, kind, value) for kind, value in parts.items())
    return 7 if fit == len(parts) else 1 if fit == len(parts) - 1 and fit > 0 else 0


def ndcg(found, documents, parts):
    discounted = lambda gains: sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:10]))
    best = discounted(sorted((gain(document, parts) for document in documents), reverse=True))
    return discounted([gain(documents[at], parts) for at in found]) / best


def test_better_ordered_than_words_alone(index):
    chance = random.Random(7)
    lines = list(labelled())
    lines = chance.sample(lines, 40)
    documents = [drawn(chance, {}) for _ in range(200)]
    for _, parts in lines:
        documents += [drawn(chance, parts) for _ in range(3)]
        for without in parts:
            documents += [drawn(chance, {kind: value for kind, value in parts.items() if kind != without}) for _ in range(2)]
    chance.shuffle(documents)
    index.put("ordered", documents)
    stack = stack_of(index, "ordered")
    number = lambda hit: int(hit.rsplit("-", 1)[1])
    understood, words = [], []
    for line, parts in lines:
        found = index.document("--stack", stack, "--limit", "10", line)
        understood.append(ndcg([number(hit["id"]) for hit in found["hits"]], documents, parts))
        query = {"multi_match": {"query": line, "fields": WORDS, "type": "cross_fields"}}
        plain = index.ask("POST", "/ordered-2*/_search", {"query": query, "size": 10})["hits"]["hits"]
        words.append(ndcg([number(hit["_id"]) for hit in plain], documents, parts))
    mean = lambda values: sum(values) / len(values)
    print(f"\n{len(lines)} lines, {len(documents)} actions: nDCG@10 {mean(understood):.3f} understood, {mean(words):.3f} by words alone")
    assert mean(understood) > 0.85 and mean(understood) > mean(words) + 0.3, (mean(understood), mean(words))
