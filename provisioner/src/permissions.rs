//! What those who plan and apply a stack must be allowed to do, and no more than one of its things takes.

mod boundary;
mod caller;
mod conditions;
mod denied;
mod operations;
mod place;
mod statements;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::kind::{AnyKind, On, Right, When};
use crate::kinds;
use crate::names;
use crate::quotas;
use crate::record;
use crate::resource::Desired;
pub use boundary::Lack;
pub use caller::{caller, trust_in};
pub use denied::allowing;
pub use operations::action;
use statements::Allowed;

/// What rights are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Seeing what an apply would do: no secret, no content, no change.
    Plan,
    /// Planning, applying and destroying.
    Apply,
    /// Taking over what somebody else made, besides applying. It opens what carries no tag of the stack's yet.
    Adopt,
    /// What an administrator does once, besides applying: making the bucket of an account's leases, the roles that apply the
    /// stack and the provider of identities that they trust, and closing the default security group of its network.
    Setup,
}

/// Somebody who applies a stack in an account and region.
#[derive(Debug, Clone, Copy)]
pub struct Deployer<'a> {
    /// The stack.
    pub desired: &'a Desired,
    /// The twelve-digit account.
    pub account: &'a str,
    /// The region.
    pub region: &'a str,
    /// The ARN of the role that they work as, where the stack names one.
    pub role: Option<&'a str>,
    /// The ARN of the policy that bounds the stack's roles.
    pub boundary: Option<&'a str>,
    /// The bucket of the leases.
    pub state_bucket: &'a str,
    /// Whether it is one of the stack's own roles, and may not change those.
    pub is_own: bool,
}

