//! From the command line to a stack and the account that it is compared with.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};
use lakewright_aws::{Aws, Needed as _, Options, ask};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Global, Pace, say};
use crate::intents::Intents;
use crate::kind::Context;
use crate::resource::Desired;
use crate::services::Services as _;
use crate::stack::{Architecture, Artifact, Given, Programs, Stack, Target, expand, load};
use crate::up::RunFile;

/// Where a stack stands when nothing names one.
const DEFAULTS: [&str; 2] = ["lakewright.toml", "stacks/shop.toml"];
/// The region of an account on this machine when nothing names one.
const LOCAL_REGION: &str = "eu-north-1";

/// The path of the stack file.
pub fn stack_path(global: &Global) -> Result<PathBuf> {
    if let Some(path) = &global.stack_file {
        return Ok(path.clone());
    }
    DEFAULTS.iter().map(PathBuf::from).find(|path| path.is_file()).ok_or_else(|| {
        anyhow!("no stack file: neither lakewright.toml nor stacks/shop.toml is here; name one, as in `lakewright plan my.toml`")
    })
}

/// The stack that the command line names.
pub fn stack(global: &Global) -> Result<Stack> {
    load(&stack_path(global)?, &Given::new(&global.var))
}

/// A connection to the account for a stack, which `stack` is the name of.
pub async fn connect(global: &Global, stack: &str, region: Option<&str>) -> Result<Context> {
    let region = global.region.as_deref().or(region);
    let aws = if global.local {
        let run = RunFile::read(&global.data)?;
        local_client(&run.account, region.unwrap_or(&run.region))?
    } else {
        let options = Options {
            region: region.map(str::to_owned),
            endpoint: global.endpoint_url.clone(),
            profile: global.profile.clone(),
            mfa_code: mfa_code(),
        };
        Aws::connect(options).await?
    };
    context(aws, stack, global.pace()).await
}

/// How a person is asked for the code of a device; none without a terminal to ask on.
pub fn mfa_code() -> Option<fn(&str) -> std::io::Result<String>> {
    use std::io::{IsTerminal as _, stderr, stdin};
    (stdin().is_terminal() && stderr().is_terminal()).then_some(|device| {
        say(&format!("Code of {device}:"));
        let mut code = String::new();
        stdin().read_line(&mut code)?;
        Ok(code)
    })
}

/// A client of the account on this machine, which takes any credentials.
pub fn local_client(url: &str, region: &str) -> Result<Aws> {
    let region = if region.is_empty() { LOCAL_REGION } else { region };
    Ok(Aws::with_keys(region, url, "lakewright", "lakewright")?)
}

/// The context of all calls to an account of that pace.
pub async fn context(aws: Aws, stack: &str, pace: Pace) -> Result<Context> {
    let identity = ask(aws.sts().get_caller_identity().send()).await.context("ask AWS who we are")?;
    let (poll, settles) = match pace {
        Pace::Aws => (Duration::from_secs(5), Duration::from_mins(1)),
        Pace::Local => (Duration::from_millis(50), Duration::from_secs(1)),
    };
    Ok(Context {
        region: aws.region().to_owned(),
        aws,
        stack: stack.to_owned(),
        account: identity.account.needed("sts", "GetCallerIdentity.Account")?,
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        poll,
        settles,
        reading: crate::reading::Reading::default(),
        intents: Intents::default(),
    })
}

/// Every resource that the stack stands for in this account.
pub fn desired(stack: &Stack, context: &Context, programs: &Programs) -> Result<Desired> {
    if let Some(only) = stack.file.stack.account.as_deref()
        && *only != context.account
    {
        bail!(
            "the stack {} belongs to the account {only}, and the credentials are of {}; choose others with --profile or \
             AWS_PROFILE",
            stack.name(),
            context.account
        );
    }
    let target = Target { account: context.account.clone(), region: context.region.clone() };
    Ok(expand(stack, &target, programs))
}

/// A program of Lakewright's: beside this one, else on PATH.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program's own folder")?;
    let beside = own.parent().map(|folder| folder.join(name)).filter(|path| path.is_file());
    let search = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
    };
    beside.or_else(search).with_context(|| {
        format!(
            "{name} is neither beside {} nor on PATH; `cargo build -p {name}` or `make build` makes it",
            own.display()
        )
    })
}

/// The agents' program: the one that is named, else the one that is found.
pub fn agent_program(global: &Global) -> Result<PathBuf> {
    global.agent.clone().map_or_else(|| program("lakewright-agent"), Ok)
}

