//! OpenID Connect providers: one of each URL in an account.

use super::{exists, missing, no_such, tags, validation};
use crate::clock;
use crate::error::AwsError;
use crate::fields::Fields;
use crate::request::Request;
use crate::state::{State, tag_list};
use serde_json::{Value, json};

/// Where providers stand, by ARN.
pub(super) const PROVIDERS: &str = "iam/oidc";
/// Most client ids and thumbprints of a provider.
const CLIENTS: usize = 100;
const THUMBPRINTS: usize = 5;
/// What IAM writes for a certificate authority that it knows by itself.
const THUMBPRINT: &str = "2b18947a6a9fc7764fd8b5fb18a863b0c6dac24f";

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidInput", message)
}

/// Refuses parameters that the operation doesn't have.
fn only(request: &Request, known: &[&str]) -> Result<(), AwsError> {
    let names = request.input.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    match names.into_iter().find(|name| !known.contains(name)) {
        Some(name) => Err(validation(format!("The parameter {name} is not recognized"))),
        None => Ok(()),
    }
}

fn provider(state: &State<'_>, request: &Request) -> Result<(String, Value), AwsError> {
    let arn = request.input.need("OpenIDConnectProviderArn", missing)?;
    let prefix = format!("arn:aws:iam::{}:oidc-provider/", request.account);
    if !arn.starts_with(&prefix) {
        return Err(invalid(format!("Invalid ARN: {arn}")));
    }
    let found = state.get(PROVIDERS, arn).cloned();
    let missing = || no_such("OpenIDConnect Provider with ARN", arn);
    Ok((arn.to_owned(), found.ok_or_else(missing)?))
}

fn client(id: &str) -> Result<(), AwsError> {
    if (1..=255).contains(&id.chars().count()) { Ok(()) } else { Err(validation(format!("Invalid client id: {id}"))) }
}

fn thumbprints(request: &Request) -> Result<Vec<String>, AwsError> {
    let list = request.input.texts("ThumbprintList");
    if list.len() > THUMBPRINTS {
        return Err(invalid("Thumbprint list must contain fewer than 5 entries."));
    }
    match list.iter().find(|one| one.len() != 40 || !one.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        Some(wrong) => Err(validation(format!("Invalid thumbprint: {wrong}"))),
        None => Ok(list),
    }
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["Url", "ClientIDList", "ThumbprintList", "Tags"])?;
    let url = request.input.need("Url", missing)?;
    let host = url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
    let host = host.filter(|host| !host.is_empty() && !host.contains(['?', '#', ' ']) && url.len() <= 255);
    let host = host.ok_or_else(|| validation("Invalid Open ID Connect Provider URL"))?;
    let clients = request.input.texts("ClientIDList");
    clients.iter().try_for_each(|id| client(id))?;
    if clients.len() > CLIENTS {
        let message = format!("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENTS}");
        return Err(AwsError::new("LimitExceeded", message).status(409));
    }
    let mut thumbprints = thumbprints(request)?;
    if thumbprints.is_empty() {
        thumbprints.push(THUMBPRINT.to_owned());
    }
    let tags = tag_list(&tags(request)?, "Key", "Value");
    let arn = format!("arn:aws:iam::{}:oidc-provider/{host}", request.account);
    if state.get(PROVIDERS, &arn).is_some() {
        return Err(exists("Provider", url));
    }
    let provider = json!({
        "Url": host, "ClientIDList": clients, "ThumbprintList": thumbprints,
        "CreateDate": clock::iso(state.now()), "Tags": tags,
    });
    state.put(PROVIDERS, &arn, &provider);
    Ok(json!({ "OpenIDConnectProviderArn": arn, "Tags": provider["Tags"] }))
}

pub(super) fn get(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["OpenIDConnectProviderArn"])?;
    Ok(provider(state, request)?.1)
}

pub(super) fn list(state: &mut State<'_>) -> Result<Value, AwsError> {
    let all: Vec<Value> = state.list(PROVIDERS).map(|(arn, _)| json!({ "Arn": arn })).collect();
    Ok(json!({ "OpenIDConnectProviderList": all }))
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["OpenIDConnectProviderArn"])?;
    let (arn, _) = provider(state, request)?;
    state.remove(PROVIDERS, &arn);
    Ok(json!({}))
}

pub(super) fn add_client(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["OpenIDConnectProviderArn", "ClientID"])?;
    let (arn, mut provider) = provider(state, request)?;
    let id = request.input.need("ClientID", missing)?;
    client(id)?;
    let clients = provider["ClientIDList"].as_array_mut().expect("a provider lists its clients");
    if !clients.iter().any(|other| other == id) {
        if clients.len() >= CLIENTS {
            let message = format!("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENTS}");
            return Err(AwsError::new("LimitExceeded", message).status(409));
        }
        clients.push(json!(id));
    }
    state.put(PROVIDERS, &arn, provider);
    Ok(json!({}))
}

pub(super) fn remove_client(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["OpenIDConnectProviderArn", "ClientID"])?;
    let (arn, mut provider) = provider(state, request)?;
    let id = request.input.need("ClientID", missing)?;
    // A client id that isn't there is no error.
    provider["ClientIDList"].as_array_mut().expect("a provider lists its clients").retain(|other| other != id);
    state.put(PROVIDERS, &arn, provider);
    Ok(json!({}))
}

pub(super) fn update_thumbprints(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    only(request, &["OpenIDConnectProviderArn", "ThumbprintList"])?;
    let (arn, mut provider) = provider(state, request)?;
    provider["ThumbprintList"] = json!(thumbprints(request)?);
    state.put(PROVIDERS, &arn, provider);
    Ok(json!({}))
}
