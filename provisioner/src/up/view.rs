//! What `up` shows while it runs: one live view on a terminal, a line every few seconds elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lakewright_config::agents::{AGENTS, About, Figure, Metric, Written};
use lakewright_config::size;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::{Constraint, Layout};
use ratatui::prelude::CrosstermBackend;
use ratatui::style::{Modifier, Style, Stylize as _};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Paragraph, Row, Table};
use ratatui::{Frame, Terminal};
use tokio_util::sync::CancellationToken;

use super::status::{Board, Known};
use crate::app::say;
use crate::apply::took;

const REDRAW: Duration = Duration::from_millis(400);
const LINE: Duration = Duration::from_secs(5);

/// What the view says about the run as a whole.
#[derive(Debug, Clone)]
pub struct Heading {
    /// The stack's name.
    pub stack: String,
    /// The account's URL, Kafka's address and the search cluster's URL.
    pub endpoints: [String; 3],
    /// When agents began.
    pub started: Instant,
    /// When the run is to end.
    pub until: Option<Duration>,
}

/// Shows the board until the token is cancelled.
pub async fn show(board: Arc<Board>, heading: Heading, plain: bool, stop: CancellationToken) -> Result<()> {
    if plain || !std::io::stderr().is_terminal() {
        lines(&board, &heading, &stop).await;
        return Ok(());
    }
    let mut screen = Screen::open()?;
    loop {
        screen.0.draw(|frame| draw(frame, &board, &heading)).context("draw the view")?;
        tokio::select! {
            () = tokio::time::sleep(REDRAW) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// The terminal, given back as it was when this is dropped.
struct Screen(Terminal<CrosstermBackend<std::io::Stderr>>);

impl Screen {
    fn open() -> Result<Self> {
        execute!(std::io::stderr(), EnterAlternateScreen, Hide).context("take the terminal")?;
        let mut screen = Self(Terminal::new(CrosstermBackend::new(std::io::stderr())).context("take the terminal")?);
        screen.0.clear().context("clear the terminal")?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal may be gone; nobody would see an error.
        let _ = execute!(std::io::stderr(), LeaveAlternateScreen, Show);
    }
}

async fn lines(board: &Board, heading: &Heading, stop: &CancellationToken) {
    let mut told = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LINE) => {}
            () = stop.cancelled() => return,
        }
        for (_, event) in board.events().iter().filter(|(when, _)| *when > told) {
            say(&format!("! {event}"));
        }
        told = Instant::now();
        say(&line(board, heading));
    }
}

/// Sums over the agents of one kind.
struct Sum(Vec<Known>);

impl Sum {
    /// A counter, that of all parts where it is counted by parts only.
    fn count(&self, metric: &Metric) -> f64 {
        let total = added(self.0.iter().map(|known| known.count(metric)));
        if total > 0.0 { total } else { added(self.labelled(metric).into_values().map(|(count, _)| count)) }
    }

    fn rate(&self, metric: &Metric) -> f64 {
        added(self.0.iter().map(|known| known.rate(metric)))
    }

    /// The greatest of a gauge.
    fn greatest(&self, metric: &Metric) -> Option<f64> {
        self.0.iter().filter_map(|known| known.gauge(metric)).reduce(f64::max)
    }

    /// A gauge of all together.
    fn together(&self, metric: &Metric) -> Option<f64> {
        self.0.iter().filter_map(|known| known.gauge(metric)).reduce(|a, b| a + b)
    }

    /// A number as a declaration has it; nothing where there is none to speak of.
    fn shown(&self, Figure { metric, word, written, .. }: &Figure) -> Option<String> {
        let count = || number(self.count(metric));
        Some(match written {
            Written::Flow => format!("{} {word} ({}/s)", count(), number(self.rate(metric))),
            Written::Bytes => format!("{} ({}/s)", size(self.count(metric) as u64), size(self.rate(metric) as u64)),
            Written::Count | Written::Trouble => format!("{} {word}", count()),
            Written::Waiting => format!("{word} {}", self.together(metric).map_or("?".to_owned(), number)),
            Written::Age => {
                let age = self.greatest(metric).map_or("?".to_owned(), |ms| format!("{:.1} s", ms / 1000.0));
                format!("{word} {age}")
            }
            Written::Ago => match self.greatest(metric).filter(|ms| *ms > 0.0) {
                Some(ms) => {
                    let ago = (chrono::Utc::now().timestamp_millis() as f64 - ms).max(0.0);
                    format!("{word} {} ago", took(Duration::from_secs((ago / 1000.0) as u64)))
                }
                None => format!("no {word} yet"),
            },
            Written::Duration => format!("{word} {:.1} s", self.greatest(metric).filter(|seconds| *seconds > 0.0)?),
        })
    }

