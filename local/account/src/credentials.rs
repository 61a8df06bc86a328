//! Who signed a request, for which service and region, as it says itself; whether that is so, `signature` finds out.

use http::HeaderMap;

/// The credential scope of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The access key.
    pub access_key: String,
    /// The region that the request was signed for.
    pub region: String,
    /// The signing name of the service.
    pub service: String,
}

impl Credentials {
    /// Reads the `Authorization` header, or the query of a presigned URL.
    pub fn of(headers: &HeaderMap, query: &str) -> Option<Self> {
        if let Some(header) = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            let scope = header.split_once("Credential=")?.1;
            return Self::parse(scope.split([',', ' ']).next()?);
        }
        let pairs = crate::protocol::query::pairs(query);
        let scope = pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case("X-Amz-Credential"))?;
        Self::parse(&scope.1)
    }

    /// Reads `ACCESS_KEY/DATE/REGION/SERVICE/aws4_request`.
    fn parse(scope: &str) -> Option<Self> {
        let parts: Vec<&str> = scope.rsplitn(5, '/').collect();
        let [_, service, region, _, access_key] = parts[..] else { return None };
        Some(Self { access_key: access_key.to_owned(), region: region.to_owned(), service: service.to_owned() })
    }
}
