//! The storage, identity, catalog and query kinds against an account: made once, found as meant, changed, gone.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

use std::time::Duration;

use lakewright::kind::{APPLIED, Comparing, Context, Kind, Outcome, Wanted};
use lakewright::kinds;
use lakewright::resource::{Address, Condition, Live};
use lakewright_aws::{Client, Service, list, text};
use serde_json::{Value, json};

const REGION: &str = "eu-north-1";
const ACCOUNT: &str = "123456789012";

/// An account on this machine.
struct Account {
    context: Context,
    _parts: Option<(lakewright_account::Running, tempfile::TempDir)>,
}

/// `LAKEWRIGHT_TEST_AWS=http://…` names another emulator of AWS to judge the kinds by.
async fn account() -> Account {
    let (url, parts) = match std::env::var("LAKEWRIGHT_TEST_AWS") {
        Ok(url) => (url, None),
        Err(_) => {
            let folder = tempfile::tempdir().unwrap();
            let account = lakewright_account::serve(lakewright_account::Config::new(folder.path().join("account")))
                .await
                .unwrap();
            (format!("http://{}", account.address()), Some((account, folder)))
        }
    };
    let context = Context {
        aws: Client::with_keys(REGION, &url, ACCOUNT, "secret").unwrap(),
        stack: "shop".to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        nonce: uuid::Uuid::new_v4().to_string(),
        poll: Duration::from_millis(20),
        settles: Duration::from_secs(1),
        intents: lakewright::intents::Intents::default(),
    };
    Account { context, _parts: parts }
}

fn kind(address: &Address) -> &'static dyn Kind {
    kinds::named(&address.kind).unwrap()
}

/// A value as the planner compares it: lists of sets in one order, at every depth.
fn comparable(value: &Value, sets: bool) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, member)| !member.is_null());
            members.map(|(name, member)| (name.clone(), comparable(member, sets))).collect()
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| comparable(item, sets)).collect();
            if sets {
                items.sort_by_key(ToString::to_string);
            }
            Value::Array(items)
        }
        other => other.clone(),
    }
}

/// The names of the fields in which two specs differ.
fn changed(kind: &dyn Kind, before: &Value, after: &Value) -> Vec<String> {
    let compared = kind.fields().iter().filter(|field| field.compare != Comparing::Never);
    let differ = compared.filter(|field| {
        let sets = field.compare == Comparing::AsSet;
        comparable(&before[field.name], sets) != comparable(&after[field.name], sets)
    });
    differ.map(|field| field.name.to_owned()).collect()
}

impl Account {
    /// What lives at an address, looked for as when the file names it, and as when it doesn't any more.
    async fn find(&self, address: &Address, spec: &Value) -> Option<Live> {
        let wanted = [Wanted { address, spec }];
        let mut found = kind(address).find(&self.context, &wanted).await.unwrap();
        found.retain(|live| live.address == *address);
        assert!(found.len() <= 1, "{found:?}");
        let mut removed = kind(address).find(&self.context, &[]).await.unwrap();
        removed.retain(|live| live.address == *address);
        assert_eq!(removed.len(), found.len(), "{address}: found by name, not by what it carries");
        found.pop()
    }

    async fn check(&self, address: &Address, spec: &Value, outcome: &Outcome) {
        let kind = kind(address);
        kind.tag(&self.context, outcome, &[(APPLIED, "v1:hash")]).await.unwrap();
        let live = self.find(address, spec).await.unwrap_or_else(|| panic!("{address} is not found"));
        assert_eq!(changed(kind, &live.spec, spec), [""; 0], "{address}: live {:#}, meant {spec:#}", live.spec);
        assert_eq!(live.outputs, outcome.outputs, "{address}");
        assert_eq!(live.outputs.keys().len(), kind.outputs().len(), "{address}");
        assert_eq!(live.condition, Condition::Ready, "{address}");
        if !["release", "table"].contains(&kind.name()) {
            assert_eq!(live.applied.as_deref(), Some("v1:hash"), "{address}");
        }
    }

