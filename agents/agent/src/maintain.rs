//! `lakewright-agent maintain`: one round of maintenance of the stream agent's tables, or what it would do; and one of a table that
//! another program names.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, bail};
use lakewright_aws::{Aws, Options};
use lakewright_config::maintenance::{Order, Outcome, Report};
use lakewright_config::{StreamConfig, size};
use lakewright_lake::find_table;
use lakewright_lake::maintain::{Known, maintain, optimizers};
use lakewright_runtime::shutdown;

/// Maintains the tables, or the one that is named, and says what became of each.
///
/// # Errors
/// There is no such table, or something of the maintenance failed; the other tables were maintained.
pub async fn run(config: StreamConfig, table: Option<String>, dry_run: bool) -> anyhow::Result<()> {
    let aws = Aws::connect(Options::default()).await?.of_configured(config.account.as_deref());
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
        let place = (table.database.as_str(), table.name.as_str());
        let done = async {
            let types = optimizers(&aws, config.account.as_deref(), place).await?;
            if !types.is_empty() {
                return Ok(vec![format!("left to Glue's optimizers: {}", types.join(", "))]);
            }
            let report = Box::pin(maintain(&aws, place, &policy, &known, dry_run)).await?;
            failures += report.failures.len();
            Ok::<_, anyhow::Error>(lines(&report, dry_run))
        };
        let lines = match done.await {
            Ok(lines) => lines,
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

/// Maintains the table that the order names that is the first line of standard input, and writes what became of it to standard output,
/// both as JSON. When standard input closes, whoever ordered it is gone, and it ends: what is committed stays.
///
/// # Errors
/// The order can't be read, nor AWS be reached, or whoever ordered it is gone. What is wrong with the table is an outcome.
pub async fn one() -> anyhow::Result<()> {
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text).context("read the order from standard input")?;
    let order: Order = serde_json::from_str(&text).context("read the order on standard input")?;
    let aws = Aws::connect(Options::default()).await?.of_configured(Some(&order.account));
    let stop = shutdown::token(true)?;
    let outcome = tokio::select! {
        outcome = outcome(&aws, &order) => outcome,
        () = stop.cancelled() => bail!("whoever ordered the maintenance is gone; what was committed stays"),
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    };
    let text = serde_json::to_string(&outcome).context("write the outcome as JSON")?;
    writeln!(std::io::stdout().lock(), "{text}").context("write to standard output")
}

async fn outcome(aws: &Aws, order: &Order) -> anyhow::Result<Outcome> {
    let (database, table) = (order.database.as_str(), order.table.as_str());
    if find_table(aws, database, table).await?.is_none() {
        return Ok(Outcome::Absent);
    }
    let types = optimizers(aws, Some(&order.account), (database, table)).await?;
    if !types.is_empty() {
        return Ok(Outcome::ByGlue(types));
    }
    let policy = lakewright_stream::policy(&order.settings);
    let report = Box::pin(maintain(aws, (database, table), &policy, &Known::default(), order.dry_run)).await?;
    Ok(Outcome::Maintained(Box::new(report)))
}

/// What became of a table, or would.
fn lines(report: &Report, dry_run: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(compacted) = &report.compacted {
        let (files, replaced) = (compacted.replaced, size(compacted.replaced_bytes));
        let into = if dry_run { String::new() } else { format!(", {}", size(compacted.written_bytes)) };
        lines.push(format!(
            "data files {} → {}: {files} small ones, {replaced}, into {}{into}; manifests {} → {}",
            compacted.files_before,
            compacted.files_after,
            compacted.written,
            compacted.manifests_before,
            compacted.manifests_after
        ));
    }
    if let Some(expired) = &report.expired {
        let (data, metadata) = (expired.data, expired.metadata);
        lines.push(format!(
            "snapshots {} → {}: {} data files, {}, and {} metadata files of theirs",
            expired.kept + expired.snapshots,
            expired.kept,
            data.files,
            size(data.bytes),
            metadata.files
        ));
    }
    if let Some(orphans) = report.orphans.as_ref().filter(|orphans| orphans.refused.is_none()) {
        let deleted = orphans.deleted;
        lines.push(format!("orphans: {} of {} files, {}", deleted.files, orphans.listed, size(deleted.bytes)));
    }
    lines.extend(report.notes());
    lines
}

#[cfg(test)]
mod tests {
    use lakewright_config::maintenance::{Compacted, Deleted, Expired, Orphans, Skipped};

    use super::*;

    #[test]
    fn a_report_is_written_as_people_read_it() {
        let skipped = Skipped { with_deletes: 2, ..Default::default() };
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
            "snapshots 12 → 3: 20 data files, 999 B, and 18 metadata files of theirs",
            "2 small files are left alone: they have rows deleted by delete files",
            "branches and tags too old: old",
            "orphans aren't deleted: `gc.enabled` is false",
            "1 files couldn't be deleted and are left over",
            "failed: expiry of snapshots: away",
        ];
        assert_eq!(lines(&report, false), expected);
    }
}
