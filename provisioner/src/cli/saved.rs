//! Saved plans as files: who may read them, and how one is known again.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use lakewright_platform::private;
use sha2::{Digest as _, Sha256};

use crate::plan::PlanFile;

/// Writes a plan's file, for its owner only, over an old one too: specs show much of an account, and may hold secrets
/// that no rendering shows.
pub fn save(path: &Path, text: &str) -> Result<()> {
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        bail!("{} is there and no file of its own: a link, a folder or a device; name another file", path.display());
    }
    private::write(path, text.as_bytes()).context("save the plan")
}

/// A saved plan that a command line names in place of a stack file, with the SHA-256 of its bytes.
pub fn saved_plan(path: Option<&Path>) -> Result<Option<(PlanFile, String)>> {
    let Some(path) = path else { return Ok(None) };
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    if !PlanFile::is_plan(&text) {
        return Ok(None);
    }
    let file = PlanFile::read(&text).with_context(|| format!("read the plan {}", path.display()))?;
    Ok(Some((file, sha256(&text))))
}

/// The SHA-256 of a text, in hexadecimal digits: by it a plan is known again.
pub fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_saved_plan_is_its_owners_alone_whatever_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shop.plan");
        let mode = || fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        save(&path, "one").expect("a new file");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("its owner may");
        let mut reader = fs::File::open(&path).expect("somebody reads it");
        save(&path, "two").expect("over an old one");
        assert_eq!((mode(), fs::read_to_string(&path).expect("a file").as_str()), (0o600, "two"));
        assert_eq!(std::io::read_to_string(&mut reader).expect("the old one"), "one", "who had it open reads no more");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_plan_is_saved_through_no_link_and_over_no_device() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, link) = (folder.path().join("precious"), folder.path().join("shop.plan"));
        fs::write(&target, "precious").expect("a file");
        symlink(&target, &link).expect("a link");
        let said = save(&link, "plan").expect_err("a link").to_string();
        assert!(said.contains("shop.plan is there and no file of its own: a link"), "{said}");
        assert_eq!(fs::read_to_string(&target).expect("a file"), "precious");
        assert!(save(folder.path(), "plan").is_err() && save(Path::new("/dev/null"), "plan").is_err());
        assert!(!fs::metadata("/dev/null").expect("a device").is_file());
        assert!(save(&folder.path().join("none/shop.plan"), "plan").is_err());
    }
}
