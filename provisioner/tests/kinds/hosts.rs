//! A group's hosts with their root volumes: they carry the group's tags, whatever the template said when it was made.

use std::collections::BTreeMap;

use crate::account::{Account, account, account_with, kind};
use lakewright::kind::{Context, GIVEN, Outcome};
use lakewright::record::Heir;
use lakewright::resource::{Address, Live};
use lakewright::services::Services as _;
use lakewright_aws::ask;
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::{Reservation, ResourceType, Tag, Volume};
use serde_json::{Value, json};

type Tags = BTreeMap<String, String>;

fn tags(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn read(all: &[Tag]) -> Tags {
    let pairs = all.iter().map(|tag| (tag.key().unwrap().to_owned(), tag.value().unwrap().to_owned()));
    pairs.filter(|(key, _)| !key.starts_with("aws:") && !key.starts_with("lakewright:")).collect()
}

/// A profile of that name with the hosts' role.
fn profile(name: &str) -> Value {
    json!({"name": name, "role": "shop-app"})
}

/// A group of one host, made with the tag `cost-center`.
struct Hosts {
    account: Account,
    template: (Address, Value, Outcome),
    group: (Address, Value, Outcome),
}

impl Hosts {
    async fn new() -> Self {
        let account = account().await;
        let context = Context { tags: tags(&[("cost-center", "42")]), ..account.context.clone() };
        let make = async |address: &str, spec: Value| {
            let address: Address = address.parse().unwrap();
            let spec = kind(&address).normalise(&spec).unwrap();
            let outcome = kind(&address).create(&context, &address, &spec).await.unwrap();
            (address, spec, outcome)
        };
        let (_, _, vpc) = make("vpc.main", json!({"cidr": "10.0.0.0/16"})).await;
        let subnet = json!({"vpc": vpc.id, "cidr": "10.0.0.0/20", "zone": "eu-north-1a"});
        let (_, _, subnet) = make("subnet.a", subnet).await;
        let firewall = json!({"vpc": vpc.id, "name": "shop-app", "description": "hosts"});
        let (_, _, firewall) = make("security_group.app", firewall).await;
        let trust = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole",
        }});
        make("role.app", json!({"name": "shop-app", "trust": trust})).await;
        make("instance_profile.app", profile("shop-app")).await;
        let template = json!({
            "name": "shop-app", "instance_type": "t3.small", "security_groups": [firewall.id], "instance_profile": "shop-app",
            "image": "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        });
        let template = make("launch_template.app", template).await;
        let group = json!({
            "name": "shop-app", "launch_template": template.2.id, "launch_template_version": "1",
            "subnets": [subnet.id], "min_size": 1, "max_size": 1, "desired_capacity": 1, "refresh": "launch_first",
        });
        let group = make("auto_scaling_group.app", group).await;
        Self { account, template, group }
    }

    async fn group(&self) -> Live {
        self.account.find(&self.group.0, &self.group.1).await.unwrap()
    }

    async fn volume(&self) -> Volume {
        let call = self.account.context.aws.ec2().describe_volumes();
        let mut volumes = ask(call.send()).await.unwrap().volumes.unwrap();
        assert_eq!(volumes.len(), 1);
        volumes.remove(0)
    }
}

#[tokio::test]
async fn hosts_and_their_volumes_carry_the_tags_of_their_group() {
    let hosts = Hosts::new().await;
    let context = &hosts.account.context;
    let made = tags(&[("Name", "shop-app"), ("cost-center", "42")]);
    let live = hosts.group().await;
    assert_eq!(live.tags.as_ref(), Some(&made));
    // Volumes that are like their hosts take no request.
    let parts: Vec<&Tags> = live.parts.iter().map(|part| &part.tags).collect();
    assert_eq!(parts, [&made]);
    assert_eq!(read(hosts.volume().await.tags()), made);
    let host = live.parts[0].id.clone();

    let (address, _, outcome) = &hosts.group;
    let meant = tags(&[("Name", "shop-app"), ("team", "data")]);
    kind(address).tag_parts(context, outcome, &meant, &["cost-center"]).await.unwrap();
    let live = hosts.group().await;
    assert_eq!((live.parts.len(), &live.parts[0].id, &live.parts[0].tags), (1, &host, &meant));
    assert_eq!(read(hosts.volume().await.tags()), meant);

    // What somebody does to a volume shows, with the host that it belongs to and what its launch gave it.
    let id = hosts.volume().await.volume_id.unwrap();
    let call = context.aws.ec2().delete_tags().resources(&id).tags(Tag::builder().key("team").build());
    ask(call.send()).await.unwrap();
    let live = hosts.group().await;
    let part = live.parts.iter().find(|part| part.id == id).unwrap();
    assert_eq!(part.tags, tags(&[("Name", "shop-app")]));
    assert!(lakewright::kind::applied::set_tag(part.given.as_deref(), "cost-center", "42"), "{part:?}");

    let refreshes = context.aws.auto_scaling().describe_instance_refreshes().auto_scaling_group_name("shop-app");
    assert!(ask(refreshes.send()).await.unwrap().instance_refreshes().is_empty());
}

