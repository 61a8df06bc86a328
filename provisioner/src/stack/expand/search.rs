//! The search cluster's name: a private zone in which its host writes its own address.

use serde_json::json;

use super::Expansion;
use super::policy::Statements;
use super::user_data::OwnName;
use crate::kinds::private_zone;
use crate::resource::Address;
use crate::stack::decode::Entry;
use crate::stack::hosts::Host;

/// The name of the zone in the stack, and of the host's record under its domain.
const SEARCH: &str = "search";

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
}

fn zone() -> Address {
    Address::new("private_zone", SEARCH)
}
