//! Checks of the role that a stack is applied as: it is one, of the stack's account and partition.

use lakewright_iam::partition;

use super::Checker;
use crate::kind::fits;
use crate::kinds::values::RoleArn;
use crate::names;
use crate::stack::decode::At;
use crate::stack::diagnostics::Diagnostic;

/// What STS takes for an external id: 2 to 1224 characters.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
const EXTERNAL_ID: &str = r"^[A-Za-z0-9_+=,.@:/-]+$";

impl Checker<'_> {
    pub(super) fn role(&mut self) {
        let section = &self.file.stack;
        if let Some(id) = sound(section.external_id.as_ref()) {
            if !(2..=1224).contains(&id.len()) || !fits(EXTERNAL_ID, id) {
                let title = format!("`{}` is no external id", id.value);
                self.push(
                    Diagnostic::new(id.span.clone(), title, "STS refuses it")
                        .help("write 2 to 1224 letters, digits and `_+=,.@:/-`, as the role's trust policy has it"),
                );
            }
            if section.role.is_none() {
                self.push(
                    Diagnostic::new(id.span.clone(), "an external id without a role", "nothing is assumed by it").help(
                        "name the role whose trust policy asks for it: `role = \"arn:aws:iam::ACCOUNT:role/NAME\"`",
                    ),
                );
            }
        }
        let Some(role) = sound(section.role.as_ref()) else { return };
        let account = names::account_of(role).filter(|_| fits(RoleArn::PATTERN, role) && role.len() <= 1024);
        let Some(of_role) = account else {
            let title = format!("`{}` is no role that could be assumed", role.value);
            self.push(
                Diagnostic::new(role.span.clone(), title, "no ARN of a role")
                    .help("write its whole ARN, for its account is the one that the stack is applied to")
                    .help("as in \"arn:aws:iam::123456789012:role/deployer\""),
            );
            return;
        };
        if let Some(account) = sound(section.account.as_ref()).filter(|account| account.value != of_role) {
            let title = format!("the stack belongs to the account {}, and its role to {of_role}", account.value);
            let mut mistake = Diagnostic::new(role.span.clone(), title, format!("a role of {of_role}"));
            mistake.also.push((account.span.clone(), "another account".to_owned()));
            self.push(
                mistake.help(
                    "name a role of the stack's account: what is applied as a role comes into the role's account",
                ),
            );
        }
        let own = names::partition_of(role);
        if let Some(region) = sound(section.region.as_ref()).filter(|region| partition(region) != own) {
            let title = format!("the region {} is of the partition {}", region.value, partition(region));
            let mut mistake = Diagnostic::new(role.span.clone(), title, format!("a role of the partition {own}"));
            mistake.also.push((region.span.clone(), "another partition".to_owned()));
            self.push(mistake.help("roles of one partition of AWS can do nothing in another one"));
        }
    }
}

/// What can be judged.
fn sound(text: Option<&At<String>>) -> Option<&At<String>> {
    text.filter(|text| text.sound)
}