    /// The numbers of an agent in one line.
    fn in_short(&self, about: &About) -> String {
        let is_there = |figure: &&Figure| {
            figure.in_short && (figure.written != Written::Trouble || self.count(figure.metric) > 0.0)
        };
        let figures: Vec<String> = about.shows.iter().filter(is_there).filter_map(|one| self.shown(one)).collect();
        format!("{} {}", about.word, figures.join(", "))
    }

    /// All numbers of an agent.
    fn in_full(&self, about: &About) -> String {
        let figures: Vec<String> = about.shows.iter().filter_map(|one| self.shown(one)).collect();
        format!("{:<10}{}", about.word, figures.join("   "))
    }

    /// A counter with its growth per second, by the values of its label.
    fn labelled(&self, metric: &Metric) -> BTreeMap<String, (f64, f64)> {
        let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (label, (count, rate)) in self.0.iter().flat_map(|known| known.labelled(metric)) {
            let sum = sums.entry(label).or_default();
            *sum = (sum.0 + count, sum.1 + rate);
        }
        sums
    }
}

/// The sum, 0 of nothing: that of the standard library is -0 then, and written so.
fn added(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, |sum, number| sum + number)
}

/// The agents of the stack by kind, in the order of the data's way.
fn sums(board: &Board) -> impl Iterator<Item = (&'static About, Sum)> {
    let sums = AGENTS.iter().map(|about| (*about, Sum(board.of(about.agent))));
    sums.filter(|(_, sum)| !sum.0.is_empty())
}

/// The state in one line.
fn line(board: &Board, heading: &Heading) -> String {
    let mut text = format!("{:>8}", took(Duration::from_secs(heading.started.elapsed().as_secs())));
    for (about, sum) in sums(board) {
        let _ = write!(text, "  {}", sum.in_short(about));
    }
    for (name, known) in board.agents() {
        if let Some(error) = known.last_error {
            let _ = write!(text, "\n         ! {name}: {error}");
        }
    }
    text
}

fn draw(frame: &mut Frame<'_>, board: &Board, heading: &Heading) {
    let agents = board.agents();
    let sums: Vec<(&About, Sum)> = sums(board).collect();
    let parts: Vec<Parted> = sums.iter().filter_map(|(about, sum)| Parted::of(about, sum)).collect();
    let parts_height: u16 = parts.iter().map(|parted| parted.rows.len().max(1) as u16 + 3).sum();
    let [top, agents_area, flow, parts_area, events] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(agents.len() as u16 + 2),
        Constraint::Length(sums.len() as u16 + 2),
        Constraint::Length(parts_height),
        Constraint::Min(3),
    ])
    .areas(frame.area());

    let mut time = took(Duration::from_secs(heading.started.elapsed().as_secs()));
    if let Some(until) = heading.until {
        let _ = write!(time, " of {}", took(until));
    }
    let [account, kafka, search] = &heading.endpoints;
    let title = Line::from(vec![" lakewright up ".bold(), format!("stack {} · {time} ", heading.stack).into()]);
    let about = format!("account {account}   kafka {kafka}   search {search}   Ctrl-C stops cleanly");
    frame.render_widget(Paragraph::new(about).dim().block(Block::bordered().title(title)), top);

    let rows = agents.iter().map(|(name, known)| {
        let state = match (known.ready, known.seen) {
            (true, _) => "ready".green(),
            (false, Some(_)) => "not ready".yellow(),
            (false, None) => "starting".yellow(),
        };
        let error = known.last_error.clone().unwrap_or_default();
        let restarts = if known.restarts > 0 { format!("{} restarts", known.restarts) } else { String::new() };
        Row::new([Line::from(name.clone()), Line::from(state), Line::from(restarts), Line::from(error.red())])
    });
    let widths = [Constraint::Length(24), Constraint::Length(10), Constraint::Length(12), Constraint::Min(10)];
    frame.render_widget(Table::new(rows, widths).block(Block::bordered().title(" agents ")), agents_area);

    let numbers: Vec<Line<'_>> = sums.iter().map(|(about, sum)| Line::from(sum.in_full(about))).collect();
    frame.render_widget(Paragraph::new(Text::from(numbers)).block(Block::bordered().title(" flow ")), flow);

    let heights = parts.iter().map(|parted| Constraint::Length(parted.rows.len().max(1) as u16 + 3));
    for (parted, area) in parts.iter().zip(Layout::vertical(heights).split(parts_area).iter()) {
        let header = Row::new(parted.header.clone()).style(Style::new().add_modifier(Modifier::BOLD));
        let widths =
            [Constraint::Length(24)].into_iter().chain(parted.header.iter().skip(1).map(|_| Constraint::Length(14)));
        let rows = parted.rows.iter().map(|row| Row::new(row.clone()));
        let table = Table::new(rows, widths).header(header).block(Block::bordered().title(parted.title.clone()));
        frame.render_widget(table, *area);
    }

    let height = events.height.saturating_sub(2) as usize;
    let all = board.events();
    let latest = all[all.len().saturating_sub(height)..].iter();
    let text: Vec<Line<'_>> = latest
        .map(|(when, event)| {
            Line::from(format!("{:>8} ago  {event}", took(Duration::from_secs(when.elapsed().as_secs()))))
        })
        .collect();
    frame.render_widget(Paragraph::new(Text::from(text)).block(Block::bordered().title(" events ")), events);
}

