//! Endpoints that were set, and texts in URLs.

use std::fmt::Write as _;

use http::Uri;
use lakewright_platform::loopback::is_loopback;

use crate::errors::Error;

/// The variable that lets requests go in clear to other machines, as the option of that name does.
const INSECURE: &str = "LAKEWRIGHT_INSECURE_ENDPOINT";
/// Where a machine gets its own credentials, in clear and from itself: the metadata service of EC2, the credentials of ECS
/// tasks, and those of EKS pods.
const OWN_CREDENTIALS: [&str; 5] =
    ["169.254.169.254", "[fd00:ec2::254]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// Whether requests may go in clear to other machines: asked for by an option, or by the environment.
pub fn in_clear(asked: bool) -> bool {
    let set = std::env::var(INSECURE).unwrap_or_default();
    asked || !["", "0", "false"].contains(&set.as_str())
}

/// Refuses what is no `http` or `https` URL before it comes to strange errors, and what isn't encrypted.
pub fn check(url: &str, in_clear: bool) -> Result<(), Error> {
    let uri: Option<Uri> = url.parse().ok();
    match uri.as_ref().map(|uri| (uri.scheme_str(), uri.host())) {
        Some((Some("http" | "https"), Some(host))) if !host.is_empty() => {}
        _ => {
            return Err(Error::configuration(format!(
                "`{url}` is no endpoint; write it as http://HOST:PORT or https://HOST in AWS_ENDPOINT_URL"
            )));
        }
    }
    if in_clear { Ok(()) } else { check_encrypted(url) }
}

/// Refuses to send anything in clear to another machine: every request is signed, and many hold secrets.
pub fn check_encrypted(url: &str) -> Result<(), Error> {
    let uri: Option<Uri> = url.parse().ok();
    let place = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?.host())));
    match place {
        Some(("http", host)) if !is_loopback(host) && !OWN_CREDENTIALS.contains(&host) => {
            Err(Error::configuration(format!(
                "http://{host} isn't this machine, and passwords and sessions would go there in clear; use https, or --insecure-endpoint ({INSECURE}=1) where nobody can listen"
            )))
        }
        _ => Ok(()),
    }
}

/// Refuses endpoints of the environment that are none; the SDK would take them as given.
pub fn check_environment(in_clear: bool) -> Result<(), Error> {
    let set = std::env::vars().filter(|(name, url)| name.starts_with("AWS_ENDPOINT_URL") && !url.is_empty());
    set.map(|(_, url)| url).try_for_each(|url| check(&url, in_clear))
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
        assert!(check("http://127.0.0.1:9000", false).is_ok());
        for wrong in ["127.0.0.1:9000", "ftp://host", "http://", "not a url"] {
            assert!(check(wrong, true).expect_err(wrong).to_string().contains("AWS_ENDPOINT_URL"), "{wrong}");
        }
    }

    #[test]
    fn nothing_goes_in_clear_to_another_machine() {
        for sound in
            ["https://far", "http://localhost:1/a", "http://[::1]:1", "http://127.0.0.1", "http://s3.localhost"]
        {
            assert!(check(sound, false).is_ok(), "{sound}");
        }
        for own in ["http://169.254.169.254/latest/meta-data", "http://169.254.170.2/v2", "http://[fd00:ec2::23]/v1"] {
            assert!(check(own, false).is_ok(), "{own}");
        }
        for far in ["http://far", "http://10.0.0.1:4566", "http://localhost.example.com", "http://127.0.0.1@far/"] {
            let error = check(far, false).expect_err(far);
            assert!(error.message.contains("use https, or --insecure-endpoint"), "{error}");
            assert!(check(far, true).is_ok(), "{far}");
        }
        assert!(!check("http://user:hunter2@far", false).expect_err("in clear").to_string().contains("hunter2"));
    }
}
