//! A strict JSON scanner over borrowed bytes: no copies, and numbers as they are written, so that decimals lose nothing.

mod name;

pub use name::Name;

/// Nesting deeper than this is refused.
const MAX_DEPTH: u32 = 64;

/// Where a text stops being JSON, and what was expected there. It is small, so that what a scanner gives is returned in registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syntax(Box<(usize, &'static str)>);

impl Syntax {
    #[cold]
    fn new(at: usize, expected: &'static str) -> Self {
        Self(Box::new((at, expected)))
    }

    /// The position in bytes.
    pub fn at(&self) -> usize {
        self.0.0
    }

    /// What was expected, for people.
    pub fn expected(&self) -> &'static str {
        self.0.1
    }
}

impl std::fmt::Display for Syntax {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (at, expected) = *self.0;
        write!(f, "no JSON at byte {at}: expected {expected}")
    }
}

/// A value; strings are without quotes and still escaped, arrays and objects are skipped over and given whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A string.
    Text {
        /// What stands between the quotes.
        raw: &'a str,
        /// Whether there are escapes in it.
        escaped: bool,
    },
    /// An array with its brackets.
    Array(&'a str),
    /// An object with its braces.
    Object(&'a str),
}

impl Token<'_> {
    /// The kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text { .. } => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// A position in a text.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Whether the string that was read last has escapes.
    escaped: bool,
}

