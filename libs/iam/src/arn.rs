//! Amazon Resource Names: their parts, and those that a region of an account gives.

use std::fmt;

/// An ARN, or a pattern of ARNs that has all six parts.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arn<'a> {
    /// Such as `aws`, `aws-cn`.
    pub partition: &'a str,
    /// Such as `s3`.
    pub service: &'a str,
    /// Empty in services without regions, and of buckets.
    pub region: &'a str,
    /// Twelve digits; empty of buckets and hosted zones, `aws` of AWS's own policies.
    pub account: &'a str,
    /// What is left, colons and slashes among it: `role/path/name`, `log-group:name`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads one; nothing when the text has no six parts or doesn't begin with `arn`. A colon within `${…}` parts nothing.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = split(text)?;
        let (partition, rest) = split(rest)?;
        let (service, rest) = split(rest)?;
        let (region, rest) = split(rest)?;
        let (account, resource) = split(rest)?;
        (scheme == "arn").then_some(Self { partition, service, region, account, resource })
    }

    /// The six parts, `arn` first.
    pub fn parts(&self) -> [&'a str; 6] {
        ["arn", self.partition, self.service, self.region, self.account, self.resource]
    }

    /// What the resource begins with, up to a slash or colon: `role` of `role/path/name`, the name where there is no type.
    pub fn kind(&self) -> &'a str {
        self.resource.split(['/', ':']).next().unwrap_or_default()
    }

    /// Whether it is of a type of a service, as `role` of `iam`.
    pub fn is(&self, service: &str, kind: &str) -> bool {
        self.service == service && self.kind() == kind
    }

    /// Whether it is of a partition that exists or of one that AWS will name alike.
    pub fn is_of_aws(&self) -> bool {
        self.partition == "aws" || self.partition.starts_with("aws-")
    }

    /// The account, where it is one: not of buckets, nor of AWS's own policies, nor of patterns.
    pub fn owner(&self) -> Option<&'a str> {
        Some(self.account).filter(|account| is_account(account))
    }
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.parts().join(":"))
    }
}

/// The text before and behind the first colon that stands in no `${…}`.
fn split(text: &str) -> Option<(&str, &str)> {
    let (mut is_variable, mut before) = (false, ' ');
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if before == '$' => is_variable = true,
            '}' => is_variable = false,
            ':' if !is_variable => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
        before = letter;
    }
    None
}

/// A region of an account: where things stand whose ARNs follow from their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site<'a> {
    /// Such as `eu-north-1`.
    pub region: &'a str,
    /// Twelve digits.
    pub account: &'a str,
}

impl Site<'_> {
    /// The ARN of something that a service keeps there.
    pub fn arn(self, service: &str, resource: &str) -> String {
        let Self { region, account } = self;
        Arn { partition: partition(region), service, region, account, resource }.to_string()
    }

    /// The ARN of something of the account in a service without regions, as IAM is.
    pub fn global(self, service: &str, resource: &str) -> String {
        let Self { region, account } = self;
        Arn { partition: partition(region), service, region: "", account, resource }.to_string()
    }

    /// The ARN of a bucket or a hosted zone, which names neither region nor account.
    pub fn unowned(self, service: &str, resource: &str) -> String {
        Arn { partition: partition(self.region), service, region: "", account: "", resource }.to_string()
    }
}

/// The partition of AWS that a region belongs to, as ARNs name it.
pub fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

/// What the names of a region's services end with, in addresses and in the conditions that name a service.
/// <https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-arns.html>
pub fn suffix(region: &str) -> &'static str {
    if partition(region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Whether a text is an account's number: twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_six_parts_and_is_written_as_it_was_read() {
        for (text, parts, kind) in [
            ("arn:aws:s3:::bucket/key:a", ["arn", "aws", "s3", "", "", "bucket/key:a"], "bucket"),
            ("arn:aws-cn:iam::123456789012:role/a/b", ["arn", "aws-cn", "iam", "", "123456789012", "role/a/b"], "role"),
            ("arn:aws:logs:r:1:log-group:/a:*", ["arn", "aws", "logs", "r", "1", "log-group:/a:*"], "log-group"),
            (
                "arn:aws:sqs:${aws:RequestedRegion}:${x.y.account}:q",
                ["arn", "aws", "sqs", "${aws:RequestedRegion}", "${x.y.account}", "q"],
                "q",
            ),
            ("arn:*:*:*:*:*", ["arn", "*", "*", "*", "*", "*"], "*"),
        ] {
            let arn = Arn::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(arn.parts(), parts);
            assert_eq!((arn.to_string().as_str(), arn.kind()), (text, kind));
        }
        for wrong in ["", "*", "arn:*", "arn:aws:s3::bucket", "aws:arn:s3:::bucket", "arn:aws:sqs:r:${a:b:c"] {
            assert_eq!(Arn::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_owner_is_an_account() {
        for (text, owner, is_of_aws) in [
            ("arn:aws:iam::123456789012:root", Some("123456789012"), true),
            ("arn:aws-us-gov:iam::aws:policy/P", None, true),
            ("arn:awsome:s3:::bucket", None, false),
            ("arn:aws:iam::12345678901x:root", None, true),
        ] {
            let arn = Arn::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((arn.owner(), arn.is_of_aws()), (owner, is_of_aws), "{text}");
        }
    }

    #[test]
    fn a_site_names_its_things() {
        let site = Site { region: "cn-north-1", account: "123456789012" };
        assert_eq!(site.arn("sns", "alerts"), "arn:aws-cn:sns:cn-north-1:123456789012:alerts");
        assert_eq!(site.global("iam", "root"), "arn:aws-cn:iam::123456789012:root");
        assert_eq!(site.unowned("s3", "raw"), "arn:aws-cn:s3:::raw");
        for (region, of) in [("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc"), ("eu-north-1", "aws")] {
            assert_eq!(partition(region), of);
        }
    }
}
