//! The account's engine: DataFusion, on the account's own catalog and objects over HTTP, as any other client.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use lakewright_account::{Caller, Engine, QueryResult, Secret};
use lakewright_aws::Aws;
use lakewright_sql::Rows;
use parking_lot::Mutex;

/// The engines, one for each account and region that asks.
#[derive(Debug, Default)]
pub struct LocalEngine {
    account: OnceLock<(String, Option<Secret>)>,
    engines: Mutex<HashMap<(String, String), lakewright_sql::Engine>>,
    /// For how long snapshots of the models' tables are kept; without it, nobody maintains them.
    keep: Option<Duration>,
}

impl LocalEngine {
    /// Engines that maintain the models' tables, if it is said for how long their snapshots are kept.
    pub fn new(keep: Option<Duration>) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Says where the account is and what its access keys are signed with: it starts after its engine.
    pub fn connect(&self, endpoint: String, secret: Option<Secret>) {
        // An account starts once; a second word would change nothing.
        let _ = self.account.set((endpoint, secret));
    }

    /// The engine that works as a role, or as the account's administrator.
    fn engine(&self, caller: Caller<'_>) -> Result<lakewright_sql::Engine, String> {
        let engine = self.shared(caller)?;
        let Some(role) = caller.role else { return Ok(engine) };
        let (endpoint, _) = self.account.get().ok_or("the account is starting: try again")?;
        let keys = (role.access_key.as_str(), role.secret.as_str(), role.token.as_str());
        let aws = Aws::with_session(caller.region, endpoint, keys).map_err(|error| error.to_string())?;
        Ok(engine.on(aws))
    }

    fn shared(&self, caller: Caller<'_>) -> Result<lakewright_sql::Engine, String> {
        let key = (caller.account.to_owned(), caller.region.to_owned());
        if let Some(engine) = self.engines.lock().get(&key) {
            return Ok(engine.clone());
        }
        let (endpoint, secret) = self.account.get().ok_or("the account is starting: try again")?;
        let secret = secret.as_ref().map_or("unchecked", Secret::exposed);
        // The account takes its number as an access key of its own.
        let aws = Aws::with_keys(caller.region, endpoint, caller.account, secret).map_err(|e| e.to_string())?;
        let mut engine = lakewright_sql::Engine::new(aws).map_err(|error| format!("{error:#}"))?;
        if let Some(keep) = self.keep {
            engine = engine.maintaining(keep);
        }
        self.engines.lock().insert(key, engine.clone());
        Ok(engine)
    }
}

#[async_trait]
impl Engine for LocalEngine {
    async fn query(&self, caller: Caller<'_>, database: &str, sql: &str) -> Result<QueryResult, String> {
        let rows = self.engine(caller)?.query(database, sql).await;
        let Rows { columns, rows, scanned_bytes } = rows.map_err(|error| format!("{error:#}"))?;
        Ok(QueryResult { columns, rows, scanned_bytes })
    }

    async fn run_job(&self, caller: Caller<'_>, entry_point: &str, arguments: &[String]) -> Result<String, String> {
        self.engine(caller)?.run_job(entry_point, arguments).await.map_err(|error| format!("{error:#}"))
    }
}
