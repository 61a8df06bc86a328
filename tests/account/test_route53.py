"""Route 53: private hosted zones, their records and tags, as boto3 makes, changes and deletes them."""

import contextlib
import itertools
import json
import urllib.error
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from conftest import SECRET

REGION = "eu-north-1"
NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
NAME_SERVERS = {
    "ns-1536.awsdns-00.co.uk.", "ns-0.awsdns-00.com.", "ns-1024.awsdns-00.org.", "ns-512.awsdns-00.net.",
}
numbers = itertools.count()


@pytest.fixture(scope="module")
def client(account):
    """A client that leaves it to Route 53 to judge what it is given."""
    return account.client("route53", parameter_validation=False)


@pytest.fixture(scope="module")
def ec2(account):
    return account.client("ec2")


@pytest.fixture
def vpc(ec2):
    return new_vpc(ec2)


def new_vpc(ec2):
    return {"VPCRegion": REGION, "VPCId": ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]}


def make(client, vpc, name, **more):
    """A new zone; its id without the prefix."""
    made = client.create_hosted_zone(Name=name, VPC=vpc, CallerReference=f"test-{next(numbers)}", **more)
    return made["HostedZone"]["Id"].removeprefix("/hostedzone/")


@pytest.fixture
def zone(client, vpc):
    return make(client, vpc, "shop.internal")


def record(name, kind, *values, ttl=60):
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in values]}


def change(client, zone, *changes, **more):
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": what} for action, what in changes]} | more
    return client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)["ChangeInfo"]


def records(client, zone):
    """The zone's records but for those that it was born with."""
    found = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return [one for one in found if one["Type"] not in ("NS", "SOA")]


@contextlib.contextmanager
def refused_batch(*messages):
    """Expects a batch to be refused with these messages, in this order."""
    with pytest.raises(ClientError) as raised:
        yield
    error = raised.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("InvalidChangeBatch", f"[{', '.join(messages)}]")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def send(account, method, path, body=None):
    """A bare request, for what boto3 doesn't send; status and text of its answer."""
    data = body.encode() if body is not None else None
    signed = AWSRequest(method=method, url=account.url + path, data=data)
    SigV4Auth(Credentials("test", SECRET), "route53", "us-east-1").add_auth(signed)
    request = urllib.request.Request(signed.url, data=data, headers=dict(signed.headers), method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_zones_life(client, vpc, refused):
    made = client.create_hosted_zone(
        Name="Life.Internal", VPC=vpc, CallerReference="life",
        HostedZoneConfig={"Comment": "names", "PrivateZone": True},
    )
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    shown = made["HostedZone"]
    zone = shown["Id"].removeprefix("/hostedzone/")
    assert shown["Id"] != zone and zone.startswith("Z") and len(zone) <= 32
    assert shown == {
        "Id": f"/hostedzone/{zone}", "Name": "life.internal.", "CallerReference": "life",
        "Config": {"Comment": "names", "PrivateZone": True}, "ResourceRecordSetCount": 2,
    }
    assert made["Location"] == f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone}"
    assert made["VPC"] == vpc and "DelegationSet" not in made
    assert made["ChangeInfo"]["Status"] == "PENDING" and made["ChangeInfo"]["Id"].startswith("/change/C")
    assert client.get_change(Id=made["ChangeInfo"]["Id"])["ChangeInfo"] == made["ChangeInfo"] | {"Status": "INSYNC"}

    for name in (zone, f"/hostedzone/{zone}"):
        got = client.get_hosted_zone(Id=name)
        assert got["HostedZone"] == shown and got["VPCs"] == [vpc] and "DelegationSet" not in got
    born = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [(one["Name"], one["Type"], one["TTL"]) for one in born] == [
        ("life.internal.", "NS", 172800), ("life.internal.", "SOA", 900),
    ]
    assert {one["Value"] for one in born[0]["ResourceRecords"]} == NAME_SERVERS
    assert born[1]["ResourceRecords"] == [
        {"Value": "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}
    ]

    updated = client.update_hosted_zone_comment(Id=zone, Comment="other < names")["HostedZone"]
    assert updated["Config"] == {"Comment": "other < names", "PrivateZone": True}
    client.update_hosted_zone_comment(Id=zone)
    assert client.get_hosted_zone(Id=zone)["HostedZone"]["Config"] == {"PrivateZone": True}
    with refused("InvalidInput", 400):
        client.update_hosted_zone_comment(Id=zone, Comment="x" * 257)

    change(client, zone, ("CREATE", record("a.life.internal", "A", "10.0.0.1")))
    assert client.get_hosted_zone(Id=zone)["HostedZone"]["ResourceRecordSetCount"] == 3
    with refused("HostedZoneNotEmpty", 400):
        client.delete_hosted_zone(Id=zone)
    change(client, zone, ("DELETE", record("a.life.internal", "A", "10.0.0.1")))
    assert client.delete_hosted_zone(Id=f"/hostedzone/{zone}")["ChangeInfo"]["Status"] == "PENDING"
    for call in (
        lambda: client.get_hosted_zone(Id=zone),
        lambda: client.delete_hosted_zone(Id=zone),
        lambda: client.update_hosted_zone_comment(Id=zone, Comment="x"),
        lambda: client.list_resource_record_sets(HostedZoneId=zone),
        lambda: change(client, zone, ("CREATE", record("a.life.internal", "A", "10.0.0.1"))),
        lambda: client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=vpc),
        lambda: client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=vpc),
        lambda: client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone),
    ):
        with refused("NoSuchHostedZone", 404):
            call()
    # A zone that is gone leaves nothing behind, but for its caller reference.
    again = make(client, vpc, "life.internal")
    assert client.get_hosted_zone(Id=again)["HostedZone"]["ResourceRecordSetCount"] == 2
    with refused("HostedZoneAlreadyExists", 409):
        client.create_hosted_zone(Name="life.internal", VPC=vpc, CallerReference="life")


