//! Endpoints that were set, and texts in URLs.

use std::fmt::Write as _;

use http::Uri;

use crate::errors::Error;

/// Refuses what is no `http` or `https` URL before it comes to strange errors.
pub fn check(url: &str) -> Result<(), Error> {
    let uri: Option<Uri> = url.parse().ok();
    match uri.as_ref().map(|uri| (uri.scheme_str(), uri.host())) {
        Some((Some("http" | "https"), Some(host))) if !host.is_empty() => Ok(()),
        _ => Err(Error::configuration(format!(
            "`{url}` is no endpoint; write it as http://HOST:PORT or https://HOST in AWS_ENDPOINT_URL"
        ))),
    }
}

/// Refuses endpoints of the environment that are none; the SDK would take them as given.
pub fn check_environment() -> Result<(), Error> {
    let set = std::env::vars().filter(|(name, url)| name.starts_with("AWS_ENDPOINT_URL") && !url.is_empty());
    set.map(|(_, url)| url).try_for_each(|url| check(&url))
}

/// Appends `text` with everything but unreserved characters encoded.
pub fn percent_encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").expect("writing to a string can't fail"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_endpoints_say_how_to_write_them() {
        assert!(check("http://127.0.0.1:9000").is_ok());
        for wrong in ["127.0.0.1:9000", "ftp://host", "http://", "not a url"] {
            assert!(check(wrong).expect_err(wrong).to_string().contains("AWS_ENDPOINT_URL"), "{wrong}");
        }
    }
}
