//! A schema registry that speaks Confluent's REST API: Confluent's own, Karapace, Redpanda's, Apicurio's compatible one.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use lakewright_platform::http::{Client, TooLong, basic, check_encrypted, without_password};
use lakewright_platform::loopback::is_local_url;
use lakewright_platform::secret::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Answer, Compatibility, Newest, NoAnswer, Registry};
use crate::reject::{Reject, shown};
use crate::wire::SchemaId;

/// The variable that names a registry on loopback to ask instead of the configured ones.
const IN_PLACE: &str = "LAKEWRIGHT_REGISTRY_PLAINTEXT";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of one answer.
const MAX_ANSWER: usize = 4 << 20;

/// The most schemas that one schema refers to, over others too, and the most bytes of their texts.
const MAX_REFERENCES: usize = 256;
const MAX_REFERENCED: usize = 8 << 20;

/// How long fetching all of them may take.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(60);

/// The registry on this machine that takes the place of all that speak this API, without user and password.
///
/// # Errors
/// `LAKEWRIGHT_REGISTRY_PLAINTEXT` names one elsewhere.
pub fn in_place() -> anyhow::Result<Option<String>> {
    let named = std::env::var(IN_PLACE).ok().filter(|url| !url.is_empty());
    if let Some(far) = named.as_ref().filter(|url| !is_local_url(url)) {
        anyhow::bail!("{IN_PLACE} names {far}; it takes a URL of this machine, as http://127.0.0.1:8081");
    }
    Ok(named)
}

/// A registry at a URL.
#[derive(Debug)]
pub struct Confluent {
    url: String,
    authorization: Option<HeaderValue>,
    client: Client,
}

/// What the registry says of a schema. Members that Avro has no need of are left out.
#[derive(Debug, Deserialize)]
struct Stored {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    references: Option<Vec<Reference>>,
}

/// The newest schema of a subject.
#[derive(Debug, Deserialize)]
struct Latest {
    version: i64,
    #[serde(flatten)]
    stored: Stored,
}

/// Which schemas a subject takes.
#[derive(Debug, Deserialize)]
struct Config {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

/// A schema by its place under a subject. Its name is what the schema that refers to it calls it.
#[derive(Debug, Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: i32,
}

/// What the registry says of its own refusal.
#[derive(Debug, Deserialize)]
struct Refusal {
    error_code: i64,
    #[serde(default)]
    message: String,
}

/// No schema of that id; no such subject; no such version of it; no setting of its own.
const NOT_FOUND: [i64; 4] = [40_403, 40_401, 40_402, 40_408];

/// An answer, or that the registry says that there is none.
enum Found<T> {
    Here(T),
    Nowhere(String),
}

/// The schemas that one refers to.
enum Referenced {
    Texts(Vec<String>),
    /// One isn't there: which.
    Missing(String),
    TooMuch(String),
}

/// What is to be done of a schema's references.
enum Waiting {
    Reference(Reference),
    Text(String),
}

impl Confluent {
    /// The registry at a URL, `https://registry.example.com` or with a path, asked over the client. User and password are
    /// `login`, as `user:password`, or stand in the URL.
    ///
    /// # Errors
    /// The password would go in clear to another machine.
    pub fn new(url: &str, login: Option<&Secret>, client: Client) -> anyhow::Result<Self> {
        let (url, in_url) = without_password(url);
        let authorization = login.map(|login| basic(login.exposed())).or(in_url);
        if authorization.is_some() {
            check_encrypted(&url)?;
        }
        Ok(Self { url: url.trim_end_matches('/').to_owned(), authorization, client })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Found<T>, NoAnswer> {
        let url = format!("{}{path}", self.url);
        let (status, body) = match self.exchange(&url).await {
            Ok(answer) => answer,
            Err(error) if error.is::<TooLong>() => return Err(NoAnswer::Id(format!("{error:#}"))),
            Err(error) => return Err(NoAnswer::Registry(format!("{error:#}"))),
        };
        if status.is_success() {
            return serde_json::from_slice(&body).map(Found::Here).map_err(|error| {
                NoAnswer::Registry(format!("{url} didn't answer as a schema registry does: {error}"))
            });
        }
        let said = format!("{url} answered {status}{}", hint(status));
        if status != StatusCode::NOT_FOUND {
            return Err(NoAnswer::Registry(said));
        }
        // A wrong URL answers 404 too: only the registry's own code says that the schema doesn't exist.
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if NOT_FOUND.contains(&refusal.error_code) => Ok(Found::Nowhere(shown(&refusal.message))),
            _ => Err(NoAnswer::Id(said)),
        }
    }

