//! The network, host and Kafka kinds against an account: what was made is found as it was meant, changed, and gone when deleted.

mod kafka;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kafka::types::builders::BrokerNodeGroupInfoBuilder;
use aws_sdk_kafka::types::{
    ClientAuthentication, EbsStorageInfo, EncryptionAtRest, EncryptionInfo, ProvisionedRequest, Sasl, Scram,
    StorageInfo,
};
use lakewright::kind::{APPLIED, AnyKind, Comparing, Context, Outcome, Pace, STACK, Waiting, Wanted};
use lakewright::kinds;
use lakewright::resource::{Address, Condition, Live};
use lakewright::services::Services as _;
use lakewright_aws::{Aws, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{InstanceType, IpPermission, IpRange, RequestLaunchTemplateData, UserIdGroupPair};
use parking_lot::Mutex;
use serde_json::{Value, json};

const REGION: &str = "eu-north-1";

/// An account on this machine, with a Kafka behind its clusters.
struct Account {
    context: Context,
    _parts: Option<(lakewright_account::Running, lakewright_kafka::Running, tempfile::TempDir)>,
}

/// `LAKEWRIGHT_TEST_AWS=http://…` names another emulator of AWS, to judge the kinds that it knows by.
async fn account(stack: &str) -> Account {
    let (url, parts) = if let Ok(url) = std::env::var("LAKEWRIGHT_TEST_AWS") {
        (url, None)
    } else {
        let folder = tempfile::tempdir().unwrap();
        let kafka = lakewright_kafka::serve(lakewright_kafka::Config::new(folder.path().join("kafka"))).await.unwrap();
        let account = lakewright_account::serve(lakewright_account::Config {
            kafka: Some(kafka.address().to_string()),
            ..lakewright_account::Config::new(folder.path().join("account"))
        })
        .await
        .unwrap();
        (format!("http://{}", account.address()), Some((account, kafka, folder)))
    };
    let context = Context {
        aws: Aws::with_keys(REGION, &url, "123456789012", "secret").unwrap(),
        stack: stack.to_owned(),
        account: "123456789012".to_owned(),
        caller: "arn:aws:iam::123456789012:root".to_owned(),
        region: REGION.to_owned(),
        state_bucket: None,
        nonce: "nonce".to_owned(),
        pace: Pace { poll: Duration::from_millis(20), ..Pace::LOCAL },
        clock: lakewright::kind::Clock::default(),
        reading: lakewright::reading::Reading::default(),
        intents: lakewright::intents::Intents::default(),
        waiting: Waiting::default(),
        records: lakewright::record::Records::default(),
        tags: lakewright::reading::Tags::new(),
    };
    Account { context, _parts: parts }
}

fn kind(address: &Address) -> &'static dyn AnyKind {
    kinds::named(&address.kind).unwrap()
}

/// Arrays that are sets, in one order.
fn ordered(kind: &dyn AnyKind, spec: &Value) -> Value {
    let mut spec = spec.clone();
    for field in kind.fields().iter().filter(|field| field.compare == Comparing::AsSet) {
        if let Some(items) = spec[field.name].as_array_mut() {
            items.sort_by_key(ToString::to_string);
        }
    }
    spec
}

impl Account {
    async fn find(&self, address: &Address, spec: &Value) -> Vec<Live> {
        // What is wanted no longer has no spec.
        let wanted = spec.as_object().filter(|spec| !spec.is_empty()).map(|_| Wanted { address, spec });
        let mut found = kind(address).find(&self.context, wanted.as_slice()).await.unwrap();
        found.retain(|live| live.address == *address);
        found
    }

    /// Makes it and finds it as it was meant.
    async fn create(&self, address: &str, spec: Value) -> Outcome {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        let outcome = kind(&address).create(&crate::tagging::of_file(&self.context), &address, &spec).await.unwrap();
        self.check(&address, &spec, &outcome).await;
        let find = async || self.find(&address, &spec).await.remove(0);
        crate::tagging::judge(&self.context, kind(&address), &address, &outcome, find).await;
        outcome
    }

