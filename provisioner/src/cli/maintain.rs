//! `lakewright maintain`: the stack's Iceberg tables are put in order from a terminal.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use lakewright_config::maintenance::{Compacted, Outcome as Became, Report};
use lakewright_config::size;
use serde::Serialize;

use crate::app::connect::{Belonging, connect, stack};
use crate::app::maintain::maintain;
use crate::app::{Global, Outcome, print, say, until_interrupted};
use crate::plain;
use crate::render::aligned;
use crate::stack::{Maintainable, Zone, suggest};

/// What `maintain` can be given.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The table, as in `shop_raw.sales`, or its name alone where no other has it; without it, all
    pub table: Option<String>,
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Exits 2 when something would be done; else 3, as without this, when a raw table isn't there or may not be cleaned
    #[arg(long, requires = "dry_run")]
    pub detailed_exitcode: bool,
    /// Writes what became of each table as JSON
    #[arg(long)]
    pub json: bool,
}

/// What became of a table.
#[derive(Debug, Serialize)]
struct Done<'a> {
    table: String,
    #[serde(skip)]
    of: &'a Maintainable,
    outcome: Became,
}

/// `lakewright maintain`.
pub async fn run(global: &Global, options: &Options) -> Result<Outcome> {
    let stack = stack(global)?;
    let all = stack.maintainable();
    if all.is_empty() {
        bail!("the stack {} has no Iceberg tables: sections [tables.NAME] and models make them", stack.name());
    }
    let tables = choose(&all, options.table.as_deref())?;
    let context = &connect(global, &Belonging::of(&stack, global)).await?;
    let dry_run = options.dry_run;
    let done = until_interrupted(|stop| async move {
        let (mut done, mut interrupted) = (Vec::new(), None);
        for (index, of) in tables.iter().copied().enumerate() {
            let progress = Progress::start(of, (index + 1, tables.len()), dry_run);
            let outcome = match maintain(global, context, of, dry_run, &stop).await {
                Ok(outcome) => outcome,
                Err(error) if stop.is_cancelled() => {
                    interrupted = Some(error);
                    break;
                }
                Err(error) => Became::Failed(format!("{error:#}")),
            };
            progress.end(&outcome);
            done.push(Done { table: of.full_name(), of, outcome });
        }
        (done, interrupted)
    });
    let (done, interrupted) = done.await;
    if options.json {
        let text = serde_json::to_string_pretty(&done).context("write the outcomes as JSON")? + "\n";
        print(&plain::json(&text))?;
    } else if !done.is_empty() {
        print(&shown(&done, dry_run))?;
    }
    if let Some(error) = interrupted {
        return Err(error);
    }
    Ok(came_to(&done, options.detailed_exitcode))
}

/// The tables that are meant.
///
/// # Errors
/// None is called so, or more than one is.
fn choose<'a>(all: &'a [Maintainable], wanted: Option<&str>) -> Result<Vec<&'a Maintainable>> {
    let Some(wanted) = wanted else { return Ok(all.iter().collect()) };
    let found: Vec<&Maintainable> =
        all.iter().filter(|table| table.full_name() == wanted || table.name == wanted).collect();
    match found.len() {
        1 => Ok(found),
        0 => {
            let full: Vec<String> = all.iter().map(Maintainable::full_name).collect();
            let is_full = wanted.contains('.');
            let names = all.iter().zip(&full).map(|(table, full)| if is_full { full } else { &table.name });
            let names: std::collections::BTreeSet<&str> = names.map(String::as_str).collect();
            bail!("the stack maintains no Iceberg table `{wanted}`: {}", suggest(wanted, names, "tables"))
        }
        _ => {
            let names: Vec<String> = found.iter().map(|table| format!("`{}`", table.full_name())).collect();
            bail!("`{wanted}` is a table of the raw zone and one of the warehouse: say {}", names.join(" or "))
        }
    }
}

/// What all of it came to.
fn came_to(done: &[Done<'_>], detailed: bool) -> Outcome {
    let reports = || done.iter().filter_map(|one| report(&one.outcome));
    let failed = |one: &Done<'_>| match &one.outcome {
        Became::Failed(_) => true,
        Became::Maintained(report) => !report.failures.is_empty(),
        Became::Absent | Became::ByGlue(_) => false,
    };
    let refused = |report: &Report| report.orphans.as_ref().is_some_and(|orphans| orphans.refused.is_some());
    let lacks = |one: &Done<'_>| one.of.zone == Zone::Raw && one.outcome == Became::Absent;
    if done.iter().any(failed) {
        Outcome::Wrong
    } else if detailed && reports().any(Report::changes) {
        Outcome::Changes
    } else if done.iter().any(lacks) || reports().any(refused) {
        Outcome::Blocked
    } else {
        Outcome::Done
    }
}

