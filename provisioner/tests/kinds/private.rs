//! What private subnets need, against an account: addresses, NAT gateways, interface endpoints, flow logs.

use crate::account::{Account, account, account_with, kind};
use lakewright::kind::Wanted;
use lakewright::resource::{Address, Condition};
use lakewright_aws::{ask, ask_all};
use lakewright_ec2::Ec2 as _;
use serde_json::{Value, json};

/// A VPC with an internet gateway and a subnet in two zones; returns the ids of VPC and subnets.
async fn network(account: &Account) -> (String, String, String) {
    let vpc = account.create("vpc.main", json!({"cidr": "10.0.0.0/16"})).await.id;
    let subnet = |at: u32, zone: &str| json!({"vpc": vpc, "cidr": format!("10.0.{at}.0/24"), "zone": format!("eu-north-1{zone}")});
    let a = account.create("subnet.a", subnet(0, "a")).await.id;
    let b = account.create("subnet.b", subnet(1, "b")).await.id;
    account.create("internet_gateway.main", json!({"vpc": vpc})).await;
    (vpc, a, b)
}

#[tokio::test]
async fn a_nat_gateway_comes_and_goes_with_its_address_and_routes() {
    let account = account().await;
    let (vpc, a, b) = network(&account).await;
    let address = account.create("elastic_ip.a", json!({})).await;
    assert!(address.outputs["address"].starts_with("198.51.100."), "{address:?}");
    let spec = json!({"subnet": a, "address": address.id});
    let nat = account.create("nat_gateway.a", spec.clone()).await;
    assert_eq!(nat.outputs["public_address"], address.outputs["address"]);
    let table = json!({"vpc": vpc, "routes": [{"destination": "0.0.0.0/0", "target": nat.id}], "subnets": [b]});
    account.create("route_table.private", table.clone()).await;

    // Somebody deleted it: another one is made for the same address, under the same token's nonce.
    account.delete("nat_gateway.a", &spec).await;
    let again = account.create("nat_gateway.a", spec.clone()).await;
    assert_ne!(again.id, nat.id);
    let moved = json!({"vpc": vpc, "routes": [{"destination": "0.0.0.0/0", "target": again.id}], "subnets": [b]});
    account.update("route_table.private", moved.clone()).await;

    account.delete("route_table.private", &moved).await;
    account.delete("nat_gateway.a", &spec).await;
    account.delete("elastic_ip.a", &json!({})).await;
    account.delete("internet_gateway.main", &json!({"vpc": vpc})).await;
    let inner = json!({"subnet": a});
    account.create("nat_gateway.inner", inner.clone()).await;
    account.delete("nat_gateway.inner", &inner).await;
}

#[tokio::test]
async fn a_gateway_that_aws_gave_up_is_made_anew() {
    let account = account().await;
    let (vpc, a, _) = network(&account).await;
    let address = account.create("elastic_ip.a", json!({})).await;
    let spec = json!({"subnet": a, "address": address.id});
    let gateway: Address = "internet_gateway.main".parse().unwrap();
    let live = account.find(&gateway, &json!({"vpc": vpc})).await.unwrap();
    let ec2 = account.context.aws.ec2();
    ask(ec2.detach_internet_gateway().internet_gateway_id(&live.id).vpc_id(&vpc).send()).await.unwrap();
    let refused = account.refused("nat_gateway.a", spec.clone()).await;
    assert!(refused.contains("Gateway.NotAttached"), "{refused}");
    let nat: Address = "nat_gateway.a".parse().unwrap();
    let failed = account.find(&nat, &spec).await.unwrap();
    assert!(matches!(failed.condition, Condition::Failed(_)), "{failed:?}");

    ask(ec2.attach_internet_gateway().internet_gateway_id(&live.id).vpc_id(&vpc).send()).await.unwrap();
    let made = kind(&nat).create(&account.context, &nat, &spec).await.unwrap();
    assert_ne!(made.id, failed.id);
    // The failed one lingers beside it and isn't taken for a second.
    let found = account.find(&nat, &spec).await.unwrap();
    assert_eq!((found.id, found.condition), (made.id, Condition::Ready));
}

