"""What the production stack expects of its account, and what people change in it by hand."""

import json

from drifts import drift

from account import ACCOUNT

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/shop-production-boundary"
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def prepare(aws):
    """Somebody who may make policies has made the one that bounds the stack's roles."""
    aws("iam").create_policy(PolicyName="shop-production-boundary", PolicyDocument=json.dumps(ALL))
    return []


@drift("role.app", "permissions_boundary", None, BOUNDARY)
def a_role_without_its_boundary(aws):
    aws("iam").delete_role_permissions_boundary(RoleName="shop-production-app")


@drift("role.ingest", "permissions_boundary", "arn:aws:iam::aws:policy/AdministratorAccess", BOUNDARY)
def a_role_with_another_boundary(aws):
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    aws("iam").put_role_permissions_boundary(RoleName="shop-production-ingest", PermissionsBoundary=arn)
