//! `lakewright-agent maintain`: one round of maintenance of the stream agent's tables, or what it would do.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context as _, bail};
use lakewright_aws::{Aws, Options};
use lakewright_config::StreamConfig;
use lakewright_lake::maintain::{Known, Report, maintain};

/// Maintains the tables, or the one that is named, and says what became of each.
///
/// # Errors
/// There is no such table, or something of the maintenance failed; the other tables were maintained.
pub async fn run(config: StreamConfig, table: Option<String>, dry_run: bool) -> anyhow::Result<()> {
    let aws = Aws::connect(Options::default()).await?;
    let aws = match &config.account {
        Some(account) => aws.of_account(account, BTreeMap::new()),
        None => aws,
    };
    let policy = lakewright_stream::policy(&config.maintenance.clone().unwrap_or_default());
    // Tables of others are theirs to maintain.
    let own = config.tables.iter().filter(|table| table.existing.is_none());
    let known = own.clone().chain([&config.dead_letters]);
    let wanted = |name: &str| table.as_deref().is_none_or(|wanted| wanted == name);
    let tables: Vec<_> = known.filter(|known| wanted(&known.name)).collect();
    if tables.is_empty() {
        let names: Vec<&str> = own.map(|table| table.name.as_str()).collect();
        let names = names.join(", ");
        bail!("the configuration has no table `{}`; it has {names}, dead_letters", table.unwrap_or_default());
    }
    let (mut failures, known) = (0, Known::default());
    for table in tables {
        let name = format!("{}.{}", table.database, table.name);
        let lines = match Box::pin(maintain(&aws, (&table.database, &table.name), &policy, &known, dry_run)).await {
            Ok(report) => {
                failures += report.failures.len();
                lines(&report, dry_run)
            }
            Err(error) => {
                failures += 1;
                vec![format!("failed: {error:#}")]
            }
        };
        let mut out = std::io::stdout().lock();
        for line in lines {
            writeln!(out, "{name}: {line}").context("write to standard output")?;
        }
    }
    if failures > 0 {
        bail!("{failures} parts of the maintenance failed; the lines above say which");
    }
    Ok(())
}

/// What became of a table, or would.
fn lines(report: &Report, dry_run: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(compacted) = &report.compacted {
        let (files, size) = (compacted.replaced, bytes(compacted.replaced_bytes));
        let into = if dry_run { String::new() } else { format!(", {}", bytes(compacted.written_bytes)) };
        lines.push(format!(
            "data files {} → {}: {files} small ones, {size}, into {}{into}; manifests {} → {}",
            compacted.files_before,
            compacted.files_after,
            compacted.written,
            compacted.manifests_before,
            compacted.manifests_after
        ));
        let skipped = compacted.skipped;
        let left = [
            (skipped.with_deletes, "have rows deleted by delete files"),
            (skipped.unsupported, "are no plain Parquet, or of a partitioning whose column is gone"),
            (skipped.unsuited, "can't be read exactly as the table's schema says"),
            (skipped.postponed, "come next time"),
        ];
        let left = left.into_iter().filter(|(count, _)| *count > 0);
        lines.extend(left.map(|(count, why)| format!("{count} small files are left alone: they {why}")));
        lines.extend(compacted.unsuited.iter().map(|why| format!("left alone: {why}")));
        if compacted.given_up > 0 {
            let groups = compacted.given_up;
            lines.push(format!("{groups} groups of files were given up: another writer changed them meanwhile"));
        }
    }
    if let Some(expired) = &report.expired {
        let (data, metadata) = (expired.data, expired.metadata);
        lines.push(format!(
            "snapshots {} → {}: {} data files, {}, and {} metadata files of theirs",
            expired.kept + expired.snapshots,
            expired.kept,
            data.files,
            bytes(data.bytes),
            metadata.files
        ));
        if !expired.references.is_empty() {
            lines.push(format!("branches and tags too old: {}", expired.references.join(", ")));
        }
    }
    if let Some(orphans) = &report.orphans {
        match &orphans.refused {
            Some(why) => lines.push(format!("orphans aren't deleted: {why}")),
            None => {
                let deleted = orphans.deleted;
                lines.push(format!("orphans: {} of {} files, {}", deleted.files, orphans.listed, bytes(deleted.bytes)));
            }
        }
    }
    let left_over = report.deleted().failed;
    if left_over > 0 {
        lines.push(format!("{left_over} files couldn't be deleted and are left over"));
    }
    lines.extend(report.failures.iter().map(|failure| format!("failed: {failure}")));
    lines
}

/// Bytes as people read them.
fn bytes(bytes: u64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.into_iter().find(|(unit, _)| bytes as f64 >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use lakewright_lake::maintain::{Compacted, Deleted, Expired, Orphans};

    use super::*;

    #[test]
    fn a_report_is_written_as_people_read_it() {
        let skipped = lakewright_lake::maintain::Skipped { with_deletes: 2, ..Default::default() };
        let report = Report {
            table: "raw.sales".into(),
            compacted: Some(Compacted {
                files_before: 24,
                files_after: 6,
                replaced: 20,
                replaced_bytes: 1_234_567,
                written: 2,
                written_bytes: 1_000_000,
                skipped,
                manifests_before: 24,
                manifests_after: 2,
                ..Compacted::default()
            }),
            expired: Some(Expired {
                kept: 3,
                snapshots: 9,
                references: vec!["old".into()],
                data: Deleted { files: 20, bytes: 999, failed: 1 },
                metadata: Deleted { files: 18, bytes: 10, failed: 0 },
            }),
            orphans: Some(Orphans { refused: Some("`gc.enabled` is false".into()), ..Orphans::default() }),
            failures: vec!["expiry of snapshots: away".into()],
        };
        let expected = [
            "data files 24 → 6: 20 small ones, 1.2 MB, into 2, 1.0 MB; manifests 24 → 2",
            "2 small files are left alone: they have rows deleted by delete files",
            "snapshots 12 → 3: 20 data files, 999 B, and 18 metadata files of theirs",
            "branches and tags too old: old",
            "orphans aren't deleted: `gc.enabled` is false",
            "1 files couldn't be deleted and are left over",
            "failed: expiry of snapshots: away",
        ];
        assert_eq!(lines(&report, false), expected);
    }
}
