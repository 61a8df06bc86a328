"""The provisioner's table of the permissions behind S3's operations, held against the one that judges requests."""

import re

import pytest
from conftest import ROOT
from recorder import S3_ACTIONS, SESSION, action_of

SOURCE = ROOT / "provisioner/src/permissions/operations.rs"
MODEL = SESSION.get_service_model("s3")
# Requests of the provisioner name the versions of what they delete.
WITH_VERSIONS = {"DeleteObjects": "s3:DeleteObjectVersion"}


def table():
    """The operations whose actions have other names, as the provisioner knows them."""
    rows = re.search(r"static S3: .*?= &\[\n(.*?)\];", SOURCE.read_text(), re.DOTALL).group(1)
    return dict(re.findall(r'\("(\w+)", "(\w+)"\)', rows))


def request(operation):
    """Method and path of an operation, and the setting that the path names."""
    http = MODEL.operation_model(operation).http
    path = http["requestUri"].replace("{Bucket}", "raw").replace("{Key+}", "key")
    setting = re.match(r"\w+(-\w+)*", path.partition("?")[2])
    return http["method"], path, setting and setting.group()


def is_judged(operation):
    """Whether a setting of a bucket is read or written by it that requests are judged by."""
    method, path, setting = request(operation)
    return path.startswith("/raw?") and (method, setting) in S3_ACTIONS and not MODEL.operation_model(operation).deprecated


JUDGED = sorted({*table(), *filter(is_judged, MODEL.operation_names)})


@pytest.mark.parametrize("operation", JUDGED)
def test_both_tables_know_the_same_action(operation):
    method, path, _ = request(operation)
    expected = WITH_VERSIONS.get(operation, f"s3:{table().get(operation, operation)}")
    assert action_of("s3", method, path, "") == expected


def test_every_setting_that_requests_are_judged_by_belongs_to_an_operation():
    judged = {(method, setting) for method, _, setting in map(request, JUDGED)}
    assert S3_ACTIONS.keys() <= judged
    assert len(table()) > 10
