//! Reading the object that is a row.

use lakewright_config::UNKNOWN_COLUMN;

use super::Rows;
use crate::escape::resolved;
use crate::json::{Scanner, Syntax};
use crate::reject::{Reject, Wrong};
use crate::unknown::Where;
use crate::value::{Cell, Misfit, convert, put, read_simple};

impl Rows {
    /// Reads an object without adding a row yet: the rest of the message may still be broken. Gives the reason why it is
    /// no row of this table, if it is none.
    ///
    /// # Errors
    /// It is no JSON.
    pub(crate) fn read(&mut self, message: &str, scanner: &mut Scanner<'_>) -> Result<Option<Box<Reject>>, Syntax> {
        self.arena.begin(message);
        self.cells.fill(None);
        self.old.fill(false);
        let mut reason = None;
        if !scanner.next_is(b'{') {
            let found = scanner.value()?.kind();
            return Ok(Some(Box::new(Reject::NotAnObject { what: self.holder.clone(), found })));
        }
        let mut more = scanner.enter_object()?;
        let mut expected = 0;
        let mut room = String::new();
        while more {
            // Members mostly come in the order of the declaration, and without white space.
            if self.members.get(expected).is_some_and(|member| scanner.takes(&member.written)) {
                expected += 1;
                self.member(expected - 1, None, scanner, &mut reason)?;
            } else {
                let (raw, escaped) = scanner.name()?;
                let name = resolved(raw, escaped, &mut room);
                // Or in the same order each time.
                let known = match self.members.get(expected) {
                    Some(member) if member.name == name => Some(expected),
                    _ => self.members.iter().position(|member| member.name == name),
                };
                let renamed = || self.members.iter().position(|member| member.was.as_deref() == Some(name));
                if let Some(index) = known.or_else(renamed) {
                    expected = index + 1;
                    self.member(index, known.is_none().then_some(name), scanner, &mut reason)?;
                } else if self.format_members.contains(&name) {
                    scanner.pass()?;
                } else {
                    let place = self.arena.place(scanner.raw()?);
                    if self.arena.unknown.take(name, Where::Row, place) && reason.is_none() {
                        reason = Some(refused(name.to_owned(), Wrong::Unknown));
                    }
                }
            }
            more = scanner.more(b'}')?;
        }
        Ok(reason.or_else(|| self.missing()))
    }

    /// Reads the value of a member, under the one of now or its name of before, which is given then; of a message that is refused
    /// already it is only passed over.
    #[inline]
    fn member(
        &mut self,
        index: usize,
        was: Option<&str>,
        scanner: &mut Scanner<'_>,
        reason: &mut Option<Box<Reject>>,
    ) -> Result<(), Syntax> {
        let mut twice = self.cells[index].is_some();
        if twice && was.is_some() != self.old[index] {
            // Whoever sends both names means the one that holds now.
            if was.is_some() {
                scanner.pass()?;
                return Ok(());
            }
            self.cells[index] = None;
            twice = false;
        }
        self.old[index] = was.is_some();
        if self.members[index].undeclared {
            return self.read_undeclared(index, scanner);
        }
        if reason.is_some() {
            scanner.pass()?;
            return Ok(());
        }
        let misfit = self.value(index, was, scanner)?;
        if twice || misfit.is_some() {
            let name = was.unwrap_or(&self.members[index].name);
            *reason = Some(match misfit.filter(|_| !twice) {
                Some(misfit) => refused(format!("{name}{}", misfit.path), misfit.wrong),
                None => refused(name.to_owned(), Wrong::Twice),
            });
        }
        Ok(())
    }

    /// Reads a value as one of a column into its cell; gives what is wrong with it, and leaves the cell then.
    #[inline]
    pub(super) fn value(
        &mut self,
        index: usize,
        was: Option<&str>,
        scanner: &mut Scanner<'_>,
    ) -> Result<Option<Box<Misfit>>, Syntax> {
        let (shape, cell) = (&self.members[index].shape, &mut self.cells[index]);
        if !shape.is_nested() {
            return read_simple(scanner, shape, &mut self.arena, cell);
        }
        let mark = self.arena.unknown.mark();
        let converted = convert(scanner, shape, &mut self.arena)?;
        self.arena.unknown.stand_within(mark, || was.unwrap_or(&self.members[index].name).to_owned());
        Ok(put(converted, cell))
    }

    /// What of the row is missing that must be there, or stands there twice.
    fn missing(&self) -> Option<Box<Reject>> {
        let missing = self.members.iter().zip(&self.cells).find_map(|(member, cell)| {
            let wrong = match cell {
                None if member.required => Wrong::Missing,
                Some(Cell::Null) if member.required => Wrong::Null,
                _ => return None,
            };
            Some(refused(member.name.clone(), wrong))
        });
        let many = || Some(refused(UNKNOWN_COLUMN.to_owned(), Wrong::Value(self.arena.unknown.too_many()?)));
        let twice = || Some(refused(self.arena.unknown.repeated()?.to_owned(), Wrong::Twice));
        missing.or_else(many).or_else(twice)
    }

    /// Begins a row without any member. Gives the reason why the table has no such row, if it has none.
    pub(crate) fn read_nothing(&mut self) -> Option<Box<Reject>> {
        self.arena.begin("");
        self.cells.fill(None);
        self.missing()
    }
}

/// What is wrong with a value.
#[cold]
#[expect(clippy::unnecessary_box_returns, reason = "a reason that mostly isn't there stays small")]
pub(super) fn refused(column: String, wrong: Wrong) -> Box<Reject> {
    Box::new(Reject::Cell { column, wrong })
}
