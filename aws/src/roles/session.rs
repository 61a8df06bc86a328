//! Sessions that are kept between commands, for their owner alone.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::credentials::profile::variable;

/// The file of a session, by what it is a session of; none where this user has no home.
pub fn place(parts: &[&str]) -> Option<PathBuf> {
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")))?;
    let digest = Sha256::digest(parts.join("\n"));
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Some(cache.join("lakewright").join("sessions").join(format!("{name}.json")))
}

/// The credentials that are kept; none if there are none or they can't be read.
pub fn read(place: &Path) -> Option<Credentials> {
    let kept: Value = serde_json::from_slice(&fs::read(place).ok()?).ok()?;
    let text = |name: &str| kept[name].as_str().map(str::to_owned);
    let expiry = UNIX_EPOCH + Duration::from_secs(kept["expiry"].as_u64()?);
    Some(Credentials::new(
        text("access_key_id")?,
        text("secret_access_key")?,
        text("session_token"),
        Some(expiry),
        "kept",
    ))
}

/// Keeps credentials in a file that nobody else can read.
pub fn write(place: &Path, credentials: &Credentials) -> io::Result<()> {
    let folder = place.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let expiry = credentials.expiry().unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
    let kept = json!({
        "access_key_id": credentials.access_key_id(),
        "secret_access_key": credentials.secret_access_key(),
        "session_token": credentials.session_token(),
        "expiry": expiry.as_secs(),
    });
    let fresh = place.with_extension(format!("{}.part", std::process::id()));
    // A file that another process left behind may have other rights.
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(kept.to_string().as_bytes())?;
    fs::rename(&fresh, place)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn sessions_come_back_and_are_their_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("sessions").join("a.json");
        assert!(read(&place).is_none());
        let expiry = UNIX_EPOCH + Duration::from_secs(4_102_444_800);
        let kept = Credentials::new("id", "secret", Some("token".into()), Some(expiry), "test");
        for _ in 0..2 {
            write(&place, &kept).expect("written");
        }
        let found = read(&place).expect("kept");
        assert_eq!(
            (found.access_key_id(), found.secret_access_key(), found.session_token()),
            ("id", "secret", Some("token"))
        );
        assert_eq!(found.expiry(), Some(expiry));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(place.parent().expect("a folder"))), (0o600, 0o700));
        fs::write(&place, "no JSON").expect("written");
        assert!(read(&place).is_none());
    }
}
