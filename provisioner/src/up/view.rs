//! What `up` shows while it runs: one live view on a terminal, a line every few seconds elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lakewright_config::agents::{Agent, Metric, Role, batch, producer, shipper, stream};
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
        // The terminal may be gone; there is nobody to tell.
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
    fn count(&self, metric: &Metric) -> f64 {
        self.0.iter().map(|known| known.count(metric)).sum()
    }

    fn rate(&self, metric: &Metric) -> f64 {
        self.0.iter().map(|known| known.rate(metric)).sum()
    }

    fn gauge(&self, metric: &Metric) -> Option<f64> {
        self.0.iter().filter_map(|known| known.gauge(metric)).reduce(f64::max)
    }

    fn lag(&self) -> Option<f64> {
        self.0.iter().filter_map(|known| known.in_role(Role::Lag)).reduce(|a, b| a + b)
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

/// The state in one line.
fn line(board: &Board, heading: &Heading) -> String {
    let sum = |agent| Sum(board.of(agent));
    let [producer, stream, shipper, batch] = [Agent::Producer, Agent::Stream, Agent::Shipper, Agent::Batch].map(sum);
    let mut text = format!("{:>8}", took(Duration::from_secs(heading.started.elapsed().as_secs())));
    if !producer.0.is_empty() {
        let (events, rate) = (producer.count(&producer::EVENTS), producer.rate(&producer::EVENTS));
        let _ = write!(
            text,
            "  produced {} ({}/s, {})",
            number(events),
            number(rate),
            bytes(producer.count(&producer::BYTES))
        );
    }
    if !stream.0.is_empty() {
        let _ = write!(text, "  rows {}", number(stream.count(&stream::ROWS)));
        let _ = write!(text, " in {} files", number(files(&stream)));
        let _ = write!(text, ", lag {}", stream.lag().map_or("?".into(), number));
        if let Some(freshness) = stream.gauge(&stream::FRESHNESS) {
            let _ = write!(text, ", freshness {:.1} s", freshness / 1000.0);
        }
        let dead = stream.count(&stream::DEAD_LETTERS);
        if dead > 0.0 {
            let _ = write!(text, ", {} dead letters", number(dead));
        }
    }
    if !shipper.0.is_empty() {
        let _ = write!(text, "  indexed {}", number(shipper.count(&shipper::INDEXED)));
        let _ = write!(text, ", lag {}", shipper.lag().map_or("?".into(), number));
    }
    if !batch.0.is_empty() {
        let _ = write!(text, "  batch runs {}", number(batch.count(&batch::RUNS)));
        let failed = batch.count(&batch::RUNS_FAILED);
        if failed > 0.0 {
            let _ = write!(text, " ({} failed)", number(failed));
        }
    }
    for (name, known) in board.agents() {
        if let Some(error) = known.last_error {
            let _ = write!(text, "\n         ! {name}: {error}");
        }
    }
    text
}

/// The files of all tables; an agent may count them by table only.
fn files(stream: &Sum) -> f64 {
    let total = stream.count(&stream::FILES);
    if total > 0.0 { total } else { stream.labelled(&stream::FILES).values().map(|(count, _)| count).sum() }
}

fn draw(frame: &mut Frame<'_>, board: &Board, heading: &Heading) {
    let agents = board.agents();
    let stream = Sum(board.of(Agent::Stream));
    let (tables, files) = (stream.labelled(&stream::ROWS), stream.labelled(&stream::FILES));
    let [top, agents_area, flow, tables_area, events] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(agents.len() as u16 + 2),
        Constraint::Length(6),
        Constraint::Length(tables.len().max(1) as u16 + 3),
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

    frame.render_widget(Paragraph::new(flow_text(board)).block(Block::bordered().title(" flow ")), flow);

    let header = Row::new(["table", "rows", "rows/s", "files"]).style(Style::new().add_modifier(Modifier::BOLD));
    let rows = tables.iter().map(|(table, (rows, rate))| {
        let (files, _) = files.get(table).copied().unwrap_or_default();
        Row::new([table.clone(), number(*rows), number(*rate), number(files)])
    });
    let widths = [Constraint::Length(24), Constraint::Length(14), Constraint::Length(12), Constraint::Length(10)];
    let title = " raw zone, since this start ";
    frame.render_widget(Table::new(rows, widths).header(header).block(Block::bordered().title(title)), tables_area);

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

fn flow_text(board: &Board) -> Text<'static> {
    let sum = |agent| Sum(board.of(agent));
    let [producer, stream, shipper, batch] = [Agent::Producer, Agent::Stream, Agent::Shipper, Agent::Batch].map(sum);
    let lag = |of: &Sum| of.lag().map_or("?".to_owned(), number);
    let freshness = stream.gauge(&stream::FRESHNESS).map_or("?".to_owned(), |ms| format!("{:.1} s", ms / 1000.0));
    let last_run = batch.gauge(&batch::LAST_RUN).filter(|ms| *ms > 0.0).map_or("no run yet".to_owned(), |ms| {
        let ago = chrono::Utc::now().timestamp_millis() as f64 - ms;
        let seconds = batch.gauge(&batch::LAST_RUN_SECONDS).unwrap_or_default();
        format!("last run {} ago, took {seconds:.1} s", took(Duration::from_secs((ago.max(0.0) / 1000.0) as u64)))
    });
    Text::from(vec![
        Line::from(format!(
            "producer  {:>12} events  {:>9}/s  {:>10}  {:>10}/s  {} delivery errors",
            number(producer.count(&producer::EVENTS)),
            number(producer.rate(&producer::EVENTS)),
            bytes(producer.count(&producer::BYTES)),
            bytes(producer.rate(&producer::BYTES)),
            number(producer.count(&producer::DELIVERY_ERRORS)),
        )),
        Line::from(format!(
            "stream    {:>12} rows    {:>9}/s  lag {:>8}  freshness {freshness}  {} commits  {} dead letters",
            number(stream.count(&stream::ROWS)),
            number(stream.rate(&stream::ROWS)),
            lag(&stream),
            number(stream.count(&stream::COMMITS)),
            number(stream.count(&stream::DEAD_LETTERS)),
        )),
        Line::from(format!(
            "shipper   {:>12} indexed {:>9}/s  lag {:>8}  {} rejected  {} backup objects",
            number(shipper.count(&shipper::INDEXED)),
            number(shipper.rate(&shipper::INDEXED)),
            lag(&shipper),
            number(shipper.count(&shipper::REJECTED)),
            number(shipper.count(&shipper::BACKUP_OBJECTS)),
        )),
        Line::from(format!(
            "batch     {:>12} runs, {} failed  {last_run}",
            number(batch.count(&batch::RUNS)),
            number(batch.count(&batch::RUNS_FAILED)),
        )),
    ])
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

/// A size in decimal units: `1.2 MB`.
fn bytes(value: f64) -> String {
    let (unit, size) =
        [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)].into_iter().find(|(_, size)| value >= *size).unwrap_or(("B", 1.0));
    if unit == "B" { format!("{value:.0} B") } else { format!("{:.1} {unit}", value / size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([number(7.0), number(1234.4), number(1_234_567.0)], ["7", "1 234", "1 234 567"]);
        assert_eq!([bytes(12.0), bytes(1_250.0), bytes(3.4e9)], ["12 B", "1.2 kB", "3.4 GB"]);
    }
}
