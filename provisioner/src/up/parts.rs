//! What stands around the agents: the data folder, its lock, and the local account, Kafka and search index.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lakewright_aws::{Aws, ask};
use lakewright_config::Security;
use lakewright_config::agents::Need;
use lakewright_platform::http::without_password;
use lakewright_platform::secret::Secret;
use lakewright_platform::{private, turn};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::Options;
use super::child::{Process, end_leftovers};
use crate::app::programs::program;
use crate::app::{RunFile, made_secret, say};
use crate::names;
use crate::services::Services as _;
use crate::stack::Stack;

/// How long the local parts may take to listen: a large log is read first.
const START: Duration = Duration::from_secs(60);
/// How long leftovers may take to end by themselves.
const LEFTOVERS: Duration = Duration::from_secs(20);
/// How long another `up` may hold the folder: one that was killed lets go of it when the system has ended it.
const ENDING: Duration = Duration::from_secs(3);
/// The variable that names a search cluster to use, password and all: arguments are read by every user of the machine.
const SEARCH_URL: &str = "LAKEWRIGHT_SEARCH_URL";

/// A data folder that nobody else uses.
pub struct DataFolder {
    /// Its absolute path.
    pub path: PathBuf,
    /// The secret key of its account.
    pub secret: Secret,
    _lock: File,
}

impl DataFolder {
    /// Takes the folder for this process and ends what an earlier one left running. What is made from now on is private.
    ///
    /// # Errors
    /// It isn't the user's own, or has a link in it; another `up` uses it.
    pub async fn open(path: &Path) -> Result<Self> {
        private::umask();
        private::data_folder(path)?;
        let path = path.canonicalize().with_context(|| format!("find the data folder {}", path.display()))?;
        let lock = match turn::take(&path.join("up.lock"), ENDING).await? {
            Ok(lock) => lock,
            Err(holder) => bail!(
                "another `lakewright up`, {holder}, uses {}; stop it, or run beside it with --data OTHER_FOLDER",
                path.display()
            ),
        };
        if let Ok(run) = RunFile::read(&path) {
            end_leftovers(&run.children, LEFTOVERS).await?;
        }
        RunFile::remove(&path);
        let secret = made_secret(&path)?;
        Ok(Self { path, secret, _lock: lock })
    }

    /// The log file of a process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{}.log", name.replace(' ', "-")))
    }
}

/// Where the local parts listen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoints {
    /// The account's URL.
    pub account: String,
    /// `HOST:PORT` of Kafka in clear.
    pub kafka: String,
    /// Where it asks for TLS and logins, if it is the log on this machine.
    #[serde(default)]
    pub kafka_secured: Option<SecuredKafka>,
    /// The search cluster's URL.
    pub search: String,
    /// The URL of the schema registry that speaks Confluent's API, if there is one.
    #[serde(default)]
    pub registry: Option<String>,
}

/// What a stack needs of the local parts besides an account and a Kafka.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Who logs in to the index on this machine, if it asks.
    pub logins: Option<SearchLogins>,
    /// Whether a schema registry stands in for those that tables name.
    pub registry: bool,
    /// Whether Kafka goes by access control lists.
    pub acls: bool,
}

impl Needs {
    /// Those of a stack. Where the messages are others' own, their registry is theirs too.
    pub fn of(stack: &Stack, options: &Options) -> Self {
        let is_own = options.kafka.is_none() && options.aws.is_none();
        let mut tables = stack.file.tables.iter().map(|table| &table.value);
        let is_named = tables.any(|table| table.registry.is_some() && !table.is_of_glue());
        let mut agents = stack.file.hosts.iter().flat_map(|host| &host.value.agents);
        let acls = is_own && agents.any(|agent| agent.needs(Need::Users));
        Self { logins: SearchLogins::of(stack, options), registry: is_own && is_named, acls }
    }
}

/// Where the log on this machine asks for what MSK's brokers ask for, as `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SecuredKafka {
    tls: String,
    scram: String,
    iam: String,
    /// The file with the authority that signed its certificate.
    pub authority: PathBuf,
}

