//! What can be typed: commands, their own options and their help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::options::{Deleted, How, Part, Picture, Reference, Written, sha256};
use super::{account, check, cost, init, inspect, maintain, permissions, restore, search, table, transform};
use crate::app::Global;
use crate::resource::Address;
use crate::up;

/// Builds and runs a streaming lakehouse on AWS from one TOML file.
///
/// The file declares the network, Kafka, tables, models and hosts; `plan` shows how the AWS account differs from it,
/// `apply` makes it so, and `up` runs all of it on this machine without an account.
#[derive(Debug, Parser)]
#[command(
    name = "lakewright",
    version,
    after_help = "\
Examples:
  lakewright up                                     run ./lakewright.toml on this machine
  lakewright query --local \"SELECT * FROM sales LIMIT 10\"
  lakewright plan stacks/shop.toml                  what would change on AWS
  lakewright apply stacks/shop.toml                 change it, after a question

AWS is reached as every AWS tool reaches it: AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL and ~/.aws. \
LAKEWRIGHT_LOG=debug shows what is asked of it."
)]
pub struct Cli {
    /// What holds for all commands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `lakewright` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes a stack file with comments, after a few questions
    #[command(after_help = "\
Nothing is overwritten unless --force says so, and nothing is asked of AWS. What a flag says isn't asked; without a terminal \
what no flag says has its default. The region is that of --region, AWS_REGION or AWS_DEFAULT_REGION.

Examples:
  lakewright init
  lakewright init try.toml --yes --size cheapest    without questions
  lakewright init --region us-east-1 --alarm-email ops@example.com --monthly-budget 1500")]
    Init(init::Options),
    /// Shows how AWS differs from the stack file
    #[command(after_help = "\
Signs: + is created, ~ is changed in place, ± is replaced, - is deleted, ! is blocked: nothing is done to it.

Examples:
  lakewright plan stacks/shop.toml
  lakewright plan --detailed-exitcode               0: nothing to do, 1: an error, 2: anything else
  lakewright plan --drift --detailed-exitcode       by night: has anybody changed anything?
  lakewright plan --out shop.plan                   review it, then `lakewright apply shop.plan`
  lakewright plan --target 'table.*'
  lakewright plan --format json | jq '.summary'
  lakewright plan --format markdown >> $GITHUB_STEP_SUMMARY")]
    Plan {
        /// The stack file
        stack: Option<PathBuf>,
        /// How it is written.
        #[command(flatten)]
        written: Written,
        /// Saves the plan, to be reviewed and applied later
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Only what others changed since the last apply
        #[arg(long)]
        drift: bool,
        /// Plans the destruction of the stack
        #[arg(long)]
        destroy: bool,
        /// Moves roles and instance profiles under the path that the file gives them, under other names
        #[arg(long, conflicts_with_all = ["destroy", "drift"])]
        move_roles: bool,
        /// Which part of the stack.
        #[command(flatten)]
        part: Part,
    },
    /// Shows a saved plan
    #[command(after_help = "\
Needs no account: the plan is as it was saved.

Example:
  lakewright plan --out shop.plan && lakewright show shop.plan --format markdown")]
    Show {
        /// The plan, as `lakewright plan --out` saved it
        plan: PathBuf,
        /// How it is written.
        #[command(flatten)]
        written: Written,
    },
    /// Makes AWS as the stack file says
    #[command(after_help = "\
Shows the plan, asks, and carries it out. Killed or interrupted at any point, run it again: it goes on from there. \
A saved plan is refused when AWS has changed since it was made. Only one apply of a stack runs at a time. \
What decides who may do what, or what runs, is shown in full before it asks.
Exits 0 when all is done, 1 when something failed, 3 when all is done but for what the plan shows as blocked.

Examples:
  lakewright apply stacks/shop.toml
  lakewright apply shop.plan --yes                  what `lakewright plan --out shop.plan` saved
  lakewright apply shop.plan --yes --expect-sha256 $PLAN_SHA256     only the plan that was reviewed
  lakewright apply --drift-only                     undo what others changed, and nothing else
  lakewright apply --yes --allow-data-loss bucket.backup")]
    Apply {
        /// The stack file, or a saved plan
        stack: Option<PathBuf>,
        /// How it goes about it
        #[command(flatten)]
        how: How,
        /// Only brings back what others changed since the last apply
        #[arg(long)]
        drift_only: bool,
        /// Moves roles and instance profiles under the path that the file gives them, under other names
        #[arg(long, conflicts_with = "drift_only")]
        move_roles: bool,
        /// The SHA-256 of the saved plan that was approved: another one is refused
        #[arg(long, value_name = "HEX", value_parser = sha256)]
        expect_sha256: Option<String>,
        /// Which part of the stack.
        #[command(flatten)]
        part: Part,
    },
    /// Deletes everything that belongs to the stack
    #[command(after_help = "\
Asks for the stack's name first. What holds data is deleted only when --allow-data-loss names it. What can't be read is named \
and stays; the rest goes.

Examples:
  lakewright destroy stacks/shop.toml --allow-data-loss all")]
    Destroy {
        /// The stack file
        stack: Option<PathBuf>,
        /// How it goes about it
        #[command(flatten)]
        how: How,
        /// Which part of the stack.
        #[command(flatten)]
        part: Deleted,
    },
    /// Shows what exists of the stack, and how it is
    #[command(after_help = "\
Exits 1 when something is missing or has failed.")]
    Status {
        /// The stack file
        stack: Option<PathBuf>,
    },
    /// Prints the identifiers that AWS gave to the stack's resources
    #[command(after_help = "\
Examples:
  lakewright outputs --format env > stack.env
  lakewright outputs --format json | jq -r '.\"bucket.raw\".name'")]
    Outputs {
        /// The stack file
        stack: Option<PathBuf>,
        /// How they are written on standard output
        #[arg(long, value_enum, default_value_t = inspect::OutputFormat::Text)]
        format: inspect::OutputFormat,
    },
    /// Checks the stack for what is allowed and seldom meant; asks nothing of AWS, unless for quotas or a schema registry
    #[command(after_help = "\
Exits 1 when something is found that the stack file doesn't allow with a reason:

