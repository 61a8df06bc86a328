//! The parts of a request in the one form that signatures are of.

use std::fmt::Write as _;

use http::{HeaderMap, header};

/// The host that the client asked, where a proxy asks in its place.
const FORWARDED_HOST: &str = "x-forwarded-host";

/// The forms of a path that a client may have signed. S3's paths are signed as they are sent, or encoded as S3 would; those
/// of other services without empty parts and dots, and encoded once more.
pub(super) fn paths(path: &str, is_s3: bool) -> Vec<String> {
    let path = if path.is_empty() { "/" } else { path };
    if is_s3 {
        let mut forms = vec![path.to_owned(), encoded(&decoded(path), true)];
        forms.dedup();
        return forms;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let mut plain = format!("/{}", parts.join("/"));
    let is_folder = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    if is_folder && plain.len() > 1 {
        plain.push('/');
    }
    vec![encoded(plain.as_bytes(), true)]
}

/// The parameters but for the signature, each encoded in the one way, by their names and values.
pub(super) fn query(raw: &str) -> String {
    let mut pairs: Vec<(String, String)> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(&decoded(name), false), encoded(&decoded(value), false))
        })
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A line for each signed header, with the spaces in its values made one.
pub(super) fn headers(headers: &HeaderMap, signed: &[String]) -> String {
    let mut lines = String::new();
    for name in signed {
        let forwarded = headers.get_all(FORWARDED_HOST);
        let is_forwarded = *name == header::HOST.as_str() && headers.contains_key(FORWARDED_HOST);
        let values = if is_forwarded { forwarded } else { headers.get_all(name.as_str()) };
        let values: Vec<String> = values
            .iter()
            .map(|value| {
                String::from_utf8_lossy(value.as_bytes()).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect();
        let _ = writeln!(lines, "{name}:{}", values.join(","));
    }
    lines
}

/// Undoes percent encoding, byte by byte; what isn't encoded as it should be stays.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let code = match bytes[at..] {
            [b'%', high, low, ..] => digit(high).zip(digit(low)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// Encodes all but RFC 3986's unreserved characters, and slashes where they divide.
fn encoded(bytes: &[u8], keeps_slashes: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(*byte)),
            b'/' if keeps_slashes => out.push('/'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_that_clients_sign() {
        assert_eq!(paths("", true), ["/"]);
        assert_eq!(paths("/b/a%20b/%C3%A4", true), ["/b/a%20b/%C3%A4"]);
        assert_eq!(paths("/b//a(1)", true), ["/b//a(1)", "/b//a%281%29"], "S3 keeps empty parts");
        assert_eq!(paths("/v1/clusters/arn%3Aaws", false), ["/v1/clusters/arn%253Aaws"]);
        assert_eq!(paths("/a/./b/../c//d/", false), ["/a/c/d/"]);
        assert_eq!(paths("/..", false), ["/"]);
    }

    #[test]
    fn parameters_are_sorted_and_encoded_once() {
        assert_eq!(query("b=2&a=1&a-b=&tagging&a=0%2f&X-Amz-Signature=x"), "a=0%2F&a=1&a-b=&b=2&tagging=");
        assert_eq!(query("q=a+b&%C3%A4=~"), "%C3%A4=~&q=a%2Bb");
    }

    #[test]
    fn headers_have_one_space() {
        let mut given = HeaderMap::new();
        given.insert("host", "proxy:1".parse().unwrap());
        given.insert("x-amz-meta-a", "  a   b ".parse().unwrap());
        let names = ["host".to_owned(), "x-amz-meta-a".to_owned(), "x-none".to_owned()];
        assert_eq!(headers(&given, &names), "host:proxy:1\nx-amz-meta-a:a b\nx-none:\n");
        given.insert("x-forwarded-host", "asked:2".parse().unwrap());
        assert!(headers(&given, &names).starts_with("host:asked:2\n"));
    }
}
