//! The stack that a changed one is compared with: another file, or the same one in a revision of git.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::connect::stack_path;
use super::options::Global;
use crate::stack::{Given, Stack, load};

/// The stack that `base` names; `None` when the stack file isn't in that revision.
pub fn stack_of(global: &Global, base: &str) -> Result<Option<Stack>> {
    // A variable may be declared by the change itself.
    let given = Given::new(&global.var).of_another();
    if Path::new(base).is_file() {
        return load(Path::new(base), &given).map(Some);
    }
    let path = stack_path(global)?;
    let Some(tree) = Tree::of(&path, base)? else { return Ok(None) };
    load(&tree.file, &given).map(Some).with_context(|| format!("read the stack file of {base}"))
}

/// The files of a revision, in a folder that goes with it: the stack file may extend others and has models beside it.
struct Tree {
    _folder: TempDir,
    file: PathBuf,
}

impl Tree {
    /// Those of the repository in which a file stands; `None` when the revision has no such file.
    fn of(path: &Path, revision: &str) -> Result<Option<Self>> {
        let path = path.canonicalize().with_context(|| format!("find the stack file {}", path.display()))?;
        let beside = path.parent().context("a file is in a folder")?;
        let unknown = || {
            format!(
                "{revision} is neither a file nor a revision of git; in CI, fetch it first: `git fetch --depth=1 origin main`, \
                 and name it `FETCH_HEAD`"
            )
        };
        let tree = format!("{revision}^{{tree}}");
        let tree = git(beside, &["rev-parse", "--verify", "--quiet", "--end-of-options", &tree], None);
        let tree = tree.with_context(unknown)?;
        let top = git(beside, &["rev-parse", "--show-toplevel"], None)?;
        let within = path.strip_prefix(&top).context("find the stack file in its repository")?;
        let folder =
            tempfile::Builder::new().prefix("lakewright-base-").tempdir().context("make a temporary folder")?;
        let index = folder.path().join("index");
        git(beside, &["read-tree", &tree], Some(&index))?;
        let files = folder.path().join("files");
        let prefix = format!("--prefix={}/", files.to_str().context("temporary folders have names of UTF-8")?);
        git(Path::new(&top), &["checkout-index", "--all", &prefix], Some(&index))?;
        let file = files.join(within);
        Ok(file.is_file().then_some(Self { _folder: folder, file }))
    }
}

/// What git prints, without the line's end.
fn git(folder: &Path, arguments: &[&str], index: Option<&Path>) -> Result<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments);
    // What a hook is called with is about another folder.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"] {
        command.env_remove(name);
    }
    // Large files are no part of a stack.
    command.env("GIT_LFS_SKIP_SMUDGE", "1");
    if let Some(index) = index {
        command.env("GIT_INDEX_FILE", index);
    }
    let output = command.output().context("run git, which compares with a revision")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("git {}: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}
