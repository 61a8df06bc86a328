//! The settings of buckets: documents that are checked, kept and given back as they came.

use super::call::{Call, Reply};
use super::xml::Element;
use super::{buckets, destinations, errors, versions, xml};
use crate::access::resource_policy;
use crate::error::AwsError;
use crate::protocol::xml::escape;
use serde_json::{Value, json};

/// A setting: its query parameter, its document's root, what an unset one answers.
pub(super) struct Setting {
    name: &'static str,
    root: &'static str,
    unset: Unset,
}

enum Unset {
    /// The error code.
    Error(&'static str),
    /// An empty document.
    Empty,
    /// This content.
    Content(&'static str),
}

const SETTINGS: [Setting; 15] = [
    Setting { name: "versioning", root: "VersioningConfiguration", unset: Unset::Empty },
    Setting {
        name: "encryption",
        root: "ServerSideEncryptionConfiguration",
        unset: Unset::Content(
            "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>",
        ),
    },
    Setting {
        name: "publicAccessBlock",
        root: "PublicAccessBlockConfiguration",
        unset: Unset::Error("NoSuchPublicAccessBlockConfiguration"),
    },
    Setting { name: "lifecycle", root: "LifecycleConfiguration", unset: Unset::Error("NoSuchLifecycleConfiguration") },
    Setting { name: "policy", root: "", unset: Unset::Error("NoSuchBucketPolicy") },
    Setting {
        name: "ownershipControls",
        root: "OwnershipControls",
        unset: Unset::Error("OwnershipControlsNotFoundError"),
    },
    Setting { name: "tagging", root: "Tagging", unset: Unset::Error("NoSuchTagSet") },
    Setting { name: "notification", root: "NotificationConfiguration", unset: Unset::Empty },
    Setting { name: "cors", root: "CORSConfiguration", unset: Unset::Error("NoSuchCORSConfiguration") },
    Setting { name: "logging", root: "BucketLoggingStatus", unset: Unset::Empty },
    Setting { name: "accelerate", root: "AccelerateConfiguration", unset: Unset::Empty },
    Setting {
        name: "requestPayment",
        root: "RequestPaymentConfiguration",
        unset: Unset::Content("<Payer>BucketOwner</Payer>"),
    },
    Setting { name: "website", root: "WebsiteConfiguration", unset: Unset::Error("NoSuchWebsiteConfiguration") },
    Setting {
        name: "replication",
        root: "ReplicationConfiguration",
        unset: Unset::Error("ReplicationConfigurationNotFoundError"),
    },
    Setting {
        name: "object-lock",
        root: "ObjectLockConfiguration",
        unset: Unset::Error("ObjectLockConfigurationNotFoundError"),
    },
];

/// The setting that the query names.
pub(super) fn named(call: &Call) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| call.has(setting.name))
}

pub(super) fn get(call: &Call, setting: &Setting) -> Result<Reply, AwsError> {
    call.transact(|state| {
        let bucket = call.bucket(state)?;
        if setting.name == "tagging" {
            let tags = state.at(buckets::tag_scope(&bucket)).tags(&buckets::arn(&call.bucket));
            if tags.is_empty() {
                return Err(errors::error("NoSuchTagSet").field("BucketName", call.bucket.as_str()));
            }
            return Ok(versions::tagging(&tags));
        }
        if let Some(document) = bucket["settings"][setting.name].as_str() {
            if setting.name == "policy" {
                let mut reply = Reply::empty(200).header("content-type", "application/json");
                reply.body = document.to_owned().into();
                return Ok(reply);
            }
            let reply = Reply::xml(document.to_owned());
            return Ok(match setting.name {
                "lifecycle" => reply.header(
                    "x-amz-transition-default-minimum-object-size",
                    bucket["transition_size"].as_str().unwrap_or("all_storage_classes_128K"),
                ),
                _ => reply,
            });
        }
        let content = match setting.unset {
            Unset::Error(code) => return Err(errors::error(code).field("BucketName", call.bucket.as_str())),
            Unset::Empty => "",
            Unset::Content(content) => content,
        };
        let root = setting.root;
        Ok(Reply::xml(format!("<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{content}</{root}>")))
    })
}

