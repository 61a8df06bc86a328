//! HTTP: finds service and operation of a request, calls it and writes its answer.

use crate::account::Account;
use crate::answers::{failure, success};
use crate::bodies::{self, Fault};
use crate::clock;
use crate::control;
use crate::credentials::Credentials;
use crate::enforce;
use crate::error::{AwsError, ErrorCode};
use crate::events::{EventLog, Ticket, Told};
use crate::faults::{self, Effect, Executed, FaultBoard, Hit};
use crate::ids;
use crate::protocol::{Protocol, cbor, json, query, rest};
use crate::request::Request;
use crate::services::s3::{self, S3};
use crate::services::{self, Service};
use crate::signature::{self, Chain, Key, Payload, Refusal, Secret};
use crate::state::{GLOBAL, State};
use crate::visibility::Sight;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The account of access keys that are no account id and that the account didn't give out.
const DEFAULT_ACCOUNT: &str = "123456789012";
/// The longest input that is read: no service takes more than some MiB, but for Lambda.
const MAX_INPUT: usize = 10 << 20;
/// The longest that Lambda takes: 50 MiB of a function's code are 67 in base64.
const MAX_CODE: usize = 70 << 20;

/// The services on one account.
pub(crate) struct Server {
    pub account: Arc<Account>,
    pub faults: FaultBoard,
    pub events: EventLog,
    /// Ends requests that hang.
    pub stop: CancellationToken,
    services: Vec<Arc<dyn Service>>,
}

/// The answer is withheld: the connection is to be closed without one.
#[derive(Debug, thiserror::Error)]
#[error("a fault rule withholds the answer")]
pub(crate) struct Withheld;

/// What becomes of a request that a fault rule hit.
enum Fate {
    Answered(Response),
    /// The connection closes.
    Closed,
    /// The connection stays open.
    Silent,
}

/// A request that was understood, as far as it was.
struct Asked {
    work: Work,
    protocol: Option<Protocol>,
    request_id: String,
}

/// What there is to do.
enum Work {
    /// A request to S3, with its body still to come.
    S3 { head: http::request::Parts, body: Body, caller: Option<(String, Credentials)> },
    /// A call of another service.
    Call { service: Arc<dyn Service>, request: Request },
    /// A request that no service can have.
    Refuse(AwsError),
}

impl Server {
    pub fn new(account: Arc<Account>, faults: FaultBoard, events: EventLog, stop: CancellationToken) -> Self {
        let services: Vec<Arc<dyn Service>> = services::all().into_iter().map(Arc::from).collect();
        for service in &services {
            service.start(&account);
        }
        S3::start(&account);
        Self { account, faults, events, stop, services }
    }

    /// Answers one request, unless a fault rule withholds its answer.
    pub async fn answer(self: Arc<Self>, request: http::Request<Body>) -> Result<Response, Withheld> {
        let (head, body) = request.into_parts();
        if head.uri.path().starts_with(control::PREFIX) {
            return Ok(control::answer((&self.faults, &self.events), &self.account, head, body).await);
        }
        let (told, asked) = self.read(head, body).await;
        // Counted together, so that the numbers of requests and of rules never part.
        let (mut ticket, hit) =
            self.events.begin(told, |told| self.faults.meet(&told.service, &told.operation, told.mutating));
        let server = self.clone();
        let Some(name) = hit.name else {
            if !ticket.told().mutating {
                return Ok(self.execute(asked, ticket, None).await);
            }
            // In a task of its own: AWS ends what it has begun, also when the client that asked for it dies meanwhile.
            return tokio::spawn(async move { server.execute(asked, ticket, None).await }).await.map_err(|error| {
                tracing::error!(%error, "a request ended early");
                Withheld
            });
        };
        ticket.fault(name);
        // In a task of its own: a client that goes away doesn't undo what the rule promises.
        match tokio::spawn(async move { server.suffer(asked, ticket, hit).await }).await {
            Ok(Fate::Answered(response)) => Ok(response),
            Ok(Fate::Silent) => {
                // The connection stays open until the client closes it, or the account ends.
                self.stop.cancelled().await;
                Err(Withheld)
            }
            Ok(Fate::Closed) => Err(Withheld),
            Err(error) => {
                tracing::error!(%error, "a request ended early");
                Err(Withheld)
            }
        }
    }