    /// Makes it anew as an apply does that was killed before it knew: nothing second comes of it.
    async fn create_again(&self, address: &str, spec: Value, first: &Outcome) {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        let second = kind(&address).create(&crate::tagging::of_file(&self.context), &address, &spec).await.unwrap();
        assert_eq!(second.id, first.id, "{address}");
        self.check(&address, &spec, first).await;
    }

    /// Changes it to the spec and finds it so.
    async fn update(&self, address: &str, spec: Value) {
        let address: Address = address.parse().unwrap();
        let spec = kind(&address).normalise(&spec).unwrap();
        let live = self.find(&address, &spec).await.remove(0);
        let names = kind(&address).fields().iter().map(|field| field.name.to_owned());
        let changed: Vec<String> = names.filter(|name| live.spec.get(name) != spec.get(name)).collect();
        assert!(!changed.is_empty(), "{address}: the test changes nothing");
        let outcome = kind(&address).update(&self.context, &live, &spec, &changed).await.unwrap();
        assert_eq!(outcome.id, live.id, "{address}");
        self.check(&address, &spec, &outcome).await;
    }

    async fn check(&self, address: &Address, spec: &Value, outcome: &Outcome) {
        let kind = kind(address);
        kind.tag(&self.context, outcome, &[(APPLIED, "v1:hash")]).await.unwrap();
        let found = self.find(address, spec).await;
        assert_eq!(found.len(), 1, "{address}: {found:?}");
        let live = &found[0];
        assert_eq!(&live.address, address);
        assert_eq!(live.id, outcome.id, "{address}");
        assert_eq!(live.condition, Condition::Ready, "{address}");
        assert_eq!(ordered(kind, &live.spec), ordered(kind, spec), "{address}");
        assert_eq!(live.outputs, outcome.outputs, "{address}");
        let names: BTreeSet<&str> = live.outputs.keys().map(String::as_str).collect();
        let mut declared: BTreeSet<&str> = kind.outputs().iter().copied().collect();
        // A cluster has those of the ways to log in that are open.
        let ways = &spec["authentication"];
        let by_iam = json!(address.kind == "serverless_cluster" || ways["iam"] == true);
        for (way, open) in [("iam", &by_iam), ("scram", &ways["scram"]), ("tls", &ways["unauthenticated"])] {
            if open != true {
                declared.retain(|name| !name.ends_with(&format!("_{way}")));
            }
        }
        assert_eq!(names, declared, "{address}");
        let untagged =
            matches!(address.kind.as_str(), "msk_configuration" | "topic" | "scram_association" | "storage_scaling");
        assert_eq!(live.applied.as_deref(), (!untagged).then_some("v1:hash"), "{address}");
    }

    /// Deletes it, twice, and finds nothing.
    async fn delete(&self, address: &str, spec: Value) {
        let address: Address = address.parse().unwrap();
        let live = self.find(&address, &spec).await.remove(0);
        kind(&address).delete(&self.context, &live).await.unwrap();
        assert!(self.find(&address, &spec).await.is_empty(), "{address}");
        kind(&address).delete(&self.context, &live).await.unwrap();
    }
}

impl Account {
    /// The ARN of a new secret of the stack's.
    async fn secret(&self, name: &str, key: &str, text: &str) -> String {
        let tag = aws_sdk_secretsmanager::types::Tag::builder().key(STACK).value(&self.context.stack).build();
        let call = self.context.aws.secrets_manager().create_secret().name(name).kms_key_id(key).tags(tag);
        ask(call.secret_string(text).send()).await.unwrap().arn.unwrap()
    }