pub(super) fn put(call: &Call, setting: &Setting, body: &[u8]) -> Result<Reply, AwsError> {
    let text = std::str::from_utf8(body).map_err(|_| errors::error("MalformedXML"))?.to_owned();
    if setting.name == "policy" {
        return put_policy(call, text);
    }
    if setting.name == "tagging" {
        let tags = versions::tags(body, 50)?;
        return call.transact(|state| {
            let bucket = call.bucket(state)?;
            state.at(buckets::tag_scope(&bucket)).set_tags(&buckets::arn(&call.bucket), &tags);
            Ok(Reply::empty(204))
        });
    }
    let document = xml::parse(body, setting.root)?;
    check(setting.name, &document)?;
    let transition = call.header("x-amz-transition-default-minimum-object-size").map(str::to_owned);
    // The declaration would stand inside the answer's own.
    let text = text
        .trim_start()
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split_once("?>"))
        .map_or(text.clone(), |(_, rest)| rest.trim_start().to_owned());
    let status = document.text_of("Status").map(str::to_owned);
    call.transact(|state| {
        let mut bucket = call.bucket(state)?;
        match setting.name {
            "logging" => destinations::logging(call, state, &document)?,
            "notification" if call.header("x-amz-skip-destination-validation") != Some("true") => {
                destinations::notification(call, state, &document)?;
            }
            "versioning" => bucket["versioning"] = json!(status),
            "lifecycle" => bucket["transition_size"] = json!(transition),
            _ => {}
        }
        bucket["settings"][setting.name] = json!(text);
        state.put("s3/bucket", &call.bucket, bucket);
        Ok(Reply::empty(200))
    })
}

fn put_policy(call: &Call, text: String) -> Result<Reply, AwsError> {
    if let Some(fault) = resource_policy::fault(&text, true) {
        return Err(errors::because("MalformedPolicy", fault));
    }
    let arn = buckets::arn(&call.bucket);
    let foreign = |resource: &String| {
        *resource != arn && !resource.starts_with(&format!("{arn}/")) && !resource.starts_with(&format!("{arn}*"))
    };
    if resource_policy::resources(&text).iter().any(foreign) {
        return Err(errors::because("MalformedPolicy", "Policy has invalid resource"));
    }
    call.transact(|state| {
        let mut bucket = call.bucket(state)?;
        let block = bucket["settings"]["publicAccessBlock"].as_str().unwrap_or_default();
        let blocked = xml::parse(block.as_bytes(), "PublicAccessBlockConfiguration")
            .is_ok_and(|block| block.text_of("BlockPublicPolicy") == Some("true"));
        if blocked && resource_policy::public(&text) {
            let message = "public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access";
            return Err(errors::because("AccessDenied", message));
        }
        bucket["settings"]["policy"] = json!(text);
        state.put("s3/bucket", &call.bucket, bucket);
        Ok(Reply::empty(204))
    })
}

pub(super) fn delete(call: &Call, setting: &Setting) -> Result<Reply, AwsError> {
    if matches!(
        setting.name,
        "versioning" | "notification" | "logging" | "accelerate" | "requestPayment" | "object-lock"
    ) {
        return Err(errors::error("MethodNotAllowed"));
    }
    call.transact(|state| {
        let mut bucket = call.bucket(state)?;
        if setting.name == "tagging" {
            state.at(buckets::tag_scope(&bucket)).set_tags(&buckets::arn(&call.bucket), &crate::state::Tags::new());
        } else {
            bucket["settings"][setting.name] = Value::Null;
            state.put("s3/bucket", &call.bucket, bucket);
        }
        Ok(Reply::empty(204))
    })
}

