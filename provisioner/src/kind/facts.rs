//! The facts of a kind, in one value: all that generic code knows of it.

use std::time::Duration;

use super::{Billing, Quota, Right, Tagging};
use crate::resource::Action;

/// A top-level field of a kind's `Spec`, as the planner sees it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What changing it takes.
    pub change: Changing,
    /// How live and desired values are compared.
    pub compare: Comparing,
}

/// What changing a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changing {
    /// A call on the living resource.
    InPlace,
    /// A new resource in place of the old.
    Replaces,
}

/// How a field's live and desired values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparing {
    /// As values; arrays in order.
    Exactly,
    /// Arrays as sets: order and repetition mean nothing.
    AsSet,
    /// A number that AWS raises by itself and never lowers: live above desired is no difference, and a file that lowers it is
    /// refused.
    AsFloor,
    /// Never: left to AWS, or can't be read back.
    Never,
}

/// An ARN that follows from a spec, under a word for what it names: `("function", "lambda:{region}:{account}:function:{name}")`.
/// What stands before the service's name is left out. `{name}` is a field of the spec: where that refers to another resource the name
/// of that one, where it is an ARN the name in it. `{region}`, `{account}`, `{partition}` and `{stack}` are those that a policy
/// is written for. `{key:folder}` is what of a key ends with its first slash, `{location:parent}` what of a place on S3 ends
/// with its last one, `{url:host}` a URL without its scheme, and `{name:domain}` a domain as Route 53's conditions have it.
/// A reference to an output means the template whose word is the output's name, to `arn` without such a one the first ARN.
pub type Arn = (&'static str, &'static str);

/// The steps that end what exists.
pub const ENDS: &[Action] = &[Action::Replace, Action::Delete];