def test_what_a_zone_needs_is_checked(account, client, ec2, vpc, refused):
    def create(**changes):
        given = {"Name": "checked.internal", "VPC": vpc, "CallerReference": f"test-{next(numbers)}"} | changes
        return client.create_hosted_zone(**{name: value for name, value in given.items() if value is not None})

    for wrong in ("a..internal", ".", "a b.internal", "ä.internal", "x" * 64 + ".internal"):
        with refused("InvalidDomainName", 400):
            create(Name=wrong)
    for elsewhere in (vpc | {"VPCId": "vpc-0123456789abcdef0"}, vpc | {"VPCRegion": "eu-west-1"}):
        with refused("InvalidVPCId", 400):
            create(VPC=elsewhere)
    for incomplete in ({"VPCId": vpc["VPCId"]}, {"VPCRegion": REGION}):
        with refused("InvalidInput", 400):
            create(VPC=incomplete)
    with refused("InvalidInput", 400):
        create(VPC=None, HostedZoneConfig={"PrivateZone": True})
    with refused("InvalidInput", 400):
        create(VPC=None)
    with refused("InvalidInput", 400):
        create(HostedZoneConfig={"PrivateZone": False})
    with refused("InvalidInput", 400):
        create(HostedZoneConfig={"Comment": "x" * 257})
    with refused("InvalidInput", 400):
        create(CallerReference="x" * 129)
    with refused("NoSuchDelegationSet", 400):
        create(DelegationSetId="N1PA6795SAMPLE")
    with refused("InvalidInput", 400):
        create(EnablePublicDNSFallback=True)

    create(CallerReference="checked")
    with refused("HostedZoneAlreadyExists", 409):
        create(CallerReference="checked")
    with refused("HostedZoneAlreadyExists", 409):
        create(CallerReference="checked", Name="another.internal")
    with refused("ConflictingDomainExists", 400):
        create(Name="CHECKED.internal.")
    # The same name is free for another VPC, and another name for the same one; another account has its own zones.
    other = create(VPC=new_vpc(ec2))["HostedZone"]
    create(Name="sub.checked.internal")
    with refused("NoSuchHostedZone", 404):
        account.client("route53", key="111122223333").get_hosted_zone(Id=other["Id"])


def test_vpcs_come_and_go(client, ec2, vpc, refused):
    zone = make(client, vpc, "vpcs.internal")
    second, third = new_vpc(ec2), new_vpc(ec2)
    done = client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=second, Comment="second")["ChangeInfo"]
    assert done["Comment"] == "second" and client.get_change(Id=done["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    assert client.get_hosted_zone(Id=zone)["VPCs"] == [vpc, second]
    with refused("ConflictingDomainExists", 400):
        client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=second)
    make(client, third, "vpcs.internal")
    with refused("ConflictingDomainExists", 400):
        client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=third)
    with refused("InvalidVPCId", 400):
        client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=vpc | {"VPCId": "vpc-0123456789abcdef0"})
    with refused("InvalidVPCId", 400):
        client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=vpc | {"VPCId": "vpc-0123456789abcdef0"})
    with refused("InvalidInput", 400):
        client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC={"VPCId": vpc["VPCId"]})
    with refused("VPCAssociationNotFound", 404):
        client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=third)
    client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=vpc)
    assert client.get_hosted_zone(Id=zone)["VPCs"] == [second]
    with refused("LastVPCAssociation", 400):
        client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=second)
    assert client.get_hosted_zone(Id=zone)["VPCs"] == [second]