/// The agents' programs as what hosts install, each for the processors that it was built for.
pub fn programs(global: &Global) -> Result<Programs> {
    let mut programs = Programs::default();
    for file in [Some(agent_program(global)?), global.other_agent.clone()].into_iter().flatten() {
        let architecture = architecture(&file)?;
        let place = match architecture {
            Architecture::X86 => &mut programs.x86_64,
            Architecture::Arm => &mut programs.arm64,
        };
        if let Some(other) = place.replace(artifact(file.clone())?) {
            bail!(
                "{} and {} are both for {} processors; --other-agent names the one for the other processors",
                other.file.unwrap_or_default(),
                file.display(),
                architecture.word()
            );
        }
    }
    Ok(programs)
}

/// The processors that a program is for, from its ELF header; of a file of another form, those of this machine.
fn architecture(file: &Path) -> Result<Architecture> {
    use std::io::Read as _;
    let mut header = Vec::new();
    let opened = std::fs::File::open(file).and_then(|file| file.take(20).read_to_end(&mut header));
    opened.with_context(|| format!("read the agents' program {}", file.display()))?;
    let machine = header.starts_with(b"\x7fELF").then(|| header.get(18..20)).flatten();
    Ok(match machine {
        Some([0x3e, 0]) => Architecture::X86,
        Some([0xb7, 0]) => Architecture::Arm,
        Some(_) => bail!("{} is for processors that are neither x86_64 nor arm64", file.display()),
        None if cfg!(target_arch = "aarch64") => Architecture::Arm,
        None => Architecture::X86,
    })
}

/// This machine's agents' program for hosts of every architecture: here all run the same.
pub fn own_program(global: &Global) -> Result<Programs> {
    Ok(Programs::everywhere(artifact(agent_program(global)?)?))
}

/// A program as what hosts install.
fn artifact(file: PathBuf) -> Result<Artifact> {
    let context = || format!("read the agents' program {}", file.display());
    let metadata = std::fs::metadata(&file).with_context(context)?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let state = format!("{} {}", metadata.len(), modified.unwrap_or_default().as_nanos());
    let sha256 = match remembered(&file, &state) {
        Some(sha256) => sha256,
        None => {
            let mut hasher = Sha256::new();
            let mut source = std::fs::File::open(&file).with_context(context)?;
            std::io::copy(&mut source, &mut hasher).with_context(context)?;
            let sha256 = hex::encode(hasher.finalize());
            remember(&file, &state, &sha256);
            sha256
        }
    };
    let path = std::path::absolute(&file).unwrap_or(file);
    Ok(Artifact { sha256, size: metadata.len(), file: Some(path.display().to_string()) })
}

/// The user's folder for what can be had again.
pub fn cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(cache.join("lakewright"))
}

/// The file that remembers a program's hash: hashing it takes longer than a whole plan.
fn memory(file: &Path) -> Option<PathBuf> {
    let name = hex::encode(&Sha256::digest(file.as_os_str().as_encoded_bytes())[..8]);
    Some(cache()?.join("hashes").join(name))
}

fn remembered(file: &Path, state: &str) -> Option<String> {
    let text = std::fs::read_to_string(memory(file)?).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    (value["state"].as_str()? == state).then(|| value["sha256"].as_str().map(str::to_owned))?
}

/// Without a place to remember, the next plan hashes again.
fn remember(file: &Path, state: &str, sha256: &str) {
    let Some(path) = memory(file) else { return };
    let folder = path.parent().expect("the path has a folder");
    let temporary = path.with_extension(std::process::id().to_string());
    let text = json!({ "state": state, "sha256": sha256 }).to_string();
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&temporary, text));
    let _ = written.and_then(|()| std::fs::rename(&temporary, &path));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_apart_by_their_headers() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, machine: u8| {
            let mut header = b"\x7fELF\x02\x01\x01".to_vec();
            header.resize(18, 0);
            header.extend([machine, 0]);
            let path = folder.path().join(name);
            std::fs::write(&path, header).expect("written");
            path
        };
        assert_eq!(architecture(&file("x86", 0x3e)).expect("known"), Architecture::X86);
        assert_eq!(architecture(&file("arm", 0xb7)).expect("known"), Architecture::Arm);
        assert!(architecture(&file("riscv", 0xf3)).is_err());
        std::fs::write(folder.path().join("script"), "#!").expect("written");
        assert!(architecture(&folder.path().join("script")).is_ok());
    }
}
