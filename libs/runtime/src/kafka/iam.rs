//! Tokens by which Kafka clients log in to MSK with AWS credentials.

use std::fmt;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lakewright_aws::{Aws, Options};
use rdkafka::client::OAuthToken;
use tokio::runtime::Handle;

/// How long MSK takes a token.
const LIFETIME: Duration = Duration::from_mins(15);
/// Who made a token, for MSK's own records.
const USER_AGENT: &str = concat!("lakewright%2F", env!("CARGO_PKG_VERSION"));

/// Makes tokens for the clusters of a region.
#[derive(Clone)]
pub(super) struct Tokens {
    aws: Aws,
    region: String,
    runtime: Handle,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.region)
    }
}

impl Tokens {
    /// Tokens of the credentials that every AWS tool here finds.
    ///
    /// # Errors
    /// There are none.
    pub(super) async fn connect(region: &str) -> anyhow::Result<Self> {
        let options = Options { region: Some(region.to_owned()), ..Options::default() };
        Ok(Self::of(Aws::connect(options).await?, region))
    }

    pub(super) fn of(aws: Aws, region: &str) -> Self {
        Self { aws, region: region.to_owned(), runtime: Handle::current() }
    }

    /// A fresh token.
    ///
    /// # Errors
    /// The credentials are over and there are no others.
    pub(super) async fn token(&self) -> anyhow::Result<OAuthToken> {
        let url = format!("https://kafka.{}.amazonaws.com/?Action=kafka-cluster%3AConnect", self.region);
        let signed = self.aws.presigned(&url, ("kafka-cluster", &self.region), LIFETIME).await;
        let (signed, time) = signed.context("make a token for Kafka")?;
        Ok(OAuthToken {
            // What names the maker is no part of what is signed.
            token: URL_SAFE_NO_PAD.encode(format!("{signed}&User-Agent={USER_AGENT}")),
            principal_name: "lakewright".to_owned(),
            lifetime_ms: milliseconds(time + LIFETIME),
        })
    }

    /// The same, from wherever librdkafka's callbacks run: a worker of the async runtime mustn't be blocked on directly.
    ///
    /// # Errors
    /// As [`Tokens::token`].
    pub(super) fn token_blocking(&self) -> anyhow::Result<OAuthToken> {
        std::thread::scope(|scope| scope.spawn(|| self.runtime.block_on(self.token())).join())
            .map_err(|_| anyhow!("making a token for Kafka ended in a panic"))?
    }
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parameters of `aws-msk-iam-sasl-signer-python` 1.0.2; its signature is compared where signatures are made.
    #[tokio::test]
    async fn a_token_has_the_parts_of_msks_own_signer() {
        let aws = Aws::with_keys("eu-north-1", "http://127.0.0.1:9", "AKIDEXAMPLE", "secret").expect("a client");
        let made = Tokens::of(aws, "eu-north-1").token_blocking().expect("a token");
        assert!(!made.token.contains(['=', '+', '/']), "{}", made.token);
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(&made.token).expect("Base64")).expect("text");
        let (address, query) = url.split_once('?').expect("a query");
        assert_eq!(address, "https://kafka.eu-north-1.amazonaws.com/");
        let names: Vec<&str> = query.split('&').filter_map(|part| part.split_once('=')).map(|(name, _)| name).collect();
        let theirs = [
            "Action",
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
            "User-Agent",
        ];
        assert_eq!(names, theirs);
        for part in ["Action=kafka-cluster%3AConnect", "X-Amz-Expires=900", "X-Amz-SignedHeaders=host"] {
            assert!(query.contains(part), "{query}");
        }
        assert!(query.contains("%2Feu-north-1%2Fkafka-cluster%2Faws4_request"), "{query}");
        let left = made.lifetime_ms - milliseconds(SystemTime::now());
        assert!((800_000..=900_000).contains(&left), "{left} ms");
    }
}
