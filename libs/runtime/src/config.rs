//! Loading an agent's configuration file.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::de::DeserializeOwned;

/// Reads a JSON configuration.
///
/// # Errors
/// The file can't be read, is no JSON, or has a wrong, missing or unknown field: the message names file, line and column.
pub fn load<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read the configuration {}", path.display()))?;
    parse(&text).with_context(|| format!("the configuration {} is wrong", path.display()))
}

/// Parses a JSON configuration, with the offending line in the error.
fn parse<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default().trim();
        let shown: String = line.chars().take(120).collect();
        anyhow!("{error}\n  {} | {shown}", error.line())
    })
}

#[cfg(test)]
mod tests {
    use lakewright_config::BatchConfig;

    use super::*;

    #[test]
    fn errors_name_file_line_and_field() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("batch.json");
        let missing = load::<BatchConfig>(&path).expect_err("no file");
        assert!(format!("{missing:#}").contains("batch.json: No such file"), "{missing:#}");
        std::fs::write(&path, "{\n  \"application\": \"a\"\n}").expect("written");
        let wrong = format!("{:#}", load::<BatchConfig>(&path).expect_err("unknown field"));
        assert!(wrong.contains("unknown field `application`"), "{wrong}");
        assert!(wrong.contains("2 | \"application\": \"a\""), "{wrong}");
    }
}
