"""What people change by hand in an account, and what a plan says of each."""

import base64
import json

from account import ACCOUNT

# The plan's value is another one each time, or only its presence matters.
ANY = object()
DRIFTS = []
BUCKET = f"shop-raw-{ACCOUNT}"
TIDY = {"id": "tidy", "prefix": "", "expire_days": 3, "expire_versions_days": None, "abort_uploads_days": None}


def drift(address, path, before, after):
    """Declares a change, and the one line of the plan that it makes: where, what exists and what the file says."""

    def remember(change):
        DRIFTS.append((change, address, path, before, after))
        return change

    return remember


def own(aws, call, field, address, stack="shop"):
    """The EC2 resource at an address."""
    found = getattr(aws("ec2"), call)(
        Filters=[{"Name": "tag:lakewright:stack", "Values": [stack]}, {"Name": "tag:lakewright:address", "Values": [address]}]
    )
    (one,) = next(value for key, value in found.items() if isinstance(value, list))
    return one[field]


def group(aws, name):
    return own(aws, "describe_security_groups", "GroupId", f"security_group.{name}")


def rule(port, **more):
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **more}]


WORLD = {"CidrIp": "0.0.0.0/0"}
SSH = {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0"}


@drift("security_group.search", "ingress[1]", SSH, None)
def a_security_group_opened_to_the_world(aws):
    aws("ec2").authorize_security_group_ingress(GroupId=group(aws, "search"), IpPermissions=rule(22, IpRanges=[WORLD]))


@drift("security_group.search", "ingress[0]", None, ANY)
def a_rule_revoked(aws):
    pair = {"GroupId": group(aws, "app")}
    aws("ec2").revoke_security_group_ingress(
        GroupId=group(aws, "search"), IpPermissions=rule(9200, UserIdGroupPairs=[pair])
    )


@drift("security_group.search", "ingress[0].description", "temporary", "documents from the shipper")
def a_rules_description(aws):
    pair = {"GroupId": group(aws, "app"), "Description": "temporary"}
    aws("ec2").update_security_group_rule_descriptions_ingress(
        GroupId=group(aws, "search"), IpPermissions=rule(9200, UserIdGroupPairs=[pair])
    )


HTTPS = {"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr": "0.0.0.0/0", "description": "AWS, and what is installed"}


@drift("security_group.ingest", "egress[0]", None, HTTPS)
def nothing_may_go_out(aws):
    aws("ec2").revoke_security_group_egress(GroupId=group(aws, "ingest"), IpPermissions=rule(443, IpRanges=[WORLD]))


@drift("security_group.search", "egress[1]", {"protocol": "all", "cidr": "0.0.0.0/0"}, None)
def everything_may_go_out(aws):
    everything = [{"IpProtocol": "-1", "IpRanges": [WORLD]}]
    aws("ec2").authorize_security_group_egress(GroupId=group(aws, "search"), IpPermissions=everything)


@drift("route_table.public", "routes[1]", ANY, None)
def a_route_added(aws):
    aws("ec2").create_route(
        RouteTableId=own(aws, "describe_route_tables", "RouteTableId", "route_table.public"),
        DestinationCidrBlock="192.168.0.0/16",
        GatewayId=own(aws, "describe_internet_gateways", "InternetGatewayId", "internet_gateway.main"),
    )


@drift("vpc.main", "dns_hostnames", False, True)
def a_networks_names(aws):
    aws("ec2").modify_vpc_attribute(VpcId=own(aws, "describe_vpcs", "VpcId", "vpc.main"), EnableDnsHostnames={"Value": False})


@drift("vpc.main", "default_group", "open", "closed")
def a_default_group_that_lets_something_in(aws):
    vpc = own(aws, "describe_vpcs", "VpcId", "vpc.main")
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (found,) = aws("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    assert found["IpPermissions"] == found["IpPermissionsEgress"] == []
    aws("ec2").authorize_security_group_ingress(GroupId=found["GroupId"], IpPermissions=rule(22, IpRanges=[WORLD]))


@drift("subnet.a", "map_public_ip_on_launch", False, True)
def a_subnets_public_addresses(aws):
    aws("ec2").modify_subnet_attribute(
        SubnetId=own(aws, "describe_subnets", "SubnetId", "subnet.a"), MapPublicIpOnLaunch={"Value": False}
    )


@drift("bucket.raw", "versioning", False, True)
def a_buckets_versioning(aws):
    aws("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


@drift("bucket.raw", "key", None, ANY)
def a_buckets_encryption(aws):
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    aws("s3").put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": rules})


@drift("bucket.raw", "key.bucket_key", False, True)
def a_bucket_that_asks_kms_for_every_object(aws):
    client = aws("s3")
    configuration = client.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    configuration["Rules"][0]["BucketKeyEnabled"] = False
    client.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=configuration)


@drift("bucket.raw", "block_public_access", False, True)
def a_bucket_opened_to_the_public(aws):
    aws("s3").delete_public_access_block(Bucket=BUCKET)


@drift("bucket.raw", "lifecycle[2]", TIDY, None)
def a_lifecycle_rule_added(aws):
    client = aws("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    rules.append({"ID": "tidy", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 3}})
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})


def age(aws, **changes):
    """Changes the rule of older versions."""
    client = aws("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    rules = [one | (changes if one["ID"] == "older-versions" else {}) for one in rules]
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})


