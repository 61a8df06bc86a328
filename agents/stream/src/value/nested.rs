//! Values that are made of others: lists, maps and structs, read in one pass.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Arena, Cell, Converted, Misfit, convert, misfit};
use crate::escape::{resolved, unescape};
use crate::json::{Scanner, Syntax};
use crate::reject::{Wrong, shown};
use crate::shape::Part;
use crate::unknown::Where;

/// So many keys of a map are compared one with another; more are put into a set.
const FEW_KEYS: usize = 16;

/// Reads the value of a part, which stands at `step` of what it is a part of.
fn part(
    scanner: &mut Scanner<'_>,
    part: &Part,
    arena: &mut Arena,
    step: impl Fn() -> String,
) -> Result<Converted, Syntax> {
    let mark = arena.unknown.mark();
    let converted = match convert(scanner, &part.shape, arena)? {
        Ok(Cell::Null) if part.required => Err(misfit(Wrong::Null)),
        converted => converted,
    };
    arena.unknown.stand_within(mark, &step);
    Ok(converted.map_err(|mut misfit| {
        misfit.path.insert_str(0, &step());
        misfit
    }))
}

/// Reads an array.
pub(super) fn list(scanner: &mut Scanner<'_>, element: &Part, arena: &mut Arena) -> Result<Converted, Syntax> {
    let (base, mut index) = (arena.open.len(), 0);
    let mut wrong = None;
    let mut more = scanner.enter_array()?;
    while more {
        if wrong.is_none() {
            wrong = arena.count(element.width).err();
        }
        if wrong.is_some() {
            scanner.pass()?;
        } else {
            match part(scanner, element, arena, || format!("[{index}]"))? {
                Ok(cell) => arena.open.push(Some(cell)),
                Err(misfit) => wrong = Some(misfit),
            }
        }
        index += 1;
        more = scanner.more(b']')?;
    }
    Ok(arena.close(base, wrong))
}

/// Reads an object whose members are the entries of a map.
pub(super) fn map(scanner: &mut Scanner<'_>, value: &Part, arena: &mut Arena) -> Result<Converted, Syntax> {
    let base = arena.open.len();
    let mut names: Vec<(&str, bool)> = Vec::new();
    let mut wrong = None;
    let mut more = scanner.enter_object()?;
    while more {
        let (raw, escaped) = scanner.name()?;
        if wrong.is_none() {
            wrong = arena.count(1 + value.width).err();
        }
        if wrong.is_some() {
            scanner.pass()?;
        } else {
            names.push((raw, escaped));
            let key = arena.string(raw, escaped);
            match part(scanner, value, arena, || format!("[\"{}\"]", shown(raw)))? {
                Ok(cell) => arena.open.extend([Some(key), Some(cell)]),
                Err(misfit) => wrong = Some(misfit),
            }
        }
        more = scanner.more(b'}')?;
    }
    if wrong.is_none()
        && let Some(name) = repeated(&names)
    {
        wrong = Some(Box::new(Misfit { path: format!("[\"{}\"]", shown(&name)), wrong: Wrong::Twice }));
    }
    Ok(arena.close(base, wrong))
}

/// A key that stands there twice.
fn repeated(names: &[(&str, bool)]) -> Option<String> {
    if names.len() <= FEW_KEYS && names.iter().all(|(_, escaped)| !escaped) {
        let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
        return twice.map(|(_, (name, _))| (*name).to_owned());
    }
    let mut seen = HashSet::with_capacity(names.len());
    let resolved = names.iter().map(|(raw, escaped)| match escaped {
        false => Cow::Borrowed(*raw),
        true => {
            let mut name = String::with_capacity(raw.len());
            unescape(raw, &mut name);
            Cow::Owned(name)
        }
    });
    resolved.into_iter().find(|name| !seen.insert(name.clone())).map(Cow::into_owned)
}

/// Reads an object whose members are those of a struct.
pub(super) fn object(scanner: &mut Scanner<'_>, fields: &[Part], arena: &mut Arena) -> Result<Converted, Syntax> {
    let base = arena.open.len();
    arena.open.resize(base + fields.len(), None);
    let (mut wrong, mut expected) = (None, 0);
    let mut room = String::new();
    let mut more = scanner.enter_object()?;
    while more {
        let (raw, escaped) = scanner.name()?;
        let name = resolved(raw, escaped, &mut room);
        // Members mostly come in the order of the declaration, or in the same order each time.
        let index = match fields.get(expected) {
            Some(field) if field.name == name => Some(expected),
            _ => fields.iter().position(|field| field.name == name),
        };
        let at = |wrong| Some(Box::new(Misfit { path: format!(".{}", shown(name)), wrong }));
        match index {
            _ if wrong.is_some() => scanner.pass()?,
            None => {
                let place = arena.place(scanner.raw()?);
                if arena.unknown.take(name, Where::Within, place) {
                    wrong = at(Wrong::Unknown);
                }
            }
            Some(index) => {
                expected = index + 1;
                match part(scanner, &fields[index], arena, || format!(".{}", fields[index].name))? {
                    _ if arena.open[base + index].is_some() => wrong = at(Wrong::Twice),
                    Ok(cell) => arena.open[base + index] = Some(cell),
                    Err(misfit) => wrong = Some(misfit),
                }
            }
        }
        more = scanner.more(b'}')?;
    }
    let missing = fields.iter().zip(&arena.open[base..]).find(|(field, cell)| field.required && cell.is_none());
    if wrong.is_none()
        && let Some((field, _)) = missing
    {
        wrong = Some(Box::new(Misfit { path: format!(".{}", field.name), wrong: Wrong::Missing }));
    }
    Ok(arena.close(base, wrong))
}
