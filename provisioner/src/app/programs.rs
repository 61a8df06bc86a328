//! Lakewright's programs: where they are, and what of them hosts install and builds run.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::cache::cache;
use super::options::Global;
use crate::stack::{Architecture, Artifact, Pipeline, Programs, Stack};

/// Where `make stream-spark` leaves the stream job, below the folder of what is built.
const STREAM_JOB: &str = "stream-spark/lakewright-stream.jar";

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
    opened.with_context(|| format!("read the program {}", file.display()))?;
    let machine = header.starts_with(b"\x7fELF").then(|| header.get(18..20)).flatten();
    Ok(match machine {
        Some([0x3e, 0]) => Architecture::X86,
        Some([0xb7, 0]) => Architecture::Arm,
        Some(_) => bail!("{} is for processors that are neither x86_64 nor arm64", file.display()),
        None if cfg!(target_arch = "aarch64") => Architecture::Arm,
        None => Architecture::X86,
    })
}

/// The programs of a stack: the agents' for its hosts, and `lakewright` for the builds of its pipeline.
pub fn programs_of(global: &Global, stack: &Stack) -> Result<Programs> {
    let with_agents = stack.file.hosts.iter().any(|host| !host.value.agents.is_empty());
    let mut programs = match programs(global) {
        // Nobody misses what isn't there.
        Err(_) if !with_agents && global.agent.is_none() => Programs::default(),
        programs => programs?,
    };
    if for_builds(stack) {
        let file = builds_program(global)?;
        let fits = architecture(&file)? == Architecture::X86;
        programs.lakewright = fits.then(|| artifact(file)).transpose()?;
    }
    if stack.file.streams_on_spark() {
        programs.stream_job = published_stream_job(global, global.local, &programs)?;
    }
    Ok(programs)
}

/// The stream job as what Spark runs; none where there is none. In the account on this machine, where the agent does its work, the
/// agents' program stands in its place.
fn published_stream_job(global: &Global, is_here: bool, programs: &Programs) -> Result<Option<Artifact>> {
    let job = stream_job(global).map(artifact).transpose()?;
    Ok(job.or_else(|| programs.x86_64.clone().or_else(|| programs.arm64.clone()).filter(|_| is_here)))
}

/// The stream job: the file that is named, else the one that `make stream-spark` makes, where there is one.
fn stream_job(global: &Global) -> Option<PathBuf> {
    let made = || {
        let own = std::env::current_exe().ok()?;
        let folders = own.ancestors().skip(1).take(2);
        folders.map(|folder| folder.join(STREAM_JOB)).find(|file| file.is_file())
    };
    global.stream_job.clone().or_else(made)
}

/// This machine's programs for hosts and builds of every architecture: here all run the same. `is_here` says that the account is the
/// one on this machine.
pub fn own_program(global: &Global, stack: &Stack, is_here: bool) -> Result<Programs> {
    let mut programs = Programs::everywhere(artifact(agent_program(global)?)?);
    if for_builds(stack) {
        programs.lakewright = Some(artifact(builds_program(global)?)?);
    }
    if stack.file.streams_on_spark() {
        programs.stream_job = published_stream_job(global, is_here, &programs)?;
    }
    Ok(programs)
}

/// Whether a stack publishes `lakewright`.
fn for_builds(stack: &Stack) -> bool {
    stack.file.pipeline.as_ref().is_some_and(Pipeline::takes_programs)
}

/// `lakewright` as builds run it: the file that is named, else this very program.
fn builds_program(global: &Global) -> Result<PathBuf> {
    global.program.clone().map_or_else(|| std::env::current_exe().context("find this program's own file"), Ok)
}

/// A program as what hosts install.
fn artifact(file: PathBuf) -> Result<Artifact> {
    let context = || format!("read the program {}", file.display());
    let metadata = std::fs::metadata(&file).with_context(context)?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let state = format!("{} {}", metadata.len(), modified.unwrap_or_default().as_nanos());
    let sha256 = hash(&file, &state, memory(&file).as_deref()).with_context(context)?;
    let path = std::path::absolute(&file).unwrap_or(file);
    Ok(Artifact { sha256, size: metadata.len(), file: Some(path.display().to_string()) })
}

/// The file that remembers a program's hash: hashing it takes longer than a whole plan.
fn memory(file: &Path) -> Option<PathBuf> {
    let name = hex::encode(&Sha256::digest(file.as_os_str().as_encoded_bytes())[..8]);
    Some(cache()?.join("hashes").join(name))
}

/// The SHA-256 of a file in that state: the one that the memory holds, if it is that state's.
fn hash(file: &Path, state: &str, memory: Option<&Path>) -> std::io::Result<String> {
    if let Some(sha256) = memory.and_then(|memory| remembered(memory, state)) {
        return Ok(sha256);
    }
    let mut hasher = Sha256::new();
    std::io::copy(&mut std::fs::File::open(file)?, &mut hasher)?;
    let sha256 = hex::encode(hasher.finalize());
    // Without a place to remember, the next plan hashes again.
    if let Some(memory) = memory {
        remember(memory, state, &sha256);
    }
    Ok(sha256)
}

fn remembered(memory: &Path, state: &str) -> Option<String> {
    let text = std::fs::read_to_string(memory).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    (value["state"].as_str()? == state).then(|| value["sha256"].as_str().map(str::to_owned))?
}

fn remember(memory: &Path, state: &str, sha256: &str) {
    let folder = memory.parent().expect("the path has a folder");
    let temporary = memory.with_extension(std::process::id().to_string());
    let text = json!({ "state": state, "sha256": sha256 }).to_string();
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&temporary, text));
    let _ = written.and_then(|()| std::fs::rename(&temporary, memory));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_kept_until_the_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, memory) = (folder.path().join("agent"), folder.path().join("cache/agent"));
        std::fs::write(&file, "one").expect("written");
        let one = hash(&file, "3 bytes", Some(&memory)).expect("hashed");
        assert_eq!(one, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
        let kept = std::fs::read_to_string(&memory).expect("kept");
        std::fs::write(&memory, kept.replace(&one, &"0".repeat(64))).expect("written");
        assert_eq!(hash(&file, "3 bytes", Some(&memory)).expect("remembered"), "0".repeat(64));
        assert_eq!(hash(&file, "3 bytes", None).expect("hashed anew"), one);
        assert_eq!(hash(&file, "another time", Some(&memory)).expect("hashed anew"), one);
    }

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
