//! Names on AWS that several parts of the provisioner compose or look for.

/// The name of a part of a stack, unique in account and region.
pub fn of_part(stack: &str, part: &str) -> String {
    format!("{stack}-{part}")
}

/// What the names of a stack's log groups begin with.
pub fn log_groups(stack: &str) -> String {
    format!("/lakewright/{stack}/")
}

/// The log group of a part of a stack.
pub fn log_group(stack: &str, part: &str) -> String {
    log_groups(stack) + part
}

/// The bucket that holds the leases of an account's stacks in a region.
pub fn state_bucket(account: &str, region: &str) -> String {
    format!("lakewright-{account}-{region}")
}
