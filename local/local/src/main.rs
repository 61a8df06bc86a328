//! `lakewright-local`: what a stack needs of AWS, on this machine.

mod authority;
mod cli;
mod ports;
mod sql;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser as _;
use lakewright_account::{Faults, Secret};
use lakewright_kafka::{Authorizer, Listener, Login};
use lakewright_platform::{private, turn};
use lakewright_runtime::program;
use lakewright_search::{Access, Product};
use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;
use crate::cli::{Command, Common, Conduct};
use crate::ports::Ports;
use crate::sql::LocalEngine;

/// Where the parts listen, as the line on standard output says it.
#[derive(Debug, Default, Serialize)]
struct Endpoints {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka_secured: Option<Secured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<String>,
}

/// Where this machine's Kafka asks for what MSK's brokers ask for on their ports, as `HOST:PORT`.
#[derive(Debug, Serialize)]
struct Secured {
    /// TLS, and no login.
    tls: String,
    /// TLS, name and password.
    scram: String,
    /// TLS, and a token of IAM.
    iam: String,
    /// The file with the authority that signed the certificate.
    authority: PathBuf,
}

/// glibc's allocator keeps what a large query freed: this one gives it back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The variable that holds the account's secret key.
const SECRET: &str = "LAKEWRIGHT_ACCOUNT_SECRET";
/// The file in the data folder that holds it otherwise; `lakewright up` makes one.
const SECRET_FILE: &str = "secret";
/// What each part locks in the data folder while it runs.
const ACCOUNT_LOCK: &str = "account/LOCK";
const KAFKA_LOCK: &str = "kafka/lock";
const SEARCH_LOCK: &str = "search/segments/.tantivy-writer.lock";
/// How long a part waits for the process that holds its folder: one that was killed, or asked to stop, may be ending.
const ENDING: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    // What the parts keep are the passwords and the data of a stack.
    private::umask();
    program::main(|| run(cli::Cli::parse().command))
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Serve {
            common,
            account_port,
            kafka_port,
            search_port,
            registry,
            registry_port,
            kafka,
            kafka_acls,
            search,
            search_logins,
            search_index,
            conduct,
        } => {
            let stop = begin(&common, &[KAFKA_LOCK, SEARCH_LOCK, ACCOUNT_LOCK]).await?;
            let mut ports = Ports::open(&common.data)?;
            let log = match kafka {
                Some(_) => None,
                None => Some(GuardedLog::start(&common.data, &ports, kafka_port, kafka_acls).await?),
            };
            let bootstrap = kafka.or_else(|| log.as_ref().map(|log| log.running.address().to_string()));
            let account =
                start_account(&common.data, ports.choose("account", account_port), bootstrap.clone(), conduct).await?;
            let by_secrets = search_logins.map(|secrets| BySecrets {
                account: account.logins(),
                secrets,
                indices: format!("{search_index}-"),
            });
            let index = match search {
                Some(_) => None,
                None => Some(start_search(&common.data, ports.choose("search", search_port), by_secrets).await?),
            };
            if let Some(log) = &log {
                log.running.take_logins(Arc::new(ByAccount { account: account.logins(), known: Mutex::default() }));
            }
            let registry = if registry {
                Some(start_registry(&common.data, ports.choose("registry", registry_port)).await?)
            } else {
                None
            };
            let url = search.or_else(|| index.as_ref().map(|index| format!("http://{}", index.address())));
            ports.save([
                ("search", index.as_ref().map(|index| index.address().port())),
                ("registry", registry.as_ref().map(|registry| registry.address().port())),
                ("account", Some(account.address().port())),
            ])?;
            if let Some(log) = &log {
                ports.save(log.ports())?;
            }
            announce(&Endpoints {
                account: Some(format!("http://{}", account.address())),
                kafka: bootstrap,
                kafka_secured: log.as_ref().map(GuardedLog::secured),
                search: url,
                registry: registry.as_ref().map(|registry| format!("http://{}", registry.address())),
            })?;
            stop.cancelled().await;
            account.shutdown().await;
            if let Some(registry) = registry {
                registry.shutdown().await;
            }
            if let Some(index) = index {
                index.shutdown().await;
            }
            if let Some(log) = log {
                log.running.shutdown().await;
            }
        }
        Command::Account { common, port, kafka, conduct } => {
            let stop = begin(&common, &[ACCOUNT_LOCK]).await?;
            let account = start_account(&common.data, port, kafka, conduct).await?;
            announce(&Endpoints { account: Some(format!("http://{}", account.address())), ..Endpoints::default() })?;
            stop.cancelled().await;
            account.shutdown().await;
        }
        Command::Kafka { common, port } => {
            let stop = begin(&common, &[KAFKA_LOCK]).await?;
            let log = start_kafka(&common.data, port, Vec::new(), None).await?;
            announce(&Endpoints { kafka: Some(log.address().to_string()), ..Endpoints::default() })?;
            stop.cancelled().await;
            log.shutdown().await;
        }
        Command::Search { common, port } => {
            let stop = begin(&common, &[SEARCH_LOCK]).await?;
            let index = start_search(&common.data, port, None).await?;
            announce(&Endpoints { search: Some(format!("http://{}", index.address())), ..Endpoints::default() })?;
            stop.cancelled().await;
            index.shutdown().await;
        }
    }
    Ok(())
}

