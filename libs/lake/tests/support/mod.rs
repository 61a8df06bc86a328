//! A Glue catalog and an S3 in memory over HTTP, which lose answers on demand.

pub mod anything;
pub mod deletes;
pub mod sales;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lakewright_aws::Aws;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// Objects in one answer to a listing.
const PAGE: usize = 100;

/// What happens to the next table updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes effect, the answer is lost.
    LoseAnswer,
    /// It has no effect, the answer is lost.
    LoseRequest,
    /// It takes effect, then another writer's, then the answer is lost.
    Overtaken,
    /// The answer is lost and so many more updates are refused as concurrent; with the last of them it takes effect.
    InFlight(u32),
    /// It is refused for good.
    Refuse,
}

/// Another writer: changes a table's record and the objects.
pub type Overtake = Box<dyn FnOnce(&mut Value, &mut BTreeMap<String, Bytes>) + Send>;

#[derive(Default)]
pub struct Fake {
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// When objects were written, in milliseconds since 1970.
    written: Mutex<BTreeMap<String, i64>>,
    tables: Mutex<BTreeMap<String, Value>>,
    faults: Mutex<Vec<Fault>>,
    in_flight: Mutex<Option<(Value, u32)>>,
    pub updates: AtomicU32,
    /// Runs inside an overtaken update, with the record as it became.
    pub overtake: Mutex<Option<Overtake>>,
    /// A missing object is denied and not said to be missing.
    pub hides: AtomicBool,
    /// Updates to tables with a column of this name are refused as wrong.
    pub refused_column: Mutex<Option<&'static str>>,
    /// How often objects were asked for.
    asked: Mutex<BTreeMap<String, u32>>,
    /// The next update says that it is there and waits.
    gate: Mutex<Option<Gate>>,
    /// As `gate`, for the next reading of a key that ends with a text.
    reading: Mutex<Option<(String, Gate)>>,
}

/// Says that a request has come, and waits until it may go on.
type Gate = (oneshot::Sender<()>, oneshot::Receiver<()>);

impl Fake {
    /// Serves one and connects a client to it.
    pub async fn start() -> (Arc<Self>, Aws) {
        let (fake, client, _) = Self::listen().await;
        (fake, client)
    }

