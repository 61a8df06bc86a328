//! Who asks: logging in by a token (SASL/OAUTHBEARER). A client that doesn't begin to is served in clear.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};

use super::text;
use crate::broker::Broker;

/// The one mechanism.
const MECHANISM: &str = "OAUTHBEARER";
/// What divides the parts of a client's first message.
/// <https://www.rfc-editor.org/rfc/rfc7628#section-3.1>
const SEPARATOR: char = '\u{1}';

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Session {
    /// Its client says nothing of who it is.
    #[default]
    InClear,
    /// Its client begins to log in.
    Begun,
    /// Its client is known.
    LoggedIn,
    /// Its client was refused.
    Refused,
}

impl Session {
    /// Whether a request can be answered now. Who has begun to log in has to end it before anything else.
    pub fn admits(self, key: ApiKey) -> bool {
        match self {
            Self::InClear | Self::LoggedIn => true,
            Self::Begun => matches!(key, ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate),
            Self::Refused => false,
        }
    }
}

/// The mechanisms, and whether the client's is among them.
pub fn handshake(broker: &Broker, session: &mut Session, request: &SaslHandshakeRequest) -> SaslHandshakeResponse {
    let mechanisms = if broker.logins().is_some() { vec![text(MECHANISM)] } else { Vec::new() };
    let response = SaslHandshakeResponse::default();
    if !mechanisms.contains(&request.mechanism) {
        *session = Session::Refused;
        return response.with_error_code(ResponseError::UnsupportedSaslMechanism.code()).with_mechanisms(mechanisms);
    }
    *session = Session::Begun;
    response.with_mechanisms(mechanisms)
}

/// Whether the client is who its token says.
pub fn authenticate(
    broker: &Broker,
    session: &mut Session,
    request: &SaslAuthenticateRequest,
) -> SaslAuthenticateResponse {
    let response = SaslAuthenticateResponse::default();
    if *session != Session::Begun {
        *session = Session::Refused;
        let message = "SaslAuthenticate comes after SaslHandshake";
        return response
            .with_error_code(ResponseError::IllegalSaslState.code())
            .with_error_message(Some(text(message)));
    }
    let checked = match (broker.logins(), token(&request.auth_bytes)) {
        (Some(logins), Some(token)) => logins.check(token),
        _ => Err("the message holds no token".to_owned()),
    };
    match checked {
        Ok(who) => {
            *session = Session::LoggedIn;
            tracing::debug!(who, "a client logged in");
            response
        }
        Err(reason) => {
            *session = Session::Refused;
            tracing::warn!(reason, "a client was refused");
            response
                .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                .with_error_message(Some(text(format!("access denied: {reason}"))))
        }
    }
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
    fn who_begins_to_log_in_does_nothing_else_first() {
        for key in [ApiKey::Metadata, ApiKey::Produce] {
            assert!(Session::InClear.admits(key) && Session::LoggedIn.admits(key));
            assert!(!Session::Begun.admits(key) && !Session::Refused.admits(key));
        }
        assert!(Session::Begun.admits(ApiKey::SaslAuthenticate) && !Session::Refused.admits(ApiKey::SaslAuthenticate));
    }
}