    /// Does to a request what fault rules want.
    async fn suffer(&self, asked: Asked, ticket: Ticket, hit: Hit) -> Fate {
        tokio::select! {
            // A request that is only late must not change the data of an account that has ended.
            () = self.stop.cancelled(), if !hit.latency.is_zero() => return Fate::Closed,
            () = tokio::time::sleep(hit.latency) => {}
        }
        let (executed, fate) = match hit.effect {
            None => return Fate::Answered(self.execute(asked, ticket, None).await),
            Some(Effect::Invisible(time)) => return Fate::Answered(self.execute(asked, ticket, Some(time)).await),
            Some(effect @ (Effect::Error { .. } | Effect::Throttle)) => {
                let refusal = effect.refusal(&ticket.told().service, asked.protocol);
                let refusal = refusal.unwrap_or_else(|| AwsError::internal("a fault without an error"));
                let head = discard(asked.work).await;
                let response = failure(asked.protocol, &refusal, &asked.request_id, head);
                ticket.end(Some(response.status().as_u16()), Some(refusal.code));
                return Fate::Answered(response);
            }
            Some(Effect::Lost(executed)) => (executed, Fate::Closed),
            Some(Effect::Hang(executed)) => (executed, Fate::Silent),
        };
        match executed {
            Executed::Yes => {
                self.execute(asked, ticket, None).await;
            }
            Executed::No => {
                discard(asked.work).await;
                ticket.end(None, None);
            }
        }
        fate
    }

    /// Finds out what a request asks for, as far as it can be understood.
    async fn read(&self, mut head: http::request::Parts, body: Body) -> (Told, Asked) {
        let credentials = Credentials::of(&head.headers, head.uri.query().unwrap_or_default());
        let request_id = ids::uuid();
        let named = match &credentials {
            Some(credentials) => Some(credentials.service.clone()),
            None => self.guess(&head.headers),
        };
        let account = credentials.as_ref().map(|credentials| self.account_of(credentials));
        let stranger = named.is_none() && credentials.is_none();
        let mut told = Told {
            service: named.unwrap_or_else(|| "s3".to_owned()),
            operation: "Unknown".to_owned(),
            resource: None,
            account: account.as_ref().and_then(|account| account.as_ref().ok()).cloned().unwrap_or_default(),
            mutating: true,
        };
        if stranger || told.service == "s3" {
            let signed = credentials.as_ref().map(|it| self.signed(&head, Payload::Announced, it)).transpose();
            // The bucket is in the host that was signed, and from here on in the path.
            s3::host_to_path(&mut head);
            (told.operation, told.resource) = s3::asked(&head);
            told.mutating = faults::mutating(&told.operation);
            let work = match signed {
                Ok(chain) => {
                    if let Some(chain) = chain.flatten() {
                        head.extensions.insert(chain);
                    }
                    Work::S3 { head, body, caller: account.and_then(Result::ok).zip(credentials) }
                }
                Err(refusal) => Work::Refuse(refusal.error(None)),
            };
            return (told, Asked { work, protocol: None, request_id });
        }
        let Some(service) = self.services.iter().find(|service| service.name() == told.service).cloned() else {
            let error = AwsError::new("UnknownService", "the local account doesn't have this service").status(404);
            return (told, Asked { work: Work::Refuse(error), protocol: Some(Protocol::Json("")), request_id });
        };
        let spoken = spoken(service.as_ref(), &head.headers);
        let protocol = Some(spoken);
        let most = if service.name() == "lambda" { MAX_CODE } else { MAX_INPUT };
        let call = async {
            let body = bodies::whole(body, most).await.map_err(|fault| match &fault {
                Fault::TooLong(_) => AwsError::new("RequestEntityTooLarge", fault.to_string()).status(413),
                Fault::Broken(_) => AwsError::new("RequestTimeout", fault.to_string()),
            })?;
            let (Some(credentials), Some(account)) = (credentials, account) else {
                let error = AwsError::new("MissingAuthenticationToken", "Request is missing Authentication Token");
                return Err(error.status(403));
            };
            self.signed(&head, Payload::Read(&body), &credentials).map_err(|refusal| refusal.error(protocol))?;
            let (operation, input) = operation(spoken, &head, &body)?;
            let region = if service.global() { GLOBAL.to_owned() } else { credentials.region };
            let access_key = credentials.access_key;
            Ok(Request { account: account?, region, access_key, operation, input, request_id: request_id.clone() })
        };
        let work = match call.await {
            Ok(request) => {
                told.operation.clone_from(&request.operation);
                told.mutating = faults::mutating(&told.operation);
                told.resource = request.resource();
                Work::Call { service, request }
            }
            Err(error) => Work::Refuse(error),
        };
        (told, Asked { work, protocol, request_id })
    }

    /// Executes a request and reports its end. What it makes stays invisible for the time that `hides` gives.
    async fn execute(&self, asked: Asked, ticket: Ticket, hides: Option<Duration>) -> Response {
        let Asked { work, protocol, request_id } = asked;
        let told = ticket.told();
        let sight = Sight::new(&told.operation, told.mutating, hides);
        let response = sight.during(self.work(work, protocol, &request_id)).await;
        let code = response.extensions().get::<ErrorCode>().map(|code| code.0.clone());
        ticket.end(Some(response.status().as_u16()), code);
        response
    }

