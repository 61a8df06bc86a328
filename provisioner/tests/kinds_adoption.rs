//! Taking over what others made: read by its identifier, told apart from another stack's, found once it is tagged.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

mod account;

use account::{ACCOUNT, Account, REGION, account, changed, kind};
use lakewright::kind::{ADDRESS, APPLIED, Context, Outcome, STACK};
use lakewright::kinds;
use lakewright::resource::{Address, Live};
use lakewright_aws::{Service, text};
use serde_json::{Value, json};

impl Account {
    /// Reads it by each of its identifiers, takes it over and finds it as the very same; returns what it was found as.
    async fn adopt(&self, address: &str, ids: &[&str], spec: Value) -> Live {
        let address: Address = address.parse().unwrap();
        let kind = kind(&address);
        let spec = kind.normalise(&spec).unwrap();
        assert!(self.find(&address, &spec).await.is_none(), "{address} is the stack's before it was taken over");
        let mut read = None;
        for id in ids {
            let live = kind.read(&self.context, &address, id).await.unwrap();
            let live = live.unwrap_or_else(|| panic!("{address} isn't found by {id}"));
            assert_eq!((&live.address, &live.applied), (&address, &None), "{id}");
            let first: &Live = read.get_or_insert_with(|| live.clone());
            assert_eq!((&first.id, &first.spec), (&live.id, &live.spec), "{id}");
        }
        let read = read.unwrap();
        assert!(kind.read(&self.context, &address, ids[0]).await.unwrap().is_some());
        let outcome = Outcome { id: read.id.clone(), outputs: read.outputs.clone() };
        let own = [(STACK, self.context.stack.as_str()), (ADDRESS, &address.to_string())];
        kind.tag(&self.context, &outcome, &own).await.unwrap();
        let found =
            self.find(&address, &spec).await.unwrap_or_else(|| panic!("{address} isn't found when it is taken over"));
        assert_eq!((&found.id, &found.outputs), (&read.id, &read.outputs), "{address}");

        // An apply then brings it to what the stack says.
        let differ = changed(kind, &found.spec, &spec);
        kind.update(&self.context, &found, &spec, &differ).await.unwrap();
        kind.tag(&self.context, &outcome, &[(APPLIED, "v1:hash")]).await.unwrap();
        let found = self.find(&address, &spec).await.unwrap();
        assert_eq!(changed(kind, &found.spec, &spec), [""; 0], "{address}");
        assert_eq!(kind.read(&self.context, &address, ids[0]).await.unwrap().unwrap().applied, None, "{address}");

        // Another stack can't have it any more.
        let other = Context { stack: "other".to_owned(), ..self.context.clone() };
        let refused = kind.read(&other, &address, ids[0]).await.unwrap_err().to_string();
        assert!(refused.contains("belongs to the stack shop"), "{refused}");
        found
    }

    async fn reads_nothing(&self, address: &str, id: &str) {
        let address: Address = address.parse().unwrap();
        assert!(kind(&address).read(&self.context, &address, id).await.unwrap().is_none(), "{id}");
    }
}