    /// Makes it, twice, as an apply does that was killed before it knew; finds it once and as it was meant.
    async fn create(&self, address: &str, spec: Value) -> Outcome {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        assert!(self.find(&address, &spec).await.is_none(), "{address} is there before it was made");
        let outcome = kind(&address).create(&self.context, &address, &spec).await.unwrap();
        self.check(&address, &spec, &outcome).await;
        let again = kind(&address).create(&self.context, &address, &spec).await.unwrap();
        assert_eq!(again.id, outcome.id, "{address}");
        self.check(&address, &spec, &again).await;
        outcome
    }

    /// Changes it to the spec and finds it so.
    async fn update(&self, address: &str, spec: Value) {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        let live = self.find(&address, &spec).await.unwrap();
        let changed = changed(kind(&address), &live.spec, &spec);
        assert!(!changed.is_empty(), "{address}: the test changes nothing");
        let outcome = kind(&address).update(&self.context, &live, &spec, &changed).await.unwrap();
        self.check(&address, &spec, &outcome).await;
    }

    /// Deletes it, twice.
    async fn delete(&self, address: &str, spec: &Value) {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(spec).unwrap();
        let live = self.find(&address, &spec).await.unwrap();
        kind(&address).delete(&self.context, &live).await.unwrap();
        assert!(self.find(&address, &spec).await.is_none(), "{address} is still there");
        kind(&address).delete(&self.context, &live).await.unwrap();
    }

    /// The message with which making it is refused.
    async fn refused(&self, address: &str, spec: Value) -> String {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        let error = kind(&address).create(&self.context, &address, &spec).await.expect_err("refused");
        format!("{error:#}")
    }

    async fn call(&self, service: Service, operation: &str, input: Value) -> Value {
        self.context.aws.call(service, operation, input).await.unwrap()
    }
}

#[tokio::test]
async fn keys() {
    let account = account().await;
    let spec = json!({"alias": "shop-data", "description": "the data", "deletion_days": 7});
    let made = account.create("key.data", spec.clone()).await;
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*",
    }});
    let other =
        json!({"alias": "shop-lake", "description": "more", "rotation": false, "policy": policy, "deletion_days": 8});
    account.update("key.data", other.clone()).await;
    account.update("key.data", spec.clone()).await;
    // An alias that somebody else's key has.
    let foreign = account.call(Service::Kms, "CreateKey", json!({})).await;
    let foreign = text(&foreign["KeyMetadata"], "KeyId");
    account.call(Service::Kms, "CreateAlias", json!({"AliasName": "alias/taken", "TargetKeyId": foreign})).await;
    let message = account.refused("key.other", json!({"alias": "taken"})).await;
    assert!(message.contains("alias taken already names the key"), "{message}");
    account.delete("key.data", &spec).await;
    let state = account.call(Service::Kms, "DescribeKey", json!({"KeyId": made.id})).await;
    assert_eq!(state["KeyMetadata"]["KeyState"], "PendingDeletion");
}

#[tokio::test]
async fn secrets() {
    let account = account().await;
    let spec = json!({"name": "AmazonMSK_shop_app", "username": "app"});
    let made = account.create("secret.app", spec.clone()).await;
    let value = |answer: &Value| serde_json::from_str::<Value>(text(answer, "SecretString")).unwrap();
    let first = value(&account.call(Service::SecretsManager, "GetSecretValue", json!({"SecretId": made.id})).await);
    assert_eq!((text(&first, "username"), text(&first, "password").len()), ("app", 32));
    let other =
        json!({"name": "AmazonMSK_shop_app", "username": "shop", "description": "for apps", "recovery_days": 9});
    account.update("secret.app", other.clone()).await;
    let second = value(&account.call(Service::SecretsManager, "GetSecretValue", json!({"SecretId": made.id})).await);
    assert_eq!((text(&second, "username"), &second["password"]), ("shop", &first["password"]));
    account.delete("secret.app", &other).await;
    // Made again while it waits for its deletion: the password comes back.
    account.create("secret.app", other.clone()).await;
    let third = value(&account.call(Service::SecretsManager, "GetSecretValue", json!({"SecretId": made.id})).await);
    assert_eq!(third["password"], first["password"]);
    account.call(Service::SecretsManager, "CreateSecret", json!({"Name": "theirs", "SecretString": "x"})).await;
    let message = account.refused("secret.other", json!({"name": "theirs", "username": "x"})).await;
    assert!(message.contains("isn't this stack's"), "{message}");
}

