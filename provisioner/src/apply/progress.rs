//! What an apply says while it runs: spinners on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::kind::Waiting;
use crate::plain;
use crate::plan::Step;
use crate::plan::order::Work;
use crate::resource::Address;

/// From this expected time on, a step is announced with it.
const LONG: Duration = Duration::from_secs(30);

/// Where progress is shown: on stderr.
pub struct Progress {
    bars: Option<MultiProgress>,
    quiet: bool,
    silent: bool,
}

/// The line of a running task.
pub struct Line(Option<ProgressBar>);

impl Progress {
    /// Spinners when stderr is a terminal, plain lines otherwise.
    pub fn new() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new), quiet: false, silent: false }
    }

    /// Only what went wrong.
    pub fn quiet() -> Self {
        Self { bars: None, quiet: true, silent: false }
    }

    /// Nothing at all: the report says what went wrong.
    pub fn silent() -> Self {
        Self { bars: None, quiet: true, silent: true }
    }

    /// Tells that a task begins, with the time that it usually takes.
    pub fn start(&self, step: &Step, work: Work, expected: Option<Duration>) -> Line {
        let doing = match work {
            Work::Create => "creating",
            Work::Update if step.changes.is_empty() => "waiting for",
            Work::Update => "updating",
            Work::Delete => "deleting",
        };
        let usual = expected.filter(|time| *time >= LONG).map(|time| format!(", usually {}", took(time)));
        if let Some(bars) = &self.bars {
            let bar = bars.add(ProgressBar::new_spinner());
            let style =
                ProgressStyle::with_template("  {spinner} {msg} {elapsed}").expect("the template is well-formed");
            bar.set_style(style);
            bar.set_message(format!("{doing} {}{}", step.address, usual.unwrap_or_default()));
            bar.enable_steady_tick(Duration::from_millis(120));
            return Line(Some(bar));
        }
        if let Some(usual) = usual {
            self.say(&format!("  … {doing} {}{usual}", step.address));
        }
        Line(None)
    }

    /// Where a task says what it waits for: beside its spinner, or on a line of its own.
    pub fn waiting(&self, line: &Line, address: &Address) -> Waiting {
        match &line.0 {
            Some(bar) => {
                let (bar, doing) = (bar.clone(), bar.message());
                Waiting::told(move |what| bar.set_message(format!("{doing}: {}", plain::line(what))))
            }
            None if self.quiet => Waiting::default(),
            None => {
                let address = address.to_string();
                Waiting::told(move |what| {
                    drop(writeln!(anstream::stderr().lock(), "  … {address}: {}", plain::line(what)));
                })
            }
        }
    }

    /// Tells that a task is done.
    pub fn done(&self, line: Line, address: &Address, work: Work, time: Duration, id: Option<&str>) {
        line.clear();
        let id = id.filter(|id| *id != address.name).map(|id| format!(" ({})", plain::line(id))).unwrap_or_default();
        self.say(&format!("  ✓ {address} {}{id}, {}", past(work), took(time)));
    }

    /// Tells that a task failed.
    pub fn failed(&self, line: Line, address: &Address, error: &anyhow::Error) {
        line.clear();
        self.unrecorded(address, error);
    }

    /// Tells that what was applied could not be recorded.
    pub fn unrecorded(&self, address: &Address, error: &anyhow::Error) {
        self.tell(&format!("  ✗ {address}: {error:#}"));
    }

    /// Tells that no new task begins, and which ones are waited for.
    pub fn stopping(&self, under_way: &[(Address, Work)]) {
        let names: Vec<String> = under_way.iter().map(|(address, _)| address.to_string()).collect();
        self.tell(&format!(
            "Stopping: nothing new is begun. Under way, and waited for: {}. Press Ctrl-C again to leave at once; \
             the next apply goes on from there.",
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        ));
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            self.tell(line);
        }
    }

    fn tell(&self, line: &str) {
        if self.silent {
            return;
        }
        // An error or an identifier may hold whatever others wrote.
        let line = plain::styled(line);
        match &self.bars {
            Some(bars) => drop(bars.println(line)),
            None => drop(writeln!(anstream::stderr().lock(), "{line}")),
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Line {
    fn clear(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

fn past(work: Work) -> &'static str {
    match work {
        Work::Create => "created",
        Work::Update => "updated",
        Work::Delete => "deleted",
    }
}

/// A duration for people: `0.4 s`, `12 s`, `3 min 20 s`, `1 h 5 min`.
pub fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