    /// As `start`, with the endpoint.
    pub async fn listen() -> (Arc<Self>, Aws, String) {
        let fake = Arc::new(Self::default());
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&fake));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Aws::with_keys("eu-north-1", &endpoint, "123456789012", "secret").expect("a client");
        (fake, client, endpoint)
    }

    pub fn fail_next(&self, fault: Fault) {
        self.faults.lock().push(fault);
    }

    /// Holds the next table update: the first channel says that it has come, the second lets it go.
    pub fn hold_next(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((there, come), (go, wait)) = (oneshot::channel(), oneshot::channel());
        *self.gate.lock() = Some((there, wait));
        (come, go)
    }

    /// Holds the next reading of a key that ends with a text, as [`Self::hold_next`] does an update.
    pub fn hold_reading(&self, of: &str) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((there, come), (go, wait)) = (oneshot::channel(), oneshot::channel());
        *self.reading.lock() = Some((of.to_owned(), (there, wait)));
        (come, go)
    }

    /// Makes all objects look as if they were written in 1970.
    pub fn make_old(&self) {
        self.written.lock().clear();
    }

    /// Puts an object, as anybody may.
    pub fn put(&self, key: &str, body: &str) {
        self.objects.lock().insert(key.to_owned(), body.to_owned().into());
    }

    /// How often an object was asked for.
    pub fn asked(&self, key: &str) -> u32 {
        self.asked.lock().get(key).copied().unwrap_or_default()
    }

    /// Deletes an object, as anybody may.
    pub fn remove(&self, key: &str) {
        self.objects.lock().remove(key);
    }

    /// The keys that contain a text.
    pub fn keys(&self, part: &str) -> Vec<String> {
        self.objects.lock().keys().filter(|key| key.contains(part)).cloned().collect()
    }

    /// The catalog's record of a table, to look at or to change.
    pub fn record<T>(&self, full_name: &str, look: impl FnOnce(&mut Value) -> T) -> T {
        look(self.tables.lock().get_mut(full_name).expect("a table"))
    }

    fn glue(&self, operation: &str, input: &Value) -> Response {
        let name = |from: &Value| {
            format!("{}.{}", input["DatabaseName"].as_str().unwrap_or(""), from["Name"].as_str().unwrap_or(""))
        };
        let mut tables = self.tables.lock();
        match operation {
            "GetTable" => match tables.get(&name(input)) {
                Some(table) => json_answer(&json!({ "Table": table })),
                None => error(400, "EntityNotFoundException"),
            },
            "CreateTable" => {
                let mut table = input["TableInput"].clone();
                if tables.contains_key(&name(&table)) {
                    return error(400, "AlreadyExistsException");
                }
                table["VersionId"] = json!("0");
                table["DatabaseName"] = input["DatabaseName"].clone();
                tables.insert(name(&input["TableInput"]), table);
                json_answer(&json!({}))
            }
            "UpdateTable" => {
                self.updates.fetch_add(1, Ordering::Relaxed);
                let refused = *self.refused_column.lock();
                let columns = input["TableInput"]["StorageDescriptor"]["Columns"].as_array();
                if columns.into_iter().flatten().any(|column| column["Name"].as_str() == refused && refused.is_some()) {
                    return error(400, "InvalidInputException");
                }
                let fault = self.faults.lock().pop();
                match fault {
                    Some(Fault::LoseRequest) => return lost(),
                    Some(Fault::Refuse) => return error(400, "AccessDeniedException"),
                    Some(Fault::InFlight(refused)) => {
                        *self.in_flight.lock() = Some((input.clone(), refused));
                        return lost();
                    }
                    _ => {}
                }
                let Some(table) = tables.get_mut(&name(&input["TableInput"])) else {
                    return error(400, "EntityNotFoundException");
                };
                let mut in_flight = self.in_flight.lock();
                if let Some((arriving, refused)) = in_flight.as_mut() {
                    *refused -= 1;
                    if *refused == 0 {
                        *table = arriving["TableInput"].clone();
                        table["VersionId"] = json!("99");
                        *in_flight = None;
                    }
                    return error(400, "ConcurrentModificationException");
                }
                if table["VersionId"] != input["VersionId"] {
                    return error(400, "ConcurrentModificationException");
                }
                let version: u32 = table["VersionId"].as_str().expect("text").parse().expect("a number");
                *table = input["TableInput"].clone();
                table["VersionId"] = json!((version + 1).to_string());
                match fault {
                    None | Some(Fault::LoseRequest | Fault::Refuse | Fault::InFlight(_)) => json_answer(&json!({})),
                    Some(Fault::LoseAnswer) => lost(),
                    Some(Fault::Overtaken) => {
                        let overtake = self.overtake.lock().take().expect("somebody overtakes");
                        overtake(table, &mut self.objects.lock());
                        table["VersionId"] = json!((version + 2).to_string());
                        lost()
                    }
                }
            }
            _ => error(400, "InvalidInputException"),
        }
    }

    /// A conditional put; faults are for these alone.
    fn put_if_none(&self, key: &str, body: Bytes) -> Response {
        let fault = self.faults.lock().pop();
        match fault {
            Some(Fault::LoseRequest) => return lost(),
            Some(Fault::Refuse) => {
                return (StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code></Error>").into_response();
            }
            _ => {}
        }
        if self.objects.lock().contains_key(key) {
            return precondition_failed();
        }
        let answer = self.s3(&Method::PUT, key, None, body);
        if fault == Some(Fault::LoseAnswer) { lost() } else { answer }
    }

    /// Whether there is an object with this ETag.
    fn has(&self, key: &str, wanted: &str) -> bool {
        self.objects.lock().get(key).is_some_and(|object| etag(object) == wanted)
    }

    fn s3(&self, method: &Method, key: &str, range: Option<&str>, body: Bytes) -> Response {
        let mut objects = self.objects.lock();
        if *method == Method::GET {
            *self.asked.lock().entry(key.to_owned()).or_default() += 1;
        }
        match *method {
            Method::PUT => {
                self.written.lock().insert(key.to_owned(), chrono::Utc::now().timestamp_millis());
                let etag = etag(&body);
                objects.insert(key.to_owned(), body);
                ([(header::ETAG, etag)], "").into_response()
            }
            Method::DELETE => {
                objects.remove(key);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => match objects.get(key) {
                None if self.hides.load(Ordering::Relaxed) => {
                    (StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code></Error>").into_response()
                }
                None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
                Some(object) => match range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) {
                    None => ([(header::ETAG, etag(object))], object.clone()).into_response(),
                    Some((first, last)) => {
                        let first: usize = first.parse().expect("a number");
                        let last: usize = last.parse::<usize>().expect("a number").min(object.len() - 1);
                        let range = format!("bytes {first}-{last}/{}", object.len());
                        let part = object.slice(first..=last);
                        let headers = [(header::CONTENT_RANGE, range), (header::ETAG, etag(object))];
                        (StatusCode::PARTIAL_CONTENT, headers, part).into_response()
                    }
                },
            },
        }
    }
}

impl Fake {
    /// A page of a bucket's listing.
    fn list(&self, bucket: &str, query: &str) -> Response {
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
        };
        let prefix = format!("{bucket}{}", parameter("prefix").unwrap_or_default());
        let after = parameter("continuation-token").or_else(|| Some(format!("{bucket}{}", parameter("start-after")?)));
        let page = parameter("max-keys").map_or(PAGE, |most| most.parse().expect("a number"));
        let (objects, written) = (self.objects.lock(), self.written.lock());
        let keys = objects.keys().map(|key| (decoded(key), key));
        let keys = keys.filter(|(key, _)| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > after));
        let mut keys: Vec<(String, &String)> = keys.collect();
        keys.sort();
        let truncated = keys.len() > page;
        keys.truncate(page);
        let mut xml = format!("<ListBucketResult><IsTruncated>{truncated}</IsTruncated>");
        if let Some((last, _)) = keys.last().filter(|_| truncated) {
            xml.push_str(&format!("<NextContinuationToken>{last}</NextContinuationToken>"));
        }
        for (key, raw) in &keys {
            let at = chrono::DateTime::from_timestamp_millis(written.get(*raw).copied().unwrap_or(0)).expect("a time");
            xml.push_str(&format!(
                "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                &key[bucket.len()..],
                at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
                etag(&objects[*raw]),
                objects[*raw].len()
            ));
        }
        xml.push_str("</ListBucketResult>");
        ([(header::CONTENT_TYPE, "application/xml")], xml).into_response()
    }
}

