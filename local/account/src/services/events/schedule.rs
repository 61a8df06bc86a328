//! The schedules that EventBridge takes: `rate(5 minutes)` and `cron(…)`.

/// Whether EventBridge takes the expression.
pub(super) fn is_valid(expression: &str) -> bool {
    let within = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    within("rate").is_some_and(is_rate) || within("cron").is_some_and(is_cron)
}

/// A number and its unit, singular for one alone.
fn is_rate(text: &str) -> bool {
    let Some((number, unit)) = text.split_once(' ') else { return false };
    match number.parse::<u32>() {
        Ok(1) => ["minute", "hour", "day"].contains(&unit),
        Ok(number) if number > 1 => ["minutes", "hours", "days"].contains(&unit),
        _ => false,
    }
}

/// Minutes, hours, day of month, month, day of week, year; one of the two days is `?`.
fn is_cron(text: &str) -> bool {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let plain = |field: &&str| field.chars().all(|c| c.is_ascii_alphanumeric() || "*,-/?#".contains(c));
    fields.len() == 6 && fields.iter().all(plain) && (fields[2] == "?") != (fields[4] == "?")
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn schedules_are_told_from_others() {
        for good in ["rate(1 hour)", "rate(5 minutes)", "cron(0 10 * * ? *)", "cron(0/15 * ? * MON-FRI *)"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in
            ["", "rate(1 hours)", "rate(5 minute)", "rate(0 minutes)", "rate(30 seconds)", "cron(0 10 * * * *)", "1h"]
        {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
