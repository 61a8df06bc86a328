//! Pages of lists.

use std::ops::RangeInclusive;

use super::error::invalid;
use crate::error::AwsError;
use crate::fields::Fields as _;
use crate::pages::page;
use crate::request::Request;

/// Cuts a list into the page that the request asks for.
pub(super) fn paged<T>(request: &Request, items: Vec<T>) -> Result<(Vec<T>, Option<String>), AwsError> {
    paged_within(request, items, 5..=1000)
}

/// The same where the operation takes another number of results.
pub(super) fn paged_within<T>(
    request: &Request,
    items: Vec<T>,
    limits: RangeInclusive<i64>,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let limit = request.input.number("MaxResults");
    if let Some(limit) = limit.filter(|limit| !limits.contains(limit)) {
        let (least, most) = (limits.start(), limits.end());
        return Err(invalid(format!(
            "Value ( {limit} ) for parameter maxResults is invalid. Expecting a value between {least} and {most}."
        )));
    }
    let limit = limit.map_or(usize::MAX, |limit| limit as usize);
    page(items, request.input.text("NextToken"), limit, || {
        AwsError::new("InvalidNextToken", "The token provided in the request is not valid.")
    })
}
