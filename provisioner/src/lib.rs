//! Lakewright's provisioner: from a stack file to live AWS resources.
//!
//! Each stage takes the one before: a stack file is read ([`stack`]), what lives is swept, the two are compared
//! ([`plan`]), and the plan is shown ([`render`]) or carried out ([`apply`]). [`kinds`] know AWS.

pub mod apply;
pub mod checks;
pub mod cli;
pub mod cost;
mod families;
mod http;
pub mod intents;
pub mod kind;
pub mod kinds;
pub mod lease;
pub mod permissions;
pub mod plan;
pub mod quotas;
pub mod reading;
pub mod render;
pub mod resource;
pub mod services;
pub mod stack;
pub mod sweep;
pub mod up;