  [allow.open-ingress]
  \"security_group.web\" = \"the shop's public page\"

With --compat it compares the tables with those of a base, a file or a revision of git, and exits 1 when a change breaks those \
who read a table or whose messages fill it. Tables with a schema registry are held against the newest schema there too; without \
--no-registry, a registry that can't be asked is an error. The base says which registry gets which secret's password:

  [allow.breaking-change]
  \"table.orders\" = \"agreed with the team of the app\"

Examples:
  lakewright check stacks/shop.toml
  lakewright check --rules                          every rule, its reason and its fix
  lakewright check --quotas                         whether the account may have as much
  lakewright check --compat origin/main             whether it breaks readers or producers")]
    Check(check::Options),
    /// Estimates what the stack costs a month; asks nothing of AWS unless prices are refreshed
    #[command(after_help = "\
By list prices that come with the program; what is billed by use alone is named and not guessed. A star marks a price that \
nobody has compared with AWS's list; --refresh reads that list and keeps its prices for later runs.

Examples:
  lakewright cost stacks/shop.toml
  lakewright cost --refresh                         with AWS's newest prices, by your credentials
  lakewright cost --format json | jq .monthly")]
    Cost(cost::Options),
    /// Prints the IAM policies that planning, applying and destroying the stack take; asks nothing of AWS
    ///
    /// They are the members of one object, by names that IAM can have: one policy holds 6,144 characters, and a role takes ten.
    #[command(after_help = "\
Examples:
  lakewright permissions --account 123456789012 > policies.json
  jq -r 'keys[]' policies.json | while read -r name; do
    jq --arg name \"$name\" '.[$name]' policies.json > policy.json
    aws iam create-policy --policy-name \"$name\" --policy-document file://policy.json
  done
  lakewright permissions --for adopt                what taking over others' things takes besides
  lakewright permissions --boundary                 the policy for permissions_boundary in [stack]")]
    Permissions(permissions::Options),
    /// Explains an address of the stack or a kind of resource; asks nothing of AWS
    #[command(after_help = "\
Examples:
  lakewright explain bucket.raw
  lakewright explain security_group")]
    Explain {
        /// The address or the kind
        what: String,
    },
    /// Draws what refers to what in a stack, or what happens to each in a plan; asks nothing of AWS unless for changes
    #[command(after_help = "\
A stack file is drawn in grey. In a saved plan, and with --changes, green is created, yellow changed, purple replaced, red \
deleted; what stays is grey.

Examples:
  lakewright graph > stack.svg
  lakewright graph --changes > changes.svg          how AWS differs from the stack file
  lakewright graph shop.plan --changes --format dot | dot -Tpdf > plan.pdf")]
    Graph {
        /// The stack file, or a saved plan
        stack: Option<PathBuf>,
        /// What is written on standard output
        #[arg(long, value_enum, default_value_t = Picture::Svg)]
        format: Picture,
        /// Only what changes; of a stack file, compared with the account
        #[arg(long)]
        changes: bool,
    },
    /// Takes over what exists already: it gets the stack's tags and an address
    #[command(after_help = "\
Shows first what an apply would make of it. Nothing but its tags is changed.

Examples:
  lakewright adopt bucket.raw my-old-bucket
  lakewright adopt vpc.main vpc-0a1b2c3d4e5f60718 --stack shop.toml")]
    Adopt {
        /// The address that it is to have, declared in the stack file
        address: Address,
        /// Its identifier on AWS: an id, a name or an ARN
        id: String,
        /// Answers the question with yes
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Puts back what the stack knows of itself when that, or the key that signs it, was lost
    #[command(after_help = "\
What is signed is put back as it was: the last version of it, if the bucket of leases keeps versions. Else each thing that \
carries the stack's tags is asked for, by its full name where it holds data. Nothing answers for you but a file, with a \
line for each:

  signing_key = \"new\"
  \"bucket.raw\" = \"shop-raw-123456789012\"
  \"vpc.other\" = \"no\"

Examples:
  lakewright recover
  lakewright recover --answers mine.toml")]
    Recover {
        /// The stack file
        stack: Option<PathBuf>,
        /// Answers the questions from a file instead of asking
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
    },
    /// Takes the lease away from an apply that is known to be dead
    #[command(after_help = "\
A lease ends by itself within 90 seconds when its holder dies, at once when it ran on this machine; the next apply takes \
it over. This is for those who can't wait.")]
    Unlock {
        /// The stack file
        stack: Option<PathBuf>,
        /// Answers the question with yes
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Runs the stack on this machine: an AWS account, Kafka, search and the agents
    #[command(after_help = "\
Everything listens on 127.0.0.1 and keeps its data in the data folder, so that the next `up` goes on where this one \
stopped. With --for it ends by itself and verifies what it did: every event of the log is in the raw zone or among the \
dead letters exactly once, every user action in the index once, every model equals a recount. A `commit_interval` longer \
than two seconds is two seconds here, so that rows show at once, and what is maintained keeps its snapshots for five minutes.

Examples:
  lakewright up                                     until Ctrl-C
  lakewright up --for 2m                            two minutes, then the verification
  lakewright up --data /tmp/second                  beside the first, undisturbed
  lakewright query --local \"SELECT * FROM sales LIMIT 10\"    meanwhile, in another terminal")]
    Up(up::Options),
    /// Runs the AWS account of this machine alone, for any AWS client
    #[command(after_help = "\
Examples:
  lakewright account --port 4566
  lakewright account --faults faults.toml --events events.jsonl   with faults on purpose
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=eu-north-1
  AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x aws s3 ls

Requests are held against the secret key in LAKEWRIGHT_ACCOUNT_SECRET, else against the one that `lakewright up` has made in \
the data folder; with neither, any secret key will do.")]
    Account(account::Options),
    /// Prints the variables by which other AWS clients reach what `lakewright up` runs
    #[command(
        help_template = "{about-with-newline}\n{usage-heading} {usage}{after-help}\n",
        after_help = "\
They hold the account's secret key, without which it answers nobody; it stays the same in a data folder: --data DIR names another \
one than .lakewright, --region another region than the stack's. Where nothing runs it prints `false`, so that a shell stops there.

Example:
  eval $(lakewright env) && aws s3 ls"
    )]
    Env,
    /// Asks Athena, in the stack's workgroup
    #[command(after_help = "\
