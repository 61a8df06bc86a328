//! The sections of a stack file that stand for infrastructure: stack, Kafka, topics, buckets, keys, secrets.

use super::agents::Agents;
use super::ci::Ci;
use super::declare::{choice, section};
use super::decode::{At, Named, defaults};
use super::functions::Function;
use super::hosts::Host;
use super::kafka::{Kafka, Topic};
use super::keys::Keys;
use super::network::Network;
use super::pipeline::Pipeline;
use super::queries::QuerySection;
use super::resource::Own;
use super::tables::{Batch, Query, Search, TableSection};
use super::tags::Tagged;
use super::units::{Age, Period};
use super::values::Whole;
use super::variables::Declared;
use super::watch::{Alarms, Budget};

section! {
    /// A stack: everything that Lakewright builds and runs from one file.
    File {
        /// The stack file that this one extends, named relative to it, `"base.toml"`. Tables are merged; of anything else
        /// what stands here wins.
        extends: Option<At<String>> = None,
        /// What of the extended file is left out, before what stands here is added: `["topics.events", "hosts.data"]`.
        remove: Vec<At<String>> = Vec::new(),
        /// Variables by name, each with its default or with a table of `description`, `type` and `default`. `"${var.NAME}"`
        /// stands for one, alone or within a text; `--var NAME=VALUE` and the environment's `LAKEWRIGHT_VAR_NAME` give it
        /// another value.
        vars: Named<Declared> = Named(Vec::new()),
        /// The stack itself: its name, and where it is.
        stack: StackSection,
        /// The network that everything stands in.
        network: Network = defaults(),
        /// The Kafka cluster (Amazon MSK). Without this section there is none.
        kafka: Option<Kafka> = None,
        /// Kafka topics by name.
        topics: Named<Topic> = Named(Vec::new()),
        /// S3 buckets by name. The bucket `artifacts` is always made, with defaults unless it stands here. So is `results`, where
        /// there are tables: the results of queries and the logs of jobs go there, under the key `main` or the stack's first
        /// one, and are deleted after 7 days.
        buckets: Named<Bucket> = Named(Vec::new()),
        /// KMS keys by name.
        keys: Named<Key> = Named(Vec::new()),
        /// Secrets by name. Their passwords are made by Lakewright and never shown.
        secrets: Named<Secret> = Named(Vec::new()),
        /// Tables of the raw zone by name.
        tables: Named<TableSection> = Named(Vec::new()),
        /// The models that make the warehouse from the raw zone. Without this section there is no warehouse.
        batch: Option<Batch> = None,
        /// The search cluster. Without this section there is none.
        search: Option<Search> = None,
        /// The Athena workgroup that answers `lakewright query`.
        query: Query = defaults(),
        /// Queries by name that are saved in that workgroup.
        queries: Named<QuerySection> = Named(Vec::new()),
        /// Groups of EC2 hosts by name, and the agents on them.
        hosts: Named<Host> = Named(Vec::new()),
        /// Lambda functions by name.
        functions: Named<Function> = Named(Vec::new()),
        /// The pipeline that applies this stack. Without this section there is none.
        pipeline: Option<Pipeline> = None,
        /// The pipeline that applies the stack. Without this section none may, but by credentials of its own.
        ci: Option<Ci> = None,
        /// The settings of the agents that hosts run.
        agents: Agents = defaults(),
        /// Alarms, and who is notified of them. Without this section there are none.
        alarms: Option<Alarms> = None,
        /// A monthly budget, and who is notified. Without this section there is none.
        budget: Option<Budget> = None,
        /// Single resources of a kind, `[resource.KIND.NAME]`, for what no section covers. References such as
        /// `${vpc.main.id}` stand for outputs of others.
        resource: Named<Named<Own>> = Named(Vec::new()),
        /// Rules of `lakewright check` that a resource may break, each with the reason:
        /// `[allow.open-ingress]` with `"security_group.web" = "the public page"`.
        allow: Named<Named<At<String>>> = Named(Vec::new()),
        /// What was called otherwise: `table.users = "table.customers"` keeps the resource and renames it.
        moved: Named<Named<At<String>>> = Named(Vec::new()),
    }
}

