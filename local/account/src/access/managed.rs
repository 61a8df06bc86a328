//! Managed policies of AWS's own that stacks attach.

/// What the policy of that name (behind `arn:aws:iam::aws:policy/`) says.
///
/// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>
pub(super) fn document(name: &str) -> Option<&'static str> {
    Some(match name {
        "AdministratorAccess" => {
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#
        }
        "PowerUserAccess" => {
            r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},
                {"Effect":"Allow","Action":["account:GetAccountInformation","account:GetGovCloudAccountInformation",
                    "account:GetPrimaryEmail","account:ListRegions","iam:CreateServiceLinkedRole",
                    "iam:DeleteServiceLinkedRole","iam:ListRoles","organizations:DescribeEffectivePolicy",
                    "organizations:DescribeOrganization"],"Resource":"*"}]}"#
        }
        "AmazonSSMManagedInstanceCore" => {
            r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Action":["ssm:DescribeAssociation","ssm:GetDeployablePatchSnapshotForInstance",
                    "ssm:GetDocument","ssm:DescribeDocument","ssm:GetManifest","ssm:GetParameter","ssm:GetParameters",
                    "ssm:ListAssociations","ssm:ListInstanceAssociations","ssm:PutInventory","ssm:PutComplianceItems",
                    "ssm:PutConfigurePackageResult","ssm:UpdateAssociationStatus","ssm:UpdateInstanceAssociationStatus",
                    "ssm:UpdateInstanceInformation"],"Resource":"*"},
                {"Effect":"Allow","Action":["ssmmessages:CreateControlChannel","ssmmessages:CreateDataChannel",
                    "ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":"*"},
                {"Effect":"Allow","Action":["ec2messages:AcknowledgeMessage","ec2messages:DeleteMessage",
                    "ec2messages:FailMessage","ec2messages:GetEndpoint","ec2messages:GetMessages",
                    "ec2messages:SendReply"],"Resource":"*"}]}"#
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managed_policies_of_aws_can_be_read() {
        for name in ["AdministratorAccess", "PowerUserAccess", "AmazonSSMManagedInstanceCore"] {
            let text = document(name).expect("it is known");
            lakewright_iam::Document::from_text(lakewright_iam::Kind::Identity, text)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
