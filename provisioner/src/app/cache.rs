//! What this program keeps for the user and can get again.

use std::path::PathBuf;

/// The user's folder for what can be had again.
pub fn cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(cache.join("lakewright"))
}