#[tokio::test]
async fn the_next_version_of_a_template_has_the_tags_of_the_file_and_those_of_others() {
    let hosts = Hosts::new().await;
    let (address, spec, outcome) = &hosts.template;
    let ec2 = hosts.account.context.aws.ec2();
    let volume_tags = async || {
        let call = ec2.describe_launch_template_versions().launch_template_id(&outcome.id).versions("$Default");
        let versions = ask(call.send()).await.unwrap().launch_template_versions.unwrap();
        let data = versions[0].launch_template_data().unwrap().clone();
        let of = |kind: &ResourceType| {
            let one = data.tag_specifications().iter().find(|one| one.resource_type() == Some(kind)).unwrap();
            one.tags().to_vec()
        };
        // Hosts get theirs from the group.
        assert_eq!(read(&of(&ResourceType::Instance)), tags(&[("Name", "shop-app")]));
        of(&ResourceType::Volume)
    };
    let before = volume_tags().await;
    assert_eq!(read(&before), tags(&[("Name", "shop-app"), ("cost-center", "42")]));
    assert!(before.iter().any(|tag| tag.key() == Some(GIVEN)));

    let live = hosts.account.find(address, spec).await.unwrap();
    let context = Context { tags: tags(&[("team", "data")]), ..hosts.account.context.clone() };
    let mut larger = spec.clone();
    larger["volume_size_gib"] = json!(30);
    kind(address).update(&context, &live, &larger, &["volume_size_gib".to_owned()]).await.unwrap();
    assert_eq!(read(&volume_tags().await), tags(&[("Name", "shop-app"), ("team", "data")]));
}

#[tokio::test]
async fn a_profile_stays_while_its_hosts_could_get_no_other() {
    let Hosts { account, .. } = Hosts::new().await;
    let address: Address = "instance_profile.app".parse().unwrap();
    let spec = kind(&address).normalise(&profile("shop-app")).unwrap();
    let live = account.find(&address, &spec).await.unwrap();
    let left_to = |heir: Heir| {
        let records = account.context.records.clone().left_to(heir);
        Context { records, ..account.context.clone() }
    };
    let missing = left_to(Heir::Missing(address.clone()));
    let refused = format!("{:#}", kind(&address).delete(&missing, &live).await.unwrap_err());
    assert!(refused.contains("nothing exists at instance_profile.app that they could get instead"), "{refused}");
    assert!(account.find(&address, &spec).await.is_some());

    let new = account.create("instance_profile.new", profile("shop-new")).await;
    kind(&address).delete(&left_to(Heir::Known(new.id.clone())), &live).await.unwrap();
    assert!(account.find(&address, &spec).await.is_none());
    let hosts = ask(account.context.aws.ec2().describe_instances().send()).await.unwrap();
    let hosts = hosts.reservations().iter().flat_map(Reservation::instances);
    let profiles: Vec<_> = hosts.filter_map(|host| host.iam_instance_profile()?.arn()).collect();
    assert_eq!(profiles, [new.id.as_str()]);
}

#[tokio::test]
async fn the_tags_of_several_profiles_come_with_one_question() {
    let account = account().await;
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole",
    }});
    account.create("role.app", json!({"name": "shop-app", "trust": trust})).await;
    let found = async || {
        let before = account.context.aws.requests();
        let found = kind(&Address::new("instance_profile", "a")).find(&account.context, &[]).await.unwrap();
        (found, account.context.aws.requests() - before)
    };
    account.create("instance_profile.a", profile("shop-a")).await;
    let (one, asked) = found().await;
    assert_eq!((one.len(), asked), (1, 2), "the list and the profile");
    for name in ["b", "c"] {
        account.create(&format!("instance_profile.{name}"), profile(&format!("shop-{name}"))).await;
    }
    let (three, asked) = found().await;
    assert_eq!((three.len(), asked), (3, 2), "the list and the tags of all");
    // Who may ask nothing of another region asks for each.
    account.faults("[[fault]]\noperation = \"GetResources\"\nerror = \"AccessDeniedException\"\nstatus = 400\n");
    let (denied, asked) = found().await;
    assert_eq!(asked, 5);
    let told = |live: &[Live]| format!("{live:?}");
    assert_eq!(told(&denied), told(&three));
}

#[tokio::test]
async fn profiles_that_the_tagging_api_learns_of_late_are_asked_for_themselves() {
    let account = account_with(lakewright_account::Delays::Scaled(0.1)).await;
    let iam = account.context.aws.iam();
    let mut made = Vec::new();
    for name in ["a", "b"] {
        let address = Address::new("instance_profile", name);
        let call = iam.create_instance_profile().instance_profile_name(format!("shop-{name}"));
        let tag = |key: &str, value: &str| aws_sdk_iam::types::Tag::builder().key(key).value(value).build().unwrap();
        let call = call.tags(tag("lakewright:stack", "shop")).tags(tag("lakewright:address", &address.to_string()));
        ask(call.send()).await.unwrap();
        made.push(address);
    }
    let mut found = kind(&made[0]).find(&account.context, &[]).await.unwrap();
    found.sort_by(|one, other| one.address.cmp(&other.address));
    let addresses: Vec<Address> = found.into_iter().map(|live| live.address).collect();
    assert_eq!(addresses, made);
}
