"""What people change by hand in the zones of the stack `names`."""

from drifts import drift


def zone(aws, name):
    """The id of the zone of that domain."""
    zones = aws("route53").list_hosted_zones_by_name(DNSName=name)["HostedZones"]
    return next(one["Id"] for one in zones if one["Name"] == f"{name}.")


def sets(aws, name):
    client = aws("route53")
    return client.list_resource_record_sets(HostedZoneId=zone(aws, name))["ResourceRecordSets"]


def change(aws, name, action, record):
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    aws("route53").change_resource_record_sets(HostedZoneId=zone(aws, name), ChangeBatch=batch)


def found(aws, name, record):
    (one,) = [one for one in sets(aws, name) if one["Name"] == record]
    return one


@drift("private_zone.services", "comment", "mine", "what the company's programs look for")
def a_zones_comment(aws):
    aws("route53").update_hosted_zone_comment(Id=zone(aws, "services.names.internal"), Comment="mine")


@drift("record.kibana", "ttl", 5, 60)
def a_records_ttl(aws):
    record = found(aws, "names.internal", "kibana.names.internal.")
    change(aws, "names.internal", "UPSERT", record | {"TTL": 5})


@drift("record.api", "values[1]", None, "10.0.0.11")
def a_records_values(aws):
    # What hosts write by themselves is no drift.
    for name, address in [("queue", "10.0.0.20"), ("cache", "10.0.0.21")]:
        record = {"Name": f"{name}.services.names.internal", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": address}]}
        change(aws, "services.names.internal", "CREATE", record)
    record = found(aws, "services.names.internal", "api.services.names.internal.")
    change(aws, "services.names.internal", "UPSERT", record | {"ResourceRecords": [{"Value": "10.0.0.10"}]})


@drift("record.any", None, None, None)
def a_record_deleted(aws):
    record = found(aws, "services.names.internal", "\\052.services.names.internal.")
    change(aws, "services.names.internal", "DELETE", record)