@drift("bucket.raw", "lifecycle[1].id", "older-versions (changed outside)", "older-versions")
def versions_of_tagged_objects_only(aws):
    age(aws, Filter={"Tag": {"Key": "keep", "Value": "no"}})


@drift("bucket.raw", "lifecycle[1].id", "older-versions (changed outside)", "older-versions")
def a_rule_that_does_more(aws):
    age(aws, NoncurrentVersionTransitions=[{"NoncurrentDays": 30, "StorageClass": "GLACIER_IR"}])


@drift("bucket.raw", "lifecycle[1].expire_delete_markers", None, True)
def markers_of_deleted_objects_kept(aws):
    client = aws("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    for rule in rules:
        rule.pop("Expiration", None)
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})


@drift("bucket.raw", "policy", None, ANY)
def a_bucket_policy_deleted(aws):
    aws("s3").delete_bucket_policy(Bucket=BUCKET)


ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ALLOWED = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": ["*"]}]}
PATCHES = "arn:aws:iam::aws:policy/AmazonSSMPatchAssociation"


@drift("role.app", "policies.backdoor", ALLOWED, None)
def an_inline_policy_added(aws):
    aws("iam").put_role_policy(RoleName="shop-app", PolicyName="backdoor", PolicyDocument=json.dumps(ALLOW_ALL))


@drift("role.app", "policies.producer", None, ANY)
def an_inline_policy_deleted(aws):
    aws("iam").delete_role_policy(RoleName="shop-app", PolicyName="producer")


@drift("role.app", "attached_policies[0]", PATCHES, None)
def a_policy_attached(aws):
    aws("iam").attach_role_policy(RoleName="shop-app", PolicyArn=PATCHES)


@drift("role.app", "trust.Statement[0].Principal.AWS", ["arn:aws:iam::999999999999:root"], None)
def a_trust_widened(aws):
    statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws("iam").update_assume_role_policy(RoleName="shop-app", PolicyDocument=trust)


@drift("role.app", "max_session_seconds", 43200, 3600)
def sessions_of_half_a_day(aws):
    aws("iam").update_role(RoleName="shop-app", MaxSessionDuration=43200)


@drift("role.app", "description", "mine", ANY)
def a_roles_description(aws):
    aws("iam").update_role(RoleName="shop-app", Description="mine")


def key(aws):
    return aws("kms").describe_key(KeyId="alias/shop-main")["KeyMetadata"]["KeyId"]


@drift("key.main", "rotation", False, True)
def a_keys_rotation(aws):
    aws("kms").disable_key_rotation(KeyId=key(aws))


