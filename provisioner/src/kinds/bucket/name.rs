//! The rules of a bucket's name.

use std::net::Ipv4Addr;

/// What names begin with that S3 keeps for itself.
const STARTS: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
/// What names end with that S3 keeps for itself.
const ENDS: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// What is wrong with a text as a bucket's name:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub fn mistake(name: &str) -> Option<String> {
    if !(3..=63).contains(&name.chars().count()) {
        return Some("must have 3 to 63 characters".to_owned());
    }
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if let Some(wrong) = name.chars().find(|c| !edge(*c) && !"-.".contains(*c)) {
        return Some(format!("can't hold `{wrong}`: only lower case letters, digits, `-` and `.`"));
    }
    if !name.starts_with(edge) || !name.ends_with(edge) {
        return Some("must begin and end with a letter or digit".to_owned());
    }
    if name.contains("..") {
        return Some("can't hold two dots in a row".to_owned());
    }
    if name.parse::<Ipv4Addr>().is_ok() {
        return Some("can't look like an IP address".to_owned());
    }
    let kept = STARTS.iter().any(|start| name.starts_with(start)) || ENDS.iter().any(|end| name.ends_with(end));
    kept.then(|| "S3 keeps such names for itself".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_s3() {
        for name in ["shop.raw-1", "abc", "1.2.3.4.logs", "0-9", &"a".repeat(63)] {
            assert_eq!(mistake(name), None, "{name}");
        }
        let wrong = ["Shop", "-shop", "shop.", "ab", "a..b", "1.2.3.4", "a_b", "xn--a", "a--x-s3", &"a".repeat(64)];
        for name in wrong {
            assert!(mistake(name).is_some(), "{name}");
        }
    }
}
