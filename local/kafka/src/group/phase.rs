//! Where a group stands between two generations.

use std::time::Instant;

/// Where a group stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Without members.
    #[default]
    Empty,
    /// Members are expected to join (again) until the deadline, and not before the first time.
    Preparing {
        /// Not before.
        from: Instant,
        /// Not later.
        until: Instant,
    },
    /// The leader's assignment is expected until then.
    Completing {
        /// Who hasn't asked for its assignment by then is gone.
        until: Instant,
    },
    /// Everybody has an assignment.
    Stable,
}

impl Phase {
    /// Kafka's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Preparing { .. } => "PreparingRebalance",
            Self::Completing { .. } => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}
