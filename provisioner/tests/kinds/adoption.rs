//! Taking over what others made: read by its identifier, distinguished from another stack's, found once it is tagged.

use crate::account::{ACCOUNT, Account, REGION, account, changed, kind};
use lakewright::kind::{ADDRESS, APPLIED, Context, Outcome, STACK};
use lakewright::kinds;
use lakewright::resource::{Address, Live};
use lakewright::services::Services as _;
use lakewright_aws::ask;
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{Filter, IpPermission, IpRange};
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
    let ec2 = account.context.aws.ec2();
    let vpc = ask(ec2.create_vpc().cidr_block("10.0.0.0/16").send()).await.unwrap();
    let vpc = vpc.vpc().unwrap().vpc_id().unwrap();
    account.adopt("vpc.main", &[vpc], json!({"cidr": "10.0.0.0/16"})).await;
    // An apply has closed its default group; where that is left to others, it isn't even looked at.
    let rules = async || {
        let of_vpc = Filter::builder().name("vpc-id").values(vpc).build();
        let default = Filter::builder().name("group-name").values("default").build();
        let groups = ask(ec2.describe_security_groups().filters(of_vpc).filters(default).send()).await.unwrap();
        let group = groups.security_groups()[0].clone();
        (group.ip_permissions().len(), group.ip_permissions_egress().len(), group.group_id.unwrap())
    };
    let (ingress, egress, group) = rules().await;
    assert_eq!((ingress, egress), (0, 0));
    let by_hand = IpPermission::builder().ip_protocol("-1").ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build());
    let by_hand = ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(by_hand.build());
    ask(by_hand.send()).await.unwrap();
    let address: Address = "vpc.main".parse().unwrap();
    for (wanted, found) in [("closed", "open"), ("open", "open")] {
        let spec = json!({"cidr": "10.0.0.0/16", "default_group": wanted});
        let spec = kind(&address).normalise(&spec).unwrap();
        let live = account.find(&address, &spec).await.unwrap();
        assert_eq!(live.spec["default_group"], found, "{wanted}");
    }
    account.update("vpc.main", json!({"cidr": "10.0.0.0/16"})).await;
    assert_eq!(rules().await.0, 0);
    account.reads_nothing("vpc.main", "vpc-0123456789abcdef0").await;
    let subnet = ec2.create_subnet().vpc_id(vpc).cidr_block("10.0.0.0/24").availability_zone("eu-north-1a");
    let subnet = ask(subnet.send()).await.unwrap();
    let subnet = subnet.subnet().unwrap().subnet_id().unwrap();
    let spec = json!({"vpc": vpc, "cidr": "10.0.0.0/24", "zone": "eu-north-1a", "map_public_ip_on_launch": true});
    account.adopt("subnet.a", &[subnet], spec).await;
    let group = ec2.create_security_group().vpc_id(vpc).group_name("old").description("by hand");
    let group = ask(group.send()).await.unwrap();
    let rule = json!({"from_port": 22, "cidr": "10.0.0.0/16"});
    let spec = json!({"vpc": vpc, "name": "old", "description": "by hand", "ingress": [rule]});
    account.adopt("security_group.old", &[group.group_id().unwrap()], spec).await;
    let table = ask(ec2.create_route_table().vpc_id(vpc).send()).await.unwrap();
    let table = table.route_table().unwrap().route_table_id().unwrap();
    account.adopt("route_table.old", &[table], json!({"vpc": vpc, "subnets": [subnet]})).await;
    let gateway = ask(ec2.create_internet_gateway().send()).await.unwrap();
    let gateway = gateway.internet_gateway().unwrap().internet_gateway_id().unwrap();
    ask(ec2.attach_internet_gateway().internet_gateway_id(gateway).vpc_id(vpc).send()).await.unwrap();
    account.adopt("internet_gateway.old", &[gateway], json!({"vpc": vpc})).await;
}

