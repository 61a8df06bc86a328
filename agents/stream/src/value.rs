//! From JSON values to typed ones: exact, or refused.

mod nested;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nested::{list, map, object};

use crate::escape::{resolved, unescape};
use crate::json::{Scanner, Syntax, Token};
use crate::number::{decimal, integer, short_decimal, since_1970, since_midnight};
use crate::reject::{Wrong, shown};
use crate::shape::Shape;
use crate::time::{date, time_of_day, timestamp};
use crate::unknown::Unknowns;

/// The most values that the lists and maps of a message may have, members of structs in them included: they take 32 MiB. Without
/// a limit, a message of `{}`s could take a thousand times its own bytes.
pub(crate) const MOST_VALUES: usize = 1 << 20;

/// The most room, in values or in bytes, that is kept for the next message.
const ROOM: usize = 1 << 16;

/// A typed value. Ranges instead of references let a row's values be used again for the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell {
    Null,
    /// Integers, booleans as 0 and 1, dates in days, times and timestamps in microseconds.
    Whole(i64),
    Real(f64),
    Decimal(i128),
    /// Text of the message.
    Text {
        start: usize,
        end: usize,
    },
    /// Text whose escapes were resolved, in the arena.
    Made {
        start: usize,
        end: usize,
    },
    /// Bytes in the arena.
    Bytes {
        start: usize,
        end: usize,
    },
    /// Elements in the arena: of a list; of a struct in the order of its members; of a map, each key before its value.
    Many {
        start: usize,
        end: usize,
    },
}

/// What a row's values need beside their message. Used again for each row.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// The address of the message's first byte.
    base: usize,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) elements: Vec<Cell>,
    pub(crate) unknown: Unknowns,
    /// The elements of lists, maps and structs that are being read, the innermost last.
    pub(crate) open: Vec<Option<Cell>>,
    /// How many values of columns the lists and maps have so far.
    values: usize,
}

impl Arena {
    /// Empties it for the next message.
    pub(crate) fn begin(&mut self, message: &str) {
        self.base = message.as_ptr().addr();
        self.text.clear();
        self.bytes.clear();
        self.elements.clear();
        self.open.clear();
        // What one large message needed isn't held for ever.
        self.text.shrink_to(ROOM);
        self.bytes.shrink_to(ROOM);
        self.elements.shrink_to(ROOM);
        self.open.shrink_to(ROOM);
        self.values = 0;
        self.unknown.begin();
    }

    /// An element of a list or a map begins, which takes so many values; what is wrong if they are too many.
    #[inline]
    pub(crate) fn count(&mut self, width: usize) -> Result<(), Box<Misfit>> {
        self.values += width;
        if self.values <= MOST_VALUES {
            return Ok(());
        }
        Err(misfit(Wrong::Value(format!("the lists and maps of a message have at most {MOST_VALUES} values"))))
    }

    /// How many bytes the values of lists and maps take in columns, about, beside their texts.
    #[inline]
    pub(crate) fn column_bytes(&self) -> usize {
        self.values * size_of::<i64>()
    }

    /// Where a part of the message stands in it.
    #[inline]
    pub(crate) fn place(&self, part: &str) -> (usize, usize) {
        let start = part.as_ptr().addr() - self.base;
        (start, start + part.len())
    }

    /// A string of the message, as it is or with its escapes resolved.
    #[inline]
    pub(crate) fn string(&mut self, raw: &str, escaped: bool) -> Cell {
        if !escaped {
            let (start, end) = self.place(raw);
            return Cell::Text { start, end };
        }
        let start = self.text.len();
        unescape(raw, &mut self.text);
        Cell::Made { start, end: self.text.len() }
    }

    /// Text that isn't of the message.
    pub(crate) fn made(&mut self, text: &str) -> Cell {
        let start = self.text.len();
        self.text.push_str(text);
        Cell::Made { start, end: self.text.len() }
    }

    /// Bytes.
    pub(crate) fn blob(&mut self, bytes: &[u8]) -> Cell {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        Cell::Bytes { start, end: self.bytes.len() }
    }

    /// Elements that stand together.
    pub(crate) fn many(&mut self, cells: impl IntoIterator<Item = Cell>) -> Cell {
        let start = self.elements.len();
        self.elements.extend(cells);
        Cell::Many { start, end: self.elements.len() }
    }