impl<'a> Scanner<'a> {
    /// The begin of a text.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, escaped: false }
    }

    /// The position in bytes.
    pub fn at(&self) -> usize {
        self.at
    }

    fn error<T>(&self, expected: &'static str) -> Result<T, Syntax> {
        Err(Syntax::new(self.at, expected))
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The first byte of the next value, not taken.
    #[inline]
    pub fn first_byte(&mut self) -> Option<u8> {
        self.space();
        self.peek()
    }

    /// Passes over a member's name and its colon if they stand right here.
    #[inline]
    pub fn takes(&mut self, name: &Name) -> bool {
        let found = name.begins(&self.text.as_bytes()[self.at..]);
        if found {
            self.at += name.written.len();
        }
        found
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The next byte that isn't white space, not taken.
    #[inline]
    pub fn next_is(&mut self, byte: u8) -> bool {
        self.space();
        self.peek() == Some(byte)
    }

    #[inline]
    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), Syntax> {
        self.space();
        if self.peek() != Some(byte) {
            return self.error(expected);
        }
        self.at += 1;
        Ok(())
    }

    /// Nothing but white space is left.
    pub fn end(&mut self) -> Result<(), Syntax> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.error("the end") }
    }

    /// Enters an object; `false` when it is empty and left already.
    #[inline]
    pub fn enter_object(&mut self) -> Result<bool, Syntax> {
        self.take(b'{', "an object")?;
        Ok(self.first(b'}'))
    }

    /// Enters an array; `false` when it is empty and left already.
    pub fn enter_array(&mut self) -> Result<bool, Syntax> {
        self.take(b'[', "an array")?;
        Ok(self.first(b']'))
    }

    #[inline]
    fn first(&mut self, close: u8) -> bool {
        let empty = self.next_is(close);
        self.at += usize::from(empty);
        !empty
    }

    /// After a member or element: `true` when another follows, `false` when `close` did.
    #[inline]
    pub fn more(&mut self, close: u8) -> Result<bool, Syntax> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => self.error(if close == b'}' { "`,` or `}`" } else { "`,` or `]`" }),
        }
    }

    /// A member's name and its colon. The name is without quotes and still escaped.
    #[inline]
    pub fn name(&mut self) -> Result<(&'a str, bool), Syntax> {
        self.space();
        if self.peek() != Some(b'"') {
            return self.error("a member's name");
        }
        let name = self.string()?;
        self.take(b':', "`:`")?;
        Ok((name, self.escaped))
    }

    /// The next value.
    #[inline]
    pub fn value(&mut self) -> Result<Token<'a>, Syntax> {
        self.space();
        match self.peek() {
            Some(b'"') => {
                let raw = self.string()?;
                Ok(Token::Text { raw, escaped: self.escaped })
            }
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            Some(b't') => self.literal("true").map(|()| Token::Bool(true)),
            Some(b'f') => self.literal("false").map(|()| Token::Bool(false)),
            Some(b'n') => self.literal("null").map(|()| Token::Null),
            Some(b'{') => self.skip(0).map(Token::Object),
            Some(b'[') => self.skip(0).map(Token::Array),
            _ => self.error("a value"),
        }
    }

    /// Passes over the next value; not made part of what it is called in, which mostly converts values.
    #[inline(never)]
    pub fn pass(&mut self) -> Result<(), Syntax> {
        self.value().map(drop)
    }

    /// The next value as it is written.
    #[inline(never)]
    pub fn raw(&mut self) -> Result<&'a str, Syntax> {
        self.space();
        let start = self.at;
        self.pass()?;
        Ok(&self.text[start..self.at])
    }

    /// Skips an array or object and gives its text; everything in it is checked.
    fn skip(&mut self, depth: u32) -> Result<&'a str, Syntax> {
        if depth == MAX_DEPTH {
            return self.error("less nesting");
        }
        let start = self.at;
        let object = self.peek() == Some(b'{');
        let close = if object { b'}' } else { b']' };
        self.at += 1;
        let mut more = self.first(close);
        while more {
            if object {
                self.name()?;
            }
            self.space();
            match self.peek() {
                Some(b'{' | b'[') => _ = self.skip(depth + 1)?,
                _ => _ = self.value()?,
            }
            more = self.more(close)?;
        }
        Ok(&self.text[start..self.at])
    }

    fn literal(&mut self, word: &'static str) -> Result<(), Syntax> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return self.error("a value");
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Syntax> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { self.error("a digit") } else { Ok(()) }
    }

    /// A number as it is written.
    ///
    /// # Errors
    /// It is none.
    #[inline]
    pub fn number(&mut self) -> Result<&'a str, Syntax> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return self.error("no digit after a leading zero");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    /// Whether the string that was read last has escapes.
    #[inline]
    pub fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// A string's inside, from its opening quote on. Escapes are checked; [`Scanner::is_escaped`] says whether there are any.
    ///
    /// # Errors
    /// It is none.
    #[inline]
    pub fn string(&mut self) -> Result<&'a str, Syntax> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        self.escaped = false;
        loop {
            at = special(bytes, at);
            match bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(&self.text[start..at]);
                }
                Some(b'\\') => {
                    self.escaped = true;
                    at = self.escape(at)?;
                }
                Some(_) => return Err(Syntax::new(at, "no bare control character in a string")),
                None => return Err(Syntax::new(at, "the end of a string")),
            }
        }
    }

    /// Checks the escape at a backslash and gives the position after it.
    fn escape(&self, at: usize) -> Result<usize, Syntax> {
        let bytes = self.text.as_bytes();
        match bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                let hex = |at: usize| -> Option<u32> {
                    let digits = self.text.get(at..at + 4).filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
                    u32::from_str_radix(digits, 16).ok()
                };
                let expected = || Err(Syntax::new(at, "four hexadecimal digits that make up a character"));
                match hex(at + 2) {
                    Some(0xD800..=0xDBFF) => match (bytes.get(at + 6), bytes.get(at + 7), hex(at + 8)) {
                        (Some(b'\\'), Some(b'u'), Some(0xDC00..=0xDFFF)) => Ok(at + 12),
                        _ => expected(),
                    },
                    None | Some(0xDC00..=0xDFFF) => expected(),
                    Some(_) => Ok(at + 6),
                }
            }
            _ => Err(Syntax::new(at, "an escape")),
        }
    }
}

/// The position of the first quote, backslash or control character from `at` on; the length when there is none.
/// Eight bytes at a time: a byte's high bit is set in the mask when the byte is one of them.
#[inline]
fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..at + 8).and_then(|chunk| <[u8; 8]>::try_from(chunk).ok()) {
        let word = u64::from_le_bytes(chunk);
        let quotes = word ^ (ONES * u64::from(b'"'));
        let slashes = word ^ (ONES * u64::from(b'\\'));
        let mask = ((quotes.wrapping_sub(ONES) & !quotes)
            | (slashes.wrapping_sub(ONES) & !slashes)
            | (word.wrapping_sub(ONES * 0x20) & !word))
            & HIGHS;
        if mask != 0 {
            return at + mask.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1F) {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
