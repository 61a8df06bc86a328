//! What is this machine, and which requests to its own endpoints come from somebody else's web page.
//!
//! A page in a browser reaches what listens on loopback in two ways: it asks by the address itself, and the browser
//! says where it comes from; or it asks by a name of its own that resolves to 127.0.0.1, and the name stands in `Host`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::uri::{Authority, Uri};
use http::{HeaderMap, StatusCode, header};

/// Whether a host, as it stands in a URL, is this machine: an address of the loopback interface, `localhost`, or a name
/// below it, which no name server may give away (RFC 6761, section 6.3).
pub fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether a URL is of a host that is this machine. What has no scheme is no URL.
pub fn is_local_url(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some_and(is_loopback))
}

/// Why a request isn't taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It asks for a host that isn't this one.
    Host(String),
    /// It comes from a page of another origin.
    Page(String),
}

impl Refusal {
    /// The status of its answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Page(_) => StatusCode::FORBIDDEN,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(
                out,
                "the request is for the host `{}`, which isn't this one; ask by 127.0.0.1 or localhost, with the port",
                host.escape_default()
            ),
            Self::Page(page) => write!(
                out,
                "the request comes from the web page {}, and only programs on this machine are answered",
                page.escape_default()
            ),
        }
    }
}

/// Refuses a request to the endpoint at `own` that is for another host, or comes from another's page.
///
/// An endpoint that listens beyond this machine is asked by an address too, since names are what a page can point here.
///
/// # Errors
/// Why it isn't taken.
pub fn check(head: &Parts, own: SocketAddr) -> Result<(), Refusal> {
    let asked = host(head)?;
    let port = asked.port_u16().unwrap_or(80);
    let is_address = || asked.host().trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_own = port == own.port() && is_loopback(asked.host());
    if !is_own && (own.ip().is_loopback() || !is_address()) {
        return Err(Refusal::Host(asked.to_string()));
    }
    for origin in head.headers.get_all(header::ORIGIN) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        if !is_origin(&origin, &asked, own) {
            return Err(Refusal::Page(origin.into_owned()));
        }
    }
    // What a page asks for by an image or a link has no origin, but browsers say this of it.
    match text(&head.headers, "sec-fetch-site") {
        Some(site @ ("cross-site" | "same-site")) => Err(Refusal::Page(format!("({site})"))),
        _ => Ok(()),
    }
}

/// The host that a request is for: the one of its target, else of its one `Host` header.
fn host(head: &Parts) -> Result<Authority, Refusal> {
    let plain = |authority: Authority| {
        if authority.as_str().contains('@') { Err(Refusal::Host(authority.to_string())) } else { Ok(authority) }
    };
    if let Some(authority) = head.uri.authority() {
        return plain(authority.clone());
    }
    let mut given = head.headers.get_all(header::HOST).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return Err(Refusal::Host(String::new())) };
    match Authority::try_from(value.as_bytes()) {
        Ok(authority) => plain(authority),
        Err(_) => Err(Refusal::Host(String::from_utf8_lossy(value.as_bytes()).into_owned())),
    }
}

/// Whether an origin is the endpoint's own: this machine and its port, or what was asked for.
fn is_origin(origin: &str, asked: &Authority, own: SocketAddr) -> bool {
    let Some(Ok(origin)) = origin.strip_prefix("http://").map(str::parse::<Authority>) else { return false };
    let port = origin.port_u16().unwrap_or(80);
    (is_loopback(origin.host()) && port == own.port()) || (!own.ip().is_loopback() && origin == *asked)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const OWN: &str = "127.0.0.1:4566";

    fn judged(own: &str, target: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let request = headers.iter().fold(Request::builder().uri(target), |it, (name, value)| it.header(*name, *value));
        let (head, ()) = request.body(()).expect("a request").into_parts();
        check(&head, own.parse().expect("an address")).err().map(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn what_is_this_machine() {
        for own in ["127.0.0.1", "127.8.8.8", "[::1]", "::1", "localhost", "LOCALHOST.", "bucket.localhost"] {
            assert!(is_loopback(own), "{own}");
        }
        for far in ["10.0.0.1", "[::2]", "169.254.169.254", "localhost.example.com", "notlocalhost", "0.0.0.0", ""] {
            assert!(!is_loopback(far), "{far}");
        }
        assert!(is_local_url("http://user:word@localhost:1/a") && !is_local_url("http://far/localhost"));
        assert!(!is_local_url("http://localhost@far/") && !is_local_url("localhost"));
    }

    #[test]
    fn only_the_own_host_and_port_are_answered() {
        for host in ["127.0.0.1:4566", "localhost:4566", "[::1]:4566", "bucket.localhost:4566", "s3.Localhost:4566"] {
            assert_eq!(judged(OWN, "/", &[("host", host)]), None, "{host}");
        }
        for host in [
            "evil.example:4566",
            "127.0.0.1",
            "127.0.0.1:4567",
            "localhost.evil.example:4566",
            "10.0.0.1:4566",
            "user@localhost:4566",
            "evil.example#localhost:4566",
            "",
        ] {
            assert_eq!(judged(OWN, "/", &[("host", host)]), Some(421), "{host}");
        }
        assert_eq!(judged(OWN, "/", &[]), Some(421), "no host at all");
        assert_eq!(judged(OWN, "/", &[("host", OWN), ("host", "evil.example")]), Some(421), "two");
        assert_eq!(judged(OWN, "http://evil.example:4566/", &[("host", OWN)]), Some(421), "the target is what counts");
        assert_eq!(judged("127.0.0.1:80", "/", &[("host", "localhost")]), None);
    }

    #[test]
    fn pages_of_others_are_refused() {
        let from = |name, value| judged(OWN, "/", &[("host", OWN), (name, value)]);
        for own in ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566"] {
            assert_eq!(from("origin", own), None, "{own}");
        }
        for other in ["null", "http://evil.example", "http://localhost:3000", "https://127.0.0.1:4566", "file://", ""] {
            assert_eq!(from("origin", other), Some(403), "{other}");
        }
        assert_eq!(from("sec-fetch-site", "cross-site"), Some(403));
        assert_eq!(from("sec-fetch-site", "same-site"), Some(403));
        assert_eq!(from("sec-fetch-site", "same-origin"), None);
        assert_eq!(from("sec-fetch-site", "none"), None, "somebody typed the address");
    }

    #[test]
    fn what_listens_beyond_this_machine_is_asked_by_address() {
        let wide = "0.0.0.0:9100";
        assert_eq!(judged(wide, "/", &[("host", "10.20.0.10:9100")]), None);
        assert_eq!(judged(wide, "/", &[("host", "localhost:9100")]), None);
        assert_eq!(judged(wide, "/", &[("host", "evil.example:9100")]), Some(421));
        let page = |origin| judged(wide, "/", &[("host", "10.20.0.10:9100"), ("origin", origin)]);
        assert_eq!(page("http://10.20.0.10:9100"), None);
        assert_eq!(page("http://10.20.0.11:9100"), Some(403));
    }
}