/// The numbers of an agent by the parts of its work, as a table.
struct Parted {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Parted {
    /// Those of one that is measured by parts.
    fn of(about: &About, sum: &Sum) -> Option<Self> {
        let parts = about.parts.as_ref()?;
        let mut header = vec![parts.one.to_owned()];
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for Figure { metric, word, written, .. } in parts.shows {
            let is_flow = *written == Written::Flow;
            let filled = header.len() - 1;
            header.push((*word).to_owned());
            header.extend(is_flow.then(|| format!("{word}/s")));
            for (part, (count, rate)) in sum.labelled(metric) {
                let row = rows.entry(part).or_default();
                row.resize(filled, String::new());
                row.push(number(count));
                row.extend(is_flow.then(|| number(rate)));
            }
        }
        let rows = rows.into_iter().map(|(part, numbers)| [vec![part], numbers].concat()).collect();
        Some(Self { title: format!(" {}, since this start ", parts.of), header, rows })
    }
}

/// A count with thin groups of three digits: `1 234 567`.
pub fn number(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use lakewright_config::agents::{Agent, batch, producer, shipper, stream};
    use serde_json::{Value, json};

    use super::*;

    /// One agent that has answered with these metrics.
    fn sum(agent: Agent, metrics: &Value) -> Sum {
        let mut known = Known::new(agent);
        known.take(&json!({ "ready": true, "metrics": metrics }));
        Sum(vec![known])
    }

    #[test]
    fn an_agent_is_shown_by_what_it_declares() {
        let of = |agent: Agent, metrics: &Value| sum(agent, metrics).in_short(agent.about());
        let metrics = json!({ (producer::EVENTS.name): 1200, (producer::BYTES.name): 3_400_000 });
        assert_eq!(of(Agent::Producer, &metrics), "producer 1 200 events (0/s), 3.4 MB (0 B/s)");
        let by_table = |metric: &Metric| format!("{}{{{}=\"sales\"}}", metric.name, stream::TABLE);
        let metrics = json!({
            (stream::ROWS.name): 7, (by_table(&stream::ROWS)): 7, (by_table(&stream::FILES)): 2, (stream::LAG.name): 5,
            (stream::FRESHNESS.name): 1500, (stream::DEAD_LETTERS.name): 1,
        });
        let expected = "stream 7 rows (0/s), lag 5, freshness 1.5 s, 2 files, 1 dead letters";
        assert_eq!(of(Agent::Stream, &metrics), expected);
        assert_eq!(of(Agent::Shipper, &json!({ (shipper::INDEXED.name): 3 })), "shipper 3 indexed (0/s), lag ?");
        assert_eq!(of(Agent::Batch, &json!({ (batch::RUNS.name): 2 })), "batch 2 runs");
        let parted = Parted::of(Agent::Stream.about(), &sum(Agent::Stream, &metrics)).expect("it has tables");
        assert_eq!(parted.header, ["table", "rows", "rows/s", "files"]);
        assert_eq!(parted.rows, [["sales", "7", "0", "2"]]);
        let full = sum(Agent::Batch, &json!({ (batch::RUNS.name): 2 })).in_full(Agent::Batch.about());
        assert_eq!(full, "batch     2 runs   0 failed   no last run yet");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([number(7.0), number(1234.4), number(1_234_567.0)], ["7", "1 234", "1 234 567"]);
    }
}
