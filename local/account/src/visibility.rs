//! What a request can't see yet: documents that a fault rule keeps invisible for a while.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::store::Scope;

tokio::task_local! {
    static SIGHT: Arc<Sight>;
}

/// Where documents stand that are never hidden: a client token must be recognised at once, topics, which stand in
/// Kafka, have a lag of their own, and so have changes, which whoever made them asks for.
const EXEMPT: [&str; 3] = ["tokens", "kafka/topic", "route53/change"];

/// What the request in hand sees, and whether others see what it makes.
#[derive(Debug)]
pub(crate) struct Sight {
    reads: bool,
    /// The thing that the request makes, such as `vpc`.
    makes: Option<String>,
    hides: Option<Duration>,
}

impl Sight {
    /// The sight of a request for `operation`; what it makes stays hidden for `hides`.
    pub fn new(operation: &str, mutating: bool, hides: Option<Duration>) -> Self {
        let noun = operation.strip_prefix("Create").or_else(|| operation.strip_prefix("Put"));
        let makes = noun.map(|noun| noun.strip_suffix("V2").unwrap_or(noun).to_lowercase());
        Self { reads: !mutating, makes, hides }
    }

    /// Runs a request with this sight.
    pub async fn during<T>(self, work: impl Future<Output = T>) -> T {
        SIGHT.scope(Arc::new(self), work).await
    }

    /// The sight of the request in hand; none in work of the account's own.
    pub fn current() -> Option<Arc<Self>> {
        SIGHT.try_with(Arc::clone).ok()
    }

    /// How many milliseconds a document made in this collection stays hidden.
    pub fn hides(&self, collection: &str) -> Option<i64> {
        self.hides.filter(|_| !EXEMPT.contains(&collection)).map(|time| time.as_millis() as i64)
    }

    /// How many milliseconds all that the request makes stays hidden.
    pub fn late(&self) -> i64 {
        self.hides.map_or(0, |time| time.as_millis() as i64)
    }

    /// Whether hidden documents are left out of lists. A change must see them, or it would give an address away twice.
    pub fn lists_hidden(&self) -> bool {
        !self.reads || self.hides.is_some()
    }

    /// Whether hidden documents of the collection are found by their ids. Names are unique at once: what makes another
    /// thing of the kind must find them. Whatever else uses them gets the answer that they don't exist.
    pub fn finds_hidden(&self, collection: &str) -> bool {
        if self.hides.is_some() {
            return true;
        }
        let kind = collection.rsplit('/').next().unwrap_or_default().replace('-', "");
        !self.reads && self.makes.as_ref().is_some_and(|makes| makes.ends_with(&kind))
    }
}

/// The hidden documents and when each of them shows, in milliseconds since the epoch. They are in memory only: a
/// restart shows everything.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    places: HashMap<(Scope, String), BTreeMap<String, i64>>,
}

impl Hidden {
    /// Whether nothing is hidden.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Hides a document.
    pub fn hide(&mut self, scope: &Scope, collection: &str, id: &str, until: i64) {
        self.places.entry((scope.clone(), collection.to_owned())).or_default().insert(id.to_owned(), until);
    }

    /// Forgets a document that is gone.
    pub fn forget(&mut self, scope: &Scope, collection: &str, id: &str) {
        if !self.is_empty()
            && let Some(place) = self.places.get_mut(&(scope.clone(), collection.to_owned()))
        {
            place.remove(id);
        }
    }

    /// Forgets what shows by now.
    pub fn expire(&mut self, now: i64) {
        self.places.retain(|_, place| {
            place.retain(|_, until| *until > now);
            !place.is_empty()
        });
    }

    /// The hidden documents of a collection.
    pub fn of(&self, scope: &Scope, collection: &str) -> Option<&BTreeMap<String, i64>> {
        if self.is_empty() {
            return None;
        }
        self.places.get(&(scope.clone(), collection.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_whoever_makes_another() {
        let sight = |operation: &str, mutating| Sight::new(operation, mutating, None);
        assert!(sight("CreateVpc", true).finds_hidden("ec2/vpc"));
        assert!(sight("CreateInstanceProfile", true).finds_hidden("iam/profile"));
        assert!(sight("CreateSecurityGroup", true).finds_hidden("ec2/security-group"));
        assert!(sight("CreateClusterV2", true).finds_hidden("kafka/cluster"));
        assert!(!sight("CreateSubnet", true).finds_hidden("ec2/vpc"));
        assert!(!sight("CreateVpcEndpoint", true).finds_hidden("ec2/vpc"));
        assert!(!sight("DeleteVpc", true).finds_hidden("ec2/vpc"));
        assert!(!sight("DescribeVpcs", false).finds_hidden("ec2/vpc"));
    }

    #[test]
    fn hidden_documents_show_when_their_time_has_come() {
        let scope = Scope::new("123456789012", "eu-north-1");
        let mut hidden = Hidden::default();
        hidden.hide(&scope, "ec2/vpc", "vpc-1", 10);
        hidden.hide(&scope, "ec2/vpc", "vpc-2", 20);
        hidden.expire(10);
        assert_eq!(hidden.of(&scope, "ec2/vpc").unwrap().keys().collect::<Vec<_>>(), ["vpc-2"]);
        hidden.forget(&scope, "ec2/vpc", "vpc-2");
        hidden.expire(10);
        assert!(hidden.is_empty());
    }
}
