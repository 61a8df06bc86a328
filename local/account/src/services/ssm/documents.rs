//! Documents of Session Manager with their versions and tags. No session is started by them here.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{invalid, missing, tags};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::{State, tag_list};
use sha2::{Digest, Sha256};

pub(super) const DOCUMENTS: &str = "ssm/document";
/// How many versions a document has at most.
const MOST: usize = 1000;
/// What names of customers' documents don't begin with.
const RESERVED: [&str; 3] = ["aws", "amazon", "amzn"];
/// What a session document says of its sessions.
const TYPES: [&str; 4] = ["InteractiveCommands", "NonInteractiveCommands", "Port", "Standard_Stream"];

/// A document.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    created: i64,
    /// The number of the version by which sessions are started.
    default: u64,
    versions: Vec<Version>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Version {
    number: u64,
    content: String,
}

impl Document {
    fn latest(&self) -> u64 {
        self.versions.last().map_or(self.default, |version| version.number)
    }

    /// The version that a request names; none for one that isn't there.
    fn version(&self, named: Option<&str>) -> Option<&Version> {
        let number = match named {
            None | Some("$DEFAULT") => self.default,
            Some("$LATEST") => self.latest(),
            Some(number) => number.parse().ok()?,
        };
        self.versions.iter().find(|version| version.number == number)
    }
}

fn no_version() -> AwsError {
    AwsError::new("InvalidDocumentVersion", "The document version is not valid or does not exist.")
}

pub(super) fn arn(request: &Request, name: &str) -> String {
    request.arn("ssm", &format!("document/{name}"))
}

/// The document that the input names.
fn document(state: &State<'_>, request: &Request) -> Result<(String, Document), AwsError> {
    let given = request.input.need("Name", missing)?;
    let name = given.rsplit_once(":document/").map_or(given, |(_, name)| name);
    let found = state.read::<Document>(DOCUMENTS, name);
    let none = || AwsError::new("InvalidDocument", format!("Document with name {name} does not exist."));
    Ok((name.to_owned(), found.ok_or_else(none)?))
}

fn save(state: &mut State<'_>, name: &str, document: &Document) {
    state.put(DOCUMENTS, name, document);
}

/// The content in the input, if it is a session document's.
fn content(request: &Request) -> Result<String, AwsError> {
    let text = request.input.need("Content", missing)?;
    let wrong = |message: String| AwsError::new("InvalidDocumentContent", message);
    if request.input.text("DocumentFormat").unwrap_or("JSON") != "JSON" {
        return Err(wrong("the local account has documents in JSON only".to_owned()));
    }
    let content: Value = serde_json::from_str(text).map_err(|error| wrong(format!("JSON not well-formed. {error}")))?;
    if content["schemaVersion"] != "1.0" {
        let message =
            format!("schema version {} is not supported for documents of type Session", content["schemaVersion"]);
        return Err(AwsError::new("InvalidDocumentSchemaVersion", message));
    }
    let kind = content["sessionType"].as_str().unwrap_or_default();
    if !TYPES.contains(&kind) {
        return Err(wrong(format!("session type {kind} is not one of {TYPES:?}")));
    }
    if let Some(inputs) = content.member("inputs") {
        between(inputs, "idleSessionTimeout", 1, 60).map_err(wrong)?;
        between(inputs, "maxSessionDuration", 1, 1440).map_err(wrong)?;
    } else if kind == "Standard_Stream" {
        return Err(wrong("inputs are required for documents of the session type Standard_Stream".to_owned()));
    }
    Ok(text.to_owned())
}

