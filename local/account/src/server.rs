//! HTTP: finds service and operation of a request, calls it and writes its answer.

use crate::account::Account;
use crate::credentials::Credentials;
use crate::error::AwsError;
use crate::ids;
use crate::protocol::{Protocol, json, query, rest, xml};
use crate::request::Request;
use crate::services::s3::S3;
use crate::services::{self, Service};
use crate::state::GLOBAL;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use std::sync::Arc;

/// The account of access keys that are no account id and that the account didn't give out.
const DEFAULT_ACCOUNT: &str = "123456789012";
/// The longest input that is read.
const MAX_INPUT: usize = 32 << 20;

/// The services on one account.
pub(crate) struct Server {
    pub account: Arc<Account>,
    services: Vec<Box<dyn Service>>,
}

impl Server {
    pub fn new(account: Arc<Account>) -> Self {
        let services = services::all();
        for service in &services {
            service.start(&account);
        }
        S3::start(&account);
        Self { account, services }
    }

    /// Answers one request.
    pub async fn answer(&self, request: http::Request<Body>) -> Response {
        let (head, body) = request.into_parts();
        let raw_query = head.uri.query().unwrap_or_default();
        let credentials = Credentials::of(&head.headers, raw_query);
        let request_id = ids::uuid();
        let named = match &credentials {
            Some(credentials) => Some(credentials.service.clone()),
            None => self.guess(&head.headers),
        };
        let stranger = named.is_none() && credentials.is_none();
        if stranger || named.as_deref() == Some("s3") {
            let caller = match credentials {
                Some(credentials) => self.account_of(&credentials).ok().map(|account| (account, credentials)),
                None => None,
            };
            return S3::answer(&self.account, head, body, caller, &request_id).await;
        }
        let Some(service) = named.and_then(|name| self.services.iter().find(|service| service.name() == name)) else {
            let error = AwsError::new("UnknownService", "the local account doesn't have this service").status(404);
            return json_answer(error.status, &json::error(&error), &request_id, None);
        };
        let body = match axum::body::to_bytes(body, MAX_INPUT).await {
            Ok(body) => body,
            Err(error) => {
                let error = AwsError::new("RequestEntityTooLarge", error.to_string()).status(413);
                return failure(service.protocol(), &error, &request_id);
            }
        };
        let Some(credentials) = credentials else {
            let error = AwsError::new("MissingAuthenticationToken", "Request is missing Authentication Token");
            return failure(service.protocol(), &error.status(403), &request_id);
        };
        match self.call(service.as_ref(), &head, &body, credentials, &request_id).await {
            Ok((operation, output)) => success(service.protocol(), &operation, &output, &request_id),
            Err(error) => failure(service.protocol(), &error, &request_id),
        }
    }

    async fn call(
        &self,
        service: &dyn Service,
        head: &http::request::Parts,
        body: &Bytes,
        credentials: Credentials,
        request_id: &str,
    ) -> Result<(String, Value), AwsError> {
        let (operation, input) = operation(service.protocol(), head, body)?;
        let account = self.account_of(&credentials)?;
        let region = if service.global() { GLOBAL.to_owned() } else { credentials.region };
        tracing::debug!(service = service.name(), operation, account, region, "call");
        let request = Request {
            account,
            region,
            access_key: credentials.access_key,
            operation,
            input,
            request_id: request_id.to_owned(),
        };
        let output = service.handle(&self.account, &request).await.map_err(|error| {
            // Services answer one way for what they don't have; the protocols have two codes for it.
            let xml = matches!(service.protocol(), Protocol::Ec2 | Protocol::Query(_));
            if xml && error.code == "UnknownOperationException" {
                AwsError { code: "InvalidAction".to_owned(), ..error }
            } else {
                error
            }
        })?;
        Ok((request.operation, output))
    }

