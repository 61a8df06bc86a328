"""IAM, STS and KMS."""

import hashlib
import json
import urllib.error
import urllib.request

import pytest

TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
})
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


@pytest.fixture(scope="module")
def iam(account):
    return account.client("iam")


@pytest.fixture(scope="module")
def kms(account):
    return account.client("kms")


def test_the_access_key_says_the_account(account):
    assert account.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert account.client("sts", key="111122223333").get_caller_identity()["Account"] == "111122223333"


def test_unsigned_calls_are_refused(account):
    request = urllib.request.Request(
        account.url, data=b"Action=GetCallerIdentity&Version=2011-06-15",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == 403 and b"<Code>MissingAuthenticationToken</Code>" in error.value.read()


def test_a_role_lives_and_dies_in_order(iam, refused):
    made = iam.create_role(
        RoleName="host", AssumeRolePolicyDocument=TRUST, Path="/shop/", Tags=[{"Key": "a", "Value": "1"}]
    )["Role"]
    assert made["Arn"] == "arn:aws:iam::123456789012:role/shop/host" and made["RoleId"].startswith("AROA")
    assert made["AssumeRolePolicyDocument"] == json.loads(TRUST)
    with refused("EntityAlreadyExists", 409):
        iam.create_role(RoleName="HOST", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="host", PolicyName="read", PolicyDocument=json.dumps(POLICY))
    assert iam.get_role_policy(RoleName="host", PolicyName="read")["PolicyDocument"] == POLICY
    managed = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    iam.attach_role_policy(RoleName="host", PolicyArn=managed)
    iam.attach_role_policy(RoleName="host", PolicyArn=managed)
    iam.create_instance_profile(InstanceProfileName="host", Tags=[{"Key": "b", "Value": "2"}])
    iam.add_role_to_instance_profile(InstanceProfileName="host", RoleName="host")
    with refused("LimitExceeded", 409):
        iam.add_role_to_instance_profile(InstanceProfileName="host", RoleName="host")
    iam.tag_role(RoleName="host", Tags=[{"Key": "a", "Value": "2"}, {"Key": "c", "Value": "3"}])
    iam.untag_role(RoleName="host", TagKeys=["c"])

    detail = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    role = next(role for role in detail if role["RoleName"] == "host")
    assert role["RolePolicyList"] == [{"PolicyName": "read", "PolicyDocument": POLICY}]
    assert role["AttachedManagedPolicies"] == [{"PolicyName": "AmazonSSMManagedInstanceCore", "PolicyArn": managed}]
    assert role["InstanceProfileList"][0]["InstanceProfileName"] == "host"
    assert role["Tags"] == [{"Key": "a", "Value": "2"}]
    profile = iam.get_instance_profile(InstanceProfileName="host")["InstanceProfile"]
    assert profile["Roles"][0]["RoleName"] == "host" and profile["Tags"] == [{"Key": "b", "Value": "2"}]

    with refused("DeleteConflict", 409):
        iam.delete_role(RoleName="host")
    with refused("DeleteConflict", 409):
        iam.delete_instance_profile(InstanceProfileName="host")
    iam.remove_role_from_instance_profile(InstanceProfileName="host", RoleName="host")
    iam.delete_instance_profile(InstanceProfileName="host")
    with refused("DeleteConflict", 409):
        iam.delete_role(RoleName="host")
    iam.detach_role_policy(RoleName="host", PolicyArn=managed)
    with refused("NoSuchEntity", 404):
        iam.detach_role_policy(RoleName="host", PolicyArn=managed)
    with refused("DeleteConflict", 409):
        iam.delete_role(RoleName="host")
    iam.delete_role_policy(RoleName="host", PolicyName="read")
    iam.delete_role(RoleName="host")
    for call in (iam.get_role, iam.delete_role, iam.list_role_policies):
        with refused("NoSuchEntity", 404):
            call(RoleName="host")


def test_documents_and_names_are_checked(iam, refused):
    for wrong in ("{", json.dumps(POLICY), json.dumps({"Statement": []})):
        with refused("MalformedPolicyDocument", 400):
            iam.create_role(RoleName="wrong", AssumeRolePolicyDocument=wrong)
    with refused("ValidationError", 400):
        iam.create_role(RoleName="a b", AssumeRolePolicyDocument=TRUST)
    iam.create_role(RoleName="checked", AssumeRolePolicyDocument=TRUST)
    with refused("MalformedPolicyDocument", 400):
        iam.put_role_policy(RoleName="checked", PolicyName="p", PolicyDocument=TRUST)
    named = POLICY["Statement"][0] | {"Sid": "Read"}
    for wrong in ([named, named], [named | {"Sid": "Read all"}]):
        with refused("MalformedPolicyDocument", 400):
            iam.put_role_policy(RoleName="checked", PolicyName="p", PolicyDocument=json.dumps(POLICY | {"Statement": wrong}))
    with refused("NoSuchEntity", 404):
        iam.attach_role_policy(RoleName="checked", PolicyArn="arn:aws:iam::123456789012:policy/none")
    iam.delete_role(RoleName="checked")


def test_roles_page(iam):
    for number in range(7):
        iam.create_role(RoleName=f"many-{number}", AssumeRolePolicyDocument=TRUST, Path="/many/")
    pages = iam.get_paginator("list_roles").paginate(PathPrefix="/many/", PaginationConfig={"PageSize": 3})
    assert [role["RoleName"] for page in pages for role in page["Roles"]] == [f"many-{number}" for number in range(7)]
    details = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2})
    assert len([role for page in details for role in page["RoleDetailList"]]) == 7


