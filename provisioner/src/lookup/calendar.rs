//! Dates and spans of dates as people write them. Times are UTC, weeks begin on Monday, and a span has its begin and not its end.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use chrono::{Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::words::{Kind, Token};
pub use words::{Class, Unit};

mod numbers;
mod words;

/// A span of time; an end that isn't there is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: Option<NaiveDateTime>,
    /// The first moment behind it.
    pub to: Option<NaiveDateTime>,
}

/// How many words an expression of a class has at most.
const LONGEST: usize = 4;

static CLASSES: LazyLock<HashMap<&'static str, Vec<Class>>> = LazyLock::new(|| {
    let mut classes: HashMap<&str, Vec<Class>> = HashMap::new();
    for (class, words) in words::WORDS {
        for word in *words {
            classes.entry(*word).or_default().push(*class);
        }
    }
    classes
});

/// Whether a word is one of dates.
pub fn knows(fold: &str) -> bool {
    CLASSES.contains_key(fold)
}

/// Every word of dates, those of scripts without spaces among them.
pub fn vocabulary() -> impl Iterator<Item = &'static str> {
    CLASSES.keys().copied().flat_map(str::split_whitespace)
}

impl Span {
    fn between(from: NaiveDateTime, to: NaiveDateTime) -> Self {
        Self { from: Some(from), to: Some(to) }
    }

    fn since(from: NaiveDateTime) -> Self {
        Self { from: Some(from), to: None }
    }

    /// A unit of time that a day stands in, or the one so many after it.
    fn unit(unit: Unit, day: NaiveDate, offset: i32) -> Option<Self> {
        let begin = match unit {
            Unit::Week => day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday())))?,
            Unit::Month => day.with_day(1)?,
            Unit::Quarter => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1)?,
            Unit::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1)?,
            Unit::Minute | Unit::Hour | Unit::Day => day,
        };
        let begin = midnight(begin);
        Some(Self::between(moved(begin, unit, offset)?, moved(begin, unit, offset + 1)?))
    }

    fn day(day: NaiveDate) -> Option<Self> {
        Self::unit(Unit::Day, day, 0)
    }

    fn month(year: i32, month: u32) -> Option<Self> {
        Self::unit(Unit::Month, NaiveDate::from_ymd_opt(year, month, 1)?, 0)
    }

    fn year(year: i32) -> Option<Self> {
        Self::unit(Unit::Year, NaiveDate::from_ymd_opt(year, 1, 1)?, 0)
    }
}

fn midnight(day: NaiveDate) -> NaiveDateTime {
    day.and_time(NaiveTime::MIN)
}

/// The time so many units later.
fn moved(time: NaiveDateTime, unit: Unit, count: i32) -> Option<NaiveDateTime> {
    let months = |each: i32| {
        let months = Months::new(count.unsigned_abs().checked_mul(each.unsigned_abs())?);
        if count < 0 { time.checked_sub_months(months) } else { time.checked_add_months(months) }
    };
    let add = |delta: Option<TimeDelta>| time.checked_add_signed(delta?);
    let count = i64::from(count);
    match unit {
        Unit::Minute => add(TimeDelta::try_minutes(count)),
        Unit::Hour => add(TimeDelta::try_hours(count)),
        Unit::Day => add(TimeDelta::try_days(count)),
        Unit::Week => add(TimeDelta::try_weeks(count)),
        Unit::Month => months(1),
        Unit::Quarter => months(3),
        Unit::Year => months(12),
    }
}

/// Reads from the first words on.
struct Reader<'a> {
    tokens: &'a [Token],
    now: NaiveDateTime,
}

/// The span of time that the words begin with, and how many words it is.
pub fn read(tokens: &[Token], now: NaiveDateTime) -> Option<(usize, Span)> {
    // What is left out ends it, but where it begins.
    let ends =
        |(at, token): (usize, &Token)| !(token.is_word() || token.kind == Kind::Break) || (at > 0 && token.excluded);
    let end = tokens.iter().enumerate().position(ends);
    let reader = Reader { tokens: &tokens[..end.unwrap_or(tokens.len())], now };
    reader.span()
}

/// What an option says: a length of time as in `2h`, `7d` and `2w`, or a date.
pub fn since(text: &str, now: NaiveDateTime) -> Option<NaiveDateTime> {
    let text = text.trim();
    if let Some((at, _)) = text.char_indices().find(|(_, letter)| !letter.is_ascii_digit()) {
        let unit = match &text[at..] {
            "m" | "min" => Some(Unit::Minute),
            "h" => Some(Unit::Hour),
            "d" => Some(Unit::Day),
            "w" => Some(Unit::Week),
            "y" => Some(Unit::Year),
            _ => None,
        };
        if let (Some(unit), Ok(count)) = (unit, text[..at].parse::<i32>()) {
            return moved(now, unit, -count);
        }
    }
    let tokens = super::words::read(text, &[]);
    read(&tokens, now).filter(|(count, _)| *count == tokens.len())?.1.from
}

