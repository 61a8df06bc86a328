//! `init`: asks a few questions and writes a stack file with comments.

mod compose;
mod questions;
mod size;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use compose::{Answers, Login, compose};
use lakewright_config::agents::Need;
use questions::{MOST_USD, address, agents, answers, budget_address, name, zones};
use size::Size;

use crate::app::programs::programs;
use crate::app::{Global, Outcome, region_name, say};
use crate::stack::{Agent, Architecture, stack_name_mistake};

/// The model that a stack with a warehouse begins with.
const MODEL: &str = include_str!("init/sales.sql");

/// What `lakewright init` writes, as far as flags say it.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// The file to write [default: lakewright.toml]
    pub file: Option<PathBuf>,
    /// The stack's name [default: the folder's]
    #[arg(long, value_parser = name)]
    pub name: Option<String>,
    /// How much of everything [default: standard]
    #[arg(long)]
    pub size: Option<Size>,
    /// How many availability zones, 2 or 3 [default: 3; 2 for cheapest]
    #[arg(long, value_name = "NUMBER", value_parser = zones)]
    pub zones: Option<usize>,
    /// The agents of its host: producer, stream, shipper, batch, with commas between them, or none [default: producer,stream]
    #[arg(long, value_name = "LIST")]
    pub agents: Option<AgentList>,
    /// How Kafka's clients log in [default: iam]
    #[arg(long, value_name = "HOW")]
    pub authentication: Option<Login>,
    /// Who is notified of alarms [default: nobody, and there are none]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub alarm_email: Option<String>,
    /// What a month may cost before somebody is notified, in US dollars [default: no budget]
    #[arg(long, value_name = "USD", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_USD)))]
    pub monthly_budget: Option<u32>,
    /// Who is notified of the budget [default: who is notified of alarms]
    #[arg(long, value_name = "ADDRESS", value_parser = budget_address, requires = "monthly_budget")]
    pub budget_email: Option<String>,
    /// Whether --region names the region: then it is no question.
    #[arg(skip)]
    pub region_named: bool,
    /// Overwrites a stack file that is there already
    #[arg(long)]
    pub force: bool,
    /// Asks nothing: what no flag says has its default
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// Agents with commas between them.
#[derive(Debug, Clone)]
pub struct AgentList(pub Vec<Agent>);

impl FromStr for AgentList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        agents(text).map(Self)
    }
}

/// `lakewright init`.
pub fn run(global: &Global, mut options: Options) -> Result<Outcome> {
    let file = options.file.clone().or_else(|| global.stack_file.clone());
    let file = file.unwrap_or_else(|| PathBuf::from("lakewright.toml"));
    if file.exists() && !options.force {
        bail!("{} is there already: name another file, or overwrite it with --force", file.display());
    }
    let force = options.force;
    let terminal = std::io::stdin().is_terminal();
    let named = region(global);
    let mut default = defaults(global, &file);
    options.region_named = global.region.is_some();
    default.region = named.unwrap_or(default.region);
    if !options.yes && !terminal {
        say("There is no terminal to ask on: what no flag says has its default.");
    }
    let mut lines = std::io::stdin().lines();
    let mut ask = |question: &str, default: &str| {
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        write!(anstream::stderr().lock(), "{question}{shown} ").context("ask")?;
        let line = lines.next().transpose().context("read the answer")?;
        if line.is_none() {
            say("");
        }
        line.context("the answers ended early; nothing was written")
    };
    let asks = !options.yes && terminal;
    let answers = answers(options, default, if asks { Some(&mut ask) } else { None })?;
    write(&file, &compose(&answers), force)?;
    say(&format!("Written: {}", file.display()));
    if answers.agents.iter().any(|agent| agent.needs(Need::Models)) {
        let models = file.parent().unwrap_or(Path::new("")).join("models");
        let model = models.join("sales.sql");
        if model.exists() {
            say(&format!("{} is there already, and stays as it is.", model.display()));
        } else {
            std::fs::create_dir_all(&models).with_context(|| format!("make the folder {}", models.display()))?;
            write(&model, MODEL, false)?;
            say(&format!("Written: {}", model.display()));
        }
    }
    let named = if file == Path::new("lakewright.toml") { String::new() } else { format!(" {}", file.display()) };
    let next = [
        ("up", "runs it on this machine, without an account"),
        ("cost", "what it would cost a month"),
        ("plan", "what it would make on AWS"),
    ];
    let width = "lakewright plan".len() + named.len();
    say(&next
        .map(|(command, what)| format!("\n  {:<width$}  {what}", format!("lakewright {command}{named}")))
        .concat());
    Ok(Outcome::Done)
}

/// What holds unless somebody answers otherwise.
fn defaults(global: &Global, file: &Path) -> Answers {
    let mut answers = Answers::default();
    if let Some(name) = folder_name(file) {
        answers.name = name;
    }
    // Hosts run the agents' program, which may be for one kind of processors only.
    match programs(global) {
        Ok(programs) if programs.x86_64.is_none() => answers.processors = Architecture::Arm,
        Ok(programs) if programs.arm64.is_none() => answers.processors = Architecture::X86,
        _ => {}
    }
    answers
}

