//! Who asks: logging in by a token (SASL/OAUTHBEARER) or by name and password (SASL/SCRAM), in the order of requests that
//! Kafka's own brokers want.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};

use super::text;
use crate::Login;
use crate::blocking::blocking;
use crate::broker::Broker;
use crate::rights::Rights;
use crate::scram::{Exchange, First, Hash};

/// What divides the parts of a client's first message with a token.
/// <https://www.rfc-editor.org/rfc/rfc7628#section-3.1>
const SEPARATOR: char = '\u{1}';
/// Who asks where nobody has to log in.
const ANONYMOUS: &str = "ANONYMOUS";

/// The ways to log in, by their SASL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Token,
    Scram(Hash),
}

impl Mechanism {
    const ALL: [(&'static str, Self, Login); 3] = [
        ("OAUTHBEARER", Self::Token, Login::Token),
        ("SCRAM-SHA-512", Self::Scram(Hash::Sha512), Login::Password),
        ("SCRAM-SHA-256", Self::Scram(Hash::Sha256), Login::Password),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known, _)| *known == self).map_or("", |(name, ..)| name)
    }
}

/// One connection: where it came in, and how far its client has come with logging in.
#[derive(Debug)]
pub struct Session {
    /// The listener's address, which clients are given.
    pub address: SocketAddr,
    /// Where the client connects from.
    pub peer: SocketAddr,
    login: Login,
    state: State,
    /// Who has logged in.
    user: Option<String>,
}

#[derive(Debug)]
enum State {
    /// Everything is answered.
    Served,
    /// The client has to begin to log in.
    Expected,
    /// The client has chosen how.
    Begun(Mechanism),
    /// The client has to prove that it knows the password.
    Challenged(Hash, Box<Exchange>),
    /// The client was refused.
    Refused,
}

impl Session {
    /// A connection at its beginning.
    pub fn new(address: SocketAddr, peer: SocketAddr, login: Login) -> Self {
        let state = if login == Login::Nobody { State::Served } else { State::Expected };
        Self { address, peer, login, state, user: None }
    }

    /// Whether the client needn't log in, or has.
    pub fn is_served(&self) -> bool {
        matches!(self.state, State::Served)
    }

    /// Whether the client was refused, so that the connection ends with the answer.
    pub fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused)
    }

    /// Whether the client logs in by a token.
    fn is_by_token(&self) -> bool {
        self.login == Login::Token
    }

    /// The name of who asks.
    fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(ANONYMOUS)
    }

    /// What the client may do as of now.
    pub fn rights(&self, broker: &Broker) -> Rights {
        match &broker.config.authorizer {
            Some(authorizer) if !self.is_by_token() => {
                Rights::of(authorizer, self.user(), self.peer.ip(), broker.acls())
            }
            _ => Rights::everything(),
        }
    }

    /// Whether a request can be answered now.
    pub fn admits(&self, key: ApiKey) -> bool {
        match self.state {
            State::Served => true,
            State::Expected => matches!(key, ApiKey::ApiVersions | ApiKey::SaslHandshake),
            State::Begun(_) | State::Challenged(..) => key == ApiKey::SaslAuthenticate,
            State::Refused => false,
        }
    }
}

/// The mechanisms, and whether the client's is among them. Who has logged in may do so again, as the same.
pub fn handshake(session: &mut Session, request: &SaslHandshakeRequest) -> SaslHandshakeResponse {
    let response = SaslHandshakeResponse::default();
    let wanted = session.login;
    if wanted == Login::Nobody {
        return response.with_error_code(ResponseError::IllegalSaslState.code());
    }
    let offered = Mechanism::ALL.into_iter().filter(|(.., login)| *login == wanted);
    let response = response.with_mechanisms(offered.clone().map(|(name, ..)| text(name)).collect());
    match offered.into_iter().find(|(name, ..)| *name == request.mechanism.as_str()) {
        Some((_, mechanism, _)) => {
            session.state = State::Begun(mechanism);
            response
        }
        None => {
            session.state = State::Refused;
            response.with_error_code(ResponseError::UnsupportedSaslMechanism.code())
        }
    }
}

/// What the server says next to a client that logs in, and who it is once that is known.
enum Said {
    Challenge(Hash, Box<Exchange>),
    Welcome(String, Bytes),
}

