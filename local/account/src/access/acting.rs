//! Services of AWS that act by themselves, each for a thing of an account: whether a policy lets one in.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html#cross-service-confused-deputy-prevention>

use lakewright_iam::{Arn, Kind, Policies, Principal, Request, ResourceRule};

use super::policies;

/// A service, and for what it acts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acting<'a> {
    /// Such as `emr-serverless.amazonaws.com`.
    pub service: &'a str,
    /// The account for which it acts, and the ARN of its thing; nothing from services that don't say.
    pub source: Option<(&'a str, &'a str)>,
}

impl Acting<'_> {
    /// What it asks, with the keys that AWS brings.
    pub fn request(self, action: &str, resource: &str) -> Request {
        let request = Request::new(Principal::Service(self.service.to_owned()), action, resource);
        let request = request.key("aws:SecureTransport", "true").key("aws:ViaAWSService", "false");
        match self.source {
            Some((account, arn)) => request.key("aws:SourceAccount", account).key("aws:SourceArn", arn),
            None => request,
        }
    }

    /// Whether the policy of a resource lets it do so.
    pub fn is_let_in(self, policy: &str, action: &str, resource: &str) -> bool {
        let read = policies::read(Kind::Resource, &format!("policy of {resource}"), policy);
        let policies = Policies { resource: read, rule: ResourceRule::Decides, ..Policies::default() };
        let decision = policies.evaluate(&self.request(action, resource));
        if !decision.is_allowed() {
            tracing::debug!(service = self.service, action, resource, "a service isn't let in");
        }
        decision.is_allowed()
    }
}

/// Whether the policy of a key lets Auto Scaling's own role of the key's account use it by way of EC2.
pub(crate) fn lets_launch(policy: &str, key: &str, action: &str) -> bool {
    let Some(Arn { region, account, .. }) = Arn::parse(key) else { return false };
    let role =
        format!("arn:aws:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling");
    let request = Request::new(Principal::session(&role, "AutoScaling"), action, key)
        .key("kms:CallerAccount", account)
        .key("kms:ViaService", &format!("ec2.{region}.amazonaws.com"))
        // EBS's grants are for a service.
        .key("kms:GrantIsForAWSResource", "true")
        .as_known();
    let resource = policies::read(Kind::Resource, &format!("policy of {key}"), policy);
    Policies { resource, rule: ResourceRule::Decides, ..Policies::default() }.evaluate(&request).is_allowed()
}

/// Whether the policy of a key lets CloudWatch Logs of the key's region do so for a log group, whose ARN it brings along.
pub(crate) fn lets_log(policy: &str, key: &str, action: &str, group: &str) -> bool {
    let Some(Arn { region, .. }) = Arn::parse(key) else { return false };
    let service = format!("logs.{region}.amazonaws.com");
    let request = Acting { service: &service, source: None }.request(action, key);
    let request = request.key("kms:EncryptionContext:aws:logs:arn", group);
    let resource = policies::read(Kind::Resource, &format!("policy of {key}"), policy);
    Policies { resource, rule: ResourceRule::Decides, ..Policies::default() }.evaluate(&request).is_allowed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S3: Acting<'_> = Acting { service: "s3.amazonaws.com", source: Some(("123456789012", "arn:aws:s3:::own")) };

    #[test]
    fn a_service_is_let_in_for_the_source_that_a_statement_names() {
        let lets = |condition: &str| {
            let text = format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},"Action":"s3:*",
                "Resource":"*","Condition":{condition}}}]}}"#
            );
            S3.is_let_in(&text, "s3:PutObject", "arn:aws:s3:::logs/a")
        };
        assert!(lets(r#"{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::o*"},"Bool":{"aws:SecureTransport":"true"}}"#));
        assert!(lets(r#"{"StringEquals":{"aws:SourceAccount":["1","123456789012"]}}"#));
        assert!(!lets(r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::other"}}"#));
        assert!(!lets(r#"{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#), "no service brings that");
        let half = r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::own"},"StringEquals":{"aws:SourceAccount":"1"}}"#;
        assert!(!lets(half));
    }

    #[test]
    fn a_service_is_let_in_by_a_statement_that_names_it() {
        let policy = |effect: &str, principal: &str, action: &str| {
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},"Action":"s3:Put*",
                "Resource":"arn:aws:s3:::logs/own/*"}},{{"Effect":"{effect}","Principal":{principal},"Action":"{action}",
                "Resource":"*"}}]}}"#
            )
        };
        let lets = |policy: &str, resource: &str| S3.is_let_in(policy, "S3:PutObject", resource);
        let plain = policy("Allow", r#"{"AWS":"*"}"#, "s3:Get*");
        assert!(lets(&plain, "arn:aws:s3:::logs/own/a"));
        assert!(!lets(&plain, "arn:aws:s3:::logs/other/a") && !lets("", "arn:aws:s3:::logs/own/a"));
        assert!(!lets(&policy("Deny", r#""*""#, "s3:*"), "arn:aws:s3:::logs/own/a"));
        assert!(lets(&policy("Deny", r#""*""#, "s3:Delete*"), "arn:aws:s3:::logs/own/a"));
    }

    #[test]
    fn a_key_lets_logs_of_the_groups_in_that_its_policy_names() {
        let policy = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"logs.eu-north-1.amazonaws.com"},
            "Action":["kms:Decrypt","kms:Encrypt"],"Resource":"*","Condition":{"ArnLike":{
            "kms:EncryptionContext:aws:logs:arn":"arn:aws:logs:eu-north-1:123456789012:log-group:/lakewright/shop/*"}}}]}"#;
        let lets = |region: &str, group: &str| {
            let key = format!("arn:aws:kms:{region}:123456789012:key/k");
            lets_log(policy, &key, "kms:Decrypt", &format!("arn:aws:logs:eu-north-1:123456789012:log-group:{group}"))
        };
        assert!(lets("eu-north-1", "/lakewright/shop/kafka"));
        assert!(!lets("eu-north-1", "/lakewright/other/kafka") && !lets("eu-west-1", "/lakewright/shop/kafka"));
    }

    #[test]
    fn what_says_for_nobody_meets_no_condition_on_a_source() {
        let policy = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"s3:*",
            "Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}}]}"#;
        let ec2 = Acting { service: "ec2.amazonaws.com", source: None };
        assert!(!ec2.is_let_in(policy, "s3:PutObject", "arn:aws:s3:::logs/a"));
    }
}