    /// The account of an access key: its 12 digits, the account of keys given out here, or the default.
    pub fn account_of(&self, credentials: &Credentials) -> Result<String, AwsError> {
        let key = &credentials.access_key;
        if key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(key.clone());
        }
        let account = self.account.transact_at(services::sts::key_scope(), |state| {
            Ok(state.get("sts/key", key).map(|entry| entry["account"].as_str().unwrap_or_default().to_owned()))
        })?;
        Ok(account.unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned()))
    }

    /// The service that an unsigned request means, from its target or its host.
    fn guess(&self, headers: &HeaderMap) -> Option<String> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some((prefix, _)) = text("x-amz-target").and_then(|target| target.rsplit_once('.')) {
            let service = self
                .services
                .iter()
                .find(|service| matches!(service.protocol(), Protocol::Json(expected) if expected == prefix))?;
            return Some(service.name().to_owned());
        }
        if text("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
            return Some("sts".to_owned());
        }
        let host = text("host")?.split('.').next()?;
        Some(self.services.iter().find(|service| service.name() == host)?.name().to_owned())
    }
}

/// The operation's name and input.
fn operation(protocol: Protocol, head: &http::request::Parts, body: &Bytes) -> Result<(String, Value), AwsError> {
    let raw_query = head.uri.query().unwrap_or_default();
    match protocol {
        Protocol::Ec2 | Protocol::Query(_) => {
            let text = String::from_utf8_lossy(body);
            let mut pairs = query::pairs(raw_query);
            pairs.extend(query::pairs(&text));
            let action = pairs.iter().find(|(name, _)| name == "Action").map(|(_, value)| value.clone());
            let action = action.ok_or_else(|| AwsError::new("MissingAction", "The request is missing an action"))?;
            pairs.retain(|(name, _)| name != "Action" && name != "Version" && !name.starts_with("X-Amz-"));
            Ok((action, query::nested(&pairs)))
        }
        Protocol::Json(prefix) => {
            let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let name = target.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
            let name = name.ok_or_else(|| {
                AwsError::new("UnknownOperationException", format!("no operation is named by the target '{target}'"))
            })?;
            Ok((name.to_owned(), json::input(body)?))
        }
        Protocol::RestJson(routes) => {
            let path = head.uri.path();
            let (operation, mut input) =
                rest::find(routes, head.method.as_str(), path, raw_query).ok_or_else(|| {
                    let message = format!("no operation has {} {path}", head.method);
                    AwsError::new("UnknownOperationException", message).status(404)
                })?;
            if let Value::Object(members) = json::input(body)? {
                input.extend(members);
            }
            Ok((operation.to_owned(), Value::Object(input)))
        }
    }
}

fn success(protocol: Protocol, operation: &str, output: &Value, request_id: &str) -> Response {
    match protocol {
        Protocol::Ec2 => answer(200, "text/xml;charset=UTF-8", xml::ec2(operation, output, request_id), request_id),
        Protocol::Query(namespace) => {
            answer(200, "text/xml", xml::query(operation, namespace, output, request_id), request_id)
        }
        Protocol::Json(_) | Protocol::RestJson(_) => json_answer(200, output, request_id, None),
    }
}

fn failure(protocol: Protocol, error: &AwsError, request_id: &str) -> Response {
    tracing::debug!(code = error.code, message = error.message, "refused");
    match protocol {
        Protocol::Ec2 => answer(error.status, "text/xml;charset=UTF-8", xml::ec2_error(error, request_id), request_id),
        Protocol::Query(namespace) => {
            answer(error.status, "text/xml", xml::query_error(namespace, error, request_id), request_id)
        }
        Protocol::Json(_) => json_answer(error.status, &json::error(error), request_id, None),
        Protocol::RestJson(_) => json_answer(error.status, &json::error(error), request_id, Some(&error.code)),
    }
}

fn json_answer(status: u16, body: &Value, request_id: &str, code: Option<&str>) -> Response {
    let mut response = answer(status, "application/x-amz-json-1.1", body.to_string(), request_id);
    if let Some(code) = code.and_then(|code| HeaderValue::from_str(code).ok()) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

fn answer(status: u16, kind: &'static str, body: String, request_id: &str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
