//! What one call went through: whether an attempt was sent, answered or lost, and whether it may be sent again.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::interceptors::context;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use parking_lot::Mutex;

use crate::credentials::Keeper;

tokio::task_local! {
    /// The call that the running task is in; the SDK runs interceptors, classifiers and connectors in the caller's task.
    static CURRENT: Arc<Watch>;
}

/// The code and the message of an error that an operation answered.
type Described = fn(&context::Error) -> Option<(String, String)>;

/// One call, with all of its attempts.
#[derive(Debug)]
pub struct Watch {
    /// Whether the call must not be sent again once it may have been received.
    pub once: bool,
    described: Described,
    state: Mutex<State>,
}

/// How the last attempt ended on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Attempt {
    /// Nothing was sent yet.
    #[default]
    None,
    /// The deadline was over: nothing was sent.
    TooLate,
    /// No connection came about: nothing was sent.
    NotConnected(String),
    /// The request may have been received, and no answer came.
    NoAnswer(String),
    /// An answer came, at least its head, with this status.
    Answered(u16),
}

/// What is known of a call.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The service's name, such as `ec2`.
    pub service: String,
    /// The operation's name, such as `CreateVpc`.
    pub operation: String,
    /// What it is signed with.
    pub credentials: Option<Keeper>,
    /// How the last attempt ended.
    pub attempt: Attempt,
    /// How many attempts were made so far.
    pub attempts: u32,
    /// What was decided after which attempt: the pause before the next one, if there is one. The SDK asks more than once.
    pub decided: Option<(u32, Option<Duration>)>,
    /// Whether an attempt may have taken effect without an answer that says so.
    pub lost: bool,
    /// Whether credentials or clock were renewed because of a refusal.
    pub renewed: bool,
    /// The skew of the clocks when the last attempt began, in milliseconds.
    pub skew: i64,
}

impl Watch {
    /// A watch of a call whose operation answers errors of the type `E`.
    pub fn of<E>(once: bool) -> Arc<Self>
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let described: Described = |error| {
            let error = error.downcast_ref::<E>()?;
            Some((error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned()))
        };
        Arc::new(Self { once, described, state: Mutex::default() })
    }

    /// Runs a call under this watch.
    pub async fn over<F: Future>(self: &Arc<Self>, call: F) -> F::Output {
        CURRENT.scope(self.clone(), call).await
    }

    /// The watch of the call that the running task is in, if it is in one.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Changes what is known.
    pub fn note<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock())
    }

    /// What is known.
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Code and message of an error that the operation answered.
    pub fn describe(&self, error: &context::Error) -> Option<(String, String)> {
        (self.described)(error)
    }
}

/// Nothing was sent, because the deadline was over.
#[derive(Debug)]
pub struct DeadlineOver;

impl fmt::Display for DeadlineOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time for it is over: nothing more is sent")
    }
}

impl StdError for DeadlineOver {}