#[tokio::test]
async fn buckets_objects_and_releases() {
    let account = account().await;
    let s3 = account.context.aws.s3();
    let bucket = "shop-artifacts-123456789012";
    let tls = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]});
    let plain = json!({"name": bucket});
    let full = json!({
        "name": bucket, "versioning": true, "key": "arn:aws:kms:eu-north-1:123456789012:key/k", "policy": tls,
        "lifecycle": [
            {"id": "unfinished", "abort_uploads_days": 7},
            {"id": "old", "prefix": "logs/", "expire_days": 30, "expire_versions_days": 3},
        ],
    });
    account.create("bucket.artifacts", plain.clone()).await;
    account.update("bucket.artifacts", full.clone()).await;
    account.update("bucket.artifacts", plain.clone()).await;
    account.update("bucket.artifacts", full.clone()).await;

    let object = json!({"bucket": bucket, "key": "hosts/h/stream.json", "content": "{\"a\": \"ü\"}\n", "content_type": "application/json"});
    account.create("object.stream", object.clone()).await;
    let mut longer = object.clone();
    longer["content"] = json!("{}");
    account.update("object.stream", longer.clone()).await;
    // What somebody put over it from outside is a difference of content.
    s3.put(bucket, "hosts/h/stream.json", "changed".into(), lakewright_aws::Put::default()).await.unwrap();
    let address: Address = "object.stream".parse().unwrap();
    let wanted = [Wanted { address: &address, spec: &longer }];
    let live = kind(&address).find(&account.context, &wanted).await.unwrap().remove(0);
    assert_eq!(text(&live.spec, "content"), "changed");
    let normal = kind(&address).normalise(&longer).unwrap();
    let changed = changed(kind(&address), &live.spec, &normal);
    assert_eq!(changed, ["content", "content_type"]);
    kind(&address).update(&account.context, &live, &normal, &changed).await.unwrap();
    account.delete("object.stream", &longer).await;

    // An object of another stack is neither taken nor overwritten.
    let other = Context { stack: "other".to_owned(), ..account.context.clone() };
    kind(&address).create(&other, &address, &normal).await.unwrap();
    assert!(kind(&address).find(&account.context, &wanted).await.unwrap().is_empty());
    let error = kind(&address).create(&account.context, &address, &normal).await.expect_err("another stack's");
    assert!(error.to_string().contains("isn't this stack's object.stream, but of the stack other"), "{error:#}");
    s3.delete(bucket, "hosts/h/stream.json").await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let release = |content: &str| {
        let file = folder.path().join("lakewright-agent");
        std::fs::write(&file, content).unwrap();
        let (sha256, size) = kinds::release::hash_file(&file, &folder.path().join("cache")).unwrap();
        json!({"bucket": bucket, "sha256": sha256, "size": size, "file": file})
    };
    account.create("release.agent", release("first")).await;
    account.update("release.agent", release("the second")).await;
    account.update("release.agent", release("and the third")).await;
    assert_eq!(s3.list(bucket, "releases/").await.unwrap().len(), 2, "the one before stays");
    account.delete("release.agent", &release("and the third")).await;

    s3.put(bucket, "left/over", "x".into(), lakewright_aws::Put::default()).await.unwrap();
    account.delete("bucket.artifacts", &full).await;
}