/// A text without its percent signs.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, more)) = rest.split_first() {
        rest = more;
        if *byte == b'%' {
            let digits = std::str::from_utf8(&more[..2]).expect("digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("a byte"));
            rest = &more[2..];
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).expect("text")
}

async fn answer(State(fake): State<Arc<Fake>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let text = |name: &str| head.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    match text("x-amz-target").as_deref().and_then(|target| target.strip_prefix("AWSGlue.")) {
        Some(operation) => {
            let gate = if operation == "UpdateTable" { fake.gate.lock().take() } else { None };
            if let Some((there, wait)) = gate {
                _ = there.send(());
                _ = wait.await;
            }
            fake.glue(operation, &serde_json::from_slice(&body).expect("JSON"))
        }
        None if head.uri.query().is_some_and(|query| query.contains("list-type=2")) => {
            let bucket = format!("{}/", head.uri.path().trim_end_matches('/'));
            fake.list(&bucket, head.uri.query().unwrap_or_default())
        }
        None if text("if-none-match").is_some() => fake.put_if_none(head.uri.path(), body),
        None if text("if-match").is_some_and(|etag| !fake.has(head.uri.path(), &etag)) => precondition_failed(),
        None => {
            let is_it = |held: &mut (String, Gate)| head.method == Method::GET && head.uri.path().ends_with(&held.0);
            let gate = fake.reading.lock().take_if(is_it);
            if let Some((_, (there, wait))) = gate {
                _ = there.send(());
                _ = wait.await;
            }
            fake.s3(&head.method, head.uri.path(), text("range").as_deref(), body)
        }
    }
}

/// As S3's: another one for other bytes.
fn etag(body: &Bytes) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn precondition_failed() -> Response {
    (StatusCode::PRECONDITION_FAILED, "<Error><Code>PreconditionFailed</Code></Error>").into_response()
}

fn json_answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/x-amz-json-1.1")], value.to_string()).into_response()
}

fn error(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, json!({ "__type": code, "message": code }).to_string()).into_response()
}

/// An answer that breaks off.
fn lost() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
    Response::new(Body::from_stream(broken))
}
