//! KMS keys and secrets.

use crate::kind::{On, Right, When};

const KEYS: On = On::Arns(&["kms:{region}:{account}:key/*"]);
/// What services do with a key in the caller's name.
const USES: &[&str] = &[
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];

/// Keys. They have no names: nothing but its tags distinguishes one that is just being made from others', so that a tag is written only on
/// one that has neither a stack's tag nor an alias.
pub(in crate::kinds) const KEYS_OF_THE_STACK: &[Right] = &[
    Right::new(On::Everything, &[When::Here], &["kms:ListAliases"]),
    Right::new(On::Everything, &[When::Here, When::Made], &["kms:CreateKey"]),
    Right::new(KEYS, &[], &["kms:ListResourceTags"]),
    Right::new(KEYS, &[When::Made, When::Unclaimed, When::Unaliased], &["kms:TagResource"]),
    Right::new(KEYS, &[When::Owned, When::Kept], &["kms:TagResource"]),
    // An alias is made, moved and deleted by those who may do so with its key too.
    Right::new(
        KEYS,
        &[When::Owned],
        &[
            "kms:CancelKeyDeletion",
            "kms:CreateAlias",
            "kms:DeleteAlias",
            "kms:DescribeKey",
            "kms:DisableKeyRotation",
            "kms:EnableKey",
            "kms:EnableKeyRotation",
            "kms:GetKeyPolicy",
            "kms:GetKeyRotationStatus",
            "kms:PutKeyPolicy",
            "kms:ScheduleKeyDeletion",
            "kms:UntagResource",
            "kms:UpdateAlias",
            "kms:UpdateKeyDescription",
        ],
    ),
    Right::new(On::Named(&["alias"]), &[], &["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]),
    Right::new(KEYS, &[When::Owned, When::Used], USES),
    Right::new(KEYS, &[When::Owned, When::Granted], &["kms:CreateGrant"]),
    Right::new(On::Mentioned(&[("kms", "key")]), &[], &["kms:DescribeKey"]),
    Right::new(On::Mentioned(&[("kms", "key")]), &[When::Used], USES),
    Right::new(On::Mentioned(&[("kms", "key")]), &[When::Granted], &["kms:CreateGrant"]),
];

const SECRETS: On = On::Arns(&["secretsmanager:{region}:{account}:secret:*"]);

/// Secrets.
pub(in crate::kinds) const SECRETS_OF_THE_STACK: &[Right] = &[
    Right::new(On::Everything, &[When::Here], &["secretsmanager:ListSecrets"]),
    // No more than the list shows.
    Right::new(SECRETS, &[], &["secretsmanager:DescribeSecret"]),
    Right::new(
        On::Named(&["new secret", "secret"]),
        &[When::Made],
        &["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
    ),
    Right::new(
        On::Named(&["secret"]),
        &[When::Owned],
        &["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret"],
    ),
    Right::new(
        SECRETS,
        &[When::Owned],
        &["secretsmanager:DeleteSecret", "secretsmanager:RestoreSecret", "secretsmanager:UntagResource"],
    ),
    Right::new(SECRETS, &[When::Owned, When::Kept], &["secretsmanager:TagResource"]),
];
