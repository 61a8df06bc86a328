//! What the account needs from outside to run SQL (Athena) and jobs (EMR Serverless).

use std::fmt;

use async_trait::async_trait;

/// The rows of one query, as Athena returns them: text or null.
#[derive(Clone, Debug, Default)]
pub struct QueryResult {
    /// Name and Athena type of each column.
    pub columns: Vec<(String, String)>,
    /// The rows; one cell per column.
    pub rows: Vec<Vec<Option<String>>>,
    /// Bytes read from the tables.
    pub scanned_bytes: u64,
}

/// Temporary credentials of a role, which the engine calls the account with.
#[derive(Clone)]
pub struct Temporary {
    /// The access key.
    pub access_key: String,
    /// What it signs with.
    pub secret: String,
    /// What every request shows.
    pub token: String,
}

impl fmt::Debug for Temporary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "credentials of {}", self.access_key)
    }
}

/// For whom the engine works.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The account, 12 digits; as an access key it is that account's.
    pub account: &'a str,
    /// The region.
    pub region: &'a str,
    /// The role that works; the account's administrator without one.
    pub role: Option<&'a Temporary>,
}

/// Runs SQL and jobs for the account's Athena and EMR Serverless.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Runs one statement with `database` as its default database; the error is Athena's state change reason.
    async fn query(&self, caller: Caller<'_>, database: &str, sql: &str) -> Result<QueryResult, String>;

    /// Runs one job to its end and returns its log; the error is the job run's state details.
    async fn run_job(&self, caller: Caller<'_>, entry_point: &str, arguments: &[String]) -> Result<String, String>;
}

/// The engine of an account that has none: every query and every job fails and says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEngine;

#[async_trait]
impl Engine for NoEngine {
    async fn query(&self, _caller: Caller<'_>, _database: &str, _sql: &str) -> Result<QueryResult, String> {
        Err("this account runs without a SQL engine".to_owned())
    }

    async fn run_job(&self, _caller: Caller<'_>, _entry_point: &str, _arguments: &[String]) -> Result<String, String> {
        Err("this account runs without a job engine".to_owned())
    }
}