def test_a_deleted_vpc_stays_associated(client, ec2, vpc, refused):
    zone = make(client, vpc, "stale.internal")
    ec2.delete_vpc(VpcId=vpc["VPCId"])
    assert client.get_hosted_zone(Id=zone)["VPCs"] == [vpc]
    with refused("AccessDenied", 403):
        client.list_hosted_zones_by_vpc(**vpc)
    with refused("LastVPCAssociation", 400):
        client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=vpc)
    alive = new_vpc(ec2)
    client.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=alive)
    client.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=vpc)
    assert client.get_hosted_zone(Id=zone)["VPCs"] == [alive]
    client.delete_hosted_zone(Id=zone)


def test_records_of_every_type_come_back_as_they_were_written(client, zone):
    written = [
        record("shop.internal.", "TXT", '"v=1" "second \\"part\\""', '"another & <value>"', ttl=0),
        record("\\052.shop.internal.", "A", "10.0.0.9"),
        record("search.shop.internal.", "A", "10.0.0.2", "10.0.0.1", ttl=2147483647),
        record("search.shop.internal.", "AAAA", "fd00::1"),
        record("_kafka._tcp.shop.internal.", "SRV", "1 10 9092 b-1.shop.internal.", "1 10 9092 b-2.shop.internal"),
        record("mail.shop.internal.", "MX", "10 mx.example.com."),
        record("part.shop.internal.", "NS", "ns.example.com."),
        record("www.shop.internal.", "CNAME", "search.shop.internal"),
        record("ca.shop.internal.", "CAA", '0 issue "ca.example.com"'),
    ]
    done = change(client, zone, *[("CREATE", one) for one in written], Comment="all of them")
    assert done["Status"] == "PENDING" and done["Comment"] == "all of them"
    assert client.get_change(Id=done["Id"])["ChangeInfo"] == done | {"Status": "INSYNC"}
    found = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    apex = [one for one in found if one["Name"] == "shop.internal." and one["Type"] != "TXT"]
    assert len(apex) == 2
    key = lambda one: ["." + ".".join(reversed(one["Name"].split("."))), one["Type"]]  # noqa: E731
    assert sorted((one for one in found if one not in apex), key=key) == sorted(written, key=key)


def test_names_are_written_in_one_way(client, zone):
    change(client, zone, ("CREATE", record("*.Shop.INTERNAL", "A", "10.0.0.1")))
    assert [one["Name"] for one in records(client, zone)] == ["\\052.shop.internal."]
    again = record("\\052.shop.internal", "A", "10.0.0.1")
    shown = "[name='\\052.shop.internal.', type='A']"
    with refused_batch(f"Tried to create resource record set {shown} but it already exists"):
        change(client, zone, ("CREATE", again))
    change(client, zone, ("UPSERT", again | {"TTL": 5}))
    assert records(client, zone) == [again | {"Name": "\\052.shop.internal.", "TTL": 5}]
    change(client, zone, ("DELETE", record("*.shop.internal.", "A", "10.0.0.1", ttl=5)))
    assert records(client, zone) == []


def test_upserts_make_and_replace(client, zone):
    first, second = record("a.shop.internal.", "A", "10.0.0.1"), record("a.shop.internal.", "A", "10.0.0.2", ttl=5)
    for wanted in (first, second, second):
        change(client, zone, ("UPSERT", wanted))
        assert records(client, zone) == [wanted]
    # A replacement by deletion and creation is one step too.
    change(client, zone, ("DELETE", second), ("CREATE", first))
    assert records(client, zone) == [first]
    # So is one of another type.
    alias = record("a.shop.internal.", "CNAME", "b.shop.internal.")
    change(client, zone, ("CREATE", alias), ("DELETE", first))
    assert records(client, zone) == [alias]


def test_a_deletion_must_match(client, zone):
    there = record("a.shop.internal.", "A", "10.0.0.1", "10.0.0.2")
    change(client, zone, ("CREATE", there))
    shown = "Tried to delete resource record set [name='a.shop.internal.', type='A']"
    for other in (
        record("a.shop.internal", "A", "10.0.0.1"),
        record("a.shop.internal", "A", "10.0.0.1", "10.0.0.3"),
        record("a.shop.internal", "A", "10.0.0.1", "10.0.0.2", ttl=61),
    ):
        with refused_batch(f"{shown} but the values provided do not match the current values"):
            change(client, zone, ("DELETE", other))
    with refused_batch("Tried to delete resource record set [name='b.shop.internal.', type='A'] but it was not found"):
        change(client, zone, ("DELETE", record("b.shop.internal", "A", "10.0.0.1")))
    with refused_batch(
        "Tried to delete resource record set [name='a.shop.internal.', type='AAAA'] but it was not found"
    ):
        change(client, zone, ("DELETE", record("a.shop.internal", "AAAA", "::1")))
    # The order of values doesn't count.
    change(client, zone, ("DELETE", record("A.shop.internal", "A", "10.0.0.2", "10.0.0.1")))
    assert records(client, zone) == []


