//! Which key encrypts what the file names no key for.

use super::declare::choice;
use super::sections::File;

choice! {
    /// How many keys encrypt what names none.
    Keys {
        /// One: `main`, or the first of `[keys]`.
        One = "one",
        /// One for each class of data: `main`, or the first of `[keys]`, for buckets, brokers and results; `logs` for logs,
        /// alarms and what is typed in sessions; `secrets` for passwords.
        ByClass = "by-class",
    }
}

/// What is encrypted alike, unless the file says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// What the stack is for: buckets, brokers, results of queries.
    Data,
    /// What programs and people did: logs, notices, sessions.
    Logs,
    /// Passwords.
    Secrets,
}

const MAIN: &str = "main";
const LOGS: &str = "logs";
const SECRETS: &str = "secrets";

impl File {
    /// The key of what the file names no key for; none where such things have none.
    pub fn class_key(&self, class: Class) -> Option<&str> {
        let keys = self.stack.keys.as_ref()?;
        Some(match (keys.value, class) {
            (Keys::ByClass, Class::Logs) => LOGS,
            (Keys::ByClass, Class::Secrets) => SECRETS,
            _ => self.first_key().unwrap_or(MAIN),
        })
    }

    /// The key `main`, or the first that isn't of one class alone; none in a file without.
    pub fn first_key(&self) -> Option<&str> {
        let mut names = self.keys.iter().map(|key| key.name.as_str());
        let main = self.keys.get(MAIN).map(|_| MAIN);
        main.or_else(|| names.find(|name| ![LOGS, SECRETS].contains(name)))
    }

    /// Whether a key is made without a section of its own.
    pub fn makes_key(&self, name: &str) -> bool {
        [Class::Data, Class::Logs, Class::Secrets].into_iter().any(|class| self.class_key(class) == Some(name))
    }
}
