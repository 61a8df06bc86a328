//! Where requests go.

use std::env;
use std::fmt::Write;

use http::Uri;

use crate::errors::Error;
use crate::service::Api;

/// The endpoints that the configuration names; whatever it names none for goes to AWS.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// For every service.
    pub all: Option<String>,
    /// Whether variables for single services count.
    pub from_environment: bool,
}

impl Endpoints {
    /// The endpoint set for a service, without a slash at the end.
    pub fn custom(&self, api: &Api) -> Option<String> {
        let single =
            if self.from_environment { env::var(format!("AWS_ENDPOINT_URL_{}", api.variable)).ok() } else { None };
        let url = single.filter(|url| !url.is_empty()).or_else(|| self.all.clone())?;
        Some(url.trim_end_matches('/').to_owned())
    }

    /// The scheme and host, such as `https://kms.eu-central-1.amazonaws.com`.
    pub fn base(&self, api: &Api, region: &str) -> String {
        self.custom(api).unwrap_or_else(|| match api.global_region {
            Some(_) => format!("https://{}.amazonaws.com", api.host),
            None => format!("https://{}.{region}.amazonaws.com", api.host),
        })
    }
}

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

/// Appends `text` with everything but unreserved characters encoded; slashes stay when `path`.
pub fn percent_encode(out: &mut String, text: &str, path: bool) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if path => out.push('/'),
            _ => write!(out, "%{byte:02X}").expect("writing to a string can't fail"),
        }
    }
}

/// `?name=value&…`, or nothing.
pub fn query_string(parameters: &[(String, Option<String>)]) -> String {
    let mut out = String::new();
    for (name, value) in parameters {
        out.push(if out.is_empty() { '?' } else { '&' });
        percent_encode(&mut out, name, false);
        out.push('=');
        percent_encode(&mut out, value.as_deref().unwrap_or_default(), false);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    #[test]
    fn hosts_follow_the_partition_aws() {
        let endpoints = Endpoints::default();
        assert_eq!(endpoints.base(Service::Kms.api(), "eu-central-1"), "https://kms.eu-central-1.amazonaws.com");
        assert_eq!(endpoints.base(Service::Iam.api(), "eu-central-1"), "https://iam.amazonaws.com");
    }

    #[test]
    fn set_endpoints_win() {
        let endpoints = Endpoints { all: Some("http://127.0.0.1:9000/".into()), from_environment: false };
        assert_eq!(endpoints.base(Service::Iam.api(), "eu-central-1"), "http://127.0.0.1:9000");
    }

    #[test]
    fn wrong_endpoints_say_the_cure() {
        assert!(check("http://127.0.0.1:9000").is_ok());
        for wrong in ["127.0.0.1:9000", "ftp://host", "http://", "not a url"] {
            assert!(check(wrong).expect_err(wrong).to_string().contains("AWS_ENDPOINT_URL"), "{wrong}");
        }
    }
}
