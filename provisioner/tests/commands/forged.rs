//! What somebody does to a stack's memory, its key and the tags of others, to have things taken for the stack's.

use crate::shop::{Shop, addresses, left, poison, state_bucket};
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use lakewright::lease;
use lakewright::record::{Found, Record};
use lakewright::resource::Address;
use lakewright::services::Services as _;
use lakewright_aws::{Put, ask};
use lakewright_ec2::Ec2 as _;
use lakewright_ec2::sdk::types::Tag;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_read_takes_nothing_that_was_signed_with_it() {
    let shop = Shop::applied().await;
    let lived = shop.document().await["memory"]["lived"].clone();
    assert!(lived.as_object().unwrap().len() > 3, "{lived}");
    let objects = shop.place.client().objects();
    // However often it is written.
    for (words, times) in [(&["unlock", "--yes"][..], 1), (&[], 250)] {
        for _ in 0..times {
            objects.put(&state_bucket(), "stacks/shop.json", "{".into(), Put::default()).await.unwrap();
        }
        if !words.is_empty() {
            shop.says(words, 0).await;
        }
        shop.says(&["recover", "--answers", &shop.answers("")], 0).await;
        let document = shop.document().await;
        assert_eq!(document["memory"]["lived"], lived, "{words:?}");
        assert!(document["memory"]["log"].to_string().contains("put back"), "{document}");
        assert_eq!(shop.plan(&["--drift"], 0).await["doubt"], Value::Null, "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_put_at_the_alias_says_nothing() {
    let shop = Shop::applied().await;
    let aws = shop.place.client();
    let poisoned = poison(&shop.place).await;
    let make = aws.kms().create_key().key_spec(KeySpec::EccNistP256).key_usage(KeyUsageType::SignVerify);
    let key = ask(make.send()).await.unwrap().key_metadata.unwrap().key_id;
    let alias = "alias/lakewright/shop";
    ask(aws.kms().update_alias().alias_name(alias).target_key_id(&key).send()).await.unwrap();

    // Its owner signs that a topic of others is the stack's.
    let signer = lease::signer(&shop.context());
    let Found::Key(key) = signer.find().await.unwrap() else { panic!("there is a key at {alias}") };
    let (address, id): (Address, &str) = ("sns_topic.x".parse().unwrap(), &poisoned[4]);
    let text = Record::text(signer.scope(), &address, id, "", u64::from(u32::MAX));
    let signature = signer.sign(&key, &text).await.unwrap();
    let record = Record { serial: u64::from(u32::MAX), signature, hashes: String::new() }.to_string();
    let tag = aws_sdk_sns::types::Tag::builder().key("lakewright:applied").value(record).build().unwrap();
    ask(aws.sns().tag_resource().resource_arn(id).tags(tag).send()).await.unwrap();

    for words in [&["plan"][..], &["apply", "--yes"], &["destroy", "--yes", "--allow-data-loss", "all"]] {
        let said = shop.says(words, 1).await.err;
        assert!(said.contains(alias) && said.contains("is another one"), "{said}");
    }
    // Nor does it count when what is lost is recovered.
    let lacking = shop.says(&["recover", "--answers", &shop.answers("")], 1).await.err;
    assert!(lacking.contains("nothing was changed") && lacking.contains("is another one"), "{lacking}");
    let lacking = shop.says(&["recover", "--answers", &shop.answers("signing_key = \"new\"\n")], 1).await.err;
    assert!(lacking.contains("\"sns_topic.x\" = "), "{lacking}");
    assert_eq!(left(&shop.place).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_refused_to_make_isnt_the_stacks_when_somebody_else_tags_it() {
    let shop = Shop::applied().await;
    shop.write(
        "[resource.vpc.extra]\ncidr = \"10.50.0.0/16\"\n\
         [resource.security_group.extra]\nname = \"extra\"\ndescription = \"x\"\nvpc = \"${vpc.extra.id}\"\n",
    );
    let refuse =
        "[[fault]]\nservice = \"ec2\"\noperation = \"CreateVpc\"\nerror = \"VpcLimitExceeded\"\nstatus = 400\n";
    shop.place.faults(refuse);
    shop.says(&["apply", "--yes"], 1).await;
    shop.place.faults("");
    let memory = &shop.document().await["memory"];
    assert_eq!((&memory["making"], &memory["intents"]), (&json!([]), &json!({})));

    let ec2 = shop.place.client().ec2();
    let vpc = ask(ec2.create_vpc().cidr_block("10.99.0.0/16").send()).await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let tags = [("lakewright:stack", "shop"), ("lakewright:address", "vpc.extra")];
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
    ask(ec2.create_tags().resources(&vpc).set_tags(Some(tags.into())).send()).await.unwrap();
    assert_eq!(addresses(&shop.plan(&[], 2).await["claimed"]), ["vpc.extra"]);
    shop.says(&["apply", "--yes"], 3).await;
    assert!(left(&shop.place).await.contains("vpc"));
}