#[tokio::test]
async fn storage() {
    let account = account().await;
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(REGION.into()).build();
    let bucket = account.context.aws.s3_client().create_bucket().bucket("by-hand");
    ask(bucket.create_bucket_configuration(place).send()).await.unwrap();
    let spec = json!({"name": "by-hand", "versioning": true, "lifecycle": [{"id": "old", "expire_days": 30}]});
    let refused = account.refused("bucket.old", spec.clone()).await;
    assert!(refused.contains("the bucket by-hand is there already and isn't this stack's"), "{refused}");
    account.adopt("bucket.old", &["by-hand", "arn:aws:s3:::by-hand"], spec).await;
    account.reads_nothing("bucket.old", "no-such-bucket").await;

    let kms = account.context.aws.kms();
    let key = ask(kms.create_key().description("by hand").send()).await.unwrap().key_metadata.unwrap();
    let (arn, id) = (key.arn().unwrap(), key.key_id());
    ask(kms.create_alias().alias_name("alias/by-hand").target_key_id(id).send()).await.unwrap();
    let ids = [arn, id, "alias/by-hand", "by-hand"];
    account.adopt("key.old", &ids, json!({"alias": "by-hand", "deletion_days": 9})).await;

    let secrets = account.context.aws.secrets_manager();
    let value = "{\"username\":\"app\",\"password\":\"kept\"}";
    let secret = ask(secrets.create_secret().name("by-hand").secret_string(value).send()).await.unwrap();
    let spec = json!({"name": "by-hand", "username": "app", "description": "now a stack's"});
    account.adopt("secret.old", &["by-hand", secret.arn().unwrap()], spec).await;
    let value = ask(secrets.get_secret_value().secret_id("by-hand").send()).await.unwrap();
    let value: Value = serde_json::from_str(value.secret_string().unwrap()).unwrap();
    assert_eq!(value, json!({"username": "app", "password": "kept"}));

    let call = account.context.aws.logs().create_log_group().log_group_name("/lakewright/shop/by-hand");
    ask(call.send()).await.unwrap();
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
    let iam = account.context.aws.iam();
    let role = iam.create_role().role_name("by-hand").assume_role_policy_document(trust.to_string());
    let role = ask(role.send()).await.unwrap().role.unwrap();
    let policy = iam.put_role_policy().role_name("by-hand").policy_name("p");
    ask(policy.policy_document(allow("s3:GetObject").to_string()).send()).await.unwrap();
    let address: Address = "role.old".parse().unwrap();
    let live = kind(&address).read(&account.context, &address, "by-hand").await.unwrap().unwrap();
    let seen = &live.spec["policies"]["p"]["Statement"][0]["Action"];
    assert_eq!(*seen, json!(["s3:GetObject"]), "what it may do is seen before it is taken over");
    let spec = json!({"name": "by-hand", "trust": trust, "policies": {"p": allow("s3:PutObject")}});
    account.adopt("role.old", &["by-hand", role.arn()], spec).await;
    ask(iam.create_instance_profile().instance_profile_name("by-hand").send()).await.unwrap();
    let spec = json!({"name": "shop-by-hand", "role": "by-hand"});
    ask(iam.create_instance_profile().instance_profile_name("shop-by-hand").send()).await.unwrap();
    account.adopt("instance_profile.old", &["shop-by-hand"], spec).await;
}

#[tokio::test]
async fn catalogs() {
    let account = account().await;
    account.create("bucket.raw", json!({"name": "shop-raw-by-hand"})).await;
    let database = aws_sdk_glue::types::DatabaseInput::builder().name("shop_raw").build().unwrap();
    ask(account.context.aws.glue().create_database().database_input(database).send()).await.unwrap();
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

    ask(account.context.aws.athena().create_work_group().name("shop-by-hand").send()).await.unwrap();
    account
        .adopt("workgroup.old", &["shop-by-hand"], json!({"name": "shop-by-hand", "output_location": "s3://b/athena/"}))
        .await;
    let application = account.context.aws.emr_serverless().create_application().name("by-hand");
    let application = application.r#type("SPARK").release_label("emr-7.9.0").client_token("t");
    let application = ask(application.send()).await.unwrap();
    account.adopt("emr_application.old", &[application.application_id()], json!({"name": "by-hand"})).await;
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
    let coexists = |kind: &str, live: Value, spec: Value| {
        let kind = kinds::named(kind).unwrap();
        kind.coexists(&whole(&kind.schema(), live), &whole(&kind.schema(), spec))
    };
    let named = |name: &str| json!({"name": name});
    for kind in ["role", "bucket", "secret", "log_group", "cluster", "database", "workgroup", "auto_scaling_group"] {
        assert!(coexists(kind, named("old"), named("new")), "{kind}");
        assert!(!coexists(kind, named("old"), named("old")), "{kind}");
    }
    let within = |vpc: &str| json!({"vpc": vpc});
    for kind in ["security_group", "route_table", "vpc_endpoint", "internet_gateway"] {
        assert!(coexists(kind, within("vpc-1"), within("${vpc.main.id}")), "{kind}");
        assert!(!coexists(kind, within("vpc-1"), within("vpc-1")), "{kind}");
    }
    let topic = |cluster: &str, name: &str| json!({"cluster": cluster, "name": name});
    assert!(coexists("topic", topic("arn:old", "facts"), topic("${cluster.main.arn}", "facts")));
    assert!(
        !coexists("topic", topic("arn:old", "facts"), topic("arn:old", "others")),
        "nothing would find the old one"
    );
}

