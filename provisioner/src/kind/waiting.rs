//! Where a call that waits says what for, while it does.

use std::fmt;
use std::sync::Arc;

/// Where it is said what is waited for; outside of an apply nobody listens.
#[derive(Clone, Default)]
pub struct Waiting(Option<Arc<dyn Fn(&str) + Send + Sync>>);

impl Waiting {
    /// Says it so.
    pub fn told(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Says what is waited for.
    pub fn tell(&self, what: &str) {
        if let Some(tell) = &self.0 {
            tell(what);
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waiting({})", if self.0.is_some() { "told" } else { "not told" })
    }
}
