//! Reading the object that is a row.

use lakewright_config::UNKNOWN_COLUMN;

use super::Rows;
use crate::escape::resolved;
use crate::json::{Scanner, Syntax};
use crate::reject::{Reject, Wrong};
use crate::unknown::Where;
use crate::value::{Cell, Converted, convert, simple};

impl Rows {
    /// Reads an object without adding a row yet: the rest of the message may still be broken. Gives the reason why it is
    /// no row of this table, if it is none.
    ///
    /// # Errors
    /// It is no JSON.
    pub(crate) fn read(&mut self, message: &str, scanner: &mut Scanner<'_>) -> Result<Option<Reject>, Syntax> {
        self.arena.begin(message);
        self.cells.fill(None);
        self.old.fill(false);
        let mut reason = None;
        if !scanner.next_is(b'{') {
            let found = scanner.value()?.kind();
            return Ok(Some(Reject::NotAnObject { what: self.holder.clone(), found }));
        }
        let mut more = scanner.enter_object()?;
        let mut expected = 0;
        let mut room = String::new();
        while more {
            let (raw, escaped) = scanner.name()?;
            let name = resolved(raw, escaped, &mut room);
            // Members mostly come in the order of the declaration, or in the same order each time.
            let known = match self.members.get(expected) {
                Some(member) if member.name == name => Some(expected),
                _ => self.members.iter().position(|member| member.name == name),
            };
            let renamed = || self.members.iter().position(|member| member.was.as_deref() == Some(name));
            if let Some(index) = known.or_else(renamed) {
                expected = index + 1;
                self.member(index, (name, known.is_none()), scanner, &mut reason)?;
            } else if self.format_members.contains(&name) {
                scanner.pass()?;
            } else {
                let place = self.arena.place(scanner.raw()?);
                if self.arena.unknown.take(name, Where::Row, place) && reason.is_none() {
                    reason = Some(Reject::Cell { column: name.to_owned(), wrong: Wrong::Unknown });
                }
            }
            more = scanner.more(b'}')?;
        }
        Ok(reason.or_else(|| self.missing()))
    }

    /// Reads the value of a member, under its name of before or the one of now; of a message that is refused already it
    /// is only passed over.
    #[inline]
    fn member(
        &mut self,
        index: usize,
        (name, old): (&str, bool),
        scanner: &mut Scanner<'_>,
        reason: &mut Option<Reject>,
    ) -> Result<(), Syntax> {
        if self.cells[index].is_some() && old != self.old[index] {
            // Whoever sends both names means the one that holds now.
            if old {
                scanner.pass()?;
                return Ok(());
            }
            self.cells[index] = None;
        }
        self.old[index] = old;
        if self.members[index].undeclared {
            return self.read_undeclared(index, name, scanner);
        }
        if reason.is_some() {
            scanner.pass()?;
            return Ok(());
        }
        match self.value(index, name, scanner)? {
            _ if self.cells[index].is_some() => {
                *reason = Some(Reject::Cell { column: name.to_owned(), wrong: Wrong::Twice });
            }
            Ok(cell) => self.cells[index] = Some(cell),
            Err(misfit) => {
                *reason = Some(Reject::Cell { column: format!("{name}{}", misfit.path), wrong: misfit.wrong });
            }
        }
        Ok(())
    }

    /// Reads a value as one of a column.
    #[inline]
    pub(super) fn value(&mut self, index: usize, name: &str, scanner: &mut Scanner<'_>) -> Result<Converted, Syntax> {
        let shape = &self.members[index].shape;
        if !shape.is_nested() {
            return Ok(simple(scanner.value()?, shape, &mut self.arena));
        }
        let mark = self.arena.unknown.mark();
        let converted = convert(scanner, shape, &mut self.arena)?;
        self.arena.unknown.stand_within(mark, || name.to_owned());
        Ok(converted)
    }

    /// What of the row is missing that must be there, or stands there twice.
    fn missing(&self) -> Option<Reject> {
        let missing = self.members.iter().zip(&self.cells).find_map(|(member, cell)| {
            let wrong = match cell {
                None if member.required => Wrong::Missing,
                Some(Cell::Null) if member.required => Wrong::Null,
                _ => return None,
            };
            Some(Reject::Cell { column: member.name.clone(), wrong })
        });
        let many = || {
            Some(Reject::Cell {
                column: UNKNOWN_COLUMN.to_owned(),
                wrong: Wrong::Value(self.arena.unknown.too_many()?),
            })
        };
        let twice = || Some(Reject::Cell { column: self.arena.unknown.repeated()?.to_owned(), wrong: Wrong::Twice });
        missing.or_else(many).or_else(twice)
    }

    /// Begins a row without any member. Gives the reason why the table has no such row, if it has none.
    pub(crate) fn read_nothing(&mut self) -> Option<Reject> {
        self.arena.begin("");
        self.cells.fill(None);
        self.missing()
    }
}
