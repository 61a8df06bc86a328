//! Roles that move under their stack's path while hosts work by them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_iam::types::Tag;
use lakewright::services::Services as _;
use lakewright_aws::{Aws, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::Reservation;
use serde_json::Value;

use crate::place::Place;

/// A stack with a host, whose role and profile stand at a path, or where the stack puts them.
fn stack(path: &str) -> String {
    format!(
        r#"[stack]
name = "shop"
region = "eu-north-1"
[network]
zones = ["a"]
flow_logs = false
[resource.security_group.app]
vpc = "${{vpc.main.id}}"
name = "app"
description = "hosts"
[resource.role.app]
name = "shop-app"
{path}
[resource.role.app.trust]
Version = "2012-10-17"
Statement = [{{ Effect = "Allow", Principal = {{ Service = "ec2.amazonaws.com" }}, Action = "sts:AssumeRole" }}]
[resource.instance_profile.app]
name = "shop-app"
{path}
role = "${{role.app.name}}"
[resource.launch_template.app]
name = "shop-app"
image = "ami-0123456789abcdef0"
instance_type = "t3.small"
security_groups = ["${{security_group.app.id}}"]
instance_profile = "${{instance_profile.app.name}}"
[resource.auto_scaling_group.app]
name = "shop-app"
launch_template = "${{launch_template.app.id}}"
subnets = ["${{subnet.a.id}}"]
min_size = 2
max_size = 2
desired_capacity = 2
"#
    )
}

/// An account with the stack applied whose role and profile stand at `/`, as versions before made them, and its file.
async fn applied_at_root() -> (Place, PathBuf, String) {
    let place = Place::new().await;
    let file = place.folder.path().join("shop.toml");
    let path = file.display().to_string();
    std::fs::write(&file, stack("path = \"/\"")).unwrap();
    let apply = place.run(&["apply", &path, "--yes"]).await;
    assert_eq!(apply.code, Some(0), "{}", apply.err);
    (place, file, path)
}

/// The profiles that hosts have, by their hosts.
async fn profiles(aws: &Aws) -> Vec<(String, String)> {
    let found = ask(aws.ec2().describe_instances().send()).await.unwrap();
    let hosts = found.reservations().iter().flat_map(Reservation::instances);
    let profile = |host: &lakewright_ec2::sdk::types::Instance| {
        let arn = host.iam_instance_profile()?.arn()?.to_owned();
        Some((host.instance_id()?.to_owned(), arn))
    };
    hosts.filter_map(profile).collect()
}

/// The ARN of the role that hosts with a profile get; none if they get none.
async fn role_of(aws: &Aws, profile: &str) -> Option<String> {
    let name = profile.rsplit('/').next().unwrap();
    let found = ask(aws.iam().get_instance_profile().instance_profile_name(name).send()).await.ok()?;
    let role = found.instance_profile()?.roles().first()?.role_name().to_owned();
    let role = ask(aws.iam().get_role().role_name(role).send()).await.ok()?;
    Some(role.role()?.arn().to_owned())
}

/// A plan that says another step than the one that was saved is refused, although nothing but time was to make it so.
async fn only_what_was_agreed_to_is_done(place: &Place, stack: &str) {
    let file = place.folder.path().join("shop.plan");
    let path = file.display().to_string();
    let saved = place.run(&["plan", stack, "--out", &path]).await;
    assert_eq!(saved.code, Some(0), "{}", saved.err);
    let applied = place.run(&["apply", &path, "--yes"]).await;
    assert_eq!(applied.code, Some(3), "{}{}", applied.out, applied.err);
    // As it would have been saved when the time of the old role was over.
    let mut plan: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let live = plan["live"].as_array_mut().unwrap();
    let old = live.iter_mut().find(|one| one["address"].as_str().unwrap().starts_with("role.app@")).unwrap();
    assert!(old["observed"].as_object_mut().unwrap().remove("kept_until").is_some());
    let address = old["address"].as_str().unwrap().to_owned();
    std::fs::write(&file, plan.to_string()).unwrap();
    let refused = place.run(&["apply", &path, "--yes"]).await;
    assert_eq!(refused.code, Some(1), "{}{}", refused.out, refused.err);
    assert!(
        refused.err.contains(&format!("{address}: the plan says `blocked` now and said `delete`")),
        "{}",
        refused.err
    );
}

/// When something was noted to be left by all that worked by a role; nothing if it wasn't.
async fn left(aws: &Aws, role: &str) -> Option<String> {
    let found = ask(aws.iam().get_role().role_name(role).send()).await.unwrap();
    let tag = found.role()?.tags().iter().find(|tag| tag.key() == "lakewright:left")?;
    Some(tag.value().to_owned())
}

/// A profile of somebody else that says it were the stack's.
async fn claim(aws: &Aws, name: &str) {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let call = aws.iam().create_instance_profile().instance_profile_name(name).path("/");
    let call = call.tags(tag("lakewright:stack", "shop")).tags(tag("lakewright:address", "instance_profile.app"));
    ask(call.send()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_host_loses_its_role_by_a_move_that_is_interrupted() {
    let (place, file, path) = applied_at_root().await;
    std::fs::write(&file, stack("")).unwrap();
    let aws = place.client();
    let before = profiles(&aws).await;
    assert_eq!(before.len(), 2);

    // The old profile has given its address up, and nothing has it; then there is a new one, and nothing names it.
    for denied in ["CreateInstanceProfile", "CreateInstanceProfile", "CreateLaunchTemplateVersion"] {
        place.faults(&format!("[[fault]]\noperation = \"{denied}\"\nerror = \"AccessDenied\"\nstatus = 403\n"));
        let failed = place.run(&["apply", &path, "--yes", "--move-roles"]).await;
        assert!(failed.code == Some(1) && failed.err.contains(denied), "{}{}", failed.out, failed.err);
        assert_eq!(profiles(&aws).await, before, "{denied}");
        assert!(role_of(&aws, &before[0].1).await.is_some(), "{denied}: {}", failed.err);
        assert_eq!(left(&aws, "shop-app").await, None, "{denied}: hosts work by it");
    }

    // Tags alone make nobody's profile that of the hosts.
    claim(&aws, "shop-aaa").await;
    place.faults("");
    let moved = place.run(&["apply", &path, "--yes", "--move-roles"]).await;
    assert_eq!(moved.code, Some(3), "{}{}", moved.out, moved.err);
    let new = "arn:aws:iam::123456789012:instance-profile/lakewright/shop/shop-app-2";
    let after = profiles(&aws).await;
    assert!(after.len() == 2 && after.iter().all(|(_, profile)| profile == new), "{after:?}");
    assert!(role_of(&aws, new).await.is_some());
    assert_eq!(role_of(&aws, &before[0].1).await, None, "the old one has gone");
    assert!(left(&aws, "shop-app").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_host_is_without_a_role_while_it_moves() {
    let (place, file, path) = applied_at_root().await;

    std::fs::write(&file, stack("")).unwrap();
    let plan = place.run(&["plan", &path, "--detailed-exitcode"]).await;
    assert_eq!(plan.code, Some(0), "what is there stays where it is: {}{}", plan.out, plan.err);
    let plan = place.run(&["plan", &path, "--move-roles"]).await;
    assert!(plan.out.contains("it moves from / to /lakewright/shop/"), "{}{}", plan.out, plan.err);

    let aws = place.client();
    let before = profiles(&aws).await;
    assert_eq!(before.len(), 2);
    let (over, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let watch = async {
        while !over.load(Ordering::Relaxed) {
            for (host, profile) in profiles(&aws).await {
                // Between the two looks it may have got another one.
                let lacks = role_of(&aws, &profile).await.is_none();
                let still = || async { profiles(&aws).await.contains(&(host.clone(), profile.clone())) };
                assert!(!(lacks && still().await), "{host} has {profile}, and no role by it");
            }
            looks.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let move_them = async {
        let said = place.run(&["apply", &path, "--yes", "--move-roles"]).await;
        over.store(true, Ordering::Relaxed);
        said
    };
    let ((), moved) = tokio::join!(watch, move_them);
    assert_eq!(moved.code, Some(0), "{}{}", moved.out, moved.err);
    assert!(looks.into_inner() > 3, "nobody looked");

    // The same hosts work by the new role, and the old profile is gone.
    let after = profiles(&aws).await;
    let new = "arn:aws:iam::123456789012:instance-profile/lakewright/shop/shop-app-2";
    assert_eq!(
        after.iter().map(|(host, _)| host).collect::<Vec<_>>(),
        before.iter().map(|(host, _)| host).collect::<Vec<_>>()
    );
    assert!(after.iter().all(|(_, profile)| profile == new), "{after:?}");
    assert_eq!(role_of(&aws, new).await.unwrap(), "arn:aws:iam::123456789012:role/lakewright/shop/shop-app-2");
    assert_eq!(role_of(&aws, &before[0].1).await, None);

    // What holds credentials of the old role may use them up.
    assert!(ask(aws.iam().get_role().role_name("shop-app").send()).await.is_ok());
    let left = place.run(&["plan", &path, "--detailed-exitcode", "--format", "json"]).await;
    assert_eq!(left.code, Some(2), "{}", left.err);
    let left: Value = serde_json::from_str(&left.out).unwrap();
    assert_eq!(
        (left["steps"].as_array().unwrap().len(), left["blocked"].as_array().unwrap().len()),
        (0, 1),
        "{left:#}"
    );
    assert!(left["blocked"][0]["address"].as_str().unwrap().starts_with("role.app@"), "{left:#}");
    let again = place.run(&["apply", &path, "--yes", "--move-roles"]).await;
    assert_eq!(again.code, Some(3), "{}{}", again.out, again.err);
    only_what_was_agreed_to_is_done(&place, &path).await;

    let destroyed = place.run(&["destroy", &path, "--yes", "--allow-data-loss", "all"]).await;
    assert_eq!(destroyed.code, Some(0), "{}", destroyed.err);
    for role in ["shop-app", "shop-app-2"] {
        assert!(ask(aws.iam().get_role().role_name(role).send()).await.is_err_and(|error| error.is_not_found()));
    }
}
