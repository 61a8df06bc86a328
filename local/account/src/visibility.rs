//! What a request can't see yet: documents that a fault rule keeps invisible for a while.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

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
}