def test_a_batch_is_done_whole_or_not_at_all(client, zone):
    there = record("there.shop.internal.", "A", "10.0.0.1")
    change(client, zone, ("CREATE", there))
    with refused_batch(
        "Tried to delete resource record set [name='gone.shop.internal.', type='A'] but it was not found",
        "Tried to create resource record set [name='there.shop.internal.', type='A'] but it already exists",
    ):
        change(
            client, zone,
            ("UPSERT", record("new.shop.internal", "A", "10.0.0.3")),
            ("CREATE", there),
            ("DELETE", record("gone.shop.internal", "A", "10.0.0.1")),
        )
    assert records(client, zone) == [there]
    twice = record("new.shop.internal", "A", "10.0.0.3")
    for actions in (("CREATE", "CREATE"), ("UPSERT", "UPSERT"), ("CREATE", "DELETE"), ("DELETE", "DELETE")):
        with refused_batch(
            "The request contains an invalid set of changes for a resource record set 'A new.shop.internal.'"
        ):
            change(client, zone, *[(action, twice) for action in actions])
    assert records(client, zone) == [there]


def test_what_cannot_be_in_a_zone_is_refused(client, zone):
    change(client, zone, ("CREATE", record("a.shop.internal", "A", "10.0.0.1")))
    change(client, zone, ("CREATE", record("c.shop.internal", "CNAME", "a.shop.internal")))
    before = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    own = {one["Type"]: one for one in before if one["Type"] in ("NS", "SOA")}

    def conflict(kind, name, other):
        return (
            f"RRSet of type {kind} with DNS name {name}.shop.internal. is not permitted because a conflicting RRSet "
            f"of type {other} with the same DNS name already exists in zone shop.internal."
        )

    for message, action, what in [
        (conflict("CNAME", "a", "A"), "CREATE", record("a.shop.internal", "CNAME", "b.shop.internal")),
        (conflict("TXT", "c", "CNAME"), "UPSERT", record("c.shop.internal", "TXT", '"x"')),
        (
            "RRSet of type CNAME with DNS name shop.internal. is not permitted at apex in zone shop.internal.",
            "CREATE", record("shop.internal", "CNAME", "a.shop.internal"),
        ),
        (
            "RRSet with DNS name a.other.internal. is not permitted in zone shop.internal.",
            "CREATE", record("a.other.internal", "A", "10.0.0.1"),
        ),
        (
            "RRSet with DNS name myshop.internal. is not permitted in zone shop.internal.",
            "CREATE", record("myshop.internal", "A", "10.0.0.1"),
        ),
        (
            "Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) "
            "encountered with '10.0.0.256''",
            "CREATE", record("b.shop.internal", "A", "10.0.0.256"),
        ),
        (
            "Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in quotation "
            "marks) encountered with 'plain''",
            "CREATE", record("b.shop.internal", "TXT", "plain"),
        ),
        ("Duplicate Resource Record: '10.0.0.1'", "CREATE", record("b.shop.internal", "A", "10.0.0.1", "10.0.0.1")),
        ("A HostedZone must contain exactly one SOA record.", "DELETE", own["SOA"]),
        ("A HostedZone must contain at least one NS record for the zone itself.", "DELETE", own["NS"]),
    ]:
        with refused_batch(message):
            change(client, zone, (action, what))
    for wrong in (
        record("b..shop.internal", "A", "10.0.0.1"),
        record("b.shop.internal", "AAAA", "10.0.0.1"),
        record("b.shop.internal", "SRV", "1 10 broker.shop.internal"),
        record("b.shop.internal", "CNAME", "a.shop.internal", "c.shop.internal"),
    ):
        with pytest.raises(client.exceptions.InvalidChangeBatch):
            change(client, zone, ("UPSERT", wrong))
    assert client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"] == before
    change(client, zone, ("UPSERT", own["NS"] | {"TTL": 3600}))