    /// The ARN of a new cluster that no stack made.
    async fn cluster_by_hand(&self, brokers: BrokerNodeGroupInfoBuilder, key: &str) -> String {
        let storage = EbsStorageInfo::builder().volume_size(20).build();
        let storage = StorageInfo::builder().ebs_storage_info(storage).build();
        let sasl = Sasl::builder().scram(Scram::builder().enabled(true).build()).build();
        let at_rest = EncryptionAtRest::builder().data_volume_kms_key_id(key).build();
        let provisioned = ProvisionedRequest::builder()
            .broker_node_group_info(brokers.storage_info(storage).build())
            .client_authentication(ClientAuthentication::builder().sasl(sasl).build())
            .encryption_info(EncryptionInfo::builder().encryption_at_rest(at_rest).build())
            .kafka_version("3.9.x")
            .number_of_broker_nodes(2)
            .build();
        let call = self.context.aws.kafka().create_cluster_v2().cluster_name("by-hand").provisioned(provisioned);
        ask(call.send()).await.unwrap().cluster_arn.unwrap()
    }
}

/// A VPC with one subnet.
async fn network(account: &Account) -> (Outcome, Outcome) {
    let vpc = account.create("vpc.main", json!({"cidr": "10.0.0.0/16"})).await;
    let subnet = json!({"vpc": vpc.id, "cidr": "10.0.0.0/20", "zone": "eu-north-1a"});
    let subnet = account.create("subnet.a", subnet).await;
    (vpc, subnet)
}

#[tokio::test]
async fn network_kinds_live_as_they_are_meant() {
    let account = account("network").await;
    let (vpc, subnet) = network(&account).await;
    account.create_again("vpc.main", json!({"cidr": "10.0.0.0/16"}), &vpc).await;
    account.update("vpc.main", json!({"cidr": "10.0.0.0/16", "dns_hostnames": false})).await;
    let public = json!({"vpc": vpc.id, "cidr": "10.0.0.0/20", "zone": "eu-north-1a", "map_public_ip_on_launch": true});
    account.update("subnet.a", public).await;

    let gateway = account.create("internet_gateway.main", json!({"vpc": vpc.id})).await;
    account.create_again("internet_gateway.main", json!({"vpc": vpc.id}), &gateway).await;

    let route = json!({"destination": "0.0.0.0/0", "target": gateway.id});
    let table = json!({"vpc": vpc.id, "routes": [route], "subnets": [subnet.id]});
    let table = account.create("route_table.public", table).await;
    // A second table takes the subnet over.
    let closed = account.create("route_table.closed", json!({"vpc": vpc.id})).await;
    let ec2 = account.context.aws.ec2();
    ask(ec2.delete_route_table().route_table_id(&closed.id).send()).await.unwrap();

    // What somebody opened is found, and closed again by an update to what is meant.
    let opened = ec2.create_route().route_table_id(&table.id).destination_cidr_block("192.168.0.0/16");
    ask(opened.gateway_id(&gateway.id).send()).await.unwrap();
    let meant = json!({"vpc": vpc.id, "routes": [route], "subnets": [subnet.id]});
    account.update("route_table.public", meant).await;
    account.update("route_table.public", json!({"vpc": vpc.id})).await;
    account.update("route_table.public", json!({"vpc": vpc.id, "routes": [route], "subnets": [subnet.id]})).await;

    let endpoint = json!({"vpc": vpc.id, "service": "s3", "route_tables": [table.id]});
    let made = account.create("vpc_endpoint.s3", endpoint.clone()).await;
    account.create_again("vpc_endpoint.s3", endpoint, &made).await;
    // The endpoint's route is no drift of the route table.
    let again = json!({"vpc": vpc.id, "routes": [route], "subnets": [subnet.id]});
    let address: Address = "route_table.public".parse().unwrap();
    assert_eq!(account.find(&address, &again).await[0].spec, kind(&address).normalise(&again).unwrap());
    account.update("vpc_endpoint.s3", json!({"vpc": vpc.id, "service": "s3"})).await;

    account.delete("vpc_endpoint.s3", json!({})).await;
    account.delete("route_table.public", json!({})).await;
    account.delete("internet_gateway.main", json!({})).await;
    account.delete("subnet.a", json!({})).await;
    account.delete("vpc.main", json!({})).await;
}

