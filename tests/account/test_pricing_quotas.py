"""The Price List and Service Quotas, as boto3 sees them."""

import json

import pytest


@pytest.fixture(scope="module")
def pricing(account):
    return account.client("pricing")


def products(client, service, **filters):
    wanted = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()]
    pages = client.get_paginator("get_products").paginate(
        ServiceCode=service, Filters=wanted, PaginationConfig={"PageSize": 1}
    )
    return [json.loads(text) for page in pages for text in page["PriceList"]]


def test_products_come_in_awss_own_shape(pricing):
    (host,) = products(
        pricing, "AmazonEC2", regionCode="eu-north-1", instanceType="t3.small", operatingSystem="Linux", tenancy="Shared"
    )
    assert host["product"]["attributes"]["usagetype"] == "EUN1-BoxUsage:t3.small"
    (term,) = host["terms"]["OnDemand"].values()
    (step,) = term["priceDimensions"].values()
    assert (step["unit"], step["beginRange"]) == ("Hrs", "0")
    assert float(step["pricePerUnit"]["USD"]) > 0
    everywhere = products(pricing, "awskms")
    assert {one["product"]["attributes"]["usagetype"] for one in everywhere} == {"KMS-Keys", "EUN1-KMS-Keys", "EU-KMS-Keys"}
    assert products(pricing, "AmazonEC2", regionCode="mars-1") == []


def test_wrong_requests_for_products_are_refused(pricing, refused):
    for wrong in ({"ServiceCode": "AmazonNothing"}, {"ServiceCode": "awskms", "FormatVersion": "aws_v2"}):
        with refused("InvalidParameterException"):
            pricing.get_products(**wrong)


def test_quotas_have_awss_defaults(account, refused):
    quotas = account.client("service-quotas")
    addresses = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-0263D0A3")["Quota"]
    assert (addresses["QuotaName"], addresses["Value"], addresses["Adjustable"]) == ("EC2-VPC Elastic IPs", 5.0, True)
    workers = quotas.get_service_quota(ServiceCode="emr-serverless", QuotaCode="L-D05C8A75")["Quota"]
    assert (workers["QuotaName"], workers["Value"]) == ("Max concurrent vCPUs per account", 16.0)
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="vpc", PaginationConfig={"PageSize": 2})
    codes = [quota["QuotaCode"] for page in pages for quota in page["Quotas"]]
    assert "L-F678F1CE" in codes and len(codes) == len(set(codes)) > 2
    with refused("NoSuchResourceException"):
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")