impl SecuredKafka {
    /// The one for clients whose connections are protected so; none for those in clear.
    pub fn of(&self, security: &Security) -> Option<&str> {
        match security {
            Security::Plaintext => None,
            Security::Tls => Some(&self.tls),
            Security::Scram { .. } => Some(&self.scram),
            Security::Iam { .. } => Some(&self.iam),
        }
    }
}

/// Says where a password should stand that stands in the arguments, which every user of the machine reads.
pub fn warn_of_password(options: &Options) {
    let has_password = options.search.as_ref().is_some_and(|url| without_password(url).1.is_some());
    if has_password && std::env::var_os(SEARCH_URL).is_none() {
        say(&format!("! others on this machine can read the password in --search; set {SEARCH_URL} instead"));
    }
}

/// Who logs in to the index on this machine, as the stack has it for its search host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchLogins {
    /// What the names of their secrets begin with.
    secrets: String,
    /// What the names of the indices begin with to which the shipper adds.
    index: String,
}

impl SearchLogins {
    /// Those of the stack's search host, where the index stands in for it beside the account that holds their passwords.
    pub fn of(stack: &Stack, options: &Options) -> Option<Self> {
        let search = stack.file.search.as_ref().filter(|search| *search.login);
        let search = search.filter(|_| options.search.is_none() && options.aws.is_none())?;
        Some(Self { secrets: names::search_secrets(stack.name()), index: search.index.value.clone() })
    }

    /// The index's URL for who may do everything in it.
    ///
    /// # Errors
    /// The account has no such secret, or won't show it.
    pub async fn administrator(&self, aws: &Aws, url: &str) -> Result<String> {
        let name = format!("{}{}", self.secrets, names::SEARCH_ADMIN);
        let answer = ask(aws.secrets_manager().get_secret_value().secret_id(&name).send()).await;
        let answer = answer.with_context(|| format!("read the secret {name}, by which the index is searched"))?;
        // The parser's error would quote the secret.
        let value: Option<Value> = answer.secret_string().and_then(|text| serde_json::from_str(text).ok());
        let member = |member: &str| value.as_ref().and_then(|value| value[member].as_str());
        let (Some(user), Some(password), Some((scheme, host))) =
            (member("username"), member("password"), url.split_once("://"))
        else {
            bail!("the secret {name} holds no user name and password");
        };
        Ok(format!("{scheme}://{user}:{password}@{host}"))
    }
}

/// The command that runs the local parts.
fn command(local: &Path, data: &Path, options: &Options, needs: &Needs) -> Command {
    let mut command = Command::new(local);
    command.args(["serve", "--until-stdin-closes", "--data"]).arg(data);
    if let Some(kafka) = &options.kafka {
        command.args(["--kafka", kafka]);
    }
    if options.permissive {
        command.arg("--permissive");
    }
    command.args(["--keep", &format!("{}s", options.keep.as_secs().max(1))]);
    if needs.registry {
        command.arg("--registry");
    }
    if needs.acls {
        command.arg("--kafka-acls");
    }
    if let Some(SearchLogins { secrets, index }) = &needs.logins {
        command.args(["--search-logins", secrets, "--search-index", index]);
    }
    match &options.search {
        Some(url) => command.env(SEARCH_URL, url),
        None => command.env_remove(SEARCH_URL),
    };
    // The folder's own secret is what counts.
    command.env_remove("LAKEWRIGHT_ACCOUNT_SECRET");
    command
}

/// Starts the local parts and returns when they listen.
pub async fn start(data: &DataFolder, options: &Options, needs: &Needs) -> Result<(Process, Endpoints)> {
    let mut command = command(&program("lakewright-local")?, &data.path, options, needs);
    let log = data.log("local");
    let known = std::fs::metadata(&log).map_or(0, |log| log.len());
    let mut process = Process::start("local", &mut command, &log, Stdio::piped())?;
    let stdout = process.stdout().context("read what lakewright-local says")?;
    let mut line = String::new();
    let mut reader = BufReader::new(stdout);
    let said = tokio::time::timeout(START, reader.read_line(&mut line)).await;
    match said {
        Ok(Ok(1..)) => {}
        Ok(_) => {
            let ended = process.ended().await;
            let text = std::fs::read(&log).unwrap_or_default();
            let new = String::from_utf8_lossy(text.get(known as usize..).unwrap_or_default()).into_owned();
            bail!("the local account, Kafka and search did not start ({ended}):\n{}", new.trim_end())
        }
        Err(_) => bail!("the local account did not start within {} s; its log is {}", START.as_secs(), log.display()),
    }
    let mut endpoints: Endpoints =
        serde_json::from_str(&line).with_context(|| format!("lakewright-local said `{}`", line.trim()))?;
    if let Some(url) = &options.aws {
        endpoints.account.clone_from(url);
    }
    Ok((process, endpoints))
}

