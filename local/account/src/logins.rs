//! Who logs in to Kafka: by IAM, with the tokens of SASL/OAUTHBEARER that MSK takes, presigned URLs in Base64; or by what the
//! secrets hold that are associated with a cluster. And to the search index by what secrets hold.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Uri};

use crate::clock;
use crate::credentials::Credentials;
use crate::protocol::query;
use crate::server::Server;
use crate::services::{msk, secrets};
use crate::signature::{self, Payload};

/// What a token is signed for.
const SERVICE: &str = "kafka-cluster";
const ACTION: &str = "kafka-cluster:Connect";
/// The longest time that a token may be good for, in seconds, as Amazon's own signers have it.
const LONGEST: u64 = 900;

/// The credentials of an account as Kafka's brokers ask for them.
#[derive(Clone)]
pub struct Logins(pub(crate) Arc<Server>);

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logins")
    }
}

impl Logins {
    /// What the secret of a name holds now, in whichever account and region there is one that doesn't wait for its deletion.
    pub fn secret(&self, name: &str) -> Vec<String> {
        let account = &self.0.account;
        let scopes = account.scopes().into_iter();
        scopes.filter_map(|scope| account.transact_at(scope, |state| Ok(secrets::current(state, name))).ok()?).collect()
    }

    /// The password by which a user may log in to one of the clusters now (SASL/SCRAM), in whichever account and region.
    pub fn password(&self, user: &str) -> Option<String> {
        let account = &self.0.account;
        let mut scopes = account.scopes().into_iter();
        scopes.find_map(|scope| account.transact_at(scope, |state| Ok(msk::password(state, user))).ok()?)
    }

    /// The access key whose secret signed a token, with its account.
    ///
    /// # Errors
    /// Why the token is none, in a sentence: it isn't signed, its time is over, or it is for something else.
    pub fn check(&self, token: &str) -> Result<String, String> {
        let url =
            URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).map_err(|_| "the token isn't Base64".to_owned())?;
        let url = String::from_utf8(url).map_err(|_| "the token holds no text".to_owned())?;
        let uri: Uri = url.parse().map_err(|_| "the token holds no URL".to_owned())?;
        // Who made it is said behind what is signed.
        let all = uri.query().unwrap_or_default();
        let signed: Vec<&str> = all.split('&').filter(|pair| !pair.starts_with("User-Agent=")).collect();
        let signed = signed.join("&");
        let host = uri.host().unwrap_or_default();
        let request = Request::get(format!("/?{signed}")).header("host", host).body(());
        let (head, ()) = request.map_err(|_| "the token holds no URL".to_owned())?.into_parts();
        let credentials = Credentials::of(&head.headers, &signed).ok_or("the token isn't signed")?;
        let pairs = query::pairs(&signed);
        let said = |name: &str| pairs.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.as_str());
        meant(&uri, &credentials, said("Action"))?;
        if said("X-Amz-Expires").parse::<u64>().is_ok_and(|seconds| seconds > LONGEST) {
            return Err(format!("the token is good for more than {LONGEST} s"));
        }
        let refused = |refusal: signature::Refusal| refusal.error(None).message;
        signature::in_its_time(&head, clock::now()).map_err(refused)?;
        self.0.signed(&head, Payload::Read(b""), &credentials).map_err(refused)?;
        let account = self.0.account_of(&credentials).map_err(|error| error.message)?;
        Ok(format!("{} of {account}", credentials.access_key))
    }
}

/// Refuses a token for another place, service or action.
fn meant(uri: &Uri, credentials: &Credentials, action: &str) -> Result<(), String> {
    let Credentials { region, service, .. } = credentials;
    let hosts = ["amazonaws.com", "amazonaws.com.cn"].map(|suffix| format!("kafka.{region}.{suffix}"));
    let host = uri.host().unwrap_or_default();
    if uri.scheme_str() != Some("https") || uri.path() != "/" || !hosts.iter().any(|known| known == host) {
        return Err(format!("the token is for {host}, not for Kafka in {region}"));
    }
    if service != SERVICE || action != ACTION {
        return Err(format!("the token is for `{action}` of the service `{service}`, not for `{ACTION}`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Secret};

    /// A token for these, signed at that time in milliseconds since the epoch by that secret.
    fn token(host: &str, (service, action): (&str, &str), (time, seconds): (i64, u64), secret: &str) -> String {
        let time = chrono::DateTime::from_timestamp_millis(time).unwrap().format("%Y%m%dT%H%M%SZ").to_string();
        let scope = ["123456789012", &time[..8], "eu-north-1", service, "aws4_request"].join("%2F");
        let query = format!(
            "Action={}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope}&X-Amz-Date={time}&X-Amz-Expires={seconds}\
             &X-Amz-SignedHeaders=host",
            action.replace(':', "%3A")
        );
        let request = Request::get(format!("/?{query}&X-Amz-Signature=00")).header("host", host).body(()).unwrap();
        let signature = signature::made(&request.into_parts().0, &Secret::new(secret));
        let url = format!("https://{host}/?{query}&X-Amz-Signature={signature}&User-Agent=somebody");
        URL_SAFE_NO_PAD.encode(url)
    }

    #[tokio::test]
    async fn a_token_is_taken_as_msk_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Some(Secret::new("right"));
        let running = crate::serve(Config { secret, ..Config::new(folder.path().join("account")) }).await.unwrap();
        let logins = running.logins();
        let (host, what, now) = ("kafka.eu-north-1.amazonaws.com", (SERVICE, ACTION), clock::now());
        let right = token(host, what, (now, 900), "right");
        assert_eq!(logins.check(&right), Ok("123456789012 of 123456789012".to_owned()));
        assert!(logins.check(&(right.clone() + "==")).is_ok(), "padded");
        for (wrong, said) in [
            (token(host, what, (now, 900), "wrong"), "does not match"),
            (token(host, what, (now - 901_000, 900), "right"), "expired"),
            (token(host, what, (now, 901), "right"), "more than 900 s"),
            (token("kafka.eu-west-1.amazonaws.com", what, (now, 900), "right"), "not for Kafka in eu-north-1"),
            (token("kafka.eu-north-1.example.com", what, (now, 900), "right"), "not for Kafka"),
            (
                token(host, (SERVICE, "kafka-cluster:AlterCluster"), (now, 900), "right"),
                "not for `kafka-cluster:Connect`",
            ),
            (token(host, ("sts", ACTION), (now, 900), "right"), "of the service `sts`"),
            (URL_SAFE_NO_PAD.encode(format!("https://{host}/?Action={ACTION}")), "isn't signed"),
            ("!".to_owned(), "isn't Base64"),
            (String::new(), "no URL"),
        ] {
            let refusal = logins.check(&wrong).expect_err(said);
            assert!(refusal.contains(said), "{said}: {refusal}");
        }
        running.shutdown().await;
    }
}
