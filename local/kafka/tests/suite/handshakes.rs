//! What a listener that asks for a login answers, request by request; the same as a real Kafka's.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    ApiVersionsRequest, MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
};
use ring::{digest, hmac, pbkdf2};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::authority::trusting;
use crate::logins::Guarded;
use crate::support::{ask, exchange, text};

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

pub fn connect(broker: &Guarded) -> Stream {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let client = ClientConnection::new(trusting(&broker.ca), name).unwrap();
    let stream = TcpStream::connect(&broker.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    StreamOwned::new(client, stream)
}

fn begin(stream: &mut Stream, mechanism: &str) -> Option<(i16, Vec<String>)> {
    let answer = exchange(stream, 1, &SaslHandshakeRequest::default().with_mechanism(text(mechanism)))?;
    let mut names: Vec<String> = answer.mechanisms.iter().map(ToString::to_string).collect();
    names.sort();
    Some((answer.error_code, names))
}

fn say(stream: &mut Stream, message: &str) -> Option<SaslAuthenticateResponse> {
    let bytes = Bytes::copy_from_slice(message.as_bytes());
    exchange(stream, 2, &SaslAuthenticateRequest::default().with_auth_bytes(bytes))
}

/// Logs in by SCRAM-SHA-512, step by step, and returns the server's last answer.
pub fn log_in(stream: &mut Stream, user: &str, password: &str) -> SaslAuthenticateResponse {
    assert_eq!(begin(stream, "SCRAM-SHA-512").unwrap().0, 0);
    let answer = say(stream, &format!("n,,n={user},r=abc")).unwrap();
    if answer.error_code != 0 {
        return answer;
    }
    let challenge = String::from_utf8(answer.auth_bytes.to_vec()).unwrap();
    let part = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
    assert!(part("r=").starts_with("abc") && part("r=").len() > 20, "{challenge}");
    assert_eq!(part("i="), "4096");
    let mut salted = [0; 64];
    let iterations = NonZeroU32::new(4096).unwrap();
    let salt = STANDARD.decode(part("s=")).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, &salt, password.as_bytes(), &mut salted);
    let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, key), text);
    let key = sign(&salted, b"Client Key");
    let last = format!("c=biws,r={}", part("r="));
    let said = format!("n={user},r=abc,{challenge},{last}");
    let signature = sign(digest::digest(&digest::SHA512, key.as_ref()).as_ref(), said.as_bytes());
    let proof: Vec<u8> = key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
    let answer = say(stream, &format!("{last},p={}", STANDARD.encode(proof))).unwrap();
    if answer.error_code == 0 {
        let own = sign(sign(&salted, b"Server Key").as_ref(), said.as_bytes());
        assert_eq!(answer.auth_bytes, format!("v={}", STANDARD.encode(own)), "the server knows the password too");
    }
    answer
}

fn is_closed(stream: &mut Stream) -> bool {
    !matches!(stream.read(&mut [0]), Ok(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_before_the_login() {
    let broker = Guarded::start().await;
    let everything = MetadataRequest::default().with_topics(None);
    assert!(exchange(&mut connect(&broker), 9, &everything).is_none(), "Metadata was answered");
    assert!(say(&mut connect(&broker), "n,,n=shop,r=abc").is_none(), "SaslAuthenticate was answered first");

    let mut stream = connect(&broker);
    let versions = exchange(
        &mut stream,
        3,
        &ApiVersionsRequest::default().with_client_software_name(text("suite")).with_client_software_version(text("1")),
    )
    .unwrap();
    assert_eq!(versions.error_code, 0);
    assert!(versions.api_keys.iter().any(|key| key.api_key == 36), "SaslAuthenticate is among them");
    assert!(exchange(&mut stream, 9, &everything).is_none(), "Metadata was answered after ApiVersions");

    // A first byte in clear, and a request as large as only those of known clients may be.
    let mut clear = TcpStream::connect(&broker.address).unwrap();
    clear.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    clear.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 77, 0xff, 0xff]).unwrap();
    let mut answer = Vec::new();
    _ = clear.read_to_end(&mut answer);
    assert!(answer.len() <= 7, "a request in clear was answered by more than TLS's alert: {answer:?}");
    let mut stream = connect(&broker);
    stream.write_all(&(1_u32 << 20).to_be_bytes()).unwrap();
    assert!(is_closed(&mut stream));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mechanism_that_is_not_offered_ends_the_connection() {
    let broker = Guarded::start().await;
    for other in ["OAUTHBEARER", "PLAIN", "GSSAPI"] {
        let mut stream = connect(&broker);
        let offered = ["SCRAM-SHA-256", "SCRAM-SHA-512"].map(str::to_owned).to_vec();
        assert_eq!(begin(&mut stream, other), Some((ResponseError::UnsupportedSaslMechanism.code(), offered)));
        assert!(is_closed(&mut stream));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_password_is_told_so_and_nothing_else() {
    let broker = Guarded::start().await;
    let message =
        "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512";
    let refused = |answer: &SaslAuthenticateResponse, said: &str| {
        assert_eq!(answer.error_code, ResponseError::SaslAuthenticationFailed.code());
        assert_eq!(answer.error_message.as_deref(), Some(said));
        assert!(answer.auth_bytes.is_empty());
    };
    for (user, password) in [("shop", "wrong"), ("nobody", "right")] {
        let mut stream = connect(&broker);
        refused(&log_in(&mut stream, user, password), message);
        assert!(is_closed(&mut stream));
    }
    let other = "Authentication failed: Client requested an authorization id that is different from username";
    for (first, said) in [("n,a=admin,n=shop,r=abc", other), ("n,,n=shop", message), ("", message)] {
        let mut stream = connect(&broker);
        assert_eq!(begin(&mut stream, "SCRAM-SHA-512").unwrap().0, 0);
        refused(&say(&mut stream, first).unwrap(), said);
        assert!(is_closed(&mut stream), "{first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_logged_in_is_served() {
    let broker = Guarded::start().await;
    let mut stream = connect(&broker);
    let answer = log_in(&mut stream, "shop", "right");
    assert_eq!((answer.error_code, answer.error_message.unwrap_or_default().as_str()), (0, ""));
    let nothing = MetadataRequest::default().with_topics(Some(Vec::new()));
    let metadata = exchange(&mut stream, 9, &nothing).unwrap();
    assert_eq!(format!("{}:{}", metadata.brokers[0].host, metadata.brokers[0].port), broker.address);
    let answer = say(&mut stream, "n,,n=shop,r=abc").unwrap();
    assert_eq!(answer.error_code, ResponseError::IllegalSaslState.code());
    let Some((_, known, _)) = &broker.ours else { return };
    // A real Kafka takes another login only a second after the last one.
    known.set("other", Some("word"));
    assert_eq!(log_in(&mut stream, "shop", "right").error_code, 0);
    known.set("shop", Some("another"));
    assert!(exchange(&mut stream, 9, &nothing).is_some(), "who is logged in stays so");
    let answer = log_in(&mut stream, "other", "word");
    assert_eq!(answer.error_code, ResponseError::SaslAuthenticationFailed.code());
    assert_eq!(answer.error_message.as_deref(), Some("Cannot change principals during re-authentication"));
    assert!(is_closed(&mut stream));
}

#[test]
fn where_nobody_logs_in_a_login_is_out_of_place() {
    let broker = crate::support::Broker::start();
    let answer = ask(broker.address(), 1, &SaslHandshakeRequest::default().with_mechanism(text("SCRAM-SHA-512")));
    assert_eq!(answer.error_code, ResponseError::IllegalSaslState.code());
}
