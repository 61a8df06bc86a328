//! An account on this machine with a Kafka behind it, and commands typed against it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use lakewright_aws::Aws;
use tokio::process::Command;

/// The region.
pub const REGION: &str = "eu-north-1";
/// The account's number.
pub const ACCOUNT: &str = "123456789012";

/// An account with a Kafka behind its clusters, and a program that stands for the agents' one.
pub struct Place {
    /// Where the account is.
    pub url: String,
    /// A folder of its own.
    pub folder: tempfile::TempDir,
    parts: (lakewright_account::Running, lakewright_kafka::Running),
}

/// What a command said.
pub struct Said {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Place {
    /// A new one.
    pub async fn new() -> Self {
        Self::that(false).await
    }

    /// One that judges each call by IAM's policies.
    pub async fn enforcing() -> Self {
        Self::that(true).await
    }

    async fn that(enforce: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kafka = lakewright_kafka::serve(lakewright_kafka::Config::new(folder.path().join("kafka"))).await.unwrap();
        let account = lakewright_account::serve(lakewright_account::Config {
            kafka: Some(kafka.address().to_string()),
            secret: Some(lakewright_account::Secret::new("secret")),
            enforce,
            ..lakewright_account::Config::new(folder.path().join("account"))
        })
        .await
        .unwrap();
        std::fs::write(folder.path().join("lakewright-agent"), "the agents").unwrap();
        Self { url: format!("http://{}", account.address()), folder, parts: (account, kafka) }
    }

    /// What a command says.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, &[]).await
    }

    /// The same with variables of the environment.
    pub async fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_lakewright"))
            .args(arguments)
            .arg("--agent")
            .arg(self.folder.path().join("lakewright-agent"))
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("LAKEWRIGHT_PACE", "local")
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("XDG_CACHE_HOME", self.folder.path())
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_REGION")
            .env_remove("AWS_DEFAULT_REGION")
            .envs(variables.iter().copied())
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What goes wrong from now on, in the account's rules; nothing for no rules.
    pub fn faults(&self, rules: &str) {
        self.parts.0.faults().set(lakewright_account::Faults::parse(rules).unwrap());
    }

    /// A client of the account.
    pub fn client(&self) -> Aws {
        Aws::with_keys(REGION, &self.url, ACCOUNT, "secret").unwrap()
    }
}
