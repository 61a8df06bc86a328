//! Who may do what by a resource: a statement of a policy, or what says as much.

/// One sentence about who may do what. Names are sorted and each stands once, so that equal meanings are equal values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// A statement.
    Statement {
        /// Whether it forbids what it names.
        denies: bool,
        /// Who: principals, ranges of addresses; `it` for the resource itself.
        who: Listed,
        /// What: actions, or words that go on after "may".
        may: Listed,
        /// On which resources; none named where it is the one that the statement stands in.
        on: Listed,
        /// What has to be so, all of it, as in `StringEquals aws:SourceAccount 123456789012`.
        conditions: Vec<String>,
    },
    /// What nobody here can read: it is shown as it stands.
    Unread(String),
}

/// Things by name, or all but those.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Whether all but those are meant.
    pub but: bool,
    /// The names.
    pub names: Vec<String>,
}

impl Listed {
    /// These.
    pub fn of<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self { but: false, names: sorted(names.into_iter().map(Into::into).collect()) }
    }

    /// All but these.
    pub fn but<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self { but: true, ..Self::of(names) }
    }

    /// The words for it: `all` is how one says everything of its sort.
    fn words(&self, all: &str) -> String {
        let names: Vec<&str> = self.names.iter().map(|name| if name == "*" { all } else { name.as_str() }).collect();
        if self.but { format!("{all} but {}", names.join(", ")) } else { names.join(", ") }
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

impl Grant {
    /// Somebody who may do something with the resource itself.
    pub fn to(who: impl Into<String>, may: impl Into<String>) -> Self {
        Self::Statement {
            denies: false,
            who: Listed::of([who.into()]),
            may: Listed::of([may.into()]),
            on: Listed::default(),
            conditions: Vec::new(),
        }
    }

    /// The same under a condition.
    #[must_use]
    pub fn only_if(mut self, condition: impl Into<String>) -> Self {
        if let Self::Statement { conditions, .. } = &mut self {
            conditions.push(condition.into());
            conditions.sort();
        }
        self
    }

    /// The sentence: `ec2.amazonaws.com may sts:AssumeRole, if …`.
    pub fn words(&self) -> String {
        let (denies, who, may, on, conditions) = match self {
            Self::Unread(text) => return format!("this can't be read: {text}"),
            Self::Statement { denies, who, may, on, conditions } => (denies, who, may, on, conditions),
        };
        let mut words = format!(
            "{} {} {}",
            who.words("everybody"),
            if *denies { "may not" } else { "may" },
            may.words("everything")
        );
        if on.but || !on.names.is_empty() {
            words.push_str(" on ");
            words.push_str(&on.words("everything"));
        }
        if !conditions.is_empty() {
            words.push_str(", if ");
            words.push_str(&conditions.join(" and "));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_a_sentence() {
        let statement = Grant::Statement {
            denies: true,
            who: Listed::but(["arn:aws:iam::123456789012:role/shop"]),
            may: Listed::of(["s3:PutObject", "s3:*", "s3:*"]),
            on: Listed::of(["*"]),
            conditions: vec!["Bool aws:SecureTransport false".to_owned(), "Null aws:x true".to_owned()],
        };
        assert_eq!(
            statement.words(),
            "everybody but arn:aws:iam::123456789012:role/shop may not s3:*, s3:PutObject on everything, if Bool \
             aws:SecureTransport false and Null aws:x true"
        );
        assert_eq!(Grant::to("*", "reach it by tcp port 22").words(), "everybody may reach it by tcp port 22");
        assert_eq!(Grant::to("it", "*").only_if("b").only_if("a").words(), "it may everything, if a and b");
        assert_eq!(Grant::Unread("{}".to_owned()).words(), "this can't be read: {}");
    }
}
