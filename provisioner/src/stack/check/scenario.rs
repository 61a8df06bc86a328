//! Checks of what the producer simulates beside a steady stream, and of its log's topic.

use lakewright_config::Rate;

use super::Checker;
use crate::stack::decode::At;
use crate::stack::diagnostics::Diagnostic;
use crate::stack::hosts::Agent;
use crate::stack::units::Period;

/// The longest span of a scenario.
const LONGEST: Period = Period::days(365);

impl Checker<'_> {
    pub(super) fn scenario(&mut self) {
        let producer = &self.file.agents.producer;
        let scenario = &producer.scenario;
        if let Some(day) = &scenario.sales_day {
            self.span("length", &day.length);
            if producer.rate.sound && producer.rate.value == Rate::Max {
                let title = "a sales day needs a rate";
                self.push(
                    Diagnostic::new(day.span.clone(), title, "`max` has no hours")
                        .help("give the producer a rate, as in `rate = \"500/s\"`"),
                );
            }
        }
        if let Some(outage) = &scenario.outage {
            let (every, lasts) = (&outage.every, &outage.lasts);
            let sound = [self.span("every", every), self.span("lasts", lasts)];
            if sound == [true, true] && lasts.value >= every.value {
                let place = if lasts.written() { lasts } else { every };
                let title = "an outage must be shorter than the time from one to the next";
                self.push(
                    Diagnostic::new(place.span.clone(), title, format!("it lasts {} of {}", lasts.value, every.value))
                        .help("nothing would ever be sent"),
                );
            }
        }
        if let Some(late) = &scenario.late {
            let (least, most) = (&late.least, &late.most);
            let sound = [self.span("least", least), self.span("most", most)];
            if sound == [true, true] && least.value > most.value {
                let place = if most.written() { most } else { least };
                let title = "messages can't be late by less than the least";
                let label = format!("from {} to {}", least.value, most.value);
                self.push(Diagnostic::new(place.span.clone(), title, label));
            }
        }
        if let Some(repeats) = &scenario.repeats {
            self.span("after", &repeats.after);
        }
    }

    /// Whether a span is one that the producer takes; says so when it isn't.
    fn span(&mut self, name: &str, span: &At<Period>) -> bool {
        if !span.sound {
            return false;
        }
        let whole = span.value.0.is_multiple_of(1000);
        if !whole || !(Period::seconds(1)..=LONGEST).contains(&span.value) {
            let title = format!("`{name}` is out of range");
            let label = format!("must be whole seconds, at most {LONGEST}");
            self.push(Diagnostic::new(span.span.clone(), title, label));
            return false;
        }
        true
    }

    /// The log's topic is there, and nobody reads facts or actions from it.
    pub(super) fn log_topic(&mut self) {
        let file = self.file;
        let producer = &file.agents.producer;
        let Some(topic) = &producer.log_topic else { return };
        if let Some(place) = self.runs(Agent::Producer) {
            self.refer("topic", "topics", &file.topics, topic, &place);
        }
        let taken = [(&producer.facts_topic, "facts"), (&producer.actions_topic, "actions")];
        for (other, what) in
            taken.into_iter().filter(|(other, _)| other.sound && topic.sound && other.value == topic.value)
        {
            let title = format!("the application's log and {what} go to one topic");
            self.push(
                Diagnostic::new(topic.span.clone(), title, format!("`{}` is that of {what}", other.value))
                    .help("whoever reads them would refuse every entry of the log: name a topic of its own"),
            );
        }
    }
}
