"""Glue's schema registry, by boto3 and its models."""

import json
import re

import pytest

UUID = re.compile(r"[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}")
REGISTRY = "arn:aws:glue:eu-north-1:123456789012:registry"
SCHEMA = "arn:aws:glue:eu-north-1:123456789012:schema"


@pytest.fixture(scope="module")
def glue(account):
    return account.client("glue")


def record(*fields):
    members = [{"name": name, "type": kind} | more for name, kind, more in fields]
    return json.dumps({"type": "record", "name": "payment", "fields": members})


ID = ("id", "string", {})
NOTE = ("note", ["null", "string"], {"default": None})
FIRST, WIDER, BROKEN = record(ID), record(ID, NOTE), record(ID, ("amount", "long", {}))


@pytest.fixture
def registry(glue, request):
    name = f"r-{request.node.name}".replace("[", "-").replace("]", "")[:200]
    glue.create_registry(RegistryName=name, Description="d", Tags={"team": "data"})
    yield name
    try:
        glue.delete_registry(RegistryId={"RegistryName": name})
    except glue.exceptions.EntityNotFoundException:
        pass


def schema(glue, registry, compatibility="NONE", name="payments", definition=FIRST, **more):
    return glue.create_schema(
        RegistryId={"RegistryName": registry}, SchemaName=name, DataFormat="AVRO", Compatibility=compatibility,
        SchemaDefinition=definition, **more,
    )


def test_a_registry_lives_and_goes(glue, registry, refused):
    arn = f"{REGISTRY}/{registry}"
    with refused("AlreadyExistsException"):
        glue.create_registry(RegistryName=registry)
    found = glue.get_registry(RegistryId={"RegistryArn": arn})
    assert (found["RegistryName"], found["RegistryArn"], found["Status"]) == (registry, arn, "AVAILABLE")
    assert found["Description"] == "d" and found["CreatedTime"] == found["UpdatedTime"]
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"team": "data"}
    listed = [one["RegistryName"] for page in glue.get_paginator("list_registries").paginate() for one in page["Registries"]]
    assert registry in listed
    schema(glue, registry)
    gone = glue.delete_registry(RegistryId={"RegistryName": registry})
    assert (gone["RegistryName"], gone["Status"]) == (registry, "DELETING")
    for call in (
        lambda: glue.get_registry(RegistryId={"RegistryName": registry}),
        lambda: glue.get_schema(SchemaId={"RegistryName": registry, "SchemaName": "payments"}),
        lambda: glue.list_schemas(RegistryId={"RegistryName": registry}),
        lambda: glue.delete_registry(RegistryId={"RegistryName": registry}),
    ):
        with refused("EntityNotFoundException"):
            call()


def test_a_schema_lives_and_goes(glue, registry, refused):
    made = schema(glue, registry, "BACKWARD", Description="one", Tags={"a": "b"})
    assert UUID.fullmatch(made["SchemaVersionId"])
    arn = f"{SCHEMA}/{registry}/payments"
    said = {name: made[name] for name in (
        "SchemaArn", "RegistryArn", "DataFormat", "Compatibility", "SchemaCheckpoint", "LatestSchemaVersion",
        "NextSchemaVersion", "SchemaStatus", "SchemaVersionStatus", "Tags",
    )}
    assert said == {
        "SchemaArn": arn, "RegistryArn": f"{REGISTRY}/{registry}", "DataFormat": "AVRO", "Compatibility": "BACKWARD",
        "SchemaCheckpoint": 1, "LatestSchemaVersion": 1, "NextSchemaVersion": 2, "SchemaStatus": "AVAILABLE",
        "SchemaVersionStatus": "AVAILABLE", "Tags": {"a": "b"},
    }
    with refused("AlreadyExistsException"):
        schema(glue, registry)
    with refused("EntityNotFoundException"):
        schema(glue, "no-such-registry")
    with refused("InvalidInputException"):
        schema(glue, registry, name="broken", definition='{"type": "record"}')
    by_name, by_arn = {"RegistryName": registry, "SchemaName": "payments"}, {"SchemaArn": arn}
    assert glue.get_schema(SchemaId=by_name)["SchemaArn"] == glue.get_schema(SchemaId=by_arn)["SchemaArn"] == arn
    for wrong in ({"SchemaName": "payments"}, by_name | by_arn, {"RegistryName": registry}):
        with refused("InvalidInputException"):
            glue.get_schema(SchemaId=wrong)
    (item,) = glue.list_schemas(RegistryId={"RegistryName": registry})["Schemas"]
    assert (item["SchemaName"], item["Description"], item["SchemaStatus"]) == ("payments", "one", "AVAILABLE")
    glue.update_schema(SchemaId=by_arn, Compatibility="FULL", SchemaVersionNumber={"LatestVersion": True}, Description="two")
    changed = glue.get_schema(SchemaId=by_arn)
    assert (changed["Compatibility"], changed["Description"]) == ("FULL", "two")
    assert glue.delete_schema(SchemaId=by_arn)["Status"] == "DELETING"
    with refused("EntityNotFoundException"):
        glue.get_schema_version(SchemaVersionId=made["SchemaVersionId"])