Tables of the warehouse stand in the default database, those of the raw zone in STACK_raw.

Examples:
  lakewright query \"SELECT country, sum(amount) FROM sales GROUP BY country ORDER BY 2 DESC\"
  lakewright query --local --format csv --spreadsheet \"SELECT * FROM shop_raw.sales\" > sales.csv
  lakewright query --saved best_sellers             a query of the workgroup, by its section's name")]
    Query {
        /// The statement
        #[arg(required_unless_present = "saved")]
        sql: Option<String>,
        /// Runs the saved query of that name instead
        #[arg(long, value_name = "NAME", conflicts_with = "sql")]
        saved: Option<String>,
        /// How the rows are written on standard output
        #[arg(long, value_enum, default_value_t = table::RowFormat::Table)]
        format: table::RowFormat,
        /// Begins cells that a spreadsheet would take for formulas with '; with --format csv
        #[arg(long)]
        spreadsheet: bool,
    },
    /// Puts small files of the stack's Iceberg tables together, lets old snapshots go and deletes what nothing refers to
    #[command(after_help = "\
Tables of the raw zone and of the warehouse, beside whoever writes them, by the settings of [agents.stream]; the agents' program \
does it. Files that nothing refers to are three days old, unless the stream agent maintains its tables and `orphans_after` says less.
Exits 0 when all is done, 1 when something failed, 3 when all is done but for what is said below the table.