    /// What was opened at `base` is read whole.
    pub(crate) fn close(&mut self, base: usize, wrong: Option<Box<Misfit>>) -> Converted {
        if let Some(wrong) = wrong {
            self.open.truncate(base);
            return Err(wrong);
        }
        let start = self.elements.len();
        self.elements.extend(self.open.drain(base..).map(|cell| cell.unwrap_or(Cell::Null)));
        Ok(Cell::Many { start, end: self.elements.len() })
    }
}

/// What is wrong with a value, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The way from the column to it: `.address.zip`, `[3]`; empty for the column's own value.
    pub(crate) path: String,
    pub(crate) wrong: Wrong,
}

/// A value, or what is wrong with it; the text was read to the value's end all the same.
pub(crate) type Converted = Result<Cell, Box<Misfit>>;

#[cold]
#[expect(clippy::unnecessary_box_returns, reason = "a result of cells stays as small as a cell")]
pub(crate) fn misfit(wrong: Wrong) -> Box<Misfit> {
    Box::new(Misfit { path: String::new(), wrong })
}

/// Reads the next value as one of a shape.
///
/// # Errors
/// It is no JSON.
#[inline]
pub(crate) fn convert(scanner: &mut Scanner<'_>, shape: &Shape, arena: &mut Arena) -> Result<Converted, Syntax> {
    match shape {
        Shape::List(element) if scanner.next_is(b'[') => list(scanner, element, arena),
        Shape::Map(value) if scanner.next_is(b'{') => map(scanner, value, arena),
        Shape::Struct(fields) if scanner.next_is(b'{') => object(scanner, fields, arena),
        shape => Ok(simple(scanner.value()?, shape, arena)),
    }
}

/// Reads the next value as one of a shape that is made of no others, into a cell; gives what is wrong with it, and leaves the cell then.
///
/// The common ones are written to where they stay. Cells are 32 bytes: to give them back and move them takes longer than to read
/// most of them, because a processor waits when it loads at once what it stored piece by piece.
///
/// # Errors
/// It is no JSON.
#[inline]
pub(crate) fn read_simple(
    scanner: &mut Scanner<'_>,
    shape: &Shape,
    arena: &mut Arena,
    cell: &mut Option<Cell>,
) -> Result<Option<Box<Misfit>>, Syntax> {
    match (shape, scanner.first_byte()) {
        (Shape::String, Some(b'"')) => {
            let raw = scanner.string()?;
            if scanner.is_escaped() {
                *cell = Some(arena.string(raw, true));
            } else {
                let (start, end) = arena.place(raw);
                *cell = Some(Cell::Text { start, end });
            }
            Ok(None)
        }
        (Shape::Int | Shape::Long | Shape::Decimal(..), Some(b'-' | b'0'..=b'9')) => {
            let text = scanner.number()?;
            let short = match shape {
                Shape::Decimal(precision, scale) => short_decimal(text, *precision, *scale),
                Shape::Int => text.parse::<i32>().ok().map(i64::from),
                _ => text.parse::<i64>().ok(),
            };
            match (shape, short) {
                (Shape::Decimal(..), Some(value)) => *cell = Some(Cell::Decimal(value.into())),
                (_, Some(value)) => *cell = Some(Cell::Whole(value)),
                (_, None) => return Ok(put(simple(Token::Number(text), shape, arena), cell)),
            }
            Ok(None)
        }
        (Shape::Timestamptz(None), Some(b'"')) => {
            let raw = scanner.string()?;
            match timestamp(raw.as_bytes(), true) {
                Some(micros) => *cell = Some(Cell::Whole(micros)),
                None => return Ok(put(simple(Token::Text { raw, escaped: scanner.is_escaped() }, shape, arena), cell)),
            }
            Ok(None)
        }
        _ => Ok(put(simple(scanner.value()?, shape, arena), cell)),
    }
}

/// Puts what was converted into a cell; gives what is wrong with it, if something is.
pub(crate) fn put(converted: Converted, cell: &mut Option<Cell>) -> Option<Box<Misfit>> {
    match converted {
        Ok(value) => {
            *cell = Some(value);
            None
        }
        Err(misfit) => Some(misfit),
    }
}

/// Converts a value that is made of no others.
#[inline(never)]
pub(crate) fn simple(token: Token<'_>, shape: &Shape, arena: &mut Arena) -> Converted {
    typed(token, shape, arena).map_err(|wrong| misfit(Wrong::Value(wrong)))
}

