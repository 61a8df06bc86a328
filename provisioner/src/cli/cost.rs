//! `cost`: what the stack costs a month, and AWS's newer prices.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;

use super::options::Format;
use crate::app::cache::cache;
use crate::app::connect::{Belonging, connect, stack};
use crate::app::desired::{all_kinds, anywhere_in};
use crate::app::programs::programs_of;
use crate::app::{Global, Outcome, print, say};
use crate::cost::{Estimate, Prices, refresh};
use crate::plan::Plan;
use crate::render;

/// What `cost` can be given.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The stack file
    pub stack: Option<PathBuf>,
    /// How it is written on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Reads the newest prices from AWS's Price List first
    #[arg(long)]
    pub refresh: bool,
    /// The file that refreshed prices are read from and written to [default: ~/.cache/lakewright/prices.toml]
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
}

/// `lakewright cost`.
pub async fn run(global: &Global, format: Format, newer: bool, file: Option<&Path>) -> Result<Outcome> {
    let stack = stack(global)?;
    let named = global.region.clone().or_else(|| stack.file.stack.region.as_deref().cloned());
    let region = named.or_else(|| std::env::var("AWS_REGION").ok());
    let region = region.ok_or_else(|| anyhow!("no region: name it with --region or in the stack file"))?;
    let desired = anywhere_in(&stack, &programs_of(global, &stack)?, &region);
    let mut known = match file {
        Some(file) if !newer || file.exists() => over_built_in(read(file)?),
        _ => prices(),
    };
    if newer {
        let of_stack = Estimate::of_stack(all_kinds(), &desired, &known, &region);
        let mut names: Vec<String> =
            of_stack.names().into_iter().chain(known.names(&region)).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        let belonging = Belonging { region: Some(region.clone()), ..Belonging::of(&stack, global) };
        let context = connect(global, &belonging).await?;
        let today = chrono::Utc::now().format("%Y-%m-%d").to_string();
        let (found, missing) = refresh(&context.aws, &region, &names, &today).await?;
        let path =
            file.map(Path::to_owned).or_else(place).context("there is no home folder; name a file with --prices")?;
        write(&path, &found)?;
        say(&format!("{} prices of {region} were read and written to {}.", found.len(), path.display()));
        let wanted = of_stack.names();
        let missing: Vec<&str> = missing.iter().map(String::as_str).filter(|name| wanted.contains(name)).collect();
        if !missing.is_empty() {
            say(&format!("AWS's list has none for {}.", missing.join(", ")));
        }
        known.put(found);
    }
    let estimate = Estimate::of_stack(all_kinds(), &desired, &known, &region);
    match format {
        Format::Text => print(&render::cost_text(&estimate)),
        Format::Markdown => print(&render::cost_markdown(&estimate)),
        Format::Json => {
            let report = render::cost_report_json(&estimate);
            print(&(serde_json::to_string_pretty(&report).context("write the estimate")? + "\n"))
        }
    }
}

/// What a plan costs, by the newest prices that are known on this machine.
pub fn of_plan(plan: &Plan, region: &str) -> Estimate {
    Estimate::of_plan(all_kinds(), plan, &prices(), region)
}

/// The program's own prices, and over them those that `--refresh` has read.
fn prices() -> Prices {
    match place().filter(|path| path.is_file()).map(|path| read(&path)) {
        Some(Ok(newer)) => over_built_in(newer),
        // An estimate by older prices is better than none.
        Some(Err(error)) => {
            say(&format!("warning: {error:#}; the program's own prices are taken"));
            Prices::built_in()
        }
        None => Prices::built_in(),
    }
}

fn over_built_in(newer: Prices) -> Prices {
    let mut prices = Prices::built_in();
    prices.put(newer);
    prices
}

/// Where refreshed prices are kept.
fn place() -> Option<PathBuf> {
    cache().map(|folder| folder.join("prices.toml"))
}

fn read(path: &Path) -> Result<Prices> {
    let context = || format!("read the prices {}", path.display());
    Prices::read(&std::fs::read_to_string(path).with_context(context)?).with_context(context)
}

/// Puts prices over those of a file, all of it or nothing.
fn write(path: &Path, newer: &Prices) -> Result<()> {
    let mut all = if path.is_file() { read(path)? } else { Prices::default() };
    all.put(newer.clone());
    let text = all.text()?;
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&temporary, text))
        .and_then(|()| std::fs::rename(&temporary, path))
        .with_context(|| format!("write the prices {}", path.display()))
}
