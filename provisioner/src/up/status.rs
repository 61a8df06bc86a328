//! What the agents say about themselves, collected for the view.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lakewright_config::agents::{Agent, Kind, Metric, Role};
use lakewright_platform::http::Client;
use parking_lot::Mutex;
use serde_json::Value;

use super::agents::Placed;

/// How often each agent is asked.
const EVERY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(2);
/// Rates are means over this time.
const WINDOW: Duration = Duration::from_secs(5);
/// How many events are remembered.
const EVENTS: usize = 50;

/// What is known about each agent.
#[derive(Default)]
pub struct Board {
    agents: Mutex<BTreeMap<String, Known>>,
    events: Mutex<VecDeque<(Instant, String)>>,
}

/// What an agent said last.
#[derive(Debug, Clone)]
pub struct Known {
    /// Which agent it is.
    pub agent: Agent,
    /// Whether it does its work.
    pub ready: bool,
    /// Its metrics by name.
    pub metrics: BTreeMap<String, f64>,
    /// What it last complained about.
    pub last_error: Option<String>,
    /// How often it was started again.
    pub restarts: u32,
    /// When it answered last.
    pub seen: Option<Instant>,
    /// What earlier processes of it had counted.
    before: BTreeMap<String, f64>,
    history: VecDeque<(Instant, BTreeMap<String, f64>)>,
}

impl Known {
    /// An agent that has not answered yet.
    pub(super) fn new(agent: Agent) -> Self {
        Self {
            agent,
            ready: false,
            metrics: BTreeMap::new(),
            last_error: None,
            restarts: 0,
            seen: None,
            before: BTreeMap::new(),
            history: VecDeque::new(),
        }
    }

    /// A gauge's value.
    pub fn gauge(&self, metric: &Metric) -> Option<f64> {
        self.metrics.get(metric.name).copied()
    }

    /// The value of the gauge that the agent has in a role.
    pub fn in_role(&self, role: Role) -> Option<f64> {
        self.gauge(self.agent.about().metric(role)?)
    }

    /// A counter's value since `up` began, over restarts.
    pub fn count(&self, metric: &Metric) -> f64 {
        self.count_of(metric.name)
    }

    /// The same of a counter by its name with labels.
    fn count_of(&self, name: &str) -> f64 {
        let get = |from: &BTreeMap<String, f64>| from.get(name).copied().unwrap_or_default();
        get(&self.metrics) + get(&self.before)
    }

    /// A counter's growth per second lately; nothing once the agent doesn't answer any more.
    pub fn rate(&self, metric: &Metric) -> f64 {
        self.rate_of(metric.name)
    }

    fn rate_of(&self, name: &str) -> f64 {
        if self.seen.is_none_or(|seen| seen.elapsed() > WINDOW) {
            return 0.0;
        }
        let (Some((start, old)), Some((end, new))) = (self.history.front(), self.history.back()) else {
            return 0.0;
        };
        let seconds = end.duration_since(*start).as_secs_f64();
        let get = |from: &BTreeMap<String, f64>| from.get(name).copied().unwrap_or_default();
        if seconds > 0.0 { ((get(new) - get(old)) / seconds).max(0.0) } else { 0.0 }
    }

    /// A counter with its growth per second lately, by the values of its label.
    pub fn labelled(&self, metric: &Metric) -> BTreeMap<String, (f64, f64)> {
        let mut found = BTreeMap::new();
        for key in self.metrics.keys().chain(self.before.keys()) {
            let label = key.strip_prefix(metric.name).and_then(|rest| rest.split('"').nth(1));
            if let Some(label) = label {
                found.insert(label.to_owned(), (self.count_of(key), self.rate_of(key)));
            }
        }
        found
    }

    /// Takes an answer of the agent's.
    pub(super) fn take(&mut self, answer: &Value) {
        self.ready = answer["ready"].as_bool().unwrap_or_default();
        self.last_error = answer["last_error"].as_str().map(str::to_owned);
        let metrics = answer["metrics"].as_object().into_iter().flatten();
        self.metrics = metrics.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect();
        let now = Instant::now();
        self.seen = Some(now);
        self.history.push_back((now, self.metrics.clone()));
        while self.history.len() > 2 && self.history[1].0 + WINDOW < now {
            self.history.pop_front();
        }
    }

    /// A new process counts from nothing.
    fn begin_again(&mut self) {
        let old = std::mem::take(&mut self.metrics);
        let about = self.agent.about();
        let counts = |name: &str| {
            let plain = name.split('{').next().unwrap_or_default();
            about.named(plain).is_some_and(|metric| metric.kind == Kind::Counter)
        };
        for (name, value) in old.into_iter().filter(|(name, _)| counts(name)) {
            *self.before.entry(name).or_default() += value;
        }
        self.history.clear();
        self.ready = false;
        self.seen = None;
        self.restarts += 1;
    }
}

impl Board {
    /// What is known, by the agents' names.
    pub fn agents(&self) -> BTreeMap<String, Known> {
        self.agents.lock().clone()
    }

    /// What is known about all agents that have a metric in a role.
    pub fn measuring(&self, role: Role) -> Vec<Known> {
        self.agents.lock().values().filter(|known| known.agent.measures(role)).cloned().collect()
    }

    /// What is known about all agents of that kind.
    pub fn of(&self, agent: Agent) -> Vec<Known> {
        self.agents.lock().values().filter(|known| known.agent == agent).cloned().collect()
    }

    /// The latest events, oldest first.
    pub fn events(&self) -> Vec<(Instant, String)> {
        self.events.lock().iter().cloned().collect()
    }

    /// Takes note of something that people should see.
    pub fn event(&self, text: String) {
        let mut events = self.events.lock();
        if events.len() == EVENTS {
            events.pop_front();
        }
        events.push_back((Instant::now(), text));
    }

    /// Takes note that an agent ended and is started again.
    pub fn restarted(&self, name: &str, why: String) {
        if let Some(known) = self.agents.lock().get_mut(name) {
            known.begin_again();
        }
        self.event(why);
    }

    /// Asks an agent how it is, for ever.
    pub async fn watch(self: Arc<Self>, placed: Placed) {
        let name = placed.name();
        self.agents.lock().insert(name.clone(), Known::new(placed.agent));
        let Ok(http) = Client::new("http:") else { return };
        loop {
            tokio::time::sleep(EVERY).await;
            let Ok(address) = std::fs::read_to_string(placed.state.join("admin.address")) else { continue };
            let answer = http.get(&format!("http://{}/status", address.trim()), PATIENCE).await;
            let mut agents = self.agents.lock();
            let Some(known) = agents.get_mut(&name) else { continue };
            match answer {
                Ok(answer) => known.take(&answer),
                Err(_) => known.ready = false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents::stream;
    use serde_json::json;

    use super::*;

    #[test]
    fn counters_go_on_over_restarts() {
        let mut known = Known::new(Agent::Stream);
        let by_table = format!("{}{{table=\"sales\"}}", stream::ROWS.name);
        let status = |rows: u32| {
            let metrics = BTreeMap::from([(stream::ROWS.name, rows), (by_table.as_str(), rows), (stream::LAG.name, 7)]);
            json!({ "ready": true, "metrics": metrics })
        };
        known.take(&status(10));
        known.begin_again();
        assert!(!known.ready);
        known.take(&status(5));
        assert_eq!((known.count(&stream::ROWS), known.in_role(Role::Lag), known.restarts), (15.0, Some(7.0), 1));
        assert_eq!(known.labelled(&stream::ROWS), BTreeMap::from([("sales".to_owned(), (15.0, 0.0))]));
    }
}