/// Refuses documents that AWS would refuse.
fn check(setting: &str, document: &Element) -> Result<(), AwsError> {
    let malformed = || errors::error("MalformedXML");
    match setting {
        "versioning" => match document.text_of("Status") {
            Some("Enabled" | "Suspended") => Ok(()),
            Some(_) => Err(malformed()),
            None => Err(errors::because(
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            )),
        },
        "encryption" => {
            let mut rules = document.all("Rule");
            let (Some(rule), None) = (rules.next(), rules.next()) else { return Err(malformed()) };
            let Some(default) = rule.child("ApplyServerSideEncryptionByDefault") else { return Ok(()) };
            match default.need("SSEAlgorithm")? {
                "AES256" if default.child("KMSMasterKeyID").is_some() => Err(errors::because(
                    "InvalidArgument",
                    "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
                )),
                "AES256" | "aws:kms" | "aws:kms:dsse" => Ok(()),
                _ => Err(malformed()),
            }
        }
        "publicAccessBlock" => document
            .children
            .iter()
            .all(|flag| matches!(flag.text.trim(), "true" | "false" | "TRUE" | "FALSE"))
            .then_some(())
            .ok_or_else(malformed),
        "ownershipControls" => {
            let rule = document.child("Rule").ok_or_else(malformed)?;
            match rule.need("ObjectOwnership")? {
                "BucketOwnerEnforced" | "BucketOwnerPreferred" | "ObjectWriter" => Ok(()),
                _ => Err(malformed()),
            }
        }
        "lifecycle" => lifecycle(document),
        _ => Ok(()),
    }
}

fn lifecycle(document: &Element) -> Result<(), AwsError> {
    const ACTIONS: [&str; 5] = [
        "Expiration",
        "Transition",
        "NoncurrentVersionExpiration",
        "NoncurrentVersionTransition",
        "AbortIncompleteMultipartUpload",
    ];
    let mut ids = Vec::new();
    let rules: Vec<&Element> = document.all("Rule").collect();
    if rules.is_empty() || rules.len() > 1000 {
        return Err(errors::error("MalformedXML"));
    }
    for rule in rules {
        if !matches!(rule.need("Status")?, "Enabled" | "Disabled") {
            return Err(errors::error("MalformedXML"));
        }
        if rule.child("Filter").is_some() == rule.child("Prefix").is_some() {
            return Err(errors::error("MalformedXML"));
        }
        if !rule.children.iter().any(|child| ACTIONS.contains(&child.name.as_str())) {
            return Err(errors::because("InvalidRequest", "At least one action needs to be specified in a rule"));
        }
        let days = rule
            .children
            .iter()
            .flat_map(|action| &action.children)
            .filter(|member| matches!(member.name.as_str(), "Days" | "NoncurrentDays" | "DaysAfterInitiation"));
        for member in days {
            if !member.text.trim().parse::<u32>().is_ok_and(|days| days > 0 || member.name == "Days") {
                return Err(errors::because(
                    "InvalidArgument",
                    format!("'{}' must be a positive integer", member.name),
                ));
            }
        }
        if let Some(versions) = rule.child("NoncurrentVersionExpiration") {
            newer_versions(rule, versions)?;
        }
        transitions(rule)?;
        if let Some(expiration) = rule.child("Expiration")
            && expiration.text_of("Days") == Some("0")
        {
            return Err(errors::because("InvalidArgument", "'Days' for Expiration action must be a positive integer"));
        }
        if let Some(id) = rule.text_of("ID") {
            if id.len() > 255 {
                return Err(errors::because("InvalidArgument", "ID length should not exceed allowed limit of 255"));
            }
            if ids.contains(&id) {
                return Err(errors::because(
                    "InvalidArgument",
                    "Rule ID must be unique. Found same ID for more than one rule",
                ));
            }
            ids.push(id);
        }
    }
    Ok(())
}