/// The last lines of a log.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use clap::Parser as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("it is there").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_data_folder_has_one_user() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = DataFolder::open(folder.path()).await.expect("it is free");
        let error = DataFolder::open(folder.path()).await.map(|_| ()).expect_err("it is taken");
        assert!(error.to_string().contains("--data OTHER_FOLDER"), "{error}");
        drop(first);
        DataFolder::open(folder.path()).await.expect("it is free again");
    }

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn no_password_stands_in_the_arguments() {
        let line = Line::parse_from(["up", "--search", "http://elastic:S3cr3tPw@127.0.0.1:9200"]);
        let command = command(Path::new("lakewright-local"), Path::new("data"), &line.options, &Needs::default());
        let command = command.as_std();
        assert!(command.get_args().all(|argument| !argument.to_string_lossy().contains("S3cr3tPw")), "{command:?}");
        assert!(command.get_envs().any(|(name, value)| name == SEARCH_URL && value.is_some()));
    }

    #[test]
    fn the_index_asks_for_logins_where_it_stands_in_for_the_stacks() {
        let text = "[stack]\nname = \"shop\"\n[hosts.search]\n[search]\nhost = \"search\"\nindex = \"visits\"\n";
        let of = |text: &str, words: &[&str]| {
            let stack =
                crate::stack::parse(Path::new("shop.toml"), text, None).unwrap_or_else(|error| panic!("{error:?}"));
            SearchLogins::of(&stack, &Line::parse_from([&["up"][..], words].concat()).options)
        };
        let logins = of(text, &[]).expect("the stack has logins");
        let line = Line::parse_from(["up"]);
        let needs = Needs { logins: Some(logins), ..Needs::default() };
        let command = command(Path::new("lakewright-local"), Path::new("data"), &line.options, &needs);
        let words: Vec<_> = command.as_std().get_args().filter_map(|word| word.to_str()).collect();
        assert!(words.windows(2).any(|pair| pair == ["--search-logins", "lakewright/shop/search-"]), "{words:?}");
        assert!(words.windows(2).any(|pair| pair == ["--search-index", "visits"]), "{words:?}");
        assert_eq!(of(&format!("{text}login = false\n"), &[]), None);
        // There the passwords are another's.
        for elsewhere in [["--search", "http://127.0.0.1:9200"], ["--aws", "http://127.0.0.1:4566"]] {
            assert_eq!(of(text, &elsewhere), None);
        }
    }

    #[tokio::test]
    async fn a_data_folder_is_its_users_alone() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("data");
        std::fs::create_dir(&path).expect("made");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("open to all");
        let data = DataFolder::open(&path).await.expect("it is free");
        assert_eq!((mode(&path), mode(&path.join("up.lock")), mode(&path.join("secret"))), (0o700, 0o600, 0o600));
        let secret = data.secret.clone();
        drop(data);
        let again = DataFolder::open(&path).await.expect("it is free again");
        assert!(again.secret.is(secret.exposed()), "the secret stays");
    }

    #[tokio::test]
    async fn a_link_that_was_checked_in_leads_nowhere() {
        for inner in ["up.lock", "run.json", "run.json.new", "secret", "logs", "account", "hosts/app"] {
            let place = tempfile::tempdir().expect("a folder");
            let precious = place.path().join("precious");
            std::fs::write(&precious, "mine").expect("written");
            let path = place.path().join("data");
            let link = path.join(inner);
            std::fs::create_dir_all(link.parent().expect("a folder")).expect("made");
            symlink(&precious, &link).expect("linked");
            let error = DataFolder::open(&path).await.map(|_| ()).expect_err(inner).to_string();
            assert!(error.contains("is a link"), "{inner}: {error}");
            assert_eq!(std::fs::read_to_string(&precious).expect("untouched"), "mine", "{inner}");
        }
    }
}