#[tokio::test]
async fn networks() {
    let account = account().await;
    let vpc = account.call(Service::Ec2, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"})).await;
    let vpc = text(&vpc["vpc"], "vpcId");
    account.adopt("vpc.main", &[vpc], json!({"cidr": "10.0.0.0/16"})).await;
    account.reads_nothing("vpc.main", "vpc-0123456789abcdef0").await;
    let input = json!({"VpcId": vpc, "CidrBlock": "10.0.0.0/24", "AvailabilityZone": "eu-north-1a"});
    let subnet = account.call(Service::Ec2, "CreateSubnet", input).await;
    let subnet = text(&subnet["subnet"], "subnetId");
    let spec = json!({"vpc": vpc, "cidr": "10.0.0.0/24", "zone": "eu-north-1a", "public_addresses": true});
    account.adopt("subnet.a", &[subnet], spec).await;
    let input = json!({"VpcId": vpc, "GroupName": "old", "GroupDescription": "by hand"});
    let group = account.call(Service::Ec2, "CreateSecurityGroup", input).await;
    let rule = json!({"from_port": 22, "cidr": "10.0.0.0/16"});
    let spec = json!({"vpc": vpc, "name": "old", "description": "by hand", "ingress": [rule]});
    account.adopt("security_group.old", &[text(&group, "groupId")], spec).await;
    let table = account.call(Service::Ec2, "CreateRouteTable", json!({"VpcId": vpc})).await;
    let table = text(&table["routeTable"], "routeTableId");
    account.adopt("route_table.old", &[table], json!({"vpc": vpc, "subnets": [subnet]})).await;
    let gateway = account.call(Service::Ec2, "CreateInternetGateway", json!({})).await;
    let gateway = text(&gateway["internetGateway"], "internetGatewayId");
    account.call(Service::Ec2, "AttachInternetGateway", json!({"InternetGatewayId": gateway, "VpcId": vpc})).await;
    account.adopt("internet_gateway.old", &[gateway], json!({"vpc": vpc})).await;
}

#[tokio::test]
async fn storage() {
    let account = account().await;
    let bucket = lakewright_aws::S3Request {
        method: "PUT".parse().unwrap(),
        bucket: "by-hand".to_owned(),
        body: format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        )
        .into(),
        ..lakewright_aws::S3Request::default()
    };
    account.context.aws.s3().send(bucket).await.unwrap();
    let spec = json!({"name": "by-hand", "versioning": true, "lifecycle": [{"id": "old", "expire_days": 30}]});
    let refused = account.refused("bucket.old", spec.clone()).await;
    assert!(refused.contains("the bucket by-hand is there already and isn't this stack's"), "{refused}");
    account.adopt("bucket.old", &["by-hand", "arn:aws:s3:::by-hand"], spec).await;
    account.reads_nothing("bucket.old", "no-such-bucket").await;

    let key = account.call(Service::Kms, "CreateKey", json!({"Description": "by hand"})).await;
    let (arn, id) = (text(&key["KeyMetadata"], "Arn"), text(&key["KeyMetadata"], "KeyId"));
    account.call(Service::Kms, "CreateAlias", json!({"AliasName": "alias/by-hand", "TargetKeyId": id})).await;
    let ids = [arn, id, "alias/by-hand", "by-hand"];
    account.adopt("key.old", &ids, json!({"alias": "by-hand", "deletion_days": 9})).await;

    let input = json!({"Name": "by-hand", "SecretString": "{\"username\":\"app\",\"password\":\"kept\"}"});
    let secret = account.call(Service::SecretsManager, "CreateSecret", input).await;
    let spec = json!({"name": "by-hand", "username": "app", "description": "now a stack's"});
    account.adopt("secret.old", &["by-hand", text(&secret, "ARN")], spec).await;
    let value = account.call(Service::SecretsManager, "GetSecretValue", json!({"SecretId": "by-hand"})).await;
    let value: Value = serde_json::from_str(text(&value, "SecretString")).unwrap();
    assert_eq!(value, json!({"username": "app", "password": "kept"}));

    account.call(Service::Logs, "CreateLogGroup", json!({"logGroupName": "/lakewright/shop/by-hand"})).await;
    let ids = [
        "/lakewright/shop/by-hand".to_owned(),
        format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/lakewright/shop/by-hand:*"),
    ];
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let spec = json!({"name": "/lakewright/shop/by-hand", "retention_days": 7});
    account.adopt("log_group.old", &ids, spec).await;
}

#[tokio::test]
async fn identities() {
    let account = account().await;
    let allow = |action: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [action], "Resource": "*"}]});
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com"]}, "Action": "sts:AssumeRole",
    }]});
    let input = json!({"RoleName": "by-hand", "AssumeRolePolicyDocument": trust.to_string()});
    let role = account.call(Service::Iam, "CreateRole", input).await;
    let policy = json!({"RoleName": "by-hand", "PolicyName": "p", "PolicyDocument": allow("s3:GetObject").to_string()});
    account.call(Service::Iam, "PutRolePolicy", policy).await;
    let address: Address = "role.old".parse().unwrap();
    let live = kind(&address).read(&account.context, &address, "by-hand").await.unwrap().unwrap();
    let seen = &live.spec["policies"]["p"]["Statement"][0]["Action"];
    assert_eq!(*seen, json!(["s3:GetObject"]), "what it may do is seen before it is taken over");
    let spec = json!({"name": "by-hand", "trust": trust, "policies": {"p": allow("s3:PutObject")}});
    account.adopt("role.old", &["by-hand", text(&role["Role"], "Arn")], spec).await;
    account.call(Service::Iam, "CreateInstanceProfile", json!({"InstanceProfileName": "by-hand"})).await;
    let spec = json!({"name": "shop-by-hand", "role": "by-hand"});
    account.call(Service::Iam, "CreateInstanceProfile", json!({"InstanceProfileName": "shop-by-hand"})).await;
    account.adopt("instance_profile.old", &["shop-by-hand"], spec).await;
}

