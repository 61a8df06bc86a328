//! How far those who apply a stack may go: which actions of IAM, on what, and when.
//!
//! What an action can be limited to is what AWS's Service Authorization Reference lists for it: on another type of resource, or by
//! a key that it doesn't bring, it is never allowed.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>

/// Actions, on what they are allowed, and under which conditions. What several rights say of one action adds up.
#[derive(Debug, Clone, Copy)]
pub struct Right {
    /// On what.
    pub on: On,
    /// Under which conditions, all of them.
    pub when: &'static [When],
    /// The actions, `sqs:CreateQueue`.
    pub actions: &'static [&'static str],
}

impl Right {
    /// A right.
    pub const fn new(on: On, when: &'static [When], actions: &'static [&'static str]) -> Self {
        Self { on, when, actions }
    }
}

/// What actions are allowed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Everything: IAM knows nothing smaller for them.
    Everything,
    /// These ARNs, written as in [`Arn`](super::Arn); they name no field of a spec.
    Arns(&'static [&'static str]),
    /// What the stack's resources are called, by the words of [`Facts::arns`](super::Facts::arns).
    Named(&'static [&'static str]),
    /// The parts of a network that others made and the stack names by their identifiers.
    Borrowed,
    /// What the stack names by its ARN, of these types: `("kms", "key")`.
    Mentioned(&'static [(&'static str, &'static str)]),
    /// The policy that bounds the stack's roles.
    Boundary,
}

/// A condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// In the stack's region.
    Here,
    /// By a service of AWS in the caller's name, never by the caller.
    OnBehalf,
    /// In the stack's account: of what bears a name that all accounts share.
    OfAccount,
    /// What carries the stack's tag.
    Owned,
    /// What is tagged as the stack's by the very request.
    Made,
    /// No request takes the stack's tag away from what has it.
    Kept,
    /// What carries no stack's tag.
    Unclaimed,
    /// A key that has no alias, as one that is just being made.
    Unaliased,
    /// Tags that a call writes on what it makes.
    InACreate,
    /// What a launch template describes.
    FromTemplate,
    /// What MSK makes for a serverless cluster of the stack.
    MadeByMsk,
    /// What MSK made for a serverless cluster of the stack.
    OwnedByMsk,
    /// A role within the stack's boundary; every role where there is none.
    Bounded,
    /// Only where the stack has no boundary.
    Unbounded,
    /// A policy that the stack attaches to a role, but to those that apply it.
    Attached,
    /// A policy under the stack's own path.
    OwnPolicies,
    /// To a service that the stack's resources pass roles to.
    PassedOn,
    /// For a service whose own role the stack's resources need.
    Linked,
    /// By way of a service that encrypts the stack's things.
    Used,
    /// A grant to a service of AWS.
    Granted,
    /// Record sets of the stack's domains.
    OwnDomains,
    /// Storage of Kafka clusters.
    OfKafka,
}