impl Reader<'_> {
    /// How many words from a place on are one expression of the class that is wanted.
    fn class<T>(&self, at: usize, wanted: impl Fn(Class) -> Option<T>) -> Option<(usize, T)> {
        (1..=LONGEST.min(self.tokens.len().saturating_sub(at))).rev().find_map(|count| {
            let words: Vec<&str> = (at..at + count).filter_map(|at| self.fold(at)).collect();
            let found = CLASSES.get(words.join(" ").as_str())?.iter().find_map(|class| wanted(*class))?;
            Some((count, found))
        })
    }

    /// The place behind an expression of that class.
    fn is(&self, at: usize, class: Class) -> Option<usize> {
        self.class(at, |one| (one == class).then_some(())).map(|(count, ())| at + count)
    }

    fn unit(&self, at: usize) -> Option<(usize, Unit)> {
        let (count, unit) = self.class(at, |class| if let Class::Unit(unit) = class { Some(unit) } else { None })?;
        Some((at + count, unit))
    }

    /// The place behind words that say nothing.
    fn past_fillers(&self, mut at: usize) -> usize {
        while let Some(next) = self.is(at, Class::Filler) {
            at = next;
        }
        at
    }

    /// The word at a place, empty for a break.
    fn fold(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).map(|token| if token.is_word() { token.fold.as_str() } else { "" })
    }

    /// A span with all that may stand around it.
    fn span(&self) -> Option<(usize, Span)> {
        let (begin, today) = (self.past_fillers(0), self.now.date());
        if let Some(at) = self.is(0, Class::Between)
            && let Some((at, first)) = self.date_after(at)
            && let Some(at) = self.is(at, Class::And)
            && let Some((at, last)) = self.date_after(at)
        {
            let (first, last) = if first.from <= last.from { (first, last) } else { (last, first) };
            return Some((at, Span { from: first.from, to: last.to }));
        }
        if let Some(at) = self.is(0, Class::From)
            && let Some(found) = self.joined(at)
        {
            return Some(found);
        }
        if let Some(found) = self.ago(begin, today) {
            return Some(found);
        }
        for class in [Class::Since, Class::Until, Class::Before, Class::After] {
            let Some(at) = self.is(0, class) else { continue };
            let Some((at, span)) = self.ago(self.past_fillers(at), today).or_else(|| self.date_after(at)) else {
                continue;
            };
            let (from, to) = match class {
                Class::Since => (span.from, None),
                Class::Until => (None, span.to),
                Class::Before => (None, span.from),
                _ => (span.to, None),
            };
            return Some((at, Span { from, to }));
        }
        if let Some(found) = self.joined(0) {
            return Some(found);
        }
        let (at, span) = self.date_after(0)?;
        // Japanese puts these behind a date.
        let since = ["から", "以降", "以来"].contains(&self.fold(at).unwrap_or_default());
        Some(match self.fold(at) {
            Some("から") if self.fold(at + 1) == Some("の") => (at + 2, Span { to: None, ..span }),
            _ if since => (at + 1, Span { to: None, ..span }),
            Some("まで") => (at + 1, Span { from: None, ..span }),
            Some("以前" | "前") => (at + 1, Span { from: None, to: span.from }),
            _ => (at, span),
        })
    }

    /// Two dates with a word between.
    fn joined(&self, at: usize) -> Option<(usize, Span)> {
        let (at, first) = self.date_after(at)?;
        let at = self.is(at, Class::To)?;
        let (at, last) = self.date_after(at)?;
        let at = at + usize::from(self.fold(at) == Some("まで"));
        (first.from < last.to).then_some((at, Span { from: first.from, to: last.to }))
    }

    fn date_after(&self, at: usize) -> Option<(usize, Span)> {
        self.date(at).or_else(|| self.date(self.past_fillers(at)))
    }

    /// `3 days ago` and its like.
    fn ago(&self, at: usize, today: NaiveDate) -> Option<(usize, Span)> {
        let before = self.is(at, Class::AgoBefore);
        let at = before.unwrap_or(at);
        let count = numbers::count_said(self.fold(at)?)?;
        let (at, unit) = self.unit(at + 1)?;
        let at = match (self.is(at, Class::Ago), before) {
            (Some(at), _) => at,
            // Swedish: `för 3 dagar sedan`.
            (None, Some(_)) if self.fold(at) == Some("sedan") => at + 1,
            // Which without that word is English, and says how long something took.
            (None, Some(_)) if self.fold(0) != Some("for") => at,
            (None, _) => return None,
        };
        let count = i32::try_from(count).ok()?;
        let then = moved(self.now, unit, -count)?;
        let span = match unit {
            Unit::Minute | Unit::Hour => Span::between(then, moved(then, unit, 1)?),
            _ => {
                Span::day(if unit == Unit::Day { today - Days::new(u64::try_from(count).ok()?) } else { then.date() })?
            }
        };
        Some((at, span))
    }

    /// A date, or a span that is one expression.
    fn date(&self, at: usize) -> Option<(usize, Span)> {
        self.written(at).or_else(|| self.relative(at)).or_else(|| self.named(at))
    }

    /// Words that count from today on.
    fn relative(&self, at: usize) -> Option<(usize, Span)> {
        let today = self.now.date();
        let relative =
            self.class(at, |class| if let Class::Relative(unit, offset) = class { Some((unit, offset)) } else { None });
        if let Some((count, (unit, offset))) = relative {
            return Some((at + count, Span::unit(unit, today, offset)?));
        }
        // Romance languages put `last` behind the unit, and between a number and its unit.
        if let Some((next, unit)) = self.unit(at)
            && let Some(next) = self.is(next, Class::Last)
        {
            return Some((next, Span::unit(unit, today, -1)?));
        }
        let number = self.fold(at).and_then(numbers::count_said);
        if let (Some(count), Some(next)) = (number, self.is(at + 1, Class::Last))
            && let Some((next, unit)) = self.unit(next)
        {
            return Some((next, Span::since(moved(self.now, unit, -i32::try_from(count).ok()?)?)));
        }
        if let Some(next) = self.is(at, Class::Last) {
            if let Some(count) = self.fold(next).and_then(numbers::count_said)
                && let Some((next, unit)) = self.unit(next + 1)
            {
                return Some((next, Span::since(moved(self.now, unit, -i32::try_from(count).ok()?)?)));
            }
            if let Some((next, unit)) = self.unit(next) {
                // The last hour is the one up to now.
                let span = match unit {
                    Unit::Minute | Unit::Hour => Span::since(moved(self.now, unit, -1)?),
                    _ => Span::unit(unit, today, -1)?,
                };
                return Some((next, span));
            }
            if let Some((count, weekday)) = self.weekday(next) {
                return Some((next + count, Span::day(latest(today - Days::new(1), weekday))?));
            }
            let (count, month) = self.month(next)?;
            let year = if month < today.month() { today.year() } else { today.year() - 1 };
            return Some((next + count, Span::month(year, month)?));
        }
        let next = self.is(at, Class::This)?;
        if let Some((next, unit)) = self.unit(next) {
            return Some((next, Span::unit(unit, today, 0)?));
        }
        let (count, weekday) = self.weekday(next)?;
        let monday = today - Days::new(u64::from(today.weekday().num_days_from_monday()));
        Some((next + count, Span::day(monday + Days::new(u64::from(weekday)))?))
    }

    fn weekday(&self, at: usize) -> Option<(usize, u32)> {
        let found = self.class(at, |class| if let Class::Weekday(day) = class { Some(day) } else { None })?;
        // French: `lundi dernier`, Spanish: `lunes pasado`; both are the last one anyway.
        Some((
            found.0
                + usize::from(self.is(at + found.0, Class::Last).is_some() && self.unit(at + found.0 + 1).is_none()),
            found.1,
        ))
    }

    fn month(&self, at: usize) -> Option<(usize, u32)> {
        self.class(at, |class| if let Class::Month(month) = class { Some(month) } else { None })
    }
}