#[tokio::test]
async fn addresses_beyond_the_limit_are_refused() {
    let account = account().await;
    for name in ["a", "b", "c", "d", "e"] {
        account.create(&format!("elastic_ip.{name}"), json!({})).await;
    }
    let refused = account.refused("elastic_ip.f", json!({})).await;
    assert!(refused.contains("AddressLimitExceeded"), "{refused}");
}

#[tokio::test]
async fn interface_endpoints_change_in_place() {
    let account = account().await;
    let (vpc, a, b) = network(&account).await;
    let group = |name: &str| json!({"vpc": vpc, "name": name, "description": "for a test"});
    let one = account.create("security_group.one", group("one")).await.id;
    let two = account.create("security_group.two", group("two")).await.id;
    let spec = |subnets: Value, group: &str, names: bool| {
        json!({
            "vpc": vpc, "service": "glue", "type": "interface", "subnets": subnets, "security_groups": [group],
            "private_dns": names,
        })
    };
    account.create("vpc_endpoint.glue", spec(json!([a]), &one, true)).await;
    account.update("vpc_endpoint.glue", spec(json!([a, b]), &two, true)).await;
    account.update("vpc_endpoint.glue", spec(json!([b]), &two, false)).await;
    account.update("vpc_endpoint.glue", spec(json!([b]), &two, true)).await;
    let second = account.refused("vpc_endpoint.again", spec(json!([a]), &one, true)).await;
    assert!(second.contains("conflicting DNS domain"), "{second}");
    account.delete("vpc_endpoint.glue", &spec(json!([b]), &two, true)).await;
    let interfaces = account.context.aws.ec2().describe_network_interfaces().into_paginator().items().send();
    let held = ask_all(interfaces).await.unwrap();
    assert!(held.is_empty(), "{held:?}");
}

#[tokio::test]
async fn flow_logs_go_where_they_are_meant_to() {
    let account = account().await;
    let (vpc, ..) = network(&account).await;
    let role = "arn:aws:iam::123456789012:role/flows";
    let group = json!({"vpc": vpc, "log_group": "/flows", "role": role});
    let made = account.create("flow_log.main", group.clone()).await;
    let same = account.refused("flow_log.again", group.clone()).await;
    assert!(same.contains("FlowLogAlreadyExists"), "{same}");
    let bucket = json!({"vpc": vpc, "bucket": "arn:aws:s3:::nobody-has-this/flows", "traffic": "reject"});
    let missing = account.refused("flow_log.bucket", bucket).await;
    assert!(missing.contains("nobody-has-this does not exist"), "{missing}");
    account.delete("flow_log.main", &group).await;
    let left = ask_all(account.context.aws.ec2().describe_flow_logs().into_paginator().items().send()).await.unwrap();
    assert!(left.iter().all(|log| log.flow_log_id() != Some(&made.id)), "{left:?}");
}

#[tokio::test]
async fn a_deleted_flow_log_makes_room_for_another_like_it() {
    let account = account_with(lakewright_account::Delays::Scaled(0.05)).await;
    let vpc = account.create("vpc.main", json!({"cidr": "10.0.0.0/16"})).await.id;
    let spec = json!({"name": "shop-flows-123456789012"});
    let bucket: Address = "bucket.flows".parse().unwrap();
    kind(&bucket).create(&account.context, &bucket, &kind(&bucket).normalise(&spec).unwrap()).await.unwrap();
    let address: Address = "flow_log.main".parse().unwrap();
    let spec = |seconds: u32| {
        let spec = json!({"vpc": vpc, "bucket": "arn:aws:s3:::shop-flows-123456789012",
            "max_aggregation_interval_seconds": seconds});
        kind(&address).normalise(&spec).unwrap()
    };
    let (spec, other) = (spec(600), spec(60));
    let first = kind(&address).create(&account.context, &address, &spec).await.unwrap().id;
    let wanted = [Wanted { address: &address, spec: &spec }];
    let live = kind(&address).find(&account.context, &wanted).await.unwrap().remove(0);
    kind(&address).delete(&account.context, &live).await.unwrap();
    assert!(kind(&address).find(&account.context, &wanted).await.unwrap().is_empty(), "it is still listed");
    let second = kind(&address).create(&account.context, &address, &other).await.unwrap().id;
    assert_ne!(second, first);
}
