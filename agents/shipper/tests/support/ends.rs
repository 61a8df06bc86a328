//! A search cluster and an S3 in memory, in one server: they judge documents by the errors of real ones, and are away on demand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use lakewright_aws::Aws;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// How the cluster answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It judges each document.
    Takes,
    /// 503, whatever comes.
    Away,
    /// 429, whatever comes.
    Full,
    /// It has no room for another index: documents of indices that it doesn't have are refused for that.
    NoRoom,
    /// It has no such index and makes none.
    NoIndex,
    /// 200 and no answer.
    Garbage,
    /// It refuses what is for an index of a day, as after a mapping of another kind.
    Rejects,
    /// It refuses each document, for the dead letters too.
    RejectsAll,
    /// At once, and it keeps nothing: for measurements.
    Counts,
}

/// What is there.
pub struct Ends {
    /// How the cluster answers.
    pub mode: Mutex<Mode>,
    /// By index and id: the document, as it came first.
    pub documents: Mutex<BTreeMap<(String, String), String>>,
    /// How often a document came with other bytes than the one with its index and id.
    pub changed: AtomicU64,
    /// Documents that were taken.
    pub taken: AtomicU64,
    /// Requests for the cluster.
    pub requests: AtomicU64,
    /// The largest of them, in bytes.
    pub largest: AtomicU64,
    /// Whether S3 is away.
    pub bucket_away: AtomicBool,
    /// Objects by name, without the bucket's.
    pub objects: Mutex<BTreeMap<String, Bytes>>,
    /// How often an object was to be written that was there.
    pub again: AtomicU64,
    /// The next object is written, and its answer is lost.
    pub lose_answer: AtomicBool,
    /// Index templates and policies by path, as they were put.
    pub templates: Mutex<BTreeMap<String, Value>>,
    /// The status that a request for one of these is answered with, if not by what is there; and what its path begins with.
    pub refuses: Mutex<Option<(&'static str, u16)>>,
}

impl Ends {
    /// Starts them; the URL of both.
    pub async fn start() -> (Arc<Self>, String) {
        let ends = Arc::new(Self {
            mode: Mutex::new(Mode::Takes),
            documents: Mutex::default(),
            changed: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            largest: AtomicU64::new(0),
            bucket_away: AtomicBool::new(false),
            objects: Mutex::default(),
            again: AtomicU64::new(0),
            lose_answer: AtomicBool::new(false),
            templates: Mutex::default(),
            refuses: Mutex::default(),
        });
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&ends));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (ends, url)
    }

    /// A connection to the account.
    pub fn aws(url: &str) -> Aws {
        Aws::with_keys("eu-north-1", url, "AKIDEXAMPLE", "secret").expect("a client")
    }

    /// Lets the cluster answer so.
    pub fn set(&self, mode: Mode) {
        *self.mode.lock() = mode;
    }

    fn bulk(&self, body: &[u8]) -> Response {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.largest.fetch_max(body.len() as u64, Ordering::Relaxed);
        let mode = *self.mode.lock();
        match mode {
            Mode::Away => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Mode::Full => return StatusCode::TOO_MANY_REQUESTS.into_response(),
            Mode::Garbage => return (StatusCode::OK, "<html>a proxy's page</html>").into_response(),
            Mode::Counts => {
                let count = memchr::memchr_iter(b'\n', body).count() / 2;
                self.taken.fetch_add(count as u64, Ordering::Relaxed);
                let items = vec![r#"{"create":{"status":201}}"#; count].join(",");
                return (StatusCode::OK, format!(r#"{{"took":1,"errors":false,"items":[{items}]}}"#)).into_response();
            }
            _ => {}
        }
        let text = std::str::from_utf8(body).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        let items: Vec<String> = lines.chunks(2).map(|pair| self.judge(mode, pair[0], pair[1])).collect();
        let answer = format!(r#"{{"took":1,"errors":true,"items":[{}]}}"#, items.join(","));
        (StatusCode::OK, answer).into_response()
    }

    fn judge(&self, mode: Mode, action: &str, source: &str) -> String {
        let action: Value = serde_json::from_str(action).expect("an action");
        let text = |name: &str| action["create"][name].as_str().expect("text").to_owned();
        let key = (text("_index"), text("_id"));
        let refused = |status: u16, kind: &str, reason: &str| {
            format!(r#"{{"create":{{"status":{status},"error":{{"type":"{kind}","reason":"{reason}"}}}}}}"#)
        };
        let mut documents = self.documents.lock();
        let is_new = !documents.keys().any(|(index, _)| *index == key.0);
        match mode {
            Mode::NoRoom if is_new => {
                return refused(
                    400,
                    "validation_exception",
                    "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open;",
                );
            }
            Mode::NoIndex if is_new => return refused(404, "index_not_found_exception", "no such index"),
            Mode::Rejects if !key.0.ends_with("-rejected") => {
                return refused(400, "mapper_parsing_exception", "failed to parse field [n] of type [long]");
            }
            Mode::RejectsAll => return refused(400, "strict_dynamic_mapping_exception", "mapping set to strict"),
            _ => {}
        }
        match documents.get(&key) {
            Some(there) => {
                self.changed.fetch_add(u64::from(there != source), Ordering::Relaxed);
                refused(409, "version_conflict_engine_exception", "document already exists")
            }
            None => {
                documents.insert(key, source.to_owned());
                self.taken.fetch_add(1, Ordering::Relaxed);
                r#"{"create":{"status":201}}"#.to_owned()
            }
        }
    }

    /// Keeps templates and policies, as Elasticsearch does.
    fn template(&self, method: &Method, path: &str, body: &[u8]) -> Response {
        match *self.mode.lock() {
            Mode::Away => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Mode::Full => return StatusCode::TOO_MANY_REQUESTS.into_response(),
            Mode::Garbage => return (StatusCode::OK, "<html>a proxy's page</html>").into_response(),
            _ => {}
        }
        if let Some((begin, status)) = *self.refuses.lock()
            && path.starts_with(begin)
        {
            let answer = json!({ "error": { "type": "security_exception", "reason": "you may not" } });
            return (StatusCode::from_u16(status).expect("a status"), answer.to_string()).into_response();
        }
        let mut templates = self.templates.lock();
        if *method == Method::PUT {
            templates.insert(path.to_owned(), serde_json::from_slice(body).expect("JSON"));
            return r#"{"acknowledged":true}"#.into_response();
        }
        let Some(found) = templates.get(path) else { return (StatusCode::NOT_FOUND, "{}").into_response() };
        let name = path.rsplit('/').next().unwrap_or_default();
        let answer = if path.starts_with("/_ilm") {
            json!({ name: { "version": 1, "policy": found["policy"] } })
        } else {
            json!({ "index_templates": [{ "name": name, "index_template": found }] })
        };
        answer.to_string().into_response()
    }

    fn put(&self, key: &str, body: Bytes, only_new: bool) -> Response {
        let mut objects = self.objects.lock();
        if only_new && objects.contains_key(key) {
            self.again.fetch_add(1, Ordering::Relaxed);
            let body = "<Error><Code>PreconditionFailed</Code></Error>";
            return (StatusCode::PRECONDITION_FAILED, body).into_response();
        }
        objects.insert(key.to_owned(), body);
        if self.lose_answer.swap(false, Ordering::Relaxed) {
            return (StatusCode::INTERNAL_SERVER_ERROR, "<Error><Code>InternalError</Code></Error>").into_response();
        }
        ([(header::ETAG, "\"1\"")], "").into_response()
    }

    fn list(&self, prefix: &str) -> Response {
        let mut xml = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
        for (key, body) in self.objects.lock().iter().filter(|(key, _)| key.starts_with(prefix)) {
            let size = body.len();
            xml.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"1\"</ETag><Size>{size}</Size></Contents>"
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

async fn answer(State(ends): State<Arc<Ends>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let path = decoded(head.uri.path());
    if path == "/_bulk" {
        return ends.bulk(&body);
    }
    if path == "/_taken" {
        return ends.taken.load(Ordering::Relaxed).to_string().into_response();
    }
    if path.starts_with("/_index_template/") || path.starts_with("/_ilm/") {
        return ends.template(&head.method, &path, &body);
    }
    if path == "/" {
        return r#"{"version":{"number":"8.19.0","build_flavor":"default"}}"#.into_response();
    }
    if ends.bucket_away.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "<Error><Code>ServiceUnavailable</Code></Error>").into_response();
    }
    let query = head.uri.query().unwrap_or_default();
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    if query.contains("list-type=2") {
        let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).map(decoded).unwrap_or_default();
        return ends.list(&prefix);
    }
    match head.method {
        Method::PUT => ends.put(key, body, head.headers.contains_key("if-none-match")),
        _ => match ends.objects.lock().get(key) {
            Some(body) => ([(header::ETAG, "\"1\"")], body.clone()).into_response(),
            None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
        },
    }
}
