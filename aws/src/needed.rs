//! Members that an answer must have.

use crate::errors::Error;

/// A member of an answer that is needed: its absence is an error that names it.
pub trait Needed {
    /// What the member holds.
    type Value;

    /// The value, or the error that the answer lacks the member, named as in AWS's API reference: `needed("ec2", "Vpc.VpcId")`.
    fn needed(self, service: &str, member: &str) -> Result<Self::Value, Error>;
}

impl<T> Needed for Option<T> {
    type Value = T;

    fn needed(self, service: &str, member: &str) -> Result<T, Error> {
        self.ok_or_else(|| Error::missing(service, member))
    }
}

/// The SDK gives an empty text for a member that AWS's model calls required and an answer lacks.
impl Needed for String {
    type Value = Self;

    fn needed(self, service: &str, member: &str) -> Result<Self, Error> {
        if self.is_empty() { Err(Error::missing(service, member)) } else { Ok(self) }
    }
}

impl<'a> Needed for &'a str {
    type Value = &'a str;

    fn needed(self, service: &str, member: &str) -> Result<&'a str, Error> {
        if self.is_empty() { Err(Error::missing(service, member)) } else { Ok(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::Kind;

    #[test]
    fn absent_members_are_named() {
        assert_eq!(Some(1).needed("ec2", "Vpc.VpcId").expect("it is there"), 1);
        assert_eq!("a".needed("ec2", "Vpc.VpcId").expect("it is there"), "a");
        for error in [None::<u8>.needed("ec2", "Vpc.VpcId").err(), String::new().needed("ec2", "Vpc.VpcId").err()] {
            let error = error.expect("it is absent");
            assert_eq!(error.kind, Kind::BadAnswer);
            assert!(error.to_string().contains("Vpc.VpcId"), "{error}");
        }
    }
}
