//! The words said on the terminal.

use std::io::Write as _;

use anyhow::{Context as _, Result};

use super::outcome::Outcome;
use crate::plain;

/// Writes to standard output, colours stripped where they don't belong. A reader that has gone is no error. Who calls it
/// writes out what acts in the text of others: data goes to programs as it is.
pub fn print(text: &str) -> Result<Outcome> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("write to standard output"),
        _ => Ok(Outcome::Done),
    }
}

/// Writes a line to standard error. Of others' text in it, as of an error of AWS, nothing acts on the terminal.
pub fn say(text: &str) {
    // Where nobody listens nothing is lost.
    let _ = writeln!(anstream::stderr().lock(), "{}", plain::styled(text));
}