/// What is asked for whatever the stack holds.
const ALWAYS: &[&str] = &[
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:PutObject",
    "sts:GetCallerIdentity",
    "tag:GetResources",
];
/// What reads what the boundary holds.
const READING_A_BOUNDARY: &[&str] = &["iam:GetPolicy", "iam:GetPolicyVersion"];
const LEASES: On = On::Arns(&["s3:::{state}"]);
const LEASE: On = On::Arns(&["s3:::{state}/stacks/{stack}.json"]);
const OWN: &[Right] = &[
    Right::new(On::Everything, &[], &["sts:GetCallerIdentity", "tag:GetResources"]),
    Right::new(LEASES, &[], &["s3:ListBucket", "s3:ListBucketVersions"]),
    Right::new(
        LEASE,
        &[When::OfAccount],
        &["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
    ),
    Right::new(On::Arns(&["servicequotas:{region}:{account}:*/*"]), &[], &["servicequotas:GetServiceQuota"]),
    Right::new(On::Everything, &[When::Here], &["servicequotas:ListServiceQuotas"]),
    // The key that signs what the stack made; what else is done with it is done with its other keys too.
    Right::new(
        On::Arns(&["kms:{region}:{account}:alias/lakewright/{stack}"]),
        &[],
        &["kms:CreateAlias", "kms:DeleteAlias"],
    ),
    Right::new(On::Arns(&["kms:{region}:{account}:key/*"]), &[When::Owned], &["kms:GetPublicKey", "kms:Sign"]),
];

/// The roles that apply the stack, where they stand now and stood before.
const DEPLOYING_ROLES: On = On::Arns(&[
    "iam::{account}:role/lakewright/{stack}/{stack}-ci",
    "iam::{account}:role/lakewright/{stack}/{stack}-pipeline-apply",
    "iam::{account}:role/lakewright/{stack}/{stack}-pipeline-plan",
    "iam::{account}:role/{stack}-ci",
    "iam::{account}:role/{stack}-pipeline-apply",
    "iam::{account}:role/{stack}-pipeline-plan",
]);
/// What an administrator does once.
const SETUP: &[Right] = &[
    // A tag that a create writes on a provider can't be distinguished from one on a provider that others made.
    Right::new(
        On::Named(&["provider"]),
        &[When::Made],
        &["iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"],
    ),
    // The default group of a new VPC carries no tag and has no name of the stack's, and IAM knows its VPC by an identifier only.
    Right::new(
        On::Arns(&["ec2:{region}:{account}:security-group/*"]),
        &[When::Unclaimed],
        &["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
    ),
    Right::new(
        LEASES,
        &[],
        &[
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:PutBucketOwnershipControls",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketVersioning",
        ],
    ),
    Right::new(
        DEPLOYING_ROLES,
        &[],
        &[
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:PutRolePolicy",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateRole",
        ],
    ),
    Right::new(DEPLOYING_ROLES, &[When::OwnPolicies], &["iam:AttachRolePolicy"]),
    Right::new(
        On::Arns(&["iam::{account}:policy/lakewright/{stack}/*"]),
        &[],
        &[
            "iam:CreatePolicy",
            "iam:CreatePolicyVersion",
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:ListPolicyVersions",
        ],
    ),
];

/// What changes a role, a policy or what belongs to them.
const WRITES_OF_IAM: &[&str] = &[
    "iam:Add*",
    "iam:Attach*",
    "iam:Create*",
    "iam:Delete*",
    "iam:Detach*",
    "iam:Put*",
    "iam:Remove*",
    "iam:Set*",
    "iam:Tag*",
    "iam:Untag*",
    "iam:Update*",
];

impl Deployer<'_> {
    /// The policies that allow it, each no longer than IAM takes.
    pub fn policies(&self, purpose: Purpose) -> Vec<Value> {
        let mut allowed = Allowed::default();
        for right in self.rights(purpose) {
            let (Some(conditions), resources) = (self.conditions(&right.when, purpose), self.resources(right.on))
            else {
                continue;
            };
            for action in right.actions {
                allowed.allow(&action, &conditions, &resources);
            }
        }
        let mut statements = allowed.statements();
        if purpose == Purpose::Apply {
            statements.extend(self.denied());
        }
        statements::policies(statements)
    }

    /// The actions that it takes, whatever they are allowed on.
    pub fn actions(&self, purpose: Purpose) -> BTreeSet<String> {
        let present = self.desired.resources.iter().filter_map(|resource| kinds::named(&resource.address.kind));
        let of_kinds = present.flat_map(AnyKind::actions);
        // What has left the file is looked for among all kinds, whichever the file still has.
        let swept = kinds::all().iter().copied().flat_map(AnyKind::actions).filter(|said| is_swept(said));
        let boundary: &[&str] = if self.boundary.is_some() { READING_A_BOUNDARY } else { &[] };
        let others = ALWAYS.iter().chain(record::ACTIONS).chain(quotas::ACTIONS).chain(boundary).copied();
        let all = of_kinds.chain(swept).chain(others);
        let needed = |said: &str| {
            let (service, operation) = said.split_once(':').expect("a service and what is done with it");
            action(service, operation)
        };
        all.map(needed).filter(|action| purpose != Purpose::Plan || reads(action)).collect()
    }

    fn rights(&self, purpose: Purpose) -> Vec<Chosen> {
        let actions = self.actions(purpose);
        let chosen = |right: &Right, when: &[When]| Chosen {
            on: right.on,
            when: when.to_vec(),
            actions: right
                .actions
                .iter()
                .filter(|action| actions.contains(**action))
                .map(|a| (*a).to_owned())
                .collect(),
        };
        let all = || kinds::all().iter().flat_map(|kind| kind.facts().rights).chain(OWN);
        match purpose {
            Purpose::Plan | Purpose::Apply => all().map(|right| chosen(right, right.when)).collect(),
            Purpose::Adopt => {
                // What may be tagged again may be tagged a first time.
                let tagged =
                    all().filter(|right| right.when.contains(&When::Kept)).map(|right| chosen(right, &[When::Made]));
                // What is known by an identifier only is read before it is the stack's.
                let named: BTreeSet<&str> = all()
                    .filter(|right| matches!(right.on, On::Named(_)))
                    .flat_map(|right| right.actions.iter().copied())
                    .collect();
                let read = all().filter(|right| right.when == [When::Owned]).map(|right| {
                    let mut chosen = chosen(right, &[]);
                    chosen.actions.retain(|action| reads(action) && !named.contains(action.as_str()));
                    chosen
                });
                tagged.chain(read).collect()
            }
            Purpose::Setup => {
                let whole = |right: &Right| Chosen {
                    on: right.on,
                    when: right.when.to_vec(),
                    actions: right.actions.iter().map(|action| (*action).to_owned()).collect(),
                };
                SETUP.iter().map(whole).collect()
            }
        }
    }

    fn resources(&self, on: On) -> BTreeSet<String> {
        match on {
            On::Everything => BTreeSet::from(["*".to_owned()]),
            On::Arns(templates) => templates.iter().map(|template| self.arn(template)).collect(),
            On::Named(words) => self.named(words),
            On::Borrowed => self.borrowed(),
            On::Mentioned(types) => self.mentioned(types),
            On::Boundary => self.boundary.map(str::to_owned).into_iter().collect(),
        }
    }

    /// What nothing else may allow it: to take the boundary away, to write it anew, and to change what it is itself.
    fn denied(&self) -> Vec<Value> {
        let mut all = Vec::new();
        if let Some(boundary) = self.boundary {
            let roles = self.arn("iam::{account}:role/*");
            all.push(json!({"Sid": "NoWayOut", "Effect": "Deny", "Action": ["iam:DeleteRolePermissionsBoundary"], "Resource": [roles]}));
            all.push(json!({"Sid": "Boundary", "Effect": "Deny", "Action": WRITES_OF_IAM, "Resource": [boundary]}));
        }
        if let Some(role) = self.role {
            all.push(json!({"Sid": "TheRole", "Effect": "Deny", "Action": WRITES_OF_IAM, "Resource": [role]}));
        }
        if self.is_own {
            let stack = &self.desired.stack;
            let paths = [format!("role{}", names::identities(stack)), "role/".to_owned()];
            let of = |path: &String| {
                let arn = |part: &str| self.arn(&format!("iam::{{account}}:{path}{}", names::of_part(stack, part)));
                names::DEPLOYERS.map(arn)
            };
            let own: Vec<String> = paths.iter().flat_map(of).collect();
            let mut own = own;
            own.push(self.arn("iam::{account}:policy/lakewright/{stack}/*"));
            all.push(json!({"Sid": "Itself", "Effect": "Deny", "Action": WRITES_OF_IAM, "Resource": own}));
        }
        all
    }
}

/// A right, as far as it is needed.
struct Chosen {
    on: On,
    when: Vec<When>,
    actions: Vec<String>,
}

/// Whether a plan may ask so of a kind of which the file has none.
fn is_swept(action: &str) -> bool {
    let (service, name) = action.split_once(':').unwrap_or_default();
    match service {
        "s3" | "sts" => false,
        "iam" => ["GetAccountAuthorizationDetails", "GetOpenIDConnectProvider", "ListInstanceProfiles", "ListRoles"]
            .contains(&name),
        "secretsmanager" => name.starts_with("List"),
        // One permission for all that is asked of budgets.
        "budgets" => name.starts_with("View") || name.starts_with("List"),
        _ => is_reading(name),
    }
}

fn is_reading(name: &str) -> bool {
    ["BatchGet", "Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb))
}

/// Whether a plan asks so: it reads what things are, and no secret that they hold.
fn reads(action: &str) -> bool {
    // Tables' metadata is read from encrypted buckets, topics by way of the brokers, and budgets have a verb of their own.
    let others = ["budgets:ViewBudget", "kafka-cluster:Connect", "kms:Decrypt"];
    let name = action.split(':').nth(1).unwrap_or_default();
    others.contains(&action) || (is_reading(name) && name != "GetSecretValue")
}
