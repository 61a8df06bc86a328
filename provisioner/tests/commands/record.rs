//! Whose a thing is: what a stack made is known by records that it signed, and by nothing that somebody else can write.

use std::collections::BTreeSet;

use crate::place::ACCOUNT;
use crate::shop::{FILE, ROLE, Shop, addresses, left, poison};
use lakewright::services::Services as _;
use lakewright_aws::ask;
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::Tag;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_others_tagged_is_named_and_lives() {
    let shop = Shop::applied().await;
    let ids = poison(&shop.place).await;
    let all = BTreeSet::from(["bucket", "key", "role", "security_group", "sns_topic", "vpc"]);

    let said = shop.says(&["apply", "--yes"], 3).await;
    let plan = shop.plan(&[], 2).await;
    assert_eq!(
        addresses(&plan["claimed"]),
        ["bucket.x", "key.x", "role.x", "security_group.x", "sns_topic.x", "vpc.x"]
    );
    assert!(ids.iter().all(|id| said.out.contains(id)), "{}", said.out);
    assert_eq!(plan["steps"], json!([]));
    shop.says(&["destroy", "--yes", "--exclude", "*", "--allow-data-loss", "all"], 3).await;
    assert_eq!(left(&shop.place).await, all);

    // A record that is copied from one of the stack's own proves nothing.
    let record = shop.tag_of_role("lakewright:applied").await.unwrap();
    let tag = aws_sdk_iam::types::Tag::builder().key("lakewright:applied").value(record).build().unwrap();
    ask(shop.place.client().iam().tag_role().role_name("payroll-admin").tags(tag).send()).await.unwrap();
    let markdown = shop.says(&["plan", "--format", "markdown"], 0).await.out;
    assert!(markdown.contains("`role.x`") && markdown.contains("was signed for something else"), "{markdown}");
    shop.says(&["apply", "--yes"], 3).await;
    assert_eq!(left(&shop.place).await, all);

    // What is named goes, and nothing else; what holds data takes another word.
    shop.says(&["apply", "--yes", "--delete-claimed", "sns_topic.x"], 3).await;
    let mut expected = all.clone();
    expected.remove("sns_topic");
    assert_eq!(left(&shop.place).await, expected);
    shop.says(&["apply", "--yes", "--delete-claimed", "bucket.x"], 1).await;
    assert_eq!(left(&shop.place).await, expected);
    let refused = shop.says(&["apply", "--yes", "--delete-claimed", "bucket.raw"], 1).await.err;
    assert!(refused.contains("nothing is claimed at bucket.raw"), "{refused}");

    // Destroy leaves them too.
    shop.says(&["destroy", "--yes", "--allow-data-loss", "all"], 3).await;
    assert_eq!(left(&shop.place).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn something_claimed_stands_in_the_way_of_its_address_and_of_nothing_else() {
    let shop = Shop::new().await;
    let ec2 = shop.place.client().ec2();
    let vpc = ask(ec2.create_vpc().cidr_block("10.99.0.0/16").send()).await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let tags = [("lakewright:stack", "shop"), ("lakewright:address", "vpc.main")];
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
    ask(ec2.create_tags().resources(&vpc).set_tags(Some(tags.clone().into())).send()).await.unwrap();
    let said = shop.says(&["apply", "--yes"], 3).await;
    assert!(said.err.contains("Done:") && said.out.contains(&vpc), "{}\n{}", said.out, said.err);
    shop.place.client().objects().list(&format!("shop-raw-{ACCOUNT}"), "").await.unwrap();

    // Once it is nobody's word any more, the rest is made; a second one beside the stack's own is claimed again.
    ask(ec2.delete_tags().resources(&vpc).set_tags(Some(tags.clone().into())).send()).await.unwrap();
    shop.says(&["apply", "--yes"], 0).await;
    ask(ec2.create_tags().resources(&vpc).set_tags(Some(tags.into())).send()).await.unwrap();
    let plan = shop.plan(&[], 2).await;
    let [exact] = addresses(&plan["claimed"])[..] else { panic!("{}", plan["claimed"]) };
    assert!(exact.starts_with("vpc.main@") && plan["steps"] == json!([]), "{exact}");
    let refused = shop.says(&["apply", "--yes", "--delete-claimed", "vpc.main"], 1).await.err;
    assert!(refused.contains(&format!("{exact} ({vpc})")), "{refused}");
    let status = shop.says(&["status"], 0).await.out;
    assert!(status.contains(exact) && status.contains("Claimed: "), "{status}");
    shop.says(&["apply", "--yes", "--delete-claimed", exact], 0).await;
    shop.plan(&[], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_isnt_switched_off_by_a_tag() {
    let shop = Shop::applied().await;
    let record = shop.tag_of_role("lakewright:applied").await.unwrap();
    let iam = shop.place.client().iam();
    let healed = async |fault: &str| {
        let plan = shop.plan(&["--drift"], 2).await;
        assert_eq!(addresses(&plan["steps"]), ["role.function-hello"], "{fault}");
        let step = &plan["steps"][0];
        assert_eq!(step["cause"], "drift");
        assert!(step["consequences"].to_string().contains(fault), "{step}");
        shop.says(&["apply", "--drift-only", "--yes"], 0).await;
        shop.plan(&["--drift"], 0).await;
    };

    // A record that is gone, with and without a change that it would have shown.
    ask(iam.untag_role().role_name(ROLE).tag_keys("lakewright:applied").send()).await.unwrap();
    healed("its record is missing").await;
    shop.open_role().await;
    ask(iam.untag_role().role_name(ROLE).tag_keys("lakewright:applied").send()).await.unwrap();
    healed("its record is missing").await;
    let policies = ask(iam.list_role_policies().role_name(ROLE).send()).await.unwrap().policy_names;
    assert!(!policies.contains(&"backdoor".to_owned()), "{policies:?}");

    // A forged one, one of another thing, and an older one.
    shop.open_role().await;
    let (head, hashes) = record.rsplit_once(':').unwrap();
    shop.tag_role("lakewright:applied", &format!("{head}:{}", hashes.replace(|c: char| c.is_ascii_lowercase(), "z")))
        .await;
    healed("its record is forged").await;
    shop.open_role().await;
    shop.tag_role("lakewright:applied", &record).await;
    healed("an older record of it was put back").await;

    // What the file says otherwise without anybody's doing differs too.
    let changed = FILE.replace("python3.13", "python3.12");
    std::fs::write(&shop.file, changed).unwrap();
    let plan = shop.plan(&["--drift"], 2).await;
    assert_eq!(plan["steps"], json!([]));
    assert!(addresses(&plan["left_out"]).contains(&"function.hello"));
    shop.plan(&["--drift", "--target", "bucket.*"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_were_changed_by_hand_are_put_back() {
    let shop = Shop::applied().await;
    // One that lost its tags is none that is gone: a second network would be made.
    let ec2 = shop.place.client().ec2();
    let vpc = ask(ec2.describe_vpcs().send()).await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
    let tags = ["lakewright:stack", "lakewright:address"].map(|key| Tag::builder().key(key).build());
    ask(ec2.delete_tags().resources(&vpc).set_tags(Some(tags.into())).send()).await.unwrap();
    // Nor is it gone while nobody may read it: it is named, remembered, and none is made in its place.
    let denied =
        "[[fault]]\nservice = \"ec2\"\noperation = \"DescribeVpcAttribute\"\nerror = \"UnauthorizedOperation\"\n";
    shop.place.faults(&format!("{denied}status = 403\n"));
    let plan = shop.plan(&[], 2).await;
    assert_eq!((addresses(&plan["blocked"]), &plan["steps"]), (vec!["vpc.main"], &json!([])));
    shop.says(&["apply", "--yes"], 3).await;
    shop.place.faults("");
    let plan = shop.plan(&["--drift"], 2).await;
    assert_eq!((addresses(&plan["steps"]), plan["steps"][0]["action"].as_str()), (vec!["vpc.main"], Some("update")));
    shop.says(&["apply", "--drift-only", "--yes"], 0).await;
    shop.plan(&["--drift"], 0).await;

    shop.tag_role("lakewright:address", "role.other").await;
    let plan = shop.plan(&["--drift"], 2).await;
    assert_eq!((addresses(&plan["steps"]), &plan["claimed"]), (vec!["role.function-hello"], &json!([])));
    shop.says(&["apply", "--drift-only", "--yes"], 0).await;
    assert_eq!(shop.tag_of_role("lakewright:address").await.as_deref(), Some("role.function-hello"));
    shop.plan(&[], 0).await;
}
