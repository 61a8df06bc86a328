//! Private zones and their records, against an account: also when answers are lost, and an apply is killed half-way.

use crate::account::{Account, account, kind};
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, HostedZone, ResourceRecord, ResourceRecordSet, RrType,
};
use lakewright::kind::{ADDRESS, Context, Outcome, Wanted};
use lakewright::resource::{Address, Live};
use lakewright::services::Services as _;
use lakewright_aws::ask;
use serde_json::{Value, json};

const MAIN: &str = "private_zone.main";

async fn vpc(account: &Account) -> String {
    account.create("vpc.main", json!({"cidr": "10.0.0.0/16"})).await.id
}

async fn zones(account: &Account) -> Vec<HostedZone> {
    ask(account.context.aws.route53().list_hosted_zones().send()).await.unwrap().hosted_zones
}

/// The names and types of all records of a zone, besides the two that it is born with.
async fn records(account: &Account, zone: &str) -> Vec<(String, String)> {
    let call = account.context.aws.route53().list_resource_record_sets().hosted_zone_id(zone);
    let sets = ask(call.send()).await.unwrap().resource_record_sets;
    let places = sets.iter().map(|set| (set.name().to_owned(), set.r#type().as_str().to_owned()));
    places.filter(|(_, kind)| kind != "NS" && kind != "SOA").collect()
}

/// Writes an A record, as hosts and others do.
async fn write(account: &Account, zone: &str, name: &str, address: &str) {
    let value = ResourceRecord::builder().value(address).build().unwrap();
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::A).ttl(30).resource_records(value);
    change(account, zone, ChangeAction::Upsert, set.build().unwrap()).await;
}

async fn change(account: &Account, zone: &str, action: ChangeAction, set: ResourceRecordSet) {
    let change = Change::builder().action(action).resource_record_set(set).build().unwrap();
    let batch = ChangeBatch::builder().changes(change).build().unwrap();
    let call = account.context.aws.route53().change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
    ask(call.send()).await.unwrap();
}

async fn find(account: &Account, address: &str, spec: &Value) -> Live {
    let address: Address = address.parse().unwrap();
    let spec = kind(&address).normalise(spec).unwrap();
    account.find(&address, &spec).await.unwrap()
}

#[tokio::test]
async fn a_zone_comes_changes_and_goes() {
    let account = account().await;
    let vpc = vpc(&account).await;
    let plain = json!({"name": "Shop.Internal.", "vpc": vpc});
    let made = account.create(MAIN, plain.clone()).await;
    assert_eq!(made.outputs["name"], "shop.internal");
    assert_eq!(made.outputs["arn"], format!("arn:aws:route53:::hostedzone/{}", made.id));
    let full =
        json!({"name": "shop.internal", "vpc": vpc, "comment": "of the shop", "host_records": ["search", "kibana"]});
    account.update(MAIN, full.clone()).await;
    account.update(MAIN, plain.clone()).await;
    account.update(MAIN, full.clone()).await;
    account.delete(MAIN, &full).await;
    assert!(zones(&account).await.is_empty());

    // The same apply makes it again: the caller reference of the one that is gone is used up.
    let again = account.create(MAIN, full.clone()).await;
    assert_ne!(again.id, made.id);
    account.delete(MAIN, &full).await;
}

#[tokio::test]
async fn a_zone_whose_answer_is_lost_is_made_once() {
    let account = account().await;
    let vpc = vpc(&account).await;
    for (name, lost) in [("one", "true"), ("two", "\"request\"")] {
        account.faults(&format!("[[fault]]\noperation = \"CreateHostedZone\"\ntimes = 1\nlost = {lost}\n"));
        account.create(&format!("private_zone.{name}"), json!({"name": format!("{name}.internal"), "vpc": vpc})).await;
    }
    account.faults("");
    assert_eq!(zones(&account).await.len(), 2);
}

#[tokio::test]
async fn a_zone_that_was_made_and_not_tagged_is_the_resumed_applys() {
    let account = account().await;
    let vpc = vpc(&account).await;
    let address: Address = MAIN.parse().unwrap();
    let spec = |comment: &str| json!({"name": "shop.internal", "vpc": vpc, "comment": comment});
    account.faults(
        "[[fault]]\noperation = \"ChangeTagsForResource\"\ntimes = 1\nerror = \"AccessDenied\"\nstatus = 403\n",
    );
    let stopped = account.refused(MAIN, spec("first")).await;
    assert!(stopped.contains("AccessDenied"), "{stopped}");
    account.faults("");
    let untagged = zones(&account).await;
    assert_eq!(untagged.len(), 1);

    // An apply that resumes nothing can't know whose it is.
    let other = Context { nonce: "another".to_owned(), ..account.context.clone() };
    let refused = kind(&address).create(&other, &address, &spec("first")).await.unwrap_err();
    assert!(format!("{refused:#}").contains("has a private zone shop.internal already"), "{refused:#}");

    // One that resumes it, with a file that was changed meanwhile, goes on with it.
    let made = account.create(MAIN, spec("second")).await;
    let now = zones(&account).await;
    assert_eq!(now.len(), 1);
    assert!(untagged[0].id().ends_with(&made.id));
    account.delete(MAIN, &spec("second")).await;
}

#[tokio::test]
async fn what_hosts_write_goes_with_the_zone_and_what_others_write_keeps_it() {
    let account = account().await;
    let vpc = vpc(&account).await;
    let spec = json!({"name": "shop.internal", "vpc": vpc, "host_records": ["search"]});
    let zone = account.create(MAIN, spec.clone()).await.id;
    write(&account, &zone, "search.shop.internal", "10.0.0.5").await;
    assert!(find(&account, MAIN, &spec).await.foreign.is_empty());
    write(&account, &zone, "mine.shop.internal", "10.0.0.6").await;
    let live = find(&account, MAIN, &spec).await;
    assert_eq!(live.foreign, ["the record A mine.shop.internal"]);

    let address: Address = MAIN.parse().unwrap();
    let refused = kind(&address).delete(&account.context, &live).await.unwrap_err().to_string();
    assert!(refused.contains("A mine.shop.internal") && !refused.contains("search.shop"), "{refused}");
    assert_eq!(records(&account, &zone).await.len(), 2, "nothing is deleted in part");
    let value = ResourceRecord::builder().value("10.0.0.6").build().unwrap();
    let set = ResourceRecordSet::builder().name("mine.shop.internal").r#type(RrType::A).ttl(30);
    change(&account, &zone, ChangeAction::Delete, set.resource_records(value).build().unwrap()).await;
    account.delete(MAIN, &spec).await;
}

#[tokio::test]
async fn records_come_change_and_go() {
    let account = account().await;
    let vpc = vpc(&account).await;
    let zone_spec = json!({"name": "shop.internal", "vpc": vpc});
    let zone = account.create(MAIN, zone_spec.clone()).await.id;
    let kibana = |values: Value, ttl: u32| json!({"zone": zone, "name": "Kibana.shop.internal", "type": "A", "values": values, "ttl": ttl});
    account.create("record.kibana", kibana(json!(["10.0.0.2", "10.0.0.1"]), 60)).await;
    account.update("record.kibana", kibana(json!(["10.0.0.3"]), 60)).await;
    account.update("record.kibana", kibana(json!(["10.0.0.3"]), 0)).await;
    let any = json!({"zone": zone, "name": "*.shop.internal", "type": "CNAME", "values": ["kibana.shop.internal."]});
    account.create("record.any", any.clone()).await;
    let text = json!({"zone": zone, "name": "shop.internal", "type": "TXT", "values": ["\"a b\""]});
    account.create("record.text", text.clone()).await;
    assert_eq!(records(&account, &zone).await.len(), 6, "each has one beside it that says whose it is");
    assert!(find(&account, MAIN, &zone_spec).await.foreign.is_empty());

    // By the reference to its zone as well.
    let (address, zone_address): (Address, Address) = ("record.kibana".parse().unwrap(), MAIN.parse().unwrap());
    let zone_spec = kind(&zone_address).normalise(&zone_spec).unwrap();
    let mut referred = kind(&address).normalise(&kibana(json!(["10.0.0.3"]), 0)).unwrap();
    referred["zone"] = json!("${private_zone.main.id}");
    let wanted = [Wanted { address: &address, spec: &referred }, Wanted { address: &zone_address, spec: &zone_spec }];
    let found = kind(&address).find(&account.context, &wanted).await.unwrap();
    let addresses: Vec<String> = found.iter().map(|live| live.address.to_string()).collect();
    assert_eq!(addresses, ["record.any", "record.kibana", "record.text"]);

    // One that is replaced has another address until it is deleted.
    let retired: Address = "record.retired".parse().unwrap();
    let outcome = Outcome { id: found[2].id.clone(), outputs: found[2].outputs.clone() };
    kind(&address).tag(&account.context, &outcome, &[(ADDRESS, "record.retired")]).await.unwrap();
    let found = kind(&address).find(&account.context, &[]).await.unwrap();
    assert_eq!(found.iter().filter(|live| live.address == retired).count(), 1, "{found:?}");
    kind(&address).tag(&account.context, &outcome, &[(ADDRESS, "record.text")]).await.unwrap();

    account.delete("record.text", &text).await;
    account.delete("record.kibana", &kibana(json!(["10.0.0.3"]), 0)).await;
    assert_eq!(records(&account, &zone).await.len(), 2);
    // What is the stack's goes with the zone.
    account.delete(MAIN, &zone_spec).await;
}

#[tokio::test]
async fn a_record_that_was_there_is_taken_over_and_stays_others_until_it_changes() {
    let account = account().await;
    let vpc = vpc(&account).await;
    let zone = account.create(MAIN, json!({"name": "shop.internal", "vpc": vpc})).await.id;
    write(&account, &zone, "old.shop.internal", "10.0.0.5").await;
    let address: Address = "record.old".parse().unwrap();
    let spec = |ttl: u32| {
        let spec = json!({"zone": zone, "name": "old.shop.internal", "type": "A", "ttl": ttl, "values": ["10.0.0.5"]});
        kind(&address).normalise(&spec).unwrap()
    };
    let spec_30 = spec(30);
    let found = kind(&address).find(&account.context, &[Wanted { address: &address, spec: &spec_30 }]).await.unwrap();
    assert_eq!((found.len(), &found[0].spec), (1, &spec_30));
    assert!(kind(&address).find(&account.context, &[]).await.unwrap().is_empty(), "it is others' without the file");
    kind(&address).update(&account.context, &found[0], &spec(60), &["ttl".to_owned()]).await.unwrap();
    assert_eq!(kind(&address).find(&account.context, &[]).await.unwrap().len(), 1);
    account.delete("record.old", &spec(60)).await;
}
