//! Names of members: `user.address.city`, `labels."app.kubernetes.io/name"`, `location.0`.

use std::fmt;

/// The most steps of a path: as deep as members can be made to stand.
const MAX_STEPS: usize = 16;

/// The way to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    steps: Vec<String>,
}

impl Path {
    /// Reads a path; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut steps, mut rest) = (Vec::new(), text);
        loop {
            let (step, after) = step(rest)?;
            steps.push(step);
            if steps.len() > MAX_STEPS {
                return Err(format!("it has more than {MAX_STEPS} steps"));
            }
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() => return Ok(Self { steps }),
                None => return Err("a dot is missing behind a quoted name".to_owned()),
            }
        }
    }

    /// The names on the way; there is one at least.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// Whether it is this member of the event itself.
    pub fn is(&self, name: &str) -> bool {
        self.steps.len() == 1 && self.steps[0] == name
    }

    /// Whether one of the two leads through the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.steps.iter().zip(&other.steps).all(|(one, other)| one == other)
    }
}

/// The first name of a path, and what follows it.
fn step(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let name = &text[..end];
        if name.is_empty() {
            return Err("a name is empty".to_owned());
        }
        if let Some(odd) = name.chars().find(|c| c.is_whitespace() || c.is_control() || "\"()[],=!<>".contains(*c)) {
            return Err(format!("{odd:?} can't stand in a name without quotes"));
        }
        return Ok((name.to_owned(), &text[end..]));
    };
    let end = quoted.find('"').ok_or("a quote isn't closed")?;
    if end == 0 {
        return Err("a name is empty".to_owned());
    }
    Ok((quoted[..end].to_owned(), &quoted[end + 1..]))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            if step.contains('.') { write!(f, "{dot}\"{step}\"")? } else { write!(f, "{dot}{step}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parted_by_dots_outside_of_quotes() {
        for (text, steps) in [
            ("level", &["level"][..]),
            ("@timestamp", &["@timestamp"]),
            ("http.request.method", &["http", "request", "method"]),
            ("labels.\"app.kubernetes.io/name\".x", &["labels", "app.kubernetes.io/name", "x"]),
            ("location.0", &["location", "0"]),
            ("\"with space\"", &["with space"]),
        ] {
            assert_eq!(Path::parse(text).expect("a path").steps(), steps, "{text}");
        }
        for wrong in ["", ".", "a.", ".a", "a..b", "\"\"", "\"a", "\"a\"b", "a b", "a=b", &"a.".repeat(20)] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_overlaps_what_stands_in_it() {
        let path = |text| Path::parse(text).expect("a path");
        assert!(path("a.b").overlaps(&path("a")) && path("a").overlaps(&path("a.b")));
        assert!(!path("a.b").overlaps(&path("a.c")));
    }
}
