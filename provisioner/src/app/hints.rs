//! What went wrong, for people, with a hint where the kind of an AWS error says how to fix it.

use lakewright_aws::{Error, ErrorKind};

use super::terminal::say;
use crate::permissions::allowing;
use crate::stack::Diagnostics;

/// What to do about an error.
struct Hint {
    kinds: &'static [ErrorKind],
    /// The service and the operation that it is about; none for all.
    call: Option<(&'static str, &'static str)>,
    text: &'static str,
}

static HINTS: &[Hint] = &[
    Hint {
        kinds: &[ErrorKind::NotConnected, ErrorKind::NoAnswer],
        call: None,
        text: "check the endpoint (--endpoint-url, AWS_ENDPOINT_URL) and the network; `lakewright up` or `lakewright \
               account` runs an account on this machine",
    },
    Hint {
        kinds: &[ErrorKind::NameTaken],
        call: None,
        text: "bucket names are unique on all of AWS and this one is somebody else's: give the bucket another `name` in \
               the stack file",
    },
    Hint {
        kinds: &[ErrorKind::Skewed, ErrorKind::Stale],
        call: None,
        text: "this machine's clock and AWS's differ by minutes: set the clock, for example with `timedatectl set-ntp true`",
    },
    Hint {
        kinds: &[ErrorKind::BadCredentials],
        call: None,
        text: "AWS doesn't accept the credentials: check AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and \
               that the region exists and is switched on for the account",
    },
    Hint {
        kinds: &[ErrorKind::Quota],
        call: Some(("ec2", "AllocateAddress")),
        text: "the account has all the elastic IP addresses that it may have in this region: release one, write \
               `nat = \"single\"` in `[network]`, or ask AWS for more (Service Quotas, EC2-VPC Elastic IPs)",
    },
    Hint {
        kinds: &[ErrorKind::Quota],
        call: Some(("ec2", "CreateNatGateway")),
        text: "a zone has five NAT gateways unless AWS raised that: delete one, or ask AWS for more (Service Quotas)",
    },
    Hint {
        kinds: &[ErrorKind::TooLate],
        call: None,
        text: "the stack's lease was taken away or couldn't be renewed, so that nothing more was sent; look who applies \
               with `lakewright unlock`, then apply again",
    },
];

/// The calls that a bucket's policy refuses to those who don't apply its stack.
const WRITES: [&str; 4] = ["PutObject", "CreateMultipartUpload", "DeleteObject", "DeleteObjects"];
/// What it takes to hold a stack's lease.
const LEASE: &str = "the credentials may not do that with the lease, where the stack keeps what it knows of itself: `lakewright \
                     permissions --for PURPOSE` prints all that it takes";
/// What it takes besides.
const DEPLOYERS: &str = "; if the stack says `deployers` in [stack], its bucket `artifacts` refuses it to whoever isn't named \
                         there: add yourself and apply again, which no policy of the bucket refuses";

/// Says what went wrong, on standard error.
pub fn report(error: &anyhow::Error) {
    let red = clap::builder::styling::AnsiColor::Red.on_default().bold();
    if let Some(diagnostics) = error.downcast_ref::<Diagnostics>() {
        return say(diagnostics.render(true).trim_end());
    }
    say(&format!("{red}error{red:#}: {error:#}"));
    if let Some(hint) = hint(error) {
        say(&format!("help: {hint}"));
    }
}

/// How to fix it, when the kind of an AWS error says so.
pub fn hint(error: &anyhow::Error) -> Option<String> {
    let aws = error.chain().find_map(|cause| cause.downcast_ref::<Error>())?;
    if aws.is_denied() {
        // Who may plan alone lacks more than what the first refused call asks for.
        if aws.service == "s3" && error.chain().any(|cause| cause.to_string().contains(" lease")) {
            let purpose = match aws.operation.as_str() {
                "CreateBucket" => "setup",
                "GetObject" | "HeadBucket" | "ListObjectVersions" => "plan",
                _ => "apply",
            };
            return Some(LEASE.replace("PURPOSE", purpose));
        }
        let writes = aws.service == "s3" && WRITES.contains(&aws.operation.as_str());
        let named = if writes { DEPLOYERS } else { "" };
        return Some(allowing(aws) + named);
    }
    let hint = HINTS.iter().find(|hint| {
        let asked = hint.call.is_none_or(|(service, operation)| aws.service == service && aws.operation == operation);
        asked && hint.kinds.contains(&aws.kind)
    });
    hint.map(|hint| hint.text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_sentence_without_gaps() {
        for Hint { text, .. } in HINTS {
            assert!(!text.contains("  ") && !text.contains('\n') && text.trim() == *text, "{text:?}");
            assert!(!text.ends_with('.'), "{text:?}");
        }
    }

    #[test]
    fn every_hint_is_given() {
        for hint in HINTS {
            let (service, operation) = hint.call.unwrap_or(("sts", "GetCallerIdentity"));
            for kind in hint.kinds {
                let error = Error { kind: *kind, ..Error::answered(service, operation, "Code", "", 400, "") };
                assert_eq!(super::hint(&anyhow::Error::new(error).context("create")).as_deref(), Some(hint.text));
            }
        }
    }

    #[test]
    fn who_may_only_plan_is_referred_to_what_an_apply_takes() {
        let arn = "arn:aws:s3:::lakewright-123456789012-eu-north-1/stacks/shop.json";
        let message = format!("User: a is not authorized to perform: s3:PutObject on resource: \"{arn}\" because");
        let said = |operation: &str, context: &str| {
            let error = Error::answered("s3", operation, "AccessDenied", &message, 403, "");
            hint(&anyhow::Error::new(error).context(context.to_owned())).unwrap_or_default()
        };
        let lease = said("PutObject", "write the lease s3://lakewright-123456789012-eu-north-1/stacks/shop.json");
        assert!(lease.contains("`lakewright permissions --for apply`") && !lease.contains("Allow"), "{lease}");
        assert!(said("CreateBucket", "make the bucket b for leases").contains("--for setup"));
        assert!(said("PutObject", "create object.code").contains("add yourself and apply again"));
    }

    #[test]
    fn what_aws_answers_gets_its_hint() {
        let said = |service, operation, code| {
            hint(&Error::answered(service, operation, code, "", 400, "").into()).unwrap_or_default()
        };
        assert!(
            said("ec2", "AllocateAddress", "AddressLimitExceeded").contains("release one, write `nat = \"single\"`")
        );
        assert!(said("ec2", "CreateNatGateway", "NatGatewayLimitExceeded").contains("five NAT gateways"));
        assert_eq!(said("ec2", "CreateVpc", "VpcLimitExceeded"), "");
        assert!(said("sts", "GetCallerIdentity", "InvalidClientTokenId").contains("AWS_PROFILE"));
        assert!(said("ec2", "DescribeVpcs", "RequestExpired").contains("set the clock"));
        assert!(said("s3", "CreateBucket", "BucketAlreadyExists").contains("another `name`"));
        assert!(said("s3", "PutObject", "AccessDenied").contains("add yourself and apply again"));
        assert!(!said("s3", "PutBucketPolicy", "AccessDenied").contains("deployers"));
    }
}
