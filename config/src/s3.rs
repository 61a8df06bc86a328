//! Places in S3 as they are written.

/// The schemes of S3. Spark and Hadoop write `s3a` and `s3n` for the same.
const SCHEMES: [&str; 3] = ["s3://", "s3a://", "s3n://"];

/// Bucket and prefix of `s3://bucket/prefix`; the prefix is empty where the whole bucket is meant. `None`: it is no
/// place in S3.
pub fn place(url: &str) -> Option<(&str, &str)> {
    let rest = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    (!bucket.is_empty()).then_some((bucket, prefix))
}

/// Bucket and key of the object `s3://bucket/key`. `None`: it is no place in S3, or a whole bucket.
pub fn object(url: &str) -> Option<(&str, &str)> {
    place(url).filter(|(_, key)| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_split() {
        for (url, split) in [
            ("s3://b/a/c.parquet", Some(("b", "a/c.parquet"))),
            ("s3a://b/a", Some(("b", "a"))),
            ("s3n://b/a//c/", Some(("b", "a//c/"))),
            ("s3://b/s3://c/d", Some(("b", "s3://c/d"))),
            ("s3://b/", Some(("b", ""))),
            ("s3://b", Some(("b", ""))),
            ("s3:///key", None),
            ("s3://", None),
            ("S3://b/a", None),
            (" s3://b/a", None),
            ("https://b/a", None),
            ("b/a", None),
            ("", None),
        ] {
            assert_eq!(place(url), split, "{url}");
            assert_eq!(object(url), split.filter(|(_, key)| !key.is_empty()), "{url}");
        }
    }
}
