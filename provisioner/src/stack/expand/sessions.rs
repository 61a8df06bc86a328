//! Shells on hosts: the document that sessions are started by, what is written down of them, and what hosts need for both.

use serde_json::json;

use super::policy::Statements;
use super::{Expansion, key_arn};
use crate::kinds::{log_group, session_document};
use crate::names;
use crate::resource::Address;
use crate::stack::keys::Class;

/// The log group's part of the stack.
const SESSIONS: &str = "sessions";
/// After how many minutes without a word a session ends.
const IDLE_MINUTES: u32 = 20;

impl Expansion<'_> {
    /// The document and its log group, where Session Manager opens shells on hosts.
    pub(super) fn sessions(&mut self) {
        let host = self.file.hosts.iter().find(|host| *host.value.session_manager);
        let Some(host) = host else { return };
        let key = self.session_key().map(key_arn);
        let group = Address::new("log_group", SESSIONS);
        // What is typed and shown can hold anything: it has a key wherever the stack has one.
        let spec = log_group::Spec { key: key.clone().map(Into::into), ..self.log_group(SESSIONS) };
        self.add(group.clone(), &spec, &host.span, vec![]);
        let spec = session_document::Spec {
            name: names::session_document(self.stack.name()).into(),
            description: format!("shells on hosts of {}", self.stack.name()),
            encrypted_log: key.is_some(),
            key: key.map(Into::into),
            log_group: Some(group.output("name").into()),
            idle_minutes: IDLE_MINUTES,
            max_minutes: None,
            run_as: None,
        };
        self.add(Address::new("session_document", "main"), &spec, &host.span, vec![]);
    }

    /// The key of sessions: that of logs, else the stack's `main` key or its first one.
    fn session_key(&self) -> Option<&str> {
        self.file.class_key(Class::Logs).or_else(|| self.file.first_key())
    }

    /// What Session Manager's agent on a host needs to decrypt what is typed, and to write it down.
    /// <https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html>
    pub(super) fn record_sessions(&self, statements: &mut Statements) {
        let arn = self.arn("logs", &format!("log-group:{}", self.log_group_name(SESSIONS)));
        let actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"];
        statements.allow("SessionLog", &actions, &[arn.clone(), format!("{arn}:*")]);
        let Some(key) = self.session_key() else { return };
        // It looks whether a key encrypts the group.
        statements.allow("SessionLogKey", &["logs:DescribeLogGroups"], &["*".to_owned()]);
        // The agent asks KMS itself, and names the session.
        let of_session = json!({ "Null": { "kms:EncryptionContext:aws:ssm:SessionId": false } });
        statements.allow_if("SessionKey", &["kms:Decrypt"], &[key_arn(key)], &of_session);
    }
}