def test_managed_policies_have_versions(iam, refused):
    arn = iam.create_policy(PolicyName="own", PolicyDocument=json.dumps(POLICY))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(POLICY), SetAsDefault=True)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    with refused("DeleteConflict", 409):
        iam.delete_policy(PolicyArn=arn)
    with refused("DeleteConflict", 409):
        iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == POLICY
    iam.delete_policy(PolicyArn=arn)


def test_the_tagging_api_of_one_region_lists_policies_and_profiles_and_no_roles(account, iam):
    tags = [{"Key": "stack", "Value": "indexed"}]
    profile = iam.create_instance_profile(InstanceProfileName="indexed", Path="/teams/", Tags=tags)["InstanceProfile"]["Arn"]
    policy = iam.create_policy(PolicyName="indexed", PolicyDocument=json.dumps(POLICY), Tags=tags)["Policy"]["Arn"]
    iam.create_role(RoleName="indexed", AssumeRolePolicyDocument=TRUST, Tags=tags)

    def listed(region="us-east-1", **more):
        tagging = account.client("resourcegroupstaggingapi", region=region)
        found = tagging.get_resources(TagFilters=[{"Key": "stack", "Values": ["indexed"]}], **more)["ResourceTagMappingList"]
        return {one["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in found}

    assert listed() == {profile: {"stack": "indexed"}, policy: {"stack": "indexed"}}
    assert listed(ResourceTypeFilters=["iam:instance-profile"]) == {profile: {"stack": "indexed"}}
    assert listed("eu-north-1") == {}

    iam.tag_instance_profile(InstanceProfileName="indexed", Tags=[{"Key": "team", "Value": "data"}])
    assert listed()[profile] == {"stack": "indexed", "team": "data"}
    tagging = account.client("resourcegroupstaggingapi", region="us-east-1")
    assert tagging.tag_resources(ResourceARNList=[profile, policy], Tags={"team": "core"})["FailedResourcesMap"] == {}
    seen = iam.get_instance_profile(InstanceProfileName="indexed")["InstanceProfile"]["Tags"]
    assert {"Key": "team", "Value": "core"} in seen and len(seen) == 2
    assert {"Key": "team", "Value": "core"} in iam.get_policy(PolicyArn=policy)["Policy"]["Tags"]
    tagging.untag_resources(ResourceARNList=[profile], TagKeys=["team"])
    assert iam.get_instance_profile(InstanceProfileName="indexed")["InstanceProfile"]["Tags"] == tags
    iam.untag_instance_profile(InstanceProfileName="indexed", TagKeys=["stack"])
    iam.delete_policy(PolicyArn=policy)
    assert listed() == {}
    iam.delete_instance_profile(InstanceProfileName="indexed")
    assert listed() == {}


def test_assume_role(account, iam, refused):
    other = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="taken", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": other}))
    iam.create_role(RoleName="hosts", AssumeRolePolicyDocument=TRUST)
    sts = account.client("sts", key="111122223333")
    for role in ("none", "hosts"):
        with refused("AccessDenied", 403):
            sts.assume_role(RoleArn=f"arn:aws:iam::123456789012:role/{role}", RoleSessionName="session")
    iam.delete_role(RoleName="hosts")
    given = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/taken", RoleSessionName="session")["Credentials"]
    keys = {"secret": given["SecretAccessKey"], "token": given["SessionToken"]}
    identity = account.client("sts", key=given["AccessKeyId"], **keys).get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::123456789012:assumed-role/taken/session"


def test_a_key_and_its_alias(kms, refused):
    key = kms.create_key(Description="shop", Tags=[{"TagKey": "a", "TagValue": "1"}])["KeyMetadata"]
    assert key["KeyState"] == "Enabled" and key["Arn"].endswith(key["KeyId"])
    kms.create_alias(AliasName="alias/shop", TargetKeyId=key["KeyId"])
    with refused("AlreadyExistsException", 400):
        kms.create_alias(AliasName="alias/shop", TargetKeyId=key["KeyId"])
    assert kms.describe_key(KeyId="alias/shop")["KeyMetadata"]["KeyId"] == key["KeyId"]
    assert kms.list_aliases(KeyId=key["KeyId"])["Aliases"][0]["AliasName"] == "alias/shop"
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=180)
    status = kms.get_key_rotation_status(KeyId=key["KeyId"])
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 180)
    default = json.loads(kms.get_key_policy(KeyId=key["KeyId"])["Policy"])
    assert default["Statement"][0]["Principal"]["AWS"] == "arn:aws:iam::123456789012:root"
    for wrong in ("{", json.dumps(default | {"Statement": default["Statement"] * 2})):
        with refused("MalformedPolicyDocumentException", 400):
            kms.put_key_policy(KeyId=key["KeyId"], Policy=wrong)
    sealed = kms.encrypt(KeyId="alias/shop", Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    assert b"secret" not in sealed
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b"})["Plaintext"] == b"secret"
    with refused("InvalidCiphertextException", 400):
        kms.decrypt(CiphertextBlob=sealed)
    data = kms.generate_data_key(KeyId=key["Arn"], KeySpec="AES_256")
    assert kms.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"] == data["Plaintext"]

    with refused("ValidationException", 400):
        kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=3)
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    for refusal in (
        lambda: kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x"),
        lambda: kms.tag_resource(KeyId=key["KeyId"], Tags=[{"TagKey": "b", "TagValue": "2"}]),
        lambda: kms.untag_resource(KeyId=key["KeyId"], TagKeys=["a"]),
        lambda: kms.schedule_key_deletion(KeyId=key["KeyId"]),
        lambda: kms.create_alias(AliasName="alias/other", TargetKeyId=key["KeyId"]),
    ):
        with refused("KMSInvalidStateException", 400):
            refusal()
    assert kms.list_resource_tags(KeyId=key["KeyId"])["Tags"] == [{"TagKey": "a", "TagValue": "1"}]
    kms.delete_alias(AliasName="alias/shop")
    kms.cancel_key_deletion(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    with refused("DisabledException", 400):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")
    kms.enable_key(KeyId=key["KeyId"])
    with refused("NotFoundException", 400):
        kms.describe_key(KeyId="alias/shop")
    with refused("NotFoundException", 400):
        kms.describe_key(KeyId="00000000-0000-0000-0000-000000000000")
    with refused("InvalidAliasNameException", 400):
        kms.create_alias(AliasName="shop", TargetKeyId=key["KeyId"])


def test_a_key_that_signs(kms, refused):
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert (made["SigningAlgorithms"], made.get("EncryptionAlgorithms")) == (["ECDSA_SHA_256"], None)
    kms.create_alias(AliasName="alias/signs", TargetKeyId=made["KeyId"])
    public = kms.get_public_key(KeyId="alias/signs")
    assert (public["KeyId"], public["KeyUsage"], public["KeySpec"]) == (made["Arn"], "SIGN_VERIFY", "ECC_NIST_P256")
    # RFC 5480: 26 bytes that say which curve, and an uncompressed point.
    assert len(public["PublicKey"]) == 91 and public["PublicKey"][26] == 4
    call = dict(KeyId="alias/signs", SigningAlgorithm="ECDSA_SHA_256")
    digest = hashlib.sha256(b"what it says").digest()
    signature = kms.sign(**call, Message=digest, MessageType="DIGEST")["Signature"]
    assert kms.verify(**call, Message=b"what it says", Signature=signature)["SignatureValid"]
    whole = kms.sign(**call, Message=b"what it says")["Signature"]
    assert kms.verify(**call, Message=digest, MessageType="DIGEST", Signature=whole)["SignatureValid"]
    for wrong in (dict(Message=b"another"), dict(Message=b"what it says", Signature=signature[:-1])):
        with refused("KMSInvalidSignatureException", 400):
            kms.verify(**call, **{"Signature": signature} | wrong)

    for wrong in (dict(Message=b"short", MessageType="DIGEST"), dict(Message=b"x" * 4097)):
        with refused("ValidationException", 400):
            kms.sign(**call, **wrong)
    with refused("InvalidKeyUsageException", 400):
        kms.sign(**call | {"SigningAlgorithm": "RSASSA_PSS_SHA_256"}, Message=b"x")
    with refused("InvalidKeyUsageException", 400):
        kms.encrypt(KeyId="alias/signs", Plaintext=b"x")
    symmetric = kms.create_key()["KeyMetadata"]["KeyId"]
    with refused("InvalidKeyUsageException", 400):
        kms.sign(KeyId=symmetric, SigningAlgorithm="ECDSA_SHA_256", Message=b"x")
    with refused("UnsupportedOperationException", 400):
        kms.get_public_key(KeyId=symmetric)
    with refused("UnsupportedOperationException", 400):
        kms.get_key_rotation_status(KeyId=made["KeyId"])
    with refused("ValidationException", 400):
        kms.create_key(KeySpec="ECC_NIST_P256")
    with refused("ValidationException", 400):
        kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="ENCRYPT_DECRYPT")
    with refused("NotFoundException", 400):
        kms.sign(**call | {"KeyId": "alias/none"}, Message=b"x")

    kms.disable_key(KeyId=made["KeyId"])
    for refusal in (lambda: kms.sign(**call, Message=b"x"), lambda: kms.get_public_key(KeyId="alias/signs")):
        with refused("DisabledException", 400):
            refusal()
    kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    for refusal in (lambda: kms.sign(**call, Message=b"x"), lambda: kms.get_public_key(KeyId="alias/signs")):
        with refused("KMSInvalidStateException", 400):
            refusal()