/// Whether a number of minutes, which stands there as a text, is one that sessions may have.
fn between(inputs: &Value, member: &str, least: u64, most: u64) -> Result<(), String> {
    let Some(text) = inputs.text(member).filter(|text| !text.is_empty()) else { return Ok(()) };
    let fits = text.parse().is_ok_and(|minutes: u64| (least..=most).contains(&minutes));
    if fits { Ok(()) } else { Err(format!("{member} must be between {least} and {most} minutes")) }
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// What answers say of a document, of one of its versions.
fn described(state: &State<'_>, request: &Request, name: &str, document: &Document, version: &Version) -> Value {
    let content: Value = serde_json::from_str(&version.content).unwrap_or_default();
    json!({
        "Name": name, "Owner": request.account, "CreatedDate": clock::epoch(document.created), "Status": "Active",
        "DocumentVersion": version.number.to_string(), "LatestVersion": document.latest().to_string(),
        "DefaultVersion": document.default.to_string(), "DocumentType": "Session", "DocumentFormat": "JSON",
        "SchemaVersion": "1.0", "Description": content["description"].as_str().unwrap_or_default(),
        "PlatformTypes": ["Windows", "Linux", "MacOS"], "Hash": hash(&version.content), "HashType": "Sha256",
        "Tags": tag_list(&state.tags(&arn(request, name)), "Key", "Value"),
    })
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let name = request.input.need("Name", missing)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !(3..=128).contains(&name.len()) || !name.bytes().all(fits) {
        return Err(invalid(format!(
            "Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9_\\-.]{{3,128}}$"
        )));
    }
    if RESERVED.iter().any(|begin| name.to_ascii_lowercase().starts_with(begin)) {
        return Err(invalid(format!("Document name {name} begins with a prefix that is reserved")));
    }
    if request.input.text("DocumentType") != Some("Session") {
        return Err(invalid("the local account has documents of the type Session only"));
    }
    let content = content(request)?;
    let tags = tags::given(request)?;
    if state.get(DOCUMENTS, name).is_some() {
        return Err(AwsError::new("DocumentAlreadyExists", format!("Document {name} already exists.")));
    }
    let document = Document { created: state.now(), default: 1, versions: vec![Version { number: 1, content }] };
    state.set_tags(&arn(request, name), &tags);
    save(state, name, &document);
    Ok(json!({ "DocumentDescription": described(state, request, name, &document, &document.versions[0]) }))
}

pub(super) fn update(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut document) = document(state, request)?;
    if document.version(request.input.text("DocumentVersion")).is_none() {
        return Err(no_version());
    }
    let content = content(request)?;
    if document.versions.iter().any(|version| version.content == content) {
        let message = "The content of the association document matches another document. Change the content of the document and try again.";
        return Err(AwsError::new("DuplicateDocumentContent", message));
    }
    if document.versions.len() >= MOST {
        return Err(AwsError::new("DocumentVersionLimitExceeded", "The document has too many versions."));
    }
    let number = document.latest() + 1;
    document.versions.push(Version { number, content });
    save(state, &name, &document);
    let version = &document.versions[document.versions.len() - 1];
    Ok(json!({ "DocumentDescription": described(state, request, &name, &document, version) }))
}

pub(super) fn set_default(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut document) = document(state, request)?;
    let given = request.input.need("DocumentVersion", missing)?;
    let number = given.parse::<u64>().ok();
    let number = number.filter(|number| document.versions.iter().any(|version| version.number == *number));
    document.default = number.ok_or_else(no_version)?;
    save(state, &name, &document);
    Ok(json!({ "Description": { "Name": name, "DefaultVersion": given } }))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, document) = document(state, request)?;
    let version = document.version(request.input.text("DocumentVersion")).ok_or_else(no_version)?;
    Ok(json!({
        "Name": name, "CreatedDate": clock::epoch(document.created), "DocumentVersion": version.number.to_string(),
        "Status": "Active", "Content": version.content, "DocumentType": "Session", "DocumentFormat": "JSON",
    }))
}

pub(super) fn describe(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, document) = document(state, request)?;
    let version = document.version(request.input.text("DocumentVersion")).ok_or_else(no_version)?;
    Ok(json!({ "Document": described(state, request, &name, &document, version) }))
}

/// Deletes a document, or one of its versions.
pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let (name, mut document) = document(state, request)?;
    if let Some(given) = request.input.text("DocumentVersion") {
        let number = document.version(Some(given)).ok_or_else(no_version)?.number;
        if number == document.default {
            let message = "The default version of a document can't be deleted.";
            return Err(AwsError::new("InvalidDocumentOperation", message));
        }
        document.versions.retain(|version| version.number != number);
        save(state, &name, &document);
        return Ok(json!({}));
    }
    state.remove(DOCUMENTS, &name);
    state.forget_tags(&arn(request, &name));
    Ok(json!({}))
}

pub(super) fn list(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let all = state.list(DOCUMENTS).filter_map(|(name, document)| Some((name, Document::deserialize(document).ok()?)));
    let all = all.map(|(name, document)| {
        json!({
            "Name": name, "Owner": request.account, "DocumentVersion": document.default.to_string(),
            "DocumentType": "Session", "DocumentFormat": "JSON", "SchemaVersion": "1.0",
            "Tags": tag_list(&state.tags(&arn(request, name)), "Key", "Value"),
        })
    });
    Ok(json!({ "DocumentIdentifiers": all.collect::<Vec<_>>() }))
}