#[inline]
fn typed(token: Token<'_>, shape: &Shape, arena: &mut Arena) -> Result<Cell, String> {
    match (shape, token) {
        (_, Token::Null) => Ok(Cell::Null),
        (Shape::Boolean, Token::Bool(value)) => Ok(Cell::Whole(value.into())),
        (Shape::Int, Token::Number(text)) => match integer(text) {
            Some(value) if i32::try_from(value).is_ok() => Ok(Cell::Whole(value)),
            _ => Err(format!("{} is no 32-bit integer", shown(text))),
        },
        (Shape::Long, Token::Number(text)) => {
            integer(text).map(Cell::Whole).ok_or_else(|| format!("{} is no 64-bit integer", shown(text)))
        }
        (Shape::Float, Token::Number(text)) => match text.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(Cell::Real(f64::from(value))),
            _ => Err(format!("{} is beyond a float", shown(text))),
        },
        (Shape::Double, Token::Number(text)) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Cell::Real(value)),
            _ => Err(format!("{} is beyond a double", shown(text))),
        },
        (Shape::Decimal(precision, scale), Token::Number(text) | Token::Text { raw: text, .. }) => {
            decimal(text, *precision, *scale).map(Cell::Decimal)
        }
        (Shape::String, Token::Text { raw, escaped }) => Ok(arena.string(raw, escaped)),
        (Shape::Date, Token::Text { raw, .. }) => date(raw.as_bytes())
            .filter(|(_, rest)| rest.is_empty())
            .map(|(days, _)| Cell::Whole(days))
            .ok_or_else(|| format!("`{}` is no date YYYY-MM-DD", shown(raw))),
        (Shape::Timestamptz(None), Token::Text { raw, .. }) => timestamp(raw.as_bytes(), true)
            .map(Cell::Whole)
            .ok_or_else(|| format!("`{}` is no RFC 3339 time with offset", shown(raw))),
        (Shape::Timestamp(None), Token::Text { raw, .. }) => timestamp(raw.as_bytes(), false)
            .map(Cell::Whole)
            .ok_or_else(|| format!("`{}` is no ISO 8601 time without offset", shown(raw))),
        (Shape::Time(None), Token::Text { raw, .. }) => time_of_day(raw.as_bytes())
            .map(Cell::Whole)
            .ok_or_else(|| format!("`{}` is no time of day HH:MM:SS", shown(raw))),
        (Shape::Timestamptz(Some(unit)) | Shape::Timestamp(Some(unit)), Token::Number(text)) => {
            since_1970(text, *unit).map(Cell::Whole)
        }
        (Shape::Time(Some(unit)), Token::Number(text)) => since_midnight(text, *unit).map(Cell::Whole),
        (Shape::Uuid, Token::Text { raw, .. }) => match uuid(raw.as_bytes()) {
            Some(value) => Ok(arena.blob(&value.to_be_bytes())),
            None => Err(format!("`{}` is no UUID with hyphens", shown(raw))),
        },
        (Shape::Binary, Token::Text { raw, escaped }) => base64(raw, escaped, arena),
        (Shape::Fixed(length), Token::Text { raw, escaped }) => {
            let cell = base64(raw, escaped, arena)?;
            match cell {
                Cell::Bytes { start, end } if end - start != *length => {
                    Err(format!("it has {} bytes, not {length}", end - start))
                }
                cell => Ok(cell),
            }
        }
        (expected, found) => Err(format!("expected {expected}, found {}", found.kind())),
    }
}

fn base64(raw: &str, escaped: bool, arena: &mut Arena) -> Result<Cell, String> {
    let start = arena.bytes.len();
    let mut room = String::new();
    let text = resolved(raw, escaped, &mut room);
    STANDARD
        .decode_vec(text, &mut arena.bytes)
        .map(|()| Cell::Bytes { start, end: arena.bytes.len() })
        .map_err(|_| format!("`{}` is no Base64", shown(raw)))
}

/// The number that a UUID in its hyphenated form is.
fn uuid(text: &[u8]) -> Option<u128> {
    if text.len() != 36 {
        return None;
    }
    let mut value = 0;
    for (at, byte) in text.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        value = value << 4 | u128::from(char::from(*byte).to_digit(16)?);
    }
    Some(value)
}