fn report(outcome: &Became) -> Option<&Report> {
    match outcome {
        Became::Maintained(report) => Some(report),
        Became::Absent | Became::ByGlue(_) | Became::Failed(_) => None,
    }
}

/// A row for each table, and below it what people should know of them.
fn shown(done: &[Done<'_>], dry_run: bool) -> String {
    let deleted = if dry_run { "to delete" } else { "deleted" };
    let header = ["table", "data files", "small files", "snapshots", deleted, "bytes", "verdict"].map(str::to_owned);
    let rows: Vec<Vec<String>> = done.iter().map(|one| row(one, dry_run)).collect();
    let mut text = aligned(&header, &[false, true, true, true, true, true, false], &rows);
    let notes: Vec<String> = done.iter().flat_map(notes).collect();
    if !notes.is_empty() {
        text.push_str(&format!("\n{}\n", notes.join("\n")));
    }
    text
}

fn row(one: &Done<'_>, dry_run: bool) -> Vec<String> {
    let mut row = vec![one.table.clone()];
    let Some(report) = report(&one.outcome) else {
        row.extend(std::iter::repeat_n(String::new(), 5));
        let verdict = match one.outcome {
            Became::Absent => "isn't there",
            Became::ByGlue(_) => "by Glue",
            Became::Failed(_) | Became::Maintained(_) => "failed",
        };
        row.push(verdict.to_owned());
        return row;
    };
    let became =
        |before: u64, after: u64| if before == after { after.to_string() } else { format!("{before} → {after}") };
    let compacted = report.compacted.as_ref();
    let files = |one: &Compacted| became(one.files_before, one.files_after);
    let small = |one: &Compacted| if one.replaced == 0 { "0".to_owned() } else { became(one.replaced, one.written) };
    row.push(compacted.map_or_else(String::new, files));
    row.push(compacted.map_or_else(String::new, small));
    let snapshots = report.expired.as_ref();
    row.push(snapshots.map_or_else(String::new, |one| became((one.kept + one.snapshots) as u64, one.kept as u64)));
    let deleted = report.deleted();
    row.push(deleted.files.to_string());
    row.push(size(deleted.bytes));
    let verdict = match (report.failures.is_empty(), report.changes(), dry_run) {
        (false, ..) => "failed in part",
        (true, true, true) => "to maintain",
        (true, true, false) => "maintained",
        (true, false, _) => "in order",
    };
    row.push(verdict.to_owned());
    row
}

/// What the numbers don't say.
fn notes(one: &Done<'_>) -> Vec<String> {
    let table = &one.table;
    let report = match &one.outcome {
        Became::Failed(why) => return vec![format!("{table} failed: {why}")],
        Became::Absent => {
            let how = match one.of.zone {
                Zone::Raw => "`lakewright apply` makes it",
                Zone::Warehouse => "its model has not run yet",
            };
            return vec![format!("{table} isn't there: {how}")];
        }
        Became::ByGlue(types) => {
            return vec![format!("{table} is left to Glue's optimizers: {}", types.join(", "))];
        }
        Became::Maintained(report) => report,
    };
    report.notes().into_iter().map(|note| format!("{table}: {note}")).collect()
}

/// What is said while a table is maintained: a spinner on a terminal, a line when it is done elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    table: String,
    started: Instant,
}