Examples:
  lakewright maintain                               every table
  lakewright maintain shop_raw.sales --dry-run      what would be done to one
  lakewright maintain --dry-run --detailed-exitcode  0: nothing to do, 1: an error, 2: anything else
  lakewright maintain --local --json | jq '.[].table'")]
    Maintain(maintain::Options),
    /// Restores what the shipper has backed up, into the search index or a topic
    #[command(after_help = restore::HELP)]
    Restore(restore::Options),
    /// Gives a secret a new password
    #[command(after_help = "\
The new value is the current one at once, the one before stays as AWSPREVIOUS. MSK takes it over within minutes. Agents \
that are connected stay so, and read the new one when a broker no longer takes theirs.

Example:
  lakewright rotate secret.kafka --stack shop.toml")]
    Rotate {
        /// The secret, as in `secret.kafka`
        address: Address,
        /// The stack file
        stack: Option<PathBuf>,
        /// Answers the question with yes
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Searches the user actions, best hits first, or the logs of hosts, newest line first
    #[command(after_help = "\
Examples:
  lakewright search --local \"Chrome, lipstick, Stockholm, 2023-09\"
  lakewright search --local --since 7d \"returns from Seoul -safari\"
  lakewright search --local --explain \"stokholm, bought yesterday\"
  lakewright search --local --log application WARN checkout
  lakewright search --local --log agents            the newest lines
  lakewright search --url https://search.example.com:9200 --limit 50 checkout")]
    Search(search::Options),
    /// Tries what the shipper's transforms make of records
    #[command(subcommand)]
    Transform(transform::TransformCommand),
    /// Prints the JSON Schema of stack files, by which editors complete them
    Schema {
        /// Prints the reference of resource kinds instead
        #[arg(long)]
        kinds: bool,
        /// How the reference is written; Markdown without it
        #[arg(long, value_enum, requires = "kinds")]
        format: Option<Reference>,
    },
    /// Prints the completion script of a shell
    #[command(after_help = "Example:\n  lakewright completion bash > /etc/bash_completion.d/lakewright")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}