#[tokio::test]
async fn roles_and_instance_profiles() {
    let account = account().await;
    let trust = |service: &str| {
        json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole",
        }})
    };
    let allow = |action: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [action], "Resource": "*"}]});
    let managed = account
        .call(Service::Iam, "CreatePolicy", json!({"PolicyName": "p", "PolicyDocument": allow("s3:*").to_string()}))
        .await;
    let managed = text(&managed["Policy"], "Arn");
    let spec = json!({"name": "shop-host", "description": "a host", "trust": trust("ec2.amazonaws.com"),
        "policies": {"read": allow("s3:GetObject"), "list": allow("s3:ListBucket")}, "attached": [managed]});
    account.create("role.host", spec.clone()).await;
    // A policy that somebody adds is a difference, and goes with the next apply.
    let foreign = json!({"RoleName": "shop-host", "PolicyName": "more", "PolicyDocument": allow("iam:*").to_string()});
    account.call(Service::Iam, "PutRolePolicy", foreign).await;
    let other = json!({"name": "shop-host", "description": "a host", "trust": trust("emr-serverless.amazonaws.com"),
        "policies": {"read": allow("s3:PutObject")}});
    account.update("role.host", spec.clone()).await;
    account.update("role.host", other.clone()).await;

    let second = json!({"name": "shop-other", "trust": trust("ec2.amazonaws.com")});
    account.create("role.other", second).await;
    let profile = json!({"name": "shop-host", "role": "shop-host"});
    account.create("instance_profile.host", profile).await;
    let profile = json!({"name": "shop-host", "role": "shop-other"});
    account.update("instance_profile.host", profile.clone()).await;
    account.delete("instance_profile.host", &profile).await;
    account.delete("role.host", &other).await;
    account
        .call(
            Service::Iam,
            "CreateRole",
            json!({"RoleName": "theirs", "AssumeRolePolicyDocument": trust("ec2.amazonaws.com").to_string()}),
        )
        .await;
    let message = account.refused("role.host", json!({"name": "theirs", "trust": trust("ec2.amazonaws.com")})).await;
    assert!(message.contains("isn't this stack's"), "{message}");
}

#[tokio::test]
async fn log_groups() {
    let account = account().await;
    let spec = json!({"name": "/lakewright/shop/stream"});
    account.create("log_group.stream", spec.clone()).await;
    let spec = json!({"name": "/lakewright/shop/stream", "retention_days": 7});
    account.update("log_group.stream", spec.clone()).await;
    account.delete("log_group.stream", &spec).await;
}

