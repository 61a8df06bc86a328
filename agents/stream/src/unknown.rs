//! Members that no column takes: counted, refused, or kept as JSON.

use lakewright_config::Unknown;

/// The most of a message that are kept: each takes room beyond its own bytes.
const MOST_KEPT: usize = 1 << 17;

/// The members of one message that no column takes.
#[derive(Debug, Default)]
pub(crate) struct Unknowns {
    policy: Unknown,
    count: u64,
    kept: Vec<Kept>,
    /// There were more than are kept.
    over: bool,
}

/// A member that is kept: its way from the row, and where in the message its value stands.
#[derive(Debug)]
struct Kept {
    path: String,
    at: Where,
    start: usize,
    end: usize,
}

/// Where a member stands that no column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// It is one of the row itself.
    Row,
    /// It is one of the row, whose column doesn't take this value.
    Misfit,
    /// It stands within the value of a column.
    Within,
}

impl Unknowns {
    pub(crate) fn new(policy: Unknown) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Empties it for the next message.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.count = 0;
        self.kept.clear();
        self.kept.shrink_to(MOST_KEPT / 16);
        self.over = false;
    }

    /// How many there are.
    #[inline]
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Takes in a member whose value stands at a place of the message; true when it makes the message a reject.
    #[inline]
    pub(crate) fn take(&mut self, name: &str, at: Where, (start, end): (usize, usize)) -> bool {
        self.count += 1;
        if self.policy.keeps() && self.kept.len() == MOST_KEPT {
            self.over = true;
        } else if self.policy.keeps() {
            self.kept.push(Kept { path: name.to_owned(), at, start, end });
        }
        self.policy == Unknown::Reject
    }

    /// What is wrong if there are more than can be kept.
    pub(crate) fn too_many(&self) -> Option<String> {
        self.over.then(|| format!("more than {MOST_KEPT} members that no column takes can't be kept"))
    }

    /// How many are kept so far.
    #[inline]
    pub(crate) fn mark(&self) -> usize {
        self.kept.len()
    }

    /// What is known so far.
    pub(crate) fn state(&self) -> (u64, usize) {
        (self.count, self.kept.len())
    }

    /// Forgets what came since it was in this state.
    pub(crate) fn back_to(&mut self, (count, kept): (u64, usize)) {
        self.count = count;
        self.kept.truncate(kept);
    }

    /// What was kept since `mark` stands within a part, `.address` or `[2]`.
    #[inline]
    pub(crate) fn stand_within(&mut self, mark: usize, part: impl Fn() -> String) {
        for kept in &mut self.kept[mark..] {
            let dot = if kept.path.starts_with(['.', '[']) { "" } else { "." };
            kept.path = format!("{}{dot}{}", part(), kept.path);
        }
    }

    /// Those that are kept, with where they stand and their values as the message has them.
    pub(crate) fn kept<'a>(&'a self, message: &'a str) -> impl Iterator<Item = (&'a str, Where, &'a str)> {
        self.kept.iter().map(|kept| (kept.path.as_str(), kept.at, &message[kept.start..kept.end]))
    }

    /// One that stands there twice.
    pub(crate) fn repeated(&self) -> Option<&str> {
        let mut paths: Vec<&str> = self.kept.iter().map(|kept| kept.path.as_str()).collect();
        paths.sort_unstable();
        paths.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    /// Appends an object with those that are kept, `{"colour":"red","address.floor":3}`; false, and nothing, when none
    /// are.
    pub(crate) fn write(&self, message: &str, into: &mut String) -> bool {
        for (index, kept) in self.kept.iter().enumerate() {
            into.push(if index == 0 { '{' } else { ',' });
            into.push_str(&serde_json::Value::from(kept.path.as_str()).to_string());
            into.push(':');
            into.push_str(&message[kept.start..kept.end]);
        }
        if !self.kept.is_empty() {
            into.push('}');
        }
        !self.kept.is_empty()
    }
}
