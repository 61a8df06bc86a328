//! Names of members, as requests and answers write them.

/// The name of a request's member as an answer writes it: `vpcId` of `VpcId`.
pub(super) fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