/// A step of a client's login.
pub async fn authenticate(
    broker: &Arc<Broker>,
    session: &mut Session,
    request: SaslAuthenticateRequest,
) -> SaslAuthenticateResponse {
    let response = SaslAuthenticateResponse::default();
    if session.is_served() {
        let message = text("SaslAuthenticate request received after successful authentication");
        return response.with_error_code(ResponseError::IllegalSaslState.code()).with_error_message(Some(message));
    }
    let message = request.auth_bytes;
    let said = match std::mem::replace(&mut session.state, State::Refused) {
        State::Begun(Mechanism::Token) => by_token(broker, &message),
        State::Begun(Mechanism::Scram(hash)) => challenge(broker, hash, &message).await,
        State::Challenged(hash, exchange) => match exchange.finish(&message) {
            Some((user, answer)) => Ok(Said::Welcome(user, answer.into())),
            None => Err(wrong(hash)),
        },
        State::Served | State::Expected | State::Refused => Err("the client hasn't begun to log in".to_owned()),
    };
    match said {
        Ok(Said::Challenge(hash, exchange)) => {
            let response = response.with_auth_bytes(exchange.challenge().to_owned().into());
            session.state = State::Challenged(hash, exchange);
            response
        }
        Ok(Said::Welcome(user, _)) if session.user.as_ref().is_some_and(|known| *known != user) => {
            tracing::warn!(user, former = session.user(), "a client logged in again as another user");
            refusal("Cannot change principals during re-authentication".to_owned())
        }
        Ok(Said::Welcome(user, answer)) => {
            tracing::debug!(user, "a client logged in");
            (session.user, session.state) = (Some(user), State::Served);
            response.with_auth_bytes(answer)
        }
        Err(reason) => {
            tracing::warn!(peer = %session.peer, reason, "a client was refused");
            refusal(reason)
        }
    }
}

fn refusal(reason: String) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse::default()
        .with_error_code(ResponseError::SaslAuthenticationFailed.code())
        .with_error_message(Some(text(reason)))
}

/// What Kafka says whatever was wrong: nobody learns from it who there is.
fn wrong(hash: Hash) -> String {
    let name = Mechanism::Scram(hash).name();
    format!("Authentication failed during authentication due to invalid credentials with SASL mechanism {name}")
}

fn by_token(broker: &Broker, message: &Bytes) -> Result<Said, String> {
    let logins = broker.logins().ok_or("access denied: nobody can log in yet")?;
    let token = token(message).ok_or("access denied: the message holds no token")?;
    let who = logins.check(token).map_err(|reason| format!("access denied: {reason}"))?;
    Ok(Said::Welcome(who, Bytes::new()))
}

async fn challenge(broker: &Arc<Broker>, hash: Hash, message: &[u8]) -> Result<Said, String> {
    let first = First::read(message).ok_or_else(|| wrong(hash))?;
    if !first.acting_as.is_empty() && first.acting_as != first.user {
        return Err(
            "Authentication failed: Client requested an authorization id that is different from username".into()
        );
    }
    let (broker, user) = (broker.clone(), first.user.clone());
    // The account's answer and the keys both take a while.
    let keys = blocking(move || {
        let password = broker.logins().and_then(|logins| logins.password(&user));
        if password.is_none() {
            broker.keyring.forget(&user);
        }
        password.map(|password| broker.keyring.keys(hash, &user, &password))
    });
    let keys = keys.await.ok_or_else(|| wrong(hash))?;
    Ok(Said::Challenge(hash, Box::new(Exchange::begin(hash, first, keys))))
}

/// The token in a client's first message, `n,,\x01auth=Bearer TOKEN\x01\x01`.
fn token(message: &Bytes) -> Option<&str> {
    let message = std::str::from_utf8(message).ok()?;
    let parts = message.split(SEPARATOR).filter_map(|part| part.strip_prefix("auth="));
    parts.filter_map(|value| value.split_once(' ')).find_map(|(scheme, token)| {
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_in_the_first_message() {
        let message = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert_eq!(token(&message("n,,\u{1}auth=Bearer abc\u{1}\u{1}")), Some("abc"));
        assert_eq!(token(&message("n,a=me,\u{1}host=h\u{1}auth=bearer abc\u{1}x=y\u{1}\u{1}")), Some("abc"));
        for none in ["", "n,,\u{1}\u{1}", "n,,\u{1}auth=Basic abc\u{1}\u{1}", "n,,\u{1}auth=Bearer \u{1}\u{1}", "abc"] {
            assert_eq!(token(&message(none)), None, "{none:?}");
        }
        assert_eq!(token(&Bytes::from_static(&[0xff, 1])), None);
    }

    #[test]
    fn who_has_to_log_in_does_nothing_else_first() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9096));
        let mut session = Session::new(address, address, Login::Password);
        let asked =
            [ApiKey::ApiVersions, ApiKey::SaslHandshake, ApiKey::SaslAuthenticate, ApiKey::Metadata, ApiKey::Produce];
        let admitted = |session: &Session| asked.map(|key| session.admits(key));
        assert_eq!(admitted(&session), [true, true, false, false, false]);
        let begin = |mechanism| SaslHandshakeRequest::default().with_mechanism(text(mechanism));
        let answer = handshake(&mut session, &begin("SCRAM-SHA-512"));
        assert_eq!((answer.error_code, answer.mechanisms.len()), (0, 2));
        assert_eq!(admitted(&session), [false, false, true, false, false]);
        for other in ["OAUTHBEARER", "PLAIN", ""] {
            let mut session = Session::new(address, address, Login::Password);
            let answer = handshake(&mut session, &begin(other));
            assert_eq!(answer.error_code, ResponseError::UnsupportedSaslMechanism.code());
            assert!(session.is_refused() && admitted(&session) == [false; 5], "{other}");
        }
        let mut open = Session::new(address, address, Login::Nobody);
        assert_eq!(admitted(&open), [true; 5]);
        assert_eq!(handshake(&mut open, &begin("OAUTHBEARER")).error_code, ResponseError::IllegalSaslState.code());
        assert!(open.is_served());
    }
}