def test_versions_are_found_by_id_number_and_definition(glue, registry, refused):
    first = schema(glue, registry)["SchemaVersionId"]
    id = {"RegistryName": registry, "SchemaName": "payments"}
    second = glue.register_schema_version(SchemaId=id, SchemaDefinition=WIDER)
    assert (second["VersionNumber"], second["Status"]) == (2, "AVAILABLE")
    # The same one, with other spaces, is no new version.
    again = glue.register_schema_version(SchemaId=id, SchemaDefinition=json.dumps(json.loads(WIDER), indent=1))
    assert again["SchemaVersionId"] == second["SchemaVersionId"]
    found = glue.get_schema_version(SchemaVersionId=first)
    assert (found["SchemaDefinition"], found["DataFormat"], found["VersionNumber"]) == (FIRST, "AVRO", 1)
    assert (found["SchemaArn"], found["Status"]) == (f"{SCHEMA}/{registry}/payments", "AVAILABLE")
    latest = glue.get_schema_version(SchemaId=id, SchemaVersionNumber={"LatestVersion": True})
    assert latest["SchemaVersionId"] == second["SchemaVersionId"]
    assert glue.get_schema_version(SchemaId=id, SchemaVersionNumber={"VersionNumber": 1})["SchemaVersionId"] == first
    assert glue.get_schema_by_definition(SchemaId=id, SchemaDefinition=WIDER)["SchemaVersionId"] == second["SchemaVersionId"]
    pages = glue.get_paginator("list_schema_versions").paginate(SchemaId=id, PaginationConfig={"PageSize": 1})
    assert [one["VersionNumber"] for page in pages for one in page["Schemas"]] == [1, 2]
    for call in (
        lambda: glue.get_schema_version(SchemaVersionId="00000000-0000-4000-8000-000000000000"),
        lambda: glue.get_schema_version(SchemaId=id, SchemaVersionNumber={"VersionNumber": 3}),
        lambda: glue.get_schema_by_definition(SchemaId=id, SchemaDefinition=BROKEN),
        lambda: glue.register_schema_version(SchemaId=id | {"SchemaName": "none"}, SchemaDefinition=FIRST),
    ):
        with refused("EntityNotFoundException"):
            call()
    with refused("InvalidInputException"):
        glue.get_schema_version(SchemaVersionId=first, SchemaId=id)


@pytest.mark.parametrize("mode, wider, broken, narrower", [
    ("NONE", "AVAILABLE", "AVAILABLE", "AVAILABLE"),
    # What was written is read by the new one,
    ("BACKWARD", "AVAILABLE", "FAILURE", "AVAILABLE"),
    # and what the new one writes by those before it.
    ("FORWARD", "AVAILABLE", "AVAILABLE", "FAILURE"),
    ("FULL", "AVAILABLE", "FAILURE", "FAILURE"),
])
def test_versions_fit_those_before_them(glue, registry, mode, wider, broken, narrower):
    schema(glue, registry, mode)
    id = {"RegistryName": registry, "SchemaName": "payments"}
    states = [
        glue.register_schema_version(SchemaId=id, SchemaDefinition=definition)["Status"]
        for definition in (WIDER, BROKEN, record(NOTE))
    ]
    # The third one is held against the newest that was taken.
    assert states[:2] == [wider, broken]
    assert states[2] == narrower
    latest = glue.get_schema_version(SchemaId=id, SchemaVersionNumber={"LatestVersion": True})
    assert latest["Status"] == "AVAILABLE"


def test_a_schema_may_have_one_version_for_ever(glue, registry, refused):
    schema(glue, registry, "DISABLED")
    with refused("InvalidInputException"):
        glue.register_schema_version(SchemaId={"RegistryName": registry, "SchemaName": "payments"}, SchemaDefinition=WIDER)


def test_a_schema_without_a_registry_is_in_glues_own(glue):
    made = glue.create_schema(SchemaName="alone", DataFormat="JSON", SchemaDefinition='{"type": "object"}')
    assert (made["RegistryName"], made["Compatibility"]) == ("default-registry", "NONE")
    assert glue.get_registry(RegistryId={"RegistryName": "default-registry"})["Status"] == "AVAILABLE"


def test_definitions_are_judged(glue):
    judge = lambda format, text: glue.check_schema_version_validity(DataFormat=format, SchemaDefinition=text)
    assert judge("AVRO", FIRST)["Valid"] is True
    wrong = judge("AVRO", '{"type": "recrod"}')
    assert wrong["Valid"] is False and "recrod" in wrong["Error"]
    assert judge("JSON", "{")["Valid"] is False


def test_schemas_outlive_a_kill(account, glue):
    version = glue.create_schema(SchemaName="kept", DataFormat="AVRO", SchemaDefinition=FIRST)["SchemaVersionId"]
    account.kill()
    account.start()
    assert account.client("glue").get_schema_version(SchemaVersionId=version)["SchemaDefinition"] == FIRST
