//! URLs with a signature of version 4 in their query.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;

use crate::endpoint::percent_encode;

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
            presigned.push(sign);
            presigned.push_str(name);
            presigned.push('=');
            percent_encode(&mut presigned, value);
        }
        Ok(presigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AKIDEXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

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
}
