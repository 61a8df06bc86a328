//! Dates with their numbers: `2023-09-12`, `12.9.2023`, `12 September 2023`, `Q3 2023`, `2023年9月12日`; and months and weekdays alone.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime};

use super::{Reader, Span, Unit, latest, moved};

/// Two to ten, in English, German, French, Spanish and Swedish. One is an article as well.
const WORDS: [&[&str]; 9] = [
    &["two", "zwei", "deux", "dos", "tva"],
    &["three", "drei", "trois", "tres", "tre"],
    &["four", "vier", "quatre", "cuatro", "fyra"],
    &["five", "funf", "fuenf", "cinq", "cinco", "fem"],
    &["six", "sechs", "seis", "sex"],
    &["seven", "sieben", "sept", "siete", "sju"],
    &["eight", "acht", "huit", "ocho", "atta"],
    &["nine", "neun", "neuf", "nueve", "nio"],
    &["ten", "zehn", "dix", "diez", "tio"],
];

/// A small number in digits, or in letters up to ten.
pub fn count_said(fold: &str) -> Option<u32> {
    let said = || (2..).zip(WORDS).find_map(|(number, words)| words.contains(&fold).then_some(number));
    count(fold).or_else(said)
}

/// A small number.
fn count(fold: &str) -> Option<u32> {
    let number = fold.parse::<u32>().ok().filter(|_| fold.bytes().all(|byte| byte.is_ascii_digit()))?;
    (number <= 10_000).then_some(number)
}

/// A year of four digits.
fn year(fold: &str) -> Option<i32> {
    let number = count(fold).filter(|_| fold.len() == 4)?;
    i32::try_from(number).ok().filter(|year| (1970..2100).contains(year))
}

/// A day of a month, `12`, `12th`, `1er`, `12:e`.
fn day(fold: &str) -> Option<u32> {
    let digits = fold.trim_end_matches(|letter: char| letter.is_ascii_alphabetic() || letter == ':' || letter == '.');
    let ending = &fold[digits.len()..];
    let known = ["", ".", "st", "nd", "rd", "th", "er", "e", ":e", ":a"].contains(&ending);
    count(digits).filter(|day| known && (1..=31).contains(day))
}

/// Parts of a date, with the same mark between.
fn parts(fold: &str, mark: char) -> Option<Vec<u32>> {
    fold.split(mark).map(|part| count(part).filter(|_| part.len() <= 4)).collect()
}

/// A date in one word.
fn written(fold: &str) -> Option<Span> {
    if let Some(time) = moment(fold) {
        return Some(Span::between(time, moved(time, Unit::Minute, 1)?));
    }
    for mark in ['-', '/'] {
        let Some(parts) = parts(fold, mark) else { continue };
        match parts[..] {
            [from, month, day] if fold.find(mark) == Some(4) => {
                return Span::day(NaiveDate::from_ymd_opt(i32::try_from(from).ok()?, month, day)?);
            }
            [from, month] if fold.find(mark) == Some(4) => return Span::month(i32::try_from(from).ok()?, month),
            _ => {}
        }
    }
    match parts(fold, '.')?[..] {
        [day, month, from] if from >= 1970 => {
            Span::day(NaiveDate::from_ymd_opt(i32::try_from(from).ok()?, month, day)?)
        }
        _ => None,
    }
}

