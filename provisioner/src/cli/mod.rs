//! The command line: what can be typed, and where it leads.

mod account;
mod adopt;
mod change;
mod check;
mod commands;
mod compat;
mod cost;
mod env;
mod init;
mod inspect;
mod maintain;
mod options;
mod permissions;
mod query;
mod recover;
mod restore;
mod rotate;
mod saved;
mod search;
mod table;
mod transform;
mod unmoved;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::app::{Outcome, hints, print};
use crate::plan;
use crate::up;
pub use commands::{Cli, Command};
use options::Reference;

/// Runs the command and says what went wrong.
pub fn main(cli: Cli) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = runtime.context("start the async runtime").and_then(|runtime| {
        let outcome = runtime.block_on(dispatch(cli));
        // A read of standard input may still be waiting for its line.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Changes) => ExitCode::from(2),
        Ok(Outcome::Blocked) => ExitCode::from(3),
        Ok(Outcome::Wrong) => ExitCode::FAILURE,
        Err(error) => {
            hints::report(&error);
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(Cli { mut global, command }: Cli) -> Result<Outcome> {
    let said = global.stack_file.clone();
    let mut named = |stack: Option<PathBuf>| global.stack_file = stack.or(global.stack_file.take());
    match command {
        Command::Init(options) => init::run(&global, options),
        Command::Plan { stack, written, out, drift, destroy, move_roles, part } => {
            named(stack);
            let options = plan::Options { destroy, only_drift: drift, move_roles, ..part.options() };
            change::plan(&global, options, &written, out.as_deref()).await
        }
        Command::Show { plan, written } => change::show(&plan, &written),
        Command::Apply { stack, how, drift_only, move_roles, expect_sha256, part } => {
            // A saved plan is held against the stack file that is named beside it.
            let beside = stack.as_ref().and(said);
            named(stack);
            let options = plan::Options { only_drift: drift_only, move_roles, ..part.options() };
            change::apply(&global, &how, options, expect_sha256.as_deref(), beside).await
        }
        Command::Destroy { stack, how, part } => {
            named(stack);
            change::destroy(&global, &how, part.options()).await
        }
        Command::Status { stack } => {
            named(stack);
            inspect::status(&global).await
        }
        Command::Outputs { stack, format } => {
            named(stack);
            inspect::outputs(&global, format).await
        }
        Command::Check(check::Options { stack, format, quotas: true, .. }) => {
            named(stack);
            check::quotas(&global, format).await
        }
        Command::Check(check::Options {
            stack, format, compat: Some(base), no_registry, new_registry_logins, ..
        }) => {
            named(stack);
            let asked = match (no_registry, new_registry_logins) {
                (true, _) => compat::Asked::None,
                (false, false) => compat::Asked::AsInBase,
                (false, true) => compat::Asked::All,
            };
            Box::pin(compat::run(&global, format, &base, asked)).await
        }
        Command::Check(check::Options { stack, format, rules, quotas: false, compat: None, .. }) => {
            named(stack);
            check::run(&global, format, rules)
        }
        Command::Cost(cost::Options { stack, format, refresh, prices }) => {
            named(stack);
            cost::run(&global, format, refresh, prices.as_deref()).await
        }
        Command::Permissions(permissions::Options { stack, account, purpose, caller, boundary }) => {
            named(stack);
            let wanted = permissions::Wanted::new(purpose, boundary, caller)?;
            permissions::run(&global, account, wanted)
        }
        Command::Explain { what } => inspect::explain(&global, &what),
        Command::Graph { stack, format, changes } => {
            named(stack);
            change::graph(&global, format, changes).await
        }
        Command::Adopt { address, id, yes } => adopt::run(&global, &address, &id, yes).await,
        Command::Recover { stack, answers } => {
            named(stack);
            recover::run(&global, answers.as_deref()).await
        }
        Command::Unlock { stack, yes } => {
            named(stack);
            change::unlock(&global, yes).await
        }
        Command::Up(options) => {
            named(options.stack.clone());
            Box::pin(up::run(&global, &options)).await
        }
        Command::Account(options) => account::run(&global, &options),
        Command::Env => env::run(&global),
        Command::Query { sql, saved, format, spreadsheet } => {
            query::run(&global, sql, saved.as_deref(), (format, spreadsheet)).await
        }
        Command::Maintain(options) => maintain::run(&global, &options).await,
        Command::Restore(options) => {
            named(options.stack.clone());
            Box::pin(restore::run(&global, &options)).await
        }
        Command::Rotate { address, stack, yes } => {
            named(stack);
            rotate::run(&global, &address, yes).await
        }
        Command::Search(options) => search::run(&global, &options).await,
        Command::Transform(command) => {
            let transform::TransformCommand::Test(options) = &command;
            named(options.stack.clone());
            transform::run(&global, &command)
        }
        Command::Schema { kinds: true, format: None | Some(Reference::Markdown) } => {
            print(&crate::render::kinds_page(crate::kinds::all()))
        }
        Command::Schema { kinds, .. } => {
            let schema = if kinds { crate::render::kinds_json(crate::kinds::all()) } else { crate::stack::schema() };
            let schema = serde_json::to_string_pretty(&schema).context("write the schema")?;
            print(&format!("{schema}\n"))
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "lakewright", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn examples_fit_where_nobody_knows_how_wide_a_terminal_is() {
        let root = Cli::command();
        let mut seen = 0;
        for command in root.get_subcommands().chain([&root]) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter(|line| line.starts_with("  ")) {
                assert!(line.chars().count() <= 100, "{}: {line}", command.get_name());
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
    }
}