def test_what_a_batch_needs_is_checked(client, zone, refused):
    good = record("a.shop.internal", "A", "10.0.0.1")
    for wrong in (
        {name: value for name, value in good.items() if name != "TTL"},
        {name: value for name, value in good.items() if name != "ResourceRecords"},
        good | {"TTL": -1},
        good | {"TTL": 1 << 31},
        good | {"Type": "WKS"},
        good | {"ResourceRecords": []},
        good | {"Name": "x" * 1025},
        record("a.shop.internal", "TXT", '"' + "x" * 4000 + '"'),
        good | {"SetIdentifier": "one", "Weight": 1},
    ):
        with refused("InvalidInput", 400):
            change(client, zone, ("CREATE", wrong))
    with refused("InvalidInput", 400):
        change(client, zone, ("REPLACE", good))
    with refused("InvalidInput", 400):
        change(client, zone)
    with refused("InvalidInput", 400):
        change(client, zone, ("CREATE", good), Comment="x" * 257)

    def many(action, count):
        return [(action, record(f"n{at}.shop.internal", "A", "10.0.0.1")) for at in range(count)]

    for action, count in (("CREATE", 1001), ("UPSERT", 501)):
        with refused_batch("Number of records limit of 1000 exceeded."):
            change(client, zone, *many(action, count))
    long = ['"' + "x" * 198 + '" "' + f"{at:03}" + '"' for at in range(160)]
    with refused_batch("Number of characters limit of 32000 exceeded."):
        change(client, zone, ("CREATE", record("long.shop.internal", "TXT", *long)))
    assert records(client, zone) == []
    change(client, zone, *many("CREATE", 1000))
    assert client.get_hosted_zone(Id=zone)["HostedZone"]["ResourceRecordSetCount"] == 1002


def test_records_page_in_the_order_of_reversed_labels(client, zone, refused):
    names = ["b", "a.b", "a-b", "*", "z", "a"]
    change(client, zone, *[("CREATE", record(f"{name}.shop.internal", "A", "10.0.0.1")) for name in names])
    change(client, zone, ("CREATE", record("b.shop.internal", "AAAA", "::1")))
    expected = [
        ("shop.internal.", "NS"), ("shop.internal.", "SOA"), ("\\052.shop.internal.", "A"),
        ("a-b.shop.internal.", "A"), ("a.shop.internal.", "A"), ("b.shop.internal.", "A"),
        ("b.shop.internal.", "AAAA"), ("a.b.shop.internal.", "A"), ("z.shop.internal.", "A"),
    ]

    def listed(**start):
        answer = client.list_resource_record_sets(HostedZoneId=zone, **start)
        return answer, [(one["Name"], one["Type"]) for one in answer["ResourceRecordSets"]]

    whole, found = listed()
    assert found == expected
    assert whole["IsTruncated"] is False and whole["MaxItems"] == "300" and "NextRecordName" not in whole
    pages = client.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone, PaginationConfig={"PageSize": 2}
    )
    pages = [[(one["Name"], one["Type"]) for one in page["ResourceRecordSets"]] for page in pages]
    assert [len(page) for page in pages] == [2, 2, 2, 2, 1] and sum(pages, []) == expected
    page, found = listed(MaxItems="6")
    assert found == expected[:6] and page["IsTruncated"] is True and page["MaxItems"] == "6"
    assert (page["NextRecordName"], page["NextRecordType"]) == ("b.shop.internal.", "AAAA")
    for start, first in [
        ({"StartRecordName": "B.shop.internal"}, 5),
        ({"StartRecordName": "b.shop.internal.", "StartRecordType": "AAAA"}, 6),
        ({"StartRecordName": "b.shop.internal.", "StartRecordType": "CNAME"}, 7),
        ({"StartRecordName": "*.shop.internal"}, 2),
        ({"StartRecordName": "c.shop.internal"}, 8),
        ({"StartRecordName": "zz.shop.internal"}, 9),
        ({"StartRecordName": "internal"}, 0),
    ]:
        assert listed(**start)[1] == expected[first:], start
    for wrong in (
        {"StartRecordType": "A"}, {"StartRecordName": "a.shop.internal", "StartRecordType": "WKS"},
        {"StartRecordName": "a.shop.internal", "StartRecordIdentifier": "one"},
        {"StartRecordName": "a..shop.internal"}, {"MaxItems": "0"}, {"MaxItems": "many"},
    ):
        with refused("InvalidInput", 400):
            listed(**wrong)


