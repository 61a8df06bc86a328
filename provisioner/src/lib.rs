//! Lakewright's provisioner: from a stack file to live AWS resources.
//!
//! Each stage takes the one before: a stack file is read ([`stack`]), what exists is swept, the two are compared
//! ([`plan`]), and the plan is shown ([`render`]) or carried out ([`apply`]). [`kinds`] know AWS. Commands ([`cli`]) and
//! [`up`] are made of the use cases in `app`.

mod app;
pub mod apply;
pub mod charge;
pub mod checks;
pub mod cli;
pub mod compat;
pub mod cost;
mod families;
pub mod intents;
pub mod kind;
pub mod kinds;
pub mod lease;
mod lookup;
mod names;
pub mod permissions;
mod plain;
pub mod plan;
pub mod quotas;
pub mod reading;
pub mod record;
pub mod reference;
pub mod render;
pub mod resource;
pub mod services;
pub mod stack;
mod suggest;
pub mod sweep;
pub mod up;
pub mod whose;
