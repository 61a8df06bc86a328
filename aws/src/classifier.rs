//! Which failed attempts are made again, and when: the SDK's retry classifier that has the last word.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority};
use aws_smithy_types::retry::ErrorKind;

use crate::credentials::Keeper;
use crate::errors::{Kind, classify};
use crate::retry::{self, Pace};
use crate::watch::{Attempt, State, Watch};
use crate::wire::Meter;

/// Judges the attempts of one service's calls.
#[derive(Debug)]
pub struct Classifier {
    /// The service's name.
    pub service: &'static str,
    /// The service's pace.
    pub pace: Arc<Pace>,
    /// The credentials, which a refusal may end.
    pub credentials: Keeper,
    /// The clocks.
    pub meter: Arc<Meter>,
}

impl ClassifyRetry for Classifier {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(watch) = Watch::current() else { return RetryAction::NoActionIndicated };
        let Some(kind) = self.kind(&watch, context) else { return RetryAction::NoActionIndicated };
        let State { attempts, decided, .. } = watch.state();
        let again = match decided {
            Some((attempt, again)) if attempt == attempts => again,
            _ => self.decide(&watch, kind),
        };
        match again {
            None => RetryAction::RetryForbidden,
            Some(pause) => {
                let reason =
                    if kind == Kind::Throttled { ErrorKind::ThrottlingError } else { ErrorKind::TransientError };
                RetryAction::retryable_error_with_explicit_delay(reason, pause)
            }
        }
    }

    fn name(&self) -> &'static str {
        "lakewright"
    }

    fn priority(&self) -> RetryClassifierPriority {
        // After each of the SDK's own, so that what this one says is what counts.
        let after = RetryClassifierPriority::run_after;
        after(after(after(RetryClassifierPriority::transient_error_classifier())))
    }
}

impl Classifier {
    /// What the failure of the last attempt means; nothing if it didn't fail.
    fn kind(&self, watch: &Watch, context: &InterceptorContext) -> Option<Kind> {
        let Some(Err(error)) = context.output_or_error() else { return None };
        let State { operation, attempt, .. } = watch.state();
        let kind = match (&attempt, error.as_operation_error()) {
            (Attempt::Answered(status), Some(error)) => {
                let (code, message) = watch.describe(error).unwrap_or_default();
                let is_unreadable = code.is_empty() && *status < 300;
                let kind = || classify(self.service, &operation, &code, &message, *status);
                if is_unreadable { Kind::NoAnswer } else { kind() }
            }
            // The head of an answer came, and not its body, or one that can't be read.
            (Attempt::Answered(_), None) => Kind::NoAnswer,
            (Attempt::NoAnswer(_), _) => Kind::NoAnswer,
            (Attempt::NotConnected(_), _) => Kind::NotConnected,
            (Attempt::TooLate, _) => Kind::TooLate,
            // Nothing was sent: credentials or endpoint are missing, which no repetition changes.
            (Attempt::None, _) => Kind::Configuration,
        };
        watch.note(|state| {
            let is_server_error = matches!(attempt, Attempt::Answered(status) if status >= 500);
            state.lost |= kind == Kind::NoAnswer || (is_server_error && kind != Kind::Throttled);
        });
        Some(kind)
    }

    /// Decides on the attempt that has just failed.
    fn decide(&self, watch: &Watch, kind: Kind) -> Option<Duration> {
        if kind == Kind::Throttled {
            self.pace.throttled();
        }
        watch.note(|state| {
            let again = self.again(kind, watch.once, state);
            state.decided = Some((state.attempts, again));
            if let Some(pause) = again {
                let State { service, operation, attempts, .. } = state;
                tracing::debug!(service, operation, ?kind, attempt = attempts, ?pause, "request is repeated");
            }
            again
        })
    }

    /// The pause before the next attempt, if there is one.
    fn again(&self, kind: Kind, once: bool, state: &mut State) -> Option<Duration> {
        let again = match kind {
            Kind::Throttled => state.attempts < retry::THROTTLED_ATTEMPTS,
            _ if once && state.lost => false,
            // EC2 says the same of credentials that are over and of a wrong clock, which the SDK has set by now.
            Kind::Expired | Kind::Stale if !state.renewed => {
                state.renewed = true;
                self.credentials.forget();
                true
            }
            Kind::Skewed if !state.renewed => {
                state.renewed = true;
                self.meter.skew() != state.skew
            }
            _ => kind.is_retryable() && state.attempts < retry::ATTEMPTS,
        };
        again.then(|| retry::backoff(state.attempts))
    }
}