def test_keys_belong_to_a_region_and_an_account(account, kms, refused):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    for elsewhere in (account.client("kms", region="us-west-2"), account.client("kms", key="111122223333")):
        with refused("NotFoundException", 400):
            elsewhere.describe_key(KeyId=key)


def test_a_boundary_is_a_policy_that_stays(iam, refused):
    arn = iam.create_policy(PolicyName="bounds", PolicyDocument=json.dumps(POLICY))["Policy"]["Arn"]
    with refused("NoSuchEntity", 404):
        iam.create_role(RoleName="bound", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=arn + "2")
    made = iam.create_role(RoleName="bound", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=arn)["Role"]
    shown = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    assert made["PermissionsBoundary"] == shown
    assert iam.get_role(RoleName="bound")["Role"]["PermissionsBoundary"] == shown
    detail = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    assert next(role for role in detail if role["RoleName"] == "bound")["PermissionsBoundary"] == shown
    assert "PermissionsBoundary" not in next(role for role in iam.list_roles()["Roles"] if role["RoleName"] == "bound")

    assert iam.get_policy(PolicyArn=arn)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    bounded = iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")["PolicyRoles"]
    assert [role["RoleName"] for role in bounded] == ["bound"]
    assert iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy")["PolicyRoles"] == []
    with refused("DeleteConflict", 409):
        iam.delete_policy(PolicyArn=arn)
    with refused("NoSuchEntity", 404):
        iam.put_role_permissions_boundary(RoleName="bound", PermissionsBoundary=arn + "2")
    iam.delete_role_permissions_boundary(RoleName="bound")
    assert "PermissionsBoundary" not in iam.get_role(RoleName="bound")["Role"]
    iam.put_role_permissions_boundary(RoleName="bound", PermissionsBoundary=arn)
    assert iam.get_role(RoleName="bound")["Role"]["PermissionsBoundary"] == shown
    iam.delete_role(RoleName="bound")
    iam.delete_policy(PolicyArn=arn)
