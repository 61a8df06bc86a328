//! The schema registries that tables name, and who may ask them.

use std::collections::BTreeSet;

use lakewright_config::Registry;

use super::Expansion;
use super::policy::Statements;
use crate::resource::Address;
use crate::stack::tables::TableSection;

impl Expansion<'_> {
    /// The registry of a table's schemas, as agents know it.
    pub(super) fn registry(section: &TableSection) -> Option<Registry> {
        let url = &section.registry.as_ref()?.value;
        if section.is_of_glue() {
            return Some(Registry::Glue);
        }
        let login = section.registry_secret.as_ref().map(|secret| secret_arn(secret));
        Some(Registry::Confluent { url: url.clone(), login })
    }

    /// Lets an agent ask the registries of the tables' schemas.
    pub(super) fn ask_registries(&self, statements: &mut Statements) {
        let tables = || self.file.tables.iter().map(|table| &table.value);
        if tables().any(TableSection::is_of_glue) {
            // A version is asked for by its id, which says nothing of its registry: Glue takes no narrower right
            // (<https://docs.aws.amazon.com/glue/latest/dg/schema-registry-gs.html>).
            statements.allow("Schemas", &["glue:GetSchemaVersion"], &["*".to_owned()]);
        }
        let secrets: BTreeSet<&str> =
            tables().filter_map(|table| Some(table.registry_secret.as_ref()?.value.as_str())).collect();
        if secrets.is_empty() {
            return;
        }
        let arns: Vec<String> = secrets.iter().map(|secret| secret_arn(secret)).collect();
        statements.allow("RegistryUser", &["secretsmanager:GetSecretValue"], &arns);
        let own = secrets.iter().filter_map(|name| self.file.secrets.get(name));
        let keys: BTreeSet<&str> = own.map(|section| self.secret_key(&section.value)).collect();
        for (index, key) in keys.into_iter().enumerate() {
            let sid = format!("RegistryUserKey{index}");
            self.by_key(statements, &sid, (&["kms:Decrypt"], key), "secretsmanager");
        }
    }
}

/// The ARN of a secret that is one of the stack's, or was made by others.
fn secret_arn(secret: &str) -> String {
    if secret.starts_with("arn:") { secret.to_owned() } else { Address::new("secret", secret).output("arn") }
}
