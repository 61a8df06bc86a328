//! The search cluster: the private zone in which its host writes its own address, who logs in to it, and by what.

use lakewright_config::agents::Need;
use lakewright_config::{SearchConnection, SearchLogin};
use serde_json::json;

use super::policy::Statements;
use super::user_data::{OwnName, SearchLogins, SearchPlan};
use super::{ARTIFACTS, Expansion, key_arn};
use crate::kinds::{private_zone, secret};
use crate::names::{self, SEARCH_ADMIN as ADMIN, SEARCH_SHIPPER as SHIPPER};
use crate::resource::Address;
use crate::stack::decode::Entry;
use crate::stack::hosts::Host;
use crate::stack::keys::Class;

/// The name of the zone in the stack, and of the host's record under its domain.
const SEARCH: &str = "search";
/// How many days the secret of a user can be restored when it was deleted.
const RECOVERY_DAYS: u32 = 7;

impl Expansion<'_> {
    /// The zone, which hosts of the network resolve.
    pub(super) fn search_zone(&mut self) {
        let Some(search) = &self.file.search else { return };
        self.within(&search.tags);
        let spec = private_zone::Spec {
            name: self.search_domain().into(),
            vpc: self.vpc().into(),
            comment: Some(format!("the search cluster of {}", self.stack.name())),
            host_records: vec![SEARCH.to_owned().into()],
        };
        self.add(zone(), &spec, &search.span, vec![]);
    }

    fn search_domain(&self) -> String {
        format!("{}.internal", self.stack.name())
    }

    /// The name by which the cluster is reached, whichever instance its host is.
    pub(super) fn search_name(&self) -> String {
        format!("{SEARCH}.{}", self.search_domain())
    }

    /// The name that a host gives itself, if it is the search cluster's.
    pub(super) fn own_name(&self, host: &Entry<Host>) -> Option<OwnName> {
        let is_its = self.file.search.as_ref().is_some_and(|search| search.host.value == host.name);
        is_its.then(|| OwnName { zone: zone().output("id"), name: self.search_name() })
    }

    /// Writing that one record, and no other of the zone.
    pub(super) fn write_own_name(&self, statements: &mut Statements, host: &Entry<Host>) {
        let Some(own) = self.own_name(host) else { return };
        let condition = json!({ "ForAllValues:StringEquals": {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": [own.name],
            "route53:ChangeResourceRecordSetsRecordTypes": ["A"],
            "route53:ChangeResourceRecordSetsActions": ["UPSERT"],
        } });
        let zone = [zone().output("arn")];
        statements.allow_if("OwnName", &["route53:ChangeResourceRecordSets"], &zone, &condition);
    }

    /// The users that log in to the index, with a secret each, as the secrets' names end, and their roles: people's, and the
    /// shipper's where one runs.
    fn search_logins(&self) -> Vec<(&'static str, &'static str)> {
        let asks = self.file.search.as_ref().is_some_and(|search| *search.login);
        let all = [(ADMIN, "superuser", true), (SHIPPER, SHIPPER, !self.hosts_with(Need::Search).is_empty())];
        all.into_iter().filter(|(_, _, is_there)| asks && *is_there).map(|(user, role, _)| (user, role)).collect()
    }

    /// The secrets of those who log in to the index.
    pub(super) fn search_users(&mut self) {
        let file = self.file;
        let Some(search) = &file.search else { return };
        self.within(&search.tags);
        for (user, role) in self.search_logins() {
            let spec = secret::Spec {
                name: self.search_secret(user).into(),
                description: format!(
                    "the user {user} of the search index of {}, whose role is {role}",
                    self.stack.name()
                ),
                username: user.to_owned(),
                key: self.search_key().map(key_arn).map(Into::into),
                recovery_days: RECOVERY_DAYS,
                rotate_after_days: search.rotate_after.as_ref().map(|age| age.in_days() as u32),
            };
            self.add(secret_of(user), &spec, &search.span, vec![]);
        }
    }

    fn search_secret(&self, user: &str) -> String {
        names::search_secrets(self.stack.name()) + user
    }

    /// The key of those secrets, if they have one of the stack's.
    fn search_key(&self) -> Option<&str> {
        self.file.class_key(Class::Secrets)
    }

    /// What a search host runs, if it is one.
    pub(super) fn search_plan(&self, host: &Entry<Host>) -> Option<SearchPlan> {
        let search = self.file.search.as_ref().filter(|search| search.host.value == host.name)?;
        let login = search.login.then(|| SearchLogins {
            name: self.search_name(),
            authority: names::SEARCH_AUTHORITY,
            secrets: names::search_secrets(self.stack.name()),
            users: self.search_logins(),
        });
        let shipper = &self.file.agents.shipper;
        Some(SearchPlan {
            version: search.version.0,
            port: search.port.0,
            index: search.index.value.clone(),
            deletes: shipper.keep_days.is_some() || shipper.sources.iter().any(|one| one.value.keep_days.is_some()),
            login,
        })
    }

    /// How the shipper reaches the index.
    pub(super) fn search_connection(&self) -> SearchConnection {
        let search = self.file.search.as_ref().expect("a stack with a shipper has a search cluster");
        let scheme = if *search.login { "https" } else { "http" };
        let login = search.login.then(|| SearchLogin {
            secret: self.search_secret(SHIPPER),
            authority: format!("s3://{}/{}", self.bucket(ARTIFACTS), names::SEARCH_AUTHORITY),
        });
        SearchConnection { url: format!("{scheme}://{}:{}", self.search_name(), search.port.0), login }
    }

    /// What the search host needs: its users' passwords, and to publish its authority.
    pub(super) fn serve_search(&self, statements: &mut Statements, host: &Entry<Host>) {
        let is_its = self.file.search.as_ref().is_some_and(|search| search.host.value == host.name && *search.login);
        if is_its {
            let users: Vec<&str> = self.search_logins().into_iter().map(|(user, _)| user).collect();
            self.read_search_users(statements, &users);
            let actions = ["s3:GetObject", "s3:PutObject"];
            self.on_authority(statements, (&actions, &["kms:Decrypt", "kms:GenerateDataKey"]));
        }
    }

    /// What the shipper needs to log in.
    pub(super) fn log_in_to_search(&self, statements: &mut Statements) {
        if self.file.search.as_ref().is_some_and(|search| *search.login) {
            self.read_search_users(statements, &[SHIPPER]);
            self.on_authority(statements, (&["s3:GetObject"], &["kms:Decrypt"]));
        }
    }

    fn read_search_users(&self, statements: &mut Statements, users: &[&str]) {
        let arns: Vec<String> = users.iter().map(|user| secret_of(user).output("arn")).collect();
        statements.allow("SearchUsers", &["secretsmanager:GetSecretValue"], &arns);
        if let Some(key) = self.search_key() {
            self.by_key(statements, "SearchUsersKey", (&["kms:Decrypt"], key), "secretsmanager");
        }
    }

    /// Rights on the one object of the authority, and on the key that encrypts it.
    fn on_authority(&self, statements: &mut Statements, (actions, on_key): (&[&str], &[&str])) {
        let object = format!("{}/{}", self.bucket_arn(ARTIFACTS), names::SEARCH_AUTHORITY);
        self.on_buckets(statements, "SearchAuthority", (actions, &[object]), None);
        if let Some(key) = self.bucket_key(ARTIFACTS) {
            self.by_key(statements, "SearchAuthorityKey", (on_key, key), "s3");
        }
    }

    /// What the shipper's configuration waits for: the secret by which it logs in.
    pub(super) fn after_search_users(&mut self) {
        let secret = secret_of(SHIPPER);
        let is_there = self.resources.iter().any(|resource| resource.address == secret);
        if let Some(object) = self.resources.last_mut().filter(|_| is_there) {
            object.after.insert(secret);
        }
    }

    /// The ARNs of the search host's role, wherever it stands, if it publishes an authority.
    pub(super) fn authority_writers(&self) -> Option<Vec<String>> {
        let search = self.file.search.as_ref().filter(|search| *search.login)?;
        // A role that `--move-roles` has moved has another name.
        let all = names::moved(&self.named(&search.host));
        Some(all.iter().flat_map(|name| self.role_arns(name)).collect())
    }
}

fn zone() -> Address {
    Address::new("private_zone", SEARCH)
}

/// The address of the secret of a user of the index.
fn secret_of(user: &str) -> Address {
    Address::new("secret", names::search_secret(user))
}