/// The latest such weekday up to a day.
fn latest(day: NaiveDate, weekday: u32) -> NaiveDate {
    let back = (day.weekday().num_days_from_monday() + 7 - weekday) % 7;
    day - Days::new(u64::from(back))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A time as it is shown: without its hours where it is midnight.
fn shown(time: NaiveDateTime) -> String {
    let format = if time.time() == NaiveTime::MIN { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
    time.format(format).to_string()
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = match (self.from, self.to) {
            (None, None) => return formatter.write_str("any time"),
            (Some(from), None) => return write!(formatter, "since {}", shown(from)),
            (None, Some(to)) => return write!(formatter, "before {}", shown(to)),
            (Some(from), Some(to)) => (from, to),
        };
        let whole = |unit| Self::unit(unit, from.date(), 0) == Some(*self);
        if whole(Unit::Day) {
            write!(formatter, "{}", shown(from))
        } else if whole(Unit::Month) {
            write!(formatter, "{} {}", MONTHS[from.month0() as usize], from.year())
        } else if whole(Unit::Year) {
            write!(formatter, "{}", from.year())
        } else if from.time() == NaiveTime::MIN && to.time() == NaiveTime::MIN {
            write!(formatter, "{} to {}", shown(from), shown(to - TimeDelta::days(1)))
        } else {
            write!(formatter, "{} to {}", shown(from), shown(to))
        }
    }
}