/// Judges the data folder before anything in it is opened, waits for the process that still holds one of the locks in it, and
/// says when to end.
async fn begin(common: &Common, locks: &[&str]) -> Result<CancellationToken> {
    private::data_folder(&common.data)?;
    for lock in locks {
        if let Some(holder) = turn::wait(&common.data.join(lock), ENDING).await? {
            let data = common.data.display();
            bail!("{data} is in use by {holder}: stop that one, or take another folder with --data");
        }
    }
    lakewright_runtime::shutdown::token(common.until_stdin_closes)
}

/// What the account's access keys are signed with: as the environment says, else as the data folder does.
fn secret(data: &Path) -> Result<Option<Secret>> {
    let given = std::env::var(SECRET).ok().filter(|given| !given.is_empty());
    let kept = match given {
        Some(given) => Some(given),
        None => private::read(&data.join(SECRET_FILE)).context("read the account's secret key")?,
    };
    let Some(secret) = kept else {
        tracing::warn!("signatures aren't checked, any secret key will do; {SECRET} sets the one that counts");
        return Ok(None);
    };
    let secret = secret.trim();
    ensure!(!secret.is_empty(), "the account's secret key in {} is empty: remove the file", data.display());
    Ok(Some(Secret::new(secret)))
}

async fn start_kafka(
    data: &Path,
    port: u16,
    listeners: Vec<Listener>,
    authorizer: Option<Authorizer>,
) -> Result<lakewright_kafka::Running> {
    let config =
        lakewright_kafka::Config { port, listeners, authorizer, ..lakewright_kafka::Config::new(data.join("kafka")) };
    lakewright_kafka::serve(config).await.context("start the Kafka log")
}

/// The Kafka log, with a port for each way in which MSK's brokers let clients in.
struct GuardedLog {
    running: lakewright_kafka::Running,
    authority: PathBuf,
}

impl GuardedLog {
    /// The ports beside the one in clear, by the names under which they are remembered.
    const WAYS: [(&str, Login); 3] =
        [("kafka-tls", Login::Nobody), ("kafka-scram", Login::Password), ("kafka-iam", Login::Token)];

    async fn start(data: &Path, ports: &Ports, port: u16, acls: bool) -> Result<Self> {
        let authority = Authority::open(data)?;
        let tls = authority.server()?;
        let listener = |(name, login)| Listener { port: ports.choose(name, 0), tls: Some(tls.clone()), login };
        // As MSK's brokers have one; the port in clear is this machine's own, as AWS's calls are.
        let authorizer = acls.then(|| Authorizer {
            super_users: vec!["User:ANONYMOUS".to_owned()],
            allow_everyone_if_no_acl_found: true,
        });
        let port = ports.choose("kafka", port);
        let running = start_kafka(data, port, Self::WAYS.map(listener).into(), authorizer).await?;
        Ok(Self { running, authority: authority.file })
    }

