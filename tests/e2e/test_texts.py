"""Every text of a spec is held against the member of AWS that it becomes: its lengths and patterns in botocore's models.

The kinds' schemas say what a spec takes, `texts.py` what becomes of it.
"""

import json
import re
import subprocess

import botocore.session
import pytest

from conftest import ENVIRONMENT, PROGRAM
from samples import UNBOUNDED, of_member, of_schema
from texts import TEXTS, Kept, Sent

SESSION = botocore.session.get_session()
SEED = 7

# Where a schema takes less than botocore's model does, and why.
WHY = {
    "names, ids and ARNs of one kind of thing, where the model takes any": [
        "alarm.alarm_actions[]", "alarm.ok_actions[]", "auto_scaling_group.launch_template",
        "auto_scaling_group.launch_template_version", "auto_scaling_group.subnets[]", "budget.notifications[].topic",
        "build_project.role", "cluster.instance_type", "emr_application.subnets[]", "emr_application.security_groups[]",
        "function.name", "function.permissions{}.action", "log_group.key", "pipeline.key", "private_zone.vpc", "record.zone",
        "role.attached_policies[]", "role.permissions_boundary", "schedule_rule.targets{}.arn", "schedule_rule.targets{}.role",
        "secret.key", "storage_scaling.cluster", "table_optimizer.role",
    ],
    "addresses and places of one scheme": [
        "database.location", "job_run.entry_point", "job_run.log_location", "oidc_provider.url", "table.location",
    ],
    "ARNs whose partition is named, and paths without what IAM's models don't take": [
        "function.role", "instance_profile.path", "job_run.execution_role", "pipeline.role", "role.path",
    ],
    "AWS's documentation takes fewer characters than the model": [
        "cluster.name", "key.alias", "object.key", "parameter.name", "pipeline.bucket", "secret.name", "secret.username",
        "serverless_cluster.name",
    ],
    "names of DNS and what stands under them": [
        "private_zone.name", "private_zone.host_records[]", "record.name", "record.values[]",
    ],
    "Glue keeps names in lower case": [
        "database.name", "table.database", "table.name", "table_optimizer.database", "table_optimizer.table",
    ],
    "AWS takes no empty text in its place": [
        "metric_filter.namespace", "metric_filter.metric", "metric_filter.value", "metric_filter.dimensions{key}",
        "metric_filter.dimensions{}", "schedule_rule.targets{}.input",
    ],
    "expressions must begin as they are meant": ["alarm.calculation.metrics{key}", "schedule_rule.schedule"],
    "white space and control characters of Unicode": [
        "alarm.metric.namespace", "alarm.calculation.metrics{}.namespace", "function.handler",
        "function.permissions{}.principal", "job_run.name",
    ],
    "AWS Budgets takes 50 characters": ["budget.notifications[].email[]"],
    "letters of the names that AWS has": ["budget.filters{key}"],
    "no image has a longer URI": ["build_project.image"],
    "a dot that the model forgets to escape": ["emr_application.image"],
}  # fmt: skip
NARROWER = {name: reason for reason, names in WHY.items() for name in names}


def program(*words):
    return subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=ENVIRONMENT)


def leaves(schema, root, path=""):
    """The texts of a schema with their paths; choices of words are none."""
    if target := schema.get("$ref"):
        schema = root["$defs"][target.rpartition("/")[2]]
    for one in schema.get("anyOf", schema.get("oneOf", [])):
        yield from leaves(one, root, path)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "string" in kinds and "enum" not in schema and "const" not in schema:
        yield path, schema
    if "array" in kinds and isinstance(schema.get("items"), dict):
        yield from leaves(schema["items"], root, f"{path}[]")
    for name, member in schema.get("properties", {}).items():
        yield from leaves(member, root, f"{path}.{name}" if path else name)
    if (others := schema.get("additionalProperties", False)) is not False and path and "object" in kinds:
        # A table of whatever there is, such as a policy, has no names of the spec's.
        if isinstance(others, dict) or "propertyNames" in schema:
            yield f"{path}{{key}}", schema.get("propertyNames", {})
        if isinstance(others, dict):
            yield from leaves(others, root, f"{path}{{}}")


def member(service, operation, path):
    """A member of an operation's input, by its path."""
    shape = SESSION.get_service_model(service).operation_model(operation).input_shape
    for part in re.findall(r"\[\]|\{key\}|\{\}|[^.\[\]{}]+", path):
        shape = {"[]": lambda s: s.member, "{}": lambda s: s.value, "{key}": lambda s: s.key}.get(
            part, lambda s, name=part: s.members[name]
        )(shape)
    assert shape.type_name == "string", f"{service} {operation} {path} is a {shape.type_name}"
    return shape