@drift("key.main", "policy.Statement[2]", ANY, None)
def a_key_policy(aws):
    client = aws("kms")
    policy = json.loads(client.get_key_policy(KeyId=key(aws), PolicyName="default")["Policy"])
    policy["Statement"].append({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Decrypt", "Resource": "*"})
    client.put_key_policy(KeyId=key(aws), PolicyName="default", Policy=json.dumps(policy))


@drift("key.main", "alias", "", "shop-main")
def a_keys_alias_deleted(aws):
    aws("kms").delete_alias(AliasName="alias/shop-main")


@drift("key.main", "state", "Disabled", "Enabled")
def a_key_that_somebody_disabled(aws):
    aws("kms").disable_key(KeyId=key(aws))


@drift("key.main", "state", "PendingDeletion", "Enabled")
def a_key_that_somebody_gave_up(aws):
    aws("kms").schedule_key_deletion(KeyId=key(aws), PendingWindowInDays=7)


@drift("secret.kafka", "description", "mine", "the Kafka user shop")
def a_secrets_description(aws):
    aws("secretsmanager").update_secret(SecretId="AmazonMSK_shop_kafka", Description="mine")


def cluster(aws):
    (one,) = aws("kafka").list_clusters_v2()["ClusterInfoList"]
    return one


@drift("topic.es_events", "configuration.retention.ms", "60000", "259200000")
def a_topics_retention(aws):
    configuration = base64.b64encode(b"retention.ms=60000").decode()
    aws("kafka").update_topic(ClusterArn=cluster(aws)["ClusterArn"], TopicName="es_events", Configs=configuration)


@drift("cluster.main", "monitoring", "PER_BROKER", "DEFAULT")
def a_clusters_monitoring(aws):
    one = cluster(aws)
    aws("kafka").update_monitoring(
        ClusterArn=one["ClusterArn"], CurrentVersion=one["CurrentVersion"], EnhancedMonitoring="PER_BROKER"
    )


@drift("scram_association.main", None, None, None)
def a_secret_disassociated(aws):
    secret = aws("secretsmanager").describe_secret(SecretId="AmazonMSK_shop_kafka")["ARN"]
    aws("kafka").batch_disassociate_scram_secret(ClusterArn=cluster(aws)["ClusterArn"], SecretArnList=[secret])


@drift("emr_application.main", "max_capacity.vcpu", 400, 16)
def an_applications_limits(aws):
    client = aws("emr-serverless")
    (one,) = client.list_applications()["applications"]
    limits = client.get_application(applicationId=one["id"])["application"]["maximumCapacity"] | {"cpu": "400 vCPU"}
    client.update_application(applicationId=one["id"], clientToken="a-hand", maximumCapacity=limits)


@drift("workgroup.main", "bytes_scanned_cutoff_per_query", None, 100_000_000_000)
def a_workgroups_limit(aws):
    aws("athena").update_work_group(WorkGroup="shop", ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True})


@drift("emr_application.main", "auto_start", False, True)
def an_application_that_no_job_starts(aws):
    client = aws("emr-serverless")
    (one,) = client.list_applications()["applications"]
    client.update_application(applicationId=one["id"], clientToken="b-hand", autoStartConfiguration={"enabled": False})


@drift("workgroup.main", "state", "DISABLED", "ENABLED")
def a_workgroup_that_refuses_queries(aws):
    aws("athena").update_work_group(WorkGroup="shop", State="DISABLED")


@drift("workgroup.main", "enforce_configuration", False, True)
def a_workgroup_whose_settings_bind_nobody(aws):
    aws("athena").update_work_group(WorkGroup="shop", ConfigurationUpdates={"EnforceWorkGroupConfiguration": False})


@drift("log_group.shipper", "key", None, ANY)
def a_log_group_without_its_key(aws):
    aws("logs").disassociate_kms_key(logGroupName="/lakewright/shop/shipper")


def sessions(aws, change):
    """Changes the inputs of the document by which sessions are started."""
    client, name = aws("ssm"), "lakewright-shop-session"
    content = json.loads(client.get_document(Name=name)["Content"])
    change(content["inputs"])
    new = client.update_document(Name=name, Content=json.dumps(content), DocumentVersion="$LATEST", DocumentFormat="JSON")
    client.update_document_default_version(Name=name, DocumentVersion=new["DocumentDescription"]["DocumentVersion"])


@drift("session_document.main", "log_group", None, ANY)
def sessions_that_nobody_writes_down(aws):
    sessions(aws, lambda inputs: inputs.update(cloudWatchLogGroupName=""))


@drift("session_document.main", "content.s3BucketName", "somebodys", "")
def sessions_that_somebody_else_gets(aws):
    sessions(aws, lambda inputs: inputs.update(s3BucketName="somebodys"))


@drift("log_group.stream", "retention_days", 3653, 14)
def a_log_groups_retention(aws):
    aws("logs").put_retention_policy(logGroupName="/lakewright/shop/stream", retentionInDays=3653)


@drift("database.raw", "description", "staging", "the raw zone of shop")
def a_databases_description(aws):
    client = aws("glue")
    before = client.get_database(Name="shop_raw")["Database"]
    kept = {name: before[name] for name in ("Name", "LocationUri", "Parameters") if name in before}
    client.update_database(Name="shop_raw", DatabaseInput=kept | {"Description": "staging"})


@drift("auto_scaling_group.app", "desired_capacity", 0, 1)
def a_group_without_hosts(aws):
    aws("autoscaling").update_auto_scaling_group(AutoScalingGroupName="shop-app", MinSize=0, DesiredCapacity=0)


@drift("auto_scaling_group.app", "health_check", "ELB", "EC2")
def a_group_that_asks_a_load_balancer(aws):
    aws("autoscaling").update_auto_scaling_group(AutoScalingGroupName="shop-app", HealthCheckType="ELB")


@drift("launch_template.search", "instance_type", "m7i.24xlarge", "m7i.large")
def a_launch_template_with_a_bigger_host(aws):
    launch(aws, InstanceType="m7i.24xlarge")


def launch(aws, **changes):
    """Gives a launch template another version."""
    client = aws("ec2")
    made = client.create_launch_template_version(
        LaunchTemplateName="shop-search", SourceVersion="$Default", LaunchTemplateData=changes
    )["LaunchTemplateVersion"]
    client.modify_launch_template(LaunchTemplateName="shop-search", DefaultVersion=str(made["VersionNumber"]))


@drift("launch_template.search", "key_name", "mine", None)
def hosts_that_let_a_key_in(aws):
    launch(aws, KeyName="mine")


@drift("launch_template.search", "metadata_endpoint", "disabled", "enabled")
def hosts_without_credentials(aws):
    launch(aws, MetadataOptions={"HttpEndpoint": "disabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 2})


@drift("object.manifest", "content", "{}", ANY)
def an_object_overwritten(aws):
    aws("s3").put_object(Bucket=f"shop-artifacts-{ACCOUNT}", Key="models/manifest.json", Body=b"{}", ContentType="application/json")


MANIFEST = {"Bucket": f"shop-artifacts-{ACCOUNT}", "Key": "models/manifest.json"}


@drift("object.manifest", "content", ANY, ANY)
def an_object_overwritten_in_its_own_size(aws):
    found = aws("s3").get_object(**MANIFEST)
    body = found["Body"].read().replace(b"e", b"f", 1)
    aws("s3").put_object(**MANIFEST, Body=body, ContentType=found["ContentType"], Metadata=found["Metadata"])
    assert aws("s3").head_object(**MANIFEST)["ContentLength"] == found["ContentLength"]


@drift("object.manifest", "content_type", "text/plain", "application/json")
def an_objects_type(aws):
    metadata = aws("s3").head_object(**MANIFEST)["Metadata"]
    aws("s3").copy_object(
        **MANIFEST, CopySource=MANIFEST, MetadataDirective="REPLACE", ContentType="text/plain", Metadata=metadata
    )


def lake(aws, table):
    """A table as PyIceberg opens it."""
    from test_up import catalog

    return catalog(aws("glue").meta.endpoint_url).load_table(table)


@drift("table.users", "columns[city].doc", "mine", None)
def a_columns_description(aws):
    with lake(aws, "shop_raw.users").update_schema() as schema:
        schema.update_column("city", doc="mine")


@drift("table.sales", "properties.write.parquet.compression-codec", "gzip", "zstd")
def a_tables_compression(aws):
    with lake(aws, "shop_raw.sales").transaction() as change:
        # Others may keep properties of their own.
        change.set_properties({"write.parquet.compression-codec": "gzip", "owner": "others"})


# Whole resources: the path is None, and the action is `create`.


@drift("log_group.batch", None, None, None)
def a_log_group_deleted(aws):
    aws("logs").delete_log_group(logGroupName="/lakewright/shop/batch")


@drift("topic.es_events", None, None, None)
def a_topic_deleted(aws):
    aws("kafka").delete_topic(ClusterArn=cluster(aws)["ClusterArn"], TopicName="es_events")


@drift("object.manifest", None, None, None)
def an_object_deleted(aws):
    aws("s3").delete_object(Bucket=f"shop-artifacts-{ACCOUNT}", Key="models/manifest.json")


@drift("vpc_endpoint.s3", None, None, None)
def an_endpoint_deleted(aws):
    endpoint = own(aws, "describe_vpc_endpoints", "VpcEndpointId", "vpc_endpoint.s3")
    aws("ec2").delete_vpc_endpoints(VpcEndpointIds=[endpoint])


@drift("table.inventory", None, None, None)
def a_table_dropped(aws):
    aws("glue").delete_table(DatabaseName="shop_raw", Name="inventory")