    async fn work(&self, work: Work, protocol: Option<Protocol>, request_id: &str) -> Response {
        match work {
            Work::S3 { head, body, caller } => S3::answer(&self.account, head, body, caller, request_id).await,
            Work::Refuse(error) => failure(protocol, &error, request_id, false),
            Work::Call { service, request } => {
                let Request { operation, account, region, .. } = &request;
                tracing::debug!(service = service.name(), operation, account, region, "call");
                let allowed = enforce::call(&self.account, service.name(), &request);
                let answered = match allowed {
                    Ok(()) => service.handle(&self.account, &request).await,
                    Err(refusal) => Err(refusal),
                };
                match answered {
                    Ok(mut output) => {
                        let protocol = protocol.unwrap_or(service.protocol());
                        if matches!(protocol, Protocol::Json(_)) && !service.also().is_empty() {
                            json::times(&mut output);
                        }
                        success(protocol, operation, &output, request_id)
                    }
                    // Services answer one way for what they don't have; the protocols have two codes for it.
                    Err(error)
                        if error.code == "UnknownOperationException"
                            && matches!(protocol, Some(Protocol::Ec2 | Protocol::Query(_) | Protocol::Cbor)) =>
                    {
                        let error = AwsError { code: "InvalidAction".to_owned(), ..error };
                        failure(protocol, &error, request_id, false)
                    }
                    Err(error) => failure(protocol, &error, request_id, false),
                }
            }
        }
    }

    /// Refuses a request that wasn't signed by the secret of its access key; an account without a secret takes all.
    pub(crate) fn signed(
        &self,
        head: &http::request::Parts,
        payload: Payload<'_>,
        credentials: &Credentials,
    ) -> Result<Option<Chain>, Refusal> {
        match &self.account.secret {
            Some(secret) => signature::check(head, payload, &self.key(credentials, secret)?, clock::now()),
            None => Ok(None),
        }
    }

    /// What an access key is signed with: its own secret if it is one that is given out for a time, else the account's.
    fn key(&self, credentials: &Credentials, secret: &Secret) -> Result<Key, Refusal> {
        let name = &credentials.access_key;
        if !name.starts_with("ASIA") {
            return Ok(Key { secret: secret.clone(), session: None });
        }
        let read = |state: &mut State<'_>| Ok(state.get("sts/key", name).cloned());
        let given_out = self.account.transact_at(services::sts::key_scope(), read).ok().flatten();
        given_out.as_ref().and_then(services::sts::key).ok_or(Refusal::Key)
    }

    /// The account of an access key: its 12 digits, the account of keys given out here, or the default.
    pub fn account_of(&self, credentials: &Credentials) -> Result<String, AwsError> {
        let key = &credentials.access_key;
        if lakewright_iam::is_account(key) {
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

/// The protocol of a request to a service that may speak more than one.
fn spoken(service: &dyn Service, headers: &HeaderMap) -> Protocol {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let meant = service.also().iter().find(|protocol| match protocol {
        Protocol::Json(prefix) => text("x-amz-target").starts_with(prefix),
        Protocol::Cbor => text("smithy-protocol") == cbor::PROTOCOL,
        _ => false,
    });
    meant.copied().unwrap_or(service.protocol())
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
            Ok((action, query::nested(&pairs)?))
        }
        Protocol::Json(prefix) => {
            let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let name = target.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
            let name = name.ok_or_else(|| {
                AwsError::new("UnknownOperationException", format!("no operation is named by the target '{target}'"))
            })?;
            Ok((name.to_owned(), json::input(body)?))
        }
        Protocol::Cbor => {
            let name = head.uri.path().rsplit_once("/operation/").map(|(_, name)| name.to_owned());
            let name = name.ok_or_else(|| AwsError::new("UnknownOperationException", "no operation").status(404))?;
            Ok((name, cbor::read(body)?))
        }
        Protocol::RestJson(routes) => {
            let path = head.uri.path();
            let found = rest::find(routes, head.method.as_str(), path, raw_query);
            let (operation, mut input) = found.ok_or_else(|| rest::unknown(&head.method, path))?;
            if let Value::Object(members) = json::input(body)? {
                input.extend(members);
            }
            Ok((operation.to_owned(), Value::Object(input)))
        }
        Protocol::RestXml(service) => service.read(&head.method, head.uri.path(), raw_query, body),
    }
}

/// Reads what is left of a request that is not executed, so that its client can take the answer. Says whether it was
/// a HEAD.
async fn discard(work: Work) -> bool {
    let Work::S3 { head, body, .. } = work else { return false };
    let mut rest = body.into_data_stream();
    while let Some(Ok(_)) = rest.next().await {}
    head.method == http::Method::HEAD
}