@pytest.fixture(scope="module")
def schemas():
    """The texts of every kind: kind and path, and their schemas."""
    done = program("schema", "--kinds", "--format", "json")
    assert done.returncode == 0, done.stderr
    kinds = json.loads(done.stdout)
    return {f"{kind}.{path}": text for kind, schema in kinds.items() for path, text in leaves(schema, schema)}


@pytest.fixture(scope="module")
def judged(schemas):
    """Each text that is sent: its name, its own limits, how it is sent, and the limits of the members that it becomes."""
    table = {f"{kind}.{path}": to for kind, texts in TEXTS.items() for path, to in texts.items()}
    return [
        (name, of_schema(schemas[name]), to, [(" ".join(one), of_member(member(*one))) for one in to.members])
        for name, to in table.items() if isinstance(to, Sent) and name in schemas
    ]  # fmt: skip


def test_every_text_of_every_kind_has_its_place_on_aws(schemas):
    table = {f"{kind}.{path}" for kind, texts in TEXTS.items() for path in texts}
    assert sorted(schemas.keys() - table) == [], "texts.py doesn't say what becomes of these"
    assert sorted(table - schemas.keys()) == [], "texts.py names texts that no spec has"
    assert all(to.reason for texts in TEXTS.values() for to in texts.values() if isinstance(to, Kept))


def test_no_text_may_be_longer_or_shorter_than_aws_takes(judged):
    problems = []
    for name, own, to, members in judged:
        around = len(to.before) + len(to.behind)
        least, most = own.width()
        for where, limits in members:
            low, high = limits.width()
            if most + around > high:
                problems.append(f"{name} may have {most if most < UNBOUNDED else 'any number of'} characters: {where} has {high}")
            if least + around < low:
                problems.append(f"{name} may have {least} characters: {where} has {low} at least")
    assert problems == [], "\n".join(problems)


def test_what_a_schema_takes_aws_takes(judged):
    problems, tried = [], 0
    for name, own, to, members in judged:
        texts = own.samples(f"{SEED} {name}")
        assert len(texts) >= 2, f"{name}: no samples of {own.pattern}"
        tried += len(texts)
        for where, limits in members:
            refused = [text for text in texts if not limits.take(to.before + text + to.behind)]
            if refused:
                problems.append(f"{name} takes {min(refused, key=len)[:80]!r}: {where} doesn't, by {limits.pattern!r}")
    print(f"{tried} texts tried")
    assert problems == [], "\n".join(problems)


def test_what_aws_takes_a_schema_takes_unless_it_says_why(judged):
    found = {}
    for name, own, to, members in judged:
        said = [(where, limits) for where, limits in members if limits.pattern or limits.most < UNBOUNDED or limits.least]
        # A text becomes all of its members: each must take it.
        texts = {text for where, limits in said for text in limits.samples(f"{SEED} {where}")}
        texts = [text for text in texts if text.startswith(to.before) and text.endswith(to.behind)] or [
            to.before + text + to.behind for text in texts
        ]
        texts = [text for text in texts if all(limits.take(text) for _, limits in said)]
        inner = [text[len(to.before) : len(text) - len(to.behind)] for text in texts]
        most = min((limits.width()[1] for _, limits in said), default=UNBOUNDED)
        if refused := [text for text in inner if not own.take(text) and "${" not in text]:
            found[name] = min(refused, key=len)[:80]
        elif most < UNBOUNDED and own.width()[1] + len(to.before) + len(to.behind) < most:
            found[name] = f"{most} characters"
    lines = [f"{name} refuses {text!r}, which AWS takes" for name, text in found.items() if name not in NARROWER]
    assert lines == [], "\n".join(lines)
    assert sorted(NARROWER.keys() - found.keys()) == [], "these are no narrower than AWS"


STACK = """[stack]
name = "texts"
region = "eu-north-1"

"""


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ('[resource.key.x]\nalias = "alias/lake-x"\n', "write the alias without `alias/`", 6),
        (f'[keys.main]\n[buckets.raw]\n[topics.a]\n[kafka]\n[tables.t]\ntopic = "a"\nkey = ["id"]\n[tables.t.columns]\nid = "string"\n'
         f'city = {{ type = "string", doc = "{"d" * 300}" }}\n', "has 300 characters, and may have 255", 14),
        ('[resource.database.x]\nname = "x"\ndescription = "a\\u0000b"\n', "take the control characters out", 7),
    ],
    ids=["alias", "doc", "description"],
)  # fmt: skip
def test_a_text_that_aws_refuses_is_refused_where_it_stands(tmp_path, text, message, line):
    stack = tmp_path / "texts.toml"
    stack.write_text(STACK + text)
    done = program("plan", str(stack))
    assert done.returncode == 1 and message in done.stderr and f"texts.toml:{line}:" in done.stderr, done.stderr
