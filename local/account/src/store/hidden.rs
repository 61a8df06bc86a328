//! The documents that requests can't see yet.

use std::collections::{BTreeMap, HashMap};

use super::Scope;

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
