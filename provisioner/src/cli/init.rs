//! `init`: asks a few questions and writes a stack file with comments.

mod compose;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

pub use compose::{Answers, Size, compose};

use super::{Outcome, say};
use crate::stack::{Agent, is_region, stack_name_mistake};

/// The model that a stack with a warehouse begins with.
const MODEL: &str = include_str!("init/sales.sql");

/// `lakewright init`.
pub fn run(file: Option<PathBuf>, yes: bool) -> Result<Outcome> {
    let file = file.unwrap_or_else(|| PathBuf::from("lakewright.toml"));
    if file.exists() {
        bail!("{} is there already, and init overwrites nothing; name another file", file.display());
    }
    let mut answers = Answers::default();
    if let Some(name) = folder_name(&file) {
        answers.name = name;
    }
    if let Some(region) = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|region| is_region(region))
    {
        answers.region = region;
    }
    if !yes {
        if !std::io::stdin().is_terminal() {
            bail!("there is no terminal to ask on; --yes takes the defaults");
        }
        let mut lines = std::io::stdin().lines();
        ask_all(&mut answers, &mut |question, default| {
            write!(anstream::stderr().lock(), "{question} [{default}] ").context("ask")?;
            let line = lines.next().transpose().context("read the answer")?;
            line.context("the answers ended early; nothing was written")
        })?;
    }
    write_new(&file, &compose(&answers))?;
    say(&format!("Written: {}", file.display()));
    if answers.agents.contains(&Agent::Batch) {
        let models = file.parent().unwrap_or(Path::new("")).join("models");
        let model = models.join("sales.sql");
        if !models.exists() {
            std::fs::create_dir_all(&models).with_context(|| format!("make the folder {}", models.display()))?;
            write_new(&model, MODEL)?;
            say(&format!("Written: {}", model.display()));
        }
    }
    let named = file.display();
    say(&format!(
        "\n  lakewright up {named}      runs it on this machine, without an account\n  lakewright cost {named}    what it would \
         cost a month\n  lakewright plan {named}    what it would make on AWS"
    ));
    Ok(Outcome::Done)
}

/// Writes a file that isn't there yet.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| format!("make the file {}", path.display()))?;
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

/// Asks every question until its answer can be taken; an empty one is the default.
fn ask_all(answers: &mut Answers, ask: &mut dyn FnMut(&str, &str) -> Result<String>) -> Result<()> {
    answers.name =
        until(ask, "The stack's name, which begins the name of everything on AWS?", &answers.name, |text| {
            stack_name_mistake(text).map_or(Ok(text.to_owned()), Err)
        })?;
    answers.region = until(ask, "The AWS region?", &answers.region, |text| {
        if is_region(text) { Ok(text.to_owned()) } else { Err("regions are named as in eu-north-1".to_owned()) }
    })?;
    answers.size = until(ask, "The size: cheapest, standard or production?", answers.size.word(), |text| {
        Size::named(text).ok_or_else(|| "write cheapest, standard or production".to_owned())
    })?;
    let zones = if answers.size == Size::Cheapest { "2" } else { "3" };
    answers.zones = until(ask, "How many availability zones, 2 or 3?", zones, |text| match text {
        "2" => Ok(2),
        "3" => Ok(3),
        _ => Err("write 2 or 3".to_owned()),
    })?;
    let agents = answers.agents.iter().map(|agent| agent.word()).collect::<Vec<_>>().join(", ");
    let question = "The agents: producer (simulates a shop), stream (tables), shipper (search and backup), batch (models), or none?";
    answers.agents = until(ask, question, &agents, named_agents)?;
    Ok(())
}

fn until<T>(
    ask: &mut dyn FnMut(&str, &str) -> Result<String>,
    question: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T> {
    loop {
        let answer = ask(question, default)?;
        let answer = answer.trim();
        match read(if answer.is_empty() { default } else { answer }) {
            Ok(value) => return Ok(value),
            Err(why) => say(&format!("`{answer}` can't be taken: {why}")),
        }
    }
}

fn named_agents(text: &str) -> Result<Vec<Agent>, String> {
    let words: Vec<&str> = text.split([',', ' ']).filter(|word| !word.is_empty() && *word != "none").collect();
    let all = [Agent::Producer, Agent::Stream, Agent::Shipper, Agent::Batch];
    if let Some(unknown) = words.iter().find(|word| !all.iter().any(|agent| agent.word() == **word)) {
        return Err(format!("there is no agent `{unknown}`"));
    }
    Ok(all.into_iter().filter(|agent| words.contains(&agent.word())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{ModelFile, parse};

    #[test]
    fn what_every_combination_writes_has_no_mistake_and_breaks_no_rule() {
        let all = [Agent::Producer, Agent::Stream, Agent::Shipper, Agent::Batch];
        for size in Size::ALL {
            for zones in [2, 3] {
                for mask in 0..16_u32 {
                    let agents = (0..4).filter(|bit| mask & (1 << bit) != 0).map(|bit| all[bit]).collect();
                    let answers = Answers { zones, size, agents, ..Answers::default() };
                    let text = compose(&answers);
                    let model = ModelFile { name: "sales".into(), path: "models/sales.sql".into(), text: MODEL.into() };
                    let stack = parse(Path::new("lakewright.toml"), &text, Some(vec![model]));
                    let stack = stack.unwrap_or_else(|error| panic!("{answers:?}\n{text}\n{}", error.render(false)));
                    let agent = crate::stack::Programs::everywhere(crate::stack::Artifact {
                        sha256: "0".repeat(64),
                        size: 1,
                        file: None,
                    });
                    let desired = crate::cli::look::anywhere(&stack, &agent);
                    crate::plan::check(crate::cli::look::all_kinds(), &desired).expect("resources that fit together");
                    let allowed = crate::cli::check::allowed(&stack);
                    let found = crate::checks::findings(&desired, &allowed);
                    let open: Vec<_> = found.iter().filter(|one| one.allowed.is_none()).collect();
                    assert!(open.is_empty(), "{answers:?}: {open:?}");
                    assert!(crate::checks::idle(&found, &allowed).is_empty(), "{answers:?} allows what nothing breaks");
                }
            }
        }
    }

    #[test]
    fn questions_are_asked_until_an_answer_can_be_taken() {
        let mut given =
            vec!["Shop!", "books", "", "huge", "production", "3", "stream,batch,typo", "batch stream"].into_iter();
        let mut answers = Answers::default();
        ask_all(&mut answers, &mut |_, _| Ok(given.next().expect("an answer").to_owned())).expect("answers");
        assert_eq!((answers.name.as_str(), answers.region.as_str()), ("books", Answers::default().region.as_str()));
        assert_eq!((answers.size, answers.zones), (Size::Production, 3));
        assert_eq!(answers.agents, [Agent::Stream, Agent::Batch]);
        assert_eq!(given.next(), None);
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("my.toml");
        run(Some(file.clone()), true).expect("a file");
        let text = std::fs::read_to_string(&file).expect("a file");
        assert!(folder.path().join("models/sales.sql").exists() == text.contains("[batch]"));
        let error = run(Some(file.clone()), true).expect_err("it is there").to_string();
        assert!(error.contains("overwrites nothing"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).expect("a file"), text);
    }
}