/// The region that is named, as AWS's tools are given it.
fn region(global: &Global) -> Option<String> {
    if let Some(region) = &global.region {
        return Some(region.clone());
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        let Some(region) = std::env::var(name).ok().filter(|region| !region.is_empty()) else { continue };
        match region_name(&region) {
            Ok(region) => return Some(region),
            Err(why) => say(&format!("warning: {name}={region} isn't taken: {why}")),
        }
    }
    None
}

/// Writes a file, over the one that is there only when that is asked for.
fn write(path: &Path, text: &str, over: bool) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true);
    let opened = if over { options.create(true).truncate(true) } else { options.create_new(true) }.open(path);
    let mut file = opened.with_context(|| format!("make the file {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

/// A stack's name after the folder that its file stands in.
fn folder_name(file: &Path) -> Option<String> {
    let folder = std::path::absolute(file).ok()?.parent()?.file_name()?.to_str()?.to_lowercase();
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let name: String = folder.chars().map(plain).take(20).collect();
    let name = name.trim_matches('-').to_owned();
    stack_name_mistake(&name).is_none().then_some(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use compose::Budget;
    use lakewright_config::agents::AGENTS;

    use super::*;
    use crate::app::allowed;
    use crate::app::desired::{all_kinds, anywhere};
    use crate::stack::{Artifact, ModelFile, Programs, parse};

    /// Every size, number of zones, set of agents, way to log in and way to be notified.
    fn combinations() -> impl Iterator<Item = Answers> {
        let told = || Some("ops@example.com".to_owned());
        let budget = || Some(Budget { monthly_usd: 500, email: "purse@example.com".to_owned() });
        let watched = move |mask: u32| (told().filter(|_| mask & 1 != 0), budget().filter(|_| mask & 2 != 0));
        Size::ALL.into_iter().flat_map(move |size| {
            (0..256_u32).map(move |mask| {
                let agents = (0..4).filter(|bit| mask & (1 << bit) != 0).map(|bit| AGENTS[bit].agent).collect();
                let zones = if mask & 16 == 0 { 2 } else { 3 };
                let login = if mask & 32 == 0 { Login::Iam } else { Login::Scram };
                let (alarm_email, budget) = watched(mask >> 6);
                Answers { zones, size, agents, login, alarm_email, budget, ..Answers::default() }
            })
        })
    }

    #[test]
    fn what_every_combination_writes_has_no_mistake_and_breaks_no_rule_by_itself() {
        for answers in combinations() {
            let text = compose(&answers);
            let model = ModelFile { name: "sales".into(), path: "models/sales.sql".into(), text: MODEL.into() };
            let stack = parse(Path::new("lakewright.toml"), &text, Some(vec![model]));
            let stack = stack.unwrap_or_else(|error| panic!("{answers:?}\n{text}\n{}", error.render(false)));
            let agent = Programs::everywhere(Artifact { sha256: "0".repeat(64), size: 1, file: None });
            let desired = anywhere(&stack, &agent);
            crate::plan::check(all_kinds(), &desired).expect("resources that fit together");
            let allowed = allowed(&stack);
            let found = crate::checks::findings(&desired, &allowed);
            let open: BTreeSet<&str> =
                found.iter().filter(|one| one.allowed.is_none()).map(|one| one.rule.name).collect();
            // Who applies a production stack, within which boundary and who is notified is for its owner to say.
            let mut expected = BTreeSet::new();
            if answers.size == Size::Production {
                expected.insert("role-without-boundary");
                expected.extend((!answers.agents.is_empty()).then_some("code-prefixes-open"));
                expected.extend(answers.alarm_email.is_none().then_some("no-alarms"));
            }
            assert_eq!(open, expected, "{answers:?}");
            assert!(crate::checks::idle(&found, &allowed).is_empty(), "{answers:?} allows what nothing breaks");
        }
    }

    #[test]
    fn what_is_commented_out_holds_when_it_is_taken_in() {
        let text = compose(&Answers::default());
        let (_, watch) = text.split_once("# [alarms]").expect("alarms to take in");
        let (watch, _) = watch.split_once("# Rules").expect("rules at the end");
        let taken = text.replace(
            watch,
            &watch.replace("\n# [", "\n[").replace("\n# email", "\nemail").replace("\n# monthly", "\nmonthly"),
        );
        let taken = taken.replace("# [alarms]", "[alarms]");
        let stack =
            parse(Path::new("lakewright.toml"), &taken, None).unwrap_or_else(|error| panic!("{taken}\n{error}"));
        assert!(stack.file.alarms.is_some() && stack.file.budget.is_some());
    }

    #[test]
    fn hosts_have_the_processors_that_the_agents_were_built_for() {
        for (processors, kinds) in [(Architecture::X86, ["t3.", "m7i."]), (Architecture::Arm, ["t4g.", "m7g."])] {
            for size in Size::ALL {
                let text = compose(&Answers { size, processors, ..Answers::default() });
                let (_, host) = text.split_once("[hosts.app]\ninstance_type = \"").expect("a host");
                assert!(kinds.iter().any(|kind| host.starts_with(kind)), "{size:?} {processors:?} {host}");
            }
        }
    }
}
