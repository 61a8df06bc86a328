//! Operations named by method and path.

use super::query;
use crate::error::AwsError;
use http::Method;
use serde_json::{Map, Value};

/// One operation's method and path, with `{name}` for a path segment that is a member of the input.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The HTTP method.
    pub method: &'static str,
    /// The path's template, such as `/v1/clusters/{clusterArn}`.
    pub path: &'static str,
    /// The operation.
    pub operation: &'static str,
}

/// The operation that a request names, and the members of its input that stand in path and query.
pub fn find<'r>(
    routes: impl IntoIterator<Item = &'r Route>,
    method: &str,
    path: &str,
    query: &str,
) -> Option<(&'static str, Map<String, Value>)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    // Literal segments win over labels: the route with the fewest labels is the one meant.
    let labels = |route: &Route| route.path.matches('{').count();
    let (route, mut input) = routes
        .into_iter()
        .filter(|route| route.method == method)
        .filter_map(|route| Some((route, captures(route.path, &parts)?)))
        .min_by_key(|(route, _)| labels(route))?;
    for (name, value) in query::pairs(query) {
        let value = Value::String(value);
        match input.get_mut(&name) {
            None => {
                input.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Some((route.operation, input))
}

/// The error for a request that names no operation.
pub fn unknown(method: &Method, path: &str) -> AwsError {
    AwsError::new("UnknownOperationException", format!("no operation has {method} {path}")).status(404)
}

fn captures(template: &str, parts: &[&str]) -> Option<Map<String, Value>> {
    let wanted: Vec<&str> = template.trim_matches('/').split('/').collect();
    if wanted.len() != parts.len() {
        return None;
    }
    let mut input = Map::new();
    for (wanted, part) in wanted.iter().zip(parts) {
        if let Some(name) = wanted.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
            if part.is_empty() {
                return None;
            }
            input.insert(name.to_owned(), Value::String(query::decode(part, false)));
        } else if wanted != part {
            return None;
        }
    }
    Some(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &[Route] = &[
        Route { method: "GET", path: "/v1/clusters/{clusterArn}", operation: "DescribeCluster" },
        Route { method: "GET", path: "/v1/clusters/all", operation: "All" },
        Route { method: "DELETE", path: "/v1/tags/{resourceArn}", operation: "UntagResource" },
    ];

    #[test]
    fn labels_are_decoded_and_literals_win() {
        let (operation, input) = find(ROUTES, "GET", "/v1/clusters/arn%3Aaws%3Akafka%3Acluster%2Fa%2Fb", "").unwrap();
        assert_eq!(operation, "DescribeCluster");
        assert_eq!(input["clusterArn"], "arn:aws:kafka:cluster/a/b");
        assert_eq!(find(ROUTES, "GET", "/v1/clusters/all", "").unwrap().0, "All");
        let (_, input) = find(ROUTES, "DELETE", "/v1/tags/x", "tagKeys=a&tagKeys=b").unwrap();
        assert_eq!(input["tagKeys"], serde_json::json!(["a", "b"]));
        assert!(find(ROUTES, "PUT", "/v1/tags/x", "").is_none());
    }
}
