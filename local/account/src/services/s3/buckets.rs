//! Creating, finding and deleting buckets.

use super::call::{Call, Reply};
use super::{blobs, errors, uploads, versions, xml};
use crate::clock;
use crate::error::AwsError;
use crate::protocol::xml::escape;
use crate::state::{State, Tags};
use crate::store::Scope;
use serde_json::{Value, json};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The bucket's ARN.
pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:s3:::{name}")
}

/// The bucket's tags stand where the tagging API of its owner and region finds them.
pub(super) fn tag_scope(bucket: &Value) -> Scope {
    Scope::new(bucket["owner"].as_str().unwrap_or_default(), bucket["region"].as_str().unwrap_or_default())
}

/// The tags that a request gives to a new bucket; none of one that can't be read.
pub(super) fn tags_given(body: &[u8]) -> Tags {
    let configuration = xml::parse(body, "CreateBucketConfiguration").ok();
    let list = configuration.and_then(|configuration| configuration.child("Tags").cloned()).unwrap_or_default();
    let text = |tag: &xml::Element, name: &str| tag.text_of(name).unwrap_or_default().to_owned();
    list.all("Tag").map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

pub(super) fn create(call: &Call, body: &[u8]) -> Result<Reply, AwsError> {
    let name = call.bucket.as_str();
    if !valid(name) {
        return Err(errors::error("InvalidBucketName").field("BucketName", name));
    }
    let mut region = None;
    let mut tags = Tags::new();
    if !body.is_empty() {
        let configuration = xml::parse(body, "CreateBucketConfiguration")?;
        region = configuration.text_of("LocationConstraint").filter(|text| !text.is_empty()).map(str::to_owned);
        if let Some(list) = configuration.child("Tags") {
            let pairs = list
                .all("Tag")
                .map(|tag| Ok((tag.need("Key")?.to_owned(), tag.text_of("Value").unwrap_or_default().to_owned())))
                .collect::<Result<_, AwsError>>()?;
            tags = versions::checked(pairs, 50)?;
        }
    }
    let here = call.region.as_str();
    let region = match region.as_deref() {
        Some("us-east-1") if here == "us-east-1" => {
            return Err(errors::because("InvalidLocationConstraint", "us-east-1 is given by no location constraint"));
        }
        Some("EU") => "eu-west-1".to_owned(),
        Some(region) if here == "us-east-1" || region == here => region.to_owned(),
        Some(region) => {
            let message = format!(
                "The {region} location constraint is incompatible for the region specific endpoint this request was sent to."
            );
            return Err(errors::because("IllegalLocationConstraintException", message));
        }
        None if here == "us-east-1" => here.to_owned(),
        None => {
            let message = "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.";
            return Err(errors::because("IllegalLocationConstraintException", message));
        }
    };
    let ownership = call.header("x-amz-object-ownership").unwrap_or("BucketOwnerEnforced");
    if !["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"].contains(&ownership) {
        return Err(errors::because("InvalidArgument", format!("Invalid x-amz-object-ownership header: {ownership}")));
    }
    if call.header("x-amz-bucket-object-lock-enabled").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(errors::because("NotImplemented", "the local account has no object lock"));
    }
    call.transact(|state| {
        if let Some(existing) = state.get("s3/bucket", name) {
            if existing["owner"] != call.caller.as_str() {
                return Err(errors::error("BucketAlreadyExists").field("BucketName", name));
            }
            // The oldest region answers its owner's repeat with success.
            if existing["region"] == "us-east-1" && here == "us-east-1" {
                return Ok(Reply::empty(200).header("location", format!("/{name}")));
            }
            return Err(errors::error("BucketAlreadyOwnedByYou").field("BucketName", name));
        }
        let bucket = json!({
            "name": name, "owner": call.caller, "region": region, "created": state.now(), "versioning": null,
            "settings": {
                "ownershipControls": format!("<OwnershipControls xmlns=\"{NAMESPACE}\"><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>"),
                "publicAccessBlock": format!("<PublicAccessBlockConfiguration xmlns=\"{NAMESPACE}\"><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>"),
            },
        });
        state.at(tag_scope(&bucket)).set_tags(&arn(name), &tags);
        state.put("s3/bucket", name, bucket);
        Ok(Reply::empty(200).header("location", format!("/{name}")).header("x-amz-bucket-arn", arn(name)))
    })
}