/// Refuses numbers of older versions that no rule keeps in any case.
fn newer_versions(rule: &Element, versions: &Element) -> Result<(), AwsError> {
    let Some(newer) = versions.text_of("NewerNoncurrentVersions") else { return Ok(()) };
    if !newer.trim().parse().is_ok_and(|newer: u32| (1..=100).contains(&newer)) {
        let message = "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100";
        return Err(errors::because("InvalidArgument", message));
    }
    // S3 has the number since it has filters, and takes it with neither a rule of old nor alone.
    if versions.child("NoncurrentDays").is_none() || rule.child("Filter").is_none() {
        return Err(errors::error("MalformedXML"));
    }
    Ok(())
}

/// Refuses moves of a rule that come too early, and those after its objects are deleted.
fn transitions(rule: &Element) -> Result<(), AwsError> {
    const CLASSES: [&str; 6] =
        ["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];
    let days = |action: &Element| action.text_of("Days").and_then(|days| days.trim().parse::<u32>().ok());
    let mut moves = Vec::new();
    for one in rule.all("Transition") {
        let class = one.need("StorageClass")?;
        let place = CLASSES.iter().position(|known| *known == class).ok_or_else(|| errors::error("MalformedXML"))?;
        match (days(one), one.text_of("Date")) {
            (Some(days), None) => moves.push((place, days)),
            (None, Some(_)) => {}
            _ => return Err(errors::error("MalformedXML")),
        }
    }
    moves.sort_unstable();
    let invalid = |message: String| Err(errors::because("InvalidArgument", message));
    let is_infrequent = |place: usize| CLASSES[place].ends_with("_IA");
    if let Some((place, _)) = moves.iter().find(|(place, days)| is_infrequent(*place) && *days < 30) {
        let class = CLASSES[*place];
        return invalid(format!(
            "'Days' in Transition action must be greater than or equal to 30 for storageClass '{class}'"
        ));
    }
    for pair in moves.windows(2) {
        let ((first, earlier), (next, later)) = (pair[0], pair[1]);
        let least = if is_infrequent(first) { earlier + 30 } else { earlier + 1 };
        if first == next || later < least {
            return invalid(format!(
                "'Days' in the Transition action for StorageClass '{}' must be greater than for '{}'",
                CLASSES[next], CLASSES[first]
            ));
        }
    }
    let last = moves.last().map(|(_, days)| *days);
    let expires = rule.child("Expiration").and_then(days);
    if expires.zip(last).is_some_and(|(expires, last)| expires <= last) {
        return invalid("'Days' in the Expiration action must be greater than 'Days' in the Transition action".into());
    }
    Ok(())
}

pub(super) fn policy_status(call: &Call) -> Result<Reply, AwsError> {
    call.transact(|state| {
        let bucket = call.bucket(state)?;
        let text = bucket["settings"]["policy"].as_str().ok_or_else(|| errors::error("NoSuchBucketPolicy"))?;
        let public = resource_policy::public(text);
        Ok(Reply::xml(format!("<PolicyStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsPublic>{public}</IsPublic></PolicyStatus>")))
    })
}

/// The owner has everything: with enforced ownership there are no other grants.
pub(super) fn get_acl(call: &Call) -> Result<Reply, AwsError> {
    call.transact(|state| {
        call.bucket(state)?;
        if !call.key.is_empty() {
            versions::find(state, &call.bucket, &call.key, call.parameter("versionId"))?;
        }
        let owner = escape(&call.caller);
        Ok(Reply::xml(format!(
            "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>{owner}</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>{owner}</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"
        )))
    })
}

pub(super) fn put_acl(call: &Call) -> Result<Reply, AwsError> {
    call.transact(|state| {
        call.bucket(state)?;
        match call.header("x-amz-acl") {
            Some("private" | "bucket-owner-full-control") => Ok(Reply::empty(200)),
            _ => Err(errors::because("AccessControlListNotSupported", "The bucket does not allow ACLs")),
        }
    })
}