#[tokio::test]
async fn security_groups_have_exactly_the_rules_that_are_meant() {
    let account = account("rules").await;
    let vpc = account.create("vpc.main", json!({"cidr": "10.0.0.0/16"})).await;
    let named = |name: &str| json!({"vpc": vpc.id, "name": name, "description": "for a test"});
    let hosts = account.create("security_group.hosts", named("hosts")).await;
    let mut spec = named("brokers");
    spec["ingress"] = json!([
        {"from_port": 9092, "to_port": 9098, "group": hosts.id, "description": "clients"},
        {"protocol": "all", "group": "self"},
        {"from_port": 22, "cidr": "10.0.0.7/16", "description": "people"},
    ]);
    let find = async |name: &str| {
        let address: Address = format!("security_group.{name}").parse().unwrap();
        kind(&address).find(&account.context, &[]).await.unwrap().into_iter().find(|live| live.address == address)
    };
    let address: Address = "security_group.brokers".parse().unwrap();
    let group = kind(&address);
    let spec = group.normalise(&spec).unwrap();
    let made = group.create(&account.context, &address, &spec).await.unwrap();
    assert_eq!(ordered(group, &find("brokers").await.unwrap().spec), ordered(group, &spec));

    let mut closed = spec.clone();
    closed["ingress"] = json!([{"from_port": 22, "cidr": "10.0.0.0/16", "description": "operators"}]);
    closed["egress"] = json!([]);
    let closed = group.normalise(&closed).unwrap();
    let live = find("brokers").await.unwrap();
    group.update(&account.context, &live, &closed, &["ingress".to_owned(), "egress".to_owned()]).await.unwrap();
    assert_eq!(find("brokers").await.unwrap().spec, closed);

    // A rule that somebody added is part of what is found.
    let rule = IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22);
    let rule = rule.ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build();
    let added = account.context.aws.ec2().authorize_security_group_ingress().group_id(&made.id).ip_permissions(rule);
    ask(added.send()).await.unwrap();
    assert_eq!(find("brokers").await.unwrap().spec["ingress"].as_array().unwrap().len(), 2);

    // A rule of somebody else's holds it, and is named.
    let ec2 = account.context.aws.ec2();
    let theirs = ec2.create_security_group().group_name("reporting").description("theirs").vpc_id(&vpc.id);
    let theirs = ask(theirs.send()).await.unwrap().group_id.unwrap();
    let rule = IpPermission::builder().ip_protocol("tcp").from_port(9092).to_port(9092);
    let rule = rule.user_id_group_pairs(UserIdGroupPair::builder().group_id(&made.id).build()).build();
    ask(ec2.authorize_security_group_ingress().group_id(&theirs).ip_permissions(rule).send()).await.unwrap();
    let live = find("brokers").await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = told.clone();
    let waiting = Waiting::told(move |what| tells.lock().push(what.to_owned()));
    let context = Context { waiting, ..account.context.clone() };
    let error = group.delete(&context, &live).await.expect_err("it is held");
    let holder = format!("it is held by a rule of the security group {theirs} (reporting)");
    assert!(format!("{error:#}").contains(&holder), "{error:#}");
    assert!(told.lock().iter().any(|what: &String| what.contains(&holder)), "{told:?}");
    ask(ec2.delete_security_group().group_id(&theirs).send()).await.unwrap();

    group.delete(&account.context, &live).await.unwrap();
    assert!(find("brokers").await.is_none());
    account.delete("security_group.hosts", json!({})).await;
}