/// The facts of a kind: what the planner, the checks and the docs know of it.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The name in addresses, `vpc`.
    pub name: &'static str,
    /// One phrase for people, `a KMS key with its alias, rotation and policy`.
    pub summary: &'static str,
    /// The top-level fields of the spec, in its order.
    pub fields: &'static [Field],
    /// Fields that had another name: the old one, which stack files may still use, and the one that they have.
    pub renamed_fields: &'static [(&'static str, &'static str)],
    /// The outputs that others may refer to.
    pub outputs: &'static [&'static str],
    /// What planning, applying and destroying one takes beside its tagging: operations, `ec2:CreateVpc`, and IAM actions that are
    /// none, for what AWS does in the caller's name. [`action`](crate::permissions::action) knows the actions of operations.
    pub actions: &'static [&'static str],
    /// How its service tags it, where that is by the calls of most services; else [`Kind::tag`](super::Kind::tag) does it.
    pub tagging: Option<&'static dyn Tagging>,
    /// Whether deleting one can lose data: buckets, clusters, keys, tables, databases, topics, secrets.
    pub holds_data: bool,
    /// Whether one carries no hashes of what was last applied, or loses them to whoever overwrites it: they are
    /// remembered beside the lease.
    pub is_tagless: bool,
    /// Whether one is known again by a [seal](super::applied::with_seal), for which what its spec refers to has to be known: it is
    /// read after all others.
    pub is_sealed: bool,
    /// Whether one can stand elsewhere than its spec says ([`Kind::relocated`](super::Kind::relocated)).
    pub relocates: bool,
    /// The outputs that the field of the same name says, so that what refers to them is known before anything is made.
    pub given_outputs: &'static [&'static str],
    /// The outputs to which an update in place gives new values, as a launch template's latest version.
    pub moving_outputs: &'static [&'static str],
    /// The fields of which an update leaves those outputs as they are.
    pub unmoving_fields: &'static [&'static str],
    /// The kinds that AWS doesn't delete while one of this kind uses them, directly or by way of others, and that an
    /// update in place wouldn't free in time: replacing one of those replaces this.
    pub occupies: &'static [&'static str],
    /// Other kinds whose wanted resources [`Kind::find_among`](super::Kind::find_among) is given too: what stands in
    /// one of this kind, or what one stands in.
    pub beside: &'static [&'static str],
    /// What AWS bills for every one; [`Kind::cost`](super::Kind::cost) says it where it follows from the spec.
    pub billing: Billing,
    /// What people should know of each such step, whatever it changes: actions, and a sentence that follows from them. What
    /// depends on more is said by [`Kind::consequences`](super::Kind::consequences).
    pub follows: &'static [(&'static [Action], &'static str)],
    /// How long AWS usually takes to create, update and delete one.
    pub expected: [Duration; 3],
    /// The plural of the name, where that isn't the name with an `s`.
    pub irregular_plural: Option<&'static str>,
    /// The kind of what one stands in and goes with, and the field that holds that one's identifier: a topic's cluster.
    /// Only of kinds that no tag marks: in what others have, the lease alone says whose one is.
    pub contained_in: Option<(&'static str, &'static str)>,
    /// The fields whose values together name one on AWS: two that differ in one of them can exist side by side. `adopt` takes
    /// the value of a single one as well as an identifier; empty where one is known by its identifier only.
    pub identified_by: &'static [&'static str],
    /// The tagging API's types of what `find` asks that API for: a sweep asks once for those of all kinds.
    pub tag_types: &'static [&'static str],
    /// The same of services without a region.
    pub tag_types_everywhere: &'static [&'static str],
    /// The fields whose items others name without a reference, as agents' settings do a table's columns: one that goes, or
    /// gets another name, ends what names it.
    pub parts: &'static [&'static str],
    /// Whether [`Kind::rotate`](super::Kind::rotate) gives one a new value.
    pub rotates: bool,
    /// The ARNs of one that follow from its spec, each under the word by which [`permissions`](crate::permissions) knows
    /// what it names.
    pub arns: &'static [Arn],
    /// How far the actions go. Those that several kinds take stand with one of them.
    pub rights: &'static [Right],
    /// The field that holds the policies, by name, of what one may do itself.
    pub own_policies: Option<&'static str>,
    /// The services that one passes a role to, as IAM names them, `lambda.amazonaws.com`.
    pub passes_roles_to: &'static [&'static str],
    /// The services that make a role of their own in the account when they are first used for one.
    pub linked_roles: &'static [&'static str],
    /// The quota that one counts for, as much as [`Kind::share`](super::Kind::share) says.
    pub quota: Option<Quota>,
    /// The top-level fields that decide who may do what, or what runs: plans show them in full, of new resources too.
    pub review: &'static [&'static str],
    /// Where a secret can stand: fields, or places within them, `stages.*.actions.*.configuration.OAuthToken`, in which `*`
    /// is any item or member. Plans don't show it.
    pub sensitive: &'static [&'static str],
}

impl Facts {
    /// The facts of a kind that holds no data, carries tags and is made and deleted at once.
    pub const fn of(
        name: &'static str,
        summary: &'static str,
        fields: &'static [Field],
        outputs: &'static [&'static str],
        actions: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            summary,
            fields,
            renamed_fields: &[],
            outputs,
            actions,
            tagging: None,
            holds_data: false,
            is_tagless: false,
            is_sealed: false,
            relocates: false,
            given_outputs: &[],
            moving_outputs: &[],
            unmoving_fields: &[],
            occupies: &[],
            beside: &[],
            billing: Billing::BySpec,
            follows: &[],
            expected: [Duration::from_secs(2); 3],
            irregular_plural: None,
            contained_in: None,
            identified_by: &[],
            tag_types: &[],
            tag_types_everywhere: &[],
            parts: &[],
            rotates: false,
            arns: &[],
            rights: &[],
            own_policies: None,
            passes_roles_to: &[],
            linked_roles: &[],
            quota: None,
            review: &[],
            sensitive: &[],
        }
    }

    /// The word for several, `subnets`.
    pub fn plural(&self) -> String {
        self.irregular_plural.map_or_else(|| format!("{}s", self.name), str::to_owned)
    }
}
