//! Tags of EC2's resources, and the wildcards of filters.

use serde_json::{Value, json};

use super::error::{invalid, missing};
use super::paging::paged;
use super::{done, kind};
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::request::Request;
use crate::state::{State, Tags, tags_of};

/// Most tags that a resource carries.
const MOST: usize = 50;

/// Says whether a text fits a pattern in which `*` stands for any text and `?` for any character.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    fn fits(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|from| fits(rest, &text[from..])),
            ['?', rest @ ..] => !text.is_empty() && fits(rest, &text[1..]),
            ['\\', literal, rest @ ..] => text.first() == Some(literal) && fits(rest, &text[1..]),
            [first, rest @ ..] => text.first() == Some(first) && fits(rest, &text[1..]),
        }
    }
    if !pattern.contains(['*', '?', '\\']) {
        return pattern == text;
    }
    fits(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
}

fn check(tags: &Tags) -> Result<(), AwsError> {
    for (key, value) in tags {
        if key.is_empty() {
            return Err(invalid("Tag key cannot be empty."));
        }
        if key.to_lowercase().starts_with("aws:") {
            let message = "Tag keys starting with 'aws:' are reserved for internal use";
            return Err(invalid(message));
        }
        if key.chars().count() > 128 {
            return Err(invalid(format!("Tag key exceeds the maximum length of 128 characters: {key}")));
        }
        if value.chars().count() > 256 {
            return Err(invalid(format!("Tag value exceeds the maximum length of 256 characters: {value}")));
        }
    }
    if tags.len() > MOST {
        return Err(AwsError::new("TagLimitExceeded", "The maximum number of Tags for a resource has been reached."));
    }
    Ok(())
}

/// Returns the tags that a create call gives to the resource that it makes.
pub(super) fn specified(request: &Request, resource: &str) -> Result<Tags, AwsError> {
    specified_for(request, resource, &[])
}

/// Like [`specified`], where the call may tag resources of other types besides.
pub(super) fn specified_for(request: &Request, resource: &str, others: &[&str]) -> Result<Tags, AwsError> {
    let mut tags = Tags::new();
    for specification in request.input.list("TagSpecification") {
        let kind = specification.text("ResourceType").ok_or_else(|| missing("TagSpecification.ResourceType"))?;
        let given = tags_of(specification.list("Tag"), "Key", "Value");
        check(&given)?;
        if kind == resource {
            tags.extend(given);
        } else if !others.contains(&kind) {
            return Err(invalid(format!("'{kind}' is not a valid taggable resource type for this operation.")));
        }
    }
    check(&tags)?;
    Ok(tags)
}

fn resources(state: &State<'_>, request: &Request) -> Result<Vec<String>, AwsError> {
    let ids = request.input.texts("ResourceId");
    if ids.is_empty() {
        return Err(missing("resourceIdSet"));
    }
    let mut arns = Vec::new();
    for id in ids {
        let kind = kind::of_id(&id);
        let kind = kind.ok_or_else(|| AwsError::new("InvalidID", format!("The ID '{id}' is not valid")))?;
        kind.get(state, &id)?;
        arns.push(kind.arn(state, &id));
    }
    Ok(arns)
}

pub(super) fn create(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let given = tags_of(request.input.list("Tag"), "Key", "Value");
    if given.is_empty() {
        return Err(missing("tagSet"));
    }
    check(&given)?;
    for arn in resources(state, request)? {
        let mut all = state.tags(&arn);
        all.extend(given.clone());
        let own = all.iter().filter(|(key, _)| !key.starts_with("aws:")).count();
        if own > MOST {
            let message = "The maximum number of Tags for a resource has been reached.";
            return Err(AwsError::new("TagLimitExceeded", message));
        }
        state.set_tags(&arn, &all);
    }
    Ok(done())
}

pub(super) fn delete(state: &mut State<'_>, request: &Request) -> Result<Value, AwsError> {
    let given = request.input.list("Tag");
    for arn in resources(state, request)? {
        let mut all = state.tags(&arn);
        if given.is_empty() {
            all.retain(|key, _| key.starts_with("aws:"));
        }
        for tag in given {
            let key = tag.text("Key").unwrap_or_default();
            // A value, even an empty one, restricts the deletion to tags that have it.
            let same = tag.text("Value").is_none_or(|value| all.get(key).is_some_and(|current| current == value));
            if same {
                all.shift_remove(key);
            }
        }
        state.set_tags(&arn, &all);
    }
    Ok(done())
}

pub(super) fn describe(state: &State<'_>, request: &Request) -> Result<Value, AwsError> {
    let filters = request.input.list("Filter");
    for filter in filters {
        let name = filter.text("Name").unwrap_or_default();
        let known = ["key", "value", "resource-id", "resource-type"].contains(&name) || name.starts_with("tag:");
        if !known {
            return Err(invalid(format!("The filter '{name}' is invalid")));
        }
    }
    let mut all = Vec::new();
    for kind in kind::ALL {
        for (id, _) in state.list(kind.collection) {
            for (key, value) in state.tags(&kind.arn(state, id)) {
                let selected = filters.iter().all(|filter| {
                    let name = filter.text("Name").unwrap_or_default();
                    let actual = match name {
                        "key" => key.as_str(),
                        "value" => value.as_str(),
                        "resource-id" => id,
                        "resource-type" => kind.resource,
                        _ if name.strip_prefix("tag:") == Some(key.as_str()) => value.as_str(),
                        _ => return false,
                    };
                    filter.list("Value").iter().filter_map(Value::as_str).any(|pattern| fits(pattern, actual))
                });
                if selected {
                    all.push(json!({
                        "resourceId": id, "resourceType": kind.resource, "key": key, "value": value,
                    }));
                }
            }
        }
    }
    let (tags, next) = paged(request, all)?;
    let mut answer = json!({ "tagSet": tags });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn filters_take_wildcards() {
        assert!(fits("shop-*", "shop-broker") && fits("?b", "ab") && fits("a\\*", "a*"));
        assert!(!fits("shop", "shop-broker") && !fits("a\\*", "ab"));
    }
}