impl Progress {
    fn start(of: &Maintainable, (number, all): (usize, usize), dry_run: bool) -> Self {
        let table = of.full_name();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style =
                ProgressStyle::with_template("  {spinner} {msg} {elapsed}").expect("the template is well-formed");
            bar.set_style(style);
            let doing = if dry_run { "looking at" } else { "maintaining" };
            bar.set_message(format!("{doing} {table}, {number} of {all}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, table, started: Instant::now() }
    }

    fn end(self, outcome: &Became) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        let (sign, what) = match outcome {
            Became::Maintained(report) if report.failures.is_empty() => ("✓", ""),
            Became::Maintained(_) => ("✗", ": failed in part"),
            Became::Absent => ("✓", ": isn't there"),
            Became::ByGlue(_) => ("✓", ": left to Glue"),
            Became::Failed(_) => ("✗", ": failed"),
        };
        say(&format!("  {sign} {}{what}, {:.1} s", self.table, self.started.elapsed().as_secs_f64()));
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents::stream::Maintenance;
    use lakewright_config::maintenance::{Deleted, Expired, Orphans, Skipped};

    use super::*;

    fn table(zone: Zone, database: &str, name: &str) -> Maintainable {
        Maintainable { zone, database: database.into(), name: name.into(), settings: Maintenance::default() }
    }

    fn all() -> Vec<Maintainable> {
        vec![
            table(Zone::Raw, "shop_raw", "sales"),
            table(Zone::Raw, "shop_raw", "dead_letters"),
            table(Zone::Warehouse, "shop", "sales"),
        ]
    }

    #[test]
    fn a_table_is_found_by_its_name_and_a_typo_is_told() {
        let all = all();
        let chosen = |wanted: Option<&str>| {
            choose(&all, wanted).map(|tables| tables.iter().map(|one| one.full_name()).collect::<Vec<_>>().join(" "))
        };
        let refused = |wanted: &str| chosen(Some(wanted)).expect_err("no such table").to_string();
        assert_eq!(chosen(None).expect("all"), "shop_raw.sales shop_raw.dead_letters shop.sales");
        assert_eq!(chosen(Some("dead_letters")).expect("one"), "shop_raw.dead_letters");
        assert_eq!(chosen(Some("shop.sales")).expect("one"), "shop.sales");
        assert!(refused("sales").contains("say `shop_raw.sales` or `shop.sales`"), "{}", refused("sales"));
        assert!(refused("dead_leters").ends_with("did you mean `dead_letters`?"), "{}", refused("dead_leters"));
        assert!(refused("shop_raw.sale").ends_with("did you mean `shop_raw.sales`?"), "{}", refused("shop_raw.sale"));
    }

    fn maintained() -> Report {
        let skipped = Skipped { with_deletes: 2, ..Skipped::default() };
        let compacted =
            Compacted { files_before: 24, files_after: 6, replaced: 20, written: 2, skipped, ..Compacted::default() };
        let data = Deleted { files: 20, bytes: 1_234_567, failed: 0 };
        Report {
            table: "shop_raw.sales".into(),
            compacted: Some(compacted),
            expired: Some(Expired { kept: 3, snapshots: 9, data, ..Expired::default() }),
            orphans: Some(Orphans::default()),
            failures: Vec::new(),
        }
    }

    #[test]
    fn what_became_of_tables_is_shown_and_decides_the_exit_code() {
        let all = all();
        let quiet = Report {
            compacted: Some(Compacted { files_before: 1, files_after: 1, ..Compacted::default() }),
            expired: Some(Expired { kept: 1, ..Expired::default() }),
            orphans: Some(Orphans::default()),
            ..Report::default()
        };
        let of = |outcomes: Vec<Became>| {
            let pairs = all.iter().zip(outcomes);
            pairs.map(|(of, outcome)| Done { table: of.full_name(), of, outcome }).collect::<Vec<_>>()
        };
        let done = of(vec![
            Became::Maintained(Box::new(maintained())),
            Became::Maintained(Box::new(quiet.clone())),
            Became::Absent,
        ]);
        insta::assert_snapshot!(shown(&done, false), @r"
        table                  data files  small files  snapshots  deleted   bytes  verdict
        ─────────────────────  ──────────  ───────────  ─────────  ───────  ──────  ───────────
        shop_raw.sales             24 → 6       20 → 2     12 → 3       20  1.2 MB  maintained
        shop_raw.dead_letters           1            0          1        0     0 B  in order
        shop.sales                                                                  isn't there

        shop_raw.sales: 2 small files are left alone: they have rows deleted by delete files
        shop.sales isn't there: its model has not run yet
        ");
        assert_eq!((came_to(&done, false), came_to(&done, true)), (Outcome::Done, Outcome::Changes));
        assert_eq!(came_to(&done[1..], true), Outcome::Done);
        let refused = Orphans { refused: Some("`gc.enabled` is false".into()), ..Orphans::default() };
        let refused = Report { orphans: Some(refused), ..quiet.clone() };
        let done = of(vec![Became::Maintained(Box::new(refused)), Became::Absent, Became::Failed("denied".into())]);
        assert_eq!(came_to(&done, false), Outcome::Wrong);
        assert_eq!((came_to(&done[..1], false), came_to(&done[1..2], false)), (Outcome::Blocked, Outcome::Blocked));
        insta::assert_snapshot!(shown(&done, true), @r"
        table                  data files  small files  snapshots  to delete  bytes  verdict
        ─────────────────────  ──────────  ───────────  ─────────  ─────────  ─────  ───────────
        shop_raw.sales                  1            0          1          0    0 B  in order
        shop_raw.dead_letters                                                        isn't there
        shop.sales                                                                   failed

        shop_raw.sales: orphans aren't deleted: `gc.enabled` is false
        shop_raw.dead_letters isn't there: `lakewright apply` makes it
        shop.sales failed: denied
        ");
    }
}
