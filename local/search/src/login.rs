//! Who asks: users with passwords, as Elasticsearch has them when its logins are on.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::answer::SearchError;
use crate::{Access, Logins};

/// The user of a request, and what they may do.
#[derive(Debug, Clone)]
pub struct Who {
    name: Arc<str>,
    access: Access,
}

impl Who {
    /// Whether an action on an index is theirs to do.
    pub fn may_write(&self, action: &str, index: &str) -> Result<(), SearchError> {
        match &self.access {
            Access::Everything => Ok(()),
            Access::Creating(begin) if action == "create" && index.starts_with(begin.as_str()) => Ok(()),
            Access::Creating(_) => Err(self.refused(&format!("indices:data/write/bulk[{action}] on index [{index}]"))),
        }
    }

    fn refused(&self, action: &str) -> SearchError {
        SearchError {
            status: StatusCode::FORBIDDEN.as_u16(),
            kind: "security_exception",
            reason: format!("action [{action}] is unauthorized for user [{}]", self.name),
        }
    }
}

/// Lets in who may log in, where somebody must.
pub async fn checked(State(logins): State<Option<Arc<dyn Logins>>>, mut request: Request, next: Next) -> Response {
    let who = match &logins {
        None => Who { name: "anybody".into(), access: Access::Everything },
        Some(logins) => match known(logins.as_ref(), request.headers()) {
            Some(who) => who,
            None => return unknown(),
        },
    };
    if who.access != Access::Everything && !is_shippers(request.method(), request.uri().path()) {
        return who.refused(&format!("{} {}", request.method(), request.uri().path())).into_response();
    }
    request.extensions_mut().insert(who);
    next.run(request).await
}

/// Whether a request is one of a user who adds documents: with them, or for what their indices are made by.
fn is_shippers(method: &Method, path: &str) -> bool {
    let is_of_indices = ["/_index_template/", "/_ilm/policy/"].iter().any(|begin| path.starts_with(begin));
    path.ends_with("/_bulk")
        || method == Method::GET && path == "/"
        || matches!(*method, Method::GET | Method::PUT) && is_of_indices
}

fn known(logins: &dyn Logins, headers: &HeaderMap) -> Option<Who> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let given = String::from_utf8(STANDARD.decode(given.trim()).ok()?).ok()?;
    let (name, password) = given.split_once(':')?;
    Some(Who { name: name.into(), access: logins.may(name, password)? })
}

fn unknown() -> Response {
    let error = SearchError {
        status: StatusCode::UNAUTHORIZED.as_u16(),
        kind: "security_exception",
        reason: "missing or wrong authentication credentials for REST request".to_owned(),
    };
    let mut answer = error.into_response();
    let basic = HeaderValue::from_static("Basic realm=\"security\", charset=\"UTF-8\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    answer
}