/// A spec with something of the right type in every field that it must have.
fn whole(schema: &Value, mut partial: Value) -> Value {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !partial[name].is_null() {
            continue;
        }
        let field = &schema["properties"][name];
        let target = field["$ref"].as_str().map(|path| schema.pointer(path.trim_start_matches('#')).unwrap());
        partial[name] = match target.unwrap_or(field)["type"].as_str() {
            Some("string") => json!("x"),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(true),
            Some("array") => json!([]),
            _ => whole(target.unwrap_or(field), json!({})),
        };
    }
    partial
}

/// A resource of that spec that exists.
fn lives(address: &str, spec: &Value) -> Live {
    let live =
        json!({"address": address, "id": "id", "spec": spec, "outputs": {}, "applied": null, "condition": "ready"});
    serde_json::from_value(live).expect("a live resource")
}

#[test]
fn what_nobody_can_do_is_refused_before_it_is_tried() {
    let table = |columns: Value| json!({"database": "d", "name": "t", "location": "s3://b/t", "columns": columns, "partition": ["day(at)"]});
    let column = |name: &str, column_type: &str| json!({"name": name, "type": column_type});
    let live = table(json!([column("at", "timestamptz"), column("n", "long")]));
    let refused = |columns: Value| {
        let mut spec = table(columns);
        spec["partition"] = json!([]);
        let refused = kinds::named("table").unwrap().refuses(&lives("table.t", &live), &spec);
        refused.map(|obstacle| obstacle.reason).unwrap_or_default()
    };
    assert!(
        refused(json!([column("at", "timestamptz"), column("n", "int")])).contains("can't change from long to int")
    );
    assert!(refused(json!([column("n", "long")])).contains("the column at can't go"));
    let required = json!({"name": "n", "type": "long", "required": true});
    assert!(refused(json!([column("at", "timestamptz"), required])).contains("can't become required"));
    assert_eq!(refused(json!([column("n", "long"), column("at", "timestamptz"), column("m", "int")])), "");
    let topic =
        |partitions: u32| json!({"cluster": "arn", "name": "facts", "partitions": partitions, "replication_factor": 2});
    let kind = kinds::named("topic").unwrap();
    let refused = kind.refuses(&lives("topic.facts", &topic(6)), &topic(3)).unwrap();
    assert!(refused.reason.contains("can't take partitions away"), "{refused:?}");
    assert!(refused.fix.contains("write `partitions = 6`"), "{refused:?}");
    assert_eq!(kind.refuses(&lives("topic.facts", &topic(3)), &topic(6)), None);
}

#[tokio::test]
async fn who_may_not_close_a_default_group_is_told_whose_that_is() {
    let account = account().await;
    let denied = "error = \"UnauthorizedOperation\"\nstatus = 403\n";
    account.faults(&format!("[[fault]]\nservice = \"ec2\"\noperation = \"RevokeSecurityGroupEgress\"\n{denied}"));
    let address: Address = "vpc.main".parse().unwrap();
    let spec = kind(&address).normalise(&json!({"cidr": "10.0.0.0/16"})).unwrap();
    let error = kind(&address).create(&account.context, &address, &spec).await.expect_err("denied");
    let said = format!("{error:#}");
    assert!(said.contains("default security group") && said.contains("`lakewright permissions --for setup`"), "{said}");
}
