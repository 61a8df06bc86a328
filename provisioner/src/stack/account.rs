//! The account that a stack belongs to, and the role that it is applied as.

use super::sections::StackSection;
use crate::names;
use crate::plan::AssumedRole;

impl StackSection {
    /// The twelve digits of the only account that the stack may be applied to: those that it names, else those of its role.
    pub fn only_account(&self) -> Option<&str> {
        let own = self.account.as_deref().map(String::as_str);
        own.or_else(|| self.role.as_deref().and_then(|role| names::account_of(role)))
    }

    /// The role that the stack is planned and applied as, if it names one.
    pub fn assumed_role(&self) -> Option<AssumedRole> {
        let arn = self.role.as_deref()?.clone();
        Some(AssumedRole { arn, external_id: self.external_id.as_deref().cloned() })
    }
}
