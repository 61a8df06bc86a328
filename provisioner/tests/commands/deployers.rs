//! A stack that names its deployers, and somebody else who applies it.

use crate::place::{ACCOUNT, Place, REGION};
use lakewright::services::Services as _;
use lakewright_aws::ask;
use serde_json::json;

const ANYTHING: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_in_the_deployers_is_said_before_anything_is_made() {
    let place = Place::new().await;
    let aws = place.client();
    let who = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")});
    let trust = json!({"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"});
    let trust = json!({"Version": "2012-10-17", "Statement": [trust]}).to_string();
    let call = aws.iam().create_role().role_name("ops").assume_role_policy_document(trust);
    let role = ask(call.send()).await.unwrap().role.unwrap().arn;
    let call = aws.iam().put_role_policy().role_name("ops").policy_name("own").policy_document(ANYTHING);
    ask(call.send()).await.unwrap();
    let call = aws.sts().assume_role().role_arn(&role).role_session_name("me");
    let session = ask(call.send()).await.unwrap().credentials.unwrap();
    let variables = [
        ("AWS_ACCESS_KEY_ID", session.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", session.secret_access_key()),
        ("AWS_SESSION_TOKEN", session.session_token()),
    ];
    let file = place.folder.path().join("shop.toml");
    let path = file.display().to_string();
    let write = |deployers: &str| {
        let text = format!(
            "[stack]\nname = \"shop\"\nregion = \"{REGION}\"\ndeployers = [\"{deployers}\"]\n[resource.object.code]\n\
             bucket = \"${{bucket.artifacts.name}}\"\nkey = \"hosts/run.sh\"\ncontent = \"true\"\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    write("role/opz");
    let said = "you are role/ops, and not among `deployers` in [stack] (role/opz)";
    let plan = place.run_with(&["plan", &path], &variables).await;
    assert!(plan.code == Some(0) && plan.err.contains(said), "{}\n{}", plan.out, plan.err);
    let apply = place.run_with(&["apply", &path, "--yes"], &variables).await;
    assert!(apply.code == Some(1) && apply.err.contains(said), "{}\n{}", apply.out, apply.err);
    assert!(aws.objects().list(&format!("shop-artifacts-{ACCOUNT}"), "").await.is_err(), "nothing was made");
    write("role/ops");
    let apply = place.run_with(&["apply", &path, "--yes"], &variables).await;
    assert_eq!(apply.code, Some(0), "{}\n{}", apply.out, apply.err);
}
