//! Checks of alarms and the budget.

use lakewright_iam::Arn;

use super::Checker;
use crate::kinds::sns_topic::is_mail_address;
use crate::stack::decode::At;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::units::Period;

/// AWS Budgets takes addresses of so many characters at most.
pub const LONGEST_BUDGET_ADDRESS: usize = 50;

impl Checker<'_> {
    pub(super) fn watch(&mut self) {
        let file = self.file;
        if let Some(budget) = &file.budget {
            self.addresses(&budget.email);
            if budget.email.is_empty() || budget.email.len() > 10 {
                let title = "`budget.email` must name one to ten addresses";
                self.push(Diagnostic::new(budget.span.clone(), title, "who is notified?"));
            }
            for long in budget.email.iter().filter(|one| one.sound && one.len() > LONGEST_BUDGET_ADDRESS) {
                let title =
                    format!("`{}` is longer than the {LONGEST_BUDGET_ADDRESS} characters of AWS Budgets", long.value);
                self.push(Diagnostic::new(long.span.clone(), title, "too long"));
            }
        }
        let Some(alarms) = &file.alarms else { return };
        self.addresses(&alarms.email);
        match (&alarms.topic_arn, alarms.email.is_empty()) {
            (None, true) => self.push(
                Diagnostic::new(alarms.span.clone(), "nobody hears of the alarms", "notifies no one")
                    .help("write `email = [\"ops@example.com\"]`, or the ARN of an SNS topic: `topic_arn = \"arn:aws:sns:…\"`"),
            ),
            (Some(topic), false) => self.push(
                Diagnostic::new(topic.span.clone(), "`alarms` has both `email` and `topic_arn`", "one of them")
                    .help("subscribe the addresses to that topic, or leave it out: Lakewright then makes one for them"),
            ),
            (Some(topic), true) => self.topic_arn(topic),
            (None, false) => {}
        }
        let day = Period::days(1);
        for (name, period) in [
            ("silence", Some(&alarms.silence)),
            ("lag", Some(&alarms.lag)),
            ("warehouse_age", alarms.warehouse_age.as_ref()),
        ] {
            let Some(period) = period.filter(|period| period.sound) else { continue };
            let longest = if name == "silence" { day } else { Period::days(365) };
            if period.0 % 60_000 != 0 || period.value > longest {
                let title = format!("`alarms.{name}` must be whole minutes, {longest} at most");
                self.push(Diagnostic::new(period.span.clone(), title, "CloudWatch can't look at this"));
            }
        }
    }

    fn addresses(&mut self, addresses: &[At<String>]) {
        for wrong in addresses.iter().filter(|one| one.sound && !is_mail_address(one)) {
            let title = format!("`{}` is no mail address", wrong.value);
            self.push(Diagnostic::new(wrong.span.clone(), title, "nothing can be sent there"));
        }
    }

    fn topic_arn(&mut self, topic: &At<String>) {
        let of_topic = |arn: &Arn<'_>| {
            let named = !arn.resource.is_empty() && !arn.resource.contains(':');
            arn.is_of_aws() && arn.service == "sns" && arn.owner().is_some() && named
        };
        let Some(arn) = Arn::parse(topic).filter(of_topic) else {
            return self.no_topic(topic, "no ARN of a topic");
        };
        let own = self.file.stack.region.as_ref().filter(|own| own.sound && own.value != arn.region);
        if let Some(own) = own {
            let label = format!("alarms in {} can't publish to a topic in {}", own.value, arn.region);
            self.no_topic(topic, &label);
        }
    }

    fn no_topic(&mut self, topic: &At<String>, label: &str) {
        let title = format!("alarms can't be sent to `{}`", topic.value);
        let help = "write the ARN of an SNS topic in the stack's region: \"arn:aws:sns:REGION:ACCOUNT:NAME\"";
        self.push(Diagnostic::new(topic.span.clone(), title, label).help(help));
    }
}
