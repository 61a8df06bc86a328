//! Policies of IAM: what a document says, and whether it allows a request.
//!
//! Pure: documents and a request in, a decision out. What a request asks for (action, resource, condition keys) is said
//! by its caller; which of them AWS knows at all stands in [`reference`].
//!
//! - [`Arn::parse`] reads the name of a resource;
//! - [`Document::parse`] reads a policy of a [`Kind`];
//! - [`Statement::draft`] reads a statement whose references aren't resolved yet;
//! - [`Request`] is one question: who, what, on which resource, with which condition keys;
//! - [`Policies::evaluate`] answers it as IAM's published rules do, with a [`Decision`];
//! - [`Request::refusal`] is AWS's sentence for it, [`Request::missing`] the statement that would allow it.

mod arn;
mod condition;
mod document;
mod error;
mod evaluate;
mod keys;
mod members;
mod missing;
mod narrowing;
mod pattern;
mod principal;
pub mod reference;

pub use arn::{Arn, Site, is_account, partition, suffix};
pub use condition::{Condition, Operator, Quantifier};
pub use document::{Document, Effect, Element, Kind, Principals, Statement};
pub use error::PolicyError;
pub use evaluate::{Decision, Policies, Policy, Request, ResourceRule, Source};
pub use keys::Keys;
pub use missing::Missing;
pub use narrowing::names_account;
pub use pattern::is_like;
pub use principal::Principal;