    fn ports(&self) -> [(&'static str, Option<u16>); 4] {
        let [tls, scram, iam] = self.addresses().map(|address| Some(address.port()));
        let [(tls_name, _), (scram_name, _), (iam_name, _)] = Self::WAYS;
        [("kafka", Some(self.running.address().port())), (tls_name, tls), (scram_name, scram), (iam_name, iam)]
    }

    fn addresses(&self) -> [SocketAddr; 3] {
        self.running.listeners().try_into().expect("it listens in as many ways as it was told")
    }

    fn secured(&self) -> Secured {
        let [tls, scram, iam] = self.addresses().map(|address| address.to_string());
        Secured { tls, scram, iam, authority: self.authority.clone() }
    }
}

/// Lets clients of the Kafka log in as they do to MSK: by tokens that the account's credentials sign, or by what the secrets hold
/// that are associated with its clusters.
#[derive(Debug)]
struct ByAccount {
    account: lakewright_account::Logins,
    /// Who has logged in so far.
    known: Mutex<BTreeSet<String>>,
}

impl lakewright_kafka::Logins for ByAccount {
    fn check(&self, token: &str) -> Result<String, String> {
        let who = self.account.check(token)?;
        if self.known.lock().insert(who.clone()) {
            tracing::info!(who, "logged in to Kafka by IAM");
        }
        Ok(who)
    }

    fn password(&self, user: &str) -> Option<String> {
        self.account.password(user)
    }
}

/// Lets those log in to the search index who log in to a stack's search host: by what the account's secrets hold now.
#[derive(Debug)]
struct BySecrets {
    account: lakewright_account::Logins,
    /// What the secrets' names begin with; the user's follows.
    secrets: String,
    /// What the names of the indices begin with to which the shipper adds.
    indices: String,
}

impl lakewright_search::Logins for BySecrets {
    fn may(&self, user: &str, password: &str) -> Option<Access> {
        let access = match user {
            "admin" => Access::Everything,
            "shipper" => Access::Creating(self.indices.clone()),
            _ => return None,
        };
        let is_it = |held: &String| {
            let held: serde_json::Value = serde_json::from_str(held).unwrap_or_default();
            let known = held["password"].as_str().filter(|known| !known.is_empty());
            held["username"] == user && known.is_some_and(|known| Secret::new(known).is(password))
        };
        self.account.secret(&format!("{}{user}", self.secrets)).iter().any(is_it).then_some(access)
    }
}

async fn start_search(data: &Path, port: u16, logins: Option<BySecrets>) -> Result<lakewright_search::Running> {
    let logins = logins.map(|logins| Arc::new(logins) as Arc<dyn lakewright_search::Logins>);
    lakewright_search::serve(lakewright_search::Config {
        data: data.join("search"),
        port,
        logins,
        product: Product::default(),
    })
    .await
    .context("start the search index")
}

async fn start_registry(data: &Path, port: u16) -> Result<lakewright_registry::Running> {
    let config = lakewright_registry::Config { data: data.join("registry"), port };
    lakewright_registry::serve(config).await.context("start the schema registry")
}

async fn start_account(
    data: &Path,
    port: u16,
    kafka: Option<String>,
    conduct: Conduct,
) -> Result<lakewright_account::Running> {
    let engine = Arc::new(LocalEngine::new(conduct.keep));
    let secret = secret(data)?;
    let faults = match &conduct.faults {
        Some(path) => read_faults(path)?,
        None => Faults::default(),
    };
    let running = lakewright_account::serve(lakewright_account::Config {
        port,
        kafka,
        engine: Arc::clone(&engine) as Arc<dyn lakewright_account::Engine>,
        delays: conduct.delays,
        faults,
        events: conduct.events,
        secret: secret.clone(),
        query_time: conduct.query_time,
        older_versions: conduct.keep,
        enforce: !conduct.permissive,
        ..lakewright_account::Config::new(data.join("account"))
    })
    .await
    .context("start the account")?;
    engine.connect(format!("http://{}", running.address()), secret);
    Ok(running)
}

fn read_faults(path: &Path) -> Result<Faults> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the fault rules in {}", path.display()))?;
    Faults::parse(&text).with_context(|| format!("read the fault rules in {}", path.display()))
}

/// Tells whoever started this that everything listens, and where.
fn announce(endpoints: &Endpoints) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, endpoints).context("write the endpoints")?;
    writeln!(out).and_then(|()| out.flush()).context("write to standard output")
}