def test_zones_page(account, refused):
    client, ec2 = account.client("route53", key="222233334444"), account.client("ec2", key="222233334444")
    vpc, other = new_vpc(ec2), new_vpc(ec2)
    names = ["b.internal", "a.b.internal", "b.example", "a.internal", "internal"]
    ids = {name: make(client, vpc, name) for name in names}
    twin = make(client, other, "b.internal")
    everything = {f"/hostedzone/{zone}" for zone in [*ids.values(), twin]}

    pages = list(client.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 4}))
    assert [len(page["HostedZones"]) for page in pages] == [4, 2]
    assert {zone["Id"] for page in pages for zone in page["HostedZones"]} == everything
    assert pages[0]["IsTruncated"] is True and pages[0]["MaxItems"] == "4" and pages[1]["IsTruncated"] is False
    assert pages[1]["HostedZones"][0]["Id"] == f"/hostedzone/{pages[0]['NextMarker']}"
    assert len(client.list_hosted_zones(HostedZoneType="PrivateHostedZone")["HostedZones"]) == 6
    with refused("InvalidInput", 400):
        client.list_hosted_zones(HostedZoneType="PublicHostedZone")
    with refused("NoSuchDelegationSet", 400):
        client.list_hosted_zones(DelegationSetId="N1PA6795SAMPLE")
    for wrong in ({"MaxItems": "0"}, {"Marker": "x" * 65}):
        with refused("InvalidInput", 400):
            client.list_hosted_zones(**wrong)

    ordered = ["b.example.", "internal.", "a.internal.", "b.internal.", "b.internal.", "a.b.internal."]
    answer = client.list_hosted_zones_by_name()
    assert [zone["Name"] for zone in answer["HostedZones"]] == ordered and answer["MaxItems"] == "100"
    answer = client.list_hosted_zones_by_name(MaxItems="4")
    assert [zone["Name"] for zone in answer["HostedZones"]] == ordered[:4]
    assert answer["NextDNSName"] == "b.internal." and answer["NextHostedZoneId"] == max(twin, ids["b.internal"])
    rest = client.list_hosted_zones_by_name(
        DNSName=answer["NextDNSName"], HostedZoneId=answer["NextHostedZoneId"], MaxItems="4"
    )
    assert [zone["Name"] for zone in rest["HostedZones"]] == ordered[4:]
    assert rest["DNSName"] == "b.internal." and rest["HostedZoneId"] == answer["NextHostedZoneId"]
    assert rest["IsTruncated"] is False and "NextDNSName" not in rest
    answer = client.list_hosted_zones_by_name(DNSName="B.internal")
    assert [zone["Name"] for zone in answer["HostedZones"]] == ordered[3:]
    with refused("InvalidInput", 400):
        client.list_hosted_zones_by_name(HostedZoneId=twin)
    with refused("InvalidDomainName", 400):
        client.list_hosted_zones_by_name(DNSName="a..b")

    answer = client.list_hosted_zones_by_vpc(**vpc, MaxItems="3")
    rest = client.list_hosted_zones_by_vpc(**vpc, MaxItems="3", NextToken=answer["NextToken"])
    summaries = answer["HostedZoneSummaries"] + rest["HostedZoneSummaries"]
    assert {(one["HostedZoneId"], one["Name"]) for one in summaries} == {(ids[name], f"{name}.") for name in names}
    assert all(one["Owner"] == {"OwningAccount": "222233334444"} for one in summaries)
    assert answer["MaxItems"] == "3" and len(summaries) == 5 and "NextToken" not in rest
    with refused("InvalidPaginationToken", 400):
        client.list_hosted_zones_by_vpc(**vpc, NextToken="token")
    with refused("AccessDenied", 403):
        client.list_hosted_zones_by_vpc(VPCId=vpc["VPCId"], VPCRegion="eu-west-1")


