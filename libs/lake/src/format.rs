//! Tables that can't be written to as they are: why, and what to do.

use iceberg::io::FileIO;
use iceberg::spec::{FormatVersion, TableMetadata, Transform};
use serde_json::Value;

/// Why a table isn't written to because of its format; `None` when it is.
pub(crate) fn refused(metadata: &TableMetadata) -> Option<String> {
    unwritten(match metadata.format_version() {
        FormatVersion::V1 => 1,
        FormatVersion::V2 => 2,
        FormatVersion::V3 => 3,
    })
}

/// The same of a version of the format.
fn unwritten(version: u64) -> Option<String> {
    let fix = match version {
        1 => "upgrade it: `ALTER TABLE … SET TBLPROPERTIES ('format-version' = '2')`",
        2 => return None,
        _ => {
            "no table goes back: make one of format v2 from it, `CREATE TABLE … TBLPROPERTIES ('format-version' = '2') AS \
             SELECT …`, and give that its name"
        }
    };
    Some(format!("it has Iceberg's format v{version}, and only format v2 is written; {fix}"))
}

/// Why the Iceberg crate can't read a metadata file, where that is known: it says of none which part it is.
pub(crate) async fn explain(files: &FileIO, location: &str) -> Option<String> {
    let bytes = files.new_input(location).ok()?.read().await.ok()?;
    explained(&serde_json::from_slice(&bytes).ok()?)
}

fn explained(metadata: &Value) -> Option<String> {
    if let Some(reason) = metadata["format-version"].as_u64().and_then(unwritten) {
        return Some(reason);
    }
    let specs = metadata["partition-specs"].as_array().into_iter().flatten();
    let fields = specs.flat_map(|spec| spec["fields"].as_array().into_iter().flatten());
    let mut transforms = fields.filter_map(|field| Some((field["name"].as_str()?, field["transform"].as_str()?)));
    let (name, transform) = transforms.find(|(_, transform)| transform.parse::<Transform>().is_err())?;
    Some(format!(
        "its files are divided by {name}, `{transform}`, a transform that isn't known here: divide it otherwise, and rewrite \
         its metadata without that field"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_known_of_unreadable_metadata_is_said() {
        let of = |metadata: Value| explained(&metadata).unwrap_or_default();
        assert!(
            of(json!({"format-version": 3})).contains("format v3, and only format v2 is written; no table goes back")
        );
        assert!(of(json!({"format-version": 1})).contains("upgrade it"));
        let fields = json!([{"name": "day", "transform": "day"}, {"name": "curve", "transform": "zorder[3]"}]);
        let spec = json!({"format-version": 2, "partition-specs": [{"fields": fields}]});
        assert!(of(spec).contains("divided by curve, `zorder[3]`"));
        assert_eq!(of(json!({"format-version": 2})), "");
        assert_eq!(of(json!("no metadata")), "");
    }
}
