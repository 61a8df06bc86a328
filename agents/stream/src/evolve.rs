//! Members that become columns: which of those that no column takes, and what is counted of the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lakewright_config::agents::stream;
use lakewright_config::{ColumnType, Evolved, Table, evolved_name, own_names};
use lakewright_lake::NewColumn;
use lakewright_runtime::{Counter, Metrics};

use crate::infer::{Inferred, infer, is_bounded, join};
use crate::unknown::{Unknowns, Where};

/// Of so many names it is known why they are no columns; more would take memory without end.
const MOST_JUDGED: usize = 10_000;
/// After so many columns that the catalog refused none is asked for any more: rows are decoded anew each time.
const MOST_REFUSED: usize = 100;

/// What of a table decides which members become columns of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Evolution {
    /// The columns that came from messages.
    pub(crate) evolved: Evolved,
    /// Names that no new column may have, in lower case.
    pub(crate) taken: BTreeSet<String>,
    /// Names of columns that the catalog refused.
    pub(crate) refused: BTreeSet<String>,
}

/// By member of a row, the type that its schema gives it; `None` for one that no simple column holds.
pub(crate) type Hints = BTreeMap<String, Option<ColumnType>>;

/// Why a member stands in the column `unknown` and in none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Its name isn't one of a column.
    Name,
    /// A column, or what is meant by one, has its name but for upper and lower case.
    Taken,
    /// The table has as many columns from messages as it may.
    Limit,
    /// The catalog refused its column.
    Refused,
    /// No column of a simple type holds its value.
    Type,
    /// It is null, empty, and nothing is known of its type.
    Empty,
    /// Its value doesn't fit its column.
    Value,
    /// It stands within the value of a column.
    Within,
}

impl Left {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 8] =
        [Self::Name, Self::Taken, Self::Limit, Self::Refused, Self::Type, Self::Empty, Self::Value, Self::Within];

    /// The word that labels its metric.
    fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Taken => "taken",
            Self::Limit => "limit",
            Self::Refused => "refused",
            Self::Type => "type",
            Self::Empty => "empty",
            Self::Value => "value",
            Self::Within => "within",
        }
    }
}

/// What becomes of a name.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    /// It is the column at this place of those that are wanted.
    Wanted(usize),
    Left(Left),
}

/// Finds out which columns the rows of a table want that it doesn't have.
#[derive(Debug)]
pub(crate) struct Evolving {
    taken: BTreeSet<String>,
    refused: BTreeSet<String>,
    /// So many columns may come.
    room: usize,
    wanted: Vec<NewColumn>,
    judged: HashMap<String, Verdict>,
    /// In the order of [`Left::ALL`].
    counts: [u64; Left::ALL.len()],
    counters: Option<[Counter; Left::ALL.len()]>,
}

impl Evolving {
    /// That of a table as it is.
    pub(crate) fn new(table: &Table, evolution: &Evolution) -> Self {
        let mut taken = evolution.taken.clone();
        taken.extend(own_names());
        for column in &table.columns {
            taken.insert(column.name.to_lowercase());
            taken.extend(column.was.iter().map(|was| was.to_lowercase()));
        }
        let room = table.reading.most_new_columns().saturating_sub(evolution.evolved.len());
        Self {
            taken,
            refused: evolution.refused.clone(),
            room,
            wanted: Vec::new(),
            judged: HashMap::new(),
            counts: [0; Left::ALL.len()],
            counters: None,
        }
    }

    /// Counts what is left in `unknown`.
    pub(crate) fn counting(&mut self, table: &str, metrics: &Metrics) {
        let of = |left: Left| {
            metrics.counter(&stream::UNEVOLVED_MEMBERS, &[(stream::TABLE, table), (stream::CAUSE, left.word())])
        };
        self.counters = Some(Left::ALL.map(of));
    }

    /// Takes note of the members of a row that no column takes; gives how many of them want a column.
    pub(crate) fn note(&mut self, unknown: &Unknowns, message: &str, hints: Option<&Hints>) -> u64 {
        let mut wanting = 0;
        for (name, at, value) in unknown.kept(message) {
            let left = match at {
                Where::Row => self.judge(name, value, hints),
                Where::Misfit => Some(Left::Value),
                Where::Within => Some(Left::Within),
            };
            match left {
                Some(left) => self.counts[left as usize] += 1,
                None => wanting += 1,
            }
        }
        wanting
    }

    /// Why a member is left in `unknown`; `None` when it wants a column.
    fn judge(&mut self, member: &str, value: &str, hints: Option<&Hints>) -> Option<Left> {
        let known = self.judged.get(member).copied();
        if let Some(Verdict::Left(left)) = known {
            return Some(left);
        }
        let found = match hints.and_then(|hints| hints.get(member)) {
            // Of one that is null here, the schema says what it is elsewhere; until then nobody misses the column.
            Some(_) if value == "null" => Inferred::Nothing,
            Some(Some(hinted)) if !is_bounded(hinted) => Inferred::Never,
            Some(Some(hinted)) => Inferred::Type(hinted.clone()),
            Some(None) => Inferred::Never,
            None => infer(value).unwrap_or(Inferred::Never),
        };
        match (known, found) {
            (Some(Verdict::Wanted(index)), Inferred::Type(found)) => {
                let column = &mut self.wanted[index].column_type;
                *column = join(column.clone(), found);
                None
            }
            (Some(_), _) => None,
            (None, found) => {
                let verdict = self.first(member, found);
                match verdict {
                    Verdict::Left(Left::Empty | Left::Type) => {}
                    verdict if self.judged.len() < MOST_JUDGED => _ = self.judged.insert(member.to_owned(), verdict),
                    // It wants a column, and nobody would know of it.
                    Verdict::Wanted(_) => {
                        self.wanted.pop();
                        return Some(Left::Limit);
                    }
                    Verdict::Left(_) => {}
                }
                match verdict {
                    Verdict::Wanted(_) => None,
                    Verdict::Left(left) => Some(left),
                }
            }
        }
    }

    /// What becomes of a name that wasn't met before.
    fn first(&mut self, member: &str, found: Inferred) -> Verdict {
        let Some(name) = evolved_name(member) else { return Verdict::Left(Left::Name) };
        let is_wanted = self.wanted.iter().any(|column| column.name == name);
        if is_wanted || self.taken.contains(&name) {
            return Verdict::Left(Left::Taken);
        }
        if self.refused.contains(&name) || self.refused.len() >= MOST_REFUSED {
            return Verdict::Left(Left::Refused);
        }
        if self.wanted.len() >= self.room {
            return Verdict::Left(Left::Limit);
        }
        let column_type = match found {
            Inferred::Type(column_type) => column_type,
            Inferred::Nothing => return Verdict::Left(Left::Empty),
            Inferred::Never => return Verdict::Left(Left::Type),
        };
        self.wanted.push(NewColumn { name, member: member.to_owned(), column_type });
        Verdict::Wanted(self.wanted.len() - 1)
    }

    /// The columns that the rows so far want; what was counted is published.
    pub(crate) fn wanted(&mut self) -> Vec<NewColumn> {
        for (count, counter) in self.counts.iter_mut().zip(self.counters.iter().flatten()) {
            counter.increment(std::mem::take(count));
        }
        self.wanted.clone()
    }
}

#[cfg(test)]
mod tests;