def test_tags(account, client, vpc, refused):
    zone, other = make(client, vpc, "tags.internal"), make(client, vpc, "more.tags.internal")

    def tags():
        found = client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)["ResourceTagSet"]
        assert (found["ResourceType"], found["ResourceId"]) == ("hostedzone", zone)
        return {tag["Key"]: tag["Value"] for tag in found["Tags"]}

    def tag(resource=zone, kind="hostedzone", **given):
        client.change_tags_for_resource(ResourceType=kind, ResourceId=resource, **given)

    def listed(region, **filters):
        tagging = account.client("resourcegroupstaggingapi", region=region)
        found = tagging.get_resources(**filters)["ResourceTagMappingList"]
        return {one["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in found}

    assert tags() == {}
    tag(AddTags=[{"Key": "stack", "Value": "shop & co"}, {"Key": "team", "Value": "data"}])
    assert tags() == {"stack": "shop & co", "team": "data"}
    tag(AddTags=[{"Key": "stack", "Value": "shop"}], RemoveTagKeys=["team", "never"])
    assert tags() == {"stack": "shop"}
    tag(other, AddTags=[{"Key": "stack", "Value": "bank"}])
    sets = client.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=[zone, other])["ResourceTagSets"]
    assert [(one["ResourceId"], one["Tags"][0]["Value"]) for one in sets] == [(zone, "shop"), (other, "bank")]

    arn = f"arn:aws:route53:::hostedzone/{zone}"
    filters = {"TagFilters": [{"Key": "stack", "Values": ["shop"]}]}
    assert listed("us-east-1", **filters) == {arn: {"stack": "shop"}}
    assert listed("us-east-1", ResourceTypeFilters=["route53:hostedzone"], **filters) == {arn: {"stack": "shop"}}
    assert listed("us-east-1", ResourceTypeFilters=["ec2"], **filters) == {}
    assert listed(REGION, **filters) == {}
    tagging = account.client("resourcegroupstaggingapi", region="us-east-1")
    tagging.tag_resources(ResourceARNList=[arn], Tags={"by": "tagging"})
    assert tags() == {"stack": "shop", "by": "tagging"}

    tag(RemoveTagKeys=["by"])
    for wrong in (
        {}, {"AddTags": []}, {"RemoveTagKeys": []},
        {"AddTags": [{"Key": f"k{at}", "Value": "v"} for at in range(11)]},
        {"RemoveTagKeys": [f"k{at}" for at in range(11)]},
        {"AddTags": [{"Key": "aws:mine", "Value": "v"}]},
        {"AddTags": [{"Key": "k" * 129, "Value": "v"}]},
        {"AddTags": [{"Key": "k", "Value": "v" * 257}]},
        {"AddTags": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]},
    ):
        with refused("InvalidInput", 400):
            tag(**wrong)
    assert tags() == {"stack": "shop"}
    for kind, code, status in [
        ("healthcheck", "NoSuchHealthCheck", 404), ("healthchecksource", "NoSuchHealthCheckSource", 404),
        ("zone", "InvalidInput", 400),
    ]:
        with refused(code, status):
            tag(kind=kind, AddTags=[{"Key": "k", "Value": "v"}])
        with refused(code, status):
            client.list_tags_for_resource(ResourceType=kind, ResourceId=zone)
        with refused(code, status):
            client.list_tags_for_resources(ResourceType=kind, ResourceIds=[zone])
    with refused("NoSuchHostedZone", 404):
        tag("Z0000", AddTags=[{"Key": "k", "Value": "v"}])
    with refused("NoSuchHostedZone", 404):
        client.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=[zone, "Z0000"])
    with refused("InvalidInput", 400):
        client.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=[zone] * 11)
    # boto3 leaves ids of resources as they are, and Route 53 knows them without a prefix only.
    with refused("InvalidInput", 400):
        client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=f"/hostedzone/{zone}")

    for at in range(0, 49, 7):
        tag(AddTags=[{"Key": f"k{at + more}", "Value": "v"} for more in range(7)])
    with refused("InvalidInput", 400):
        tag(AddTags=[{"Key": "one", "Value": "too many"}])
    assert len(tags()) == 50
    client.delete_hosted_zone(Id=zone)
    assert listed("us-east-1", **filters) == {}


def test_changes_have_ids(client, refused):
    for unknown in ("C0000", "/change/C0000"):
        with refused("NoSuchChange", 404):
            client.get_change(Id=unknown)


def test_documents_have_one_form(account, client, vpc):
    zone = make(client, vpc, "wire.internal")
    path = f"/2013-04-01/hostedzone/{zone}"

    def document(operation, members, namespace=NAMESPACE):
        return f'<?xml version="1.0"?>\n<{operation} xmlns="{namespace}">{members}</{operation}>'

    comment = document("UpdateHostedZoneCommentRequest", "<Comment>x</Comment>")
    status, text = send(account, "POST", path, comment)
    assert status == 200 and f'<UpdateHostedZoneCommentResponse xmlns="{NAMESPACE}"><HostedZone>' in text
    status, text = send(account, "GET", path)
    assert status == 200 and "<VPCs><VPC><VPC" in text and f"<VPCId>{vpc['VPCId']}</VPCId>" in text
    status, text = send(account, "GET", "/2013-04-01/hostedzone/Z0000")
    assert status == 404 and text.endswith("</RequestId></ErrorResponse>")
    assert f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code>' in text

    changes = "<Changes><Change><Action>CREATE</Action><ResourceRecordSet>{}</ResourceRecordSet></Change></Changes>"
    good = (
        "<Name>a.wire.internal</Name><Type>A</Type><TTL>5</TTL>"
        "<ResourceRecords><ResourceRecord><Value>10.0.0.1</Value></ResourceRecord></ResourceRecords>"
    )
    batch = f"<ChangeBatch>{changes.format(good)}</ChangeBatch>"
    operation = "ChangeResourceRecordSetsRequest"
    for body, code in [
        (f"<ChangeBatch>{changes.format(good)}</ChangeBatch>", "MalformedInput"),
        (document("ChangeRequest", batch), "MalformedInput"),
        (document(operation, batch, "https://route53.amazonaws.com/doc/2012-12-12/"), "MalformedInput"),
        (document(operation, batch)[:-1], "MalformedInput"),
        (json.dumps({"ChangeBatch": {}}), "MalformedInput"),
        ("", "InvalidInput"),
        (document(operation, ""), "InvalidInput"),
        (document(operation, batch + "<Colour>red</Colour>"), "InvalidInput"),
        (document(operation, batch.replace("<TTL>5</TTL>", "<TTL>5</TTL><TTL>6</TTL>")), "InvalidInput"),
        (document(operation, batch.replace("<Type>A</Type>", "")), "InvalidInput"),
        (document(operation, batch.replace("<ResourceRecord>", "<Record>").replace("</ResourceRecord>", "</Record>")),
         "InvalidInput"),
        (document(operation, batch.replace("<TTL>5</TTL>", "<TTL>soon</TTL>")), "InvalidInput"),
    ]:
        status, text = send(account, "POST", f"{path}/rrset/", body)
        assert status == 400 and f"<Code>{code}</Code>" in text, (body, text)
    assert records(client, zone) == []
    status, text = send(account, "POST", f"{path}/rrset", document(operation, batch))
    assert status == 200 and "<Status>PENDING</Status>" in text and len(records(client, zone)) == 1

    # Clients take the prefix off an id; on the wire there is none.
    status, text = send(account, "GET", f"/2013-04-01/hostedzone/%2Fhostedzone%2F{zone}")
    assert status == 400 and "<Code>InvalidInput</Code>" in text
    assert send(account, "GET", f"/2013-04-01/hostedzone//hostedzone/{zone}")[0] == 404
    assert send(account, "PUT", path)[0] == 404


