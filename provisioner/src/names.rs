//! Names on AWS that several parts of the provisioner compose or look for.

use lakewright_iam::Arn;

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

/// The document by which sessions on a stack's hosts are started. Systems Manager keeps names that begin with `aws` for itself.
pub fn session_document(stack: &str) -> String {
    format!("lakewright-{stack}-session")
}

/// Where what agents say goes on hosts: root's own folder. An agent's own log files are in a folder of its name below it.
pub const HOST_LOGS: &str = "/var/log/lakewright";

/// The shipper's source of the producer's application log.
pub const APPLICATION_LOG: &str = "application";

/// The shipper's source of what the agents of its host say.
pub const AGENTS_LOGS: &str = "agents";

/// The folders of the bucket `artifacts` from which hosts, jobs and builds take what they run.
pub const CODE: [&str; 5] = ["hosts", "jobs", "models", "pipeline", "releases"];

/// What stands for the hosts of the stream agent where Spark does its work: the name of the application, of its role and of its workers'
/// security group, and the folder of its configuration.
pub const STREAM_JOB: &str = "stream-spark";

/// The name of a stack's run of that job.
pub fn stream_run(stack: &str) -> String {
    of_part(stack, "stream")
}

/// The object of that bucket in which the search host publishes the authority of its certificate, and the folder that it stands in.
pub const SEARCH_AUTHORITY: &str = "search/authority.pem";
/// The folder of [`SEARCH_AUTHORITY`].
pub const SEARCH_FOLDER: &str = "search";

/// The statement of that bucket's policy by which nobody else writes it.
pub const AUTHORITY_BY_HOST: &str = "AuthorityByHost";

/// What the names of the secrets of those begin with who log in to a stack's search index; its user's word follows.
pub fn search_secrets(stack: &str) -> String {
    format!("lakewright/{stack}/search-")
}

/// The word of people's user of the search index, who may do everything.
pub const SEARCH_ADMIN: &str = "admin";
/// The word of the shipper's, who may put new documents into the indices and nothing else.
pub const SEARCH_SHIPPER: &str = "shipper";

/// What the secret of a user of the search index is called in the stack.
pub fn search_secret(user: &str) -> String {
    format!("search-{user}")
}

/// The statement of that bucket's policy by which nobody else writes there than those who apply the stack.
pub const CODE_BY_DEPLOYERS: &str = "CodeByDeployers";

/// How many characters of its name CodePipeline names its folder after.
const PIPELINE_FOLDER: usize = 20;

/// The folder of the bucket `artifacts` in which a stack's pipeline hands files from stage to stage, the plan among them.
pub fn pipeline_folder(stack: &str) -> String {
    of_part(stack, "pipeline").chars().take(PIPELINE_FOLDER).collect()
}

/// How many characters of an artifact's name CodePipeline names its folder after.
const ARTIFACT_FOLDER: usize = 10;

/// The folder of those in which one artifact of a stack's pipeline stands.
pub fn pipeline_artifact(stack: &str, artifact: &str) -> String {
    let artifact: String = artifact.chars().take(ARTIFACT_FOLDER).collect();
    format!("{}/{artifact}", pipeline_folder(stack))
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
/// path distinguishes one stack's from another's.
pub fn identities(stack: &str) -> String {
    format!("/lakewright/{stack}/")
}

/// The name of a role or profile of a stack's in IAM, and the one that it has after it was moved to [`identities`]: the account may have
/// each name once, whatever the path.
pub fn moved(name: &str) -> [String; 2] {
    [name.to_owned(), format!("{name}-2")]
}

/// The twelve digits of the account in an ARN.
pub fn account_of(arn: &str) -> Option<&str> {
    Arn::parse(arn)?.owner()
}

/// The partition of AWS in an ARN, `aws-cn`; nothing of what is none.
pub fn partition_of(arn: &str) -> &str {
    Arn::parse(arn).map_or("", |arn| arn.partition)
}

/// What the sessions of a role are called that somebody applies a stack as.
pub fn session(stack: &str) -> String {
    format!("lakewright-{stack}")
}

/// The stack whose roles and profiles stand under a path, if one's do.
pub fn stack_of_identities(path: &str) -> Option<&str> {
    path.strip_prefix("/lakewright/")?.strip_suffix('/').filter(|stack| !stack.contains('/'))
}

/// The parts of a stack whose roles apply it. They are made by those who may make any: no deployer widens itself.
pub const DEPLOYERS: [&str; 3] = ["ci", "pipeline-apply", "pipeline-plan"];
/// The alias of the key that signs what a stack knows of itself.
pub fn record_key(stack: &str) -> String {
    format!("alias/lakewright/{stack}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_every_partition_have_an_account() {
        for (arn, partition, account) in [
            ("arn:aws:iam::123456789012:role/a", "aws", Some("123456789012")),
            ("arn:aws-cn:iam::123456789012:role/lakewright/shop/a", "aws-cn", Some("123456789012")),
            ("arn:aws-us-gov:iam::123456789012:role/a", "aws-us-gov", Some("123456789012")),
            ("arn:aws-eusc:kms:eusc-de-east-1:123456789012:key/1", "aws-eusc", Some("123456789012")),
            ("arn:aws:iam::aws:policy/ReadOnlyAccess", "aws", None),
            ("arn:aws:s3:::bucket", "aws", None),
            ("arn:aws:iam::12345678901x:role/a", "aws", None),
            ("role/a", "", None),
        ] {
            assert_eq!((partition_of(arn), account_of(arn)), (partition, account), "{arn}");
        }
    }
}
