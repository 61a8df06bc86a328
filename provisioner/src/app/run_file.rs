//! What the data folder says to other commands: `run.json`, where the parts of a running `up` listen, and `secret`, what the
//! account's access keys are signed with. Only their user reads them, and what others could have written isn't believed.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use lakewright_platform::private;
use lakewright_platform::secret::Secret;
use rand::Rng as _;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};

use super::connect::LOCAL_ACCOUNT;

/// The file's name in the data folder.
const NAME: &str = "run.json";
/// The name of the file with the secret key; `lakewright-local` reads it too.
const SECRET: &str = "secret";
/// The length of a secret key: some 240 bits.
const SECRET_LENGTH: usize = 40;

/// What is said about a running `up`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The stack's name.
    pub stack: String,
    /// The region that the stack stands in.
    pub region: String,
    /// The account's URL.
    pub account: String,
    /// The account's number, by which the account on this machine is asked.
    #[serde(default = "number")]
    pub number: String,
    /// Whether that is the account on this machine, which has the folder's secret key.
    #[serde(default)]
    pub local_account: bool,
    /// Whether that account judges each call by IAM's policies.
    #[serde(default)]
    pub enforce: bool,
    /// `HOST:PORT` of Kafka.
    pub kafka: String,
    /// The search cluster's URL.
    pub search: String,
    /// The process that runs it all.
    pub pid: u32,
    /// The processes that it started.
    pub children: Vec<Child>,
}

/// The number of the account that is written into no file.
fn number() -> String {
    LOCAL_ACCOUNT.to_owned()
}

/// A process that `up` started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// What it is, `stream on data`.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did: distinguishes it from a later process with the same id.
    pub started: u64,
}

impl RunFile {
    /// The file of a data folder, or an error that says what to do when nothing runs there.
    pub fn read(data: &Path) -> Result<Self> {
        let path = data.join(NAME);
        let Some(text) = private::read(&path)? else {
            bail!(
                "nothing runs on this machine: {} is missing; start it with `lakewright up`, or name its folder with --data",
                path.display()
            )
        };
        serde_json::from_str(&text).with_context(|| format!("{} is not what `lakewright up` writes", path.display()))
    }

    /// Writes the file, all of it or nothing.
    pub fn write(&self, data: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("write the run file")?;
        private::write(&data.join(NAME), (text + "\n").as_bytes())
    }

    /// Removes the file: nothing runs any more.
    pub fn remove(data: &Path) {
        // One that is left behind names processes that are gone, which the next `up` finds out.
        let _ = std::fs::remove_file(data.join(NAME));
    }
}

/// The secret key of a data folder's account.
///
/// # Errors
/// There is none, or others could have written it.
pub fn secret(data: &Path) -> Result<Secret> {
    let path = data.join(SECRET);
    let text = private::read(&path).context("read the secret key of the account on this machine")?;
    let text = text.with_context(|| format!("{} is missing; `lakewright up` makes it", path.display()))?;
    Ok(Secret::new(text.trim()))
}

/// The secret key of a data folder's account, made when there is none. It stays, so that clients go on with it.
///
/// # Errors
/// Others could have written what is there, or it can't be written.
pub fn made_secret(data: &Path) -> Result<Secret> {
    let path = data.join(SECRET);
    if private::read(&path).context("read the secret key of the account on this machine")?.is_none() {
        let made: String = rand::rng().sample_iter(Alphanumeric).take(SECRET_LENGTH).map(char::from).collect();
        private::write(&path, format!("{made}\n").as_bytes())?;
    }
    secret(data)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn run() -> RunFile {
        RunFile {
            stack: "shop".to_owned(),
            region: "eu-north-1".to_owned(),
            account: "http://127.0.0.1:1".to_owned(),
            number: "210987654321".to_owned(),
            local_account: true,
            enforce: false,
            kafka: "127.0.0.1:2".to_owned(),
            search: "http://elastic:word@127.0.0.1:3".to_owned(),
            pid: 1,
            children: Vec::new(),
        }
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_reads_the_run_file() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(RunFile::read(folder.path()).expect_err("nothing runs").to_string().contains("lakewright up"));
        run().write(folder.path()).expect("written");
        run().write(folder.path()).expect("written over");
        let path = folder.path().join(NAME);
        assert_eq!((RunFile::read(folder.path()).expect("read"), mode(&path)), (run(), 0o600));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("opened to all");
        RunFile::read(folder.path()).expect_err("it may be another's");
    }

    #[test]
    fn a_secret_is_made_once_and_never_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        secret(folder.path()).expect_err("none was made");
        let made = made_secret(folder.path()).expect("made");
        assert_eq!(made.exposed().len(), SECRET_LENGTH);
        assert!(made_secret(folder.path()).expect("read").is(made.exposed()));
        assert_eq!(mode(&folder.path().join(SECRET)), 0o600);
        let other = tempfile::tempdir().expect("a folder");
        let target = other.path().join("target");
        std::os::unix::fs::symlink(&target, other.path().join(SECRET)).expect("linked");
        made_secret(other.path()).expect_err("a link");
        assert!(!target.exists());
    }
}