    async fn exchange(&self, url: &str) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request =
            Request::get(url).header(header::ACCEPT, "application/vnd.schemaregistry.v1+json, application/json");
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value.clone());
        }
        let request = request.body(Bytes::new()).with_context(|| format!("`{}` is no URL", shown(url)))?;
        self.client.exchange_up_to(MAX_ANSWER, request, PATIENCE).await
    }

    /// The newest schema of a subject, and which may follow it; `None` if the registry knows no such subject.
    ///
    /// # Errors
    /// The registry doesn't say now.
    pub async fn newest(&self, subject: &str) -> Result<Option<Newest>, NoAnswer> {
        let place = encoded(subject);
        let Latest { version, stored } = match self.get(&format!("/subjects/{place}/versions/latest")).await? {
            Found::Here(latest) => latest,
            Found::Nowhere(_) => return Ok(None),
        };
        let own = self.get(&format!("/config/{place}?defaultToGlobal=true")).await?;
        let found: Found<Config> = match own {
            // Registries that don't know the parameter answer for the subject alone.
            Found::Nowhere(_) => self.get("/config").await?,
            found @ Found::Here(_) => found,
        };
        let level = match found {
            Found::Here(Config { level }) => level,
            Found::Nowhere(message) => {
                return Err(NoAnswer::Registry(format!("{} says no compatibility: {message}", self.url)));
            }
        };
        let compatibility = Compatibility::of(&level);
        let compatibility = compatibility
            .ok_or_else(|| NoAnswer::Registry(format!("{} names the compatibility `{}`", self.url, shown(&level))))?;
        let answer = self.answer(stored, &format!("version {version} of `{}`", shown(subject))).await?;
        Ok(Some(Newest { version, answer, compatibility }))
    }

    /// What a stored schema is, which messages name so.
    async fn answer(&self, stored: Stored, name: &str) -> Result<Answer, NoAnswer> {
        match stored.schema_type.as_deref() {
            None | Some("AVRO") => {}
            Some("JSON") => return Ok(Answer::Json),
            Some(other) => {
                let message = format!("{name} is of the kind {}: Avro and JSON are read", shown(other));
                return Ok(Answer::Unreadable(Reject::unsupported(message)));
            }
        }
        let references = self.references(stored.references.unwrap_or_default());
        let found = tokio::time::timeout(PATIENCE_FOR_ALL, references).await.map_err(|_| {
            let seconds = PATIENCE_FOR_ALL.as_secs();
            NoAnswer::Id(format!("{} didn't give all that {name} refers to within {seconds} s", self.url))
        })?;
        let unread = |message: String| Reject::schema(format!("{name} can't be read: {message}"));
        Ok(match found? {
            Referenced::Texts(references) => Answer::Avro { text: stored.schema, references },
            Referenced::Missing(message) => Answer::Missing(unread(message)),
            Referenced::TooMuch(message) => Answer::Unreadable(unread(message)),
        })
    }

    /// The texts of all that a schema refers to, each after those that it refers to itself. Of several references of one name
    /// the first counts, depth first, as in Confluent's own clients: two schemas may refer to two versions of a third.
    async fn references(&self, first: Vec<Reference>) -> Result<Referenced, NoAnswer> {
        let mut visited: HashSet<String> = HashSet::new();
        let (mut texts, mut length) = (Vec::new(), 0);
        // What is waited for is looked up, and its text comes after those of all that it refers to.
        let mut waiting: Vec<Waiting> = first.into_iter().rev().map(Waiting::Reference).collect();
        while let Some(next) = waiting.pop() {
            let reference = match next {
                Waiting::Text(text) => {
                    texts.push(text);
                    continue;
                }
                Waiting::Reference(reference) => reference,
            };
            if visited.contains(&reference.name) {
                continue;
            }
            if visited.len() == MAX_REFERENCES {
                return Ok(Referenced::TooMuch(format!("it refers to more than {MAX_REFERENCES} others")));
            }
            // A version that was deleted softly still is what the schema refers to.
            let path = format!("/subjects/{}/versions/{}?deleted=true", encoded(&reference.subject), reference.version);
            let stored: Stored = match self.get(&path).await? {
                Found::Here(stored) => stored,
                Found::Nowhere(message) => {
                    let (subject, version) = (shown(&reference.subject), reference.version);
                    return Ok(Referenced::Missing(format!(
                        "it refers to version {version} of `{subject}`: {message}"
                    )));
                }
            };
            visited.insert(reference.name);
            length += stored.schema.len();
            if length > MAX_REFERENCED {
                return Ok(Referenced::TooMuch(format!("it refers to more than {MAX_REFERENCED} bytes of others")));
            }
            waiting.push(Waiting::Text(stored.schema));
            waiting.extend(stored.references.unwrap_or_default().into_iter().rev().map(Waiting::Reference));
        }
        Ok(Referenced::Texts(texts))
    }
}

#[async_trait]
impl Registry for Confluent {
    async fn ask(&self, id: SchemaId) -> Result<Answer, NoAnswer> {
        let SchemaId::Confluent(number) = id else {
            return Ok(Answer::Unreadable(Reject::header(format!("{id} is none of {}", self.url))));
        };
        let stored: Stored = match self.get(&format!("/schemas/ids/{number}")).await? {
            Found::Here(stored) => stored,
            Found::Nowhere(_) => {
                let message =
                    format!("{} has no schema {number}: register it, or look at the producer's registry", self.url);
                return Ok(Answer::Missing(Reject::schema(message)));
            }
        };
        self.answer(stored, &id.to_string()).await
    }
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": give it a user and password that may read schemas",
        StatusCode::NOT_FOUND => ": is this the registry's URL, with its path?",
        _ => "",
    }
}

/// A path segment: whatever a URL gives a meaning to is escaped.
fn encoded(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