/// A time of a day.
fn moment(fold: &str) -> Option<NaiveDateTime> {
    let text = fold.trim_end_matches('z');
    ["%Y-%m-%dt%H:%M:%S", "%Y-%m-%dt%H:%M"].iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

impl Reader<'_> {
    /// A date in digits.
    pub(super) fn written(&self, at: usize) -> Option<(usize, Span)> {
        let fold = self.fold(at)?;
        if let Some(span) = written(fold) {
            return Some((at + 1, span));
        }
        if let Some(found) = self.japanese(at) {
            return Some(found);
        }
        let quarter = fold.strip_prefix(['q', 't', 'k']).and_then(count).filter(|quarter| (1..=4).contains(quarter));
        if let Some(quarter) = quarter.filter(|_| fold.starts_with('q') || self.fold(at + 1).and_then(year).is_some()) {
            let given = self.fold(at + 1).and_then(year);
            let of = given.unwrap_or(self.now.year());
            let first = NaiveDate::from_ymd_opt(of, quarter * 3 - 2, 1)?;
            return Some((at + 1 + usize::from(given.is_some()), Span::unit(Unit::Quarter, first, 0)?));
        }
        // `12 September 2023`, `12 de septiembre de 2023`.
        if let Some(day) = day(fold) {
            let next = self.past_fillers(at + 1);
            if let Some((count, month)) = self.month(next) {
                return self.of_month(next + count, day, month);
            }
        }
        let year = year(fold)?;
        Some((at + 1, Span::year(year)?))
    }

    /// A day of a month, with the year that may follow.
    fn of_month(&self, at: usize, day: u32, month: u32) -> Option<(usize, Span)> {
        if let Some((next, year)) = self.year_after(at) {
            return Some((next, Span::day(NaiveDate::from_ymd_opt(year, month, day)?)?));
        }
        let today = self.now.date();
        let this = NaiveDate::from_ymd_opt(today.year(), month, day);
        let date =
            this.filter(|date| *date <= today).or_else(|| NaiveDate::from_ymd_opt(today.year() - 1, month, day))?;
        Some((at, Span::day(date)?))
    }

    /// A year, behind a comma or words that say nothing.
    fn year_after(&self, at: usize) -> Option<(usize, i32)> {
        let next = if self.fold(at) == Some("") { at + 1 } else { self.past_fillers(at) };
        let year = self.fold(next).and_then(year)?;
        Some((next + 1, year))
    }

    /// `2023年9月12日`, and less of it; `9月`.
    fn japanese(&self, at: usize) -> Option<(usize, Span)> {
        let number = |at: usize, unit: &str| {
            let number = self.fold(at).and_then(count)?;
            (self.fold(at + 1) == Some(unit)).then_some((at + 2, number))
        };
        let (next, of) = match number(at, "年").filter(|(_, number)| *number >= 1970) {
            Some((next, of)) => (next, Some(i32::try_from(of).ok()?)),
            None => (at, None),
        };
        match (number(next, "月").filter(|(_, month)| (1..=12).contains(month)), of) {
            (None, None) => None,
            (None, Some(of)) => Some((next, Span::year(of)?)),
            (Some((next, month)), of) => {
                let Some((end, day)) = number(next, "日") else {
                    return Some((next, Span::month(of.unwrap_or_else(|| self.latest_year(month)), month)?));
                };
                match of {
                    Some(of) => Some((end, Span::day(NaiveDate::from_ymd_opt(of, month, day)?)?)),
                    None => self.of_month(end, day, month),
                }
            }
        }
    }

    /// The year of a month that has begun.
    fn latest_year(&self, month: u32) -> i32 {
        self.now.year() - i32::from(month > self.now.month())
    }

    /// A month or a weekday by name.
    pub(super) fn named(&self, at: usize) -> Option<(usize, Span)> {
        if let Some((count, weekday)) = self.weekday(at) {
            return Some((at + count, Span::day(latest(self.now.date(), weekday))?));
        }
        let (length, month) = self.month(at)?;
        let next = at + length;
        // `March 3, 2023`; in `March 3 bikes` it is a day as well.
        if let Some(day) = self.fold(next).and_then(day) {
            return self.of_month(next + 1, day, month);
        }
        if let Some((end, year)) = self.year_after(next) {
            return Some((end, Span::month(year, month)?));
        }
        Some((next, Span::month(self.latest_year(month), month)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{read, since};
    use crate::lookup::words;

    fn now() -> chrono::NaiveDateTime {
        chrono::NaiveDate::from_ymd_opt(2023, 10, 18).and_then(|day| day.and_hms_opt(12, 0, 0)).expect("a time")
    }

    fn span(text: &str) -> String {
        let dense = super::super::vocabulary().filter(|word| word.chars().any(words::is_dense));
        let dense: Vec<String> = dense.map(str::to_owned).collect();
        let tokens = words::read(text, &dense);
        match read(&tokens, now()) {
            Some((count, span)) if count == tokens.len() => span.to_string(),
            Some((count, span)) => format!("{span} and {} more", tokens.len() - count),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        for (text, expected) in [
            ("2023-09", "September 2023"),
            ("2023-09-12", "2023-09-12"),
            ("2023", "2023"),
            ("12.9.2023", "2023-09-12"),
            ("2023/09/12", "2023-09-12"),
            ("12th of september 2023", "2023-09-12"),
            ("March 3, 2023", "2023-03-03"),
            ("september", "September 2023"),
            ("november", "November 2022"),
            ("last november", "November 2022"),
            ("Q3 2023", "2023-07-01 to 2023-09-30"),
            ("yesterday", "2023-10-17"),
            ("monday", "2023-10-16"),
            ("last wednesday", "2023-10-11"),
            ("lundi dernier", "2023-10-16"),
            ("last week", "2023-10-09 to 2023-10-15"),
            ("last hour", "since 2023-10-18 11:00"),
            ("between 2023-01-01 and 2023-02-01", "2023-01-01 to 2023-02-01"),
            ("from january to march 2023", "2023-01-01 to 2023-03-31"),
            ("2023-01..2023-02", "2023-01-01 to 2023-02-28"),
            ("before march 2023", "before 2023-03-01"),
            ("until march 2023", "before 2023-04-01"),
            ("after 2023-09-12", "since 2023-09-13"),
            ("since 3 days ago", "since 2023-10-15"),
            ("2 hours ago", "2023-10-18 10:00 to 2023-10-18 11:00"),
            ("2023-10-18T10:30", "2023-10-18 10:30 to 2023-10-18 10:31"),
            ("vor dem 12.9.2023", "before 2023-09-12"),
            ("vor 2 Wochen", "2023-10-04"),
            ("2023年", "2023"),
            ("10月2日以降", "since 2023-10-02"),
            ("9月から10月", "2023-09-01 to 2023-10-31"),
            ("2023-02-30", "none"),
            ("from Seoul", "none"),
            ("the last two weeks", "since 2023-10-04 12:00"),
            ("il y a sept jours", "2023-10-11"),
            ("last 99999999 days", "none"),
            ("last shop", "none"),
        ] {
            assert_eq!(span(text), expected, "{text}");
        }
    }

    #[test]
    fn an_option_takes_a_length_or_a_date() {
        let shown = |text: &str| since(text, now()).map(|time| time.to_string());
        for (text, expected) in [
            ("2h", Some("2023-10-18 10:00:00")),
            ("7d", Some("2023-10-11 12:00:00")),
            ("2023-09-12", Some("2023-09-12 00:00:00")),
            ("yesterday", Some("2023-10-17 00:00:00")),
            ("last week", Some("2023-10-09 00:00:00")),
            ("2x", None),
            ("soon", None),
            ("before 2023-09-12", None),
            ("999999999d", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }
}
