//! The account as services see it: documents, clock, delays, engine and the addresses of its neighbours.

use crate::clock::{self, Delays};
use crate::disk::Disk;
use crate::engine::Engine;
use crate::error::AwsError;
use crate::request::Request;
use crate::signature::Secret;
use crate::state::State;
use crate::store::{Scope, Store};
use crate::visibility::Sight;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that services share.
pub struct Account {
    pub(crate) store: Mutex<Store>,
    /// Where files of their own that services keep become durable.
    pub(crate) disk: Arc<dyn Disk>,
    /// How long states take.
    pub delays: Delays,
    /// Runs SQL and jobs.
    pub engine: Arc<dyn Engine>,
    /// `HOST:PORT` of the Kafka that stands behind every MSK cluster.
    pub kafka: Option<String>,
    /// The folder of the account's data; a service may keep files in a folder of its own below it.
    pub data: PathBuf,
    /// `http://127.0.0.1:PORT`, where this account answers.
    pub endpoint: String,
    /// What its access keys are signed with; without one, signatures aren't checked.
    pub secret: Option<Secret>,
    /// How long a query may run.
    pub query_time: Duration,
    /// Whether each call is judged by IAM's policies.
    pub enforce: bool,
}

impl Account {
    /// Runs `work` on the documents of the caller's account and region, as one transaction.
    ///
    /// An error undoes every change that `work` made.
    pub fn transact<T>(
        &self,
        request: &Request,
        work: impl FnOnce(&mut State<'_>) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        self.transact_at(Scope::new(&request.account, &request.region), work)
    }

    /// Runs `work` on the documents of `scope`, as one transaction.
    pub fn transact_at<T>(
        &self,
        scope: Scope,
        work: impl FnOnce(&mut State<'_>) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        let mut store = self.store.lock();
        let mut changes = Vec::new();
        let now = clock::now();
        if !store.hidden.is_empty() {
            store.hidden.expire(now);
        }
        let sight = Sight::current();
        let mut state = State { store: &mut store, changes: &mut changes, scope, now, delays: self.delays, sight };
        let result = work(&mut state).and_then(|answer| match store.record(&changes) {
            Ok(()) => Ok(answer),
            Err(error) => Err(AwsError::internal(format!("cannot write to {}: {error}", self.data.display()))),
        });
        if result.is_err() {
            for change in changes.into_iter().rev() {
                if change.before.is_none() {
                    store.hidden.forget(&change.scope, &change.collection, &change.id);
                }
                let collection = store.documents.entry(change.scope).or_default().entry(change.collection).or_default();
                match change.before {
                    Some(document) => collection.insert(change.id, document),
                    None => collection.remove(&change.id),
                };
            }
        }
        result
    }

    /// Makes what was changed so far durable, outside the lock that requests wait for, and deletes the files that are
    /// unreachable since then. Blocks on the disk.
    pub(crate) fn sync(&self) {
        let Some(mut point) = self.store.lock().unsynced() else { return };
        let result = point.sync();
        let settled = self.store.lock().synced(point, result);
        match settled {
            Ok(files) => {
                for file in files {
                    if let Err(error) = std::fs::remove_file(&file) {
                        tracing::debug!(%error, file = %file.display(), "cannot delete a file that is not used any more");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "cannot write the documents"),
        }
    }

    /// Every scope that holds documents.
    pub fn scopes(&self) -> Vec<Scope> {
        self.store.lock().documents.keys().cloned().collect()
    }
}
