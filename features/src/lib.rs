//! Nothing but the features of shared dependencies; see `Cargo.toml`.
