//! Cutting a list into pages.

use crate::error::AwsError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The page of `items` that `token` points at, at most `limit` long, and the token of the next page.
///
/// Items must come in a stable order. `invalid` makes the error for a token that this function did not make.
pub fn page<T>(
    items: Vec<T>,
    token: Option<&str>,
    limit: usize,
    invalid: fn() -> AwsError,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let start = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.strip_prefix("from:")?.parse::<usize>().ok())
            .ok_or_else(invalid)?,
    };
    let total = items.len();
    let end = start.saturating_add(limit.max(1)).min(total);
    let next = (end < total).then(|| URL_SAFE_NO_PAD.encode(format!("from:{end}")));
    Ok((items.into_iter().skip(start).take(end.saturating_sub(start)).collect(), next))
}