#[tokio::test]
async fn databases_and_tables() {
    let account = account().await;
    account.create("bucket.raw", json!({"name": "shop-raw-123456789012"})).await;
    let database =
        json!({"name": "shop_raw", "description": "the raw zone", "location": "s3://shop-raw-123456789012/raw"});
    account.create("database.raw", database.clone()).await;
    let database = json!({"name": "shop_raw", "description": "raw", "location": "s3://shop-raw-123456789012/raw"});
    account.update("database.raw", database.clone()).await;

    let column = |name: &str, column_type: &str| json!({"name": name, "type": column_type});
    let table = json!({
        "database": "shop_raw", "name": "sales", "location": "s3://shop-raw-123456789012/raw/sales",
        "columns": [
            {"name": "sale_id", "type": "string", "required": true, "doc": "its id"},
            column("quantity", "int"), column("amount", "decimal(12,2)"), column("tags", "list<string>"),
            column("local", "timestamp"), column("sold_at", "timestamptz"),
        ],
        "partition": ["day(sold_at)", "bucket(4, sale_id)"],
        "properties": {"write.parquet.compression-codec": "zstd"},
    });
    account.create("table.sales", table.clone()).await;
    let mut wider = table.clone();
    wider["columns"] = json!([
        {"name": "sale_id", "type": "string", "required": true, "doc": "its id"}, column("note", "string"),
        column("quantity", "long"), column("amount", "decimal(14,2)"), column("tags", "list<string>"),
        column("local", "timestamp"), column("sold_at", "timestamptz"), column("parts", "list<int>"),
    ]);
    wider["properties"] = json!({"write.parquet.compression-codec": "snappy", "commit.retry.num-retries": "9"});
    account.update("table.sales", wider.clone()).await;
    wider["partition"] = json!(["day(sold_at)"]);
    account.update("table.sales", wider.clone()).await;

    let address: Address = "table.sales".parse().unwrap();
    let kind = kind(&address);
    assert_eq!(kind.loses(&wider, &table).len(), 2, "two columns less");
    let live = account.find(&address, &wider).await.unwrap();
    let narrower = kind.normalise(&table).unwrap();
    let error = kind.update(&account.context, &live, &narrower, &["columns".to_owned()]).await.expect_err("narrower");
    assert!(error.to_string().contains("can't change from long to int"), "{error:#}");

    // Somebody's own table is reported and stays.
    let input = json!({"DatabaseName": "shop_raw", "TableInput": {"Name": "theirs"}});
    account.call(Service::Glue, "CreateTable", input).await;
    let live = account.find(&address, &wider).await.unwrap();
    assert_eq!(live.foreign, ["shop_raw.theirs"]);
    // One of a wanted name that somebody else made is neither taken nor deleted.
    let other = Context { stack: "other".to_owned(), ..account.context.clone() };
    let mut foreign = table.clone();
    foreign["name"] = json!("taken");
    let spec = kind.normalise(&foreign).unwrap();
    let taken: Address = "table.taken".parse().unwrap();
    kind.create(&other, &taken, &spec).await.unwrap();
    assert!(account.find(&taken, &spec).await.is_none(), "another stack's table is taken over");
    let error = kind.create(&account.context, &taken, &spec).await.expect_err("another stack's");
    assert!(error.to_string().contains("shop_raw.taken exists and isn't this stack's table.taken"), "{error:#}");
    let wanted = [Wanted { address: &taken, spec: &spec }];
    let theirs = kind.find(&other, &wanted).await.unwrap().remove(0);
    kind.delete(&other, &theirs).await.unwrap();

    account.delete("table.sales", &wider).await;
    let tables = account.call(Service::Glue, "GetTables", json!({"DatabaseName": "shop_raw"})).await;
    assert_eq!(list(&tables, "TableList").len(), 1);
    account.delete("database.raw", &database).await;
}

#[tokio::test]
async fn workgroups() {
    let account = account().await;
    let spec = json!({"name": "shop", "output": "s3://b/athena/"});
    account.create("workgroup.main", spec.clone()).await;
    let other = json!({"name": "shop", "output": "s3://b/other", "description": "queries", "scan_limit_bytes": 20_000_000,
        "key": "arn:aws:kms:eu-north-1:123456789012:key/k"});
    account.update("workgroup.main", other).await;
    account.update("workgroup.main", spec.clone()).await;
    account.delete("workgroup.main", &spec).await;
}

#[tokio::test]
async fn emr_applications() {
    let account = account().await;
    let spec = json!({"name": "shop", "limits": {"vcpu": 8}});
    let made = account.create("emr_application.batch", spec).await;
    account.call(Service::EmrServerless, "StartApplication", json!({"applicationId": made.id})).await;
    let spec =
        json!({"name": "shop", "limits": {"vcpu": 4, "memory_gb": 16}, "idle_minutes": 5, "architecture": "ARM64"});
    account.update("emr_application.batch", spec.clone()).await;
    account.call(Service::EmrServerless, "StartApplication", json!({"applicationId": made.id})).await;
    account.delete("emr_application.batch", &spec).await;
}
