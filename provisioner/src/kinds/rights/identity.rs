//! IAM: roles, instance profiles and providers of identities.
//!
//! Roles and profiles of new stacks stand under a path of the stack's own, where no name of another stack's can reach. Those of
//! before stand under none, and are named one by one.

use crate::kind::{On, Right, When};

const ROLES: On = On::Arns(&["iam::{account}:role/lakewright/{stack}/*"]);
/// Roles whose path somebody wrote into the file, and those that were made before roles had one.
const OTHER_ROLES: On = On::Named(&["role", "role before"]);
/// What may have left the file: the tag distinguishes it from other stacks' whose name this one's begins.
const LEFT_ROLES: On = On::Arns(&["iam::{account}:role/{stack}-*"]);

/// What makes a role what it may do.
const ROLE_CHANGES: &[&str] =
    &["iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole"];
const ROLE_ENDS: &[&str] = &["iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy"];

/// Roles, and the handing on of them.
pub(in crate::kinds) const ROLES_OF_THE_STACK: &[Right] = &[
    Right::new(On::Everything, &[], &["iam:GetAccountAuthorizationDetails", "iam:ListRoles"]),
    // No more than the account's details show.
    Right::new(
        On::Arns(&["iam::{account}:role/*"]),
        &[],
        &[
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:ListInstanceProfilesForRole",
            "iam:ListRolePolicies",
        ],
    ),
    Right::new(ROLES, &[When::Made, When::Bounded], &["iam:CreateRole"]),
    Right::new(On::Named(&["role"]), &[When::Made, When::Bounded], &["iam:CreateRole"]),
    Right::new(ROLES, &[When::Bounded], ROLE_CHANGES),
    Right::new(OTHER_ROLES, &[When::Owned, When::Bounded], ROLE_CHANGES),
    Right::new(ROLES, &[When::Bounded, When::Attached], &["iam:AttachRolePolicy"]),
    Right::new(OTHER_ROLES, &[When::Owned, When::Bounded, When::Attached], &["iam:AttachRolePolicy"]),
    Right::new(ROLES, &[When::Unbounded], &["iam:DeleteRolePermissionsBoundary"]),
    Right::new(OTHER_ROLES, &[When::Unbounded, When::Owned], &["iam:DeleteRolePermissionsBoundary"]),
    Right::new(ROLES, &[], ROLE_ENDS),
    Right::new(OTHER_ROLES, &[When::Owned], ROLE_ENDS),
    Right::new(LEFT_ROLES, &[When::Owned], ROLE_ENDS),
    Right::new(ROLES, &[When::Kept], &["iam:TagRole"]),
    Right::new(OTHER_ROLES, &[When::Owned, When::Kept], &["iam:TagRole"]),
    Right::new(ROLES, &[], &["iam:UntagRole"]),
    Right::new(OTHER_ROLES, &[When::Owned], &["iam:UntagRole"]),
    // A role's tags say nothing reliable about who passes it on.
    Right::new(ROLES, &[When::PassedOn], &["iam:PassRole"]),
    Right::new(OTHER_ROLES, &[When::PassedOn], &["iam:PassRole"]),
    Right::new(
        On::Arns(&["iam::{account}:role/aws-service-role/*"]),
        &[When::Linked],
        &["iam:CreateServiceLinkedRole"],
    ),
    Right::new(On::Boundary, &[], &["iam:GetPolicy", "iam:GetPolicyVersion"]),
];

const PROFILES: On = On::Arns(&["iam::{account}:instance-profile/lakewright/{stack}/*"]);
const OTHER_PROFILES: On = On::Named(&["profile", "profile before"]);
const LEFT_PROFILES: On = On::Arns(&["iam::{account}:instance-profile/{stack}-*"]);
const PROFILE_ENDS: &[&str] = &["iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile"];

/// Instance profiles.
pub(in crate::kinds) const PROFILES_OF_THE_STACK: &[Right] = &[
    Right::new(On::Everything, &[], &["iam:ListInstanceProfiles"]),
    Right::new(On::Arns(&["iam::{account}:instance-profile/*"]), &[], &["iam:GetInstanceProfile"]),
    Right::new(PROFILES, &[When::Made], &["iam:CreateInstanceProfile"]),
    Right::new(On::Named(&["profile"]), &[When::Made], &["iam:CreateInstanceProfile"]),
    Right::new(PROFILES, &[], &["iam:AddRoleToInstanceProfile", "iam:UntagInstanceProfile"]),
    Right::new(OTHER_PROFILES, &[When::Owned], &["iam:AddRoleToInstanceProfile", "iam:UntagInstanceProfile"]),
    Right::new(PROFILES, &[], PROFILE_ENDS),
    Right::new(OTHER_PROFILES, &[When::Owned], PROFILE_ENDS),
    Right::new(LEFT_PROFILES, &[When::Owned], PROFILE_ENDS),
    Right::new(PROFILES, &[When::Kept], &["iam:TagInstanceProfile"]),
    Right::new(OTHER_PROFILES, &[When::Owned, When::Kept], &["iam:TagInstanceProfile"]),
];

/// GitHub's, which stacks that have left it still trust.
const GITHUB: On = On::Arns(&["iam::{account}:oidc-provider/token.actions.githubusercontent.com"]);
const PROVIDERS: On = On::Named(&["provider"]);

/// Providers of identities: one of a URL in an account, whoever made it. Its name is nobody's, and a tag written in a create
/// can't be distinguished from one that is written on another's: an administrator makes it.
pub(in crate::kinds) const IDENTITIES: &[Right] = &[
    Right::new(GITHUB, &[], &["iam:GetOpenIDConnectProvider"]),
    Right::new(PROVIDERS, &[], &["iam:GetOpenIDConnectProvider"]),
    Right::new(PROVIDERS, &[When::Owned, When::Kept], &["iam:TagOpenIDConnectProvider"]),
    Right::new(
        PROVIDERS,
        &[When::Owned],
        &[
            "iam:AddClientIDToOpenIDConnectProvider",
            "iam:DeleteOpenIDConnectProvider",
            "iam:RemoveClientIDFromOpenIDConnectProvider",
            "iam:UntagOpenIDConnectProvider",
        ],
    ),
    Right::new(GITHUB, &[When::Owned], &["iam:DeleteOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider"]),
];