def put_faults(account, rules):
    account.control("faults", "PUT", rules.encode())


def test_fault_rules_hit(account, client, refused):
    vpc = new_vpc(account.client("ec2"))
    zone = make(client, vpc, "faults.internal")
    upsert = ("UPSERT", record("a.faults.internal.", "A", "10.0.0.1"))
    rule = '[[fault]]\nservice = "route53"\noperation = "{}"\n{}\n'
    try:
        put_faults(account, rule.format("ChangeResourceRecordSets", "throttle = true\ntimes = 1"))
        with refused("Throttling", 400):
            change(client, zone, upsert)
        assert records(client, zone) == []
        prior = 'error = "PriorRequestNotComplete"\nstatus = 400\ntimes = 1'
        put_faults(account, rule.format("Change*", prior))
        with refused("PriorRequestNotComplete", 400):
            change(client, zone, upsert)
        change(client, zone, upsert)

        # A lost answer had its effect: the same reference makes no second zone.
        put_faults(account, rule.format("CreateHostedZone", "lost = true\ntimes = 1"))
        given = {"Name": "lost.internal", "VPC": vpc, "CallerReference": "lost"}
        with pytest.raises(Exception) as raised:
            client.create_hosted_zone(**given)
        assert not isinstance(raised.value, ClientError)
        with refused("HostedZoneAlreadyExists", 409):
            client.create_hosted_zone(**given)
        assert [one["Name"] for one in client.list_hosted_zones_by_vpc(**vpc)["HostedZoneSummaries"]].count(
            "lost.internal."
        ) == 1

        # What is invisible isn't there for anybody, but its reference is taken.
        put_faults(account, rule.format("CreateHostedZone", 'invisible = "1h"\ntimes = 1'))
        given = {"Name": "hidden.internal", "VPC": vpc, "CallerReference": "hidden"}
        made = client.create_hosted_zone(**given)
        assert client.get_change(Id=made["ChangeInfo"]["Id"])["ChangeInfo"]["Status"] == "INSYNC"
        with refused("NoSuchHostedZone", 404):
            client.get_hosted_zone(Id=made["HostedZone"]["Id"])
        with refused("HostedZoneAlreadyExists", 409):
            client.create_hosted_zone(**given)
        with refused("ConflictingDomainExists", 400):
            client.create_hosted_zone(**given | {"CallerReference": "another"})
    finally:
        put_faults(account, "")
    events = account.control("events")
    mine = [event for event in events if event["service"] == "route53"]
    assert {event["fault"] for event in mine} >= {"throttle", "error", "lost", "invisible", None}
    assert any(event["operation"] == "CreateHostedZone" and event["resource"] == "hidden.internal" for event in mine)


def test_zones_survive_a_kill(account, vpc):
    client = account.client("route53")
    zone = make(client, vpc, "kept.internal")
    change(client, zone, ("CREATE", record("a.kept.internal.", "A", "10.0.0.1")))
    client.change_tags_for_resource(
        ResourceType="hostedzone", ResourceId=zone, AddTags=[{"Key": "kept", "Value": "yes"}]
    )
    account.kill()
    account.start()
    client = account.client("route53")
    assert records(client, zone) == [record("a.kept.internal.", "A", "10.0.0.1")]
    assert client.get_hosted_zone(Id=zone)["VPCs"] == [vpc]
    found = client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)["ResourceTagSet"]["Tags"]
    assert found == [{"Key": "kept", "Value": "yes"}]