#[tokio::test]
async fn templates_are_told_from_many_of_others() {
    let account = account("many").await;
    let spec = |name: &str| {
        json!({"name": name, "image": "ami-0123456789abcdef0", "instance_type": "t3.small", "security_groups": ["sg-1"],
            "volume_size_gib": name.len()})
    };
    let names = ["many-a", "many-search"];
    for name in names {
        let address: Address = format!("launch_template.{name}").parse().unwrap();
        let spec = kind(&address).normalise(&spec(name)).unwrap();
        kind(&address).create(&account.context, &address, &spec).await.unwrap();
    }
    let sizes = async || {
        let before = account.context.aws.requests();
        let template = kinds::named("launch_template").unwrap();
        let mut found = template.find(&account.context, &[]).await.unwrap();
        found.sort_by(|a, b| a.address.cmp(&b.address));
        let sizes: Vec<Value> = found.into_iter().map(|live| live.spec["volume_size_gib"].clone()).collect();
        (sizes, account.context.aws.requests() - before)
    };
    assert_eq!(sizes().await, (vec![json!(6), json!(11)], 2));
    for number in 0..150 {
        let data = RequestLaunchTemplateData::builder().instance_type(InstanceType::T3Nano).build();
        let call = account.context.aws.ec2().create_launch_template().launch_template_name(format!("others-{number}"));
        ask(call.launch_template_data(data).send()).await.unwrap();
    }
    let (sizes, requests) = sizes().await;
    assert_eq!(sizes, [json!(6), json!(11)]);
    assert!(requests <= 4, "{requests}");
}

#[tokio::test]
async fn hosts_are_templates_and_groups() {
    let account = account("hosts").await;
    let (vpc, subnet) = network(&account).await;
    let group = json!({"vpc": vpc.id, "name": "hosts", "description": "for a test"});
    let group = account.create("security_group.hosts", group).await;
    let spec = |user_data: &str| {
        json!({
            "name": "shop-app",
            "image": "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            "instance_type": "t3.small",
            "security_groups": [group.id],
            "user_data": user_data,
        })
    };
    let template = account.create("launch_template.app", spec("#cloud-config\nruncmd: []\n")).await;
    account.create_again("launch_template.app", spec("#cloud-config\nruncmd: []\n"), &template).await;
    account.update("launch_template.app", spec("#cloud-config\nruncmd: [true]\n")).await;
    let hosts = |count: u32| {
        json!({
            "name": "shop-app",
            "launch_template": template.id,
            "subnets": [subnet.id],
            "min_size": count,
            "max_size": count,
            "desired_capacity": count,
        })
    };
    let made = account.create("auto_scaling_group.app", hosts(1)).await;
    account.create_again("auto_scaling_group.app", hosts(1), &made).await;
    account.update("auto_scaling_group.app", hosts(2)).await;

    // What somebody suspended shows, and an update resumes it.
    let suspend = async |process: &str| {
        let call = account.context.aws.auto_scaling().suspend_processes().auto_scaling_group_name("shop-app");
        ask(call.scaling_processes(process).send()).await.unwrap();
    };
    let address: Address = "auto_scaling_group.app".parse().unwrap();
    let mut rolling = hosts(2);
    rolling["launch_template_version"] = json!("2");
    rolling["refresh"] = json!("launch_first");
    let rolling = kind(&address).normalise(&rolling).unwrap();
    let departed = async || account.find(&address, &rolling).await.remove(0).departures;
    suspend("Launch").await;
    assert_eq!(departed().await[0].live, json!(["Launch"]));
    let update = async |changed: &[&str]| {
        let live = account.find(&address, &rolling).await.remove(0);
        let changed: Vec<String> = changed.iter().map(|&name| name.to_owned()).collect();
        kind(&address).update(&account.context, &live, &rolling, &changed).await
    };
    let error = update(&["launch_template_version"]).await.expect_err("no host can be replaced").to_string();
    assert!(error.contains("Launch of the auto-scaling group shop-app is suspended"), "{error}");
    update(&["launch_template_version", "suspended_processes"]).await.unwrap();
    assert_eq!(departed().await, []);
    assert_eq!(account.find(&address, &rolling).await[0].spec["launch_template_version"], "2");
    // A group that ends no hosts would stay for ever.
    suspend("Terminate").await;
    account.delete("auto_scaling_group.app", json!({})).await;
    account.delete("launch_template.app", json!({})).await;
    account.delete("security_group.hosts", json!({})).await;
    account.delete("subnet.a", json!({})).await;
}
