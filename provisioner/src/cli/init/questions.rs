//! What `init` asks, and which answers can be taken.

use anyhow::{Result, bail};

use lakewright_config::agents::Need;

use super::Options;
use super::compose::{Answers, Budget};
use super::size::Size;
use crate::app::{region_name, say};
use crate::kinds::sns_topic::is_mail_address;
use crate::stack::{Agent, LONGEST_BUDGET_ADDRESS, stack_name_mistake};

/// The most that a budget may be.
pub const MOST_USD: u32 = 1_000_000_000;

/// Asks a question and shows its default.
pub type Ask<'a> = dyn FnMut(&str, &str) -> Result<String> + 'a;

/// The answers of flags; the others are asked for until they can be taken, or have their defaults where nobody is asked.
pub fn answers(given: Options, mut answers: Answers, mut ask: Option<&mut Ask<'_>>) -> Result<Answers> {
    let ask = &mut ask;
    let named = answers.name.clone();
    answers.name =
        until(given.name, ask, "The stack's name, which begins the name of everything on AWS?", &named, name)?;
    let region = answers.region.clone();
    // A region that was named is no question.
    let named = given.region_named.then(|| region.clone());
    answers.region = until(named, ask, "The AWS region?", &region, region_name)?;
    let question = "The size: cheapest, standard or production?";
    answers.size = until(given.size, ask, question, answers.size.word(), |text| {
        Size::named(text).ok_or_else(|| "write cheapest, standard or production".to_owned())
    })?;
    let default = answers.size.zones().to_string();
    answers.zones = until(given.zones, ask, "How many availability zones, 2 or 3?", &default, zones)?;
    let words = answers.agents.iter().map(|agent| agent.word()).collect::<Vec<_>>().join(", ");
    let question = "The agents: producer (simulates a shop), stream (tables), shipper (search and backup), batch (models), or none?";
    answers.agents = until(given.agents.map(|list| list.0), ask, question, &words, agents)?;
    answers.login = given.authentication.unwrap_or(answers.login);
    let question = "Who is notified of alarms, by e-mail?";
    answers.alarm_email = until(given.alarm_email.map(Some), ask, question, "nobody", |text| optional(text, address))?;
    let question = "A budget: what may a month cost before somebody is notified, in US dollars?";
    let monthly = until(given.monthly_budget.map(Some), ask, question, "none", |text| optional(text, dollars))?;
    answers.budget = match monthly {
        Some(monthly_usd) => {
            let default = answers.alarm_email.clone().filter(|email| budget_address(email).is_ok());
            if ask.is_none() && given.budget_email.is_none() && default.is_none() {
                bail!("somebody must be notified of the budget: name them by --budget-email or --alarm-email");
            }
            let question = "Who is notified of the budget, by e-mail?";
            let default = default.unwrap_or_default();
            Some(Budget { monthly_usd, email: until(given.budget_email, ask, question, &default, budget_address)? })
        }
        None => None,
    };
    Ok(answers)
}

fn until<T>(
    given: Option<T>,
    ask: &mut Option<&mut Ask<'_>>,
    question: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T> {
    if let Some(given) = given {
        return Ok(given);
    }
    loop {
        let answer = ask.as_mut().map_or_else(|| Ok(default.to_owned()), |ask| ask(question, default))?;
        let answer = answer.trim();
        match read(if answer.is_empty() { default } else { answer }) {
            Ok(value) => return Ok(value),
            Err(why) if ask.is_some() => say(&format!("`{answer}` can't be taken: {why}")),
            Err(why) => bail!("{why}"),
        }
    }
}

/// A stack's name.
pub fn name(text: &str) -> Result<String, String> {
    stack_name_mistake(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// How many zones.
pub fn zones(text: &str) -> Result<usize, String> {
    match text {
        "2" => Ok(2),
        "3" => Ok(3),
        _ => Err("write 2 or 3".to_owned()),
    }
}

/// Agents, in the order of the data's way.
pub fn agents(text: &str) -> Result<Vec<Agent>, String> {
    let words: Vec<&str> = text.split([',', ' ']).filter(|word| !word.is_empty() && *word != "none").collect();
    for word in &words {
        if word.parse::<Agent>().map_err(|error| error.to_string())?.needs(Need::Users) {
            return Err(format!(
                "the agent {word} is added to the file when the stack is there: its section in docs/security.md"
            ));
        }
    }
    Ok(Agent::all().filter(|agent| words.contains(&agent.word())).collect())
}

/// A mail address.
pub fn address(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii() && !c.is_ascii_control() && !matches!(c, '"' | '\\');
    if is_mail_address(text) && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("a mail address reads as in ops@example.com".to_owned())
    }
}

/// A mail address that AWS Budgets takes.
pub fn budget_address(text: &str) -> Result<String, String> {
    if text.len() > LONGEST_BUDGET_ADDRESS {
        return Err(format!("AWS Budgets takes {LONGEST_BUDGET_ADDRESS} characters at most"));
    }
    address(text)
}

fn dollars(text: &str) -> Result<u32, String> {
    let plain = text.trim_start_matches('$').replace(',', "");
    let number = plain.parse().ok().filter(|number| (1..=MOST_USD).contains(number));
    number.ok_or_else(|| "write whole US dollars, as in 500".to_owned())
}

/// An answer that may be left out.
fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if ["", "no", "nobody", "none"].contains(&text) { Ok(None) } else { read(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::super::compose::Login;
    use super::*;

    fn told(given: Options, lines: &[&str]) -> Result<Answers> {
        let mut lines = lines.iter();
        let mut ask = |_: &str, _: &str| Ok((*lines.next().expect("an answer")).to_owned());
        let found = answers(given, Answers::default(), Some(&mut ask));
        assert_eq!(lines.next(), None);
        found
    }

    #[test]
    fn questions_are_asked_until_an_answer_can_be_taken() {
        let lines = [
            "Shop!",
            "books",
            "",
            "huge",
            "production",
            "3",
            "stream,batch,typo",
            "batch stream",
            "me",
            "me@example.com",
            "much",
            "$1,500",
            "",
        ];
        let found = told(Options::default(), &lines).expect("answers");
        assert_eq!((found.name.as_str(), found.region.as_str()), ("books", Answers::default().region.as_str()));
        assert_eq!((found.size, found.zones, found.login), (Size::Production, 3, Login::Iam));
        assert_eq!(found.agents, [Agent::Stream, Agent::Batch]);
        assert_eq!(found.alarm_email.as_deref(), Some("me@example.com"));
        assert_eq!(found.budget, Some(Budget { monthly_usd: 1500, email: "me@example.com".into() }));
    }

    #[test]
    fn what_a_flag_says_is_no_question() {
        let given = Options {
            name: Some("books".into()),
            region_named: true,
            size: Some(Size::Cheapest),
            monthly_budget: Some(50),
            authentication: Some(Login::Scram),
            ..Options::default()
        };
        let found = told(given, &["", "none", "", "", "purse@example.com"]).expect("answers");
        assert_eq!((found.zones, found.agents.len(), found.login), (2, 0, Login::Scram));
        assert_eq!(found.budget, Some(Budget { monthly_usd: 50, email: "purse@example.com".into() }));
    }

    #[test]
    fn without_a_terminal_nothing_is_asked() {
        assert_eq!(answers(Options::default(), Answers::default(), None).expect("defaults"), Answers::default());
        let given = Options { monthly_budget: Some(50), ..Options::default() };
        let error = answers(given, Answers::default(), None).expect_err("nobody to tell").to_string();
        assert!(error.contains("--budget-email"), "{error}");
    }
}