section! {
    /// The stack itself.
    StackSection {
        /// The stack's name. It begins the name of everything on AWS: lower case letters, digits and `-`, 2 to 24 of them.
        name: At<String>,
        /// The AWS region, `eu-north-1`. Default: the region of your AWS configuration.
        region: Option<At<String>> = None,
        /// The twelve digits of the only account that this stack may be applied to. Default: any account.
        account: Option<At<String>> = None,
        /// What it is for. In a `"production"` stack what opens data to everybody in its network can't be allowed.
        environment: At<Environment> = At::given(Environment::Development),
        /// The ARN of the role that whoever plans, applies and destroys the stack works as, `"arn:aws:iam::123456789012:role/deployer"`:
        /// lakewright assumes it with the credentials at hand, which may be another account's, and the stack belongs to the role's
        /// account. `lakewright permissions --for caller` prints what that takes. Default: the credentials at hand are used.
        role: Option<At<String>> = None,
        /// The external id that the role's trust policy asks for.
        external_id: Option<At<String>> = None,
        /// Who applies the stack, besides `[ci]` and `[pipeline]`: `"role/deployer"` of the stack's account, or an ARN such as
        /// `"arn:aws:iam::123456789012:role/deployer"`; `*` and `?` stand for parts of a name. Nobody else then writes what hosts,
        /// jobs and builds run. Default: whoever IAM lets write to the bucket `artifacts`.
        deployers: At<Vec<At<String>>> = At::given(Vec::new()),
        /// The managed policy that bounds what the stack's roles may be made to do, made outside the stack (`lakewright permissions
        /// --boundary` prints one): `"policy/shop-boundary"` of the stack's account, or an ARN. The roles of `[ci]` and `[pipeline]` that apply it are made without.
        /// Default: nothing bounds them.
        permissions_boundary: Option<At<String>> = None,
        /// The name of the bucket that holds the leases of an account's stacks in a region, the same for all stacks that borrow
        /// from each other. Default: `lakewright-ACCOUNT-REGION`.
        state_bucket: Option<At<String>> = None,
        /// Buckets that belong to other accounts, each with its account: `{ partner-data = "210987654321" }`. Whatever else the
        /// stack asks of S3 must be its own account's, so that nobody comes by its data who takes a name that became free.
        foreign_buckets: Named<At<String>> = Named(Vec::new()),
        /// Which keys encrypt what the file names none for: buckets but `artifacts` and those that AWS writes logs to, brokers,
        /// secrets, log groups, alarms' topics. `"one"` is one for all, `"by-class"` one for each class of data: `main` for
        /// data, `logs` for logs, alarms and sessions, `secrets` for passwords. A key that has no section in `[keys]` is made
        /// with defaults; each costs a dollar a month. Default: what names no key has none of the stack's.
        keys: Option<At<Keys>> = None,
        /// Tags of everything in the stack that carries tags, by key: `{ team = "data", cost-center = "42" }`. Sections and single
        /// resources may have more, or other values. One that leaves the file is taken away; nobody else's are touched.
        tags: Tagged = Named(Vec::new()),
        /// The keys of tags that are neither compared nor taken away, patterns with `*`: `["cost/*", "owner"]`. Tags that the file
        /// doesn't name are left alone anyway, AWS's own (`aws:…`) always. `Name` is for it to say, unless a pattern fits that:
        /// `"*"` leaves names to others too.
        ignore_tags: Vec<At<String>> = Vec::new(),
        /// How long log groups keep the agents' logs, in days, one of the numbers that CloudWatch takes.
        log_retention: At<Period> = At::given(Period::days(30)),
    }
}

choice! {
    /// What a stack is for.
    Environment {
        /// To try things out, and to show them.
        Development = "development",
        /// For data of people, and for those who wait for it.
        Production = "production",
    }
}

section! {
    /// An S3 bucket: closed to the public, encrypted, reached over TLS only.
    Bucket {
        /// Its name on AWS. Default: `STACK-NAME-ACCOUNT`.
        name: Option<At<String>> = None,
        /// The key that encrypts objects, one of `[keys]`. Default: what `keys` in `[stack]` says, else S3's own keys.
        key: Option<At<String>> = None,
        /// Keys that encrypted objects before: S3 leaves objects under the key that they were written with, and whoever reads
        /// the bucket goes on decrypting with these.
        former_keys: Vec<At<String>> = Vec::new(),
        /// Whether overwritten and deleted objects are kept as older versions.
        versioning: At<bool> = At::given(true),
        /// How long objects are kept, in whole days. Default: for ever.
        expire_after: Option<At<Period>> = None,
        /// After how many whole days objects move to the storage class for what is seldom read, `STANDARD_IA`: 30 at
        /// least. Default: they don't.
        infrequent_after: Option<At<Period>> = None,
        /// After how many whole days objects move to the storage class for what is hardly ever read, `GLACIER_IR`,
        /// where they are still read at once: 30 more than `infrequent_after`. Default: they don't.
        archive_after: Option<At<Period>> = None,
        /// How long older versions are kept, in whole days. Default: 3 days where tables are, whose files are replaced all the
        /// time, 30 days elsewhere.
        expire_versions_after: Option<At<Period>> = None,
        /// How many of an object's newest older versions are kept however old they are, 1 to 100. Default: none.
        keep_versions: Option<At<Whole<1, 100>>> = None,
        /// The bucket that this one's access logs are written to, one of `[buckets]`. Default: none are written.
        access_logs: Option<At<String>> = None,
        /// What the keys of the access logs begin with. Default: this section's name and a slash.
        access_logs_prefix: Option<At<String>> = None,
        /// Whether EventBridge is notified of everything that happens in it.
        notify: At<bool> = At::given(false),
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}

section! {
    /// A KMS key.
    Key {
        /// What it is for.
        description: At<String> = At::given(""),
        /// Whether AWS makes new key material every year.
        rotation: At<bool> = At::given(true),
        /// How many days a deleted key can be restored.
        deletion_days: At<Whole<7, 30>> = At::given(Whole(30)),
        /// The ARNs of roles and users that may administer the key, and neither use it nor change its policy nor grant its use,
        /// besides those whom IAM policies of the account allow it.
        administrators: Vec<At<String>> = Vec::new(),
        /// The ARNs of roles and users that may encrypt and decrypt with it, those of other accounts too.
        users: Vec<At<String>> = Vec::new(),
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}

section! {
    /// A user name with a password, in Secrets Manager.
    Secret {
        /// The user name.
        username: At<String>,
        /// The key that encrypts it, one of `[keys]`: MSK takes no secret under AWS's own key. Default: what `keys` in `[stack]`
        /// says, else `main`.
        key: At<String> = At::given("main"),
        /// How many days a deleted secret can be restored.
        recovery_days: At<Whole<7, 30>> = At::given(Whole(7)),
        /// After how many whole days an apply gives it a new password, `"90d"`: 1 to 3650. Default: never.
        rotate_after: Option<At<Age>> = None,
        /// Tags of what this section stands for, by key, `{ team = "data" }`; where the stack gives one of the same key, this one
        /// counts.
        tags: Tagged = Named(Vec::new()),
    }
}
