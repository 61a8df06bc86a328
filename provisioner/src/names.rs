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

/// The folders of the bucket `artifacts` from which hosts, jobs and builds take what they run.
pub const CODE: [&str; 5] = ["hosts", "jobs", "models", "pipeline", "releases"];

/// How many characters of its name CodePipeline names its folder after.
const PIPELINE_FOLDER: usize = 20;

/// The folder of the bucket `artifacts` in which a stack's pipeline hands files from stage to stage, the plan among them.
pub fn pipeline_folder(stack: &str) -> String {
    of_part(stack, "pipeline").chars().take(PIPELINE_FOLDER).collect()
}

/// The name of a bucket of a stack, unless the file gives it another.
pub fn bucket(stack: &str, part: &str, account: &str) -> String {
    format!("{stack}-{part}-{account}")
}

/// The Glue database of a stack's warehouse; that of its raw zone has `_raw` behind it.
pub fn database(stack: &str) -> String {
    stack.replace('-', "_")
}

/// The path under which a stack's roles and instance profiles stand in IAM: names of roles are unique in an account, and the
/// path tells one stack's from another's.
pub fn identities(stack: &str) -> String {
    format!("/lakewright/{stack}/")
}

/// The parts of a stack whose roles apply it. They are made by those who may make any: no deployer widens itself.
pub const DEPLOYERS: [&str; 3] = ["ci", "pipeline-apply", "pipeline-plan"];
/// The alias of the key that signs what a stack knows of itself.
pub fn record_key(stack: &str) -> String {
    format!("alias/lakewright/{stack}")
}