#[tokio::test]
async fn catalogs() {
    let account = account().await;
    account.create("bucket.raw", json!({"name": "shop-raw-by-hand"})).await;
    account.call(Service::Glue, "CreateDatabase", json!({"DatabaseInput": {"Name": "shop_raw"}})).await;
    let arn = format!("arn:aws:glue:{REGION}:{ACCOUNT}:database/shop_raw");
    let spec = json!({"name": "shop_raw", "description": "now a stack's"});
    account.adopt("database.raw", &["shop_raw", &arn], spec).await;

    let other = Context { stack: "somebody".to_owned(), ..account.context.clone() };
    let address: Address = "table.sales".parse().unwrap();
    let column = |name: &str, column_type: &str| json!({"name": name, "type": column_type});
    let mut table = json!({
        "database": "shop_raw", "name": "sales", "location": "s3://shop-raw-by-hand/raw/sales",
        "columns": [column("id", "string"), column("quantity", "int")], "partition": ["bucket(4, id)"],
    });
    let spec = kind(&address).normalise(&table).unwrap();
    let made = kind(&address).create(&other, &address, &spec).await.unwrap();
    let refused = kind(&address).read(&account.context, &address, "shop_raw.sales").await.unwrap_err().to_string();
    assert!(refused.contains("belongs to the stack somebody"), "{refused}");
    // Its owner gives it up.
    kind(&address).tag(&other, &made, &[(STACK, "shop"), (ADDRESS, "table.theirs")]).await.unwrap();
    table["columns"] = json!([column("id", "string"), column("quantity", "long")]);
    let theirs: Address = "table.theirs".parse().unwrap();
    let found = kind(&theirs).find(&account.context, &[]).await.unwrap();
    assert_eq!(found.iter().map(|live| &live.address).collect::<Vec<_>>(), [&theirs]);
    let live = kind(&address).read(&account.context, &address, "shop_raw.sales").await.unwrap().unwrap();
    assert_eq!(live.spec["columns"][1]["type"], "int");
    let own = [(STACK, "shop"), (ADDRESS, "table.sales")];
    kind(&address).tag(&account.context, &made, &own).await.unwrap();
    account.update("table.sales", table).await;

    account.call(Service::Athena, "CreateWorkGroup", json!({"Name": "shop-by-hand"})).await;
    account
        .adopt("workgroup.old", &["shop-by-hand"], json!({"name": "shop-by-hand", "output": "s3://b/athena/"}))
        .await;
    let input = json!({"name": "by-hand", "type": "SPARK", "releaseLabel": "emr-7.9.0", "clientToken": "t"});
    let application = account.call(Service::EmrServerless, "CreateApplication", input).await;
    account.adopt("emr_application.old", &[text(&application, "applicationId")], json!({"name": "by-hand"})).await;
}

#[tokio::test]
async fn what_carries_no_tags_says_so() {
    let account = account().await;
    for (address, part) in [("topic.facts", "is no ARN of a topic"), ("object.run", "can't be adopted")] {
        let address: Address = address.parse().unwrap();
        let message = kind(&address).read(&account.context, &address, "x").await.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_new_one_stands_beside_the_old_one_where_nothing_is_in_common() {
    let coexists = |kind: &str, live: Value, spec: Value| kinds::named(kind).unwrap().coexists(&live, &spec);
    let named = |name: &str| json!({"name": name, "vpc": "vpc-1"});
    for kind in ["role", "bucket", "secret", "log_group", "cluster", "database", "workgroup", "auto_scaling_group"] {
        assert!(coexists(kind, named("old"), named("new")), "{kind}");
        assert!(!coexists(kind, named("old"), named("old")), "{kind}");
    }
    let moved = json!({"name": "old", "vpc": "${vpc.main.id}"});
    for kind in ["security_group", "route_table", "vpc_endpoint", "internet_gateway"] {
        assert!(coexists(kind, named("old"), moved.clone()), "{kind}");
        assert!(!coexists(kind, named("old"), named("old")), "{kind}");
    }
    let topic = |cluster: &str, name: &str| json!({"cluster": cluster, "name": name});
    assert!(coexists("topic", topic("arn:old", "facts"), topic("${cluster.main.arn}", "facts")));
    assert!(
        !coexists("topic", topic("arn:old", "facts"), topic("arn:old", "others")),
        "nothing would find the old one"
    );
}

#[test]
fn what_nobody_can_do_is_refused_before_it_is_tried() {
    let table = |columns: Value| json!({"database": "d", "name": "t", "location": "s3://b/t", "columns": columns, "partition": ["day(at)"]});
    let column = |name: &str, column_type: &str| json!({"name": name, "type": column_type});
    let live = table(json!([column("at", "timestamptz"), column("n", "long")]));
    let refused = |columns: Value| {
        let mut spec = table(columns);
        spec["partition"] = json!([]);
        kinds::named("table").unwrap().refuses(&live, &spec).unwrap_or_default()
    };
    assert!(
        refused(json!([column("at", "timestamptz"), column("n", "int")])).contains("can't change from long to int")
    );
    assert!(refused(json!([column("n", "long")])).contains("the column at can't go"));
    let required = json!({"name": "n", "type": "long", "required": true});
    assert!(refused(json!([column("at", "timestamptz"), required])).contains("can't become required"));
    assert_eq!(refused(json!([column("n", "long"), column("at", "timestamptz"), column("m", "int")])), "");
    let topic =
        |partitions: u32| json!({"cluster": "arn", "name": "facts", "partitions": partitions, "replication": 2});
    let kind = kinds::named("topic").unwrap();
    assert!(kind.refuses(&topic(6), &topic(3)).unwrap().contains("can't take partitions away"));
    assert_eq!(kind.refuses(&topic(3), &topic(6)), None);
}