/// AWS's rules for names of general purpose buckets.
fn valid(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(byte))
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix))
}

pub(super) fn delete(call: &Call) -> Result<Reply, AwsError> {
    let parts = call.transact(|state| {
        let bucket = call.bucket(state)?;
        if state.list(&versions::collection(&call.bucket)).next().is_some() {
            return Err(errors::error("BucketNotEmpty").field("BucketName", call.bucket.as_str()));
        }
        let parts = uploads::drop_all(state, &call.bucket);
        state.remove("s3/bucket", &call.bucket);
        state.at(tag_scope(&bucket)).forget_tags(&arn(&call.bucket));
        Ok(parts)
    })?;
    blobs::release(&call.account, &parts);
    Ok(Reply::empty(204))
}

pub(super) fn head(call: &Call) -> Result<Reply, AwsError> {
    call.transact(|state| {
        let bucket = call.bucket(state)?;
        Ok(Reply::empty(200)
            .header("x-amz-bucket-region", bucket["region"].as_str().unwrap_or_default())
            .header("x-amz-bucket-arn", arn(&call.bucket)))
    })
}

pub(super) fn location(call: &Call) -> Result<Reply, AwsError> {
    call.transact(|state| {
        let bucket = call.named(state, &call.bucket)?;
        let region = bucket["region"].as_str().filter(|region| *region != "us-east-1").unwrap_or_default();
        Ok(Reply::xml(format!("<LocationConstraint xmlns=\"{NAMESPACE}\">{region}</LocationConstraint>")))
    })
}

pub(super) fn list(call: &Call) -> Result<Reply, AwsError> {
    let prefix = call.parameter("prefix").unwrap_or_default();
    let after = call.parameter("continuation-token").unwrap_or_default();
    let most = call.number("max-buckets")?.unwrap_or(10_000).clamp(1, 10_000);
    call.transact(|state| {
        let mut buckets = owned(state, &call.caller);
        buckets.retain(|bucket| {
            let name = bucket["name"].as_str().unwrap_or_default();
            name.starts_with(prefix)
                && name > after
                && call.parameter("bucket-region").is_none_or(|region| bucket["region"] == region)
        });
        let next = (buckets.len() > most).then(|| buckets[most - 1]["name"].as_str().unwrap_or_default().to_owned());
        let mut entries = String::new();
        for bucket in buckets.iter().take(most) {
            let text = |name: &str| escape(bucket[name].as_str().unwrap_or_default());
            entries.push_str(&format!(
                "<Bucket><Name>{}</Name><CreationDate>{}</CreationDate><BucketRegion>{}</BucketRegion><BucketArn>arn:aws:s3:::{}</BucketArn></Bucket>",
                text("name"),
                clock::iso(bucket["created"].as_i64().unwrap_or_default()),
                text("region"),
                text("name"),
            ));
        }
        let next = next.map(|name| format!("<ContinuationToken>{name}</ContinuationToken>")).unwrap_or_default();
        Ok(Reply::xml(format!(
            "<ListAllMyBucketsResult xmlns=\"{NAMESPACE}\"><Owner><ID>{}</ID></Owner><Buckets>{entries}</Buckets>{next}</ListAllMyBucketsResult>",
            call.caller
        )))
    })
}

fn owned(state: &State<'_>, owner: &str) -> Vec<Value> {
    state.list("s3/bucket").map(|(_, bucket)| bucket.clone()).filter(|bucket| bucket["owner"] == owner).collect()
}
