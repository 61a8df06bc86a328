//! Signature version 4.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;

use crate::endpoint::percent_encode;
use crate::protocol::Request;

/// What a signature is made of besides the request.
pub struct Signer<'a> {
    /// The credentials.
    pub credentials: &'a Credentials,
    /// The region that signs.
    pub region: &'a str,
    /// The service's name in signatures.
    pub service: &'a str,
    /// The time of the request, on the service's clock.
    pub time: SystemTime,
}

impl Signer<'_> {
    /// The headers to add to a request to `url`. `url` has the encoded path and query; `host` is in the signature.
    pub fn headers(&self, request: &Request, url: &str, host: &str) -> Result<Vec<(String, String)>, String> {
        let s3 = self.service == "s3";
        let mut settings = SigningSettings::default();
        if s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.time)
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        // TLS protects the body on its way; hashing what goes to S3 a second time would cost as much as sending it.
        let body = if s3 && url.starts_with("https:") && !request.body.is_empty() {
            SignableBody::UnsignedPayload
        } else {
            SignableBody::Bytes(&request.body)
        };
        let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = headers.chain([("host", host)]);
        let signable = SignableRequest::new(request.method.as_str(), url, headers, body).map_err(|e| e.to_string())?;
        let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The URL of a GET with its signature in the query, good for so long.
    pub fn presigned(&self, url: &str, expires: Duration) -> Result<String, String> {
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(expires);
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.time)
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let signable = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(&[]));
        let signed = sign(signable.map_err(|error| error.to_string())?, &params).map_err(|error| error.to_string())?;
        let mut presigned = url.to_owned();
        for (name, value) in signed.into_parts().0.params() {
            let sign = if presigned.contains('?') { '&' } else { '?' };
            write!(presigned, "{sign}{name}=").expect("writing to a string can't fail");
            percent_encode(&mut presigned, value, false);
        }
        Ok(presigned)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Method;

    use super::*;

    const KEY: &str = "AKIDEXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn authorization(service: &str, key: (&str, &str), time: u64, request: &Request, url: (&str, &str)) -> String {
        let credentials = Credentials::new(key.0, key.1, None, None, "test");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
        let signer = Signer { credentials: &credentials, region: "us-east-1", service, time };
        let headers = signer.headers(request, url.0, url.1).expect("signed");
        headers.into_iter().find(|(name, _)| name == "authorization").expect("an authorization header").1
    }

    /// `get-vanilla` of AWS's Signature Version 4 test suite.
    #[test]
    fn the_test_suite_of_aws_agrees() {
        let request = Request { method: Method::GET, target: "/".into(), headers: vec![], body: Bytes::new() };
        assert_eq!(
            authorization(
                "service",
                (KEY, SECRET),
                1_440_938_160,
                &request,
                ("https://example.amazonaws.com/", "example.amazonaws.com")
            ),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    /// What `aws-msk-iam-sasl-signer-python` 1.0.2 makes of these keys at this time, the part that is signed.
    #[test]
    fn msks_own_signer_agrees() {
        let url = "https://kafka.eu-north-1.amazonaws.com/?Action=kafka-cluster%3AConnect";
        let common = "&X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIDEXAMPLE%2F20260304%2Feu-north-1%2Fkafka-cluster%2Faws4_request\
            &X-Amz-Date=20260304T050607Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host";
        let session = "FwoGZXIvYXdzEXAMPLE/token+with=signs==";
        for (token, rest) in [
            (None, "&X-Amz-Signature=26186e3ee71a5d4ea3748431c496a0490334fb3d7a166ff614573ae386902799"),
            (
                Some(session.to_owned()),
                "&X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2Ftoken%2Bwith%3Dsigns%3D%3D\
                 &X-Amz-Signature=084219d02cf955fe92abeb5e2e6e3dbe2088fd87292ae5d1689a2b192787bb24",
            ),
        ] {
            let credentials = Credentials::new(KEY, SECRET, token, None, "test");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_600_767);
            let signer = Signer { credentials: &credentials, region: "eu-north-1", service: "kafka-cluster", time };
            let presigned = signer.presigned(url, Duration::from_mins(15)).expect("signed");
            let parts = |text: &str| {
                let mut parts: Vec<String> = text.split(['?', '&']).map(str::to_owned).collect();
                parts.sort();
                parts
            };
            assert_eq!(parts(&presigned), parts(&format!("{url}{common}{rest}")));
        }
    }

    /// The ranged GET of the S3 documentation's signing examples.
    #[test]
    fn the_example_of_the_s3_documentation_agrees() {
        let request = Request {
            method: Method::GET,
            target: "/test.txt".into(),
            headers: vec![("range".into(), "bytes=0-9".into())],
            body: Bytes::new(),
        };
        let key = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let host = "examplebucket.s3.amazonaws.com";
        let url = format!("https://{host}/test.txt");
        let authorization = authorization("s3", key, 1_369_353_600, &request, (&url, host));
        assert!(
            authorization.ends_with("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{authorization}"
        );
    }
}
